//! Exact k-nearest neighbours of dense rows: a block of queries against the whole base, with the best so far of each
//! query.
//!
//! What is exact is proven. Distances are computed in f32, with a bound on their error; the rows nearest by these are
//! ranked by definition in f64. A row is certain if none that was left out can, by the bound, be nearer than its k-th
//! neighbour. For one that is not, every row of the base that may be is ranked by definition.

use std::ops::Range;

use crate::dataset::Searched;
use crate::distances::{TrueDistances, narrowed};
use crate::graph::order::{EMPTY, Neighbor, distance, fresh, id, put};
use crate::metric::{Form, KernelMetric, Metric};
use crate::parallel::{for_rows, map_ranges};
use crate::points::{Dense, DenseValues};
use crate::rows::ReducedDistances;
use crate::rows::dense::code_error_bound::CodeErrorBound;
use crate::rows::dense::codes::CodedRows;
use crate::rows::dense::directions::{Directions, rounding};
use crate::rows::dense::matrix::{Comparison, Matrix};
use crate::rows::error_bound::ErrorBound;
use crate::rows::offer::offer;
use crate::simd::{LANES, Level};

/// Bytes of the base that a block of queries is compared with before distances are offered; they stay in cache for all
/// queries.
const BASE_BYTES: usize = 128 << 10;
/// Neighbours kept beyond k, so that most rows are certain.
const SLACK: usize = 8;
/// Candidates kept by codes are `CODED_FACTOR * k + CODED_SLACK`: enough for nearly all rows to be certain.
const CODED_FACTOR: usize = 3;
const CODED_SLACK: usize = 40;
/// Longer rows are sorted once rather than kept in order.
const LONG: usize = 256;

/// Rows as they are compared.
struct Working<'a> {
    given: Dense<'a>,
    /// Their directions, or narrow rows padded to whole vectors, and the values of a row. None if these are the rows as
    /// they were given.
    copy: Option<(Vec<f32>, usize)>,
}

/// Rows narrower than this are padded.
const NARROW: usize = 64;

impl<'a> Working<'a> {
    fn new(given: &Dense<'a>, directions: Option<&Directions>) -> Self {
        let dim = given.dim();
        let copy = match directions {
            Some(directions) => Some((directions.all(given), Directions::stride(dim))),
            None if dim < NARROW && !dim.is_multiple_of(LANES) => {
                let stride = dim.next_multiple_of(LANES);
                let mut values = vec![0.0; given.n() * stride];
                for_rows(&mut values, stride, 64, |i, to| given.widen_row(i, &mut to[..dim]));
                Some((values, stride))
            }
            None => None,
        };
        Self { given: *given, copy }
    }

    fn matrix(&self) -> Matrix<'_> {
        match &self.copy {
            Some((values, stride)) => Matrix { values: DenseValues::F32(values), stride: *stride },
            None => Matrix { values: self.given.rows(), stride: self.given.dim() },
        }
    }

    /// Bytes of a row.
    fn row_bytes(&self) -> usize {
        match &self.copy {
            Some((_, stride)) => stride * size_of::<f32>(),
            None => self.given.dim() * self.given.value_size(),
        }
    }
}

/// A base and queries, of the same type and number of columns, ready to be searched.
pub(crate) struct Scan<'a> {
    metric: &'a Metric,
    kernel: KernelMetric,
    truth: Box<dyn TrueDistances + 'a>,
    base: Working<'a>,
    /// None if the queries are the points of the base.
    queries: Option<Working<'a>>,
    bound: Bound,
    coded: Option<Coded>,
    /// What reduced distances are multiplied by, as the values were.
    unit: f64,
    level: Level,
}

/// What is known of the error of computed distances.
enum Bound {
    /// The same for all queries.
    OfAll(ErrorBound),
    /// That of dot products, from the largest length of a row of the base.
    OfProducts(f64),
    /// Nothing: any row may be a neighbour.
    Unknown,
}

/// Takes the row found for the query at a place.
type Put<'a> = dyn FnMut(usize, &[(f64, u32)]) + 'a;

/// The points as byte codes, for a first pass with a bounded error.
struct Coded {
    rows: CodedRows,
    bound: CodeErrorBound,
}

