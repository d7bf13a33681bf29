//! One row against many: its values are scattered into an array of all columns, and the others look up theirs.

use super::kernels::{SparseKernel, with_terms};
use super::{Entries, Number, Numbers, Prepare, SparseRows, Table, UNKNOWN, with_numbers};
use crate::metric::kernels::sparse::{Mark, Single, SparseTerms};
use crate::points::SparseRow;
use crate::simd::{Op, Simd, dispatch_scalar, prefetch};

/// A row that others are compared with. It is made once and set again and again, for rows of one [`SparseRows`].
#[derive(Debug, Clone, Default)]
pub(crate) struct SparseQuery {
    pub(super) mark: Mark,
    /// The largest of the values in columns that no row has, as |x|.
    beyond: f32,
    pub(super) numbers: Vec<u32>,
    /// The value of each number, then the values of columns that no row has.
    pub(super) values: Vec<f32>,
    /// The values, by number; zero elsewhere.
    pub(super) dense: Vec<f32>,
    /// For Chebyshev: (number, |x|), the largest first.
    descending: Vec<(u32, f32)>,
    entries: Entries,
}

impl SparseQuery {
    /// Takes the values out of the array again.
    pub(super) fn clear(&mut self) {
        self.numbers.iter().for_each(|&n| self.dense[n as usize] = 0.0);
        self.numbers.clear();
        self.values.clear();
    }

    /// Puts `numbers` and `values` into the array, which has at least `columns` places, and whatever else `kernel`
    /// needs.
    fn spread(&mut self, kernel: SparseKernel, columns: usize) {
        self.descending.clear();
        if !kernel.is_sum() {
            let sizes = self.values.iter().map(|v| v.abs());
            self.descending.extend(self.numbers.iter().copied().zip(sizes));
            self.descending.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        }
        self.dense.resize(columns.max(self.dense.len()), 0.0);
        for (&number, &value) in self.numbers.iter().zip(&self.values) {
            self.dense[number as usize] = value;
        }
    }
}

impl SparseRows {
    /// Makes `query`, which must be clear, one of these rows.
    pub(super) fn scatter(&self, row: u32, query: &mut SparseQuery) {
        let head = self.heads[row as usize];
        (query.mark, query.beyond) = (head.mark(), 0.0);
        with_numbers!(&self.numbers, numbers => query.numbers.extend(numbers[head.range()].iter().map(|n| n.get())));
        if self.kernel.has_values() {
            query.values.extend_from_slice(&self.values[head.range()]);
        } else {
            query.values.resize(head.len as usize, 1.0);
        }
        query.spread(self.kernel, self.columns.len());
    }

    /// Makes `query` a row of the same number of columns, some of which may occur in no row here.
    pub(crate) fn set_query(&self, row: SparseRow, query: &mut SparseQuery) {
        query.clear();
        let prepare = Prepare { kernel: self.kernel, dim: self.dim, columns: &self.columns, level: self.level };
        let mut entries = std::mem::take(&mut query.entries);
        query.mark = prepare.row(row, &mut entries).mark();
        let known = entries.pairs.partition_point(|p| p.0 != UNKNOWN);
        query.beyond = entries.values[known..].iter().fold(0.0, |m, v| m.max(v.abs()));
        query.numbers.extend(entries.pairs[..known].iter().map(|p| p.0));
        if self.kernel.has_values() {
            query.values.extend_from_slice(&entries.values);
        } else {
            query.values.resize(entries.values.len(), 1.0);
        }
        query.entries = entries;
        query.spread(self.kernel, self.columns.len());
    }

    /// Reduced distances of `query` to each of `others`. If rows were added with columns that had not occurred, the
    /// query must be set again first.
    pub(crate) fn query_to_many(&self, query: &SparseQuery, others: &[u32], out: &mut [f32]) {
        assert_eq!(others.len(), out.len());
        if self.is_precise {
            let mut found = vec![0.0; others.len()];
            self.query_to_many_exactly(query, others, &mut found);
            return out.iter_mut().zip(found).for_each(|(out, d)| *out = d as f32);
        }
        with_numbers!(&self.numbers, numbers => {
            let table = self.table(numbers);
            with_terms!(self.kernel, self.dim, kernel => {
                dispatch_scalar(self.level, Gather { kernel, table, query, others, out });
            }, chebyshev => {
                largest_differences(query, table, others, out);
            });
        });
    }
}

/// Rows that are prefetched ahead.
pub(super) const PREFETCH: usize = 8;

struct Gather<'a, K, I> {
    kernel: K,
    table: Table<'a, I>,
    query: &'a SparseQuery,
    others: &'a [u32],
    out: &'a mut [f32],
}

