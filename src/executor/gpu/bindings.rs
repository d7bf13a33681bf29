//! Which bindings hold the points, and the tables with a place for every neighbour, as a function of sizes and limits.
//!
//! A binding holds 2 GiB at most, whatever memory a device has. What is larger lies in several: whole rows of the
//! points, and pieces of equal length of a table.

use super::kernels::{KERNELS, KernelInfo, Slot};
use super::limits::DeviceLimits;
use super::sizes::Sizes;
use crate::error::GpuError;

/// Storage bindings beside the data in the kernels with the most of them, of tables in one piece.
const OTHER_BINDINGS: u32 = 6;

/// Pieces of a table. A device with so many bindings that are so small is none that builds run on.
const MOST_PIECES: usize = 64;

/// Kernels count the words of a table in 32 bits, and a point's number has 31 (the last tells new neighbours).
const MOST_BYTES: u64 = 4 << 32;
const MOST_ROWS: usize = (1 << 31) - 1;

/// How data and tables are divided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bindings {
    /// Rows in one binding of the data, and bindings.
    pub shard_rows: usize,
    pub shards: usize,
    /// Words of a table in one binding.
    pub piece: u32,
}

impl Bindings {
    pub(super) fn of(sizes: &Sizes, limits: DeviceLimits) -> Result<Self, GpuError> {
        let most = limits.binding.min(limits.buffer);
        let row_bytes = sizes.row_bytes as u64;
        let shard_rows = (most / row_bytes).min(sizes.n as u64) as usize;
        let shards = if shard_rows == 0 { usize::MAX } else { sizes.n.div_ceil(shard_rows) };
        let spare = limits.bindings.saturating_sub(OTHER_BINDINGS) as usize;
        if shards > spare {
            return Err(too_large("data", row_bytes * sizes.n as u64, most * spare as u64));
        }
        for (what, slot, bytes) in sizes.buffers() {
            let limit = if slot.is_some_and(Slot::is_table) { MOST_BYTES.min(most * MOST_PIECES as u64) } else { most };
            if bytes > limit {
                return Err(too_large(what, bytes, limit));
            }
        }
        let bindings = Self { shard_rows, shards, piece: (most / 4).min(1 << 31) as u32 };
        KERNELS.iter().try_for_each(|kernel| bindings.check(kernel, sizes, limits.bindings as usize)).map(|()| bindings)
    }

    /// Pieces of a slot's buffer.
    pub(super) fn pieces(&self, sizes: &Sizes, slot: Slot) -> usize {
        (sizes.table_bytes(slot).div_ceil(4 * u64::from(self.piece.max(1))) as usize).max(1)
    }

    /// Whether a device has as many bindings as a kernel needs.
    fn check(&self, kernel: &KernelInfo, sizes: &Sizes, most: usize) -> Result<(), GpuError> {
        let slots = || kernel.bindings.iter().map(|(_, slot)| *slot).filter(|slot| *slot != Slot::Params);
        let pieces: usize = slots().map(|slot| self.pieces(sizes, slot)).sum();
        let used = pieces + if kernel.kernel.reads_data() { self.shards } else { 0 };
        let in_pieces = slots().map(|slot| (slot, self.pieces(sizes, slot))).find(|(_, pieces)| *pieces > 1);
        match in_pieces.filter(|_| used > most) {
            Some((slot, pieces)) => {
                let allowed = pieces.saturating_sub(used - most).max(1) as u64;
                Err(too_large(label(sizes, slot), sizes.table_bytes(slot), 4 * u64::from(self.piece) * allowed))
            }
            None => Ok(()),
        }
    }
}

/// What a table is called in messages.
fn label(sizes: &Sizes, slot: Slot) -> &'static str {
    let named = sizes.buffers().into_iter().find(|(_, of, _)| *of == Some(slot));
    named.map_or("final rows", |(label, ..)| label)
}

fn too_large(what: &'static str, bytes: u64, limit: u64) -> GpuError {
    GpuError::TooLarge { what, bytes, limit }
}

/// How many such rows a device can hold at once.
pub(super) fn most_rows(sizes: Sizes, limits: DeviceLimits) -> usize {
    let fits = |n: usize| Bindings::of(&Sizes { n, ..sizes }, limits).is_ok();
    let (mut fitting, mut beyond) = (0, MOST_ROWS + 1);
    while fitting + 1 < beyond {
        let middle = fitting.midpoint(beyond);
        if fits(middle) { fitting = middle } else { beyond = middle }
    }
    fitting
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::gpu::sizes::tests::{WEB_GPU, sizes};

    #[test]
    fn data_is_sharded_over_bindings() {
        let bindings = Bindings::of(&sizes(60_000, 196), WEB_GPU).unwrap();
        assert_eq!((bindings.shard_rows, bindings.shards), ((128 << 20) / (196 * 16), 2));
        assert!(bindings.shard_rows * bindings.shards >= 60_000);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let message = |sizes: Sizes| Bindings::of(&sizes, WEB_GPU).unwrap_err().to_string();
        let data = message(sizes(600_000, 196));
        assert_eq!(data, "data needs 1795 MiB, but this device allows 256 MiB: use `Device::Cpu`");
        let rows = message(sizes(1_200_000, 4));
        assert!(rows.starts_with("row distances needs 138 MiB, but this device allows 128 MiB"), "{rows}");
    }

    /// The largest number of rows can be laid out, and one more cannot.
    #[test]
    fn the_most_rows_are_the_most() {
        for bindings in [8, 12, 31, 1 << 20] {
            let limits = DeviceLimits { bindings, ..WEB_GPU };
            for (quads, width) in [(196, 30), (4, 30), (1, 200), (4096, 20)] {
                let sizes = |n| Sizes { width, ..sizes(n, quads) };
                let most = most_rows(sizes(1), limits);
                assert!(Bindings::of(&sizes(most), limits).is_ok(), "{most} rows of {quads} quads");
                assert!(Bindings::of(&sizes(most + 1), limits).is_err(), "{most} rows of {quads} quads and one");
            }
        }
    }

    /// Rows of k = 32 and 128 codes by the bindings of a device: of 2 GiB each, as wgpu has them at most.
    #[test]
    fn tables_may_be_larger_than_a_binding() {
        let most = |bindings| {
            let limits = DeviceLimits { binding: (2 << 30) - 4, buffer: (2 << 30) - 4, bindings, ..WEB_GPU };
            most_rows(Sizes { n: 1, quads: 8, row_bytes: 144, width: 40, forward: 30, reverse: 15 }, limits)
        };
        let millions = [8, 16, 31, 1 << 20].map(|bindings| most(bindings) as f64 / 1e6);
        assert_eq!(millions.map(|m| m.floor()), [13.0, 44.0, 93.0, 93.0]);
    }
}
