//! How a build is laid out on a device: what goes into which buffer, and how large. Pure functions of sizes and limits.

use bytemuck::{Pod, Zeroable};

use super::limits::DeviceLimits;
use super::tile::{SOFTWARE_TILE, TILE, TileSize};
use crate::error::GpuError;

/// Neighbours offered to a row before those that stay are settled: few barriers, yet a bound that tightens.
pub(super) const CHUNK: u32 = 128;

/// Offers, or candidates, that an invocation works on at a time: what they share is loaded once.
pub(super) const HELD: u32 = 4;

/// Quads of a row that a workgroup gathers at a time, the more the better: a cache line of 128 bytes, or half of one.
const GATHERED: [u32; 2] = [8, 4];

/// As `CHUNK`, where rows begin empty and most of those offered pass: the sooner the bound is known, the fewer are ranked.
pub(super) const SETTLED: u32 = 32;

/// `Params` of shaders/shared/params.wgsl.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub(super) struct Params {
    pub n: u32,
    pub first: u32,
    pub forward: u32,
    pub others: u32,
    pub quads: u32,
    pub shard_rows: u32,
    pub seed: u32,
    pub rows: u32,
}

/// What is to be laid out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sizes {
    pub n: usize,
    /// Groups of four values in a row, and the bytes of a row.
    pub quads: usize,
    pub row_bytes: usize,
    /// Neighbours in a row.
    pub width: usize,
    pub forward: usize,
    pub reverse: usize,
}

/// The layout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Layout {
    pub sizes: Sizes,
    /// Rows in one binding of the data, and bindings.
    pub shard_rows: usize,
    pub shards: usize,
    /// Places of the set of candidates seen, a power of two.
    pub table: u32,
    /// Quads of rows that a workgroup gathers at a time, if it gathers.
    pub gathered: Option<u32>,
    /// Workgroups of one dispatch.
    pub groups: u32,
    /// Invocations of a workgroup.
    pub group: u32,
    pub tile: TileSize,
    /// Rows of the cooperative matrices that distances of pairs are computed by; 0: of none.
    pub matrix_side: u32,
    /// Distances of pairs of rows of leaves that are kept at once.
    pub pairs: usize,
}

/// Storage bindings of the kernel with most of them, the data's not counted: `offer_lists`.
const OTHER_BINDINGS: u32 = 6;

/// Seconds that a dispatch may take on a device of 10^12 operations a second, the slowest worth using: drivers end those
/// of about two seconds, and desktops stutter long before.
const DISPATCH_OPERATIONS: f64 = 0.2e12;

/// Rows of a block of exact search: as many workgroups keep the nearest. Few for software, whose blocks are to end soon.
const EXACT_ROWS: u32 = 1 << 13;
const SOFTWARE_EXACT_ROWS: u32 = 1 << 10;
/// Columns of a tile's corner are 16 bits.
const LARGEST_SIDE: u32 = 1 << 15;
/// Bytes of distances between the rows of leaves: a tree of half a million points in leaves of 128. Every batch of leaves is waited
/// for.
const PAIR_BYTES: u64 = 256 << 20;
/// Operations of a block of exact search: a dispatch, beside others that wait for it.
const EXACT_OPERATIONS: f64 = 0.05e12;
const SOFTWARE_EXACT_OPERATIONS: f64 = 0.002e12;

/// Bytes for the distances within the leaves of a tree.
pub(super) fn pair_bytes(n: usize, leaf_size: usize) -> u64 {
    (4 * n as u64 * leaf_size.min(n) as u64).min(PAIR_BYTES)
}

/// The most rows of this kind that a device takes at once.
pub(super) fn most_rows(sizes: Sizes, limits: DeviceLimits) -> usize {
    let most = limits.binding.min(limits.buffer);
    let row_bytes = sizes.row_bytes as u64;
    let data = (most / row_bytes).saturating_mul(spare_bindings(limits) as u64);
    let of_one = Sizes { n: 1, ..sizes }.buffers().map(|(_, bytes)| bytes);
    of_one.into_iter().fold(data, |rows, bytes| rows.min(most / bytes.max(1))) as usize
}

/// Bindings that there are for the data.
fn spare_bindings(limits: DeviceLimits) -> usize {
    limits.bindings.saturating_sub(OTHER_BINDINGS) as usize
}

