//! Errors of builds, with the offending numbers.

mod gpu;

use thiserror::Error;

pub use gpu::GpuError;

use crate::metric::ParseMetricError;
use crate::progress::Phase;

/// Why a build failed.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A parameter is out of its range.
    #[error("{name} = {value}, but it must be {range}")]
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// The value given.
        value: String,
        /// What it may be.
        range: String,
    },
    /// More neighbours than there are other points.
    #[error("n_neighbors = {k}, but {n} points have only {} {}", .most, if *.include_self { "neighbours each, themselves included" } else { "other points" })]
    TooManyNeighbors {
        /// Neighbours asked for.
        k: usize,
        /// Number of points.
        n: usize,
        /// The largest number possible.
        most: usize,
        /// Whether rows hold their own point.
        include_self: bool,
    },
    /// The points cannot be used.
    #[error(transparent)]
    Points(#[from] crate::points::PointsError),
    /// A parameter of the metric is out of its range.
    #[error(transparent)]
    Metric(#[from] ParseMetricError),
    /// Parameters of the metric are for rows of another length.
    #[error("metric `{metric}`: {argument} has {found} values, but rows of {dim} columns need {expected}")]
    MetricShape {
        /// Name of the metric.
        metric: &'static str,
        /// Name of the argument.
        argument: &'static str,
        /// Values given.
        found: usize,
        /// Values needed.
        expected: usize,
        /// Columns of the points.
        dim: usize,
    },
    /// The metric is for rows of another length.
    #[error("metric `{metric}` needs {expected} columns, not {dim}")]
    MetricColumns {
        /// Name of the metric.
        metric: &'static str,
        /// Columns needed.
        expected: usize,
        /// Columns of the points.
        dim: usize,
    },
    /// The metric has no distances between rows of this kind.
    #[error("metric `{metric}` does not work on rows of {rows}: see docs/METRICS.md")]
    MetricRows {
        /// Name of the metric.
        metric: &'static str,
        /// What the rows are.
        rows: &'static str,
    },
    /// A custom distance is not finite.
    #[error("the distance of items {a} and {b} is not finite{}", because(reason.as_deref()))]
    CustomDistance {
        /// An item.
        a: usize,
        /// Another.
        b: usize,
        /// What [`Items::failure`](crate::custom::Items::failure) says.
        reason: Option<String>,
    },
    /// A custom distance from a query is not finite.
    #[error("the distance of query {query} and item {item} is not finite{}", because(reason.as_deref()))]
    QueryDistance {
        /// The query.
        query: usize,
        /// The item.
        item: usize,
        /// What [`Items::failure`](crate::custom::Items::failure) says.
        reason: Option<String>,
    },
    /// A matrix that must be symmetric is not.
    #[error("metric `{metric}`: {argument}[{row}, {column}] is {value}, but {argument}[{column}, {row}] is {other}")]
    NotSymmetric {
        /// Name of the metric.
        metric: &'static str,
        /// Name of the argument.
        argument: &'static str,
        /// Row of the first such entry.
        row: usize,
        /// Its column.
        column: usize,
        /// Its value.
        value: f32,
        /// The value across the diagonal.
        other: f32,
    },
    /// A matrix that must be positive definite is not.
    #[error("metric `{metric}`: vinv is not positive definite: pivot {pivot} of its Cholesky factor is not above 0")]
    NotPositiveDefinite {
        /// Name of the metric.
        metric: &'static str,
        /// The pivot, from 0.
        pivot: usize,
    },
    /// A value that the metric has no distances for.
    #[error("row {row}, column {column} is {value}, but metric `{metric}` needs {range}")]
    Value {
        /// Name of the metric.
        metric: &'static str,
        /// Row of the first such value.
        row: usize,
        /// Its column.
        column: usize,
        /// The value.
        value: f32,
        /// What it may be.
        range: &'static str,
    },
    /// The GPU could not do it.
    #[error(transparent)]
    Gpu(#[from] crate::error::GpuError),
    /// The graph to start from does not belong to the points.
    #[error("init_graph has {rows} rows, but there are {n} points")]
    InitGraphRows {
        /// Rows of the graph.
        rows: usize,
        /// Number of points.
        n: usize,
    },
    /// The ids to start from are not `n * k`.
    #[error("init_graph: {ids} ids for {n} rows of {k}")]
    InitGraphShape {
        /// Rows given.
        n: usize,
        /// Neighbours of a row given.
        k: usize,
        /// Ids given.
        ids: usize,
    },
    /// The graph to start from names a point that does not exist.
    #[error("init_graph: row {row} holds id {id}, but there are {n} points (unknown entries are {})", u32::MAX)]
    InitGraphId {
        /// The row.
        row: usize,
        /// The id.
        id: u32,
        /// Number of points.
        n: usize,
    },
    /// Queries with another number of columns, or of another type, than the base.
    #[error("queries of {queries} cannot be compared with a base of {base}")]
    Mismatch {
        /// Columns and type of the queries.
        queries: String,
        /// Columns and type of the base.
        base: String,
    },
    /// The progress callback asked to stop.
    #[error("cancelled in phase {phase}, round {round}")]
    Cancelled {
        /// Phase of the build.
        phase: Phase,
        /// Round of descent, from 1; 0 before the first.
        round: usize,
    },
}

/// The reason for a distance that is not finite, if there is one.
fn because(reason: Option<&str>) -> String {
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}
