//! Near pairs of rows of bits: sketches rule most pairs out, and the rest are compared in full.

use super::BitRows;
use super::sketch_blocks::{BLOCK, BLOCK_LANES, BitBlocks, ROWS};
use super::threshold::OverlapThreshold;
use crate::rows::leaf_rows::LeafRows;
use crate::rows::tiles::Tiles;
use crate::simd::{LANES, Op, Simd};

/// All pairs of some rows, or of some rows with some others.
pub(super) struct NearPairs<'a, 'b> {
    rows: &'a BitRows,
    blocks: &'a BitBlocks,
    near: &'a mut LeafRows<'b>,
    /// Rows before this one are compared with the rows from it on; a multiple of [`BLOCK`]. None: all with all.
    split: Option<usize>,
    /// For every row, the distance beyond which nothing enters it.
    worst: Vec<f32>,
    threshold: OverlapThreshold,
    /// Whether thresholds are preliminary, because rows are not full yet.
    for_now: bool,
    room: Box<Room>,
}

/// Room for the pairs of two blocks.
struct Room {
    /// Pairs that may be near, as places in the leaf: of the blocks compared last, and of the blocks before.
    listed: [Box<Listed>; 2],
    /// Pairs that are near, with the number of bits in common.
    near: [(u32, u32, u32); BLOCK * BLOCK],
}

struct Listed {
    pairs: [(u32, u32); BLOCK * BLOCK],
    count: usize,
}

impl Room {
    fn new() -> Box<Self> {
        let listed = || Box::new(Listed { pairs: [(0, 0); BLOCK * BLOCK], count: 0 });
        Box::new(Self { listed: [listed(), listed()], near: [(0, 0, 0); BLOCK * BLOCK] })
    }
}

/// The pairs of a leaf that were offered, as bits: a word for every row and block.
struct Offered {
    words: Vec<u32>,
    blocks: usize,
}

impl Offered {
    fn none(blocks: usize) -> Self {
        Self { words: vec![0; blocks * BLOCK * blocks], blocks }
    }

    /// The pairs of `near` that were not offered before; now they count as offered.
    #[inline(always)]
    fn add(&mut self, row: usize, block: usize, near: u32) -> u32 {
        let word = &mut self.words[row * self.blocks + block];
        let new = near & !*word;
        *word |= near;
        new
    }
}

/// Bounds are a little wider than necessary, because thresholds are quotients of rounded numbers.
const SLACK: f32 = 1.0 + 4.0 * f32::EPSILON;

impl Op for NearPairs<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self) {
        let count = self.blocks.len();
        if let Some(split) = self.split {
            for left in 0..split / BLOCK {
                for right in split / BLOCK..count {
                    self.offer_near::<S>(left, right, None);
                }
            }
            self.offer_listed::<S>();
            return;
        }
        let mut offered = Offered::none(count);
        // Rows that are not full would take every pair. So the pairs that seem nearest come first, and bound the rest.
        if self.worst.contains(&f32::INFINITY) {
            let bounds = self.first_bounds::<S>();
            self.threshold = OverlapThreshold::of(self.rows, self.blocks, &bounds);
            self.for_now = true;
            self.offer_all::<S>(&mut offered);
            self.for_now = false;
            self.threshold = OverlapThreshold::of(self.rows, self.blocks, &self.worst);
        }
        self.offer_all::<S>(&mut offered);
    }
}

impl<'a, 'b> NearPairs<'a, 'b> {
    pub(super) fn new(
        rows: &'a BitRows,
        blocks: &'a BitBlocks,
        near: &'a mut LeafRows<'b>,
        split: Option<usize>,
    ) -> Self {
        let worst: Vec<f32> = (0..blocks.ids.len()).map(|i| near.worst(i) * SLACK).collect();
        let threshold = OverlapThreshold::of(rows, blocks, &worst);
        Self { rows, blocks, near, split, worst, threshold, for_now: false, room: Room::new() }
    }

    /// For every row, a distance within which there may be a few more neighbours than it has room for.
    #[inline(always)]
    fn first_bounds<S: Simd>(&mut self) -> Vec<f32> {
        let wanted = self.near.row(0).len() as u32 + 1;
        let (len, counts) = (self.blocks.ids.len(), self.blocks.counts.as_flattened());
        let most_bits = counts.iter().copied().fold(0.0, f32::max);
        let mut bounds = Vec::with_capacity(len + ROWS);
        let mut most = vec![[S::splat(0.0); ROWS]; self.blocks.counts.len()];
        for first in (0..len).step_by(ROWS) {
            for (block, most) in most.chunks_mut(BLOCK_LANES).enumerate() {
                let of_block = self.blocks.most_in_common::<S>(first, block);
                for r in 0..ROWS {
                    (most[0][r], most[1][r]) = (of_block[r][0], of_block[r][1]);
                }
            }
            for r in 0..ROWS {
                let count = counts[first + r];
                let farthest = self.rows.metric().distance(0, count as u32, most_bits as u32, self.rows.dim());
                bounds.push(self.threshold.bound::<S>((&most, r), (count, &self.blocks.counts), farthest, wanted));
            }
        }
        bounds.truncate(len);
        bounds
    }

