//! Matrices in the types of their files, and how they become points.

use super::center::{self, Center};
use super::matrix::{Matrix, Narrowing, Values};
use super::number::Number;
use crate::metric::{Metric, Shift};
use crate::parallel;
use crate::points::PointsError;

/// A matrix in the type that a file holds it in, row-major: what [`read_wide`](super::read_wide) reads.
///
/// Points hold f32 at most. Values of wider types are narrowed, which loses what is common to them all: coordinates of
/// a map grid or unix times differ in digits that f32 does not have. Where the metric allows it, a [`Center`] is
/// subtracted before, in f64.
///
/// ```
/// use nndescent::io::WideMatrix;
/// use nndescent::{Metric, NnDescent};
///
/// // Places 2 cm apart, in metres of a map grid.
/// let values: Vec<f64> = (0..100).flat_map(|i| [500_000.0 + f64::from(i) * 0.02, 4_500_000.0]).collect();
/// let wide = WideMatrix::new(values, 100, 2)?;
/// let center = wide.center(&Metric::Euclidean);
/// let matrix = wide.narrowed(&center)?;
/// let graph = NnDescent::new(Metric::Euclidean).n_neighbors(4).graph(&matrix.points()?)?.graph;
/// let graph = wide.refined(None, &center, &Metric::Euclidean, &graph, 2).unwrap().graph; // distances by f64
/// assert_eq!(graph.ids(50), [49, 51]);
/// assert!((graph.distances(50)[0] - 0.02).abs() < 1e-8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct WideMatrix {
    n: usize,
    dim: usize,
    pub(super) values: WideValues,
    dtype: &'static str,
}

/// Values of a [`WideMatrix`].
#[derive(Debug, Clone, PartialEq)]
pub(super) enum WideValues {
    /// Of a type that points have, or that f32 holds without loss.
    Narrow(Values),
    F64(Vec<f64>),
    I64(Vec<i64>),
    U64(Vec<u64>),
}

/// Runs `$body` with `$x` bound to the values, of whatever type.
macro_rules! with_numbers {
    ($values:expr, $x:ident => $body:expr) => {
        match $values {
            $crate::io::wide::WideValues::Narrow($crate::io::Values::F32($x)) => $body,
            $crate::io::wide::WideValues::Narrow($crate::io::Values::F16($x)) => $body,
            $crate::io::wide::WideValues::Narrow($crate::io::Values::U8($x)) => $body,
            $crate::io::wide::WideValues::Narrow($crate::io::Values::I8($x)) => $body,
            $crate::io::wide::WideValues::F64($x) => $body,
            $crate::io::wide::WideValues::I64($x) => $body,
            $crate::io::wide::WideValues::U64($x) => $body,
        }
    };
}
pub(super) use with_numbers;

/// Rows that one task narrows.
const GRAIN: usize = 1024;

impl WideMatrix {
    /// A matrix of f64.
    ///
    /// # Errors
    /// [`PointsError::Ragged`].
    pub fn new(values: Vec<f64>, n: usize, dim: usize) -> Result<Self, PointsError> {
        match n.checked_mul(dim) {
            Some(len) if len == values.len() => Ok(Self::of(WideValues::F64(values), n, dim, "float64")),
            _ => Err(PointsError::Ragged { len: values.len(), n, dim }),
        }
    }

    pub(super) fn of(values: WideValues, n: usize, dim: usize, dtype: &'static str) -> Self {
        Self { n, dim, values, dtype }
    }

    /// Number of rows.
    #[must_use]
    pub fn n(&self) -> usize {
        self.n
    }

