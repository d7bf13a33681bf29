//! What can go wrong when an index is made or changed, with the numbers.

use thiserror::Error;

use crate::error::BuildError;
use crate::metric::MetricError;
use crate::points::PointsError;

use super::quantization::Quantization;

/// Why an index cannot be made, or changed.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The graph under the index.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The metric, or one of its arguments, does not suit the rows.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// The points.
    #[error(transparent)]
    Points(#[from] PointsError),
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
    /// The quantization asked for is not possible: see
    /// [`IndexOptions::prefer_quantization`](crate::IndexOptions::prefer_quantization).
    #[error("quantization {asked} is not possible: {reason}")]
    Quantization {
        /// What was asked for.
        asked: Quantization,
        /// Why it is not possible.
        reason: String,
    },
    /// Rows that no index can keep.
    #[error("an index has to keep its {rows}, and these cannot be kept: see `custom::Custom` and `Items::keep`")]
    NoIndex {
        /// What the rows are.
        rows: &'static str,
    },
    /// Items that cannot be compared with those of the index.
    #[error("the items are of another type, distance or number of columns than those of the index, or cannot be kept")]
    OtherItems,
    /// More edges than 32 bits can count.
    #[error("{n} points with up to {max_degree} edges each: more than 4294967295 edges")]
    TooManyEdges {
        /// Points.
        n: usize,
        /// Most edges of a point.
        max_degree: usize,
    },
    /// Points of another width than those of the index.
    #[error("points of {found} columns, but the index holds points of {expected}")]
    Dimension {
        /// Columns of the points.
        found: usize,
        /// Columns of the index.
        expected: usize,
    },
    /// Points of another type than those of the index.
    #[error("points of {found}, but the index holds {expected}")]
    Type {
        /// Type of the points.
        found: &'static str,
        /// Type of the index.
        expected: &'static str,
    },
    /// Another number of ids than points.
    #[error("{found} ids for {expected} points")]
    IdCount {
        /// Ids given.
        found: usize,
        /// Points given.
        expected: usize,
    },
    /// The same id twice in one call.
    #[error("id {id} is given twice")]
    IdTwice {
        /// The id.
        id: u32,
    },
    /// An id that no point has.
    #[error("there is no point {id}: the index holds ids below {bound}, some of which may have been removed")]
    UnknownId {
        /// The id.
        id: u32,
        /// One more than the largest id.
        bound: usize,
    },
    /// A graph of other points was to be brought up to date.
    #[error("a graph of {found} points, but the index has ids below {bound}")]
    GraphRows {
        /// Rows of the graph.
        found: usize,
        /// One more than the largest id.
        bound: usize,
    },
    /// Parts of the index do not fit together, as in a damaged file that was opened without
    /// [`Index::verify`](crate::Index::verify).
    #[error("the index is damaged: {what}")]
    Damaged {
        /// What does not fit.
        what: String,
    },
    /// The progress callback asked to stop: the index is as it was.
    #[error("cancelled")]
    Cancelled,
}
