//! What a metric requires of the values of rows.

use rayon::prelude::*;

use crate::metric::{Metric, MetricError};
use crate::points::{Csr, Dense};

/// Checks what a metric asks of every row: the first that fails is named.
pub(crate) fn check_dense_rows(metric: &Metric, points: &Dense) -> Result<(), MetricError> {
    let room = || vec![0.0; points.dim()];
    let wrong = (0..points.n()).into_par_iter().map_init(room, |row, i| {
        points.widen_row(i, row);
        let (column, value) = metric.first_wrong(row).map(|at| (at, row[at]))?;
        Some(MetricError::Value { metric: metric.name(), row: i, column, value, range: metric.values_range() })
    });
    wrong.find_first(Option::is_some).flatten().map_or(Ok(()), Err)
}

/// Checks what a metric asks of every row: the first that fails is named.
pub(crate) fn check_sparse_rows(metric: &Metric, rows: &Csr) -> Result<(), MetricError> {
    for row in 0..rows.n() {
        let entries = rows.row(row);
        if let Some(at) = metric.first_wrong(entries.values) {
            let (column, value) = (entries.indices[at] as usize, entries.values[at]);
            let (metric, range) = (metric.name(), metric.values_range());
            return Err(MetricError::Value { metric, row, column, value, range });
        }
    }
    Ok(())
}
