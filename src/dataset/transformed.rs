//! Dense rows transformed to those that a kernel searches: as the metric asks for, and so that f32 holds what they
//! differ in.

use crate::metric::route::Route;
use crate::metric::transform::{Transform, Transformer};
use crate::metric::{Form, KernelMetric, Metric, MetricError};
use crate::parallel::{fold_rows, map_ranges};
use crate::points::{Dense, DenseValues};
use crate::rows::dense::origin::origin;
use crate::rows::error_bound::{SUBNORMAL, UNIT_ROUNDOFF};

/// From dense points as they are given to rows as they are searched.
#[derive(Debug)]
pub(crate) struct DenseTransform {
    transformer: Transformer,
    kernel: KernelMetric,
    /// Columns of a row as it is given.
    dim: usize,
    /// A power of two that values are multiplied by, so that neither squares nor powers of their differences leave
    /// f32's range.
    factor: f64,
    /// Subtracted from transformed rows where that changes no distance: their mean, so that rows which lie close
    /// together keep the digits in which they differ. Empty if nothing is.
    origin: Vec<f64>,
}

/// The transformer of a metric for rows of `dim` columns.
pub(crate) fn transformer(metric: &Metric, transform: &Transform, dim: usize) -> Result<Transformer, MetricError> {
    transform.ready(dim).map_err(|pivot| MetricError::NotPositiveDefinite { metric: metric.name(), pivot })
}

impl DenseTransform {
    /// The transform that a metric asks for, and that suits these points.
    ///
    /// # Errors
    /// A metric that is not one of dense rows, or whose matrix is not positive definite.
    pub(crate) fn of_points(metric: &Metric, points: &Dense) -> Result<Self, MetricError> {
        let mut transform = Self::of_metric(metric, points.dim())?;
        transform.factor = transform.factor_for(points);
        if !matches!(transform.transformer, Transformer::None) && is_invariant(transform.kernel.form()) {
            let columns = transform.columns();
            transform.origin = origin(points, columns, |row| {
                let mut values = vec![0.0; columns];
                transform.values(row, &mut values);
                Some(values)
            });
        }
        Ok(transform)
    }

    /// From the numbers of [`DenseTransform::numbers`].
    ///
    /// # Errors
    /// Same as [`DenseTransform::of_points`].
    pub(crate) fn of_numbers(metric: &Metric, dim: usize, factor: f64, origin: Vec<f64>) -> Result<Self, MetricError> {
        Ok(Self { factor, origin, ..Self::of_metric(metric, dim)? })
    }

    fn of_metric(metric: &Metric, dim: usize) -> Result<Self, MetricError> {
        let (transform, kernel) = match metric.route() {
            Route::Direct(kernel) => (Transform::None, kernel),
            Route::Same(transform, kernel) | Route::Proxy(transform, kernel) => (transform, kernel),
            Route::Sets(_) | Route::Bits(_) | Route::Custom => {
                return Err(MetricError::Rows { metric: metric.name(), rows: "dense values" });
            }
        };
        let transformer = transformer(metric, &transform, dim)?;
        Ok(Self { transformer, kernel, dim, factor: 1.0, origin: Vec::new() })
    }

    /// What, beside the metric, makes the transform: its factor and its origin.
    pub(crate) fn numbers(&self) -> (f64, &[f64]) {
        (self.factor, &self.origin)
    }

    /// The kernel that transformed rows are compared by.
    pub(crate) fn kernel(&self) -> KernelMetric {
        self.kernel
    }