impl<'a> Scan<'a> {
    /// The points against themselves, as they are searched under `kernel`, by byte codes first where their error can be
    /// bounded.
    pub(crate) fn of_points(
        (metric, truth): (&'a Metric, Box<dyn TrueDistances + 'a>),
        points: &Dense<'a>,
        kernel: KernelMetric,
        searched: Searched,
    ) -> Self {
        let scan = Self::new((metric, truth), points, None, kernel, searched);
        // Codes of rounded values have one more error.
        let bound = if searched == Searched::AsGiven { CodeErrorBound::new(points, kernel.form()) } else { None };
        let coded = bound.map(|bound| Coded { rows: CodedRows::new(points, kernel.form(), scan.level), bound });
        Self { coded, ..scan }
    }

    /// `truth` is that of the same base and queries.
    pub(crate) fn new(
        (metric, truth): (&'a Metric, Box<dyn TrueDistances + 'a>),
        base: &Dense<'a>,
        queries: Option<&Dense<'a>>,
        kernel: KernelMetric,
        searched: Searched,
    ) -> Self {
        let (form, dim) = (kernel.form(), base.dim());
        let (rounded, unit) = match searched {
            Searched::AsGiven => (0.0, 1.0),
            Searched::Transformed { rounding, unit } => (rounding, unit),
        };
        let directions = match form {
            Form::Angular { centered } => Some(Directions::of_points(base, centered)),
            _ => None,
        };
        let working = |rows: &Dense<'a>| Working::new(rows, directions.as_ref());
        let (base, queries) = (working(base), queries.map(working));
        let of_directions = |rows: &Working| match (&directions, &rows.copy) {
            (Some(_), Some((values, stride))) => rounding(values, *stride),
            _ => 0.0,
        };
        // A relative error of the values of a row is at most the same error of its direction.
        let rounded = rounded + of_directions(&base).max(queries.as_ref().map_or(0.0, of_directions));
        let sides = [Some(&base.given), queries.as_ref().map(|rows| &rows.given)];
        let bound = match form {
            Form::Inner => Bound::OfProducts(largest_length(&base.given)),
            _ if rounded == 0.0 && sides.into_iter().flatten().all(|rows| sums_are_exact(rows, form)) => {
                Bound::OfAll(ErrorBound::EXACT)
            }
            form => ErrorBound::new(form, dim, rounded).map_or(Bound::Unknown, Bound::OfAll),
        };
        Self { metric, kernel, truth, base, queries, bound, coded: None, unit, level: Level::detect() }
    }

    fn n(&self) -> usize {
        self.base.given.n()
    }

