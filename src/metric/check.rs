//! What a metric requires of its arguments and of the rows it is used on.

use super::argument::Shape;
use super::{Metric, MetricArgument, MetricError};

/// π/2, and as much more as rounding to f32 may add.
const HALF_PI: f32 = std::f32::consts::FRAC_PI_2 * (1.0 + 1e-6);

impl Metric {
    /// The metric, if its arguments are in range.
    pub(crate) fn checked(self) -> Result<Self, MetricError> {
        for (parameter, argument) in self.parameters() {
            let (name, range, metric) = (parameter.name, parameter.range, self.name());
            let wrong = |argument, value| MetricError::OutOfRange { metric, argument, value, range: range.0 };
            match argument {
                MetricArgument::Number(value) if !(range.1)(value) => return Err(wrong(name.into(), value)),
                MetricArgument::Number(_) => {}
                MetricArgument::Values(values) => {
                    if let Some(at) = values.iter().position(|&v| !(range.1)(v)) {
                        return Err(wrong(format!("{name}[{at}]"), values[at]));
                    }
                }
            }
        }
        Ok(self)
    }

    /// Checks lengths and shapes of arguments against rows of `dim` columns.
    pub(crate) fn check_columns(&self, dim: usize) -> Result<(), MetricError> {
        let metric = self.name();
        if matches!(self, Self::Haversine) && dim != 2 {
            return Err(MetricError::Columns { metric, expected: 2, dim });
        }
        for (parameter, value) in self.parameters() {
            let MetricArgument::Values(values) = value else { continue };
            let (argument, is_matrix) = (parameter.name, parameter.shape.is_matrix());
            let expected = if is_matrix { dim.saturating_mul(dim) } else { dim };
            if values.len() != expected {
                return Err(MetricError::Shape { metric, argument, found: values.len(), expected, dim });
            }
            if is_matrix {
                check_symmetric(metric, argument, &values, dim)?;
            }
            if parameter.shape == Shape::Costs
                && let Some(at) = (0..dim).find(|at| values[at * dim + at] != 0.0)
            {
                let (argument, value) = (format!("{argument}[{at}, {at}]"), values[at * dim + at]);
                return Err(MetricError::OutOfRange { metric, argument, value, range: "0 on the diagonal" });
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

    /// The position of the first value that the metric has no distances for.
    pub(crate) fn first_wrong(&self, row: &[f32]) -> Option<usize> {
        match self {
            Self::Haversine => row[..1].iter().position(|latitude| latitude.abs() > HALF_PI),
            _ if self.is_of_distributions() => row.iter().position(|v| *v < 0.0),
            _ => None,
        }
    }

    /// The largest value of which rows of `dim` columns may be made, so that all their distances are finite in f32;
    /// none if any may be.
    pub(crate) fn largest_value(&self, dim: usize) -> Option<f64> {
        let (most, columns) = (f64::from(f32::MAX), dim as f64);
        let of_differences = |most: f64, roots: f64| Some(most / columns.powf(roots) / 2.0);
        match self {
            Self::Euclidean => of_differences(most, 0.5),
            Self::SqEuclidean => of_differences(most.sqrt(), 0.5),
            Self::Manhattan => of_differences(most, 1.0),
            Self::Chebyshev => of_differences(most, 0.0),
            Self::Minkowski { p } => of_differences(most, 1.0 / f64::from(*p)),
            Self::Dot | Self::InnerProduct => Some((most / columns).sqrt()),
            // At most π times the square of two lengths each.
            Self::TsSs => Some((most / 25.0).sqrt().sqrt() / columns.sqrt()),
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

fn check_symmetric(
    metric: &'static str,
    argument: &'static str,
    matrix: &[f32],
    dim: usize,
) -> Result<(), MetricError> {
    for row in 0..dim {
        for column in 0..row {
            let (value, other) = (matrix[row * dim + column], matrix[column * dim + row]);
            // Inverses are symmetric up to rounding.
            if (value - other).abs() > 1e-4 * value.abs().max(other.abs()) {
                return Err(MetricError::NotSymmetric { metric, argument, row, column, value, other });
            }
        }
    }
    Ok(())
}
