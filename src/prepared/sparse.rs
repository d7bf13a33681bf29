//! Sparse rows ready to be searched under a metric.

use crate::error::BuildError;
use crate::metric::route::Route;
use crate::metric::simd::Level;
use crate::metric::transform::Transform;
use crate::metric::{Coordinates, Direct, Form, Metric};
use crate::points::{Csr, CsrMatrix, SparseRow};
use crate::problem::{AnyRows, Truth};
use crate::search::SparseStore;
use crate::space::Space;
use crate::space::sparse_rows::{self, SparseKernel, SparseRows};
use crate::space::sparse_truth;

use super::unsupported;

/// How sparse rows go to a kernel, and its reduced distances to true ones.
#[derive(Debug, Clone)]
pub(crate) struct SparseWay {
    pub metric: Metric,
    pub transform: Transform,
    pub kernel: SparseKernel,
    /// The metric whose kernel it is; none of sets.
    direct: Option<Direct>,
    pub is_proxy: bool,
}

impl SparseWay {
    /// None where the metric has no distances of sparse rows.
    pub(crate) fn new(metric: &Metric) -> Option<Self> {
        let (transform, direct, is_proxy) = match metric.route() {
            Route::Direct(direct) => (Transform::None, direct, false),
            Route::Same(transform, direct) => (transform, direct, false),
            Route::Proxy(transform, direct) => (transform, direct, true),
            Route::Sets(boolean) => {
                let (metric, kernel) = (metric.clone(), SparseKernel::Boolean(boolean));
                return Some(Self { metric, transform: Transform::None, kernel, direct: None, is_proxy: false });
            }
            Route::Bits(_) | Route::Custom => return None,
        };
        let keeps_zeros =
            matches!(transform, Transform::None | Transform::Scale(_) | Transform::SquareRoots | Transform::Ranks);
        let kernel = kernel(direct);
        keeps_zeros.then(|| Self { metric: metric.clone(), transform, kernel, direct: Some(direct), is_proxy })
    }

    /// A row transformed; none where it stays as it is.
    pub(crate) fn transformed(&self, row: SparseRow, dim: usize) -> Option<Vec<f32>> {
        match &self.transform {
            Transform::Scale(scale) => {
                // Stored zeros, too: there is a value for every column of the row.
                let entries = row.indices.iter().zip(row.values);
                Some(entries.map(|(&column, &v)| (f64::from(v) * scale[column as usize]) as f32).collect())
            }
            Transform::SquareRoots => Some(row.values.iter().map(|v| v.sqrt()).collect()),
            Transform::Ranks => Some(ranks(row, dim)),
            _ => None,
        }
    }

    /// The true distance of a reduced one.
    pub(crate) fn to_true(&self, reduced: f64, dim: usize) -> f32 {
        let Some(direct) = self.direct else { return reduced as f32 };
        let distance = match direct {
            Direct::Euclidean => reduced.sqrt(),
            Direct::Minkowski { p } => reduced.powf(1.0 / f64::from(p)),
            Direct::Dot => 1.0 + reduced,
            Direct::Hamming => reduced / dim as f64,
            _ => reduced,
        };
        self.metric.of_direct(distance as f32)
    }

    /// The reduced distance of a true one.
    pub(crate) fn to_reduced(&self, distance: f32, dim: usize) -> f32 {
        self.direct.map_or(distance, |direct| direct.to_reduced(self.metric.to_direct(distance), dim))
    }

    /// Whether true distances are the kernel's, as [`SparseWay::to_true`] has them; else they are computed by definition.
    pub(crate) fn is_by_kernel(&self) -> bool {
        !matches!(self.metric, Metric::Hellinger | Metric::JensenShannon | Metric::SymmetricKl)
    }

    /// The true distance, by definition, of two rows of distributions as they were given.
    pub(crate) fn by_definition(&self, given: [SparseRow; 2], dim: usize) -> f32 {
        if self.metric == Metric::SymmetricKl {
            return symmetric_kl(given, dim) as f32;
        }
        let (x, y) = dense_pair(given);
        self.metric.distance(&x, &y) as f32
    }
}

