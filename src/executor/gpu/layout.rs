//! The layout of a build on a device: sizes of buffers, workgroups and dispatches, as pure functions of sizes and
//! limits.

use bytemuck::{Pod, Zeroable};

use super::limits::DeviceLimits;
use super::tile::{SOFTWARE_TILE, TILE, TileSize};
use crate::error::GpuError;

/// Neighbours offered to a row before the nearest are settled: few barriers, but a bound that still tightens.
pub(super) const CHUNK: u32 = 128;

/// Offers or candidates that an invocation works on at a time. What they share is loaded once.
pub(super) const HELD: u32 = 4;

/// Same as `CHUNK`, for rows that begin empty: the sooner the bound is known, the fewer neighbours are ranked.
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

/// The sizes of a build.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sizes {
    pub n: usize,
    /// Quads in a row, and its bytes.
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
    /// Slots in the set of candidates seen, a power of two.
    pub table: u32,
    /// Workgroups of one dispatch.
    pub groups: u32,
    /// Invocations of a workgroup.
    pub group: u32,
    pub tile: TileSize,
    /// Side of the cooperative matrices that compute distances of pairs; 0 if none do.
    pub matrix_side: u32,
    /// Distances of pairs that fit in the buffer.
    pub pairs: usize,
}

/// Storage bindings beside the data in the kernel with the most of them, `offer_lists`.
const OTHER_BINDINGS: u32 = 6;

/// Operations in a dispatch: 0.2 seconds on a device of 10^12 operations a second, the slowest worth using. Drivers end
/// dispatches of about two seconds, and desktops stutter long before.
const DISPATCH_OPERATIONS: f64 = 0.2e12;

/// Bytes of distances within leaves at a time: a tree of half a million points in leaves of 128.
const PAIR_BYTES: u64 = 256 << 20;
/// Bytes for the distances within the leaves of a tree.
pub(super) fn pair_bytes(n: usize, leaf_size: usize) -> u64 {
    (4 * n as u64 * leaf_size.min(n) as u64).min(PAIR_BYTES)
}

/// How many such rows a device can hold at once.
pub(super) fn most_rows(sizes: Sizes, limits: DeviceLimits) -> usize {
    let most = limits.binding.min(limits.buffer);
    let row_bytes = sizes.row_bytes as u64;
    let data = (most / row_bytes).saturating_mul(spare_bindings(limits) as u64);
    let of_one = Sizes { n: 1, ..sizes }.buffers().map(|(_, bytes)| bytes);
    of_one.into_iter().fold(data, |rows, bytes| rows.min(most / bytes.max(1))) as usize
}

/// Bindings left for the data.
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
        // One subgroup to a row, whose barriers cost least.
        let group = limits.subgroup.clamp(8, 64);
        let table = table(sizes.width, sizes.stride(), limits.workgroup)?;
        let candidates = ((sizes.forward + sizes.reverse).pow(2) as f64).min(sizes.n as f64);
        let operations = candidates * sizes.operations();
        let groups = (DISPATCH_OPERATIONS / operations).clamp(64.0, f64::from(limits.groups)) as u32;
        let tile = if limits.subgroup <= SOFTWARE_TILE.group { SOFTWARE_TILE } else { TILE };
        let pairs = (most.min(PAIR_BYTES) / 4) as usize;
        Ok(Self { sizes, shard_rows, shards, table, groups, group, tile, matrix_side: 0, pairs })
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

    /// `u32`s of a neighbourhood: a header and the points.
    pub(super) fn stride(&self) -> usize {
        self.sizes.stride()
    }
}

impl Sizes {
    /// Operations of a distance: a difference and a fused multiply-add for each of four values in a quad.
    pub(super) fn operations(&self) -> f64 {
        (self.quads * 12) as f64
    }

    fn stride(&self) -> usize {
        1 + self.forward + self.reverse
    }

    /// Bytes of the points.
    pub(super) fn data_bytes(&self) -> u64 {
        (self.n * self.row_bytes) as u64
    }

    /// Bytes on the device.
    pub(super) fn bytes(&self) -> u64 {
        self.data_bytes() + self.buffers().iter().map(|b| b.1).sum::<u64>()
    }

    /// The other buffers and their bytes.
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

/// The largest set of candidates that fits in workgroup memory. At most 1,024, which suffices for most rows and is
/// quick to clear.
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
pub(super) mod tests {
    use super::*;

    pub(in super::super) const WEB_GPU: DeviceLimits = DeviceLimits {
        binding: 128 << 20,
        buffer: 256 << 20,
        bindings: 8,
        workgroup: 16_384,
        groups: 65_535,
        subgroup: 32,
        native_f16: false,
        timestamps: false,
        matrices: None,
    };

    pub(in super::super) fn sizes(n: usize, quads: usize) -> Sizes {
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

    /// The largest number of rows can be laid out, and one more cannot.
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

    #[test]
    fn the_table_fits_in_workgroup_memory() {
        for width in [1, 20, 45, 200, 300] {
            let table = table(width, 37, 16_384).unwrap();
            assert!(table.is_power_of_two() && 4 * table + 8 * width as u32 + 20 * CHUNK + 4 * 37 + 64 <= 16_384);
            assert!(table as usize > 2 * width);
        }
    }
}
