//! Sketches of rows of bits, interleaved, so that a row is compared with many others at once.

use super::BitRows;
use super::sketch::Sketch;
use crate::simd::{LANES, Simd};

/// Rows that others are compared with at once.
pub(crate) const BLOCK: usize = BLOCK_LANES * LANES;
pub(super) const BLOCK_LANES: usize = 2;
/// Rows that are compared with them at once.
pub(super) const ROWS: usize = 4;

/// A value of each of [`LANES`] rows.
pub(super) type Lanes<T> = [T; LANES];

/// The sketches of some rows, in blocks of [`BLOCK`]. The last block is filled up with rows without bits.
pub(crate) struct BitBlocks {
    pub ids: Vec<u32>,
    /// For every [`LANES`] rows, their sketches word by word.
    words: Vec<Lanes<u32>>,
    /// Words of a sketch.
    width: usize,
    pub counts: Vec<Lanes<f32>>,
    excess: Vec<Lanes<f32>>,
}

impl BitBlocks {
    pub(super) fn new(rows: &BitRows, sketch: &Sketch, ids: &[u32]) -> Self {
        let (lanes, width) = (ids.len().div_ceil(BLOCK) * BLOCK_LANES, sketch.width);
        let mut words = vec![[0; LANES]; lanes * width];
        let (mut counts, mut excess) = (vec![[0.0; LANES]; lanes], vec![[0.0; LANES]; lanes]);
        for (i, &id) in ids.iter().enumerate() {
            let (at, lane) = (i / LANES, i % LANES);
            for (words, &word) in words[at * width..][..width].iter_mut().zip(sketch.row(rows, id)) {
                words[lane] = word;
            }
            counts[at][lane] = rows.counts[id as usize] as f32;
            excess[at][lane] = sketch.excess[id as usize] as f32;
        }
        Self { ids: ids.to_vec(), words, width, counts, excess }
    }

    /// These rows, which fill whole blocks, followed by others.
    pub(crate) fn followed_by(&self, other: &Self) -> Self {
        debug_assert_eq!(self.ids.len() % BLOCK, 0);
        Self {
            ids: [&self.ids[..], &other.ids].concat(),
            words: [&self.words[..], &other.words].concat(),
            width: self.width,
            counts: [&self.counts[..], &other.counts].concat(),
            excess: [&self.excess[..], &other.excess].concat(),
        }
    }

    /// Number of blocks.
    pub(super) fn len(&self) -> usize {
        self.counts.len() / BLOCK_LANES
    }

    /// The most bits that the [`ROWS`] rows from `first` on can share with each row of a block.
    #[inline(always)]
    pub(super) fn most_in_common<S: Simd>(&self, first: usize, block: usize) -> [[S::F; BLOCK_LANES]; ROWS] {
        let width = self.width;
        let rows = &self.words[first / LANES * width..][..width];
        let (left, right) = self.words[block * BLOCK_LANES * width..][..BLOCK_LANES * width].split_at(width);
        let lane = first % LANES / ROWS;
        let mut sums = [[S::no_counts(); BLOCK_LANES]; ROWS];
        for ((row, left), right) in rows.iter().zip(left).zip(right) {
            let few: [u32; ROWS] = row.as_chunks().0[lane];
            let (left, right) = (S::words(left), S::words(right));
            for (sums, word) in sums.iter_mut().zip(few) {
                let word = S::word(word);
                *sums = [S::count_common(word, left, sums[0]), S::count_common(word, right, sums[1])];
            }
        }
        let lost = &self.excess[block * BLOCK_LANES..][..BLOCK_LANES];
        let (left, right) = (S::load(&lost[0]), S::load(&lost[1]));
        let own = &self.excess.as_flattened()[first..][..ROWS];
        let mut most = [[left; BLOCK_LANES]; ROWS];
        for r in 0..ROWS {
            let own = S::splat(own[r]);
            most[r][0] = S::add(S::floats(sums[r][0]), S::min(own, left));
            most[r][1] = S::add(S::floats(sums[r][1]), S::min(own, right));
        }
        most
    }
}
