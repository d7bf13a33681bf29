//! One row against many: its values stand in an array of all columns, and the others look up theirs.

use super::kernels::{Kernel, Mark, Single, SparseKernel, with_kernel};
use super::{Entries, Number, Numbers, Prepare, SparseRows, Table, UNKNOWN, has_values, with_numbers};
use crate::metric::simd::{Op, Simd, dispatch, prefetch};
use crate::points::SparseRow;

/// A row that others are compared with. It is made once and set again and again, for rows of one [`SparseRows`].
#[derive(Debug, Clone, Default)]
pub(crate) struct SparseQuery {
    mark: Mark,
    /// The largest of the values in columns that no row has, as |x|.
    beyond: f32,
    numbers: Vec<u32>,
    values: Vec<f32>,
    /// The values, by number; zero elsewhere.
    dense: Vec<f32>,
    entries: Entries,
}

impl SparseQuery {
    /// Takes the values out of the array again.
    pub(super) fn clear(&mut self) {
        self.numbers.iter().for_each(|&n| self.dense[n as usize] = 0.0);
        self.numbers.clear();
        self.values.clear();
    }

    /// Puts `numbers` and `values` into the array, which has at least `columns` places.
    fn spread(&mut self, columns: usize) {
        self.dense.resize(columns.max(self.dense.len()), 0.0);
        for (&number, &value) in self.numbers.iter().zip(&self.values) {
            self.dense[number as usize] = value;
        }
    }
}

impl SparseRows {
    /// Makes `query` a row of this space. It must be cleared.
    pub(super) fn scatter(&self, row: u32, query: &mut SparseQuery) {
        let head = self.heads[row as usize];
        (query.mark, query.beyond) = (head.mark(), 0.0);
        with_numbers!(&self.numbers, numbers => query.numbers.extend(numbers[head.range()].iter().map(|n| n.get())));
        if has_values(self.kernel) {
            query.values.extend_from_slice(&self.values[head.range()]);
        } else {
            query.values.resize(head.len as usize, 1.0);
        }
        query.spread(self.columns.len());
    }

    /// Makes `query` a row of as many columns as this space's, some of which no row here may have.
    pub(crate) fn set_query(&self, row: SparseRow, query: &mut SparseQuery) {
        query.clear();
        let prepare = Prepare { kernel: self.kernel, dim: self.dim, columns: &self.columns, level: self.level };
        let mut entries = std::mem::take(&mut query.entries);
        query.mark = prepare.row(row, &mut entries).mark();
        let known = entries.pairs.partition_point(|p| p.0 != UNKNOWN);
        query.beyond = entries.values[known..].iter().fold(0.0, |m, v| m.max(v.abs()));
        query.numbers.extend(entries.pairs[..known].iter().map(|p| p.0));
        if has_values(self.kernel) {
            query.values.extend_from_slice(&entries.values[..known]);
        } else {
            query.values.resize(known, 1.0);
        }
        query.entries = entries;
        query.spread(self.columns.len());
    }

    /// Reduced distances of `query` to each of `others`.
    pub(crate) fn query_to_many(&self, query: &SparseQuery, others: &[u32], out: &mut [f32]) {
        assert_eq!(others.len(), out.len());
        with_numbers!(&self.numbers, numbers => {
            let table = self.table(numbers);
            with_kernel!(self.kernel, self.dim, kernel => {
                dispatch(self.level, Gather { kernel, table, query, others, out });
            }, chebyshev => {
                for (&other, out) in others.iter().zip(out) {
                    *out = largest_difference(query, table, other);
                }
            });
        });
    }
}

/// Rows ahead that are asked for.
const PREFETCH: usize = 8;

struct Gather<'a, K, I> {
    kernel: K,
    table: Table<'a, I>,
    query: &'a SparseQuery,
    others: &'a [u32],
    out: &'a mut [f32],
}

impl<K: Kernel, I: Number> Op for Gather<'_, K, I> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { kernel, table, query, others, out } = self;
        for &ahead in others.iter().take(2 * PREFETCH) {
            prefetch(&table.heads[ahead as usize]);
        }
        for &ahead in others.iter().take(PREFETCH) {
            prefetch_row(table, ahead);
        }
        for (i, (&other, out)) in others.iter().zip(out).enumerate() {
            if let Some(&ahead) = others.get(i + 2 * PREFETCH) {
                prefetch(&table.heads[ahead as usize]);
            }
            if let Some(&ahead) = others.get(i + PREFETCH) {
                prefetch_row(table, ahead);
            }
            let head = table.heads[other as usize];
            let (numbers, values) = table.entries(head);
            let sums = sum::<S, K, I>(kernel, &query.dense, numbers, values);
            *out = kernel.finish(sums, query.mark, head.mark());
        }
    }
}

/// Asks for the cache lines of a row.
#[inline(always)]
fn prefetch_row<I: Number>(table: Table<I>, row: u32) {
    let (numbers, values) = table.entries(table.heads[row as usize]);
    numbers.iter().step_by(64 / size_of::<I>()).for_each(prefetch);
    values.iter().step_by(64 / size_of::<f32>()).for_each(prefetch);
}

/// The sums over the columns of a row, one after the other.
#[inline(always)]
fn sum<S: Simd, K: Kernel, I: Number>(kernel: K, dense: &[f32], numbers: &[I], values: &[f32]) -> [f32; 2] {
    let mut sums = [0.0; 2];
    if K::VALUES {
        for (number, &value) in numbers.iter().zip(values) {
            sums = kernel.step::<Single<S>>(sums, dense[number.get() as usize], value);
        }
    } else {
        for number in numbers {
            sums = kernel.step::<Single<S>>(sums, dense[number.get() as usize], 1.0);
        }
    }
    sums
}

/// max |x-y|, by walking along both rows.
fn largest_difference<I: Number>(query: &SparseQuery, table: Table<I>, other: u32) -> f32 {
    let (numbers, values) = table.entries(table.heads[other as usize]);
    let (mut i, mut j, mut largest) = (0, 0, query.beyond);
    while i < query.numbers.len() && j < numbers.len() {
        let (a, b) = (query.numbers[i], numbers[j].get());
        let x = if a <= b { query.values[i] } else { 0.0 };
        let y = if b <= a { values[j] } else { 0.0 };
        largest = largest.max((x - y).abs());
        i += usize::from(a <= b);
        j += usize::from(b <= a);
    }
    query.values[i..].iter().chain(&values[j..]).fold(largest, |m, v| m.max(v.abs()))
}

impl SparseKernel {
    /// Whether distances are sums over columns in common.
    pub(super) fn is_sum(self) -> bool {
        self != Self::Chebyshev
    }
}
