//! How sparse rows are brought to a kernel, and its reduced distances to true ones.

use std::sync::Arc;

use super::{transformer, unsupported};
use crate::metric::definition::{SMOOTHING, sparse_transport};
use crate::metric::route::Route;
use crate::metric::transform::{Transform, Transformer};
use crate::metric::{Form, KernelMetric, Metric, MetricError};
use crate::points::{Csr, CsrMatrix, SparseRow};
use crate::rows::sparse::SparseKernel;
use crate::rows::sparse::cumulative::Cumulative;
use crate::rows::sparse::definition;

/// How sparse rows go to a kernel, and its reduced distances to true ones.
#[derive(Clone)]
pub(crate) struct SparseTransform {
    pub metric: Metric,
    /// Columns of the rows as given.
    dim: usize,
    pub transformer: Arc<Transformer>,
    pub kernel: SparseComparison,
    /// The metric of the kernel; none for sets.
    direct: Option<KernelMetric>,
    pub is_proxy: bool,
}

/// What sparse rows are compared by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum SparseComparison {
    Columns(SparseKernel),
    CumulativeSums(Cumulative),
}

impl SparseTransform {
    /// The transform of rows of `dim` columns.
    ///
    /// # Errors
    /// The metric has no distances between sparse rows.
    pub(crate) fn new(metric: &Metric, dim: usize) -> Result<Self, MetricError> {
        let (transform, direct, is_proxy) = match metric.route() {
            _ if !metric.takes_sparse() => return Err(unsupported(metric, "sparse values")),
            Route::Direct(direct) => (Transform::None, Some(direct), false),
            Route::Same(transform, direct) => (transform, Some(direct), false),
            Route::Proxy(transform, direct) => (transform, Some(direct), true),
            Route::Sets(_) | Route::Bits(_) | Route::Custom => (Transform::None, None, false),
        };
        let kernel = match (metric.as_sets(), direct, &transform) {
            (_, Some(direct), Transform::Cumulative { centered }) => {
                SparseComparison::CumulativeSums(Cumulative { p: exponent(direct), centered: *centered })
            }
            (_, Some(direct), _) => SparseComparison::Columns(SparseKernel::Values(direct.form())),
            (Some(sets), None, _) => SparseComparison::Columns(SparseKernel::Sets(sets)),
            (None, None, _) => return Err(unsupported(metric, "sparse values")),
        };
        let transformer = Arc::new(transformer(metric, &transform, dim)?);
        Ok(Self { metric: metric.clone(), dim, transformer, kernel, direct, is_proxy })
    }

    /// Columns and values of a transformed row; none if rows are searched as given.
    pub(crate) fn transformed(&self, row: SparseRow) -> Option<(Vec<u32>, Vec<f32>)> {
        let values = match &*self.transformer {
            Transformer::Scale(scale) => {
                // Stored zeros, too: there is a value for every column of the row.
                let entries = row.indices.iter().zip(row.values);
                entries.map(|(&column, &v)| (f64::from(v) * scale[column as usize]) as f32).collect()
            }
            Transformer::SquareRoots => row.values.iter().map(|v| v.sqrt()).collect(),
            Transformer::Ranks => ranks(row, self.dim),
            Transformer::Trees(trees) => return Some(trees.masses_of_entries(row)),
            _ => return None,
        };
        Some((row.indices.to_vec(), values))
    }

    /// All rows transformed; none if rows are searched as given.
    pub(crate) fn all_transformed(&self, rows: &Csr) -> Option<CsrMatrix> {
        let mut all = CsrMatrix::empty(self.transformer.columns(self.dim));
        for i in 0..rows.n() {
            let (columns, values) = self.transformed(rows.row(i))?;
            all.push_row(columns.into_iter().zip(values).filter(|(_, v)| *v != 0.0));
        }
        Some(all)
    }

    /// Whether true distances need the rows as given, which cannot be restored from transformed ones.
    pub(crate) fn needs_given(&self) -> bool {
        matches!(*self.transformer, Transformer::Trees(_) | Transformer::SquareRoots | Transformer::Scale(_))
    }

    /// The true distance of a reduced one.
    pub(crate) fn to_true(&self, reduced: f64) -> f64 {
        let Some(direct) = self.direct else { return reduced };
        self.metric.of_direct(direct.to_true(reduced, self.dim))
    }

