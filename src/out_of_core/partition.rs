//! From a matrix in a file to a file of rows for every part.

use std::fs::{self, File};
use std::io::BufWriter;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::cuts::{Cuts, MOST_OVERLAP, choose};
use super::error::OutOfCoreError;
use super::file::{BUFFER, Kind, Writer};
use super::folder::remove_files;
use super::memory;
use super::plan::Plan;
use super::{Stage, Watch, check};
use crate::builder::NnDescent;
use crate::io::{IoError, Losses, Matrix, MatrixFile, Values};
use crate::parallel;
use crate::points::{Element, PointsError};
use crate::rng::stratified_sample;

/// How large parts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartSize {
    /// As many rows as can be built within so many bytes of memory.
    Memory(u64),
    /// So many rows at most.
    Rows(usize),
}

/// More rows of a sample tell no more of where parts are.
const SAMPLE: usize = 1 << 16;
/// Stream of random numbers for the sample.
const SAMPLED: u64 = 0x0c5a;
/// Parts are filled to 1 / 1.06 on average, so that few rows find their nearest parts full.
const ROOM: f64 = 1.06;
/// A file is open for every part.
const MOST_PARTS: usize = 400;
/// Memory where none is given: what rows that are read at once may take.
const DEFAULT_MEMORY: u64 = 1 << 30;
/// In place of a part, where a row is in fewer than others.
pub(super) const NO_PART: u16 = u16::MAX;

/// Divides the rows of a matrix into overlapping parts, for [`build_part`](super::build_part).
///
/// A sample of the rows, drawn by the builder's seed, gives the centres of the parts. Every row then goes to the
/// `overlap` (1 to 8) parts whose centres are nearest and that have room. The rows of every part are written to a file
/// of its own in `folder`, which is made if need be, and the plan last. What an earlier plan has left in the folder is
/// removed. Rows of the input are read one chunk after another, twice for those of the sample.
///
/// What values lose that f32 does not hold is part of the plan, too: [`Plan::precision_loss`].
///
/// Metric, neighbours, seed and other settings of the builder become part of the plan; device and progress do not.
///
/// # Errors
/// An input that cannot be read, whose rows are not at fixed places or not finite; settings that do not suit it;
/// a limit that is too small; a folder that cannot be written to.
///
/// # Complexity
/// n · parts distances. Reads the input once, writes it `overlap` times, with 4 bytes more for each row.
pub fn partition(
    input: impl AsRef<Path>,
    folder: impl AsRef<Path>,
    builder: &NnDescent,
    size: PartSize,
    overlap: usize,
    watch: Watch,
) -> Result<Plan, OutOfCoreError> {
    let (input, folder) = (MatrixFile::open(input.as_ref())?, folder.as_ref());
    let mut plan = planned(&input, folder, builder, size, overlap)?;
    let limit = if let PartSize::Memory(limit) = size { limit } else { DEFAULT_MEMORY };
    fs::create_dir_all(folder).map_err(|e| OutOfCoreError::os(folder, e))?;
    remove_files(folder)?;
    let divided = divide(&input, &mut plan, limit, watch).and_then(|()| plan.save());
    if let Err(error) = divided {
        // The first error says more than one in cleaning up.
        let _ = remove_files(folder);
        return Err(error);
    }
    Ok(plan)
}

/// The plan of a division, before any row is read.
pub(super) fn planned(
    input: &MatrixFile,
    folder: &Path,
    builder: &NnDescent,
    size: PartSize,
    overlap: usize,
) -> Result<Plan, OutOfCoreError> {
    if overlap == 0 || overlap > MOST_OVERLAP {
        return Err(OutOfCoreError::parameter("overlap", overlap, format!("1 to {MOST_OVERLAP}")));
    }
    if input.n < 2 || input.dim == 0 || u32::try_from(input.n).is_err() {
        let range = format!("2 to {} rows of at least one column", u32::MAX);
        return Err(OutOfCoreError::parameter("input", format!("{} x {}", input.n, input.dim), range));
    }
    let mut plan = Plan::new(input, folder, builder, overlap)?;
    let identity = &mut plan.identity;
    identity.part_rows = match size {
        PartSize::Memory(limit) => memory::part_rows(input, builder, identity.width, limit)?,
        PartSize::Rows(rows) if rows > 2 * identity.width => rows,
        PartSize::Rows(rows) => {
            let range = format!("more than {}, twice the neighbours of its rows", 2 * identity.width);
            return Err(OutOfCoreError::parameter("part_rows", rows, range));
        }
    };
    if input.n <= identity.part_rows {
        (identity.overlap, identity.parts) = (1, 1);
        return Ok(plan);
    }
    identity.parts = ((input.n * overlap) as f64 * ROOM / identity.part_rows as f64).ceil() as usize;
    if identity.parts > MOST_PARTS {
        let least = (identity.parts * identity.part_rows).div_ceil(MOST_PARTS);
        let range = format!("at least {least}, for {MOST_PARTS} parts: raise the limit of memory");
        return Err(OutOfCoreError::parameter("part_rows", identity.part_rows, range));
    }
    Ok(plan)
}

