//! Sparse rows in working order: columns numbered by how often they occur, distances by way of one dense row or a panel
//! of them.
//!
//! One row against many (`gather.rs`): its values are put into an array as long as there are columns, and every other
//! row looks up its own columns there. All pairs and blocks (`panel.rs`): sixteen or more rows are put side by side
//! into lines of such an array, so that one look-up serves them all. The two may differ in the last bits.

mod columns;
pub(crate) mod cumulative;
pub(crate) mod definition;
mod exact;
mod gather;
mod kernels;
mod min_hash;
mod panel;
mod scratch;
#[cfg(test)]
mod tests;

use self::columns::Columns;
pub(crate) use self::gather::SparseQuery;
pub(crate) use self::kernels::SparseKernel;
use self::kernels::with_terms;
use self::min_hash::min_hashes;
use self::scratch::Pool;
use crate::metric::Form;
use crate::metric::kernels::sparse::{Mark, Single, SparseTerms};
use crate::parallel;
use crate::points::{Csr, SparseRow};
use crate::rows::error_bound::{ErrorBound, UNIT_ROUNDOFF};
use crate::rows::{ReducedDistances, WorkingRows, all_pairs_by_rows};
use crate::simd::{Level, Op, Simd, dispatch_scalar};

/// Bytes that [`SparseRows`] hold for as many entries and rows, at most.
pub(crate) fn bytes(rows: Csr, kernel: SparseKernel) -> usize {
    let value = if kernel.has_values() { size_of::<f32>() } else { 0 };
    rows.nnz() * (size_of::<u32>() + value) + rows.n() * size_of::<Head>()
}

/// Where the entries of a row are, and what is known of it as a whole.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Head {
    start: u64,
    len: u32,
    /// Values are stored times 2^-exponent: lengths near 1, so that squares of angular kernels neither overflow nor
    /// vanish.
    exponent: i32,
    size: f32,
    mean: f32,
}

impl Head {
    #[inline(always)]
    fn mark(self) -> Mark {
        Mark { size: self.size, mean: self.mean }
    }

    #[inline(always)]
    fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.start as usize + self.len as usize
    }
}

/// A column's number as it is stored.
pub(crate) trait Number: bytemuck::Pod + Send + Sync {
    fn of(number: u32) -> Self;
    fn get(self) -> u32;
}

impl Number for u16 {
    #[inline(always)]
    fn of(number: u32) -> Self {
        number as Self
    }
    #[inline(always)]
    fn get(self) -> u32 {
        self.into()
    }
}

impl Number for u32 {
    #[inline(always)]
    fn of(number: u32) -> Self {
        number
    }
    #[inline(always)]
    fn get(self) -> u32 {
        self
    }
}

/// The numbers of columns, row after row, ascending within each.
#[derive(Debug, Clone)]
enum Numbers {
    Narrow(Vec<u16>),
    Wide(Vec<u32>),
}

/// Runs `$run` with `$x` bound to the typed vector of [`Numbers`].
macro_rules! with_numbers {
    ($numbers:expr, $x:ident => $run:expr) => {
        match $numbers {
            Numbers::Narrow($x) => $run,
            Numbers::Wide($x) => $run,
        }
    };
}
use with_numbers;

/// The most columns whose numbers have 16 bits.
const NARROW: usize = 1 << 16;

/// Rows as kernels read them.
struct Table<'a, I> {
    heads: &'a [Head],
    numbers: &'a [I],
    /// Empty if values do not matter.
    values: &'a [f32],
}

impl<I> Clone for Table<'_, I> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<I> Copy for Table<'_, I> {}

impl<'a, I: Number> Table<'a, I> {
    /// Numbers and values (or none) of a row.
    #[inline(always)]
    fn entries(self, head: Head) -> (&'a [I], &'a [f32]) {
        let range = head.range();
        (&self.numbers[range.clone()], if self.values.is_empty() { &[] } else { &self.values[range] })
    }
}

/// Sparse rows, and what a search needs beside distances between them.
pub(crate) struct SparseRows {
    kernel: SparseKernel,
    dim: usize,
    columns: Columns,
    heads: Vec<Head>,
    /// The largest of the rows, and the largest |mean|.
    largest: Mark,
    numbers: Numbers,
    values: Vec<f32>,
    level: Level,
    /// Whether distances are computed in f64: see [`SparseRows::choose_precision`].
    is_precise: bool,
    pool: Pool,
}

