//! What can go wrong with an index, with the numbers.

use thiserror::Error;

use crate::error::BuildError;
use crate::points::PointsError;

/// Why there is no index, or no answer.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The graph under the index.
    #[error(transparent)]
    Build(#[from] BuildError),
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
    /// The metric or the width of rows has no codes.
    #[error(
        "u8 codes serve metrics made of dot products and rows of 48 to 32768 columns, not {metric} and {dim} columns"
    )]
    Quantization {
        /// The metric.
        metric: String,
        /// Columns.
        dim: usize,
    },
    /// Rows that no index can keep.
    #[error("an index has to keep its {rows}, and these cannot be kept: see `custom::Custom` and `Items::keep`")]
    NoIndex {
        /// What the rows are.
        rows: &'static str,
    },
    /// Items that those of the index cannot be compared with.
    #[error("the items are of another type, distance or number of columns than those of the index, or cannot be kept")]
    OtherItems,
    /// More edges than their places are counted.
    #[error("{n} points with up to {max_degree} edges each: more than 4294967295 edges")]
    TooManyEdges {
        /// Points.
        n: usize,
        /// Most edges of a point.
        max_degree: usize,
    },
    /// Queries of another width than the points.
    #[error("queries of {found} columns, but the index holds points of {expected}")]
    Dimension {
        /// Columns of the queries.
        found: usize,
        /// Columns of the index.
        expected: usize,
    },
    /// More neighbours asked for than points.
    #[error("k = {k}, but the index holds {n} points")]
    TooManyNeighbors {
        /// Neighbours asked for.
        k: usize,
        /// Points.
        n: usize,
    },
    /// A filter for another number of points.
    #[error("a filter of {found} entries, but the index has ids below {expected}")]
    FilterLength {
        /// Entries of the filter.
        found: usize,
        /// One more than the largest id.
        expected: usize,
    },
    /// A query with a value that is not finite.
    #[error("the query's column {column} is {value}: every value must be finite")]
    NotFinite {
        /// The column.
        column: usize,
        /// NaN, inf or -inf.
        value: f32,
    },
    /// Labels for another number of queries.
    #[error("{found} labels for {expected} queries")]
    LabelCount {
        /// Labels given.
        found: usize,
        /// Queries.
        expected: usize,
    },
    /// A label that no point has.
    #[error("no point has the label {label}")]
    NoSuchLabel {
        /// The label.
        label: u32,
    },
    /// A filter that allows no point.
    #[error("the filter allows none of the {n} points")]
    NothingAllowed {
        /// Points.
        n: usize,
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
    /// All points were to be removed.
    #[error("removing all {n} points would leave an index of nothing")]
    NothingLeft {
        /// Points.
        n: usize,
    },
    /// An id that no point has.
    #[error("there is no point {id}: the index holds ids below {end}, some of which may have been removed")]
    UnknownId {
        /// The id.
        id: u32,
        /// One more than the largest id.
        end: usize,
    },
}
