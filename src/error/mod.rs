//! Errors by operation: of builds, of searches (`search.rs`) and of a GPU (`gpu.rs`).
//!
//! Each carries the offending numbers, and its message is a sentence that says what would be right. Errors of metrics
//! and of points stand with those.

mod gpu;
mod search;

use thiserror::Error;

pub use gpu::GpuError;
pub use search::SearchError;

use crate::metric::MetricError;
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
    #[error("n_neighbors = {k}, but {n} points have only {most} {}", counted(*include_self))]
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
    /// The metric, or one of its arguments, does not suit the points.
    #[error(transparent)]
    Metric(#[from] MetricError),
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

/// What rows of a graph can hold.
fn counted(include_self: bool) -> &'static str {
    if include_self { "neighbours each, themselves included" } else { "other points" }
}

/// The reason for a distance that is not finite, if there is one.
fn because(reason: Option<&str>) -> String {
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}
