//! Dense rows transformed to those that a kernel searches.

use crate::metric::transform::{Transform, Transformer};
use crate::metric::{Metric, MetricError};
use crate::parallel::fold_rows;
use crate::points::Dense;

/// Rows of a dense matrix, transformed: their columns and values.
pub(super) fn transformed(
    metric: &Metric,
    transform: &Transform,
    points: &Dense,
) -> Result<(usize, Vec<f32>), MetricError> {
    let transformer = transformer(metric, transform, points.dim())?;
    let columns = transformer.columns(points.dim());
    let mut values = vec![0.0; points.n() * columns];
    let room = || vec![0.0; points.dim()];
    fold_rows(&mut values, columns, 16, room, |row, i, out| {
        points.widen_row(i, row);
        transformer.apply(row, out);
    });
    Ok((columns, values))
}

/// The transformer of a metric for rows of `dim` columns.
pub(crate) fn transformer(metric: &Metric, transform: &Transform, dim: usize) -> Result<Transformer, MetricError> {
    transform.ready(dim).map_err(|pivot| MetricError::NotPositiveDefinite { metric: metric.name(), pivot })
}
