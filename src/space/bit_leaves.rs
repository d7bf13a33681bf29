//! All pairs of a leaf of rows of bits: sketches tell which pairs may be near, and these alone are looked at whole.

use super::Tiles;
use super::bit_rows::BitRows;
use super::bit_sketch::{Sketch, Words};
use crate::graph::leaf_rows::LeafRows;
use crate::metric::Boolean;
use crate::metric::simd::{LANES, Op, Simd};

/// All pairs of a leaf; [`super::WorkingRows::near_pairs`].
pub(super) struct NearPairs<'a, 'b> {
    rows: &'a BitRows,
    sketch: &'a Sketch,
    leaf: &'b [u32],
    near: &'a mut LeafRows<'b>,
    /// Bounds of the rows of a leaf: beyond them nobody enters.
    worst: Vec<f32>,
    /// Bounds beyond which nobody is offered for now, while rows are not full.
    first: Option<Vec<f32>>,
    /// Those that are looked at whole, as places in the leaf, and who of them is offered to whom at what distance: room for it.
    pairs: Box<[(usize, usize); MOST_PAIRS]>,
    offers: Box<[(usize, usize, f32); 2 * MOST_PAIRS]>,
}

/// The pairs of a leaf that were offered, as bits: for every row a word to each block.
struct Offered {
    words: Vec<u32>,
    blocks: usize,
}

impl Offered {
    fn none(gathered: &Gathered) -> Self {
        let blocks = gathered.blocks.len();
        Self { words: vec![0; blocks * BLOCK * blocks], blocks }
    }

    /// Those of `near` that were not, which then are.
    #[inline(always)]
    fn add(&mut self, row: usize, block: usize, near: u32) -> u32 {
        let word = &mut self.words[row * self.blocks + block];
        let new = near & !*word;
        *word |= near;
        new
    }
}

/// Rows of a leaf that others are compared with at once.
const BLOCK: usize = BLOCK_LANES * LANES;
const BLOCK_LANES: usize = 2;
/// Rows that are compared with them at once.
const ROWS: usize = 4;

/// Bounds are a little wider than they have to be, because products are compared and not their quotients.
const SLACK: f32 = 1.0 + 4.0 * f32::EPSILON;

/// The sketches of a leaf, in blocks.
struct Gathered {
    /// For every [`LANES`] rows, their sketches word by word.
    words: Vec<Words>,
    blocks: Vec<Block>,
    steps: usize,
}

/// What is known of the rows of a block besides; rows that do not exist have no bits.
#[derive(Default, Clone)]
struct Block {
    counts: [Words; BLOCK_LANES],
    excess: [Words; BLOCK_LANES],
}

impl Gathered {
    fn new(rows: &BitRows, sketch: &Sketch, leaf: &[u32]) -> Self {
        let (count, steps) = (leaf.len().div_ceil(BLOCK), sketch.steps);
        let mut words = vec![[0; LANES]; count * BLOCK * steps];
        let mut blocks = vec![Block::default(); count];
        for (i, &id) in leaf.iter().enumerate() {
            let lanes = &mut words[i / LANES * LANES * steps..][..LANES * steps];
            for (lanes, &word) in lanes.iter_mut().zip(sketch.row(rows, id).as_flattened()) {
                lanes[i % LANES] = word;
            }
            blocks[i / BLOCK].counts.as_flattened_mut()[i % BLOCK] = rows.counts[id as usize];
            blocks[i / BLOCK].excess.as_flattened_mut()[i % BLOCK] = sketch.excess[id as usize];
        }
        Self { words, blocks, steps }
    }

    /// What the rows from `first` on and those of a block may have in common, at most.
    #[inline(always)]
    fn most_in_common<S: Simd>(&self, first: usize, block: usize) -> [[Words; BLOCK_LANES]; ROWS] {
        let step = LANES * self.steps;
        let rows = &self.words[first / LANES * step..][..step];
        let (left, right) = self.words[block * BLOCK_LANES * step..][..BLOCK_LANES * step].split_at(step);
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
        let mut both = [[[0; LANES]; BLOCK_LANES]; ROWS];
        for (both, sums) in both.iter_mut().zip(sums) {
            *both = [S::counts(sums[0]), S::counts(sums[1])];
        }
        let (own, others) = (&self.blocks[first / BLOCK], &self.blocks[block]);
        for (at, both) in (first % BLOCK..).zip(&mut both) {
            let (count, excess) = (own.counts.as_flattened()[at], own.excess.as_flattened()[at]);
            for ((both, counts), lost) in both.iter_mut().zip(&others.counts).zip(&others.excess) {
                for l in 0..LANES {
                    both[l] = (both[l] + excess.min(lost[l])).min(count).min(counts[l]);
                }
            }
        }
        both
    }
}

