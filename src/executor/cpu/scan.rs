//! Exact k-nearest neighbours: a block of queries against the whole base, with the best so far of each query.

use crate::distances::TrueDistances;
use crate::distances::direct::DirectDistances;
use crate::graph::order::{EMPTY, distance, id, put};
use crate::metric::{Form, KernelMetric};
use crate::points::Dense;
use crate::rows::ReducedDistances;
use crate::rows::dense::code_error_bound::CodeErrorBound;
use crate::rows::dense::codes::CodedRows;
use crate::rows::dense::matrix::{Comparison, Matrix};
use crate::rows::offer::offer;
use crate::simd::Level;

/// Bytes of the base that a block of queries is compared with before distances are offered; they stay in cache for all
/// queries.
const BASE_BYTES: usize = 128 << 10;
/// Neighbours kept beyond k while distances are dot products, whose rounding can swap near ties.
const SLACK: usize = 8;
/// Candidates kept by codes are `CODED_FACTOR * k + CODED_SLACK`: enough for nearly all rows to be certain.
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

/// The points as byte codes, for a first pass with a bounded error.
struct Coded {
    rows: CodedRows,
    bound: CodeErrorBound,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(base: &Dense<'a>, queries: &Dense<'a>, metric: KernelMetric) -> Self {
        Self { metric, exact: DirectDistances::new(metric, base, queries), base: *base, queries: *queries, coded: None }
    }

    /// The points against themselves, by byte codes first where their error can be bounded.
    pub(crate) fn of_points(points: &Dense<'a>, metric: KernelMetric) -> Self {
        let rows = || CodedRows::new(points, metric.form(), Level::detect());
        let coded = CodeErrorBound::new(points, metric.form()).map(|bound| Coded { rows: rows(), bound });
        Self { coded, ..Self::new(points, points, metric) }
    }

    /// The `k` nearest of each of `rows` of the queries, ascending, with true distances; row `i` of the base is left
    /// out for query `i` if `skip_own`. `ids` and `distances` are `rows x k`.
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

    /// Fills the rows whose nearest neighbours codes determine with certainty; returns the positions in `rows` of the
    /// others.
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
            coded.rows.block(&row_ids, first as u32, &mut to_base[..rows.len() * m]);
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

    /// The kept points with true distances, ascending.
    fn finished(&self, query: usize, best: &[u64]) -> Vec<(f32, u32)> {
        let kept: Vec<u32> = best.iter().filter(|s| **s != EMPTY).map(|&s| id(s)).collect();
        let mut row = Vec::with_capacity(kept.len());
        self.exact.rank(query, &kept, &mut Vec::new(), &mut row);
        row
    }

    fn scan(&self, rows: &[usize], skip_own: bool, width: usize, best: &mut [u64]) {
        let (n, dim) = (self.base.n(), self.base.dim());
        let form = match self.metric.form() {
            Form::Angular { .. } => Form::Inner,
            form => form,
        };
        let comparison = Comparison { form, level: Level::detect() };
        let base = Matrix { values: self.base.rows(), stride: dim };
        let per_block = (BASE_BYTES / (dim * self.base.value_size())).clamp(4, 1024);
        let (mut x, mut to_base) = (vec![0.0; dim], vec![0.0; per_block]);
        for first in (0..n).step_by(per_block) {
            let others: Vec<u32> = (first as u32..n.min(first + per_block) as u32).collect();
            let to_base = &mut to_base[..others.len()];
            for (&row, best) in rows.iter().zip(best.chunks_exact_mut(width)) {
                self.queries.widen_row(row, &mut x);
                comparison.one_to_many(&x, base, &others, 0, to_base);
                self.exact.angles_from_dots(row, first, to_base);
                let own = if skip_own { row.wrapping_sub(first) } else { usize::MAX };
                offer(best, &others, to_base, own);
            }
        }
    }
}
