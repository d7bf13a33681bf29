//! What a metric asks of the rows it is used on.

use super::{Argument, Metric};
use crate::error::BuildError;

/// Above half a turn by no more than rounding in f32.
const HALF_PI: f32 = std::f32::consts::FRAC_PI_2 * (1.0 + 1e-6);

impl Metric {
    /// Checks lengths and shapes of parameters against rows of `dim` columns.
    pub(crate) fn check_columns(&self, dim: usize) -> Result<(), BuildError> {
        let metric = self.name();
        if matches!(self, Self::Haversine) && dim != 2 {
            return Err(BuildError::MetricColumns { metric, expected: 2, dim });
        }
        for (argument, value) in self.arguments() {
            let Argument::Values(values) = value else { continue };
            let is_matrix = matches!(argument, "vinv" | "cost");
            let expected = if is_matrix { dim.saturating_mul(dim) } else { dim };
            if values.len() != expected {
                return Err(BuildError::MetricShape { metric, argument, found: values.len(), expected, dim });
            }
            if is_matrix {
                check_symmetric(metric, argument, &values, dim)?;
            }
            if argument == "cost"
                && let Some(at) = (0..dim).find(|at| values[at * dim + at] != 0.0)
            {
                let (argument, value) = (format!("cost[{at}, {at}]"), values[at * dim + at]);
                return Err(super::ParseMetricError::OutOfRange {
                    metric,
                    argument,
                    value,
                    range: "0 on the diagonal",
                }
                .into());
            }
        }
        Ok(())
    }

    /// Whether rows are distributions up to a factor.
    fn is_of_distributions(&self) -> bool {
        matches!(
            self,
            Self::Hellinger
                | Self::JensenShannon
                | Self::SymmetricKl
                | Self::Wasserstein1d { .. }
                | Self::CircularKantorovich { .. }
                | Self::Kantorovich { .. }
                | Self::Sinkhorn { .. }
        )
    }

    /// The column of the first value that the metric has no distances for.
    pub(crate) fn first_wrong(&self, row: &[f32]) -> Option<usize> {
        match self {
            Self::Haversine => row[..1].iter().position(|latitude| latitude.abs() > HALF_PI),
            _ if self.is_of_distributions() => row.iter().position(|v| *v < 0.0),
            _ => None,
        }
    }

    /// What values may be, in words.
    pub(crate) fn values_range(&self) -> &'static str {
        match self {
            Self::Haversine => "latitudes of -π/2 to π/2 (radians)",
            _ if self.is_of_distributions() => "values of at least 0",
            _ => "finite values",
        }
    }
}

fn check_symmetric(metric: &'static str, argument: &'static str, matrix: &[f32], dim: usize) -> Result<(), BuildError> {
    for row in 0..dim {
        for column in 0..row {
            let (value, other) = (matrix[row * dim + column], matrix[column * dim + row]);
            // Inverses are symmetric up to rounding.
            if (value - other).abs() > 1e-4 * value.abs().max(other.abs()) {
                return Err(BuildError::NotSymmetric { metric, argument, row, column, value, other });
            }
        }
    }
    Ok(())
}