impl<K: SparseTerms, I: Number> Op for Gather<'_, K, I> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { kernel, table, query, others, out } = self;
        prefetch_first(table, others);
        for (i, (&other, out)) in others.iter().zip(out).enumerate() {
            prefetch_ahead(table, others, i);
            let head = table.heads[other as usize];
            let (numbers, values) = table.entries(head);
            let sums = sum::<S, K, I>(kernel, &query.dense, numbers, values);
            *out = kernel.finish(sums, query.mark, head.mark());
        }
    }
}

/// Prefetches the first of `others`.
#[inline(always)]
fn prefetch_first<I: Number>(table: Table<I>, others: &[u32]) {
    for &ahead in others.iter().take(2 * PREFETCH) {
        prefetch(&table.heads[ahead as usize]);
    }
    for &ahead in others.iter().take(PREFETCH) {
        prefetch_row(table, ahead);
    }
}

/// Prefetches rows that come after `others[i]`: first their heads, then what the heads point to.
#[inline(always)]
fn prefetch_ahead<I: Number>(table: Table<I>, others: &[u32], i: usize) {
    if let Some(&ahead) = others.get(i + 2 * PREFETCH) {
        prefetch(&table.heads[ahead as usize]);
    }
    if let Some(&ahead) = others.get(i + PREFETCH) {
        prefetch_row(table, ahead);
    }
}

/// Cache lines that are prefetched of each row's numbers and of its values. Few, and a constant number, because
/// variable loops cost more than they save; hardware prefetches the rest.
const AHEAD_LINES: (usize, usize) = (2, 4);

/// Prefetches the first cache lines of a row.
#[inline(always)]
pub(super) fn prefetch_row<I: Number>(table: Table<I>, row: u32) {
    let start = table.heads[row as usize].start as usize;
    prefetch_lines(table.numbers, start, AHEAD_LINES.0);
    prefetch_lines(table.values, start, AHEAD_LINES.1);
}

#[inline(always)]
fn prefetch_lines<T>(values: &[T], start: usize, lines: usize) {
    if let Some(last) = values.len().checked_sub(1) {
        for line in 0..lines {
            prefetch(&values[last.min(start + line * (64 / size_of::<T>()))]);
        }
    }
}

/// Independent sums. Two take two thirds of the time of one for rows of 70 columns; four are no faster, and slower for
/// rows of 10. The last bits of a distance depend on which of the two rows is the query.
const STEPS: usize = 2;

/// The sums over the columns of a row.
#[inline(always)]
fn sum<S: Simd, K: SparseTerms, I: Number>(kernel: K, dense: &[f32], numbers: &[I], values: &[f32]) -> [f32; 2] {
    let mut sums = [[0.0; 2]; STEPS];
    let (chunks, rest) = numbers.as_chunks::<STEPS>();
    let (value_chunks, value_rest) = values.as_chunks::<STEPS>();
    for (c, numbers) in chunks.iter().enumerate() {
        let values = if K::VALUES { &value_chunks[c] } else { &[1.0; STEPS] };
        for i in 0..STEPS {
            sums[i] = kernel.step::<Single<S>>(sums[i], dense[numbers[i].get() as usize], values[i]);
        }
    }
    for (i, number) in rest.iter().enumerate() {
        let value = if K::VALUES { value_rest[i] } else { 1.0 };
        sums[i] = kernel.step::<Single<S>>(sums[i], dense[number.get() as usize], value);
    }
    let [a, b] = sums;
    [a[0] + b[0], a[1] + b[1]]
}

/// max |x-y| for each of `others`.
fn largest_differences<I: Number>(query: &SparseQuery, table: Table<I>, others: &[u32], out: &mut [f32]) {
    prefetch_first(table, others);
    for (i, (&other, out)) in others.iter().zip(out).enumerate() {
        prefetch_ahead(table, others, i);
        *out = largest_difference(query, table, other);
    }
}

/// Looks up the columns of the other row; of the columns that only the query has, the one with the largest value
/// counts.
fn largest_difference<I: Number>(query: &SparseQuery, table: Table<I>, other: u32) -> f32 {
    let (numbers, values) = table.entries(table.heads[other as usize]);
    let mut largest = query.beyond;
    for (number, value) in numbers.iter().zip(values) {
        let apart = (query.dense[number.get() as usize] - value).abs();
        largest = if apart > largest { apart } else { largest };
    }
    let own = query.descending.iter().take_while(|e| e.1 > largest);
    let alone = own.copied().find(|e| numbers.binary_search_by_key(&e.0, |n| n.get()).is_err());
    alone.map_or(largest, |e| e.1)
}