impl Layout {
    pub(super) fn new(sizes: Sizes, limits: DeviceLimits) -> Result<Self, GpuError> {
        let row_bytes = sizes.row_bytes as u64;
        let most = limits.binding.min(limits.buffer);
        let shard_rows = (most / row_bytes).min(sizes.n as u64) as usize;
        let shards = if shard_rows == 0 { usize::MAX } else { sizes.n.div_ceil(shard_rows) };
        let spare = spare_bindings(limits);
        if shards > spare {
            let bytes = row_bytes * sizes.n as u64;
            return Err(GpuError::TooLarge { what: "data", bytes, limit: most * spare as u64 });
        }
        for (what, bytes) in sizes.buffers() {
            if bytes > most {
                return Err(GpuError::TooLarge { what, bytes, limit: most });
            }
        }
        // One subgroup to a row: its barriers cost least. Software runs one of these after another.
        let group = limits.subgroup.clamp(8, 64);
        let table = table(sizes.width, sizes.stride(), limits.workgroup)?;
        let candidates = ((sizes.forward + sizes.reverse).pow(2) as f64).min(sizes.n as f64);
        let operations = candidates * sizes.operations();
        let groups = (DISPATCH_OPERATIONS / operations).clamp(64.0, f64::from(limits.groups)) as u32;
        let tile = if limits.subgroup <= SOFTWARE_TILE.group { SOFTWARE_TILE } else { TILE };
        let pairs = (most.min(PAIR_BYTES) / 4) as usize;
        let beside = 4 * table + beside_table(sizes.width, sizes.stride());
        let fits = |quads: &u32| limits.gathers && beside + gather_bytes(group, *quads) <= limits.workgroup;
        let gathered = GATHERED.into_iter().find(fits);
        Ok(Self { sizes, shard_rows, shards, table, groups, group, gathered, tile, matrix_side: 0, pairs })
    }

    /// With cooperative matrices of so many rows.
    pub(super) fn with_matrices(self, side: u32) -> Self {
        let tile = if side == 0 { self.tile } else { TILE };
        Self { matrix_side: side, tile, ..self }
    }

    /// The dispatches of `groups` workgroups: where each begins, and how many it has.
    pub(super) fn dispatches(&self, groups: u32) -> impl Iterator<Item = (u32, u32)> {
        let most = self.groups;
        (0..groups.div_ceil(most)).map(move |d| (d * most, most.min(groups - d * most)))
    }

    /// The leaves of a tree as blocks, in batches that there is room for the distances of.
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
            let block = Block::new([leaf[0], m], [leaf[0], m], pairs as u32, true);
            batches.last_mut().expect("there is one").push(block);
            pairs += needed;
        }
        Ok(batches)
    }

    /// Rows against columns, both a stretch of the data on the device, a block at a time.
    pub(super) fn exact_blocks(&self, rows: &Stretch, columns: &Stretch) -> Vec<Block> {
        let (m, n) = (rows.count, columns.count);
        let (most_rows, operations) = if self.tile == SOFTWARE_TILE {
            (SOFTWARE_EXACT_ROWS, SOFTWARE_EXACT_OPERATIONS)
        } else {
            (EXACT_ROWS, EXACT_OPERATIONS)
        };
        let pairs = self.pairs.min((operations / self.sizes.operations()) as usize).max(1);
        let x_step = most_rows.min(m).min(pairs as u32);
        let y_step = ((pairs / x_step as usize) as u32).clamp(1, LARGEST_SIDE).min(n);
        let starts = |count: u32, step: u32| (0..count).step_by(step as usize);
        let block = |x, y| {
            let [x_span, y_span] = [[rows.first + x, x_step.min(m - x)], [columns.first + y, y_step.min(n - y)]];
            Block { x_id: rows.id, y_id: columns.id, ..Block::new(x_span, y_span, 0, false) }
        };
        starts(m, x_step).flat_map(|x| starts(n, y_step).map(move |y| block(x, y))).collect()
    }

    /// The tiles of blocks, as `block_pairs.wgsl` reads them; of symmetric ones those with pairs above the diagonal.
    pub(super) fn tiles(&self, blocks: &[Block]) -> Vec<[u32; 2]> {
        let mut tiles = Vec::new();
        for (block, i) in blocks.iter().zip(0..) {
            for x in (0..block.x_count).step_by(self.tile.x as usize) {
                let sizes = |y: &u32| block.symmetric == 0 || y + self.tile.y > x;
                let columns = (0..block.y_count).step_by(self.tile.y as usize).filter(sizes);
                tiles.extend(columns.map(|y| [i, x << 16 | y]));
            }
        }
        tiles
    }

    /// `u32`s of a neighbourhood: a header and the points.
    pub(super) fn stride(&self) -> usize {
        self.sizes.stride()
    }
}

/// Rows of the data on a device that follow one another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stretch {
    pub first: u32,
    pub count: u32,
    /// Added to places in the data, gives ids.
    pub id: u32,
}

