//! Sparse rows ready to be searched under a metric.

use std::sync::Arc;

use crate::dataset::problem::AnyRows;
use crate::distances::TrueDistances;
use crate::error::BuildError;
use crate::metric::definition::{SMOOTHING, sparse_transport};
use crate::metric::route::Route;
use crate::metric::transform::{Transform, Transformer};
use crate::metric::{Coordinates, Form, KernelMetric, Metric};
use crate::points::{Csr, CsrMatrix, SparseRow};
use crate::rows::ReducedDistances;
use crate::rows::sparse::cumulative::{self, Cumulative, CumulativeRows};
use crate::rows::sparse::definition;
use crate::rows::sparse::{self, SparseKernel, SparseRows};
use crate::search::SparseStore;
use crate::simd::Level;

use super::{ready, unsupported};

/// How sparse rows go to a kernel, and its reduced distances to true ones.
#[derive(Clone)]
pub(crate) struct SparseWay {
    pub metric: Metric,
    /// Columns of rows as they are given.
    dim: usize,
    pub transformer: Arc<Transformer>,
    pub kernel: Compared,
    /// The metric whose kernel it is; none of sets.
    direct: Option<KernelMetric>,
    pub is_proxy: bool,
}

/// What a search compares sparse rows by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Compared {
    Columns(SparseKernel),
    CumulativeSums(Cumulative),
}

/// Whether a metric has distances of sparse rows.
pub(crate) fn takes(metric: &Metric) -> bool {
    match metric.route() {
        Route::Direct(_) | Route::Sets(_) => true,
        // A sphere and a factor leave no column empty.
        Route::Same(transform, _) | Route::Proxy(transform, _) => {
            !matches!(transform, Transform::Sphere | Transform::Factor(_))
        }
        Route::Bits(_) | Route::Custom => false,
    }
}

impl SparseWay {
    /// The way of rows of `dim` columns.
    ///
    /// # Errors
    /// The metric has no distances of sparse rows.
    pub(crate) fn new(metric: &Metric, dim: usize) -> Result<Self, BuildError> {
        let (transform, direct, is_proxy) = match metric.route() {
            _ if !takes(metric) => return Err(unsupported(metric, "sparse values")),
            Route::Direct(direct) => (Transform::None, Some(direct), false),
            Route::Same(transform, direct) => (transform, Some(direct), false),
            Route::Proxy(transform, direct) => (transform, Some(direct), true),
            Route::Sets(_) | Route::Bits(_) | Route::Custom => (Transform::None, None, false),
        };
        let kernel = match (metric.boolean(), direct, &transform) {
            (_, Some(direct), Transform::Cumulative { centered }) => {
                Compared::CumulativeSums(Cumulative { p: exponent(direct), centered: *centered })
            }
            (_, Some(direct), _) => Compared::Columns(kernel(direct)),
            (Some(boolean), None, _) => Compared::Columns(SparseKernel::SetMetric(boolean)),
            (None, None, _) => return Err(unsupported(metric, "sparse values")),
        };
        let transformer = Arc::new(ready(metric, &transform, dim)?);
        Ok(Self { metric: metric.clone(), dim, transformer, kernel, direct, is_proxy })
    }

    /// Columns and values of a row transformed; none where it stays as it is.
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

    /// All rows transformed; none where they stay as they are.
    pub(crate) fn all_transformed(&self, rows: &Csr) -> Option<CsrMatrix> {
        let mut all = CsrMatrix::empty(self.transformer.columns(self.dim));
        for i in 0..rows.n() {
            let (columns, values) = self.transformed(rows.row(i))?;
            all.push_row(columns.into_iter().zip(values).filter(|(_, v)| *v != 0.0));
        }
        Some(all)
    }

    /// Whether rows as they were given cannot be had from transformed ones, and true distances need them.
    pub(crate) fn needs_given(&self) -> bool {
        matches!(*self.transformer, Transformer::Trees(_))
    }

