//! How far computed reduced distances can be from exact ones.

use crate::metric::Form;

/// Bounds what the f32 kernels compute for two rows, given their exact reduced distance. Kernels sum terms that are not
/// negative, each with a small relative error, in sixteen lanes: Higham, "Accuracy and Stability of Numerical
/// Algorithms" (2002), section 4.2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ErrorBound {
    /// Reduced distances are norms to this power,
    power: f64,
    /// divided by this.
    divisor: f64,
    /// How far two working rows together are from what they stand for, in that norm.
    rounding: f64,
    /// The largest relative error of a computed distance.
    relative: f64,
    /// The largest error beside it.
    absolute: f64,
    /// Whether no distance is below 0.
    is_positive: bool,
}

/// Half the distance of 1 and the next f32.
pub(crate) const UNIT_ROUNDOFF: f64 = 1.0 / (1u64 << 24) as f64;
/// The smallest f32.
pub(crate) const SUBNORMAL: f64 = 1.401_298_464_324_817e-45;

impl ErrorBound {
    /// For rows of `dim` columns, each as far as `rounding` from what it stands for in the norm of `form`. None for
    /// forms that are no such sum.
    pub(crate) fn new(form: Form, dim: usize, rounding: f64) -> Option<Self> {
        let (power, divisor, of_term) = match form {
            Form::L2 => (2.0, 1.0, 3.0),
            Form::Angular { .. } => (2.0, 2.0, 3.0),
            Form::Manhattan | Form::Chebyshev | Form::Hamming => (1.0, 1.0, 1.0),
            Form::Canberra => (1.0, 1.0, 4.0),
            Form::BrayCurtis => (1.0, 1.0, 8.0 + (dim / 16) as f64),
            // `power` has an error of some millionths of the root.
            Form::Minkowski(p) => (p.into(), 1.0, f64::from(p) * if p.fract() == 0.0 { 2.0 } else { 100.0 }),
            Form::Inner | Form::TsSs => return None,
        };
        // Columns of a lane, their sum, and as much again to be safe.
        let relative = (of_term + (dim / 16) as f64 + 32.0) * UNIT_ROUNDOFF * 1.5;
        Some(Self {
            power,
            divisor,
            rounding: 2.0 * rounding,
            relative,
            absolute: dim as f64 * SUBNORMAL,
            is_positive: true,
        })
    }

    /// For products of a row of length `x` with rows of length `y` at most, of `dim` columns.
    pub(crate) fn of_products(dim: usize, x: f64, y: f64) -> Self {
        let relative = ((dim / 16) as f64 + 33.0) * UNIT_ROUNDOFF * 1.5;
        let absolute = relative * x * y + dim as f64 * SUBNORMAL;
        Self { absolute, is_positive: false, ..Self::EXACT }
    }

    /// For distances that are computed without any error.
    pub(crate) const EXACT: Self =
        Self { power: 1.0, divisor: 1.0, rounding: 0.0, relative: 0.0, absolute: 0.0, is_positive: true };

    /// For distances of which nothing is known.
    pub(crate) const UNKNOWN: Self = Self { absolute: f64::INFINITY, ..Self::EXACT };

    /// For distances with this error at most; `is_positive` if none is below 0.
    pub(crate) fn absolute(absolute: f64, is_positive: bool) -> Self {
        Self { absolute, is_positive, ..Self::EXACT }
    }

    /// The largest reduced distance that is computed for rows at this exact reduced distance.
    pub(crate) fn most_computed(&self, exact: f64) -> f64 {
        // Powers in f64, and the exact distance itself, are rounded as well.
        const F64: f64 = 1e-12;
        let Self { power, divisor, rounding, relative, absolute, .. } = *self;
        if absolute == f64::INFINITY {
            return absolute;
        }
        let farther = if rounding > 0.0 {
            ((exact.max(0.0) * divisor).powf(1.0 / power) + rounding).powf(power) / divisor
        } else {
            exact
        };
        farther + farther.abs() * (relative + F64) + absolute
    }

    /// Whether no row that was left out, at a computed distance of at least `left_out` and with a larger id than the
    /// rows that are kept where these are as far, is nearer than `kth`, the exact distance of the k-th row kept.
    pub(crate) fn is_certain(&self, kth: f64, left_out: f32) -> bool {
        if *self == Self::EXACT {
            return kth <= f64::from(left_out);
        }
        (kth == 0.0 && self.is_positive) || self.most_computed(kth) < f64::from(left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_grow_with_the_distance() {
        for form in [Form::L2, Form::Angular { centered: false }, Form::Minkowski(3.0), Form::Manhattan] {
            for rounding in [0.0, 1e-7] {
                let bound = ErrorBound::new(form, 100, rounding).unwrap();
                let mut last = 0.0;
                for exact in [0.0, 1e-30, 1e-7, 1e-3, 1.0, 2.0, 1e20] {
                    let most = bound.most_computed(exact);
                    assert!(most >= exact && most >= last, "{form:?} {exact}: {most}");
                    last = most;
                }
            }
        }
        assert_eq!(ErrorBound::new(Form::Inner, 100, 0.0), None);
        assert_eq!(ErrorBound::EXACT.most_computed(0.0), 0.0);
    }
}