impl Stretch {
    /// The points from `point` on, kept from place `first` on.
    pub(super) fn of_points(point: u32, count: u32, first: u32) -> Self {
        Self { first, count, id: point.wrapping_sub(first) }
    }
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
    pub symmetric: u32,
    /// What makes ids of rows and columns of the data on the device, where these are a part of all.
    pub x_id: u32,
    pub y_id: u32,
}

impl Block {
    fn new([x_start, x_count]: [u32; 2], [y_start, y_count]: [u32; 2], pairs: u32, symmetric: bool) -> Self {
        Self { x_start, x_count, y_start, y_count, pairs, symmetric: symmetric.into(), x_id: 0, y_id: 0 }
    }

    /// Distances in its matrix.
    pub(super) fn pairs(&self) -> usize {
        self.x_count as usize * self.y_count as usize
    }

    /// Distances that are computed for it: those of rows to themselves do not count.
    pub(super) fn distances(&self) -> u64 {
        let all = self.pairs() as u64;
        if self.symmetric == 1 {
            return (all - u64::from(self.x_count)) / 2;
        }
        let (x, y) = (self.x_start..self.x_start + self.x_count, self.y_start..self.y_start + self.y_count);
        all - u64::from(x.end.min(y.end).saturating_sub(x.start.max(y.start)))
    }
}

/// Every row of blocks, as `offer_pairs.wgsl` reads them.
pub(super) fn block_places(blocks: &[Block]) -> Vec<[u32; 2]> {
    blocks.iter().zip(0..).flat_map(|(block, i)| (0..block.x_count).map(move |row| [i, row])).collect()
}

impl Sizes {
    /// Of a distance: a difference and a multiplication that adds, for each of four values to a quad.
    fn operations(&self) -> f64 {
        (self.quads * 12) as f64
    }

    fn stride(&self) -> usize {
        1 + self.forward + self.reverse
    }

    /// Bytes on the device.
    pub(super) fn bytes(&self) -> u64 {
        (self.n * self.row_bytes) as u64 + self.buffers().iter().map(|b| b.1).sum::<u64>()
    }

