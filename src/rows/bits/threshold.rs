//! What rows of bits ask of others: how much they must have in common to be near enough.

use super::BitRows;
use super::sketch_blocks::{BLOCK, BitBlocks, Lanes, ROWS};
use crate::metric::SetMetric;
use crate::simd::Simd;

/// What rows ask of others to be looked at: so much in common, at least.
pub(super) struct OverlapThreshold {
    metric: SetMetric,
    dim: f32,
    slope: Vec<f32>,
    /// With the row's own bits counted in.
    base: Vec<f32>,
}

impl OverlapThreshold {
    /// What rows of these bounds ask.
    pub(super) fn of(rows: &BitRows, blocks: &BitBlocks, worst: &[f32]) -> Self {
        let places = blocks.len() * BLOCK;
        let (slope, base) = (vec![0.0; places], vec![f32::INFINITY; places]);
        let mut threshold = Self { metric: rows.metric(), dim: rows.dim() as f32, slope, base };
        for (i, (&worst, &count)) in worst.iter().zip(blocks.counts.as_flattened()).enumerate() {
            threshold.set(i, worst, count);
        }
        threshold
    }

    /// Row `i`, of `count` bits, asks to be within `worst`.
    #[inline(always)]
    pub(super) fn set(&mut self, i: usize, worst: f32, count: f32) {
        let least = self.metric.least_in_common(worst, self.dim);
        (self.slope[i], self.base[i]) = (least.slope, least.base + least.slope * count);
    }

    /// For a row and the others of some lanes, how much in common is enough for one of the two.
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

    /// The same for one other.
    #[inline(always)]
    pub(super) fn of_pair(&self, (i, x): (usize, f32), (j, y): (usize, f32)) -> f32 {
        let least = (self.slope[i] * y + self.base[i]).min(self.slope[j] * x + self.base[j]);
        if self.metric.equal_are_nearer() { least.min(0.5 * (x + y)) } else { least }
    }

    /// A distance from a row of `count` bits that `wanted` others may be within, or few more, by what they may have in common with it:
    /// the `r`th of `most`. At most `farthest`.
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