    /// Offers all pairs that reach the threshold of one of the two and were not offered before.
    #[inline(always)]
    fn offer_all<S: Simd>(&mut self, offered: &mut Offered) {
        let count = self.blocks.len();
        // Adjacent blocks first: their rows are likely to be near.
        for apart in 0..count {
            for block in 0..count - apart {
                self.offer_near::<S>(block, block + apart, Some(offered));
            }
        }
        self.offer_listed::<S>();
    }

    /// The same for the rows of two blocks, in steps without branches on distances, which cannot be predicted. Loops,
    /// because closures are not always inlined into code compiled for an instruction set.
    #[inline(always)]
    fn offer_near<S: Simd>(&mut self, left: usize, right: usize, offered: Option<&mut Offered>) {
        let mut near = [0; BLOCK];
        for first in (0..BLOCK).step_by(ROWS) {
            let few: &mut [u32; ROWS] = near[first..].first_chunk_mut().expect("whole blocks");
            self.compare::<S>(left * BLOCK + first, right, few);
        }
        self.leave_out(left, right, &mut near, offered);
        self.list(left, right, &near);
        self.offer_listed::<S>();
    }

    /// Offers the pairs of the list before the last, whose rows are being prefetched since.
    #[inline(always)]
    fn offer_listed<S: Simd>(&mut self) {
        self.room.listed.swap(0, 1);
        let count = self.look_at::<S>();
        for at in 0..count {
            let (i, j, both) = self.room.near[at];
            let (i, j) = (i as usize, j as usize);
            let counts = self.blocks.counts.as_flattened();
            let (x, y) = (counts[i], counts[j]);
            let d = self.rows.metric().distance(both, x as u32, y as u32, self.rows.dim());
            for (to, other, count) in [(i, j, x), (j, i, y)] {
                if d <= self.worst[to] {
                    self.worst[to] = self.near.offer::<S>(to, other, d) * SLACK;
                    if !self.for_now {
                        self.threshold.set(to, self.worst[to], count);
                    }
                }
            }
        }
    }

    /// For each of the [`ROWS`] rows from `first` on, the rows of a block that may reach the threshold of one of the
    /// two, as bits.
    #[inline(always)]
    fn compare<S: Simd>(&self, first: usize, block: usize, near: &mut [u32; ROWS]) {
        let most = self.blocks.most_in_common::<S>(first, block);
        let lanes = block * BLOCK_LANES;
        let counts = &self.blocks.counts[lanes..][..BLOCK_LANES];
        let own = &self.blocks.counts.as_flattened()[first..][..ROWS];
        for r in 0..ROWS {
            let (i, count) = (first + r, own[r]);
            let left = S::at_most(self.threshold.of_pairs::<S>(i, count, lanes, &counts[0]), most[r][0]);
            let right = S::at_most(self.threshold.of_pairs::<S>(i, count, lanes + 1, &counts[1]), most[r][1]);
            near[r] = left | right << LANES;
        }
    }

    /// Leaves out rows that do not exist, pairs that occur twice in a block, and pairs that were offered before.
    #[inline(always)]
    fn leave_out(&self, left: usize, right: usize, near: &mut [u32; BLOCK], offered: Option<&mut Offered>) {
        let len = self.blocks.ids.len();
        let exist = |block: usize| bits_below(len - block * BLOCK);
        if (left + 1) * BLOCK > len || (right + 1) * BLOCK > len || left == right {
            for (i, near) in near.iter_mut().enumerate() {
                let is_row = exist(left) >> i & 1 == 1;
                let once = if left == right { !bits_below(i + 1) } else { u32::MAX };
                *near &= if is_row { exist(right) & once } else { 0 };
            }
        }
        if let Some(offered) = offered {
            for (i, near) in near.iter_mut().enumerate() {
                *near = offered.add(left * BLOCK + i, right, *near);
            }
        }
    }

    /// Lists pairs and prefetches their rows.
    #[inline(always)]
    fn list(&mut self, left: usize, right: usize, near: &[u32; BLOCK]) {
        let mut count = 0;
        for (i, &near) in near.iter().enumerate() {
            let mut rest = near;
            while rest != 0 {
                let j = right * BLOCK + rest.trailing_zeros() as usize;
                self.rows.prefetch(self.blocks.ids[j]);
                self.room.listed[0].pairs[count] = ((left * BLOCK + i) as u32, j as u32);
                count += 1;
                rest &= rest - 1;
            }
        }
        self.room.listed[0].count = count;
    }

