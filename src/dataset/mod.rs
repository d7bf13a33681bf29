//! From the points and the metric that a user gives to what is searched: checked, and transformed where the metric asks
//! for it.
//!
//! [`Dataset`] owns what is made of the points, [`Problem`] borrows it, and [`Rows`] names the kinds of rows there are:
//! executors and indexes match on it.

pub(crate) mod check;
pub(crate) mod init_graph;
mod items;
mod problem;
mod sets;
mod sparse;
mod sparse_transform;
mod transformed;

pub(crate) use check::check_dense_rows;
pub(crate) use items::CheckedItems;
pub(crate) use problem::{Problem, Rows, Searched};
pub(crate) use sets::Sets;
pub(crate) use sparse::SparsePoints;
pub(crate) use sparse_transform::{SparseComparison, SparseTransform};
pub(crate) use transformed::{DenseTransform, transformer};

use std::sync::Arc;

use check::check_range;

use crate::error::BuildError;
use crate::metric::route::Route;
use crate::metric::{Metric, MetricError};
use crate::points::{Bits, Dense, DenseValues, Points, PointsKind};

/// Points ready to be searched under a metric.
pub(crate) struct Dataset<'a> {
    points: Points<'a>,
    metric: Metric,
    rows: OwnedRows<'a>,
    is_proxy: bool,
}

/// Rows as they are searched, with what was made of them.
enum OwnedRows<'a> {
    Dense(Dense<'a>, Arc<DenseTransform>),
    Transformed { values: Vec<f32>, rounding: f64, transform: Arc<DenseTransform> },
    Sparse(Box<SparsePoints<'a>>),
    Sets(Sets<'a>),
    Items(CheckedItems<'a>),
}

impl<'a> Dataset<'a> {
    /// Checks the metric against the points, and transforms these where it asks for it.
    ///
    /// # Errors
    /// Arguments of the metric out of range or of another shape, values or kinds of rows that it has no distances for.
    pub(crate) fn new(points: &Points<'a>, metric: &Metric) -> Result<Self, BuildError> {
        Self::with_transform(points, metric, None)
    }

    /// The same, dense points being transformed as others were.
    ///
    /// # Errors
    /// Same as [`Dataset::new`].
    pub(crate) fn with_transform(
        points: &Points<'a>,
        metric: &Metric,
        transform: Option<&Arc<DenseTransform>>,
    ) -> Result<Self, BuildError> {
        let metric = metric.clone().checked()?;
        let points = metric.points_as_taken(points);
        metric.check_columns(points.dim())?;
        let rows = match &points.kind() {
            PointsKind::Dense(dense) => dense_rows(dense, &metric, transform)?,
            PointsKind::Sparse(rows) => OwnedRows::Sparse(Box::new(SparsePoints::new(rows, &metric)?)),
            PointsKind::Bits(bits) => bit_rows(bits, &metric)?,
            PointsKind::Items(items) if metric == Metric::Custom => OwnedRows::Items(CheckedItems::new(items.0)),
            PointsKind::Items(_) => return Err(unsupported(&metric, "items").into()),
        };
        let is_proxy = metric.is_proxied();
        Ok(Self { points, metric, rows, is_proxy })
    }

    pub(crate) fn problem(&self) -> Problem<'_> {
        let rows = match &self.rows {
            OwnedRows::Dense(dense, transform) => Rows::Dense(*dense, transform.kernel()),
            OwnedRows::Transformed { values, transform, .. } => {
                let (n, columns) = (self.points.n(), transform.columns());
                Rows::Dense(Dense::trusted(DenseValues::F32(values), n, columns), transform.kernel())
            }
            OwnedRows::Sparse(rows) => Rows::Sparse(rows),
            OwnedRows::Sets(sets) => Rows::Sets(sets),
            OwnedRows::Items(items) => Rows::Items(items),
        };
        let searched = match &self.rows {
            OwnedRows::Transformed { rounding, transform, .. } => {
                Searched::Transformed { rounding: *rounding, unit: transform.unit() }
            }
            _ => Searched::AsGiven,
        };
        Problem { points: self.points, metric: &self.metric, rows, searched, is_proxy: self.is_proxy }
    }

    /// How dense points were transformed.
    pub(crate) fn transform(&self) -> Option<&Arc<DenseTransform>> {
        match &self.rows {
            OwnedRows::Dense(_, transform) | OwnedRows::Transformed { transform, .. } => Some(transform),
            OwnedRows::Sparse(_) | OwnedRows::Sets(_) | OwnedRows::Items(_) => None,
        }
    }

    /// Fails if a distance computed since turned out not to be finite: a custom one.
    pub(crate) fn check_distances(&self) -> Result<(), BuildError> {
        match &self.rows {
            OwnedRows::Items(items) => items.check(),
            _ => Ok(()),
        }
    }

    /// Bytes that were made of the points.
    pub(crate) fn bytes(&self) -> u64 {
        match &self.rows {
            OwnedRows::Transformed { values, .. } => size_of_val(&values[..]) as u64,
            OwnedRows::Sparse(rows) => rows.transformed_bytes(),
            OwnedRows::Dense(..) | OwnedRows::Sets(_) | OwnedRows::Items(_) => 0,
        }
    }
}

fn dense_rows<'a>(
    dense: &Dense<'a>,
    metric: &Metric,
    transform: Option<&Arc<DenseTransform>>,
) -> Result<OwnedRows<'a>, MetricError> {
    match metric.route() {
        Route::Sets(sets) => return Ok(OwnedRows::Sets(Sets::of_columns(*dense, sets))),
        Route::Same(..) | Route::Proxy(..) => check_dense_rows(metric, dense)?,
        Route::Direct(_) => {}
        Route::Bits(_) | Route::Custom => return Err(unsupported(metric, dense.type_name())),
    }
    check_range(metric, dense)?;
    let transform = match transform {
        Some(transform) => Arc::clone(transform),
        None => Arc::new(DenseTransform::of_points(metric, dense)?),
    };
    if transform.is_none() {
        return Ok(OwnedRows::Dense(*dense, transform));
    }
    let (values, rounding) = transform.all(dense);
    Ok(OwnedRows::Transformed { values, rounding, transform })
}

fn bit_rows<'a>(bits: &Bits<'a>, metric: &Metric) -> Result<OwnedRows<'a>, MetricError> {
    let sets = metric.as_sets().ok_or_else(|| unsupported(metric, "bits"))?;
    Ok(OwnedRows::Sets(Sets::of_bits(*bits, sets)))
}

/// A metric that has no distances between rows of this kind.
fn unsupported(metric: &Metric, rows: &'static str) -> MetricError {
    MetricError::Rows { metric: metric.name(), rows }
}
