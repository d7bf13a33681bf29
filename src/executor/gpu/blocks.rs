//! Blocks, which are rows to be compared with columns (leaves of a tree, or exact search), and their tiles.

use bytemuck::{Pod, Zeroable};

use super::layout::Layout;
use super::tile::SOFTWARE_TILE;
use crate::error::GpuError;

/// Rows in a block of exact search, one workgroup each. Fewer in software, so that a block ends soon.
const EXACT_ROWS: u32 = 1 << 13;
const SOFTWARE_EXACT_ROWS: u32 = 1 << 10;
/// The largest column that a tile can begin at fits 16 bits.
const LARGEST_SIDE: u32 = 1 << 15;
/// Operations in a block of exact search, which is one dispatch.
const EXACT_OPERATIONS: f64 = 0.05e12;
const SOFTWARE_EXACT_OPERATIONS: f64 = 0.002e12;

impl Layout {
    /// The leaves of a tree as blocks, in batches whose distances fit in the buffer.
    pub(super) fn leaf_batches(&self, bounds: &[u32]) -> Result<Vec<Vec<Block>>, GpuError> {
        let mut batches = vec![Vec::new()];
        let mut pairs = 0;
        for leaf in bounds.windows(2) {
            let m = leaf[1] - leaf[0];
            let needed = (m as usize).pow(2);
            if needed > self.pairs {
                let (bytes, limit) = (4 * needed as u64, 4 * self.pairs as u64);
                return Err(GpuError::TooLarge { what: "the distances of a leaf", bytes, limit });
            }
            if pairs + needed > self.pairs {
                batches.push(Vec::new());
                pairs = 0;
            }
            let block = Block::new([leaf[0], m], [leaf[0], m], pairs as u32, Pairing::Symmetric);
            batches.last_mut().expect("there is one").push(block);
            pairs += needed;
        }
        Ok(batches)
    }

    /// Blocks that compare one stretch of the data with another. A stretch is compared with itself one pair at a time,
    /// for both rows.
    pub(super) fn exact_blocks(&self, rows: &Stretch, columns: &Stretch) -> Vec<Vec<Block>> {
        let (most_rows, operations) = if self.tile == SOFTWARE_TILE {
            (SOFTWARE_EXACT_ROWS, SOFTWARE_EXACT_OPERATIONS)
        } else {
            (EXACT_ROWS, EXACT_OPERATIONS)
        };
        let pairs = self.pairs.min((operations / self.sizes.operations()) as usize).max(1);
        if rows == columns {
            let side = ((pairs as f64 / 2.0).sqrt() as u32).clamp(1, most_rows);
            return self_blocks(rows, side);
        }
        let (m, n) = (rows.count, columns.count);
        let x_step = most_rows.min(m).min(pairs as u32);
        let y_step = ((pairs / x_step as usize) as u32).clamp(1, LARGEST_SIDE).min(n);
        let starts = |count: u32, step: u32| (0..count).step_by(step as usize);
        let block = |x, y| {
            let [x_span, y_span] = [[rows.first + x, x_step.min(m - x)], [columns.first + y, y_step.min(n - y)]];
            vec![Block { x_id: rows.id, y_id: columns.id, ..Block::new(x_span, y_span, 0, Pairing::All) }]
        };
        starts(m, x_step).flat_map(|x| starts(n, y_step).map(move |y| block(x, y))).collect()
    }

    /// The tiles of blocks, as `block_pairs.wgsl` reads them. Of symmetric blocks, those with pairs above the diagonal.
    pub(super) fn tiles(&self, blocks: &[Block]) -> Vec<[u32; 2]> {
        let mut tiles = Vec::new();
        for (block, i) in blocks.iter().zip(0..).filter(|(block, _)| block.pairing() != Pairing::Mirror) {
            for x in (0..block.x_count).step_by(self.tile.x as usize) {
                let wanted = |y: &u32| block.pairing() != Pairing::Symmetric || y + self.tile.y > x;
                let columns = (0..block.y_count).step_by(self.tile.y as usize).filter(wanted);
                tiles.extend(columns.map(|y| [i, x << 16 | y]));
            }
        }
        tiles
    }
}

/// Consecutive rows of the data on a device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stretch {
    pub first: u32,
    pub count: u32,
    /// The offset from places in the data to ids.
    pub id: u32,
}

impl Stretch {
    /// The points from `point` on, kept from place `first` on.
    pub(super) fn of_points(point: u32, count: u32, first: u32) -> Self {
        Self { first, count, id: point.wrapping_sub(first) }
    }
}

/// Which of a block's distances are computed, and where they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pairing {
    /// All of rows and columns.
    All,
    /// Columns are the rows: every pair once, written twice.
    Symmetric,
    /// All, and once more for the columns, in the matrix of the block after it.
    Mirrored,
    /// None: the block before it is [`Pairing::Mirrored`].
    Mirror,
}