fn kernel(direct: Direct) -> SparseKernel {
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
    sparse_truth::pairs(x, y).into_iter().map(|(a, b)| (a as f32, b as f32)).unzip()
}

/// [`Metric::SymmetricKl`] of rows of `dim` columns.
fn symmetric_kl([x, y]: [SparseRow; 2], dim: usize) -> f64 {
    const SMOOTHING: f64 = f32::EPSILON as f64;
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
    for pair in sparse_truth::pairs(x, y) {
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
        let way = SparseWay::new(metric).ok_or_else(|| unsupported(metric, "sparse values"))?;
        check_rows(metric, rows)?;
        Ok(Self { given: *rows, transformed: transformed(&way, rows), way })
    }

    fn searched(&self) -> Csr<'_> {
        self.transformed.as_ref().map_or(self.given, CsrMatrix::view)
    }

    /// The rows as a search compares them.
    pub(crate) fn rows(&self) -> SparseRows {
        SparseRows::new(self.searched(), self.way.kernel, Level::detect())
    }
}

/// All rows transformed; none where they stay as they are.
pub(crate) fn transformed(way: &SparseWay, rows: &Csr) -> Option<CsrMatrix> {
    if way.transform == Transform::None {
        return None;
    }
    let mut all = CsrMatrix::empty(rows.dim());
    for i in 0..rows.n() {
        let row = rows.row(i);
        let values = way.transformed(row, rows.dim()).expect("it transforms");
        all.push_row(row.indices.iter().copied().zip(values).filter(|(_, v)| *v != 0.0));
    }
    Some(all)
}

impl AnyRows for SparseProblem<'_> {
    fn space(&self) -> Box<dyn Space + '_> {
        Box::new(self.rows())
    }

    fn bytes(&self) -> u64 {
        // In working order, and once more for final distances.
        2 * sparse_rows::bytes(self.searched(), self.way.kernel) as u64
    }

    fn own_bytes(&self) -> u64 {
        let bytes = |rows: Csr| 8 * rows.nnz() + 8 * rows.n();
        self.transformed.as_ref().map_or(0, |rows| bytes(rows.view()) as u64)
    }

    fn cost(&self) -> f64 {
        let searched = self.searched();
        10.0 + 0.5 * searched.nnz() as f64 / searched.n() as f64
    }

    fn truth(&self) -> Box<dyn Truth + '_> {
        Box::new(SparseTruth { problem: self, rows: self.rows() })
    }

    fn sparse(&self) -> Option<SparseStore> {
        Some(SparseStore::new(self.searched(), self.way.clone()))
    }
}

/// True distances: the kernel's in f64, or by definition.
struct SparseTruth<'a> {
    problem: &'a SparseProblem<'a>,
    rows: SparseRows,
}

impl Truth for SparseTruth<'_> {
    fn distances(&self, i: usize, others: &[u32], out: &mut Vec<f32>) {
        let (way, given) = (&self.problem.way, self.problem.given);
        out.clear();
        if !way.is_by_kernel() {
            let row = |i: u32| given.row(i as usize);
            out.extend(others.iter().map(|&other| way.by_definition([row(i as u32), row(other)], given.dim())));
            return;
        }
        let mut reduced = vec![0.0; others.len()];
        self.rows.one_to_many_exactly(i as u32, others, &mut reduced);
        out.extend(reduced.into_iter().map(|d| way.to_true(d, given.dim())));
    }

    fn space(&self) -> Option<&dyn Space> {
        Some(&self.rows)
    }

    fn to_self(&self, i: usize) -> f32 {
        if self.problem.way.kernel != SparseKernel::Inner {
            return 0.0;
        }
        let mut out = Vec::new();
        self.distances(i, &[i as u32], &mut out);
        out[0]
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