    /// The true distance of a reduced one.
    pub(crate) fn to_true(&self, reduced: f64) -> f32 {
        let Some(direct) = self.direct else { return reduced as f32 };
        let distance = match direct {
            KernelMetric::Euclidean => reduced.sqrt(),
            KernelMetric::Minkowski { p } => reduced.powf(1.0 / f64::from(p)),
            KernelMetric::Dot => 1.0 + reduced,
            KernelMetric::Hamming => reduced / self.dim as f64,
            _ => reduced,
        };
        self.metric.of_direct(distance as f32)
    }

    /// The reduced distance of a true one.
    pub(crate) fn to_reduced(&self, distance: f32) -> f32 {
        self.direct.map_or(distance, |direct| direct.to_reduced(self.metric.to_direct(distance), self.dim))
    }

    /// Whether true distances are the kernel's, as [`SparseWay::to_true`] has them; else they are computed by definition.
    pub(crate) fn is_by_kernel(&self) -> bool {
        let is_by_columns = matches!(self.kernel, Compared::Columns(_));
        is_by_columns && !self.is_proxy && self.metric != Metric::Hellinger
    }

    /// The true distance, by definition, of two rows of distributions as they were given.
    pub(crate) fn by_definition(&self, given: [SparseRow; 2]) -> f32 {
        if self.metric == Metric::SymmetricKl {
            return symmetric_kl(given, self.dim) as f32;
        }
        let of_all_columns = || {
            let (x, y) = dense_pair(given);
            self.metric.distance(&x, &y)
        };
        sparse_transport(&self.metric, given, self.dim).unwrap_or_else(of_all_columns) as f32
    }
}

/// The exponent of a metric that sums powers of differences.
fn exponent(direct: KernelMetric) -> f32 {
    match direct {
        KernelMetric::Minkowski { p } => p,
        KernelMetric::Euclidean => 2.0,
        _ => 1.0,
    }
}

fn kernel(direct: KernelMetric) -> SparseKernel {
    match direct.form() {
        Form::L2 => SparseKernel::L2,
        Form::Angular { centered } => SparseKernel::Angular { centered },
        Form::Inner => SparseKernel::Inner,
        Form::Coordinates(Coordinates::Manhattan) => SparseKernel::Manhattan,
        Form::Coordinates(Coordinates::Chebyshev) => SparseKernel::Chebyshev,
        Form::Coordinates(Coordinates::Minkowski(p)) => SparseKernel::Minkowski(p),
        Form::Coordinates(Coordinates::Hamming) => SparseKernel::Hamming,
        Form::Coordinates(Coordinates::Canberra) => SparseKernel::Canberra,
        Form::Coordinates(Coordinates::BrayCurtis) => SparseKernel::BrayCurtis,
        Form::Coordinates(Coordinates::TsSs) => SparseKernel::TsSs,
    }
}

/// Ranks of a row's values among all its columns, less the rank that its zeros share: correlation does not change by that.
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

/// Two rows as dense rows of the columns that either has.
fn dense_pair([x, y]: [SparseRow; 2]) -> (Vec<f32>, Vec<f32>) {
    definition::pairs(x, y).into_iter().map(|(a, b)| (a as f32, b as f32)).unzip()
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

/// Sparse points ready to be searched.
pub(crate) struct SparseProblem<'a> {
    given: Csr<'a>,
    /// None where rows stay as they are.
    transformed: Option<CsrMatrix>,
    pub way: SparseWay,
}

impl<'a> SparseProblem<'a> {
    pub(crate) fn new(rows: &Csr<'a>, metric: &Metric) -> Result<Self, BuildError> {
        let way = SparseWay::new(metric, rows.dim())?;
        check_rows(metric, rows)?;
        Ok(Self { given: *rows, transformed: way.all_transformed(rows), way })
    }

    fn searched(&self) -> Csr<'_> {
        self.transformed.as_ref().map_or(self.given, CsrMatrix::view)
    }
}

