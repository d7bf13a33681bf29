//! Exact search: every query against every point of the base, in blocks.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::error::BuildError;
use crate::executor::Tick;
use crate::executor::cpu::scan::Scan;
use crate::graph::KnnGraph;
use crate::metric::Metric;
use crate::params::{Params, Plan};
use crate::points::Points;
use crate::space::recompute::Recompute;

/// The exact k-nearest-neighbour graph of `points`: row `i` holds the `k` nearest points other than `i`, or, with
/// `include_self`, `i` first and the `k - 1` nearest others.
///
/// # Errors
/// `k` zero or more than there are, parameters of the metric out of range.
///
/// # Complexity
/// n² distances.
pub fn graph(points: &Points, metric: Metric, k: usize, include_self: bool) -> Result<KnnGraph, BuildError> {
    let params = Params { n_neighbors: Some(k), include_self, ..Params::default() };
    let plan = Plan::new(metric, &params, points.n())?;
    graph_of(points, &plan, &|_| Ok(()))
}

/// For every query the `k` nearest rows of `base`, ascending by (distance, id): a graph with a row for each query.
///
/// # Errors
/// Queries of another type or number of columns than the base, `k` zero or more than rows in the base.
///
/// # Complexity
/// n · queries distances.
pub fn query(base: &Points, queries: &Points, metric: Metric, k: usize) -> Result<KnnGraph, BuildError> {
    let metric = metric.checked()?;
    let shape = |p: &Points| format!("{} columns of {}", p.dim(), p.as_dense().type_name());
    if shape(base) != shape(queries) {
        return Err(BuildError::Mismatch { queries: shape(queries), base: shape(base) });
    }
    if k == 0 || k > base.n() {
        let range = format!("1 to the {} rows of the base", base.n());
        return Err(BuildError::Parameter { name: "k", value: k.to_string(), range });
    }
    let rows: Vec<usize> = (0..queries.n()).collect();
    let scan = Scan::new(base.as_dense(), queries.as_dense(), metric);
    search(&scan, &rows, k, false, &|_| Ok(()))
}

/// The exact rows of some points, themselves left out.
pub(crate) fn rows_of(points: &Points, rows: &[usize], metric: Metric, k: usize) -> Result<KnnGraph, BuildError> {
    search(&Scan::of_points(points.as_dense(), metric), rows, k, true, &|_| Ok(()))
}

/// The exact graph of a plan.
pub(crate) fn graph_of(points: &Points, plan: &Plan, tick: Tick) -> Result<KnnGraph, BuildError> {
    let (n, k) = (points.n(), plan.n_neighbors);
    let rows: Vec<usize> = (0..n).collect();
    let scan = Scan::of_points(points.as_dense(), plan.metric);
    if !plan.include_self {
        return search(&scan, &rows, k, true, tick);
    }
    let others = if k == 1 { None } else { Some(search(&scan, &rows, k - 1, true, tick)?) };
    let exact = Recompute::new(plan.metric, points.as_dense(), points.as_dense());
    let (mut indices, mut distances) = (Vec::with_capacity(n * k), Vec::with_capacity(n * k));
    for i in 0..n {
        indices.push(i as u32);
        distances.push(exact.to_self(i));
        if let Some(others) = &others {
            indices.extend_from_slice(others.neighbors(i));
            distances.extend_from_slice(others.row_distances(i));
        }
    }
    Ok(KnnGraph::from_parts(n, k, indices, distances))
}

/// Queries per block: enough to use each row of the base often while it is in cache.
const QUERIES: usize = 32;

fn search(scan: &Scan, rows: &[usize], k: usize, skip_own: bool, tick: Tick) -> Result<KnnGraph, BuildError> {
    let mut indices = vec![0u32; rows.len() * k];
    let mut distances = vec![0f32; rows.len() * k];
    let (done, count) = (AtomicUsize::new(0), rows.len());
    let blocks =
        rows.par_chunks(QUERIES).zip(indices.par_chunks_mut(QUERIES * k)).zip(distances.par_chunks_mut(QUERIES * k));
    blocks.try_for_each(|((rows, ids), ds)| {
        scan.nearest(rows, k, skip_own, ids, ds);
        let done = done.fetch_add(rows.len(), Ordering::Relaxed) + rows.len();
        tick(done as f32 / count as f32)
    })?;
    Ok(KnnGraph::from_parts(rows.len(), k, indices, distances))
}