impl Op for NearPairs<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self) {
        let gathered = Gathered::new(self.rows, self.sketch, self.leaf);
        let mut offered = Offered::none(&gathered);
        // Rows that are not full would be offered everybody: first those that seem nearest, so that there are bounds for the rest.
        if self.worst.contains(&f32::INFINITY) {
            self.first = Some(self.first_bounds::<S>(&gathered));
            self.offer_near::<S>(&gathered, &mut offered);
            self.first = None;
        }
        self.offer_near::<S>(&gathered, &mut offered);
    }
}

impl<'a, 'b> NearPairs<'a, 'b> {
    pub(super) fn new(rows: &'a BitRows, sketch: &'a Sketch, near: &'a mut LeafRows<'b>) -> Self {
        let leaf = near.leaf;
        let mut worst: Vec<f32> = (0..leaf.len()).map(|i| near.worst(i) * SLACK).collect();
        worst.resize(leaf.len().next_multiple_of(BLOCK), 0.0);
        let (pairs, offers) = (Box::new([(0, 0); MOST_PAIRS]), Box::new([(0, 0, 0.0); 2 * MOST_PAIRS]));
        Self { rows, sketch, leaf, near, worst, first: None, pairs, offers }
    }

    /// For every row, a distance that as many others as it has room for may be within.
    #[inline(always)]
    fn first_bounds<S: Simd>(&mut self, gathered: &Gathered) -> Vec<f32> {
        let len = self.leaf.len();
        let wanted = self.near.row(0).len() as u32 + 1;
        let mut bounds = vec![0.0; self.worst.len()];
        let mut lower = vec![[[f32::INFINITY; LANES]; ROWS]; bounds.len() / LANES];
        for first in (0..len).step_by(ROWS) {
            for (block, lower) in lower.chunks_mut(BLOCK_LANES).enumerate() {
                self.lower_bounds::<S>(gathered, first, block, lower);
            }
            for r in 0..ROWS {
                // Rows that do not exist.
                for place in len..bounds.len() {
                    lower[place / LANES][r][place % LANES] = f32::INFINITY;
                }
                bounds[first + r] = least_with::<S>(&lower, r, wanted) * SLACK;
            }
        }
        bounds
    }

    /// The least that the distances of [`ROWS`] rows from `first` on to the rows of a block may be.
    #[inline(always)]
    fn lower_bounds<S: Simd>(&self, gathered: &Gathered, first: usize, block: usize, out: &mut [[[f32; LANES]; ROWS]]) {
        let most = gathered.most_in_common::<S>(first, block);
        let counts = &gathered.blocks[first / BLOCK].counts.as_flattened()[first % BLOCK..];
        for (r, (most, &count)) in most.iter().zip(counts).enumerate() {
            for ((most, counts), out) in most.iter().zip(&gathered.blocks[block].counts).zip(&mut *out) {
                let (lower, denominator) = fractions(self.rows.metric(), most, count, counts, self.rows.dim());
                out[r] = S::to_array(S::div(S::load(&lower), S::load(&denominator)));
            }
        }
    }

    /// Offers to each other all pairs within the bound of one, but those that were.
    #[inline(always)]
    fn offer_near<S: Simd>(&mut self, gathered: &Gathered, offered: &mut Offered) {
        let count = gathered.blocks.len();
        // Blocks next to each other first: rows that follow each other are likely to be near.
        for apart in 0..count {
            for block in 0..count - apart {
                for first in (block * BLOCK..(block + 1) * BLOCK).step_by(ROWS) {
                    let mut near = self.compare::<S>(gathered, first, block + apart);
                    for (row, near) in (first..).zip(&mut near) {
                        *near = offered.add(row, block + apart, *near);
                    }
                    self.offer_all::<S>(first, (block + apart) * BLOCK, near);
                }
            }
        }
    }