impl SparseRows {
    pub(crate) fn new(rows: Csr, kernel: SparseKernel, level: Level) -> Self {
        let columns = Columns::of(rows);
        let numbers = match columns.len() {
            ..=NARROW => Numbers::Narrow(Vec::with_capacity(rows.nnz())),
            _ => Numbers::Wide(Vec::with_capacity(rows.nnz())),
        };
        let (heads, values) = (Vec::with_capacity(rows.n()), Vec::new());
        let pool = Pool::default();
        let (dim, largest) = (rows.dim(), Mark::default());
        let mut space = Self { kernel, dim, columns, heads, largest, numbers, values, level, is_precise: false, pool };
        space.append(rows);
        space
    }

    /// Appends rows, whose columns have numbers.
    fn append(&mut self, rows: Csr) {
        let Self { kernel, dim, columns, heads, largest, numbers, values, level, .. } = self;
        let to_entries = Prepare { kernel: *kernel, dim: *dim, columns, level: *level };
        let before = heads.len();
        with_numbers!(numbers, numbers => append(to_entries, rows, heads, numbers, values));
        for head in &heads[before..] {
            largest.size = largest.size.max(head.size);
            largest.mean = largest.mean.max(head.mean.abs());
        }
    }

    /// Appends rows, as they were given when the space was made.
    pub(crate) fn push(&mut self, rows: Csr) {
        self.columns.extend(rows);
        if self.columns.len() > NARROW
            && let Numbers::Narrow(narrow) = &self.numbers
        {
            self.numbers = Numbers::Wide(narrow.iter().map(|&n| n.into()).collect());
        }
        self.append(rows);
    }

    /// Keeps the rows `order`, row `order[i]` in place `i`.
    pub(crate) fn select(&mut self, order: &[u32]) {
        let heads: Vec<Head> = order.iter().map(|&i| self.heads[i as usize]).collect();
        // One array after the other, so that only one is there twice at a time.
        with_numbers!(&mut self.numbers, numbers => *numbers = gathered(&heads, numbers));
        if self.kernel.has_values() {
            self.values = gathered(&heads, &self.values);
        }
        self.heads = heads;
        let mut start = 0;
        for head in &mut self.heads {
            head.start = start;
            start += u64::from(head.len);
        }
    }

    /// The columns of a row, ascending, and their values as they were given (1 in sets).
    pub(crate) fn decode(&self, row: u32) -> (Vec<u32>, Vec<f32>) {
        let head = self.heads[row as usize];
        let mut entries: Vec<(u32, f32)> = Vec::with_capacity(head.len as usize);
        let scale = f64::from(head.exponent).exp2();
        for at in head.range() {
            let number = with_numbers!(&self.numbers, numbers => numbers[at].get());
            let value = self.values.get(at).map_or(1.0, |&v| (f64::from(v) * scale) as f32);
            entries.push((self.columns.names()[number as usize], value));
        }
        entries.sort_unstable_by_key(|e| e.0);
        entries.into_iter().unzip()
    }

    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    /// Bytes held for rows and columns.
    pub(crate) fn memory(&self) -> usize {
        let numbers = with_numbers!(&self.numbers, numbers => size_of_val(&numbers[..]));
        size_of_val(&self.heads[..]) + numbers + size_of_val(&self.values[..]) + self.columns.memory()
    }
}

/// The stretches of `heads`, one after the other.
fn gathered<T: Copy>(heads: &[Head], from: &[T]) -> Vec<T> {
    let mut to = Vec::with_capacity(heads.iter().map(|h| h.len as usize).sum());
    heads.iter().for_each(|h| to.extend_from_slice(&from[h.range()]));
    to
}

/// How rows that were given become rows that are stored.
#[derive(Clone, Copy)]
struct Prepare<'a> {
    kernel: SparseKernel,
    dim: usize,
    columns: &'a Columns,
    level: Level,
}

/// A row to be stored, or a query.
#[derive(Debug, Clone, Default)]
struct Entries {
    /// (number, value), ascending; columns without a number last, as [`UNKNOWN`].
    pairs: Vec<(u32, f32)>,
    values: Vec<f32>,
}

/// Stands for columns that no row has.
const UNKNOWN: u32 = u32::MAX;

impl Prepare<'_> {
    /// Numbers, scales and sums up a row. The head's place is not set.
    fn row(self, row: SparseRow, entries: &mut Entries) -> Head {
        let Entries { pairs, values } = entries;
        pairs.clear();
        pairs.extend(row.entries().map(|(c, v)| (self.columns.number(c).unwrap_or(UNKNOWN), v)));
        pairs.sort_unstable_by_key(|p| p.0);
        values.clear();
        values.extend(pairs.iter().map(|p| p.1));
        let len = values.len() as u32;
        if let SparseKernel::Values(Form::Angular { centered }) = self.kernel {
            let exponent = rescale(values);
            let Mark { size, mean } = direction(values, centered.then_some(self.dim));
            return Head { start: 0, len, exponent, size, mean };
        }
        let level = self.level;
        let size = with_terms!(self.kernel, self.dim, kernel => dispatch_scalar(level, Own { kernel, values }), chebyshev => 0.0);
        Head { start: 0, len, exponent: 0, size, mean: 0.0 }
    }
}

