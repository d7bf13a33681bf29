//! Rows as sets: packed bits, or the non-zero columns of dense rows.

use crate::metric::SetMetric;
use crate::points::{Bits, Dense};
use crate::rng::stratified_sample;
use crate::rows::ReducedDistances;
use crate::rows::bits::BitRows;
use crate::rows::bits::join::SketchedRows;

/// Rows sampled to estimate how many bits are set.
const MEASURED: usize = 256;

/// Rows as sets, and how they are compared.
pub(crate) struct Sets<'a> {
    rows: SetRows<'a>,
    metric: SetMetric,
}

/// Where the sets come from.
enum SetRows<'a> {
    /// The non-zero columns of dense rows.
    Columns(Dense<'a>),
    Bits(Bits<'a>),
}

impl<'a> Sets<'a> {
    pub(crate) fn of_columns(dense: Dense<'a>, metric: SetMetric) -> Self {
        Self { rows: SetRows::Columns(dense), metric }
    }

    pub(crate) fn of_bits(bits: Bits<'a>, metric: SetMetric) -> Self {
        Self { rows: SetRows::Bits(bits), metric }
    }

    /// A working copy, which joins leaves by sketches where the metric bounds what near rows have in common.
    pub(crate) fn working_copy(&self) -> Box<dyn ReducedDistances> {
        let rows = self.bit_rows();
        if self.metric.has_least() { Box::new(SketchedRows::new(rows)) } else { Box::new(rows) }
    }

    /// The rows as bits, whose distances are true ones.
    pub(crate) fn bit_rows(&self) -> BitRows {
        match &self.rows {
            SetRows::Columns(dense) => BitRows::of_columns(dense, self.metric),
            SetRows::Bits(bits) => BitRows::of_bits(bits, self.metric),
        }
    }

    /// Bytes of the working copy, and of one more for final distances.
    pub(crate) fn bytes(&self) -> u64 {
        let (n, dim) = self.shape();
        2 * BitRows::bytes(n, dim)
    }

    /// Nanoseconds of a distance, roughly.
    pub(crate) fn cost(&self) -> f64 {
        BitRows::cost(self.shape().1)
    }

    /// Nanoseconds of one of the n² pairs of exact search, roughly, where sketches rule most pairs out.
    pub(crate) fn sketched_pair_cost(&self) -> Option<f64> {
        let dim = self.shape().1;
        self.metric.has_least().then(|| BitRows::pair_cost(dim, self.mean_bits()))
    }

    /// Columns.
    #[cfg(feature = "gpu")]
    pub(crate) fn dim(&self) -> usize {
        self.shape().1
    }

    fn shape(&self) -> (usize, usize) {
        match &self.rows {
            SetRows::Columns(dense) => (dense.n(), dense.dim()),
            SetRows::Bits(bits) => (bits.n(), bits.dim()),
        }
    }

    /// Mean number of bits set in a row, over a sample.
    fn mean_bits(&self) -> f64 {
        let (n, dim) = self.shape();
        let count = n.min(MEASURED);
        let rows = stratified_sample(0, 0, n, count);
        let ones: usize = match &self.rows {
            SetRows::Columns(dense) => {
                let mut row = vec![0.0; dim];
                let ones = rows.map(|i| {
                    dense.widen_row(i, &mut row);
                    row.iter().filter(|v| **v != 0.0).count()
                });
                ones.sum()
            }
            SetRows::Bits(bits) => rows.flat_map(|i| bits.row(i)).map(|byte| byte.count_ones() as usize).sum(),
        };
        ones as f64 / count as f64
    }
}