fn divide(input: &MatrixFile, plan: &mut Plan, limit: u64, watch: Watch) -> Result<(), OutOfCoreError> {
    let cuts = cuts(input, plan, limit)?;
    plan.centers.clone_from(&cuts.centers);
    let (parts, overlap) = (plan.parts(), plan.overlap());
    let lines = |part: usize| plan.identity.lines(&[("part", part.to_string())]);
    let buffer = memory::items(limit, 0.1, parts).clamp(BUFFER / 8, 1 << 20);
    let mut files = (0..parts)
        .map(|part| PartFile::create(plan.rows_path(part), Kind::Rows, &lines(part), buffer))
        .collect::<Result<Vec<_>, _>>()?;
    let mut membership = PartFile::create(plan.membership_path(), Kind::Membership, &plan.identity.lines(&[]), BUFFER)?;
    let row_bytes = 3 * input.row_bytes() + 12 * input.dim + 8 * parts;
    let at_once = memory::items(limit, 0.3, row_bytes).min(1 << 17);
    let mut loads = vec![0; parts];
    let (mut losses, mut narrowed_from) = (Losses::default(), None);
    for first in (0..input.n).step_by(at_once) {
        check(watch, Stage::Partition, first as f32 / input.n as f32)?;
        let rows = first..input.n.min(first + at_once);
        let matrix = input.rows_with(rows.clone(), &mut losses)?;
        narrowed_from = matrix.narrowed_from;
        let chosen = if parts == 1 {
            loads[0] += rows.len() as u64;
            vec![0; rows.len()]
        } else {
            let distances = cuts.distances(&widened(&matrix))?;
            chosen(&distances, (parts, overlap), &mut loads, plan.identity.part_rows as u64)
        };
        membership.write(&chosen)?;
        write_rows(&matrix, rows, &chosen, overlap, &mut files)?;
    }
    for file in files {
        file.finish()?;
    }
    membership.finish()?;
    plan.sizes = loads;
    plan.loss = narrowed_from.map(|dtype| losses.of(dtype));
    Ok(())
}

/// The parts of rows by their distances, rows x overlap.
fn chosen(distances: &[f32], (parts, overlap): (usize, usize), loads: &mut [u64], most: u64) -> Vec<u16> {
    let mut all = Vec::with_capacity(distances.len() / parts * overlap);
    for row in distances.chunks_exact(parts) {
        let end = all.len() + overlap;
        choose(row, overlap, loads, most, &mut |part| all.push(part as u16));
        all.resize(end, NO_PART);
    }
    all
}

fn cuts(input: &MatrixFile, plan: &Plan, limit: u64) -> Result<Cuts, OutOfCoreError> {
    let identity = &plan.identity;
    let most = memory::items(limit, 0.4, 12 * input.dim + 16 * identity.parts).max(identity.parts);
    let count = SAMPLE.min(most).min(input.n);
    let ids: Vec<u32> = stratified_sample(identity.seed, SAMPLED, input.n, count).map(|row| row as u32).collect();
    let sample = Matrix { n: count, dim: input.dim, values: input.gather(&ids)?, narrowed_from: None, narrowing: None };
    let of_input = |e: PointsError| match e {
        PointsError::NotFinite { row, column, value } => {
            PointsError::NotFinite { row: ids[row] as usize, column, value }
        }
        other => other,
    };
    let refused = |e| IoError::Points { path: input.path.clone(), source: of_input(e) };
    sample.points().map_err(refused)?;
    let division = (identity.parts, identity.overlap);
    Ok(Cuts::new(&widened(&sample), input.dim, division, &plan.metric, identity.seed)?)
}

/// The values as f32.
fn widened(matrix: &Matrix) -> Vec<f32> {
    fn all<T: Element>(x: &[T]) -> Vec<f32> {
        let mut out = vec![0.0; x.len()];
        parallel::for_rows(&mut out, 1024, 16, |i, to| {
            to.iter_mut().zip(&x[i * 1024..]).for_each(|(to, v)| *to = v.to_f32());
        });
        out
    }
    match &matrix.values {
        Values::F32(x) => all(x),
        Values::F16(x) => all(x),
        Values::U8(x) => all(x),
        Values::I8(x) => all(x),
    }
}

/// Writes rows into the files of their parts.
fn write_rows(
    matrix: &Matrix,
    rows: Range<usize>,
    chosen: &[u16],
    overlap: usize,
    files: &mut [PartFile],
) -> Result<(), OutOfCoreError> {
    crate::io::with_values!(&matrix.values, x => {
        for ((i, values), parts) in rows.zip(x.chunks_exact(matrix.dim)).zip(chosen.chunks_exact(overlap)) {
            for &part in parts.iter().filter(|part| **part != NO_PART) {
                files[usize::from(part)].write(&[i as u32])?;
                files[usize::from(part)].write(values)?;
            }
        }
    });
    Ok(())
}

/// A file of the folder as it is written.
struct PartFile {
    path: PathBuf,
    writer: Writer<BufWriter<File>>,
}

impl PartFile {
    fn create(path: PathBuf, kind: Kind, lines: &str, buffer: usize) -> Result<Self, OutOfCoreError> {
        let created =
            File::create(&path).and_then(|file| Writer::new(BufWriter::with_capacity(buffer, file), kind, lines));
        match created {
            Ok(writer) => Ok(Self { path, writer }),
            Err(e) => Err(OutOfCoreError::os(&path, e)),
        }
    }

    fn write<T: bytemuck::Pod>(&mut self, values: &[T]) -> Result<(), OutOfCoreError> {
        self.writer.write(values).map_err(|e| OutOfCoreError::os(&self.path, e))
    }

    fn finish(self) -> Result<(), OutOfCoreError> {
        self.writer.finish().map_err(|e| OutOfCoreError::os(&self.path, e))
    }
}