/// The sum of a row with itself, in the operations that pairs of rows are computed with: rows that are equal are at
/// distance 0.
struct Own<'a, K> {
    kernel: K,
    values: &'a [f32],
}

impl<K: SparseTerms> Op for Own<'_, K> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self) -> f32 {
        let mut sums = [0.0; 2];
        for &value in self.values {
            let value = if K::VALUES { value } else { 1.0 };
            sums = self.kernel.step::<Single<S>>(sums, value, value);
        }
        self.kernel.own(sums)
    }
}

/// Multiplies values by a power of two that brings the largest near 1; its exponent, negated.
fn rescale(values: &mut [f32]) -> i32 {
    let largest = values.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    if largest == 0.0 {
        return 0;
    }
    let exponent = f64::from(largest).log2().floor() as i32;
    let scale = f64::from(-exponent).exp2();
    values.iter_mut().for_each(|v| *v = (f64::from(*v) * scale) as f32);
    exponent
}

/// What brings a row to length 1, after subtracting the mean of `centered` columns.
fn direction(values: &[f32], centered: Option<usize>) -> Mark {
    let sum = |f: &dyn Fn(f64) -> f64| values.iter().map(|&v| f(v.into())).sum::<f64>();
    let Some(dim) = centered else {
        let length = sum(&|v| v * v).sqrt();
        return Mark { size: if length > 0.0 { (1.0 / length) as f32 } else { 0.0 }, mean: 0.0 };
    };
    let is_constant = values.len() == dim && values.iter().all(|v| *v == values[0]);
    if is_constant || values.is_empty() {
        return Mark::default();
    }
    let columns = dim as f64;
    let mean = sum(&|v| v) / columns;
    let length = (sum(&|v| (v - mean).powi(2)) + (columns - values.len() as f64) * mean * mean).sqrt();
    Mark { size: (1.0 / length) as f32, mean: (mean * columns.sqrt() / length) as f32 }
}

/// Rows prepared by one task.
const BLOCK: usize = 1024;

/// Appends rows to the arrays, a block of them to a task.
fn append<I: Number>(prepare: Prepare, rows: Csr, heads: &mut Vec<Head>, numbers: &mut Vec<I>, values: &mut Vec<f32>) {
    let first = heads.len();
    let mut start = numbers.len() as u64;
    for i in 0..rows.n() {
        let len = rows.row(i).entries().count() as u32;
        heads.push(Head { start, len, exponent: 0, size: 0.0, mean: 0.0 });
        start += u64::from(len);
    }
    let begin = numbers.len();
    numbers.resize(start as usize, I::zeroed());
    if prepare.kernel.has_values() {
        values.resize(start as usize, 0.0);
    }
    let mut rest = (&mut numbers[begin..], values.get_mut(begin..).unwrap_or_default());
    let mut blocks = Vec::new();
    for (block, heads) in heads[first..].chunks_mut(BLOCK).enumerate() {
        let len: usize = heads.iter().map(|h| h.len as usize).sum();
        let here = rest.0.split_at_mut(len);
        let there = rest.1.split_at_mut(len.min(rest.1.len()));
        rest = (here.1, there.1);
        blocks.push((block * BLOCK, heads, here.0, there.0));
    }
    parallel::for_each(blocks, |(first, heads, numbers, values)| {
        fill_block(prepare, rows, first, &mut Entries::default(), heads, numbers, values);
    });
}

/// Fills the stretches that belong to the rows of `heads`, of which `first` is the first.
fn fill_block<I: Number>(
    prepare: Prepare,
    rows: Csr,
    first: usize,
    entries: &mut Entries,
    heads: &mut [Head],
    numbers: &mut [I],
    values: &mut [f32],
) {
    let mut at = 0;
    for (i, head) in heads.iter_mut().enumerate() {
        *head = Head { start: head.start, ..prepare.row(rows.row(first + i), entries) };
        let range = at..at + entries.pairs.len();
        at = range.end;
        for (number, pair) in numbers[range.clone()].iter_mut().zip(&entries.pairs) {
            *number = I::of(pair.0);
        }
        if let Some(values) = values.get_mut(range) {
            values.copy_from_slice(&entries.values);
        }
    }
}

impl WorkingRows for SparseRows {
    fn n(&self) -> usize {
        self.heads.len()
    }

