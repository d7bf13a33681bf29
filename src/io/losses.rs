//! What f32 loses of a matrix that is read some rows at a time.

use super::matrix::Narrowing;
use super::number::Number;
use super::wide::{WideMatrix, WideValues, with_numbers};
use crate::parallel;

/// A column is held too coarsely if a value loses more than this share of its standard deviation.
const COARSE: f64 = 1e-4;
/// Rows in a task.
const GRAIN: usize = 1 << 14;

/// What was lost of the values of a file that were converted to f32.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PrecisionLoss {
    /// numpy's name of the type in the file.
    pub dtype: String,
    /// The value that lost most; its error is 0 if f32 holds all values.
    pub largest: Narrowing,
    /// The value that lost most in the column that is held most coarsely: whose largest error is the largest share of
    /// its standard deviation. Columns of one value do not count.
    pub coarsest: Narrowing,
    /// The standard deviation of that column; 0 if there is none.
    pub spread: f64,
}

impl PrecisionLoss {
    /// Whether neighbours that should be told apart may not be: a value lost more than 1e-4 of the standard deviation
    /// of its column. What the values of that column have in common should be subtracted before.
    #[must_use]
    pub fn is_coarse(&self) -> bool {
        self.coarsest.error > COARSE * self.spread
    }
}

/// Losses of every column so far.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    rows: usize,
    /// The first row, from which means are counted: f64 itself is too coarse for long integers.
    origin: Vec<f64>,
    columns: Vec<Column>,
}

#[derive(Debug, Clone, Copy)]
struct Column {
    worst: Narrowing,
    mean: f64,
    /// Sum of squared differences from the mean.
    squares: f64,
}

impl Column {
    const NONE: Self = Self { worst: Narrowing { error: 0.0, row: 0, column: 0, value: 0.0 }, mean: 0.0, squares: 0.0 };

    /// Adds a column of `new` rows to one of `rows` (Chan, Golub and LeVeque 1979).
    fn add(&mut self, rows: usize, other: &Self, new: usize) {
        let share = new as f64 / (rows + new) as f64;
        let apart = other.mean - self.mean;
        self.mean += apart * share;
        self.squares += other.squares + apart * apart * share * rows as f64;
        if other.worst.error > self.worst.error {
            self.worst = other.worst;
        }
    }
}

impl Losses {
    /// Adds the next rows. The sums do not depend on the threads.
    pub(crate) fn add(&mut self, next: &WideMatrix) {
        if !matches!(next.values, WideValues::Narrow(_)) && next.n() > 0 && next.dim() > 0 {
            with_numbers!(&next.values, x => self.add_values(x, next.dim()));
        }
    }

    fn add_values<T: Number>(&mut self, x: &[T], dim: usize) {
        if self.columns.is_empty() {
            self.origin = x[..dim].iter().map(|value| value.wide()).collect();
            self.columns = vec![Column::NONE; dim];
        }
        let (first, origin) = (self.rows, &self.origin);
        let blocks = parallel::map_ranges(x.len() / dim, GRAIN, |rows| {
            (rows.len(), losses(&x[rows.start * dim..rows.end * dim], first + rows.start, origin))
        });
        for (new, block) in blocks {
            self.columns.iter_mut().zip(&block).for_each(|(column, other)| column.add(self.rows, other, new));
            self.rows += new;
        }
    }

    /// What was lost in all, of values of a type.
    pub(crate) fn of(&self, dtype: &str) -> PrecisionLoss {
        let nothing = Column::NONE.worst;
        let mut loss = PrecisionLoss { dtype: dtype.into(), largest: nothing, coarsest: nothing, spread: 0.0 };
        for Column { worst, squares, .. } in &self.columns {
            if worst.error > loss.largest.error {
                loss.largest = *worst;
            }
            let spread = (squares / self.rows as f64).sqrt();
            let is_coarser = || loss.spread == 0.0 || worst.error / spread > loss.coarsest.error / loss.spread;
            if spread > 0.0 && is_coarser() {
                (loss.coarsest, loss.spread) = (*worst, spread);
            }
        }
        loss
    }
}

/// Losses of rows, of which the first is row `first` of the file.
fn losses<T: Number>(x: &[T], first: usize, origin: &[f64]) -> Vec<Column> {
    let mut columns = vec![Column::NONE; origin.len()];
    for (i, row) in x.chunks_exact(origin.len()).enumerate() {
        let share = 1.0 / (i + 1) as f64;
        for (j, (column, value)) in columns.iter_mut().zip(row).enumerate() {
            let wide = value.wide();
            let error = (wide - f64::from(wide as f32)).abs();
            if error > column.worst.error {
                column.worst = Narrowing { error, row: first + i, column: j, value: wide };
            }
            let apart = value.minus(origin[j]) - column.mean;
            column.mean += apart * share;
            column.squares += apart * apart * (1.0 - share);
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(chunks: &[&[f64]], dim: usize) -> PrecisionLoss {
        let mut losses = Losses::default();
        chunks.iter().for_each(|x| losses.add(&WideMatrix::new(x.to_vec(), x.len() / dim, dim).unwrap()));
        losses.of("float64")
    }

    #[test]
    fn the_coarsest_column_is_that_of_the_least_spread() {
        // Columns: exact, of one value, far and wide, far and narrow.
        let rows: Vec<f64> = (0..40)
            .flat_map(|i| [f64::from(i), 0.1, 1e9 + 1e8 * f64::from(i), 1e6 + 0.01 * f64::from(i % 2)])
            .collect();
        let all = loss(&[&rows], 4);
        assert_eq!((all.coarsest.column, all.coarsest.row), (3, 1));
        assert!((all.spread - 0.005).abs() < 1e-9 && all.is_coarse(), "{all:?}");
        assert!(all.largest.column == 2 && all.largest.error > all.coarsest.error, "{all:?}");
        let parts = loss(&[&rows[..4], &rows[4..100], &rows[100..]], 4);
        assert!((parts.spread / all.spread - 1.0).abs() < 1e-9, "{parts:?}");
        assert_eq!((parts.largest, parts.coarsest), (all.largest, all.coarsest));
    }

    #[test]
    fn columns_of_one_value_and_exact_ones_lose_nothing_that_matters() {
        let constant = loss(&[&[0.1; 7], &[0.1; 30]], 1);
        assert!(constant.largest.error > 0.0 && constant.spread == 0.0 && !constant.is_coarse(), "{constant:?}");
        let exact = loss(&[&[1.0, 2.0, 3.5]], 1);
        assert!(exact.largest.error == 0.0 && !exact.is_coarse(), "{exact:?}");
        assert!(!loss(&[], 1).is_coarse());
    }
}
