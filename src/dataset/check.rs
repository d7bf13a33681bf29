//! What a metric requires of the values of rows.

use std::ops::Range;

use rayon::prelude::*;

use crate::metric::{Form, Metric, MetricError};
use crate::parallel::map_ranges;
use crate::points::{Csr, Dense, DenseValues};

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

/// Checks that no distance between these rows leaves f32's range. Else the value that is largest is named.
pub(super) fn check_range(metric: &Metric, points: &Dense) -> Result<(), MetricError> {
    let DenseValues::F32(values) = points.rows() else { return Ok(()) };
    let Some(most) = metric.largest_value(points.dim()) else { return Ok(()) };
    let largest = |range: Range<usize>| {
        let value = |at: usize| if f64::from(values[at].abs()) > most { Some(at) } else { None };
        // No early exit, so that the scan vectorises.
        let all = values[range.clone()].iter().fold(true, |ok, v| ok & (f64::from(v.abs()) <= most));
        if all { None } else { range.into_iter().find_map(value) }
    };
    match map_ranges(values.len(), 1 << 16, largest).into_iter().flatten().next() {
        None => Ok(()),
        Some(at) => Err(MetricError::TooLarge {
            metric: metric.name(),
            row: at / points.dim(),
            column: at % points.dim(),
            value: values[at],
            most: most as f32,
        }),
    }
}

/// Checks what a metric asks of every row: the first that fails is named.
pub(crate) fn check_sparse_rows(metric: &Metric, rows: &Csr) -> Result<(), MetricError> {
    let most = metric.largest_value(rows.dim()).unwrap_or(f64::INFINITY);
    for row in 0..rows.n() {
        let entries = rows.row(row);
        if let Some(at) = entries.values.iter().position(|v| f64::from(v.abs()) > most) {
            let (metric, column, value) = (metric.name(), entries.indices[at] as usize, entries.values[at]);
            return Err(MetricError::TooLarge { metric, row, column, value, most: most as f32 });
        }
        if let Some(at) = metric.first_wrong(entries.values) {
            let (column, value) = (entries.indices[at] as usize, entries.values[at]);
            let (metric, range) = (metric.name(), metric.values_range());
            return Err(MetricError::Value { metric, row, column, value, range });
        }
    }
    Ok(())
}

/// Checks that no sum over a row, of what its columns add to distances, leaves f32's range. Else the row's largest
/// value is named.
pub(crate) fn check_sparse_sums(metric: &Metric, rows: &Csr, form: Form) -> Result<(), MetricError> {
    // Squared lengths, which `tsss` multiplies in f64.
    let degree = if form == Form::TsSs { 2.0 } else { form.degree() };
    let most = f64::from(f32::MAX) / 4.0;
    if degree <= 1.0 {
        return Ok(());
    }
    for row in 0..rows.n() {
        let entries = rows.row(row);
        let power = |v: f64| if degree == 2.0 { v * v } else { v.abs().powf(degree) };
        let sum: f64 = entries.values.iter().map(|&v| power(v.into())).sum();
        if sum > most {
            let largest = |a: &usize, b: &usize| entries.values[*a].abs().total_cmp(&entries.values[*b].abs());
            let at = (0..entries.values.len()).max_by(largest).unwrap_or_default();
            let most = (most / entries.values.len() as f64).powf(1.0 / degree) as f32;
            let (column, value) = (entries.indices[at] as usize, entries.values[at]);
            return Err(MetricError::TooLarge { metric: metric.name(), row, column, value, most });
        }
    }
    Ok(())
}