impl AnyRows for SparseProblem<'_> {
    fn space(&self) -> Box<dyn ReducedDistances + '_> {
        let rows = self.searched();
        match self.way.kernel {
            Compared::Columns(kernel) => Box::new(SparseRows::new(rows, kernel, Level::detect())),
            Compared::CumulativeSums(kernel) => Box::new(CumulativeRows::new(rows, kernel)),
        }
    }

    fn bytes(&self) -> u64 {
        let bytes = match self.way.kernel {
            // In working order, and once more for final distances.
            Compared::Columns(kernel) => 2 * sparse::bytes(self.searched(), kernel),
            Compared::CumulativeSums(_) => cumulative::bytes(self.searched()),
        };
        bytes as u64
    }

    fn own_bytes(&self) -> u64 {
        let bytes = |rows: Csr| 8 * rows.nnz() + 8 * rows.n();
        self.transformed.as_ref().map_or(0, |rows| bytes(rows.view()) as u64)
    }

    fn cost(&self) -> f64 {
        let searched = self.searched();
        let entries = searched.nnz() as f64 / searched.n() as f64;
        match self.way.kernel {
            Compared::Columns(_) => 10.0 + 0.5 * entries,
            // Both rows are walked along.
            Compared::CumulativeSums(_) => 10.0 + 8.0 * entries,
        }
    }

    fn truth(&self) -> Box<dyn TrueDistances + '_> {
        match self.way.kernel {
            Compared::Columns(kernel) if self.way.is_by_kernel() => {
                Box::new(ByKernel { way: &self.way, rows: SparseRows::new(self.searched(), kernel, Level::detect()) })
            }
            _ => Box::new(ByEntries { way: &self.way, given: self.given }),
        }
    }

    fn sparse(&self) -> Option<SparseStore> {
        Some(SparseStore::new(self.given, self.transformed.as_ref().map(CsrMatrix::view), self.way.clone()))
    }
}

/// True distances: the kernel's in f64.
struct ByKernel<'a> {
    way: &'a SparseWay,
    rows: SparseRows,
}

impl TrueDistances for ByKernel<'_> {
    fn distances(&self, i: usize, others: &[u32], out: &mut Vec<f32>) {
        let mut reduced = vec![0.0; others.len()];
        self.rows.one_to_many_exactly(i as u32, others, &mut reduced);
        out.clear();
        out.extend(reduced.into_iter().map(|d| self.way.to_true(d)));
    }

    fn space(&self) -> Option<&dyn ReducedDistances> {
        Some(&self.rows)
    }

    fn to_self(&self, i: usize) -> f32 {
        if self.way.kernel != Compared::Columns(SparseKernel::Inner) {
            return 0.0;
        }
        let mut out = Vec::new();
        self.distances(i, &[i as u32], &mut out);
        out[0]
    }
}

/// True distances by definition, from the entries of rows as they were given.
struct ByEntries<'a> {
    way: &'a SparseWay,
    given: Csr<'a>,
}

impl TrueDistances for ByEntries<'_> {
    fn distances(&self, i: usize, others: &[u32], out: &mut Vec<f32>) {
        let row = |i: usize| self.given.row(i);
        out.clear();
        out.extend(others.iter().map(|&other| self.way.by_definition([row(i), row(other as usize)])));
    }

    fn to_self(&self, _: usize) -> f32 {
        0.0
    }
}

/// Checks what a metric asks of every row: the first that fails is named.
pub(crate) fn check_rows(metric: &Metric, rows: &Csr) -> Result<(), BuildError> {
    for row in 0..rows.n() {
        let entries = rows.row(row);
        if let Some(at) = metric.first_wrong(entries.values) {
            let (column, value) = (entries.indices[at] as usize, entries.values[at]);
            let (metric, range) = (metric.name(), metric.values_range());
            return Err(BuildError::Value { metric, row, column, value, range });
        }
    }
    Ok(())
}
