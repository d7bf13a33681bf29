//! Outliers made of the user's own data, to tell which score and metric find such.

use crate::analysis::error::{AnalysisError, check_parameter};
use crate::rng::{below, hash};

/// A set with outliers among it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Doped {
    /// The rows that were given, and after them the made ones: `(n + count) x dim`.
    pub values: Vec<f32>,
    /// Which rows were made.
    pub is_outlier: Vec<bool>,
}

/// Adds `count` copies of rows of `values` (`n x dim`, row-major) in which `changed` values each are those of other
/// rows in the same column: plausible in every column, but not together.
///
/// # Errors
/// Fewer than two rows, values that are not whole rows, `count` zero or more than `n`, `changed` zero or more than
/// `dim`.
pub fn doped(values: &[f32], dim: usize, count: usize, changed: usize, seed: u64) -> Result<Doped, AnalysisError> {
    check_parameter("dim", dim, dim > 0 && values.len().is_multiple_of(dim), "a divisor of the number of values")?;
    let n = values.len() / dim;
    check_parameter("rows", n, n > 1, "2 and more")?;
    check_parameter("count", count, count > 0 && count <= n, format!("1 to the {n} rows"))?;
    check_parameter("changed", changed, changed > 0 && changed <= dim, format!("1 to the {dim} columns"))?;
    let mut all = values.to_vec();
    for made in 0..count as u64 {
        let draw = |stream: u64, at: usize, end: usize| below(hash(seed, stream, made, at as u64), end);
        let row = draw(0xd0b, 0, n);
        let from = all.len();
        all.extend_from_slice(&values[row * dim..(row + 1) * dim]);
        // The first columns of a shuffle.
        let mut columns: Vec<usize> = (0..dim).collect();
        for at in 0..changed {
            columns.swap(at, at + draw(0xd0c, at, dim - at));
            // Any row but the one copied.
            let other = (row + 1 + draw(0xd0d, at, n - 1)) % n;
            all[from + columns[at]] = values[other * dim + columns[at]];
        }
    }
    let is_outlier = (0..n + count).map(|row| row >= n).collect();
    Ok(Doped { values: all, is_outlier })
}
