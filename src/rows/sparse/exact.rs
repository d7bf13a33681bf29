//! Distances in f64 from the stored rows, by look-ups as in `gather.rs`: several times faster than merging both rows,
//! which is left to pairs so near that sums would cancel.

use super::gather::SparseQuery;
use super::kernels::SparseKernel;
use super::{Head, Number, Numbers, SparseRows, Table, with_numbers};
use crate::metric::Form;
use crate::metric::kernels::{Kernel, ts_ss, with_kernel};
use crate::points::SparseRow;
use crate::rng::stratified_sample;
use crate::rows::ReducedDistances;
use crate::rows::sparse::definition;

/// A distance that is a smaller part than this of the sums it is the difference of is computed by walking along both
/// rows.
const NEAR: f64 = 1e-6;

impl SparseRows {
    /// Computes distances in f64 from here on if rows lie so close together that f32 does not tell near ones apart: if,
    /// in a sample, its error is more than a hundredth of the distance of the nearest other row.
    pub(crate) fn choose_precision(&mut self) {
        const SAMPLE: usize = 512;
        const ROWS: usize = 32;
        const WORTH: f64 = 0.01;
        let n = self.heads.len();
        let sample: Vec<u32> = stratified_sample(0, 0x5b, n, n.min(SAMPLE)).map(|row| row as u32).collect();
        let is_blurred = |row: u32| {
            let Some(bound) = self.error_bound(row) else { return false };
            let mut distances = vec![0.0; sample.len()];
            self.one_to_many_exactly(row, &sample, &mut distances);
            let others = distances.iter().zip(&sample).filter(|(d, other)| **other != row && **d > 0.0);
            let nearest = others.map(|(d, _)| d.abs()).fold(f64::INFINITY, f64::min);
            let error = bound.most_computed(nearest) - nearest;
            nearest.is_finite() && error.is_finite() && error > WORTH * nearest
        };
        let looked_at = || sample.iter().step_by(sample.len().div_ceil(ROWS).max(1));
        let blurred = looked_at().filter(|&&row| is_blurred(row)).count();
        self.is_precise = 4 * blurred > looked_at().count();
    }

    /// Reduced distances of `row` to each of `others` in f64. The same to the bit from either side.
    pub(crate) fn one_to_many_exactly(&self, row: u32, others: &[u32], out: &mut [f64]) {
        self.pool.with(|scratch| {
            self.scatter(row, &mut scratch.query);
            self.query_to_many_exactly(&scratch.query, others, out);
            scratch.query.clear();
        });
    }

    /// Reduced distances of `query` to each of `others` in f64.
    pub(crate) fn query_to_many_exactly(&self, query: &SparseQuery, others: &[u32], out: &mut [f64]) {
        assert_eq!(others.len(), out.len());
        let form = match self.kernel {
            SparseKernel::Values(form) => Some(form).filter(|form| !matches!(form, Form::Chebyshev | Form::Hamming)),
            SparseKernel::Sets(_) => None,
        };
        let Some(form) = form else {
            // Counts and single differences are exact in f32.
            let mut found = vec![0.0; others.len()];
            self.query_to_many(query, others, &mut found);
            return out.iter_mut().zip(found).for_each(|(out, d)| *out = d.into());
        };
        let own = own(form, &query.values);
        with_numbers!(&self.numbers, numbers => {
            let table = self.table(numbers);
            for (&other, out) in others.iter().zip(out) {
                *out = self.exactly(form, table, query, own, self.heads[other as usize]);
            }
        });
    }

    fn exactly<I: Number>(&self, form: Form, table: Table<I>, query: &SparseQuery, own: f64, head: Head) -> f64 {
        let (numbers, values) = table.entries(head);
        let row = Row { numbers, values };
        let found = match form {
            Form::Inner => return 0.0 - row.products(query)[0],
            Form::Angular { .. } if query.mark.size == 0.0 || head.size == 0.0 => {
                return f64::from(u8::from(query.mark.size != head.size));
            }
            Form::Angular { centered } => self.angle(query, own, row, centered),
            Form::L2 => row.squared(query, own).map(|[squared, _]| squared),
            Form::TsSs => row.squared(query, own).map(|[squared, other]| ts_ss(squared, own, other)),
            Form::BrayCurtis => row.ratio(query, own),
            form => with_kernel!(form, kernel => row.one_sum(query, own, kernel)),
        };
        found.unwrap_or_else(|| self.walked(query, row))
    }

