//! A proxy for optimal transport: random trees over the bins, in which the least cost is a sum of absolute differences.
//!
//! Le, Yamada, Fukumizu and Cuturi, "Tree-sliced variants of Wasserstein distances" (NeurIPS 2019): if the cost of moving
//! mass is the length of the path in a tree, the least cost is Σ over edges of their length times the difference of the masses
//! below. A few random trees, each halving the bins by two pivots, stand for a cost that is no tree's.

use crate::rng::{below, hash};

/// Trees over the bins of a histogram.
pub(crate) struct TransportTrees {
    dim: usize,
    nodes: Vec<Node>,
    /// Bins of all nodes.
    bins: Vec<u32>,
}

/// A subtree that hangs on an edge.
struct Node {
    first: usize,
    end: usize,
    /// Length of the edge, divided by the number of trees.
    length: f64,
}

/// Trees that are averaged: docs/PERFORMANCE.md, "Proxies".
const TREES: u64 = 8;

impl TransportTrees {
    /// `cost` is `dim x dim`.
    pub(crate) fn new(cost: &[f32], dim: usize) -> Self {
        let mut trees = Self { dim, nodes: Vec::new(), bins: Vec::new() };
        for tree in 0..TREES {
            let all: Vec<u32> = (0..dim as u32).collect();
            trees.split(cost, &all, hash(0x7ee5, tree, 0, 0));
        }
        trees
    }

    /// Halves `bins` into those nearer to the one and to the other of two pivots, down to single bins.
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
            // Half the way between the halves, less what lies below: paths between leaves come out near their costs.
            let inner = mean_cost(cost, self.dim, &half);
            let first = self.bins.len();
            self.bins.extend_from_slice(&half);
            let length = (0.5 * (apart - inner)).max(0.0) / TREES as f64;
            self.nodes.push(Node { first, end: self.bins.len(), length });
            self.split(cost, &half, hash(seed, side, 0, 0));
        }
    }

    /// Number of subtrees.
    pub(crate) fn nodes(&self) -> usize {
        self.nodes.len().max(1)
    }

    /// The mass of every subtree times the length of its edge, of the row brought to sum 1.
    pub(crate) fn masses(&self, row: &[f32], out: &mut [f32]) {
        let total: f64 = row.iter().map(|&v| f64::from(v)).sum();
        let scale = if total > 0.0 { 1.0 / total } else { 0.0 };
        out.fill(0.0);
        for (node, out) in self.nodes.iter().zip(out) {
            let mass: f64 = self.bins[node.first..node.end].iter().map(|&bin| f64::from(row[bin as usize])).sum();
            *out = (mass * scale * node.length) as f32;
        }
    }
}

/// The mean cost between two different bins, as the path through their subtree; 0 of one bin.
fn mean_cost(cost: &[f32], dim: usize, bins: &[u32]) -> f64 {
    let m = bins.len();
    let sum: f64 =
        bins.iter().flat_map(|&a| bins.iter().map(move |&b| f64::from(cost[a as usize * dim + b as usize]))).sum();
    if m < 2 { 0.0 } else { sum / (m * (m - 1)) as f64 }
}
