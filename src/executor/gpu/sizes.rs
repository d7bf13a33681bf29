//! The sizes of a build, and of the buffers that it needs.

use super::kernels::Slot;

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

impl Sizes {
    /// Operations of a distance: a difference and a fused multiply-add for each of four values in a quad.
    pub(super) fn operations(&self) -> f64 {
        (self.quads * 12) as f64
    }

    pub(super) fn stride(&self) -> usize {
        1 + self.forward + self.reverse
    }

    /// Bytes of the points.
    pub(super) fn data_bytes(&self) -> u64 {
        (self.n * self.row_bytes) as u64
    }

    /// Bytes on the device.
    pub(super) fn bytes(&self) -> u64 {
        self.data_bytes() + self.buffers().iter().map(|b| b.2).sum::<u64>()
    }

    /// The other buffers and their bytes.
    pub(super) fn buffers(&self) -> [(&'static str, Option<Slot>, u64); 8] {
        let n = self.n as u64;
        let of = |label, slot| (label, Some(slot), self.table_bytes(slot));
        [
            of("row distances", Slot::RowDistances),
            of("row ids", Slot::RowIds),
            of("neighbourhoods", Slot::Near),
            of("edge distances", Slot::EdgeDistances),
            of("edge ids", Slot::EdgeIds),
            ("edge counts", Some(Slot::Counts), 4 * n),
            ("edge places", Some(Slot::Cursors), 4 * n),
            ("lists", None, 16 * n),
        ]
    }

    /// Bytes of a table of neighbours; 0 of others.
    pub(super) fn table_bytes(&self, slot: Slot) -> u64 {
        let words = match slot {
            Slot::RowDistances | Slot::RowIds | Slot::FinalDistances | Slot::FinalPoints => self.width,
            Slot::Near => self.stride(),
            Slot::EdgeDistances | Slot::EdgeIds => self.forward,
            _ => 0,
        };
        4 * self.n as u64 * words as u64
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::executor::gpu::kind::AdapterKind;
    use crate::executor::gpu::limits::DeviceLimits;

    pub(in super::super) const WEB_GPU: DeviceLimits = DeviceLimits {
        binding: 128 << 20,
        buffer: 256 << 20,
        bindings: 8,
        workgroup: 16_384,
        groups: 65_535,
        subgroup: 32,
        votes: false,
        shuffles: false,
        kind: AdapterKind::Other,
        native_f16: false,
        timestamps: false,
        matrices: None,
    };

    pub(in super::super) fn sizes(n: usize, quads: usize) -> Sizes {
        Sizes { n, quads, row_bytes: 16 * quads, width: 30, forward: 24, reverse: 12 }
    }
}
