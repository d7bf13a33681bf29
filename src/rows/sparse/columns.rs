//! Numbers for the columns that occur, so that arrays with a place for each column are as short as possible.

use crate::points::Csr;

/// The columns that occur, numbered: the most frequent first, so that those looked up most lie together.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    /// The column of every number.
    names: Vec<u32>,
    numbers: Numbers,
}

/// The number of every column.
#[derive(Debug, Clone)]
enum Numbers {
    /// Of all columns, [`NONE`] where a column does not occur.
    Table(Vec<u32>),
    /// (column, number), ascending.
    Sorted(Vec<(u32, u32)>),
}

const NONE: u32 = u32::MAX;
/// A table of columns is kept if it has fewer places than this plus a quarter of the entries.
const SMALL: usize = 1 << 12;

impl Columns {
    pub(super) fn of(rows: Csr) -> Self {
        let mut counted = if fits(&rows) { counts_by_table(rows) } else { counts_by_sorting(rows) };
        counted.sort_unstable_by_key(|&(column, count)| (std::cmp::Reverse(count), column));
        Self::named(counted.into_iter().map(|c| c.0).collect(), fits(&rows).then(|| rows.dim()))
    }

    /// Columns numbered in the order of `names`, with a table of `table` columns.
    pub(super) fn named(names: Vec<u32>, table: Option<usize>) -> Self {
        let pairs = names.iter().copied().zip(0..);
        let numbers = match table {
            Some(dim) => {
                let mut table = vec![NONE; dim];
                pairs.for_each(|(column, number)| table[column as usize] = number);
                Numbers::Table(table)
            }
            None => Numbers::Sorted(sorted(pairs.collect())),
        };
        Self { names, numbers }
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn names(&self) -> &[u32] {
        &self.names
    }

    pub(super) fn number(&self, column: u32) -> Option<u32> {
        match &self.numbers {
            Numbers::Table(table) => Some(table[column as usize]).filter(|n| *n != NONE),
            Numbers::Sorted(pairs) => pairs.binary_search_by_key(&column, |p| p.0).ok().map(|at| pairs[at].1),
        }
    }

    /// Bytes held.
    pub(super) fn memory(&self) -> usize {
        let numbers = match &self.numbers {
            Numbers::Table(table) => size_of_val(&table[..]),
            Numbers::Sorted(pairs) => size_of_val(&pairs[..]),
        };
        size_of_val(&self.names[..]) + numbers
    }

    /// Numbers the columns of further rows, after those there are.
    pub(super) fn extend(&mut self, rows: Csr) {
        let all = (0..rows.n()).flat_map(|i| rows.row(i).entries()).map(|e| e.0);
        let mut new: Vec<u32> = all.filter(|&c| self.number(c).is_none()).collect();
        new.sort_unstable();
        new.dedup();
        let first = self.len() as u32;
        let pairs = new.iter().copied().zip(first..);
        match &mut self.numbers {
            Numbers::Table(table) => pairs.for_each(|(column, number)| table[column as usize] = number),
            Numbers::Sorted(old) => {
                old.extend(pairs);
                old.sort_unstable();
            }
        }
        self.names.extend(new);
    }
}

fn sorted(mut pairs: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    pairs.sort_unstable();
    pairs
}

fn fits(rows: &Csr) -> bool {
    rows.dim() <= SMALL + rows.nnz() / 4
}

fn counts_by_table(rows: Csr) -> Vec<(u32, u32)> {
    let mut counts = vec![0u32; rows.dim()];
    for i in 0..rows.n() {
        rows.row(i).entries().for_each(|(column, _)| counts[column as usize] += 1);
    }
    (0..).zip(counts).filter(|c| c.1 > 0).collect()
}

fn counts_by_sorting(rows: Csr) -> Vec<(u32, u32)> {
    let mut all: Vec<u32> = (0..rows.n()).flat_map(|i| rows.row(i).entries()).map(|e| e.0).collect();
    all.sort_unstable();
    all.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::CsrMatrix;

    #[test]
    fn columns_are_numbered_by_how_often_they_occur() {
        for dim in [10, u32::MAX as usize] {
            let matrix = CsrMatrix::new(dim, vec![0, 2, 4, 5], vec![9, 3, 4, 9, 0], vec![1.0; 5]).unwrap();
            let mut columns = Columns::of(matrix.view());
            assert_eq!(columns.names(), [9, 0, 3, 4]);
            assert_eq!([9, 0, 3, 4, 5].map(|c| columns.number(c)), [Some(0), Some(1), Some(2), Some(3), None]);
            let more = CsrMatrix::new(dim, vec![0, 3], vec![8, 3, 5], vec![1.0; 3]).unwrap();
            columns.extend(more.view());
            assert_eq!(columns.names(), [9, 0, 3, 4, 5, 8]);
            assert_eq!([5, 8, 9].map(|c| columns.number(c)), [Some(4), Some(5), Some(0)]);
            let same = Columns::named(columns.names().to_vec(), None);
            assert_eq!([5, 8, 9, 7].map(|c| same.number(c)), [Some(4), Some(5), Some(0), None]);
        }
    }
}
