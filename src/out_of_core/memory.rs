//! How much memory a limit leaves for what.

use super::error::OutOfCoreError;
use crate::builder::NnDescent;
use crate::io::MatrixFile;
use crate::params::Device;

/// What a process takes beyond the arrays that are counted: code, stacks of threads, buffers of files.
const FIXED: u64 = 32 << 20;
/// The share of a limit that arrays may take: allocators leave gaps.
const USED: f64 = 0.95;
/// Rows that the memory of a build is estimated on at most: fewer where they take much of the limit.
const ROWS: usize = 8192;
/// Rows of the smallest part that is worth a build.
const LEAST_ROWS: usize = 1024;

/// Bytes that arrays may take.
fn available(limit: u64) -> u64 {
    (limit.saturating_sub(FIXED) as f64 * USED) as u64
}

/// Rows of a part whose build stays within a limit.
pub(super) fn part_rows(
    input: &MatrixFile,
    builder: &NnDescent,
    width: usize,
    limit: u64,
) -> Result<usize, OutOfCoreError> {
    let at_once = items(limit, 0.3, 3 * input.row_bytes() + 4 * input.dim).clamp(LEAST_ROWS, ROWS);
    let first = input.rows(0..input.n.min(at_once))?;
    let points = first.points().map_err(crate::error::BuildError::from)?;
    let builder = builder.clone().n_neighbors(width.min(points.n() - 1)).recall_sample(0).device(Device::Cpu);
    let build = builder.estimate_memory(&points)?;
    let own = (input.dim * value_bytes(input.dtype()) + size_of::<u32>()) as u64;
    let row = build.div_ceil(points.n() as u64) + own;
    let rows = available(limit) / row;
    let least = LEAST_ROWS.max(2 * width) as u64;
    if rows < least.min(input.n as u64) {
        let needed = FIXED + ((least * row) as f64 / USED).ceil() as u64;
        return Err(OutOfCoreError::Memory { limit, rows: input.n, needed });
    }
    Ok(rows as usize)
}

/// Bytes of a value in memory.
pub(super) fn value_bytes(dtype: &str) -> usize {
    match dtype {
        "float32" => 4,
        "float16" => 2,
        _ => 1,
    }
}

/// How many items of so many bytes may be in memory if all of them take a share of a limit; at least one.
pub(super) fn items(limit: u64, share: f64, bytes: usize) -> usize {
    ((available(limit) as f64 * share) as usize / bytes.max(1)).max(1)
}
