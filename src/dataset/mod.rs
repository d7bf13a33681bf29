//! From the points and the metric that a user gives to what is searched: checks, and rows transformed.

pub(crate) mod init_graph;
pub(crate) mod items;
pub(crate) mod problem;
pub(crate) mod sparse;

use rayon::prelude::*;

use self::sparse::SparseProblem;

use crate::dataset::items::CheckedItems;
use crate::dataset::problem::{AnyRows, Problem, Searched};
use crate::distances::TrueDistances;
use crate::error::BuildError;
use crate::metric::route::Route;
use crate::metric::transform::{Transform, Transformer};
use crate::metric::{KernelMetric, Metric, SetMetric};
use crate::points::{Bits, Dense, Points, Rows};
use crate::rng::stratified_sample;
use crate::rows::ReducedDistances;
use crate::rows::bits::BitRows;

/// Points ready to be searched under a metric.
pub(crate) struct Prepared<'a> {
    points: Points<'a>,
    metric: Metric,
    rows: Searchable<'a>,
    is_proxy: bool,
}

enum Searchable<'a> {
    AsGiven(Dense<'a>, KernelMetric),
    Transformed { values: Vec<f32>, columns: usize, direct: KernelMetric },
    Any(Box<dyn AnyRows + 'a>),
}

impl<'a> Prepared<'a> {
    /// Checks the metric against the points, and transforms these where it asks for it.
    pub(crate) fn new(points: &Points<'a>, metric: &Metric) -> Result<Self, BuildError> {
        let metric = metric.clone().checked()?;
        let points = metric.points_as_taken(points);
        metric.check_columns(points.dim())?;
        let rows = match &points {
            Points::Dense(dense) => dense_rows(dense, &metric)?,
            Points::Sparse(rows) => Searchable::Any(Box::new(SparseProblem::new(rows, &metric)?)),
            Points::Bits(bits) => bit_rows(bits, &metric)?,
            Points::Items(items) if metric == Metric::Custom => Searchable::Any(Box::new(CheckedItems::new(items.0))),
            Points::Items(_) => return Err(unsupported(&metric, "items")),
        };
        let is_proxy = metric.is_proxied();
        Ok(Self { points, metric, rows, is_proxy })
    }

    pub(crate) fn problem(&self) -> Problem<'_> {
        let n = self.points.n();
        let searched = match &self.rows {
            Searchable::AsGiven(dense, direct) => Searched::Dense(*dense, *direct),
            Searchable::Transformed { values, columns, direct } => {
                Searched::Dense(Dense::trusted(Rows::F32(values), n, *columns), *direct)
            }
            Searchable::Any(rows) => Searched::Rows(&**rows),
        };
        Problem { points: self.points, metric: &self.metric, searched, is_proxy: self.is_proxy }
    }

    /// What turned out, when distances were computed, to be none.
    pub(crate) fn check_distances(&self) -> Result<(), BuildError> {
        match &self.rows {
            Searchable::Any(rows) => {
                rows.wrong_pair().map_or(Ok(()), |(a, b)| Err(BuildError::CustomDistance { a, b }))
            }
            _ => Ok(()),
        }
    }

    /// Bytes that were made of the points.
    pub(crate) fn bytes(&self) -> u64 {
        match &self.rows {
            Searchable::Transformed { values, .. } => size_of_val(&values[..]) as u64,
            Searchable::Any(rows) => rows.own_bytes(),
            Searchable::AsGiven(..) => 0,
        }
    }
}

fn dense_rows<'a>(dense: &Dense<'a>, metric: &Metric) -> Result<Searchable<'a>, BuildError> {
    Ok(match metric.route() {
        Route::Direct(direct) | Route::Same(Transform::None, direct) => Searchable::AsGiven(*dense, direct),
        Route::Same(transform, direct) | Route::Proxy(transform, direct) => {
            check_rows(metric, dense)?;
            let (columns, values) = transformed(metric, &transform, dense)?;
            Searchable::Transformed { values, columns, direct }
        }
        Route::Sets(boolean) => Searchable::Any(Box::new(Sets::Columns(*dense, boolean))),
        Route::Bits(_) | Route::Custom => return Err(unsupported(metric, dense.type_name())),
    })
}

