//! Rows of bits folded to fewer: an upper bound of what two rows have in common, from a quarter of their bits or less.
//!
//! Bits are hashed into buckets, and a row's sketch is the set of its buckets. Common bits in different buckets are
//! counted by the sketches; the rest are at most as many as either row lost to shared buckets, its excess. So `|X and
//! Y| <= |sketch X and sketch Y| + min(excess X, excess Y)`, and no distance of [`SetMetric`](crate::metric::SetMetric)
//! grows when more is in common.

use super::BitRows;
use crate::parallel::fold_rows;

/// A sketch may lose one bit in sixteen. If more are lost the sketches are made wider, until the rows are their own
/// sketches.
const LOST: u64 = 16;

/// The sketches of rows of bits.
pub(super) struct Sketch {
    /// Empty if rows are their own sketches.
    words: Vec<u32>,
    pub excess: Vec<u32>,
    /// Words of a sketch.
    pub width: usize,
}

impl Sketch {
    /// The narrowest sketches that lose few enough bits, of at least `narrowest` words.
    pub(super) fn new(rows: &BitRows, narrowest: usize) -> Self {
        let whole = rows.words_of_row();
        let order = by_frequency(rows.frequencies());
        let widths =
            std::iter::successors(Some(narrowest), |width| Some(2 * width)).take_while(|width| 2 * width <= whole);
        let ones: u64 = rows.counts.iter().map(|&count| u64::from(count)).sum();
        for width in widths {
            let sketch = Self::folded(rows, &buckets(&order, 32 * width), width);
            if LOST * sketch.excess.iter().map(|&lost| u64::from(lost)).sum::<u64>() <= ones {
                return sketch;
            }
        }
        Self { words: Vec::new(), excess: vec![0; rows.counts.len()], width: whole }
    }

    fn folded(rows: &BitRows, buckets: &[u32], width: usize) -> Self {
        let mut words = vec![0; rows.counts.len() * width];
        let fold = |excess: &mut Vec<u32>, i: usize, sketch: &mut [u32]| {
            rows.ones(i, |bit| {
                let bucket = buckets[bit];
                sketch[bucket as usize / 32] |= 1 << (bucket % 32);
            });
            excess.push(rows.counts[i] - sketch.iter().map(|word| word.count_ones()).sum::<u32>());
        };
        let excess = fold_rows(&mut words, width, 256, Vec::new, fold).concat();
        Self { words, excess, width }
    }

    /// The sketch of a row.
    pub(super) fn row<'a>(&'a self, rows: &'a BitRows, i: u32) -> &'a [u32] {
        let words = if self.words.is_empty() { bytemuck::cast_slice(&rows.words) } else { &self.words[..] };
        &words[i as usize * self.width..][..self.width]
    }
}

/// Bits, the most frequent first.
fn by_frequency(frequencies: &[u32]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..frequencies.len() as u32).collect();
    order.sort_by_key(|&bit| std::cmp::Reverse(frequencies[bit as usize]));
    order
}

/// The bucket of each bit: frequent bits share theirs with rare ones.
fn buckets(order: &[u32], count: usize) -> Vec<u32> {
    let mut buckets = vec![0; order.len()];
    for (turn, bits) in order.chunks(count).enumerate() {
        for (i, &bit) in bits.iter().enumerate() {
            buckets[bit as usize] = if turn % 2 == 0 { i } else { count - 1 - i } as u32;
        }
    }
    buckets
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::metric::SetMetric;
    use crate::points::{Points, PointsKind};

    /// Rows of `dim` bits, of which one in `one_in` is set on average, at random but for some that are equal or empty.
    pub(in super::super) fn bits(n: usize, dim: usize, one_in: u64, seed: u64) -> Vec<u8> {
        let is_set = |row: u64, bit: u64| {
            row % 7 != 3 && crate::rng::hash(seed, bit, row / 2 * (row % 5), 0).is_multiple_of(one_in)
        };
        let byte = |at: u64| {
            let (row, first) = (at / (dim as u64 / 8), at % (dim as u64 / 8) * 8);
            (0..8).fold(0, |byte, bit| byte | u8::from(is_set(row, first + bit)) << bit)
        };
        (0..(n * dim / 8) as u64).map(byte).collect()
    }

    #[test]
    fn sketches_are_narrow_where_bits_are_few() {
        let width = |one_in| {
            let packed = bits(200, 2048, one_in, 1);
            let PointsKind::Bits(points) = Points::bits(&packed, 200, 2048).unwrap().kind() else { unreachable!() };
            Sketch::new(&BitRows::of_bits(&points, SetMetric::Jaccard), 8).width
        };
        assert_eq!((width(100), width(7), width(2)), (8, 32, 64));
    }
}
