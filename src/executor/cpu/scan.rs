//! Exact k-nearest: a block of queries against the whole base, in tiles, with a running best k for each query.

use super::leaf_join::offer;
use crate::distances::TrueDistances;
use crate::distances::direct::DirectDistances;
use crate::graph::order::{EMPTY, distance, id, put};
use crate::metric::kernels::{Accumulate, NegativeDot, tile, with_kernel};
use crate::metric::{Form, KernelMetric};
use crate::points::{Dense, Element, with_rows};
use crate::rows::ReducedDistances;
use crate::rows::dense::bytes::{self, Bound};
use crate::simd::{Level, Op, Simd, dispatch};

/// Rows of the base between two looks at the best so far; a block of them stays in cache for all queries.
const BASE_BYTES: usize = 128 << 10;
/// More neighbours are kept than asked for while distances are dot products, whose rounding can exchange near ties.
const SLACK: usize = 8;
/// Neighbours kept by codes, as `CODED_FACTOR * k + CODED_SLACK`: enough to make nearly all rows certain.
const CODED_FACTOR: usize = 3;
const CODED_SLACK: usize = 40;

/// A base and queries, of the same type and number of columns, ready to be searched.
pub(crate) struct Scan<'a> {
    metric: KernelMetric,
    exact: DirectDistances<'a>,
    base: Dense<'a>,
    queries: Dense<'a>,
    coded: Option<Coded>,
}

/// The points as byte codes, for a first look whose error is bounded.
struct Coded {
    space: Box<dyn ReducedDistances>,
    bound: Bound,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(base: &Dense<'a>, queries: &Dense<'a>, metric: KernelMetric) -> Self {
        Self { metric, exact: DirectDistances::new(metric, base, queries), base: *base, queries: *queries, coded: None }
    }

    /// The points against themselves, looked at as byte codes first where that can be bounded.
    pub(crate) fn of_points(points: &Dense<'a>, metric: KernelMetric) -> Self {
        let bound = Bound::new(points, metric.form());
        let space = || bytes::space(points, metric.form(), Level::detect());
        Self { coded: bound.map(|bound| Coded { space: space(), bound }), ..Self::new(points, points, metric) }
    }

    /// The `k` nearest of each of `rows` of the queries, ascending, with true distances; row `i` of the base is left out for
    /// query `i` if `skip_own`. `ids` and `distances` are `rows x k`.
    pub(crate) fn nearest(&self, rows: &[usize], k: usize, skip_own: bool, ids: &mut [u32], distances: &mut [f32]) {
        let missing = match &self.coded {
            Some(coded) if skip_own => self.nearest_by_codes(coded, rows, k, ids, distances),
            _ => (0..rows.len()).collect(),
        };
        let rest: Vec<usize> = missing.iter().map(|&r| rows[r]).collect();
        let width = (k + SLACK).min(self.base.n());
        let mut best = vec![EMPTY; rest.len() * width];
        self.scan(&rest, skip_own, width, &mut best);
        for (&r, best) in missing.iter().zip(best.chunks_exact(width)) {
            let row = self.finished(rows[r], best);
            put(&row[..k], &mut ids[r * k..], &mut distances[r * k..]);
        }
    }

    /// Fills the rows whose nearest are certain from codes; returns the others, as positions in `rows`.
    fn nearest_by_codes(
        &self,
        coded: &Coded,
        rows: &[usize],
        k: usize,
        ids: &mut [u32],
        distances: &mut [f32],
    ) -> Vec<usize> {
        let n = self.base.n();
        let width = (CODED_FACTOR * k + CODED_SLACK).min(n - 1);
        let mut best = vec![EMPTY; rows.len() * width];
        let row_ids: Vec<u32> = rows.iter().map(|&r| r as u32).collect();
        let per_block = (BASE_BYTES / self.base.dim()).clamp(16, 1024);
        let mut to_base = vec![0.0; rows.len() * per_block];
        for first in (0..n).step_by(per_block) {
            let m = per_block.min(n - first);
            let others: Vec<u32> = (first as u32..(first + m) as u32).collect();
            coded.space.block(&row_ids, first as u32, &mut to_base[..rows.len() * m]);
            for ((&row, best), to) in rows.iter().zip(best.chunks_exact_mut(width)).zip(to_base.chunks_exact(m)) {
                offer(best, &others, to, row.wrapping_sub(first));
            }
        }
        let is_certain = |(r, best): (usize, &[u64])| {
            let row = self.finished(rows[r], best);
            let kth = self.metric.to_reduced(row[k - 1].0, self.base.dim());
            let left_out = best[width - 1];
            let certain = width == n - 1 || kth < coded.bound.true_at_least(row_ids[r], distance(left_out));
            put(&row[..k], &mut ids[r * k..], &mut distances[r * k..]);
            (!certain).then_some(r)
        };
        best.chunks_exact(width).enumerate().filter_map(is_certain).collect()
    }

    /// Kept points with true distances, ascending.
    fn finished(&self, query: usize, best: &[u64]) -> Vec<(f32, u32)> {
        let kept: Vec<u32> = best.iter().filter(|s| **s != EMPTY).map(|&s| id(s)).collect();
        let mut row = Vec::with_capacity(kept.len());
        self.exact.rank(query, &kept, &mut Vec::new(), &mut row);
        row
    }

    fn scan(&self, rows: &[usize], skip_own: bool, width: usize, best: &mut [u64]) {
        let (exact, level) = (&self.exact, Level::detect());
        with_rows!(self.base.rows(), base => {
            let queries = crate::distances::direct::typed_as(base, &self.queries);
            let dim = self.base.dim();
            match self.metric.form() {
                Form::Angular { .. } => {
                    dispatch(level, Block { exact, base, queries, dim, rows, skip_own, width, body: NegativeDot, best });
                }
                form => with_kernel!(form, body => {
                    dispatch(level, Block { exact, base, queries, dim, rows, skip_own, width, body, best });
                }),
            }
        });
    }
}

struct Block<'a, E, B> {
    exact: &'a DirectDistances<'a>,
    base: &'a [E],
    queries: &'a [E],
    dim: usize,
    rows: &'a [usize],
    skip_own: bool,
    width: usize,
    body: B,
    best: &'a mut [u64],
}

impl<E: Element, B: Accumulate> Op for Block<'_, E, B> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { exact, base, queries, dim, rows, skip_own, width, body, best } = self;
        let per_block = (BASE_BYTES / (dim * size_of::<E>())).clamp(4, 1024);
        let mut to_base = vec![0.0; per_block];
        let mut ids: Vec<u32> = Vec::with_capacity(per_block);
        for (block, values) in base.chunks(per_block * dim).enumerate() {
            let first = block * per_block;
            let m = values.len() / dim;
            ids.clear();
            ids.extend(first as u32..(first + m) as u32);
            for (&row, best) in rows.iter().zip(best.chunks_exact_mut(width)) {
                let x = &queries[row * dim..][..dim];
                for j in (0..m).step_by(4) {
                    let ys = std::array::from_fn(|l| &values[(j + l).min(m - 1) * dim..][..dim]);
                    let four = tile::<S, E, E, B, 1>(body, [x], ys)[0];
                    let end = m.min(j + 4);
                    to_base[j..end].copy_from_slice(&four[..end - j]);
                }
                exact.angles_from_dots(row, first, &mut to_base[..m]);
                let own = if skip_own { row.wrapping_sub(first) } else { usize::MAX };
                offer(best, &ids, &to_base[..m], own);
            }
        }
    }
}