    /// Every buffer beside the data, and its bytes.
    pub(super) fn buffers(&self) -> [(&'static str, u64); 8] {
        let n = self.n as u64;
        let row = 4 * n * self.width as u64;
        let edges = 4 * n * self.forward as u64;
        [
            ("row distances", row),
            ("row ids", row),
            ("neighbourhoods", 4 * n * self.stride() as u64),
            ("edge distances", edges),
            ("edge ids", edges),
            ("edge counts", 4 * n),
            ("edge places", 4 * n),
            ("lists", 16 * n),
        ]
    }
}

/// Bytes of workgroup memory that `nearest.wgsl` and `local_join.wgsl` take beside the set of candidates.
fn beside_table(width: usize, stride: usize) -> u32 {
    8 * width as u32 + 20 * CHUNK + 4 * stride as u32 + 64
}

/// Bytes of workgroup memory of `gathered_distances.wgsl`.
fn gather_bytes(group: u32, quads: u32) -> u32 {
    group * (16 * (quads + 1) + 4)
}

/// The largest set of candidates that fits in workgroup memory; at most 1,024, which is what most rows meet, and soon emptied.
fn table(width: usize, stride: usize, workgroup: u32) -> Result<u32, GpuError> {
    let beside = beside_table(width, stride);
    let least = (4 * CHUNK).max(4 * width as u32).next_power_of_two();
    let mut table = 1024.max(least);
    while 4 * table + beside > workgroup {
        table /= 2;
        if table < least {
            let bytes = u64::from(4 * least + beside);
            return Err(GpuError::TooLarge { what: "a row in workgroup memory", bytes, limit: workgroup.into() });
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB_GPU: DeviceLimits = DeviceLimits {
        binding: 128 << 20,
        buffer: 256 << 20,
        bindings: 8,
        workgroup: 16_384,
        groups: 65_535,
        subgroup: 32,
        native_f16: false,
        gathers: true,
        matrices: Err(""),
    };

    fn sizes(n: usize, quads: usize) -> Sizes {
        Sizes { n, quads, row_bytes: 16 * quads, width: 30, forward: 24, reverse: 12 }
    }

    #[test]
    fn data_is_sharded_over_bindings() {
        let layout = Layout::new(sizes(60_000, 196), WEB_GPU).unwrap();
        assert_eq!((layout.shard_rows, layout.shards), ((128 << 20) / (196 * 16), 2));
        assert!(layout.shard_rows * layout.shards >= 60_000);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let message = Layout::new(sizes(600_000, 196), WEB_GPU).unwrap_err().to_string();
        assert_eq!(message, "data needs 1795 MiB, but this device allows 256 MiB: use `Device::Cpu`");
        let message = Layout::new(sizes(1_200_000, 4), WEB_GPU).unwrap_err().to_string();
        assert!(message.starts_with("row distances needs 138 MiB, but this device allows 128 MiB"), "{message}");
        let wide = Sizes { width: 900, ..sizes(10_000, 4) };
        let message = Layout::new(wide, WEB_GPU).unwrap_err().to_string();
        assert!(message.starts_with("a row in workgroup memory needs"), "{message}");
    }

    /// The most rows can be laid out, and one more cannot.
    #[test]
    fn the_most_rows_are_the_most() {
        for (quads, width) in [(196, 30), (4, 30), (1, 200), (4096, 20)] {
            let sizes = |n| Sizes { width, ..sizes(n, quads) };
            let most = most_rows(sizes(1), WEB_GPU);
            assert!(Layout::new(sizes(most), WEB_GPU).is_ok(), "{most} rows of {quads} quads");
            assert!(Layout::new(sizes(most + 1), WEB_GPU).is_err(), "{most} rows of {quads} quads and one");
        }
    }

    #[test]
    fn dispatches_cover_all_groups_within_the_limit() {
        let layout = Layout::new(sizes(60_000, 196), WEB_GPU).unwrap();
        let all: Vec<_> = layout.dispatches(200_000).collect();
        assert!(all.iter().all(|d| d.1 <= 65_535 && d.1 > 0));
        assert!(all.windows(2).all(|w| w[0].0 + w[0].1 == w[1].0));
        assert_eq!(all.iter().map(|d| d.1).sum::<u32>(), 200_000);
    }

    /// Every pair above the diagonal lies in one tile.
    #[test]
    fn tiles_cover_the_pairs_of_leaves() {
        let mut layout = Layout::new(sizes(1000, 4), WEB_GPU).unwrap();
        let batches = layout.leaf_batches(&[0, 1, 100, 228, 260]).unwrap();
        assert_eq!(batches.len(), 1);
        let mut blocks = batches[0].clone();
        blocks.push(Block::new([0, 70], [50, 99], 0, false));
        for tile in [TILE, SOFTWARE_TILE] {
            layout.tile = tile;
            let tiles = layout.tiles(&blocks);
            for (block, i) in blocks.iter().zip(0..) {
                let all = (0..block.x_count).flat_map(|x| (0..block.y_count).map(move |y| (x, y)));
                for (x, y) in all.filter(|(x, y)| block.symmetric == 0 || x < y) {
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

    #[test]
    fn blocks_of_exact_search_cover_all_pairs() {
        let mut layout = Layout::new(sizes(5000, 4), WEB_GPU).unwrap();
        for (pairs, tile) in [(1 << 23, TILE), (1 << 20, TILE), (1 << 20, SOFTWARE_TILE), (5000, TILE)] {
            (layout.pairs, layout.tile) = (pairs, tile);
            let (all, some) = (Stretch::of_points(0, 5000, 0), Stretch::of_points(7000, 900, 5000));
            let blocks = layout.exact_blocks(&all, &all);
            assert!(blocks.iter().all(|b| b.pairs() <= pairs && b.y_count <= LARGEST_SIDE));
            assert_eq!(blocks.iter().map(Block::distances).sum::<u64>(), 5000 * 4999);
            let blocks = layout.exact_blocks(&all, &some);
            assert!(blocks.iter().all(|b| b.pairs() <= pairs && b.y_start + b.y_count <= 5900 && b.y_id == 2000));
            assert_eq!(blocks.iter().map(Block::distances).sum::<u64>(), 5000 * 900);
        }
    }

    /// Rows are gathered a cache line at a time where that fits beside the rest, by half lines where only that does.
    #[test]
    fn what_is_gathered_fits_in_workgroup_memory() {
        let gathered = |subgroup, workgroup, gathers| {
            let limits = DeviceLimits { subgroup, workgroup, gathers, ..WEB_GPU };
            Layout::new(sizes(1000, 32), limits).unwrap().gathered
        };
        assert_eq!(gathered(32, 16_384, true), Some(8));
        assert_eq!(gathered(64, 16_384, true), Some(4));
        assert_eq!(gathered(64, 49_152, true), Some(8));
        assert_eq!(gathered(32, 49_152, false), None);
    }

    #[test]
    fn the_table_fits_in_workgroup_memory() {
        for width in [1, 20, 45, 200, 300] {
            let table = table(width, 37, 16_384).unwrap();
            assert!(table.is_power_of_two() && 4 * table + 8 * width as u32 + 20 * CHUNK + 4 * 37 + 64 <= 16_384);
            assert!(table as usize > 2 * width);
        }
    }
}