/// `Block` of shaders/shared/blocks.wgsl.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub(super) struct Block {
    pub x_start: u32,
    pub x_count: u32,
    pub y_start: u32,
    pub y_count: u32,
    pub pairs: u32,
    /// A [`Pairing`].
    pub pairing: u32,
    /// Offsets from places in the data to ids, where the device holds part of the points.
    pub x_id: u32,
    pub y_id: u32,
}

impl Block {
    fn new([x_start, x_count]: [u32; 2], [y_start, y_count]: [u32; 2], pairs: u32, pairing: Pairing) -> Self {
        Self { x_start, x_count, y_start, y_count, pairs, pairing: pairing as u32, x_id: 0, y_id: 0 }
    }

    fn pairing(&self) -> Pairing {
        [Pairing::All, Pairing::Symmetric, Pairing::Mirrored, Pairing::Mirror][self.pairing as usize]
    }

    /// Whether its rows, and its columns if they get pairs as well, hold more than `width` points each.
    pub(super) fn is_larger_than(&self, width: u32) -> bool {
        self.pairing() == Pairing::All
            || (self.pairing() == Pairing::Mirrored && self.x_count.min(self.y_count) > width)
    }

    fn shares_rows(&self, other: &Self) -> bool {
        self.x_start < other.x_start + other.x_count && other.x_start < self.x_start + self.x_count
    }

    /// What its tiles depend on.
    pub(super) fn shape(&self) -> (u32, u32, u32) {
        (self.x_count, self.y_count, self.pairing)
    }

    /// Distances in its matrix.
    pub(super) fn pairs(&self) -> usize {
        self.x_count as usize * self.y_count as usize
    }

    /// Distances that are computed for it, not counting those from rows to themselves.
    pub(super) fn distances(&self) -> u64 {
        let all = self.pairs() as u64;
        match self.pairing() {
            Pairing::All => {
                let (x, y) = (self.x_start..self.x_start + self.x_count, self.y_start..self.y_start + self.y_count);
                all - u64::from(x.end.min(y.end).saturating_sub(x.start.max(y.start)))
            }
            Pairing::Symmetric => (all - u64::from(self.x_count)) / 2,
            Pairing::Mirrored => all,
            Pairing::Mirror => 0,
        }
    }
}

/// The blocks of a stretch compared with itself: those on the diagonal, and the others each with its mirror.
fn self_blocks(rows: &Stretch, side: u32) -> Vec<Vec<Block>> {
    let span = |start: u32| [rows.first + start, side.min(rows.count - start)];
    let block = |x, y, pairs, pairing| Block { x_id: rows.id, y_id: rows.id, ..Block::new(x, y, pairs, pairing) };
    let starts = || (0..rows.count).step_by(side as usize);
    let pair = |x: u32, y: u32| {
        if x == y {
            return vec![block(span(x), span(x), 0, Pairing::Symmetric)];
        }
        let ours = block(span(x), span(y), 0, Pairing::Mirrored);
        vec![ours, block(span(y), span(x), ours.pairs() as u32, Pairing::Mirror)]
    };
    // Those on the diagonal first, which fill the rows.
    let later = starts().flat_map(|x| starts().filter(move |&y| x < y).map(move |y| (x, y)));
    starts().map(|x| (x, x)).chain(later).map(|(x, y)| pair(x, y)).collect()
}

/// Most rows of the blocks that are compared at once by bounds: their lists take 64 MiB.
const MOST_ROWS: u32 = 1 << 16;

/// Blocks put together whose rows have nothing in common, so that all can be offered what is near at once. Lists of the
/// rows follow each other.
pub(super) fn disjoint_blocks(mut all: Vec<Vec<Block>>) -> Vec<Vec<Block>> {
    let Some(first) = all.first().map(|blocks| blocks[0]) else { return all };
    // Blocks of the same sum share neither rows nor columns.
    let starts = |block: &Block| (block.x_start / first.x_count.max(1), block.y_start / first.y_count.max(1));
    let sides = all.iter().map(|blocks| starts(&blocks[0])).map(|(x, y)| x.max(y) + 1).max().unwrap_or(1);
    all.sort_by_key(|blocks| (starts(&blocks[0]).0 + starts(&blocks[0]).1) % sides);
    let mut together: Vec<Vec<Block>> = Vec::new();
    for blocks in all {
        let rows = |blocks: &[Block]| blocks.iter().map(|block| block.x_count).sum::<u32>();
        let shares = |last: &[Block]| last.iter().any(|a| blocks.iter().any(|b| a.shares_rows(b)));
        let fits = |last: &Vec<Block>| rows(last) + rows(&blocks) <= MOST_ROWS && !shares(last);
        if !together.last().is_some_and(fits) {
            together.push(Vec::new());
        }
        let last = together.last_mut().expect("there is one");
        for mut block in blocks {
            block.pairs = rows(last);
            last.push(block);
        }
    }
    together
}

