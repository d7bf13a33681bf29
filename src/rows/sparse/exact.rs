//! Distances in f64 from the stored rows, by look-ups as in `gather.rs`: several times faster than merging both rows, which is left
//! to pairs so near that sums would cancel.

use super::gather::SparseQuery;
use super::kernels::SparseKernel;
use super::{Head, Number, Numbers, SparseRows, Table, with_numbers};
use crate::metric::body::ts_ss;
use crate::points::SparseRow;
use crate::rows::sparse::definition;

/// A distance smaller than this part of the sums whose difference it is, is computed by merging both rows.
const NEAR: f64 = 1e-6;

impl SparseRows {
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
        if matches!(self.kernel, SparseKernel::Chebyshev | SparseKernel::Hamming | SparseKernel::SetMetric(_)) {
            // Counts and single differences are exact in f32.
            let mut found = vec![0.0; others.len()];
            self.query_to_many(query, others, &mut found);
            return out.iter_mut().zip(found).for_each(|(out, d)| *out = d.into());
        }
        let term = term(self.kernel);
        let own = query.values.iter().fold(0.0, |own, &x| own + term(x.into(), 0.0));
        with_numbers!(&self.numbers, numbers => {
            let table = self.table(numbers);
            for (&other, out) in others.iter().zip(out) {
                *out = self.exactly(table, query, own, self.heads[other as usize]);
            }
        });
    }

    fn exactly<I: Number>(&self, table: Table<I>, query: &SparseQuery, own: f64, head: Head) -> f64 {
        let (numbers, values) = table.entries(head);
        let row = Row { numbers, values };
        let found = match self.kernel {
            SparseKernel::Inner => return 0.0 - row.products(query)[0],
            SparseKernel::Angular { .. } if query.mark.size == 0.0 || head.size == 0.0 => {
                return f64::from(u8::from(query.mark.size != head.size));
            }
            SparseKernel::Angular { centered } => self.angle(query, own, row, centered),
            kernel => of_sums(kernel, query, own, row),
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
        // The difference loses the digits that subtracting the means takes from the lengths.
        (found >= NEAR * (own * yy / lengths).sqrt()).then_some(found)
    }

    fn mean(&self, values: &[f32]) -> f64 {
        values.iter().map(|&v| f64::from(v)).sum::<f64>() / self.dim as f64
    }

    /// The distance by merging both rows.
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

    /// Of a sum over columns: what this row adds alone, and what is too much of that and the query's own where both are.
    fn shared(&self, query: &SparseQuery, term: impl Fn(f64, f64) -> f64) -> [f64; 2] {
        self.pairs(query).fold([0.0; 2], |[other, shared], (x, y)| {
            let alone = term(y, 0.0);
            let too_much = if x == 0.0 { 0.0 } else { (term(x, 0.0) + alone) - term(x, y) };
            [other + alone, shared + too_much]
        })
    }
}

/// The distance of kernels that are sums over columns; none where the sums cancel.
fn of_sums<I: Number>(kernel: SparseKernel, query: &SparseQuery, own: f64, row: Row<I>) -> Option<f64> {
    let term = term(kernel);
    let [other, shared] = match kernel {
        SparseKernel::L2 | SparseKernel::TsSs => {
            let [xy, yy] = row.products(query);
            [yy, 2.0 * xy]
        }
        _ => row.shared(query, &term),
    };
    let (size, apart) = (own + other, (own + other) - shared);
    let far = |sum: f64| sum > NEAR * size;
    match kernel {
        SparseKernel::BrayCurtis => {
            let together = size - row.shared(query, |x, y| term(x, -y))[1];
            (far(apart) && far(together)).then(|| apart / together)
        }
        SparseKernel::TsSs => far(apart).then(|| ts_ss(apart, own, other)),
        _ => far(apart).then_some(apart),
    }
}

/// What a column adds to the sum that a kernel is made of.
fn term(kernel: SparseKernel) -> impl Fn(f64, f64) -> f64 {
    move |a, b| match kernel {
        SparseKernel::Manhattan | SparseKernel::BrayCurtis => (a - b).abs(),
        SparseKernel::Minkowski(p) => (a - b).abs().powf(p.into()),
        SparseKernel::Canberra if a == b => 0.0,
        SparseKernel::Canberra => (a - b).abs() / (a.abs() + b.abs()),
        _ => (a - b) * (a - b),
    }
}
