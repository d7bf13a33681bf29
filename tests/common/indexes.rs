//! Indexes over points in patches.

use nndescent::{Hits, Index, KnnGraph, Metric, NnDescent, Points, recall};

use super::points::patches;

/// Columns.
pub const DIM: usize = 64;

/// Points, and queries from the same patches.
pub fn base_and_queries(n: usize, queries: usize, seed: u64) -> (Vec<f32>, Vec<f32>) {
    let all = patches(n + queries, DIM, 20, seed);
    let (base, queries) = all.split_at(n * DIM);
    (base.to_vec(), queries.to_vec())
}

pub fn index_of(data: &[f32], metric: Metric) -> Index {
    NnDescent::new(metric.clone()).recall_sample(0).index(&points_of(data)).unwrap().index
}

pub fn points_of(data: &[f32]) -> Points<'_> {
    Points::dense(data, data.len() / DIM, DIM).unwrap()
}

pub fn recall(hits: &Hits, truth: &KnnGraph) -> f64 {
    recall::recall(hits.graph(), truth, hits.k().min(truth.k())).unwrap()
}