fn bit_rows<'a>(bits: &Bits<'a>, metric: &Metric) -> Result<Searchable<'a>, BuildError> {
    let boolean = metric.boolean().ok_or_else(|| unsupported(metric, "bits"))?;
    Ok(Searchable::Any(Box::new(Sets::Bits(*bits, boolean))))
}

fn unsupported(metric: &Metric, rows: &'static str) -> BuildError {
    BuildError::MetricRows { metric: metric.name(), rows }
}

/// Rows that tell how many bits are set.
const MEASURED: usize = 256;

/// Rows as sets.
enum Sets<'a> {
    Columns(Dense<'a>, SetMetric),
    Bits(Bits<'a>, SetMetric),
}

impl Sets<'_> {
    fn shape(&self) -> (usize, usize) {
        match self {
            Self::Columns(dense, _) => (dense.n(), dense.dim()),
            Self::Bits(bits, _) => (bits.n(), bits.dim()),
        }
    }

    fn metric(&self) -> SetMetric {
        match self {
            Self::Columns(_, boolean) | Self::Bits(_, boolean) => *boolean,
        }
    }

    /// Bits that are set in a row, on average over some rows.
    fn mean_bits(&self) -> f64 {
        let (n, dim) = self.shape();
        let count = n.min(MEASURED);
        let rows = stratified_sample(0, 0, n, count);
        let ones: usize = match self {
            Self::Columns(dense, _) => {
                let mut row = vec![0.0; dim];
                let ones = rows.map(|i| {
                    dense.widen_row(i, &mut row);
                    row.iter().filter(|v| **v != 0.0).count()
                });
                ones.sum()
            }
            Self::Bits(bits, _) => rows.flat_map(|i| bits.row(i)).map(|byte| byte.count_ones() as usize).sum(),
        };
        ones as f64 / count as f64
    }

    fn rows(&self) -> BitRows {
        match self {
            Self::Columns(dense, boolean) => BitRows::of_columns(dense, *boolean),
            Self::Bits(bits, boolean) => BitRows::of_bits(bits, *boolean),
        }
    }
}

impl AnyRows for Sets<'_> {
    fn space(&self) -> Box<dyn ReducedDistances + '_> {
        Box::new(self.rows())
    }

    fn bits(&self) -> Option<BitRows> {
        Some(self.rows())
    }

    fn bytes(&self) -> u64 {
        let (n, dim) = self.shape();
        // Once in working order, and once more for final distances.
        2 * BitRows::bytes(n, dim)
    }

    fn pair_cost(&self) -> Option<f64> {
        let (metric, dim) = (self.metric(), self.shape().1);
        metric.has_least().then(|| BitRows::pair_cost(dim, self.mean_bits()))
    }

    fn cost(&self) -> f64 {
        BitRows::cost(self.shape().1)
    }

    fn truth(&self) -> Box<dyn TrueDistances + '_> {
        Box::new(self.rows())
    }
}

/// Rows of a dense matrix, transformed: their columns and values.
fn transformed(metric: &Metric, transform: &Transform, points: &Dense) -> Result<(usize, Vec<f32>), BuildError> {
    let transformer = ready(metric, transform, points.dim())?;
    let columns = transformer.columns(points.dim());
    let mut values = vec![0.0; points.n() * columns];
    let room = || vec![0.0; points.dim()];
    values.par_chunks_mut(columns).enumerate().for_each_init(room, |row, (i, out)| {
        points.widen_row(i, row);
        transformer.apply(row, out);
    });
    Ok((columns, values))
}

/// The transformer of a metric for rows of `dim` columns.
pub(crate) fn ready(metric: &Metric, transform: &Transform, dim: usize) -> Result<Transformer, BuildError> {
    transform.ready(dim).map_err(|pivot| BuildError::NotPositiveDefinite { metric: metric.name(), pivot })
}

/// Checks what a metric asks of every row: the first that fails is named.
pub(crate) fn check_rows(metric: &Metric, points: &Dense) -> Result<(), BuildError> {
    let room = || vec![0.0; points.dim()];
    let wrong = (0..points.n()).into_par_iter().map_init(room, |row, i| {
        points.widen_row(i, row);
        let (column, value) = metric.first_wrong(row).map(|at| (at, row[at]))?;
        Some(BuildError::Value { metric: metric.name(), row: i, column, value, range: metric.values_range() })
    });
    wrong.find_first(Option::is_some).flatten().map_or(Ok(()), Err)
}