    /// Number of columns.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// numpy's name of the type of the values.
    #[must_use]
    pub fn dtype(&self) -> &'static str {
        self.dtype
    }

    /// What to subtract before narrowing: a number for every column, near its median, if `metric` does not notice
    /// (`euclidean`, `sqeuclidean`, `manhattan`, `chebyshev`, `minkowski`, `seuclidean`, `wminkowski`, `mahalanobis`),
    /// or from every row for `correlation`; nothing for other metrics, and where f32 loses at most eight times as much
    /// without, on average.
    ///
    /// # Complexity
    /// Two parallel passes over the values, if they are of a wider type than f32.
    #[must_use]
    pub fn center(&self, metric: &Metric) -> Center {
        if matches!(self.values, WideValues::Narrow(_)) || self.dim() == 0 || self.n() == 0 {
            return Center::None;
        }
        with_numbers!(&self.values, x => match metric.shift() {
            Shift::Nothing => Center::None,
            Shift::Columns => center::columns_of(x, self.dim()),
            Shift::Rows => center::rows_of(x, self.dim()),
        })
    }

    /// The matrix minus `center`, in a type that points have. Values of such a type are kept if nothing is subtracted;
    /// all others become f32, and [`Matrix::narrowing`] says by how much that may be wrong.
    ///
    /// # Errors
    /// [`PointsError::DoesNotFit`]; [`PointsError::OtherColumns`] if the centre is of another number of columns.
    ///
    /// # Complexity
    /// One parallel pass over the values.
    pub fn narrowed(&self, center: &Center) -> Result<Matrix, PointsError> {
        self.check(center)?;
        match (&self.values, center) {
            (WideValues::Narrow(values), Center::None) => Ok(self.matrix(values.clone(), None)),
            (values, center) => with_numbers!(values, x => self.narrow(x, center)),
        }
    }

    /// Same as [`WideMatrix::narrowed`], without a copy of values that are kept.
    ///
    /// # Errors
    /// Same as [`WideMatrix::narrowed`].
    pub fn into_narrowed(self, center: &Center) -> Result<Matrix, PointsError> {
        match (self.values, center) {
            (WideValues::Narrow(values), Center::None) => {
                Ok(Self { values: WideValues::F64(Vec::new()), ..self }.matrix(values, None))
            }
            (values, center) => Self { values, ..self }.narrowed(center),
        }
    }

    /// The values: as f32, where that holds all of their type, else as f64.
    pub(super) fn into_entries(self) -> Result<Vec<f32>, Vec<f64>> {
        match self.values {
            WideValues::Narrow(Values::F32(x)) => Ok(x),
            WideValues::Narrow(Values::F16(x)) => Ok(x.into_iter().map(f32::from).collect()),
            WideValues::Narrow(Values::U8(x)) => Ok(x.into_iter().map(f32::from).collect()),
            WideValues::Narrow(Values::I8(x)) => Ok(x.into_iter().map(f32::from).collect()),
            WideValues::F64(x) => Err(x),
            WideValues::I64(x) => Err(x.into_iter().map(Number::wide).collect()),
            WideValues::U64(x) => Err(x.into_iter().map(Number::wide).collect()),
        }
    }

    pub(super) fn check(&self, center: &Center) -> Result<(), PointsError> {
        match center {
            Center::Columns(values) if values.len() != self.dim => {
                Err(PointsError::OtherColumns { dim: self.dim, expected: values.len() })
            }
            _ => Ok(()),
        }
    }

    fn matrix(&self, values: Values, narrowing: Option<Narrowing>) -> Matrix {
        let is_own = matches!(self.dtype, "float32" | "float16" | "uint8" | "int8" | "bool");
        let narrowed_from = (narrowing.is_some() || !is_own).then_some(self.dtype);
        Matrix { n: self.n, dim: self.dim, values, narrowed_from, narrowing }
    }

    fn narrow<T: Number>(&self, x: &[T], center: &Center) -> Result<Matrix, PointsError> {
        let dim = self.dim;
        let mut out = Vec::new();
        let none = |_| PointsError::Memory { bytes: x.len() * size_of::<f32>() };
        out.try_reserve_exact(x.len()).map_err(none)?;
        out.resize(x.len(), 0f32);
        let worst = if dim == 0 {
            Vec::new()
        } else {
            parallel::fold_rows(&mut out, dim, GRAIN, Worst::default, |worst, i, out| {
                let row = &x[i * dim..(i + 1) * dim];
                let own = center.of_row(row);
                for (j, (to, &value)) in out.iter_mut().zip(row).enumerate() {
                    let rest = value.minus(center.of_column(j, own));
                    *to = rest as f32;
                    worst.note(rest, *to, (i, j, value.wide()));
                }
            })
        };
        let worst = worst.into_iter().fold(Worst::default(), Worst::with);
        if let Some((row, column, value)) = worst.too_large {
            return Err(PointsError::DoesNotFit { row, column, value, dtype: "float32" });
        }
        let (error, (row, column, value)) = (worst.error, worst.at);
        Ok(self.matrix(Values::F32(out), Some(Narrowing { error, row, column, value })))
    }
}

/// Where narrowing loses most.
#[derive(Default)]
struct Worst {
    error: f64,
    /// Row, column and value.
    at: (usize, usize, f64),
    /// The first value beyond f32.
    too_large: Option<(usize, usize, f64)>,
}

impl Worst {
    #[inline]
    fn note(&mut self, rest: f64, narrowed: f32, at: (usize, usize, f64)) {
        let error = (rest - f64::from(narrowed)).abs();
        if error > self.error {
            if narrowed.is_finite() {
                (self.error, self.at) = (error, at);
            } else if rest.is_finite() {
                self.too_large = self.too_large.or(Some(at));
            }
        }
    }

    /// The worse of two, of which `later` is of later rows.
    fn with(self, later: Self) -> Self {
        let too_large = self.too_large.or(later.too_large);
        if later.error > self.error { Self { too_large, ..later } } else { Self { too_large, ..self } }
    }
}
