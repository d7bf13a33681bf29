//! What can go wrong when an index is searched, with the numbers.

use thiserror::Error;

use super::because;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SearchError {
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
    /// More neighbours asked for than there are points: see [`SearchOptions::pad`](crate::SearchOptions::pad).
    #[error("k = {k}, but the index holds {n} points")]
    TooManyNeighbors {
        /// Neighbours asked for.
        k: usize,
        /// Points.
        n: usize,
    },
    /// Queries of another width than the points.
    #[error("queries of {found} columns, but the index holds points of {expected}")]
    Dimension {
        /// Columns of the queries.
        found: usize,
        /// Columns of the index.
        expected: usize,
    },
    /// Queries of another type than the points.
    #[error("queries of {found}, but the index holds {expected}")]
    Type {
        /// Type of the queries.
        found: &'static str,
        /// Type of the index.
        expected: &'static str,
    },
    /// Items that cannot be compared with those of the index.
    #[error("the items are of another type, distance or number of columns than those of the index, or cannot be kept")]
    OtherItems,
    /// A query with a value that is not finite.
    #[error("the query's column {column} is {value}: every value must be finite")]
    NotFinite {
        /// The column.
        column: usize,
        /// NaN, inf or -inf.
        value: f32,
    },
    /// A value that the metric has no distances for.
    #[error("query {query}, column {column} is {value}, but metric `{metric}` needs {range}")]
    Value {
        /// Name of the metric.
        metric: &'static str,
        /// The first query with such a value.
        query: usize,
        /// Its column.
        column: usize,
        /// The value.
        value: f32,
        /// What it may be.
        range: &'static str,
    },
    /// A custom distance from a query is not finite.
    #[error("the distance of query {query} and item {item} is not finite{}", because(reason.as_deref()))]
    QueryDistance {
        /// The query.
        query: usize,
        /// The item.
        item: usize,
        /// Why: what `Items::failure` says.
        reason: Option<String>,
    },
    /// A custom distance between two items of the index is not finite.
    #[error("the distance of items {a} and {b} is not finite{}", because(reason.as_deref()))]
    CustomDistance {
        /// An item.
        a: usize,
        /// Another.
        b: usize,
        /// Why: what `Items::failure` says.
        reason: Option<String>,
    },
    /// A filter for another number of points.
    #[error("a filter of {found} entries, but the index has ids below {expected}")]
    FilterLength {
        /// Entries of the filter.
        found: usize,
        /// One more than the largest id.
        expected: usize,
    },
    /// A filter that allows no point: see [`SearchOptions::pad`](crate::SearchOptions::pad).
    #[error("the filter allows none of the {n} points")]
    NothingAllowed {
        /// Points.
        n: usize,
    },
    /// Labels for another number of queries.
    #[error("{found} labels for {expected} queries")]
    LabelCount {
        /// Labels given.
        found: usize,
        /// Queries.
        expected: usize,
    },
    /// A label that no point has: see [`SearchOptions::pad`](crate::SearchOptions::pad).
    #[error("no point has the label {label}")]
    NoSuchLabel {
        /// The label.
        label: u32,
    },
    /// An id that no point has.
    #[error("there is no point {id}: the index holds ids below {bound}, some of which may have been removed")]
    UnknownId {
        /// The id.
        id: u32,
        /// One more than the largest id.
        bound: usize,
    },
    /// The values of points were asked for, but the index does not keep them as they were given.
    #[error("the index does not keep the values of its points ({rows})")]
    NoValues {
        /// What it keeps.
        rows: &'static str,
    },
    /// The progress callback asked to stop.
    #[error("cancelled")]
    Cancelled,
}
