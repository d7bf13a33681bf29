//! How many bits two rows must have in common to be near enough for one of their neighbour lists.

use super::BitRows;
use super::sketch_blocks::{BLOCK, BitBlocks, Lanes, ROWS};
use crate::metric::SetMetric;
use crate::simd::Simd;

/// For every row, the least overlap that brings another row within its worst neighbour's distance: a linear function of
/// the other's number of bits.
pub(super) struct OverlapThreshold {
    metric: SetMetric,
    dim: f32,
    slope: Vec<f32>,
    /// Includes the term of the row's own bits.
    base: Vec<f32>,
}

impl OverlapThreshold {
    /// The thresholds of rows whose worst neighbours are at these distances.
    pub(super) fn of(rows: &BitRows, blocks: &BitBlocks, worst: &[f32]) -> Self {
        let places = blocks.len() * BLOCK;
        let (slope, base) = (vec![0.0; places], vec![f32::INFINITY; places]);
        let mut threshold = Self { metric: rows.metric(), dim: rows.dim() as f32, slope, base };
        for (i, (&worst, &count)) in worst.iter().zip(blocks.counts.as_flattened()).enumerate() {
            threshold.set(i, worst, count);
        }
        threshold
    }

    /// Row `i`, of `count` bits, takes neighbours within `worst`.
    #[inline(always)]
    pub(super) fn set(&mut self, i: usize, worst: f32, count: f32) {
        let least = self.metric.least_in_common(worst, self.dim);
        (self.slope[i], self.base[i]) = (least.slope, least.base + least.slope * count);
    }

    /// The overlap of a row with each row of some lanes that is enough for one of the two.
    #[inline(always)]
    pub(super) fn of_pairs<S: Simd>(&self, i: usize, count: f32, lanes: usize, counts: &Lanes<f32>) -> S::F {
        let (slopes, bases): (&[Lanes<f32>], &[Lanes<f32>]) = (self.slope.as_chunks().0, self.base.as_chunks().0);
        let (count, counts) = (S::splat(count), S::load(counts));
        let own = S::mul_add(S::splat(self.slope[i]), counts, S::splat(self.base[i]));
        let others = S::mul_add(S::load(&slopes[lanes]), count, S::load(&bases[lanes]));
        let least = S::min(own, others);
        if !self.metric.equal_are_nearer() {
            return least;
        }
        let half = S::splat(0.5);
        S::min(least, S::mul_add(S::add(count, counts), half, S::splat(0.0)))
    }

    /// The overlap of two rows that is enough for one of them.
    #[inline(always)]
    pub(super) fn of_pair(&self, (i, x): (usize, f32), (j, y): (usize, f32)) -> f32 {
        let least = (self.slope[i] * y + self.base[i]).min(self.slope[j] * x + self.base[j]);
        if self.metric.equal_are_nearer() { least.min(0.5 * (x + y)) } else { least }
    }

    /// A distance, at most `farthest`, within which there may be `wanted` neighbours of a row of `count` bits, or a few
    /// more, judged by upper bounds of their overlaps with it: the `r`th of `most`.
    #[inline(always)]
    pub(super) fn bound<S: Simd>(
        &self,
        (most, r): (&[[S::F; ROWS]], usize),
        (count, counts): (f32, &[Lanes<f32>]),
        farthest: f32,
        wanted: u32,
    ) -> f32 {
        let (mut low, mut high) = (0.0, farthest);
        for _ in 0..BISECTIONS {
            let middle = 0.5 * (low + high);
            let least = self.metric.least_in_common(middle, self.dim);
            let (slope, base) = (S::splat(least.slope), S::splat(least.base + least.slope * count));
            let mut found = 0;
            for (most, counts) in most.iter().zip(counts) {
                found += S::at_most(S::mul_add(slope, S::load(counts), base), most[r]).count_ones();
            }
            if found < wanted {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    }
}

/// Halvings of the range of distances in a leaf.
const BISECTIONS: usize = 8;
