//! Random-projection trees: recursive halving of the points, so that near points tend to share a leaf.
//!
//! Dasgupta and Freund, "Random projection trees and low dimensional manifolds" (STOC 2008), with the splits of Annoy and
//! PyNNDescent: two points drawn from the node, and the hyperplane between them. Here a point's side is told by its two
//! distances (which of the two is nearer), which is that hyperplane for euclidean and angular distances and works for any
//! other. Departures from the reference: a node is cut at the median of the difference of the two distances rather than
//! at zero, so that trees are balanced, leaves are between half of `leaf_size` and `leaf_size`, and duplicates (all
//! differences equal) are dealt out at random.

use rayon::prelude::*;

use crate::executor::cpu::space::Space;
use crate::graph::order::order_bits;
use crate::rng::{below, hash};

/// The leaves of one tree: `ids` is a permutation of the points, leaf `l` is `ids[bounds[l]..bounds[l + 1]]`.
#[derive(Debug, Clone)]
pub(crate) struct Leaves {
    pub ids: Vec<u32>,
    pub bounds: Vec<u32>,
}

impl Leaves {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u32]> {
        self.bounds.windows(2).map(|w| &self.ids[w[0] as usize..w[1] as usize])
    }
}

/// Points whose distances to a pivot are computed in one call.
const CHUNK: usize = 1024;

/// Tree number `tree` of the forest of `seed`. Every leaf has at most `leaf_size` (at least 2) points.
///
/// Parallel over chunks of points, then over nodes, level by level; the result does not depend on the number of threads.
pub(crate) fn tree(space: &dyn Space, leaf_size: usize, seed: u64, tree: u64) -> Leaves {
    let n = space.n();
    let mut keyed: Vec<(u64, u32)> = (0..n as u32).map(|i| (0, i)).collect();
    let mut bounds = vec![0u32, n as u32];
    let mut level = 0;
    while bounds.windows(2).any(|w| (w[1] - w[0]) as usize > leaf_size) {
        let splits = Splits { space, leaf_size, seed: hash(seed, tree, level, 0) };
        splits.key(&mut keyed, &bounds);
        bounds = splits.halve(&mut keyed, &bounds);
        level += 1;
    }
    Leaves { ids: keyed.into_iter().map(|(_, id)| id).collect(), bounds }
}

struct Splits<'a> {
    space: &'a dyn Space,
    leaf_size: usize,
    seed: u64,
}

impl Splits<'_> {
    fn is_split(&self, node: &[u32]) -> bool {
        (node[1] - node[0]) as usize > self.leaf_size
    }

    /// Gives every point of a node that is to be split its place relative to the node's two pivots.
    fn key(&self, keyed: &mut [(u64, u32)], bounds: &[u32]) {
        let mut jobs = Vec::new();
        let mut rest = keyed;
        for node in bounds.windows(2) {
            let points;
            (points, rest) = rest.split_at_mut((node[1] - node[0]) as usize);
            if self.is_split(node) {
                let pivots = self.pivots(points, u64::from(node[0]));
                jobs.extend(points.chunks_mut(CHUNK).map(|chunk| (pivots, chunk)));
            }
        }
        jobs.into_par_iter().for_each(|(pivots, chunk)| self.key_chunk(&pivots, chunk));
    }

    fn key_chunk(&self, pivots: &Pivots, chunk: &mut [(u64, u32)]) {
        let ids: Vec<u32> = chunk.iter().map(|&(_, id)| id).collect();
        let mut to_pivots = vec![[0.0; 2]; ids.len()];
        self.space.two_to_many([pivots.a, pivots.b], &ids, &mut to_pivots);
        for ((key, id), [a, b]) in chunk.iter_mut().zip(&to_pivots) {
            let margin = a * pivots.a_scale - b * pivots.b_scale;
            // Ties are dealt out at random, anew at every level.
            *key = u64::from(order_bits(margin)) << 32 | hash(self.seed, 1, u64::from(*id), 0) >> 32;
        }
    }

    fn pivots(&self, points: &[(u64, u32)], node: u64) -> Pivots {
        let m = points.len();
        let a = below(hash(self.seed, 0, node, 0), m);
        let b = (a + 1 + below(hash(self.seed, 0, node, 1), m - 1)) % m;
        let (a, b) = (points[a].1, points[b].1);
        let scale = |p| if self.space.splits_by_direction() { self.inverse_length(p) } else { 1.0 };
        Pivots { a, b, a_scale: scale(a), b_scale: scale(b) }
    }

    /// 1 / |p| from the distance of the pivot to itself, -p·p.
    fn inverse_length(&self, p: u32) -> f32 {
        let mut to_self = [0.0];
        self.space.one_to_many(p, &[p], &mut to_self);
        if to_self[0] < 0.0 { 1.0 / (-to_self[0]).sqrt() } else { 1.0 }
    }

    /// Cuts every node that is too large at its median, ties by the random half of the key.
    fn halve(&self, keyed: &mut [(u64, u32)], bounds: &[u32]) -> Vec<u32> {
        let mut nodes = Vec::new();
        let mut next = vec![0];
        let mut rest = keyed;
        for node in bounds.windows(2) {
            let points;
            (points, rest) = rest.split_at_mut((node[1] - node[0]) as usize);
            if self.is_split(node) {
                next.push(node[0] + points.len() as u32 / 2);
                nodes.push(points);
            }
            next.push(node[1]);
        }
        nodes.into_par_iter().for_each(|points| {
            points.select_nth_unstable(points.len() / 2);
        });
        next
    }
}

/// Two points of a node, and what their distances are multiplied with before they are compared.
#[derive(Clone, Copy)]
struct Pivots {
    a: u32,
    b: u32,
    a_scale: f32,
    b_scale: f32,
}
