//! Blocks of rows whose nearest are looked for at the same time.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::error::BuildError;
use crate::executor::Tick;
use crate::graph::KnnGraph;

/// Bytes of the base that a block of queries is compared with before distances are offered; they stay in cache for all
/// queries.
pub(super) const BASE_BYTES: usize = 128 << 10;
/// The most queries in a block: enough to use each row of the base often while it is in cache.
const QUERIES: usize = 64;

/// Finds the nearest of some rows: their ids and distances.
type Nearest<'a> = dyn Fn(&[usize], &mut [u32], &mut [f32]) + Sync + 'a;

/// Runs `nearest(rows, ids, distances)` over blocks of rows.
pub(crate) fn in_blocks(rows: &[usize], k: usize, tick: Tick, nearest: &Nearest) -> Result<KnnGraph, BuildError> {
    let mut indices = vec![0u32; rows.len() * k];
    let mut distances = vec![0f32; rows.len() * k];
    let (done, count) = (AtomicUsize::new(0), rows.len());
    let queries = count.div_ceil(rayon::current_num_threads()).clamp(4, QUERIES);
    let blocks =
        rows.par_chunks(queries).zip(indices.par_chunks_mut(queries * k)).zip(distances.par_chunks_mut(queries * k));
    blocks.try_for_each(|((rows, ids), ds)| {
        nearest(rows, ids, ds);
        let done = done.fetch_add(rows.len(), Ordering::Relaxed) + rows.len();
        tick(done as f32 / count as f32)
    })?;
    Ok(KnnGraph::new(rows.len(), k, indices, distances))
}
