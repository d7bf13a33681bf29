//! Exact search: rows against every point of the base, in blocks.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use super::blocks::in_blocks;
use super::coded_scan::{CodedScan, WorkingOrder};
use super::scan::Scan;
use crate::dataset::{Problem, Searched};
use crate::distances::{TrueDistances, narrowed};
use crate::error::BuildError;
use crate::executor::Tick;
use crate::executor::proof::{LONG, Proof, SLACK, rows_at_once};
use crate::graph::KnnGraph;
use crate::graph::order::{EMPTY, Neighbor, fresh, keep_nearest, put};
use crate::metric::KernelMetric;
use crate::points::Dense;
use crate::rows::ReducedDistances;
use crate::rows::dense::codes::{self, CodedRows};
use crate::rows::offer::offer;
use crate::simd::Level;

/// The exact rows of some points, themselves left out. `truth` is that of the problem.
pub(crate) fn rows_of(
    problem: &Problem,
    truth: &dyn TrueDistances,
    points: &[usize],
    k: usize,
    tick: Tick,
) -> Result<KnnGraph, BuildError> {
    let Some((dense, kernel)) = scanned(problem) else {
        return Compared::new(problem, truth, problem.n()).rows(points, k, true, tick);
    };
    let form = kernel.form();
    let codes =
        (is_coded(problem, k) && codes::suits(&dense, form)).then(|| CodedRows::new(&dense, form, Level::detect()));
    let asked = Asked { problem, truth, points, k, tick };
    match codes.as_ref().and_then(|codes| CodedScan::new(truth, codes, dense.dim(), None)) {
        Some(coded) => asked.by_codes(&coded),
        None => asked.by_floats(points),
    }
}

/// The same with codes in working order, if a bound on their error is known.
pub(crate) fn rows_in_order(
    problem: &Problem,
    truth: &dyn TrueDistances,
    (codes, order): (&dyn ReducedDistances, WorkingOrder),
    (points, k): (&[usize], usize),
    tick: Tick,
) -> Result<Option<KnnGraph>, BuildError> {
    let Some((dense, _)) = scanned(problem).filter(|_| is_coded(problem, k)) else { return Ok(None) };
    let Some(coded) = CodedScan::new(truth, codes, dense.dim(), Some(order)) else { return Ok(None) };
    Asked { problem, truth, points, k, tick }.by_codes(&coded).map(Some)
}

/// The rows that are scanned, and their kernel; none if points are compared otherwise.
fn scanned<'p>(problem: &Problem<'p>) -> Option<(Dense<'p>, KernelMetric)> {
    problem.dense().filter(|_| !problem.is_proxy)
}

/// Whether codes are compared first: those of rounded values have one more error.
fn is_coded(problem: &Problem, k: usize) -> bool {
    problem.searched == Searched::AsGiven && (1..LONG).contains(&k)
}

/// The `k` nearest of some dense points, themselves left out.
struct Asked<'a, 'p> {
    problem: &'a Problem<'p>,
    truth: &'a dyn TrueDistances,
    points: &'a [usize],
    k: usize,
    tick: Tick<'a>,
}

impl Asked<'_, '_> {
    /// By floats where codes leave a doubt.
    fn by_codes(&self, coded: &CodedScan) -> Result<KnnGraph, BuildError> {
        let k = self.k;
        let missing = Mutex::new(Vec::new());
        let found = in_blocks(self.points, k, self.tick, &|points, ids, ds| {
            let more = coded.nearest(points, k, ids, ds);
            missing.lock().unwrap_or_else(PoisonError::into_inner).extend(more);
        })?;
        let mut missing = missing.into_inner().unwrap_or_else(PoisonError::into_inner);
        if missing.is_empty() {
            return Ok(found);
        }
        tracing::debug!(missing = missing.len(), "rows that codes leave in doubt");
        missing.sort_unstable();
        let rest = self.by_floats(&missing)?;
        let (mut ids, mut distances) = (found.all_ids().to_vec(), found.all_distances().to_vec());
        for (at, point) in self.points.iter().enumerate() {
            if let Ok(from) = missing.binary_search(point) {
                ids[at * k..(at + 1) * k].copy_from_slice(rest.ids(from));
                distances[at * k..(at + 1) * k].copy_from_slice(rest.distances(from));
            }
        }
        Ok(KnnGraph::new(self.points.len(), k, ids, distances))
    }

