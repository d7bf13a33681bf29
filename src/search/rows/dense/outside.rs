//! Rows whose values a compressed copy cannot hold.

use crate::storage::Storage;

/// A bit for every row whose values are beyond the range of the copy, so that it is compared by its values; as many
/// words as it takes to hold those set.
#[derive(Clone)]
pub(crate) struct Outside {
    bits: Storage<u64>,
    count: usize,
}

impl From<Storage<u64>> for Outside {
    fn from(bits: Storage<u64>) -> Self {
        let count = bits.iter().map(|word| word.count_ones() as usize).sum();
        Self { bits, count }
    }
}

impl Default for Outside {
    fn default() -> Self {
        Self { bits: Vec::new().into(), count: 0 }
    }
}

impl Outside {
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn bits(&self) -> &[u64] {
        &self.bits
    }

    #[inline]
    pub(crate) fn has(&self, row: u32) -> bool {
        self.bits.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Adds ascending rows.
    pub(crate) fn add(&mut self, rows: &[u32]) {
        let Some(&last) = rows.last() else { return };
        self.count += rows.len();
        self.bits.edit(|bits| {
            bits.resize(bits.len().max(last as usize / 64 + 1), 0);
            rows.iter().for_each(|&row| bits[row as usize / 64] |= 1 << (row % 64));
        });
    }

    /// Those among the rows `order`, in that order.
    pub(crate) fn select(&mut self, order: &[u32]) {
        if self.count > 0 {
            let rows: Vec<u32> = (0..order.len() as u32).filter(|&at| self.has(order[at as usize])).collect();
            *self = Self::default();
            self.add(&rows);
        }
    }

    /// Corrects the distances `out` to those of `others` that are outside: `distances` computes them.
    #[inline]
    pub(crate) fn correct(&self, others: &[u32], out: &mut [f32], distances: impl FnOnce(&[u32], &mut Vec<f32>)) {
        if self.count == 0 {
            return;
        }
        let places: Vec<usize> = (0..others.len()).filter(|&at| self.has(others[at])).collect();
        if places.is_empty() {
            return;
        }
        let rows: Vec<u32> = places.iter().map(|&at| others[at]).collect();
        let mut right = Vec::new();
        distances(&rows, &mut right);
        places.iter().zip(right).for_each(|(&at, d)| out[at] = d);
    }
}