    /// 1 - cos; none if it is too near zero.
    fn angle<I: Number>(&self, query: &SparseQuery, own: f64, row: Row<I>, centered: bool) -> Option<f64> {
        let [xy, yy] = row.products(query);
        let [mean_x, mean_y] = [&query.values[..], row.values].map(|v| if centered { self.mean(v) } else { 0.0 });
        let columns = self.dim as f64;
        let lengths = (own - columns * mean_x * mean_x) * (yy - columns * mean_y * mean_y);
        let found = 1.0 - (xy - columns * (mean_x * mean_y)) / lengths.sqrt();
        // What the means take away from the lengths is lost to the difference, too.
        (found >= NEAR * (own * yy / lengths).sqrt()).then_some(found)
    }

    fn mean(&self, values: &[f32]) -> f64 {
        values.iter().map(|&v| f64::from(v)).sum::<f64>() / self.dim as f64
    }

    /// The distance by walking along both rows.
    fn walked<I: Number>(&self, query: &SparseQuery, row: Row<I>) -> f64 {
        let mut own = query.numbers.clone();
        // Columns that no row has come after all others.
        own.extend((self.columns.len() as u32..).take(query.values.len() - query.numbers.len()));
        let numbers: Vec<u32> = row.numbers.iter().map(|n| n.get()).collect();
        let x = SparseRow { indices: &own, values: &query.values };
        let y = SparseRow { indices: &numbers, values: row.values };
        definition::distance(self.kernel, x, y, self.dim)
    }
}

/// A row as it is stored.
#[derive(Clone, Copy)]
struct Row<'a, I> {
    numbers: &'a [I],
    values: &'a [f32],
}

impl<I: Number> Row<'_, I> {
    /// The values of a query and of this row, in the columns of this row.
    fn pairs(&self, query: &SparseQuery) -> impl Iterator<Item = (f64, f64)> {
        self.numbers.iter().zip(self.values).map(|(n, &y)| (query.dense[n.get() as usize].into(), y.into()))
    }

    /// x·y and y·y.
    fn products(&self, query: &SparseQuery) -> [f64; 2] {
        self.pairs(query).fold([0.0; 2], |[xy, yy], (x, y)| [xy + x * y, yy + y * y])
    }

    /// Σ (x-y)² and y·y.
    fn squared(&self, query: &SparseQuery, own: f64) -> Option<[f64; 2]> {
        let [xy, yy] = self.products(query);
        far(own + yy, 2.0 * xy).map(|squared| [squared, yy])
    }

    /// Σ |x-y| / Σ |x+y|.
    fn ratio(&self, query: &SparseQuery, own: f64) -> Option<f64> {
        let [other, shared] = self.shared(query, |x, y| (x - y).abs());
        let [_, shared_of_opposite] = self.shared(query, |x, y| (x + y).abs());
        Some(far(own + other, shared)? / far(own + other, shared_of_opposite)?)
    }

    /// A kernel that is one sum over columns.
    fn one_sum<K: Kernel>(&self, query: &SparseQuery, own: f64, kernel: K) -> Option<f64> {
        if !K::IS_ONE_SUM {
            return None;
        }
        let [other, shared] = self.shared(query, |x, y| kernel.add([0.0; 3], x, y)[0]);
        far(own + other, shared).map(|sum| kernel.defined([sum, 0.0, 0.0]))
    }

    /// Of a sum over columns: what this row adds alone, and what is too much of that and the query's own where both
    /// are.
    fn shared(&self, query: &SparseQuery, term: impl Fn(f64, f64) -> f64) -> [f64; 2] {
        self.pairs(query).fold([0.0; 2], |[other, shared], (x, y)| {
            let alone = term(y, 0.0);
            let too_much = if x == 0.0 { 0.0 } else { (term(x, 0.0) + alone) - term(x, y) };
            [other + alone, shared + too_much]
        })
    }
}

/// What a row adds to the sum of a kernel alone.
fn own(form: Form, values: &[f32]) -> f64 {
    let values = values.iter().map(|&x| f64::from(x));
    match form {
        Form::Angular { .. } => values.fold(0.0, |own, x| own + x * x),
        form => with_kernel!(form, kernel => values.fold([0.0; 3], |own, x| kernel.add(own, x, 0.0))[0]),
    }
}

/// A difference, unless it is too near zero for what it is the difference of.
fn far(size: f64, shared: f64) -> Option<f64> {
    let apart = size - shared;
    (apart > NEAR * size).then_some(apart)
}