    /// Of some of the points.
    fn by_floats(&self, points: &[usize]) -> Result<KnnGraph, BuildError> {
        let (dense, kernel) = scanned(self.problem).expect("dense rows");
        let scan = Scan::new(self.truth, &dense, None, kernel.form(), self.problem.searched);
        in_blocks(points, self.k, self.tick, &|rows, ids, ds| scan.nearest(rows, self.k, true, ids, ds))
    }
}

/// Points that are not dense rows under a kernel: compared as they are searched, and reranked by true distances.
pub(crate) struct Compared<'a> {
    truth: &'a dyn TrueDistances,
    /// The working copy to compare by, unless `truth` holds one. None for proxies as well.
    space: Option<Box<dyn ReducedDistances + 'a>>,
    is_proxy: bool,
    /// Only the first `base` points are candidates.
    base: usize,
}

/// Points of the base that a block of rows is compared with before distances are offered.
const BASE: usize = 1024;

impl<'a> Compared<'a> {
    /// `truth` is that of the problem.
    pub(crate) fn new(problem: &Problem<'a>, truth: &'a dyn TrueDistances, base: usize) -> Self {
        let needs_copy = !problem.is_proxy && truth.space().is_none();
        let space = needs_copy.then(|| problem.rows.working_copy());
        Self { truth, space, is_proxy: problem.is_proxy, base }
    }

    pub(crate) fn rows(&self, rows: &[usize], k: usize, skip_own: bool, tick: Tick) -> Result<KnnGraph, BuildError> {
        in_blocks(rows, k, tick, &|rows, ids, distances| {
            let mut out = ids.chunks_exact_mut(k).zip(distances.chunks_exact_mut(k));
            let Some(space) = self.space.as_deref().or(self.truth.space()).filter(|_| !self.is_proxy) else {
                for (&i, (ids, distances)) in rows.iter().zip(out) {
                    put(&narrowed(&self.truth.ranked(i, &self.others(i, skip_own), k)), ids, distances);
                }
                return;
            };
            for rows in rows.chunks(rows_at_once(k, self.base)) {
                let kept = self.candidates(space, rows, k, skip_own);
                for ((&i, kept), (ids, distances)) in rows.iter().zip(&kept).zip(&mut out) {
                    put(&narrowed(&self.proven(space, i, k, skip_own, kept)), ids, distances);
                }
            }
        })
    }

    /// All points of the base, without point `i` if `skip_own`.
    fn others(&self, i: usize, skip_own: bool) -> Vec<u32> {
        (0..self.base as u32).filter(|&other| !(skip_own && other as usize == i)).collect()
    }

    /// The `k` nearest by true distances, the nearest by computed distances being `kept`.
    fn proven(
        &self,
        space: &dyn ReducedDistances,
        i: usize,
        k: usize,
        skip_own: bool,
        kept: &[Neighbor],
    ) -> Vec<(f64, u32)> {
        let all = self.base - usize::from(skip_own);
        let bound = space.error_bound(i as u32).filter(|_| kept.len() < all);
        let most = match Proof::of(self.truth, (i, k), kept, bound) {
            Proof::Certain(found) => return found,
            Proof::InDoubt(most) => most,
        };
        let mut near = self.others(i, skip_own);
        if most < f64::INFINITY {
            let mut to = vec![0.0; near.len()];
            space.one_to_many(i as u32, &near, &mut to);
            let is_far = |d: f32| f64::from(d) > most;
            let mut to = to.into_iter();
            near.retain(|_| !to.next().is_some_and(is_far));
        }
        self.truth.ranked(i, &near, k)
    }

    /// For each of some points its nearest by computed distances, ascending: a few more than `k`.
    fn candidates(&self, space: &dyn ReducedDistances, rows: &[usize], k: usize, skip_own: bool) -> Vec<Vec<Neighbor>> {
        let wanted = (k + SLACK).min(self.base - usize::from(skip_own));
        if wanted > LONG {
            return rows.iter().map(|&i| self.sorted(space, i, wanted, skip_own)).collect();
        }
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
        best
    }

    fn sorted(&self, space: &dyn ReducedDistances, i: usize, wanted: usize, skip_own: bool) -> Vec<Neighbor> {
        let others = self.others(i, skip_own);
        let mut to = vec![0.0; others.len()];
        space.one_to_many(i as u32, &others, &mut to);
        let mut all: Vec<Neighbor> = others.into_iter().zip(to).map(|(other, d)| fresh(d, other)).collect();
        keep_nearest(&mut all, wanted);
        all
    }
}
