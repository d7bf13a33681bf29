//! From rows in working order to the finished graph: distances are recomputed from the points as given, then rows are
//! sorted.

use super::steps::Steps;
use crate::dataset::Problem;
use crate::distances::{TrueDistances, keep_nearest, narrowed};
use crate::graph::KnnGraph;
use crate::graph::order::{EMPTY, distance, id, nearest_first, put};
use crate::graph::owned_rows::OwnedRows;
use crate::graph::rows::RowTable;
use crate::metric::KernelMetric;
use crate::parallel::{for_each, for_indices, map};
use crate::params::Plan;

/// Rows between two looks at whether the loop is to go on.
const STEP: usize = 64;

/// Rows of any executor, to be finished.
pub(crate) struct Finisher<'a> {
    /// None if rows hold true distances already, with 0 from a point to itself.
    truth: Option<Box<dyn TrueDistances + 'a>>,
    plan: &'a Plan,
    /// The point that stands at each place of the working order.
    order: &'a [u32],
    rows: &'a RowTable,
    /// A point that rows hold by a distance which says little of its true one: see [`Problem::misplaced`].
    misplaced: Option<u32>,
    /// How reduced distances become true ones, where they are whole numbers and the metric's own; and columns.
    whole: Option<(KernelMetric, usize)>,
}

/// Below, all whole numbers are f32.
const MOST_WHOLE: f32 = (1u32 << 24) as f32;

/// Scratch space for a row.
#[derive(Default)]
struct RowScratch {
    ids: Vec<u32>,
    distances: Vec<f64>,
    found: Vec<(f64, u32)>,
    row: Vec<(f32, u32)>,
}

/// The graph of rows that a device has ranked by reduced distances: `others` points a row, numbered as given, with true
/// distances.
#[cfg_attr(not(feature = "gpu"), expect(dead_code, reason = "only devices rank"))]
pub(crate) fn of_ranked(problem: &Problem, plan: &Plan, mut points: Vec<u32>, mut distances: Vec<f32>) -> KnnGraph {
    let (n, others) = (problem.n(), plan.others());
    if others > 0 {
        let rows = points.chunks_mut(64 * others).zip(distances.chunks_mut(64 * others));
        for_each(rows.collect(), |(points, distances)| {
            let rows = points.chunks_exact_mut(others).zip(distances.chunks_exact_mut(others));
            rows.for_each(|(points, distances)| rank_ties(points, distances));
        });
    }
    if plan.include_self {
        with_self(problem, &points, &distances)
    } else {
        KnnGraph::new(n, others, points, distances)
    }
}

/// The graph whose rows begin with their own point, followed by their share of `points`.
pub(crate) fn with_self(problem: &Problem, points: &[u32], distances: &[f32]) -> KnnGraph {
    let (n, others) = (problem.n(), points.len() / problem.n());
    let truth = problem.true_distances();
    let places = n * (others + 1);
    let (mut all_points, mut all_distances) = (Vec::with_capacity(places), Vec::with_capacity(places));
    for i in 0..n {
        let others = i * others..(i + 1) * others;
        all_points.push(i as u32);
        all_distances.push(truth.to_self(i));
        all_points.extend_from_slice(&points[others.clone()]);
        all_distances.extend_from_slice(&distances[others]);
    }
    KnnGraph::new(n, others + 1, all_points, all_distances)
}

/// Different distances may have equal roots: then the smaller point comes first. Everything else is in order already.
fn rank_ties(points: &mut [u32], distances: &mut [f32]) {
    for end in 1..points.len() {
        let mut at = end;
        while at > 0
            && distances[at - 1].total_cmp(&distances[at]).then_with(|| points[at - 1].cmp(&points[at])).is_gt()
        {
            points.swap(at - 1, at);
            distances.swap(at - 1, at);
            at -= 1;
        }
    }
}

impl<'a> Finisher<'a> {
    pub(crate) fn new(problem: &Problem<'a>, plan: &'a Plan, order: &'a [u32], rows: &'a RowTable) -> Self {
        Self { truth: Some(problem.true_distances()), plan, order, rows, misplaced: problem.misplaced(), whole: None }
    }

    /// The same, of rows with whole distances.
    pub(crate) fn of_whole(problem: &Problem<'a>, plan: &'a Plan, order: &'a [u32], rows: &'a RowTable) -> Self {
        let whole = problem.direct().map(|(dense, kernel)| (kernel, dense.dim()));
        Self { whole, ..Self::new(problem, plan, order, rows) }
    }