    /// Keeps the listed pairs that do reach the threshold of one of the two, and returns their number.
    #[inline(always)]
    fn look_at<S: Simd>(&mut self) -> usize {
        let listed = std::mem::take(&mut self.room.listed[0].count);
        let counts = self.blocks.counts.as_flattened();
        let mut count = 0;
        for at in 0..listed {
            let (i, j) = self.room.listed[0].pairs[at];
            let (left, right) = (i as usize, j as usize);
            let both = self.rows.in_common::<S>(self.blocks.ids[left], self.blocks.ids[right]);
            self.room.near[count] = (i, j, both);
            let least = self.threshold.of_pair((left, counts[left]), (right, counts[right]));
            count += usize::from(self.for_now || least <= both as f32);
        }
        count
    }
}

/// The lowest `count` bits.
#[inline(always)]
fn bits_below(count: usize) -> u32 {
    if count < 32 { (1 << count) - 1 } else { u32::MAX }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::graph::order::{EMPTY, fresh};
    use crate::graph::owned_rows::OwnedRows;
    use crate::graph::rows::insert;
    use crate::metric::SetMetric;
    use crate::points::{Points, PointsKind};
    use crate::rows::bits::sketch::Sketch;
    use crate::rows::bits::sketch::tests::bits;
    use crate::simd::{Level, Portable, dispatch, dispatch_counting};

    const WIDTH: usize = 4;

    /// The rows after all pairs of `some` and `others` have been offered.
    fn all_offered(rows: &BitRows, some: &[u32], others: &[u32]) -> Vec<[u64; WIDTH]> {
        let mut table = vec![[EMPTY; WIDTH]; rows.counts.len()];
        for (&i, &j) in some.iter().flat_map(|i| others.iter().map(move |j| (i, j))).filter(|(i, j)| i != j) {
            let count = |row| rows.counts[row as usize];
            let d = rows.metric().distance(rows.in_common::<Portable>(i, j), count(i), count(j), rows.dim());
            insert(&mut table[i as usize], fresh(d, j));
            insert(&mut table[j as usize], fresh(d, i));
        }
        table
    }

    /// The rows after the pairs that sketches let through have been offered.
    fn near_offered(
        level: Level,
        counting: bool,
        table: &mut [[u64; WIDTH]],
        pairs: (&BitRows, &BitBlocks, Option<usize>),
    ) {
        let owned = OwnedRows::new(table.as_flattened_mut(), WIDTH);
        let (rows, blocks, split) = pairs;
        // SAFETY: there is one task, and the points of a leaf differ.
        let mut members = unsafe { LeafRows::new(&blocks.ids, &owned) };
        let pairs = NearPairs::new(rows, blocks, &mut members, split);
        if counting { dispatch_counting(level, pairs) } else { dispatch(level, pairs) }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Ruling pairs out never drops a true neighbour, at any level, however sketches are made.
        #[test]
        fn rows_are_the_same_as_after_all_pairs(
            n in 1usize..90, bytes in 1usize..200, one_in in 1u64..60, seed in 0u64..1000,
        ) {
            let packed = bits(n, 8 * bytes, one_in, seed);
            let points = Points::bits(&packed, n, 8 * bytes).unwrap();
            let PointsKind::Bits(points) = points.kind() else { unreachable!() };
            let leaf: Vec<u32> = (0..n as u32).filter(|i| i % 11 != 5).collect();
            for metric in SetMetric::ALL.into_iter().filter(|metric| metric.has_least()) {
                let rows = BitRows::of_bits(&points, metric);
                let sketch = Sketch::new(&rows, 8);
                let blocks = |ids: &[u32]| BitBlocks::new(&rows, &sketch, ids);
                let split = BLOCK.min(leaf.len());
                let (some, others) = leaf.split_at(split);
                let all = all_offered(&rows, &leaf, &leaf);
                let across = all_offered(&rows, some, others);
                for (level, counting) in Level::available().into_iter().flat_map(|level| [(level, false), (level, true)]) {
                    // Rows that are empty, and then rows that hold some of the others.
                    let mut table = vec![[EMPTY; WIDTH]; n];
                    near_offered(level, counting, &mut table, (&rows, &blocks(&leaf[..leaf.len() / 2]), None));
                    near_offered(level, counting, &mut table, (&rows, &blocks(&leaf), None));
                    prop_assert_eq!(&table, &all, "{:?} {:?}", metric, level);
                    if split == BLOCK {
                        let mut table = vec![[EMPTY; WIDTH]; n];
                        let both = blocks(some).followed_by(&blocks(others));
                        near_offered(level, counting, &mut table, (&rows, &both, Some(split)));
                        prop_assert_eq!(&table, &across, "{:?} {:?}", metric, level);
                    }
                }
            }
        }
    }

    /// What the bounds rely on, for all sets of up to nine columns.
    #[test]
    fn distances_do_not_grow_with_the_overlap() {
        let dim = 9u32;
        for metric in SetMetric::ALL {
            for (x, y) in (0..=dim).flat_map(|x| (0..=dim).map(move |y| (x, y))) {
                let least = (x + y).saturating_sub(dim);
                let all: Vec<f32> = (least..=x.min(y)).map(|both| metric.distance(both, x, y, dim)).collect();
                assert!(all.windows(2).all(|d| d[1] <= d[0]), "{metric:?} of {x} and {y}: {all:?}");
            }
        }
    }
}
