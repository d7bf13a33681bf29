//! Why a graph cannot be analysed.

use thiserror::Error;

/// Why a graph cannot be analysed, or a parameter of an analysis is refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum AnalysisError {
    /// An id that no row has.
    #[error("row {row} holds the id {id}, but ids end at {end}")]
    Id {
        /// Row of the graph.
        row: usize,
        /// The id.
        id: u32,
        /// One more than the largest id there is.
        end: usize,
    },
    /// The same neighbour twice.
    #[error("row {row} holds the id {id} twice")]
    Duplicate {
        /// Row of the graph.
        row: usize,
        /// The id.
        id: u32,
    },
    /// A distance that is NaN.
    #[error("row {row}: the distance of neighbour {column} is NaN")]
    Distance {
        /// Row of the graph.
        row: usize,
        /// Place in the row.
        column: usize,
    },
    /// Distances that are not ascending, or a neighbour after a place without one.
    #[error("row {row} is not sorted: neighbour {column} is nearer than the one before it, or follows a missing one")]
    Unsorted {
        /// Row of the graph.
        row: usize,
        /// Place in the row.
        column: usize,
    },
    /// Fewer neighbours than an analysis needs.
    #[error("row {row} has {found} neighbours other than itself, {k} are needed")]
    TooFewNeighbors {
        /// Row of the graph.
        row: usize,
        /// Neighbours it has.
        found: usize,
        /// Neighbours needed.
        k: usize,
    },
    /// A distance below zero, where a density is computed from distances.
    #[error("row {row}: a distance of {distance}; this analysis needs distances of zero and more")]
    Negative {
        /// Row of the graph.
        row: usize,
        /// The distance.
        distance: f32,
    },
    /// A value that is not the same the other way round, in a matrix that should be symmetric.
    #[error(
        "row {row}, column {id}: the value of row {id}, column {row} differs or is missing; a symmetric matrix is needed"
    )]
    Asymmetric {
        /// Row of the matrix.
        row: usize,
        /// Column of the value.
        id: u32,
    },
    /// A parameter out of range.
    #[error("{name} = {value}, allowed: {range}")]
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        range: String,
    },
    /// Two graphs, or a graph and points or values, that do not belong together.
    #[error("{what}: {found} rows, but {expected} are expected")]
    Rows {
        /// What has the wrong number of rows.
        what: &'static str,
        /// Its rows.
        found: usize,
        /// Rows expected.
        expected: usize,
    },
}

/// A parameter must be what `is_allowed` says.
pub(super) fn check_parameter(
    name: &'static str,
    value: impl ToString,
    is_allowed: bool,
    range: impl Into<String>,
) -> Result<(), AnalysisError> {
    if is_allowed {
        return Ok(());
    }
    Err(AnalysisError::Parameter { name, value: value.to_string(), range: range.into() })
}