    fn sort_keys(&self, tree: u64, seed: u64) -> Option<Vec<u64>> {
        if tree == 0 {
            return None;
        }
        let key = |(): &mut (), i: usize| {
            let head = self.heads[i];
            with_numbers!(&self.numbers, numbers => min_hashes(&numbers[head.range()], self.values.get(head.range()), seed))
        };
        Some(parallel::map(self.heads.len(), 256, || (), key))
    }

    fn renumber(&mut self, order: &[u32]) {
        // Entries stay: moved, they would be there twice, for a build 3 % faster.
        super::permute_rows(&mut self.heads, 1, order);
    }

    fn describe(&self) -> String {
        let kind = with_numbers!(&self.numbers, numbers => 8 * size_of_val(&numbers[..]) / numbers.len().max(1));
        format!("sparse rows of {} columns of {kind} bits, {}", self.columns.len(), self.level.name())
    }

    fn splits_by_direction(&self) -> bool {
        self.kernel == SparseKernel::Values(Form::Inner)
    }
}

impl ReducedDistances for SparseRows {
    fn error_bound(&self, row: u32) -> Option<ErrorBound> {
        let SparseKernel::Values(form) = self.kernel else { return None };
        if self.is_precise {
            return ErrorBound::new(Form::Manhattan, 0, 0.0);
        }
        let head = self.heads[row as usize];
        // Columns in common are summed one after the other.
        let relative = (f64::from(head.len) + 16.0) * UNIT_ROUNDOFF * 1.5;
        let sizes = f64::from(head.size) + f64::from(self.largest.size);
        let absolute = match form {
            Form::Chebyshev | Form::Hamming => return None,
            Form::L2 | Form::Inner | Form::Manhattan | Form::Canberra => 2.0 * relative * sizes,
            // Powers have an error of some millionths of their roots.
            Form::Minkowski(p) => 2.0 * (relative + f64::from(p) * 6e-6) * sizes,
            Form::Angular { .. } => {
                let mean = head.mean.abs().max(self.largest.mean).into();
                2.0 * (relative + 8.0 * UNIT_ROUNDOFF) * (1.0 + f64::powi(mean, 2))
            }
            // The sum of the rows may cancel, too.
            Form::BrayCurtis | Form::TsSs => f64::INFINITY,
        };
        // What each column in common may lose to underflow.
        let absolute = absolute + 8.0 * f64::from(head.len) * f64::from(f32::MIN_POSITIVE) * UNIT_ROUNDOFF;
        Some(ErrorBound::absolute(absolute, form != Form::Inner))
    }

    fn one_to_many(&self, row: u32, others: &[u32], out: &mut [f32]) {
        if self.is_precise {
            let mut found = vec![0.0; others.len()];
            self.one_to_many_exactly(row, others, &mut found);
            return out.iter_mut().zip(found).for_each(|(out, d)| *out = d as f32);
        }
        self.pool.with(|scratch| {
            self.scatter(row, &mut scratch.query);
            self.query_to_many(&scratch.query, others, out);
            scratch.query.clear();
        });
    }

    fn two_to_many(&self, rows: [u32; 2], others: &[u32], out: &mut [[f32; 2]]) {
        if self.is_precise {
            let mut found = vec![0.0; others.len()];
            for (side, row) in rows.into_iter().enumerate() {
                self.one_to_many(row, others, &mut found);
                out.iter_mut().zip(&found).for_each(|(out, &d)| out[side] = d);
            }
            return;
        }
        self.pool.with(|scratch| {
            let mut found = std::mem::take(&mut scratch.distances);
            found.resize(others.len(), 0.0);
            for (side, row) in rows.into_iter().enumerate() {
                self.scatter(row, &mut scratch.query);
                self.query_to_many(&scratch.query, others, &mut found);
                scratch.query.clear();
                out.iter_mut().zip(&found).for_each(|(out, &d)| out[side] = d);
            }
            scratch.distances = found;
        });
    }

    fn all_pairs(&self, ids: &[u32], out: &mut [f32]) {
        if self.is_precise {
            return all_pairs_by_rows(ids, out, &mut |i, others, out| self.one_to_many(ids[i], others, out));
        }
        with_numbers!(&self.numbers, numbers => panel::all_pairs(self, self.table(numbers), ids, out));
    }

    fn block(&self, rows: &[u32], first: u32, out: &mut [f32]) {
        with_numbers!(&self.numbers, numbers => panel::block(self, self.table(numbers), rows, first, out));
    }
}

impl SparseRows {
    fn table<'a, I>(&'a self, numbers: &'a [I]) -> Table<'a, I> {
        Table { heads: &self.heads, numbers, values: &self.values }
    }
}
