//! Graphs as .npz files of `indices` and `distances`.

use std::io::Write;
use std::path::Path;

use super::error::IoError;
use super::kind::Kind;
use super::npy::{Npz, read_header};
use super::npy_out::NpzWriter;
use super::values::read_vec;
use super::vecs::read_ivecs;
use crate::atomic_file;
use crate::graph::KnnGraph;

/// Reads a graph from an `.npz` or the ids of one from an `.ivecs`.
///
/// The `.npz` holds `indices` (n x k of uint32, int32 or int64; -1 or 4294967295 where a neighbour is missing) and may
/// hold `distances` (n x k of float32 or float64). Without distances, all are zero.
///
/// # Errors
/// [`IoError`] if the file cannot be read or does not hold these arrays.
pub fn read_graph(path: impl AsRef<Path>) -> Result<KnnGraph, IoError> {
    let path = path.as_ref();
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("ivecs")) {
        let (n, k, ids) = read_ivecs(path)?;
        let ids = to_ids(path, k, ids.into_iter())?;
        let distances = vec![0.0; ids.len()];
        return Ok(KnnGraph::new(n, k, ids, distances));
    }
    let mut npz = Npz::open(path)?;
    let names = npz.names();
    if !names.iter().any(|n| n == "indices") {
        return Err(IoError::WhichArray { path: path.into(), wanted: Some("indices".into()), arrays: names });
    }
    let (n, k, ids) = read_ids(path, &mut npz)?;
    let distances = if names.iter().any(|n| n == "distances") {
        read_distances(path, &mut npz, n, k)?
    } else {
        vec![0.0; ids.len()]
    };
    Ok(KnnGraph::new(n, k, ids, distances))
}

fn read_ids(path: &Path, npz: &mut Npz) -> Result<(usize, usize, Vec<u32>), IoError> {
    let mut source = npz.array("indices")?;
    let header = read_header(&mut source)?;
    let shape = |what: String| IoError::Shape { path: path.into(), what };
    let [n, k] = header.shape[..] else {
        return Err(shape(format!("`indices` of shape {:?}; n x k is needed", header.shape)));
    };
    if header.fortran {
        return Err(shape("`indices` is in Fortran order; save it with numpy.ascontiguousarray".into()));
    }
    let kind = header.kind(path)?;
    let what = || format!("`indices`, {n} x {k} of {}", kind.name());
    let count = source.expect_array(n, k, kind, what)?;
    let ids = match kind {
        Kind::U32 => read_vec::<u32>(&mut source, count, header.endian, what)?,
        Kind::I32 => {
            to_ids(path, k, read_vec::<i32>(&mut source, count, header.endian, what)?.into_iter().map(i64::from))?
        }
        Kind::I64 => to_ids(path, k, read_vec::<i64>(&mut source, count, header.endian, what)?.into_iter())?,
        _ => return Err(shape(format!("`indices` of {}; uint32, int32 or int64 is needed", kind.name()))),
    };
    Ok((n, k, ids))
}

fn to_ids(path: &Path, k: usize, ids: impl Iterator<Item = i64>) -> Result<Vec<u32>, IoError> {
    let id = |(at, id): (usize, i64)| match u32::try_from(id) {
        Ok(id) => Ok(id),
        Err(_) if id == -1 => Ok(KnnGraph::NO_NEIGHBOR),
        Err(_) => Err(IoError::Shape { path: path.into(), what: format!("row {} holds the id {id}", at / k) }),
    };
    ids.enumerate().map(id).collect()
}

fn read_distances(path: &Path, npz: &mut Npz, n: usize, k: usize) -> Result<Vec<f32>, IoError> {
    let mut source = npz.array("distances")?;
    let header = read_header(&mut source)?;
    let kind = header.kind(path)?;
    if header.shape != [n, k] || header.fortran || !matches!(kind, Kind::F32 | Kind::F64) {
        let what =
            format!("`distances` of shape {:?} and type {}; {n} x {k} of float32 is needed", header.shape, kind.name());
        return Err(IoError::Shape { path: path.into(), what });
    }
    let what = || format!("`distances`, {n} x {k} of {}", kind.name());
    let count = source.expect_array(n, k, kind, what)?;
    Ok(match kind {
        Kind::F32 => read_vec(&mut source, count, header.endian, what)?,
        _ => read_vec::<f64>(&mut source, count, header.endian, what)?.into_iter().map(|d| d as f32).collect(),
    })
}

/// Writes `indices` (uint32) and `distances` (float32), both n x k, as an uncompressed `.npz`.
///
/// The file is written under a temporary name beside `path` and then renamed: `path` holds a complete graph, or what it
/// held before.
///
/// # Errors
/// [`IoError::Os`].
pub fn write_graph(path: impl AsRef<Path>, graph: &KnnGraph) -> Result<(), IoError> {
    let path = path.as_ref();
    atomic_file::replace(path, |out| write_npz(out, graph)).map_err(|source| IoError::Os { path: path.into(), source })
}

/// What passes on the values of an array piece by piece, in their order.
pub(crate) type Pieces<'a, T> = &'a mut dyn FnMut(&mut dyn FnMut(&[T]) -> std::io::Result<()>) -> std::io::Result<()>;

/// Same as [`write_graph`], of `n` rows of `k` ids and distances that are never in memory at once.
///
/// # Errors
/// [`IoError::Os`], for errors of the pieces as well.
pub(crate) fn write_graph_pieces(
    path: &Path,
    (n, k): (usize, usize),
    ids: Pieces<u32>,
    distances: Pieces<f32>,
) -> Result<(), IoError> {
    let written = atomic_file::replace(path, |out| {
        let mut npz = NpzWriter::new(out);
        npz.add_pieces("indices", &[n, k], ids)?;
        npz.add_pieces("distances", &[n, k], distances)?;
        npz.finish()
    });
    written.map_err(|source| IoError::Os { path: path.into(), source })
}

/// Writes what [`write_graph`] writes to a stream.
///
/// # Errors
/// The stream's, or that of a temporary file.
pub fn write_graph_to(mut out: impl Write, graph: &KnnGraph) -> std::io::Result<()> {
    atomic_file::stream(&mut out, |file| write_npz(file, graph))
}

fn write_npz(writer: impl Write + std::io::Seek, graph: &KnnGraph) -> std::io::Result<()> {
    let mut npz = NpzWriter::new(writer);
    let shape = [graph.n(), graph.k()];
    npz.add("indices", &shape, graph.all_ids())?;
    npz.add("distances", &shape, graph.all_distances())?;
    npz.finish()
}
