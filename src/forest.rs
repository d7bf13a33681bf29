//! Random-projection trees: recursive halving of the points, so that near points tend to share a leaf.
//!
//! Dasgupta and Freund, "Random projection trees and low dimensional manifolds" (STOC 2008), with the splits of Annoy
//! and PyNNDescent: two pivots drawn from the node, and the hyperplane between them. Here the side of a point depends
//! on which pivot is nearer, which is that hyperplane for euclidean and angular distances and works for any other.
//! Departures from the reference: a node is cut where its points are sparsest within the middle three fifths rather
//! than at zero, so that clusters are seldom split and depth is bounded; duplicates (all differences equal) are split
//! at random; both halves keep the order of their points, so that later levels read memory forwards. Where most points
//! are equally far from both pivots (sparse rows that share no column with them), all trees but the first sort by
//! min-hashes and cut the order into leaves. Rows of bits are sorted by randomly drawn bits in all trees.

use rayon::prelude::*;

use crate::graph::order::{from_order_bits, order_bits};
use crate::rng::{below, hash};
use crate::rows::ReducedDistances;

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

/// Nodes of at most this many points are split down to their leaves by one thread, while their rows are in its cache.
const CACHED: usize = 4096;

/// Tree number `tree` of the forest of `seed`. Every leaf has at most `leaf_size` (at least 2) points, ascending.
///
/// Parallel over chunks of points and over nodes, level by level, and over whole nodes where these are small; the
/// result does not depend on the number of threads.
pub(crate) fn tree(space: &dyn ReducedDistances, leaf_size: usize, seed: u64, tree: u64) -> Leaves {
    if let Some(keys) = space.sort_keys(tree, hash(seed, tree, 2, 0)) {
        return sorted(&keys, leaf_size, hash(seed, tree, 3, 0));
    }
    let n = space.n();
    let mut ids: Vec<u32> = (0..n as u32).collect();
    let (mut keys, mut spare) = (vec![0; n], vec![0; n]);
    let top = Splits { space, largest: leaf_size.max(CACHED), seed: hash(seed, tree, 0, 0) };
    let nodes = top.split(Part { first: 0, ids: &mut ids, keys: &mut keys, spare: &mut spare });
    let below = Splits { space, largest: leaf_size, seed: hash(seed, tree, 1, 0) };
    let whole = Part { first: 0, ids: &mut ids, keys: &mut keys, spare: &mut spare };
    let ends: Vec<Vec<u32>> = whole.cut_at(&nodes).into_par_iter().map(|node| below.split(node)).collect();
    let bounds = std::iter::once(0).chain(ends.into_iter().flatten()).collect();
    Leaves { ids, bounds }
}

/// Leaves of points that are consecutive by their keys; ties are broken at random.
fn sorted(keys: &[u64], leaf_size: usize, seed: u64) -> Leaves {
    let tie = |id: u32| hash(seed, 0, u64::from(id), 0) << 32 | u64::from(id);
    let mut keyed: Vec<(u64, u64)> = keys.iter().zip(0..).map(|(&key, id)| (key, tie(id))).collect();
    keyed.par_sort_unstable();
    let ids: Vec<u32> = keyed.iter().map(|(_, tie)| *tie as u32).collect();
    let count = ids.len().div_ceil(leaf_size);
    let bounds: Vec<u32> = (0..=count).map(|leaf| (leaf * ids.len() / count) as u32).collect();
    let mut leaves = Leaves { ids, bounds };
    for leaf in leaves.bounds.windows(2) {
        leaves.ids[leaf[0] as usize..leaf[1] as usize].sort_unstable();
    }
    leaves
}

/// A run of points of a tree, starting at place `first`, with scratch space to split them.
struct Part<'a> {
    first: u32,
    ids: &'a mut [u32],
    /// Positions of the points relative to the pivots of their nodes.
    keys: &'a mut [u64],
    spare: &'a mut [u32],
}

impl<'a> Part<'a> {
    /// The parts that end at `ends`.
    fn cut_at(self, ends: &[u32]) -> Vec<Part<'a>> {
        let Part { mut first, mut ids, mut keys, mut spare } = self;
        let cut = ends.iter().map(|&end| {
            let m = (end - first) as usize;
            let part = Part {
                first,
                ids: ids.split_off_mut(..m).unwrap_or_default(),
                keys: keys.split_off_mut(..m).unwrap_or_default(),
                spare: spare.split_off_mut(..m).unwrap_or_default(),
            };
            first = end;
            part
        });
        cut.collect()
    }

    fn reborrow(&mut self) -> Part<'_> {
        Part { first: self.first, ids: self.ids, keys: self.keys, spare: self.spare }
    }
}

struct Splits<'a> {
    space: &'a dyn ReducedDistances,
    /// Nodes that are larger are split.
    largest: usize,
    seed: u64,
}