    /// The reduced distance of a true one.
    pub(crate) fn to_reduced(&self, distance: f64) -> f64 {
        self.direct.map_or(distance, |direct| direct.to_reduced(self.metric.to_direct(distance), self.dim))
    }

    /// Whether true distances are the kernel's, as [`SparseTransform::to_true`] has them; else they are computed by
    /// definition.
    pub(crate) fn is_by_kernel(&self) -> bool {
        let is_by_columns = matches!(self.kernel, SparseComparison::Columns(_));
        is_by_columns && !self.needs_given()
    }

    /// The true distance, by definition, of two rows as they were given.
    pub(crate) fn by_definition(&self, given: [SparseRow; 2]) -> f64 {
        if self.metric == Metric::SymmetricKl {
            return symmetric_kl(given, self.dim);
        }
        let of_all_columns = || {
            let [x, y] = dense_pair(given);
            self.metric_of_columns(given).distance(&x, &y)
        };
        sparse_transport(&self.metric, given, self.dim).unwrap_or_else(of_all_columns)
    }

    /// The metric with parameters for the columns alone that either of two rows has.
    fn metric_of_columns(&self, [x, y]: [SparseRow; 2]) -> Metric {
        let of = |values: &[f32]| definition::columns(x, y).into_iter().map(|c| values[c as usize]).collect();
        match &self.metric {
            Metric::StandardizedEuclidean { variances } => Metric::StandardizedEuclidean { variances: of(variances) },
            Metric::WeightedMinkowski { weights, p } => Metric::WeightedMinkowski { weights: of(weights), p: *p },
            metric => metric.clone(),
        }
    }
}

/// The exponent of a metric that sums powers of differences.
fn exponent(direct: KernelMetric) -> f32 {
    match direct.form() {
        Form::Minkowski(p) => p,
        Form::L2 => 2.0,
        _ => 1.0,
    }
}

/// Ranks of a row's values among all its columns, minus the rank shared by its zeros, which does not change
/// correlations.
fn ranks(row: SparseRow, dim: usize) -> Vec<f32> {
    let values: Vec<f32> = row.values.to_vec();
    let zeros = dim - values.iter().filter(|v| **v != 0.0).count();
    let below = values.iter().filter(|v| **v < 0.0).count();
    let mut among = vec![0.0; values.len()];
    crate::metric::transform::ranks(&values, &mut among);
    let absent = dim - values.len();
    // f64: ranks of wide rows have more digits than f32.
    let shared = below as f64 + (zeros as f64 + 1.0) / 2.0;
    let rank = |(v, r): (&f32, &f32)| {
        let rank = f64::from(*r) + if *v > 0.0 { absent as f64 } else { 0.0 };
        if *v == 0.0 { 0.0 } else { (rank - shared) as f32 }
    };
    values.iter().zip(&among).map(rank).collect()
}

/// Two rows as dense rows over the columns that either of them has.
fn dense_pair([x, y]: [SparseRow; 2]) -> [Vec<f32>; 2] {
    let (x, y) = definition::pairs(x, y).into_iter().map(|(a, b)| (a as f32, b as f32)).unzip();
    [x, y]
}

/// [`Metric::SymmetricKl`] of rows of `dim` columns.
fn symmetric_kl([x, y]: [SparseRow; 2], dim: usize) -> f64 {
    let mass = |row: SparseRow| row.values.iter().map(|&v| f64::from(v)).sum::<f64>();
    let share = |row: SparseRow| {
        let mass = mass(row);
        let (scale, total) = if mass > 0.0 { (1.0 / mass, 1.0) } else { (0.0, 0.0) };
        move |v: f64| (v * scale + SMOOTHING) / (total + dim as f64 * SMOOTHING)
    };
    let (to_p, to_q) = (share(x), share(y));
    let term = |(a, b): (f64, f64)| {
        let (p, q) = (to_p(a), to_q(b));
        (p - q) * (p.ln() - q.ln())
    };
    let (mut sum, mut count) = (0.0, 0);
    for pair in definition::pairs(x, y) {
        sum += term(pair);
        count += 1;
    }
    sum + (dim - count) as f64 * term((0.0, 0.0))
}