    fn queries(&self) -> &Working<'a> {
        self.queries.as_ref().unwrap_or(&self.base)
    }

    fn bound(&self, query: usize) -> Option<ErrorBound> {
        match self.bound {
            Bound::OfAll(bound) => Some(bound),
            Bound::OfProducts(longest) => {
                let given = &self.queries().given;
                let mut row = vec![0.0; given.dim()];
                given.widen_row(query, &mut row);
                Some(ErrorBound::of_products(given.dim(), length(&row), longest))
            }
            Bound::Unknown => None,
        }
    }

    /// The reduced distance that belongs to a true one.
    fn reduced(&self, distance: f64) -> f64 {
        self.unit * self.kernel.to_reduced(self.metric.to_direct(distance), self.base.given.dim())
    }

    /// The `k` nearest of each of `rows` of the queries, ascending, with true distances; row `i` of the base is left
    /// out for query `i` if `skip_own`. `ids` and `distances` are `rows x k`.
    pub(crate) fn nearest(&self, rows: &[usize], k: usize, skip_own: bool, ids: &mut [u32], distances: &mut [f32]) {
        let mut put = |r: usize, found: &[(f64, u32)]| {
            put(&narrowed(found), &mut ids[r * k..(r + 1) * k], &mut distances[r * k..(r + 1) * k]);
        };
        let missing = match &self.coded {
            Some(coded) if skip_own && k < LONG => self.nearest_by_codes(coded, rows, k, &mut put),
            _ => (0..rows.len()).collect(),
        };
        // Sorted rows hold all of the base.
        let at_once = if k < LONG { missing.len().max(1) } else { ((1 << 22) / self.n()).max(1) };
        for missing in missing.chunks(at_once) {
            let rest: Vec<usize> = missing.iter().map(|&r| rows[r]).collect();
            let best = self.scan(&rest, skip_own, k + SLACK);
            for ((&r, &row), best) in missing.iter().zip(&rest).zip(&best) {
                put(r, &self.proven(row, k, skip_own, best));
            }
        }
    }

    /// Fills the rows whose nearest neighbours codes determine with certainty; returns the positions in `rows` of the
    /// others.
    fn nearest_by_codes(&self, coded: &Coded, rows: &[usize], k: usize, put: &mut Put) -> Vec<usize> {
        let n = self.n();
        let width = (CODED_FACTOR * k + CODED_SLACK).min(n - 1);
        let mut best = vec![EMPTY; rows.len() * width];
        let row_ids: Vec<u32> = rows.iter().map(|&r| r as u32).collect();
        let per_block = (BASE_BYTES / self.base.given.dim()).clamp(16, 1024);
        let mut to_base = vec![0.0; rows.len() * per_block];
        for first in (0..n).step_by(per_block) {
            let m = per_block.min(n - first);
            let others: Vec<u32> = (first as u32..(first + m) as u32).collect();
            coded.rows.block(&row_ids, first as u32, &mut to_base[..rows.len() * m]);
            for ((&row, best), to) in rows.iter().zip(best.chunks_exact_mut(width)).zip(to_base.chunks_exact(m)) {
                offer(best, &others, to, row.wrapping_sub(first));
            }
        }
        let mut missing = Vec::new();
        for (r, best) in best.chunks_exact(width).enumerate() {
            // Whatever the errors of codes, the k nearest of these are no farther than the k-th by codes may be.
            let farthest = coded.bound.true_at_most(row_ids[r], distance(best[k - 1]));
            let is_near = |slot: &&Neighbor| coded.bound.true_at_least(row_ids[r], distance(**slot)) <= farthest;
            let near = best.iter().take_while(is_near).count().max(k);
            let found = self.ranked(rows[r], k, &best[..near]);
            let kth = self.reduced(found[k - 1].0);
            let left_out = coded.bound.true_at_least(row_ids[r], distance(best[width - 1]));
            if width == n - 1 || kth < f64::from(left_out) {
                put(r, &found);
            } else {
                missing.push(r);
            }
        }
        missing
    }

    /// The `k` nearest of these neighbours by true distances, ascending.
    fn ranked(&self, query: usize, k: usize, best: &[Neighbor]) -> Vec<(f64, u32)> {
        let kept: Vec<u32> = best.iter().filter(|s| **s != EMPTY).map(|&s| id(s)).collect();
        self.ranked_ids(query, k, &kept)
    }

    fn ranked_ids(&self, query: usize, k: usize, ids: &[u32]) -> Vec<(f64, u32)> {
        let mut found = Vec::with_capacity(ids.len());
        self.truth.nearest(query, ids, k, &mut Vec::new(), &mut found);
        found
    }

    /// The `k` nearest by true distances, the nearest by computed distances being `best`.
    fn proven(&self, query: usize, k: usize, skip_own: bool, best: &[Neighbor]) -> Vec<(f64, u32)> {
        let all = self.n() - usize::from(skip_own);
        let others = |own: bool| (0..self.n() as u32).filter(move |&other| !(own && other as usize == query));
        let Some(bound) = self.bound(query) else {
            return self.ranked_ids(query, k, &others(skip_own).collect::<Vec<u32>>());
        };
        let found = self.ranked(query, k, best);
        let Some(kth) = found.get(k - 1).map(|kth| self.reduced(kth.0)) else {
            // Some distance is not even finite in f32.
            return self.ranked_ids(query, k, &others(skip_own).collect::<Vec<u32>>());
        };
        if best.len() >= all || bound.is_certain(kth, distance(best[best.len() - 1])) {
            return found;
        }
        let most = bound.most_computed(kth);
        let mut near = Vec::new();
        self.compare(query, |first, to_base| {
            let is_far = |d: f32| f64::from(d) > most;
            near.extend((first..).zip(to_base).filter(|(_, d)| !is_far(**d)).map(|(other, _)| other));
        });
        near.retain(|&other| !(skip_own && other as usize == query));
        self.ranked_ids(query, k, &near)
    }

    fn per_block(&self) -> usize {
        (BASE_BYTES / self.base.row_bytes()).clamp(4, 1024)
    }

    /// Calls `take(first, distances)` with the computed distances of a query to all of the base, block by block.
    fn compare(&self, query: usize, mut take: impl FnMut(u32, &mut [f32])) {
        let mut x = self.query_row(query);
        let mut to_base = vec![0.0; self.per_block()];
        for first in (0..self.n()).step_by(self.per_block()) {
            let range = first..self.n().min(first + self.per_block());
            let to_base = &mut to_base[..range.len()];
            self.compare_block(&mut x, range, to_base);
            take(first as u32, to_base);
        }
    }

    fn query_row(&self, query: usize) -> Vec<f32> {
        let matrix = self.queries().matrix();
        let mut x = vec![0.0; matrix.stride];
        matrix.widen(self.level, &[query as u32], &mut x);
        x
    }

    fn compare_block(&self, x: &mut [f32], block: Range<usize>, to_base: &mut [f32]) {
        let comparison = Comparison { form: self.kernel.form(), level: self.level };
        let others: Vec<u32> = (block.start as u32..block.end as u32).collect();
        comparison.one_to_many(x, self.base.matrix(), &others, 0, to_base);
    }

    /// The `width` nearest of each of some queries by computed distances, or all there are, ascending.
    fn scan(&self, rows: &[usize], skip_own: bool, width: usize) -> Vec<Vec<Neighbor>> {
        let width = width.min(self.n() - usize::from(skip_own));
        if width > LONG {
            return rows.iter().map(|&row| self.sorted(row, skip_own, width)).collect();
        }
        let mut best = vec![vec![EMPTY; width]; rows.len()];
        let mut xs: Vec<Vec<f32>> = rows.iter().map(|&row| self.query_row(row)).collect();
        let mut to_base = vec![0.0; self.per_block()];
        for first in (0..self.n()).step_by(self.per_block()) {
            let range = first..self.n().min(first + self.per_block());
            let others: Vec<u32> = (range.start as u32..range.end as u32).collect();
            let to_base = &mut to_base[..range.len()];
            for ((&row, best), x) in rows.iter().zip(&mut best).zip(&mut xs) {
                self.compare_block(x, range.clone(), to_base);
                let own = if skip_own { row.wrapping_sub(first) } else { usize::MAX };
                offer(best, &others, to_base, own);
            }
        }
        best
    }

    fn sorted(&self, query: usize, skip_own: bool, width: usize) -> Vec<Neighbor> {
        let mut all = Vec::with_capacity(self.n());
        self.compare(query, |first, to_base| all.extend((first..).zip(to_base).map(|(other, d)| fresh(*d, other))));
        all.retain(|&neighbor| !(skip_own && id(neighbor) as usize == query));
        if width < all.len() {
            all.select_nth_unstable(width);
            all.truncate(width);
        }
        all.sort_unstable();
        all
    }
}