impl Splits<'_> {
    /// Splits until no node is larger than `largest`, and returns the ends of the nodes.
    fn split(&self, mut part: Part) -> Vec<u32> {
        let mut ends = vec![part.first + part.ids.len() as u32];
        for level in 0.. {
            let mut nodes = part.reborrow().cut_at(&ends);
            if nodes.iter().all(|node| node.ids.len() <= self.largest) {
                break;
            }
            let seed = hash(self.seed, level, 0, 0);
            self.key(seed, &mut nodes);
            ends = nodes.into_par_iter().flat_map_iter(|node| self.halve(node)).collect();
        }
        ends
    }

    /// Computes the position of every point of a node to be split, relative to the node's two pivots.
    fn key(&self, seed: u64, nodes: &mut [Part]) {
        let large = nodes.iter_mut().filter(|node| node.ids.len() > self.largest);
        let jobs: Vec<_> = large
            .flat_map(|node| {
                let pivots = self.pivots(seed, node);
                node.ids.chunks(CHUNK).zip(node.keys.chunks_mut(CHUNK)).map(move |(ids, keys)| (pivots, ids, keys))
            })
            .collect();
        jobs.into_par_iter().for_each(|(pivots, ids, keys)| self.key_chunk(seed, &pivots, ids, keys));
    }

    fn key_chunk(&self, seed: u64, pivots: &Pivots, ids: &[u32], keys: &mut [u64]) {
        let mut to_pivots = vec![[0.0; 2]; ids.len()];
        self.space.two_to_many([pivots.a, pivots.b], ids, &mut to_pivots);
        for ((key, id), [a, b]) in keys.iter_mut().zip(ids).zip(&to_pivots) {
            let margin = a * pivots.a_scale - b * pivots.b_scale;
            // Ties are broken at random, differently at every level.
            *key = u64::from(order_bits(margin)) << 32 | hash(seed, 1, u64::from(*id), 0) >> 32;
        }
    }

    fn pivots(&self, seed: u64, node: &Part) -> Pivots {
        let m = node.ids.len();
        let a = below(hash(seed, 0, u64::from(node.first), 0), m);
        let b = (a + 1 + below(hash(seed, 0, u64::from(node.first), 1), m - 1)) % m;
        let (a, b) = (node.ids[a], node.ids[b]);
        let scale = |p| if self.space.splits_by_direction() { self.inverse_length(p) } else { 1.0 };
        Pivots { a, b, a_scale: scale(a), b_scale: scale(b) }
    }

    /// 1 / |p| from the distance of the pivot to itself, -p·p.
    fn inverse_length(&self, p: u32) -> f32 {
        let mut to_self = [0.0];
        self.space.one_to_many(p, &[p], &mut to_self);
        if to_self[0] < 0.0 { 1.0 / (-to_self[0]).sqrt() } else { 1.0 }
    }

    /// Cuts a node that is too large in two, keeping the order of ids in both, and returns the ends of the halves.
    fn halve(&self, node: Part) -> impl Iterator<Item = u32> + use<> {
        let (m, end) = (node.ids.len(), node.first + node.ids.len() as u32);
        let cut = (m > self.largest).then(|| {
            let pivot = cut_key(node.keys);
            let (mut left, mut right) = (0, 0);
            for i in 0..m {
                let id = node.ids[i];
                let is_left = node.keys[i] < pivot;
                // Both are written and one is kept, which avoids a mispredicted branch.
                node.ids[left] = id;
                node.spare[right] = id;
                left += usize::from(is_left);
                right += usize::from(!is_left);
            }
            node.ids[left..].copy_from_slice(&node.spare[..right]);
            // All keys are equal: any halves will do.
            node.first + if left == 0 { m / 2 } else { left } as u32
        });
        cut.into_iter().chain([end])
    }
}

/// Keys sampled to place a cut.
const SAMPLE: usize = 256;

/// The share (1 in so many) of the keys of a node across which their density is measured.
const THIN: usize = 32;

/// Where to cut a node: the key with the widest gaps around it among the middle ones of a sample, so that neighbours
/// are seldom split; the median where all keys are equal.
fn cut_key(keys: &[u64]) -> u64 {
    let mut sample: Vec<u64> = keys.iter().step_by(keys.len().div_ceil(SAMPLE)).copied().collect();
    sample.sort_unstable();
    let m = sample.len();
    let margin = |i: usize| from_order_bits((sample[i] >> 32) as u32);
    let reach = (m / THIN / 2).max(1);
    let gap = |i: usize| margin((i + reach - 1).min(m - 1)) - margin(i.saturating_sub(reach));
    let middle = (m / 5).max(1)..=m - 1 - m / 5;
    let (_, cut) = middle.fold((0.0, m / 2), |best, i| if gap(i) > best.0 { (gap(i), i) } else { best });
    sample[cut]
}

/// Two pivots of a node, and the factors applied to their distances before these are compared.
#[derive(Clone, Copy)]
struct Pivots {
    a: u32,
    b: u32,
    a_scale: f32,
    b_scale: f32,
}