/// Every row of blocks, as `offer_pairs.wgsl` reads them.
pub(super) fn block_places(blocks: &[Block]) -> Vec<[u32; 2]> {
    blocks.iter().zip(0..).flat_map(|(block, i)| (0..block.x_count).map(move |row| [i, row])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::gpu::sizes::tests::{WEB_GPU, sizes};
    use crate::executor::gpu::tile::TILE;

    /// Every pair above the diagonal lies in one tile.
    #[test]
    fn tiles_cover_the_pairs_of_leaves() {
        let mut layout = Layout::new(sizes(1000, 4), WEB_GPU).unwrap();
        let batches = layout.leaf_batches(&[0, 1, 100, 228, 260]).unwrap();
        assert_eq!(batches.len(), 1);
        let mut blocks = batches[0].clone();
        blocks.push(Block::new([0, 70], [50, 99], 0, Pairing::All));
        for tile in [TILE, SOFTWARE_TILE] {
            layout.tile = tile;
            let tiles = layout.tiles(&blocks);
            for (block, i) in blocks.iter().zip(0..) {
                let all = (0..block.x_count).flat_map(|x| (0..block.y_count).map(move |y| (x, y)));
                for (x, y) in all.filter(|(x, y)| block.pairing() != Pairing::Symmetric || x < y) {
                    let covers = |t: &&[u32; 2]| {
                        let (row, column) = (t[1] >> 16, t[1] & 0xffff);
                        t[0] == i && (row..row + tile.x).contains(&x) && (column..column + tile.y).contains(&y)
                    };
                    assert_eq!(tiles.iter().filter(covers).count(), 1, "{x} {y} of block {i}");
                }
            }
        }
        assert_eq!(
            blocks.iter().map(Block::distances).sum::<u64>(),
            99 * 98 / 2 + 128 * 127 / 2 + 32 * 31 / 2 + 70 * 99 - 20
        );
        layout.pairs = 128 * 128 + 99 * 99;
        let sizes = |bounds: &[u32]| layout.leaf_batches(bounds).unwrap().iter().map(Vec::len).collect::<Vec<usize>>();
        assert_eq!(sizes(&[0, 1, 100, 228, 260]), [2, 2]);
        assert_eq!(sizes(&[0, 99, 227, 259]), [2, 1]);
        layout.pairs = 100;
        let error = layout.leaf_batches(&[0, 1, 100]).unwrap_err().to_string();
        assert!(error.starts_with("the distances of a leaf needs"), "{error}");
    }

    /// Every row of a stretch meets every other row, but not itself.
    #[test]
    fn blocks_of_exact_search_cover_all_pairs() {
        let mut layout = Layout::new(sizes(5000, 4), WEB_GPU).unwrap();
        for (pairs, tile) in [(1 << 23, TILE), (1 << 20, TILE), (1 << 20, SOFTWARE_TILE), (5000, TILE)] {
            (layout.pairs, layout.tile) = (pairs, tile);
            let (all, some) = (Stretch::of_points(0, 5000, 0), Stretch::of_points(7000, 900, 5000));
            let room = |blocks: &[Block]| blocks.iter().map(Block::pairs).sum::<usize>();
            let own = layout.exact_blocks(&all, &all);
            assert!(own.iter().all(|blocks| room(blocks) <= pairs), "{pairs}");
            assert_eq!(own.iter().flatten().map(Block::distances).sum::<u64>(), 5000 * 4999 / 2);
            assert_eq!(own.iter().flatten().map(Block::pairs).sum::<usize>(), 5000 * 5000);
            for blocks in own.iter().filter(|blocks| blocks.len() > 1) {
                let [a, b] = blocks[..] else { panic!("a block and its mirror") };
                assert_eq!((a.x_start, a.y_start, a.pairs() as u32), (b.y_start, b.x_start, b.pairs));
                assert!(layout.tiles(blocks).iter().all(|tile| tile[0] == 0), "the mirror has no tiles");
            }
            // Put together, they still cover all, and rows of a batch are distinct.
            let near: Vec<_> = own.into_iter().filter(|blocks| blocks.len() > 1).collect();
            let (count, batches) = (near.len(), disjoint_blocks(near));
            assert_eq!(batches.iter().map(|batch| batch.len() / 2).sum::<usize>(), count);
            assert!(batches.len() <= count.div_ceil(2) + 1 || count < 4, "{} of {count}", batches.len());
            for batch in &batches {
                let lists = block_places(batch);
                for (i, block) in batch.iter().enumerate() {
                    assert_eq!(lists[block.pairs as usize], [i as u32, 0]);
                    assert!(batch[..i].iter().all(|other| !other.shares_rows(block)));
                }
            }
            let others = layout.exact_blocks(&all, &some);
            let fits = |b: &Block| b.pairs() <= pairs && b.y_start + b.y_count <= 5900 && b.y_id == 2000;
            assert!(others.iter().flatten().all(fits));
            assert_eq!(others.iter().flatten().map(Block::distances).sum::<u64>(), 5000 * 900);
        }
    }
}