    /// For each of [`ROWS`] rows from `first` on, the rows of a block that may be no farther from it than its worst neighbour, or
    /// than theirs, as bits.
    #[inline(always)]
    fn compare<S: Simd>(&self, gathered: &Gathered, first: usize, block: usize) -> [u32; ROWS] {
        let most = gathered.most_in_common::<S>(first, block);
        let others = &gathered.blocks[block].counts;
        let len = self.leaf.len().saturating_sub(block * BLOCK);
        let mut near = [0; ROWS];
        for ((i, most), near) in (first..self.leaf.len()).zip(&most).zip(&mut near) {
            let count = gathered.blocks[i / BLOCK].counts.as_flattened()[i % BLOCK];
            for (b, (most, counts)) in most.iter().zip(others).enumerate() {
                *near |= self.near::<S>(most, (count, counts), i, block * BLOCK + b * LANES) << (b * LANES);
            }
            // Rows from `len` on do not exist; those up to `i` were compared with it before.
            *near &= bits_below(len) & !bits_below((i + 1).saturating_sub(block * BLOCK));
        }
        near
    }

    /// As [`NearPairs::compare`], for one row and [`LANES`] others from `column` on.
    #[inline(always)]
    fn near<S: Simd>(&self, most: &Words, (count, counts): (u32, &Words), i: usize, column: usize) -> u32 {
        let (lower, denominator) = fractions(self.rows.metric(), most, count, counts, self.rows.dim());
        let (lower, denominator) = (S::load(&lower), S::load(&denominator));
        let bounds = self.first.as_ref().unwrap_or(&self.worst);
        let own = S::mul_add(S::splat(bounds[i]), denominator, S::splat(0.0));
        let worst = bounds[column..].first_chunk::<LANES>().expect("whole blocks");
        let others = S::mul_add(S::load(worst), denominator, S::splat(0.0));
        S::at_most(lower, own) | S::at_most(lower, others)
    }

    /// In steps without branches that hang on distances: they are as good as random. Loops, because closures are not always inlined
    /// into code compiled for an instruction set.
    #[inline(always)]
    fn offer_all<S: Simd>(&mut self, first: usize, column: usize, near: [u32; ROWS]) {
        let mut count = 0;
        for (r, mut left) in near.into_iter().enumerate() {
            while left != 0 {
                let j = column + left.trailing_zeros() as usize;
                self.rows.prefetch(self.leaf[j]);
                self.pairs[count] = (first + r, j);
                count += 1;
                left &= left - 1;
            }
        }
        let mut entering = 0;
        for &(i, j) in &self.pairs[..count] {
            let d = self.rows.distance::<S>(self.leaf[i], self.leaf[j]);
            for (to, other) in [(j, i), (i, j)] {
                self.offers[entering] = (to, other, d);
                entering += usize::from(d <= self.worst[to]);
            }
        }
        for &(to, other, d) in &self.offers[..entering] {
            self.worst[to] = self.near.offer::<S>(to, other, d) * SLACK;
        }
    }
}

/// Pairs of [`ROWS`] rows and a block.
const MOST_PAIRS: usize = ROWS * BLOCK;

/// A value that `wanted` of the `r`th values or more do not exceed, and few more: infinite if they are fewer.
#[inline(always)]
fn least_with<S: Simd>(values: &[[[f32; LANES]; ROWS]], r: usize, wanted: u32) -> f32 {
    let mut most = [0.0f32; LANES];
    for values in values {
        for (most, &v) in most.iter_mut().zip(&values[r]) {
            *most = if v > *most && v < f32::INFINITY { v } else { *most };
        }
    }
    let most = most.into_iter().fold(0.0, f32::max);
    let (mut low, mut high) = (0.0, most);
    let mut found = f32::INFINITY;
    for _ in 0..BISECTIONS {
        let mut count = 0;
        for values in values {
            count += S::at_most(S::load(&values[r]), S::splat(high)).count_ones();
        }
        if count < wanted {
            low = high;
        } else {
            found = high;
        }
        high = 0.5 * (low + found.min(most));
    }
    found
}

