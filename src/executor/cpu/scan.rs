//! Exact k-nearest neighbours of dense rows: a block of queries against the whole base, with the best so far of each
//! query.
//!
//! What is exact is proven. Distances are computed in f32, with a bound on their error; the rows nearest by these are
//! ranked by definition in f64. A row is certain if none that was left out can, by the bound, be nearer than its k-th
//! neighbour. For one that is not, every row of the base that may be is ranked by definition.

use std::ops::Range;

use super::blocks::BASE_BYTES;
use crate::dataset::Searched;
use crate::distances::{TrueDistances, narrowed};
use crate::executor::proof::{LONG, Proof, SLACK, rows_at_once};
use crate::graph::order::{EMPTY, Neighbor, fresh, id, keep_nearest, put};
use crate::metric::Form;
use crate::parallel::{for_rows, map_ranges};
use crate::points::{Dense, DenseValues};
use crate::rows::dense::directions::{Directions, rounding};
use crate::rows::dense::matrix::{Comparison, Matrix};
use crate::rows::dense::row_bounds::RowBounds;
use crate::rows::error_bound::ErrorBound;
use crate::rows::offer::offer;
use crate::rows::tiles::block_by_fours;
use crate::simd::{LANES, Level};

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
    form: Form,
    truth: &'a dyn TrueDistances,
    base: Working<'a>,
    /// None if the queries are the points of the base.
    queries: Option<Working<'a>>,
    bounds: RowBounds<'a>,
    level: Level,
}

impl<'a> Scan<'a> {
    /// `truth` is that of the same base and queries.
    pub(crate) fn new(
        truth: &'a dyn TrueDistances,
        base: &Dense<'a>,
        queries: Option<&Dense<'a>>,
        form: Form,
        searched: Searched,
    ) -> Self {
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
        let rounded = searched.rounding() + of_directions(&base).max(queries.as_ref().map_or(0.0, of_directions));
        let rows = queries.as_ref().map_or(base.given, |rows| rows.given);
        let are_exact = |rows: &Working| sums_are_exact(&rows.given, form);
        let bounds = if rounded == 0.0 && are_exact(&base) && queries.as_ref().is_none_or(are_exact) {
            RowBounds::OfAll(ErrorBound::EXACT)
        } else {
            RowBounds::new(form, &rows, &base.given, base.given.dim(), rounded)
        };
        Self { form, truth, base, queries, bounds, level: Level::detect() }
    }

    fn n(&self) -> usize {
        self.base.given.n()
    }

    fn queries(&self) -> &Working<'a> {
        self.queries.as_ref().unwrap_or(&self.base)
    }

    /// The `k` nearest of each of `rows` of the queries, ascending, with true distances; row `i` of the base is left
    /// out for query `i` if `skip_own`. `ids` and `distances` are `rows x k`.
    pub(crate) fn nearest(&self, rows: &[usize], k: usize, skip_own: bool, ids: &mut [u32], distances: &mut [f32]) {
        let mut out = ids.chunks_exact_mut(k).zip(distances.chunks_exact_mut(k));
        for rows in rows.chunks(rows_at_once(k, self.n())) {
            let best = self.scan(rows, skip_own, k + SLACK);
            for ((&row, best), (ids, distances)) in rows.iter().zip(&best).zip(&mut out) {
                put(&narrowed(&self.proven(row, k, skip_own, best)), ids, distances);
            }
        }
    }

    /// The `k` nearest by true distances, the nearest by computed distances being `best`.
    fn proven(&self, query: usize, k: usize, skip_own: bool, best: &[Neighbor]) -> Vec<(f64, u32)> {
        let all = self.n() - usize::from(skip_own);
        let bound = (best.len() < all).then(|| self.bounds.of(query));
        let most = match Proof::of(self.truth, (query, k), best, bound) {
            Proof::Certain(found) => return found,
            Proof::InDoubt(most) => most,
        };
        let mut near = Vec::new();
        if most == f64::INFINITY {
            near.extend(0..self.n() as u32);
        } else {
            let is_far = |d: f32| f64::from(d) > most;
            self.compare(query, |first, to_base| {
                near.extend((first..).zip(to_base).filter(|(_, d)| !is_far(**d)).map(|(other, _)| other));
            });
        }
        near.retain(|&other| !(skip_own && other as usize == query));
        self.truth.ranked(query, &near, k)
    }

    fn per_block(&self) -> usize {
        (BASE_BYTES / self.base.row_bytes()).clamp(4, 1024)
    }

    /// Calls `take(first, distances)` with the computed distances of a query to all of the base, block by block.
    fn compare(&self, query: usize, mut take: impl FnMut(u32, &mut [f32])) {
        let x = self.query_row(query);
        let mut to_base = vec![0.0; self.per_block()];
        for first in (0..self.n()).step_by(self.per_block()) {
            let range = first..self.n().min(first + self.per_block());
            let to_base = &mut to_base[..range.len()];
            self.compare_block(&x, range, to_base);
            take(first as u32, to_base);
        }
    }

    fn query_row(&self, query: usize) -> Vec<f32> {
        let matrix = self.queries().matrix();
        let mut x = vec![0.0; matrix.stride];
        matrix.widen(self.level, &[query as u32], &mut x);
        x
    }

    fn compare_block(&self, x: &[f32], block: Range<usize>, to_base: &mut [f32]) {
        let comparison = Comparison { form: self.form, level: self.level };
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
        let xs: Vec<Vec<f32>> = rows.iter().map(|&row| self.query_row(row)).collect();
        let mut to_base = vec![0.0; rows.len() * self.per_block()];
        for first in (0..self.n()).step_by(self.per_block()) {
            let block = first..self.n().min(first + self.per_block());
            let others: Vec<u32> = (block.start as u32..block.end as u32).collect();
            let to_base = &mut to_base[..rows.len() * block.len()];
            match &xs[..] {
                [x] => self.compare_block(x, block, to_base),
                xs => self.compare_all(xs, first as u32, to_base),
            }
            for ((&row, best), to_base) in rows.iter().zip(&mut best).zip(to_base.chunks_exact(others.len())) {
                let own = if skip_own { row.wrapping_sub(first) } else { usize::MAX };
                offer(best, &others, to_base, own);
            }
        }
        best
    }

    /// Distances of queries to consecutive rows of the base, queries x rows.
    fn compare_all(&self, xs: &[Vec<f32>], first: u32, to_base: &mut [f32]) {
        let comparison = Comparison { form: self.form, level: self.level };
        let places: Vec<u32> = (0..xs.len() as u32).collect();
        block_by_fours(&places, first, to_base, &mut |few, others, found| {
            comparison.few_to_many(few.map(|i| &*xs[i as usize]), self.base.matrix(), others, 0, found);
        });
    }

    fn sorted(&self, query: usize, skip_own: bool, width: usize) -> Vec<Neighbor> {
        let mut all = Vec::with_capacity(self.n());
        self.compare(query, |first, to_base| all.extend((first..).zip(to_base).map(|(other, d)| fresh(*d, other))));
        all.retain(|&neighbor| !(skip_own && id(neighbor) as usize == query));
        keep_nearest(&mut all, width);
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
