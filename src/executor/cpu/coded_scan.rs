//! Exact k-nearest neighbours of dense rows by byte codes, whose distances differ from true ones by a bounded error.
//!
//! The nearest by codes are ranked by definition. A row is certain if none that was left out can, by the bound, be
//! nearer than its k-th neighbour. For one that is not, all that may be are ranked; where these are many, it is left to
//! `scan.rs`.

use super::blocks::BASE_BYTES;
use crate::distances::{TrueDistances, narrowed};
use crate::graph::order::{EMPTY, Neighbor, distance, id, put};
use crate::rows::ReducedDistances;
use crate::rows::dense::code_error_bound::CodeErrorBound;
use crate::rows::offer::offer;

/// Candidates kept by codes are `FACTOR * k + SLACK`: enough for nearly all rows to be certain.
const FACTOR: usize = 3;
const SLACK: usize = 40;
/// More rows than this, and this part of all, are not ranked for one that is in doubt.
const MOST: usize = 1024;
const MOST_PART: usize = 32;

/// Points as codes, maybe in another order than they were given in.
pub(crate) struct CodedScan<'a> {
    truth: &'a dyn TrueDistances,
    codes: &'a dyn ReducedDistances,
    bound: CodeErrorBound,
    /// Rows that are compared before distances are offered.
    per_block: usize,
    order: Option<WorkingOrder<'a>>,
}

/// An order of points.
#[derive(Clone, Copy)]
pub(crate) struct WorkingOrder<'a> {
    /// The point that stands at each place.
    pub order: &'a [u32],
    /// The place of each point.
    pub place: &'a [u32],
}

impl<'a> CodedScan<'a> {
    /// None if `codes`, of points of `dim` values, have no bound on their error.
    pub(crate) fn new(
        truth: &'a dyn TrueDistances,
        codes: &'a dyn ReducedDistances,
        dim: usize,
        order: Option<WorkingOrder<'a>>,
    ) -> Option<Self> {
        let bound = codes.code_error_bound(dim)?;
        Some(Self { truth, codes, bound, per_block: (BASE_BYTES / dim).clamp(16, 1024), order })
    }

    fn point(&self, place: u32) -> u32 {
        self.order.map_or(place, |order| order.order[place as usize])
    }

    fn place(&self, point: usize) -> u32 {
        self.order.map_or(point as u32, |order| order.place[point])
    }

    /// The `k` nearest of each of some points, themselves left out, ascending, with true distances. `ids` and
    /// `distances` are `points x k`. Returns the points that codes cannot tell them of.
    pub(crate) fn nearest(&self, points: &[usize], k: usize, ids: &mut [u32], distances: &mut [f32]) -> Vec<usize> {
        let width = (FACTOR * k + SLACK).min(self.codes.n() - 1);
        let places: Vec<u32> = points.iter().map(|&point| self.place(point)).collect();
        let best = self.candidates(&places, width);
        let mut missing = Vec::new();
        let out = ids.chunks_exact_mut(k).zip(distances.chunks_exact_mut(k));
        let rows = points.iter().zip(&places).zip(best.chunks_exact(width)).zip(out);
        for (((&point, &place), best), (ids, distances)) in rows {
            match self.proven((point, place), k, best) {
                Some(found) => put(&narrowed(&found), ids, distances),
                None => missing.push(point),
            }
        }
        missing
    }

    /// The `width` nearest by codes of the points at some places.
    fn candidates(&self, places: &[u32], width: usize) -> Vec<Neighbor> {
        let n = self.codes.n();
        let mut best = vec![EMPTY; places.len() * width];
        let mut to_base = vec![0.0; places.len() * self.per_block];
        for first in (0..n).step_by(self.per_block) {
            let m = self.per_block.min(n - first);
            let others: Vec<u32> = (first as u32..(first + m) as u32).collect();
            self.codes.block(places, first as u32, &mut to_base[..places.len() * m]);
            for ((&place, best), to) in places.iter().zip(best.chunks_exact_mut(width)).zip(to_base.chunks_exact(m)) {
                offer(best, &others, to, (place as usize).wrapping_sub(first));
            }
        }
        best
    }

    /// The `k` nearest by true distances, the nearest by codes being `best`; none where codes cannot tell.
    fn proven(&self, (point, place): (usize, u32), k: usize, best: &[Neighbor]) -> Option<Vec<(f64, u32)>> {
        // Whatever the errors of codes, the k nearest of these are no farther than the k-th by codes may be.
        let farthest = self.bound.true_at_most(place, distance(best[k - 1]));
        let is_near = |slot: &&Neighbor| self.bound.true_at_least(place, distance(**slot)) <= farthest;
        let near = best.iter().take_while(is_near).count().max(k);
        let ids: Vec<u32> = best[..near].iter().map(|&slot| self.point(id(slot))).collect();
        let found = self.truth.ranked(point, &ids, k);
        let kth = self.truth.to_reduced(found[k - 1].0);
        let left_out = self.bound.true_at_least(place, distance(best[best.len() - 1]));
        if best.len() == self.codes.n() - 1 || kth < f64::from(left_out) {
            return Some(found);
        }
        Some(self.truth.ranked(point, &self.within(place, kth)?, k))
    }

    /// All points that may be no farther than `most` from the one at `place`; none if they are too many.
    fn within(&self, place: u32, most: f64) -> Option<Vec<u32>> {
        let n = self.codes.n();
        let reach = self.bound.coded_at_most(place, most);
        let mut near = Vec::new();
        let mut to_base = vec![0.0; self.per_block];
        for first in (0..n).step_by(self.per_block) {
            let others: Vec<u32> = (first as u32..n.min(first + self.per_block) as u32).collect();
            let to_base = &mut to_base[..others.len()];
            self.codes.one_to_many(place, &others, to_base);
            let is_near = |(other, d): &(&u32, &f32)| **d <= reach && **other != place;
            near.extend(others.iter().zip(&*to_base).filter(is_near).map(|(&other, _)| self.point(other)));
            if near.len() > MOST.max(n / MOST_PART) {
                return None;
            }
        }
        Some(near)
    }
}