    /// Whether rows are searched as they are given.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self.transformer, Transformer::None) && self.factor == 1.0
    }

    /// The row as it was given, as exactly as it can be had: none for transforms that have no inverse.
    pub(crate) fn restored(&self, row: &[f32]) -> Option<Vec<f32>> {
        let restored = |v: &f32| (f64::from(*v) / self.factor) as f32;
        matches!(self.transformer, Transformer::None).then(|| row.iter().map(restored).collect())
    }

    /// What reduced distances of transformed rows are multiplied by.
    pub(crate) fn unit(&self) -> f64 {
        self.factor.powf(self.kernel.form().degree())
    }

    /// Columns of a transformed row.
    pub(crate) fn columns(&self) -> usize {
        self.transformer.columns(self.dim)
    }

    /// Transforms a row.
    pub(crate) fn apply(&self, row: &[f32], out: &mut [f32]) {
        let mut values = vec![0.0; out.len()];
        self.values(row, &mut values);
        out.iter_mut().zip(values).for_each(|(to, v)| *to = v as f32);
    }

    fn values(&self, row: &[f32], out: &mut [f64]) {
        self.transformer.apply(row, out);
        if self.factor != 1.0 {
            out.iter_mut().for_each(|v| *v *= self.factor);
        }
        out.iter_mut().zip(&self.origin).for_each(|(v, origin)| *v -= origin);
    }

    /// All rows, and the most that one of them is, in the kernel's norm, from the exact one.
    pub(crate) fn all(&self, points: &Dense) -> (Vec<f32>, f64) {
        let columns = self.columns();
        let mut rows = vec![0.0; points.n() * columns];
        let room = || (vec![0.0; points.dim()], vec![0.0; columns], 0.0f64);
        let parts = fold_rows(&mut rows, columns, 16, room, |(row, values, largest), i, out| {
            points.widen_row(i, row);
            self.values(row, values);
            out.iter_mut().zip(&*values).for_each(|(to, v)| *to = *v as f32);
            *largest = largest.max(norm(self.kernel.form(), values));
        });
        let largest = parts.into_iter().fold(0.0, |most: f64, part| most.max(part.2));
        let of_origin = norm(self.kernel.form(), &self.origin);
        (rows, self.rounding(largest, of_origin))
    }

    /// How far rows of this norm at most may be from exact ones.
    fn rounding(&self, largest: f64, of_origin: f64) -> f64 {
        if matches!(self.transformer, Transformer::Ranks) {
            return 0.0;
        }
        if matches!(self.transformer, Transformer::None) && self.origin.is_empty() {
            // A product with a power of two is exact unless it is subnormal.
            return if self.factor == 1.0 { 0.0 } else { SUBNORMAL * self.columns() as f64 };
        }
        // Transforms are computed in f64, whose roundings add up over columns.
        let of_f64 = f64::EPSILON * 2.0 * self.dim as f64 * (largest + of_origin);
        let of_f32 = UNIT_ROUNDOFF * largest + SUBNORMAL * self.columns() as f64;
        match self.kernel.form() {
            // Relative to the length of a row, which directions do not have.
            Form::Angular { .. } => UNIT_ROUNDOFF + f64::EPSILON * 2.0 * self.dim as f64,
            _ => of_f32 + of_f64,
        }
    }

    /// The power of two that brings values, if their size asks for one, to where reduced distances stay in f32's range.
    fn factor_for(&self, points: &Dense) -> f64 {
        let degree = self.kernel.form().degree();
        let DenseValues::F32(values) = points.rows() else { return 1.0 };
        // Transforms to sums, ranks and angles have no size.
        let is_of_values =
            matches!(self.transformer, Transformer::None | Transformer::Scale(_) | Transformer::Factor(_));
        if self.kernel.form() == Form::Hamming || !is_of_values {
            return 1.0;
        }
        let largest = match self.transformer {
            Transformer::None => largest(values),
            _ => self.largest_transformed(points),
        };
        if largest == 0.0 {
            return 1.0;
        }
        // Reduced distances of rows of such values are at most 2^120; below, near neighbours' may vanish. Ratios are
        // made of sums.
        let columns = (self.columns() as f64).log2();
        let most = (120.0 - columns) / degree.max(1.0) - 1.0;
        let least = -60.0 / degree.max(1.0);
        // An index keeps the factors that bring rows to length 1 as f32.
        let least = if matches!(self.kernel.form(), Form::Angular { .. }) { -100.0 } else { least };
        if (least..=most).contains(&largest.log2()) {
            return 1.0;
        }
        let wanted = if degree > 2.0 { most.floor() } else { 0.0 };
        (wanted - largest.log2().ceil()).exp2()
    }

    fn largest_transformed(&self, points: &Dense) -> f64 {
        let parts = map_ranges(points.n(), 64, |rows| {
            let (mut row, mut values) = (vec![0.0; points.dim()], vec![0.0; self.columns()]);
            rows.fold(0.0f64, |largest, i| {
                points.widen_row(i, &mut row);
                self.values(&row, &mut values);
                values.iter().fold(largest, |most, v| most.max(v.abs()))
            })
        });
        parts.into_iter().fold(0.0, f64::max)
    }
}

fn largest(values: &[f32]) -> f64 {
    let parts = map_ranges(values.len(), 1 << 16, |range| {
        values[range].iter().fold(0.0f32, |most, v| if v.abs() > most { v.abs() } else { most })
    });
    parts.into_iter().fold(0.0f32, f32::max).into()
}

/// Whether distances stay the same when all rows are moved.
fn is_invariant(form: Form) -> bool {
    matches!(form, Form::L2 | Form::Manhattan | Form::Chebyshev | Form::Minkowski(_))
}

fn norm(form: Form, row: &[f64]) -> f64 {
    match form {
        Form::Manhattan => row.iter().map(|v| v.abs()).sum(),
        Form::Chebyshev => row.iter().fold(0.0, |most, v| most.max(v.abs())),
        // No smaller than that of a larger exponent.
        _ => row.iter().map(|v| v * v).sum::<f64>().sqrt(),
    }
}