    /// For rows that hold true distances already.
    pub(crate) fn of_true(plan: &'a Plan, order: &'a [u32], rows: &'a RowTable) -> Self {
        Self { truth: None, plan, order, rows, misplaced: None, whole: None }
    }

    /// The `k` nearest of the row at place `i`, with true distances, ascending by (distance, id), as the points were
    /// given.
    fn row(&self, i: usize, scratch: &mut RowScratch) {
        let RowScratch { ids, distances, found, row } = scratch;
        let neighbors = self.rows.row(i).iter().filter(|s| **s != EMPTY);
        let point = |s| self.order[id(s) as usize];
        if let Some((kernel, dim)) = self.whole
            && neighbors.clone().all(|&s| distance(s) < MOST_WHOLE)
        {
            found.clear();
            found.extend(neighbors.map(|&s| (kernel.to_true(f64::from(distance(s)), dim), point(s))));
            keep_nearest(found, self.plan.others());
            *row = narrowed(found);
        } else if let Some(truth) = &self.truth {
            ids.clear();
            ids.extend(neighbors.map(|&s| point(s)));
            self.place_misplaced(self.order[i], ids);
            truth.nearest(self.order[i] as usize, ids, self.plan.others(), distances, found);
            *row = narrowed(found);
        } else {
            row.clear();
            row.extend(neighbors.map(|&s| (distance(s), point(s))));
            row.sort_unstable_by(nearest_first);
            row.truncate(self.plan.others());
        }
    }

    /// Makes a misplaced point a candidate of all others, and all others its candidates.
    fn place_misplaced(&self, point: u32, ids: &mut Vec<u32>) {
        match self.misplaced {
            Some(misplaced) if misplaced == point => {
                ids.clear();
                ids.extend((0..self.order.len() as u32).filter(|&other| other != point));
            }
            Some(misplaced) if !ids.contains(&misplaced) => ids.push(misplaced),
            _ => {}
        }
    }

    /// The rows of these points; `place` is the place of each point.
    pub(crate) fn rows_of(&self, points: &[u32], place: &[u32]) -> KnnGraph {
        let row = |(): &mut (), i: usize| {
            let mut scratch = RowScratch::default();
            self.row(place[points[i] as usize] as usize, &mut scratch);
            scratch.row
        };
        let rows: Vec<Vec<(f32, u32)>> = map(points.len(), 16, || (), row);
        let flat = || rows.iter().flatten();
        let (ids, distances) = (flat().map(|f| f.1).collect(), flat().map(|f| f.0).collect());
        KnnGraph::new(points.len(), self.plan.others(), ids, distances)
    }

    /// All rows, unless `steps` ends before.
    pub(crate) fn graph(&self, steps: &Steps) -> KnnGraph {
        let (n, k) = (self.order.len(), self.plan.n_neighbors);
        let own = usize::from(self.plan.include_self);
        let mut indices = vec![0u32; n * k];
        let mut distances = vec![0f32; n * k];
        let (ids, ds) = (OwnedRows::new(&mut indices, k), OwnedRows::new(&mut distances, k));
        // In working order, so that rows shared by neighbours are still in cache.
        for_indices(n, STEP, RowScratch::default, |scratch, i| {
            if steps.is_over() || (i.is_multiple_of(STEP) && !steps.begin(STEP)) {
                return;
            }
            self.row(i, scratch);
            let point = self.order[i];
            // SAFETY: `order` is a permutation, so every point's row is taken once.
            let (ids, ds) = unsafe { (ids.row(point), ds.row(point)) };
            if own == 1 {
                (ids[0], ds[0]) = (point, self.truth.as_ref().map_or(0.0, |truth| truth.to_self(point as usize)));
            }
            put(&scratch.row, &mut ids[own..], &mut ds[own..]);
        });
        KnnGraph::new(n, k, indices, distances)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_are_ranked_by_point() {
        let (mut points, mut distances) = ([9, 4, 7, 3, 8], [0.0, 1.0, 1.0, 1.0, 2.0]);
        rank_ties(&mut points, &mut distances);
        assert_eq!((points, distances), ([9, 3, 4, 7, 8], [0.0, 1.0, 1.0, 1.0, 2.0]));
        let (mut points, mut distances) = ([1, 2], [0.0, -0.0]);
        rank_ties(&mut points, &mut distances);
        assert_eq!((points, distances[0].is_sign_negative()), ([2, 1], true));
    }
}
