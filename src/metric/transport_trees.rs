//! A proxy for optimal transport: random trees over the bins, in which the least cost is a sum of absolute differences.
//!
//! Le, Yamada, Fukumizu and Cuturi, "Tree-sliced variants of Wasserstein distances" (NeurIPS 2019): if the cost of
//! moving mass is the length of the path in a tree, the least cost is Σ over edges of their length times the difference
//! of the masses below. A few random trees, each halving the bins by two pivots, approximate a cost that is not a tree
//! metric.

use crate::points::SparseRow;
use crate::rng::{below, hash};

/// Trees over the bins of a histogram.
#[derive(Debug)]
pub(crate) struct TransportTrees {
    dim: usize,
    /// The length of the edge above every subtree, divided by the number of trees.
    lengths: Vec<f64>,
    /// The subtrees that contain each bin, ascending.
    above: Vec<Vec<u32>>,
}

/// Trees that are averaged: docs/PERFORMANCE.md, "Proxies".
const TREES: u64 = 8;

impl TransportTrees {
    /// `cost` is `dim x dim`.
    pub(crate) fn new(cost: &[f32], dim: usize) -> Self {
        let mut trees = Self { dim, lengths: Vec::new(), above: vec![Vec::new(); dim] };
        for tree in 0..TREES {
            let all: Vec<u32> = (0..dim as u32).collect();
            trees.split(cost, &all, hash(0x7ee5, tree, 0, 0));
        }
        trees
    }

    /// Splits `bins` by the nearer of two pivots, down to single bins.
    fn split(&mut self, cost: &[f32], bins: &[u32], seed: u64) {
        let between = |a: u32, b: u32| cost[a as usize * self.dim + b as usize];
        let m = bins.len();
        if m < 2 {
            return;
        }
        // The second pivot is the farthest from the first: halves are compact.
        let a = bins[below(seed, m)];
        let b = *bins.iter().max_by(|&&x, &&y| between(a, x).total_cmp(&between(a, y))).expect("two bins");
        let b = if b == a { bins[usize::from(bins[0] == a)] } else { b };
        let (near, far): (Vec<u32>, Vec<u32>) =
            bins.iter().partition(|&&bin| bin == a || bin != b && between(a, bin) <= between(b, bin));
        let pairs = near.iter().flat_map(|&x| far.iter().map(move |&y| (x, y)));
        let apart = pairs.map(|(x, y)| f64::from(between(x, y))).sum::<f64>() / (near.len() * far.len()) as f64;
        for (half, side) in [near, far].into_iter().zip(1u64..) {
            // Half the distance between the halves minus that within: paths between leaves come out near their costs.
            let inner = mean_cost(cost, self.dim, &half);
            let node = self.lengths.len() as u32;
            half.iter().for_each(|&bin| self.above[bin as usize].push(node));
            self.lengths.push((0.5 * (apart - inner)).max(0.0) / TREES as f64);
            self.split(cost, &half, hash(seed, side, 0, 0));
        }
    }

    /// Number of subtrees.
    pub(crate) fn nodes(&self) -> usize {
        self.lengths.len().max(1)
    }

    /// The mass of every subtree times the length of its edge, for the row normalized to sum 1.
    pub(crate) fn masses(&self, row: &[f32], out: &mut [f32]) {
        let mut masses = vec![0.0; out.len()];
        for (above, &v) in self.above.iter().zip(row).filter(|(_, v)| **v != 0.0) {
            above.iter().for_each(|&node| masses[node as usize] += f64::from(v));
        }
        let scale = to_sum_1(row);
        out.fill(0.0);
        for ((out, mass), length) in out.iter_mut().zip(masses).zip(&self.lengths) {
            *out = (mass * scale * length) as f32;
        }
    }

    /// The same for a sparse row: the subtrees with mass, ascending, and their values in [`TransportTrees::masses`].
    pub(crate) fn masses_of_entries(&self, row: SparseRow) -> (Vec<u32>, Vec<f32>) {
        let mut masses: Vec<(u32, f64)> = Vec::new();
        for (bin, v) in row.entries() {
            masses.extend(self.above[bin as usize].iter().map(|&node| (node, f64::from(v))));
        }
        // Stable: sums are added up in the order of bins, same as in dense rows.
        masses.sort_by_key(|mass| mass.0);
        let scale = to_sum_1(row.values);
        let of_node = |same: &[(u32, f64)]| {
            let (node, mass) = (same[0].0, same.iter().map(|mass| mass.1).sum::<f64>());
            (node, (mass * scale * self.lengths[node as usize]) as f32)
        };
        masses.chunk_by(|a, b| a.0 == b.0).map(of_node).filter(|(_, mass)| *mass != 0.0).unzip()
    }
}

/// What normalizes values to sum 1; 0 if their sum is 0.
fn to_sum_1(values: &[f32]) -> f64 {
    let total: f64 = values.iter().map(|&v| f64::from(v)).sum();
    if total > 0.0 { 1.0 / total } else { 0.0 }
}

/// The mean cost between two different bins; 0 for a single bin.
fn mean_cost(cost: &[f32], dim: usize, bins: &[u32]) -> f64 {
    let m = bins.len();
    let sum: f64 =
        bins.iter().flat_map(|&a| bins.iter().map(move |&b| f64::from(cost[a as usize * dim + b as usize]))).sum();
    if m < 2 { 0.0 } else { sum / (m * (m - 1)) as f64 }
}
