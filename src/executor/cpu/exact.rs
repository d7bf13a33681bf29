//! Exact search: rows against every point of the base, in blocks.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::all_pairs;
use super::scan::Scan;
use crate::dataset::Problem;
use crate::distances::TrueDistances;
use crate::error::BuildError;
use crate::executor::Tick;
use crate::executor::finish::with_self;
use crate::graph::KnnGraph;
use crate::graph::order::{EMPTY, id, put};
use crate::params::Plan;
use crate::rows::ReducedDistances;
use crate::rows::offer::offer;

/// The exact rows of some points, themselves left out.
pub(crate) fn rows_of(problem: &Problem, rows: &[usize], k: usize, tick: Tick) -> Result<KnnGraph, BuildError> {
    match problem.direct() {
        Some((dense, direct)) => {
            let scan = Scan::of_points(&dense, direct);
            in_blocks(rows, k, tick, &|rows, ids, ds| scan.nearest(rows, k, true, ids, ds))
        }
        None => Compared::new(problem, problem.n()).rows(rows, k, true, tick),
    }
}

/// The exact graph of a plan.
pub(crate) fn graph_of(problem: &Problem, plan: &Plan, tick: Tick) -> Result<KnnGraph, BuildError> {
    if plan.others() == 0 {
        return Ok(with_self(problem, &[], &[]));
    }
    let others = match all_pairs::graph(problem, plan, tick)? {
        Some(graph) => graph,
        None => rows_of(problem, &(0..problem.n()).collect::<Vec<usize>>(), plan.others(), tick)?,
    };
    Ok(if plan.include_self { with_self(problem, others.all_ids(), others.all_distances()) } else { others })
}

/// Points that are not dense rows under the metric's own kernel: compared as they are searched, and reranked by true
/// distances.
pub(crate) struct Compared<'a> {
    truth: Box<dyn TrueDistances + 'a>,
    /// The working copy to compare by, unless `truth` holds one. None for proxies as well.
    space: Option<Box<dyn ReducedDistances + 'a>>,
    is_proxy: bool,
    /// Only the first `base` points are candidates.
    base: usize,
}

/// Neighbours kept beyond k, because true distances may change their order.
const SLACK: usize = 8;
/// Points of the base that a block of rows is compared with before distances are offered.
const BASE: usize = 1024;

impl<'a> Compared<'a> {
    pub(crate) fn new(problem: &Problem<'a>, base: usize) -> Self {
        let truth = problem.true_distances();
        let needs_copy = !problem.is_proxy && truth.space().is_none();
        let space = needs_copy.then(|| problem.rows.working_copy());
        Self { truth, space, is_proxy: problem.is_proxy, base }
    }

    pub(crate) fn rows(&self, rows: &[usize], k: usize, skip_own: bool, tick: Tick) -> Result<KnnGraph, BuildError> {
        in_blocks(rows, k, tick, &|rows, ids, distances| {
            let (mut to, mut row) = (Vec::new(), Vec::new());
            let kept = self.candidates(rows, k, skip_own);
            let out = ids.chunks_exact_mut(k).zip(distances.chunks_exact_mut(k));
            for (at, (&i, (ids, distances))) in rows.iter().zip(out).enumerate() {
                match &kept {
                    Some(kept) => self.truth.rank(i, &kept[at], &mut to, &mut row),
                    None => self.truth.rank(i, &self.others(i, skip_own), &mut to, &mut row),
                }
                put(&row[..k], ids, distances);
            }
        })
    }

    /// All points of the base, without point `i` if `skip_own`.
    fn others(&self, i: usize, skip_own: bool) -> Vec<u32> {
        (0..self.base as u32).filter(|&other| !(skip_own && other as usize == i)).collect()
    }

    /// For each of some points, candidates among which its `k` nearest are. None: any point may be one.
    fn candidates(&self, rows: &[usize], k: usize, skip_own: bool) -> Option<Vec<Vec<u32>>> {
        let space = self.space.as_deref().or(self.truth.space()).filter(|_| !self.is_proxy)?;
        let wanted = (k + SLACK).min(self.base - usize::from(skip_own));
        let mut best = vec![vec![EMPTY; wanted]; rows.len()];
        let mut to = vec![0.0; BASE];
        // All of the points for each part of the base, while it is in cache.
        for first in (0..self.base).step_by(BASE) {
            let part: Vec<u32> = (first as u32..self.base.min(first + BASE) as u32).collect();
            for (&i, best) in rows.iter().zip(&mut best) {
                let mut others = Cow::Borrowed(&part);
                if skip_own && (first..first + part.len()).contains(&i) {
                    others.to_mut().remove(i - first);
                }
                let to = &mut to[..others.len()];
                space.one_to_many(i as u32, &others, to);
                offer(best, &others, to, usize::MAX);
            }
        }
        let ids = |best: Vec<u64>| best.into_iter().filter(|slot| *slot != EMPTY).map(id).collect();
        Some(best.into_iter().map(ids).collect())
    }
}

/// Queries per block: enough to use each row of the base often while it is in cache.
const QUERIES: usize = 32;

/// Finds the nearest of some rows: their ids and distances.
type Nearest<'a> = dyn Fn(&[usize], &mut [u32], &mut [f32]) + Sync + 'a;

/// Runs `nearest(rows, ids, distances)` over blocks of rows.
pub(crate) fn in_blocks(rows: &[usize], k: usize, tick: Tick, nearest: &Nearest) -> Result<KnnGraph, BuildError> {
    let mut indices = vec![0u32; rows.len() * k];
    let mut distances = vec![0f32; rows.len() * k];
    let (done, count) = (AtomicUsize::new(0), rows.len());
    let blocks =
        rows.par_chunks(QUERIES).zip(indices.par_chunks_mut(QUERIES * k)).zip(distances.par_chunks_mut(QUERIES * k));
    blocks.try_for_each(|((rows, ids), ds)| {
        nearest(rows, ids, ds);
        let done = done.fetch_add(rows.len(), Ordering::Relaxed) + rows.len();
        tick(done as f32 / count as f32)
    })?;
    Ok(KnnGraph::new(rows.len(), k, indices, distances))
}
