//! The error of computed distances, row by row.

use crate::metric::Form;
use crate::parallel::map_ranges;
use crate::points::Dense;
use crate::rows::error_bound::ErrorBound;

/// Bounds of the distances from every row of a set.
pub(crate) enum RowBounds<'a> {
    /// The same for all rows.
    OfAll(ErrorBound),
    /// Dot products, whose error grows with the length of a row.
    OfProducts {
        rows: Dense<'a>,
        /// Columns that sums in sixteen lanes would have as many terms for.
        columns: usize,
        /// The largest length of the rows they are compared with.
        longest: f64,
    },
}

impl<'a> RowBounds<'a> {
    /// From `rows` to `base`, each as far as `rounding` from what it stands for; `columns` as in [`ErrorBound::new`].
    pub(crate) fn new(form: Form, rows: &Dense<'a>, base: &Dense<'a>, columns: usize, rounding: f64) -> Self {
        match form {
            Form::Inner => Self::OfProducts { rows: *rows, columns, longest: largest_length(base) },
            form => Self::OfAll(ErrorBound::new(form, columns, rounding).unwrap_or(ErrorBound::UNKNOWN)),
        }
    }

    pub(crate) fn of(&self, row: usize) -> ErrorBound {
        match self {
            Self::OfAll(bound) => *bound,
            Self::OfProducts { rows, columns, longest } => {
                let mut values = vec![0.0; rows.dim()];
                rows.widen_row(row, &mut values);
                ErrorBound::of_products(*columns, length(&values), *longest)
            }
        }
    }
}

fn length(row: &[f32]) -> f64 {
    row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}

fn largest_length(rows: &Dense) -> f64 {
    let lengths = map_ranges(rows.n(), 256, |range| {
        let mut row = vec![0.0; rows.dim()];
        range.fold(0.0, |most: f64, i| {
            rows.widen_row(i, &mut row);
            most.max(length(&row))
        })
    });
    lengths.into_iter().fold(0.0, f64::max)
}