/// Halvings of the range of distances in a leaf.
const BISECTIONS: usize = 8;

/// The lowest `count` bits.
#[inline(always)]
fn bits_below(count: usize) -> u32 {
    if count < 32 { (1 << count) - 1 } else { u32::MAX }
}

/// Distances as fractions, in a loop for each metric, so that it is one of vectors.
#[inline(always)]
fn fractions(metric: Boolean, both: &Words, x: u32, ys: &Words, dim: u32) -> ([f32; LANES], [f32; LANES]) {
    // Signed, because not all levels have an instruction for unsigned words.
    let float = |count: u32| count.cast_signed() as f32;
    let (mut numerators, mut denominators) = ([0.0; LANES], [0.0; LANES]);
    macro_rules! each {
        ($($name:ident)*) => {
            match metric {
                $(Boolean::$name => for l in 0..LANES {
                    let fraction = Boolean::$name.fraction(float(both[l]), float(x), float(ys[l]), float(dim));
                    (numerators[l], denominators[l]) = fraction;
                })*
            }
        };
    }
    each!(Jaccard Matching Dice Kulsinski RogersTanimoto RussellRao SokalSneath Yule Differing);
    (numerators, denominators)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::graph::order::{EMPTY, fresh};
    use crate::graph::owned_rows::OwnedRows;
    use crate::graph::rows::insert;
    use crate::metric::simd::{Level, Portable, dispatch, dispatch_counting};
    use crate::points::Points;
    use crate::space::bit_sketch::tests::bits;

    const WIDTH: usize = 4;

    fn all_offered(rows: &BitRows, leaf: &[u32]) -> Vec<[u64; WIDTH]> {
        let mut table = vec![[EMPTY; WIDTH]; rows.counts.len()];
        for &i in leaf {
            let row = &mut table[i as usize];
            for &j in leaf.iter().filter(|j| **j != i) {
                insert(row, fresh(rows.distance::<Portable>(i, j), j));
            }
        }
        table
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Passing over pairs loses nobody, at any level, however sketches are made.
        #[test]
        fn rows_hold_whom_all_pairs_would_put_there(
            n in 1usize..90, bytes in 1usize..200, one_in in 1u64..60, seed in 0u64..1000,
        ) {
            let packed = bits(n, 8 * bytes, one_in, seed);
            let points = Points::bits(&packed, n, 8 * bytes).unwrap();
            let Points::Bits(points) = points else { unreachable!() };
            let leaf: Vec<u32> = (0..n as u32).filter(|i| i % 11 != 5).collect();
            for metric in Boolean::ALL {
                let rows = BitRows::of_bits(&points, metric);
                let sketch = Sketch::new(&rows);
                let expected = all_offered(&rows, &leaf);
                for level in Level::available() {
                    for counting in [false, true] {
                        let mut table = vec![[EMPTY; WIDTH]; n];
                        let owned = OwnedRows::new(table.as_flattened_mut(), WIDTH);
                        // Rows that are empty, and then rows that hold some of the others.
                        for leaf in [&leaf[..leaf.len() / 2], &leaf] {
                            // SAFETY: there is one task, and the points of a leaf differ.
                            let mut members = unsafe { LeafRows::new(leaf, &owned) };
                            let pairs = NearPairs::new(&rows, &sketch, &mut members);
                            if counting { dispatch_counting(level, pairs) } else { dispatch(level, pairs) }
                        }
                        prop_assert_eq!(&table, &expected, "{:?} {:?}", metric, level);
                    }
                }
            }
        }
    }

    /// What bounds rest on, for all sets of up to nine columns.
    #[test]
    fn nothing_is_farther_for_having_more_in_common() {
        let dim = 9u32;
        for metric in Boolean::ALL {
            for (x, y) in (0..=dim).flat_map(|x| (0..=dim).map(move |y| (x, y))) {
                let least = (x + y).saturating_sub(dim);
                let all: Vec<f32> = (least..=x.min(y)).map(|both| metric.distance(both, x, y, dim)).collect();
                assert!(all.windows(2).all(|d| d[1] <= d[0]), "{metric:?} of {x} and {y}: {all:?}");
            }
        }
    }
}
