//! From rows in working order to the finished graph: distances computed anew from the points as given, then order.

use rayon::prelude::*;

use crate::graph::KnnGraph;
use crate::graph::order::{EMPTY, id};
use crate::graph::owned_rows::OwnedRows;
use crate::graph::rows::RowTable;
use crate::params::Plan;
use crate::problem::{Problem, Truth};

/// Rows of any executor on their way out.
pub(crate) struct Finishing<'a> {
    truth: Box<dyn Truth + 'a>,
    plan: &'a Plan,
    /// The point that stands at each place of the working order.
    order: &'a [u32],
    rows: &'a RowTable,
}

/// A row on its way to the finished graph.
#[derive(Default)]
struct RowScratch {
    ids: Vec<u32>,
    distances: Vec<f32>,
    found: Vec<(f32, u32)>,
}

impl<'a> Finishing<'a> {
    pub(crate) fn new(problem: &Problem<'a>, plan: &'a Plan, order: &'a [u32], rows: &'a RowTable) -> Self {
        Self { truth: problem.truth(), plan, order, rows }
    }

    /// The `k` nearest of the row at place `i`, with true distances, ascending by (distance, id), as the points were given.
    fn row(&self, i: usize, scratch: &mut RowScratch) {
        let RowScratch { ids, distances, found } = scratch;
        ids.clear();
        ids.extend(self.rows.row(i).iter().filter(|s| **s != EMPTY).map(|&s| self.order[id(s) as usize]));
        self.truth.rank(self.order[i] as usize, ids, distances, found);
        found.truncate(self.plan.others());
    }

    /// The rows of these points; `place` is where each point stands.
    pub(crate) fn rows_of(&self, points: &[u32], place: &[u32]) -> KnnGraph {
        let row = |&p: &u32| {
            let mut scratch = RowScratch::default();
            self.row(place[p as usize] as usize, &mut scratch);
            scratch.found
        };
        let rows: Vec<Vec<(f32, u32)>> = points.par_iter().map(row).collect();
        let flat = || rows.iter().flatten();
        let (ids, distances) = (flat().map(|f| f.1).collect(), flat().map(|f| f.0).collect());
        KnnGraph::from_parts(points.len(), self.plan.others(), ids, distances)
    }

    /// All rows.
    pub(crate) fn graph(&self) -> KnnGraph {
        let (n, k) = (self.order.len(), self.plan.n_neighbors);
        let own = usize::from(self.plan.include_self);
        let mut indices = vec![0u32; n * k];
        let mut distances = vec![0f32; n * k];
        let (ids, ds) = (OwnedRows::new(&mut indices, k), OwnedRows::new(&mut distances, k));
        // In working order, so that the rows that neighbours share are still in cache.
        (0..n).into_par_iter().with_min_len(64).for_each_init(RowScratch::default, |scratch, i| {
            self.row(i, scratch);
            let point = self.order[i];
            // SAFETY: `order` is a permutation, so every point's row is taken once.
            let (ids, ds) = unsafe { (ids.row(point), ds.row(point)) };
            if own == 1 {
                (ids[0], ds[0]) = (point, self.truth.to_self(point as usize));
            }
            for ((id, d), found) in ids[own..].iter_mut().zip(&mut ds[own..]).zip(&scratch.found) {
                (*d, *id) = *found;
            }
        });
        KnnGraph::from_parts(n, k, indices, distances)
    }
}