/// Whether sums of differences of these values are whole numbers that f32 holds.
fn sums_are_exact(rows: &Dense, form: Form) -> bool {
    /// From here on, not all whole numbers are f32.
    const WHOLE: f64 = (1u32 << 24) as f64;
    let power = match form {
        Form::L2 => 2,
        Form::Manhattan => 1,
        Form::Hamming => return true,
        _ => return false,
    };
    let largest = match rows.rows() {
        DenseValues::U8(_) => 255.0,
        DenseValues::I8(_) => 128.0,
        DenseValues::F16(_) => return false,
        DenseValues::F32(values) => match whole_up_to(values) {
            Some(largest) => f64::from(largest),
            None => return false,
        },
    };
    (2.0 * largest).powi(power) * rows.dim() as f64 <= WHOLE
}

/// The largest of some whole numbers; none if they are not whole, or large.
fn whole_up_to(values: &[f32]) -> Option<f32> {
    const MOST: f32 = 4096.0;
    let part = |range: Range<usize>| {
        let is_whole = |v: &f32| v.abs() <= MOST && v.fract() == 0.0;
        values[range.clone()]
            .iter()
            .all(is_whole)
            .then(|| values[range].iter().fold(0.0f32, |most, v| most.max(v.abs())))
    };
    // Most data shows it at once.
    part(0..values.len().min(1024))?;
    map_ranges(values.len(), 1 << 16, part).into_iter().try_fold(0.0f32, |most, part| part.map(|v| most.max(v)))
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
