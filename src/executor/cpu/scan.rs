//! Exact k-nearest: a block of queries against the whole base, in tiles, with a running best k for each query.

use super::leaf_join::offer;
use super::recompute::Recompute;
use crate::graph::order::{EMPTY, id};
use crate::metric::body::{Body, NegativeDot, tile, with_body};
use crate::metric::simd::{Level, Op, Simd, dispatch};
use crate::metric::{Form, Metric};
use crate::points::{Dense, Element, with_rows};

/// Rows of the base between two looks at the best so far; a block of them stays in cache for all queries.
const BASE_BYTES: usize = 128 << 10;
/// More neighbours are kept than asked for while distances are dot products, whose rounding can exchange near ties.
const SLACK: usize = 8;

/// A base and queries, of the same type and number of columns, ready to be searched.
pub(crate) struct Scan<'a> {
    metric: Metric,
    exact: Recompute<'a>,
    base: Dense<'a>,
    queries: Dense<'a>,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(base: &Dense<'a>, queries: &Dense<'a>, metric: Metric) -> Self {
        Self { metric, exact: Recompute::new(metric, base, queries), base: *base, queries: *queries }
    }

    /// The `k` nearest of each of `rows` of the queries, ascending, with true distances; row `i` of the base is left out for
    /// query `i` if `skip_own`. `ids` and `distances` are `rows x k`.
    pub(crate) fn nearest(&self, rows: &[usize], k: usize, skip_own: bool, ids: &mut [u32], distances: &mut [f32]) {
        let width = (k + SLACK).min(self.base.n());
        let mut best = vec![EMPTY; rows.len() * width];
        self.scan(rows, skip_own, width, &mut best);
        let (mut found, mut true_distances) = (Vec::new(), Vec::new());
        for (r, best) in best.chunks_exact(width).enumerate() {
            found.clear();
            found.extend(best.iter().filter(|s| **s != EMPTY).map(|&s| id(s)));
            self.exact.distances(rows[r], &found, &mut true_distances);
            let mut row: Vec<(f32, u32)> = true_distances.iter().copied().zip(found.iter().copied()).collect();
            row.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            for (at, (d, id)) in row.into_iter().take(k).enumerate() {
                ids[r * k + at] = id;
                distances[r * k + at] = d;
            }
        }
    }

    fn scan(&self, rows: &[usize], skip_own: bool, width: usize, best: &mut [u64]) {
        let (exact, level) = (&self.exact, Level::detect());
        with_rows!(self.base.rows(), base => {
            let queries = super::recompute::typed_as(base, &self.queries);
            let dim = self.base.dim();
            match self.metric.form() {
                Form::Angular { .. } => {
                    dispatch(level, Block { exact, base, queries, dim, rows, skip_own, width, body: NegativeDot, best });
                }
                form => with_body!(form, body => {
                    dispatch(level, Block { exact, base, queries, dim, rows, skip_own, width, body, best });
                }),
            }
        });
    }
}

struct Block<'a, E, B> {
    exact: &'a Recompute<'a>,
    base: &'a [E],
    queries: &'a [E],
    dim: usize,
    rows: &'a [usize],
    skip_own: bool,
    width: usize,
    body: B,
    best: &'a mut [u64],
}

impl<E: Element, B: Body> Op for Block<'_, E, B> {
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
                    let four = tile::<S, E, B, 1>(body, [x], ys)[0];
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
