//! What can be wrong with a metric, its arguments, or rows under it.

use thiserror::Error;

/// Why a metric cannot be made, or cannot be used on rows.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum MetricError {
    /// No metric of that name.
    #[error("unknown metric `{name}`: {}", meant(*nearest))]
    Unknown {
        /// The name given.
        name: String,
        /// The known name that is most like it, if any is like it.
        nearest: Option<&'static str>,
    },
    /// An argument without a default was not given.
    #[error("metric `{metric}` needs the argument `{argument}`")]
    Missing {
        /// Name of the metric.
        metric: &'static str,
        /// Name of the argument.
        argument: &'static str,
    },
    /// The metric has no such argument.
    #[error("metric `{metric}` has no argument `{argument}`")]
    Unexpected {
        /// Name of the metric.
        metric: String,
        /// The argument given.
        argument: String,
    },
    /// A number where values are needed, or the reverse.
    #[error("metric `{metric}`: `{argument}` must be {expected}")]
    WrongKind {
        /// Name of the metric.
        metric: &'static str,
        /// Name of the argument.
        argument: &'static str,
        /// `a number` or `an array`.
        expected: &'static str,
    },
    /// The argument is out of range.
    #[error("metric `{metric}`: {argument} = {value}, but it must be {range}")]
    OutOfRange {
        /// Name of the metric.
        metric: &'static str,
        /// Name of the argument, with the place of an entry.
        argument: String,
        /// The value given.
        value: f32,
        /// What it may be.
        range: &'static str,
    },
    /// The argument is for rows with another number of columns.
    #[error("metric `{metric}`: {argument} has {found} values, but rows of {dim} columns need {expected}")]
    Shape {
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
    /// A distance between rows of such values would leave f32's range.
    #[error(
        "row {row}, column {column} is {value:e}: under `{metric}` no value may be larger than {most:e}, as distances \
         would not be finite in f32"
    )]
    TooLarge {
        /// Name of the metric.
        metric: &'static str,
        /// The first such row.
        row: usize,
        /// Its first such column.
        column: usize,
        /// The value.
        value: f32,
        /// The largest that is allowed.
        most: f32,
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
    /// The metric is for rows with another number of columns.
    #[error("metric `{metric}` needs {expected} columns, not {dim}")]
    Columns {
        /// Name of the metric.
        metric: &'static str,
        /// Columns needed.
        expected: usize,
        /// Columns of the points.
        dim: usize,
    },
    /// The metric has no distances between rows of this kind.
    #[error("metric `{metric}` does not work on rows of {rows}: see docs/METRICS.md")]
    Rows {
        /// Name of the metric.
        metric: &'static str,
        /// What the rows are.
        rows: &'static str,
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
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or("docs/METRICS.md and `nndescent metrics` list them".into(), |name| format!("did you mean `{name}`?"))
}
