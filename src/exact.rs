//! Exact search: every query against every point of the base, in blocks.
//!
//! ```
//! use nndescent::{Metric, Points, exact};
//!
//! let base = Points::dense(&[0.0f32, 1.0, 5.0, 6.0], 4, 1)?;
//! let found = exact::query(&base, &Points::dense(&[5.4f32], 1, 1)?, &Metric::Euclidean, 2)?;
//! assert_eq!(found.ids(0), [2, 3]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A graph of a large set with progress, or on a GPU, is built by [`NnDescent`](crate::NnDescent) with
//! [`Algorithm::Exact`](crate::Algorithm::Exact).

use std::ops::ControlFlow;

use crate::dataset::{Dataset, Searched};
use crate::distances::by_definition::DefinitionDistances;
use crate::error::BuildError;
use crate::executor::cpu::blocks::in_blocks;
use crate::executor::cpu::exact::Compared;
use crate::executor::cpu::exact_graph;
use crate::executor::cpu::scan::Scan;
use crate::graph::KnnGraph;
use crate::metric::{Metric, MetricError};
use crate::params::{Params, Plan};
use crate::points::Points;
use crate::progress::{Phase, Progress};

/// The exact k-nearest-neighbour graph of `points`: row `i` holds the `k` nearest points other than `i`, or, with
/// `include_self`, `i` first and the `k - 1` nearest others.
///
/// # Errors
/// `k` zero or more than there are, parameters of the metric out of range, values that it has no distances for.
///
/// # Complexity
/// n² distances.
pub fn graph(points: &Points, metric: &Metric, k: usize, include_self: bool) -> Result<KnnGraph, BuildError> {
    let params = Params { n_neighbors: Some(k), include_self, ..Params::default() };
    let plan = Plan::new(metric, &params, points)?;
    let prepared = Dataset::new(points, metric)?;
    let graph = exact_graph::graph_of(&prepared.problem(), &plan, &|_| Ok(()))?;
    prepared.check_distances().map(|()| graph)
}

/// For every query the `k` nearest rows of `base`, ascending by (distance, id): a graph with a row for each query.
///
/// # Errors
/// Queries of another type or number of columns than the base, `k` zero or more than rows in the base, values that the
/// metric has no distances for, items that cannot be kept or compared with each other.
///
/// # Complexity
/// n · queries distances.
pub fn query(base: &Points, queries: &Points, metric: &Metric, k: usize) -> Result<KnnGraph, BuildError> {
    query_with_progress(base, queries, metric, k, |_| ControlFlow::Continue(()))
}

/// Same as [`query`]. `progress` is called as the search goes on, from any thread; [`ControlFlow::Break`] cancels it.
///
/// # Errors
/// Same as [`query`]; [`BuildError::Cancelled`].
pub fn query_with_progress(
    base: &Points,
    queries: &Points,
    metric: &Metric,
    k: usize,
    progress: impl Fn(&Progress) -> ControlFlow<()> + Sync,
) -> Result<KnnGraph, BuildError> {
    let tick = |fraction| {
        let at = Progress { phase: Phase::Exact, round: 0, max_rounds: 0, updates: 0, fraction };
        match progress(&at) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(BuildError::Cancelled { phase: Phase::Exact, round: 0 }),
        }
    };
    base.check_not_empty()?;
    if base.shape() != queries.shape() {
        return Err(BuildError::Mismatch { queries: queries.shape(), base: base.shape() });
    }
    if k == 0 || k > base.n() {
        let range = format!("1 to the {} rows of the base", base.n());
        return Err(BuildError::Parameter { name: "k", value: k.to_string(), range });
    }
    let rows: Vec<usize> = (0..queries.n()).collect();
    let base = Dataset::new(base, metric)?;
    let queries = Dataset::with_transform(queries, metric, base.transform())?;
    match (base.problem().direct(), queries.problem().direct()) {
        (Some((base, kernel)), Some((queries, _))) => {
            let truth = DefinitionDistances::new(metric, base, base).with_queries(queries);
            let scan = Scan::new(&truth, &base, Some(&queries), kernel.form(), Searched::AsGiven);
            in_blocks(&rows, k, &tick, &|rows, ids, ds| scan.nearest(rows, k, false, ids, ds))
        }
        _ => {
            let joined = base
                .problem()
                .points
                .joined(&queries.problem().points)
                .ok_or_else(|| MetricError::Rows { metric: metric.name(), rows: "items that cannot be kept" })?;
            let joined = Dataset::new(&joined.view()?, metric)?;
            let n = base.problem().n();
            let rows: Vec<usize> = rows.iter().map(|row| n + row).collect();
            let truth = joined.problem().true_distances();
            let graph = Compared::new(&joined.problem(), &*truth, n).rows(&rows, k, false, &tick);
            match joined.check_distances() {
                Err(BuildError::CustomDistance { a, b, reason }) => {
                    Err(BuildError::QueryDistance { query: a - n, item: b, reason })
                }
                _ => graph,
            }
        }
    }
}
