//! The build of a part: its rows' file becomes its graph's.

use super::error::OutOfCoreError;
use super::file::{BUFFER, Kind, Reader, Writer};
use super::plan::Plan;
use crate::atomic_file;
use crate::builder::NnDescent;
use crate::error::BuildError;
use crate::graph::KnnGraph;
use crate::io::{Matrix, Values};
use crate::report::BuildReport;

/// Builds the graph of one part of a plan with a builder of the plan's settings ([`Plan::builder`]) and any device, and
/// writes it to the plan's folder. Returns the report, or none if the part has a single row, which has no neighbour.
///
/// Parts may be built in any order, by any number of processes and machines that share the folder; a graph that is
/// there already is replaced. Takes as much memory as a build of the part's rows.
///
/// # Errors
/// No such part; another builder than the plan's; rows that are missing, damaged or of another plan; the build's own.
pub fn build_part(plan: &Plan, part: usize, builder: &NnDescent) -> Result<Option<BuildReport>, OutOfCoreError> {
    plan.check_part(part)?;
    plan.check_builder(builder)?;
    let (ids, rows) = read_part(plan, part)?;
    let built = if rows.n > 1 {
        let width = plan.identity.width.min(rows.n - 1);
        let failed = |source: BuildError| OutOfCoreError::Part { part, source };
        let points = rows.points().map_err(|e| failed(e.into()))?;
        Some(builder.clone().n_neighbors(width).recall_sample(0).graph(&points).map_err(failed)?)
    } else {
        None
    };
    drop(rows);
    let (graph, report) = built.map_or((None, None), |built| (Some(built.graph), Some(built.report)));
    write_graph(plan, part, &ids, graph.as_ref())?;
    Ok(report)
}

/// Reads the rows of a part of a plan, and their ids in the input: what an index of the part is built of.
///
/// # Errors
/// No such part; rows that are missing, damaged or of another plan.
pub fn read_part(plan: &Plan, part: usize) -> Result<(Vec<u32>, Matrix), OutOfCoreError> {
    plan.check_part(part)?;
    let file = open_rows(plan, part)?;
    match plan.identity.dtype.as_str() {
        "float16" => read_values(plan, &file, Values::F16),
        "uint8" => read_values(plan, &file, Values::U8),
        "int8" => read_values(plan, &file, Values::I8),
        _ => read_values(plan, &file, Values::F32),
    }
}

/// Opens the file of a part's rows.
pub(super) fn open_rows(plan: &Plan, part: usize) -> Result<Reader, OutOfCoreError> {
    let path = plan.rows_path(part);
    if !path.exists() {
        return Err(OutOfCoreError::Missing { part, path });
    }
    let file = Reader::open(&path, Kind::Rows)?;
    plan.identity.check(&file, &[("part", part.to_string())])?;
    Ok(file)
}

fn read_values<T: bytemuck::Pod>(
    plan: &Plan,
    file: &Reader,
    values: fn(Vec<T>) -> Values,
) -> Result<(Vec<u32>, Matrix), OutOfCoreError> {
    let dim = plan.dim();
    let record = size_of::<u32>() + dim * size_of::<T>();
    let n = file.length::<u8>(0) / record;
    let (mut ids, mut x) = (Vec::with_capacity(n), Vec::with_capacity(n * dim));
    let mut stream = file.stream(0);
    let mut buffer = vec![0u8; (BUFFER / record).max(1) * record];
    while stream.left() > 0 {
        let length = buffer.len().min(stream.left() as usize);
        stream.fill(&mut buffer[..length])?;
        for record in buffer[..length].chunks_exact(record) {
            let (id, row) = record.split_at(size_of::<u32>());
            ids.push(bytemuck::pod_read_unaligned(id));
            let at = x.len();
            x.resize(at + dim, T::zeroed());
            bytemuck::cast_slice_mut(&mut x[at..]).copy_from_slice(row);
        }
    }
    stream.finish()?;
    Ok((ids, Matrix { n, dim, values: values(x), narrowed_from: None, narrowing: None }))
}

/// Writes the graph of rows, its ids being places among `ids`; none if no row has a neighbour.
fn write_graph(plan: &Plan, part: usize, ids: &[u32], graph: Option<&KnnGraph>) -> Result<(), OutOfCoreError> {
    let (path, width) = (plan.graph_path(part), plan.identity.width);
    let lines = plan.identity.lines(&[("part", part.to_string()), ("round", "0".into())]);
    let written = atomic_file::replace(&path, |out| {
        let mut file = Writer::new(out, Kind::Graph, &lines)?;
        file.write(ids)?;
        file.second_section()?;
        let mut record = vec![0u32; 2 * width];
        for i in 0..ids.len() {
            let (to, distances) = record.split_at_mut(width);
            to.fill(KnnGraph::NO_NEIGHBOR);
            distances.fill(f32::INFINITY.to_bits());
            if let Some(graph) = graph {
                to.iter_mut().zip(graph.ids(i)).for_each(|(to, &place)| *to = ids[place as usize]);
                distances.iter_mut().zip(graph.distances(i)).for_each(|(to, distance)| *to = distance.to_bits());
            }
            file.write(&record)?;
        }
        file.finish()
    });
    written.map_err(|e| OutOfCoreError::os(&path, e))
}
