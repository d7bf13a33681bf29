//! The table of kernels: one row for each entry point of the files in shaders/.

use crate::report::DevicePhase;

/// What a binding of group 0 holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Slot {
    Params,
    Counters,
    RowDistances,
    RowIds,
    ListIds,
    Owners,
    Spans,
    Blocks,
    Tiles,
    Places,
    Pairs,
    Counts,
    Cursors,
    EdgeDistances,
    EdgeIds,
    Total,
    Found,
    FoundCounts,
    Near,
    Order,
    FinalDistances,
    FinalPoints,
}

impl Slot {
    /// Whether it has a place for every neighbour, and may lie in several bindings.
    pub(super) fn is_table(self) -> bool {
        matches!(
            self,
            Self::RowDistances
                | Self::RowIds
                | Self::Near
                | Self::EdgeDistances
                | Self::EdgeIds
                | Self::FinalDistances
                | Self::FinalPoints
        )
    }
}

/// The binding of a piece of a slot, whose own binding is below 10.
pub(super) fn binding_of_piece(binding: u32, piece: usize) -> u32 {
    binding + 10 * piece as u32
}

/// A text that is put before a kernel's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Params,
    Counters,
    Rows,
    Nearest,
    OwnedRow,
    Blocks,
    Tiles,
    /// All distances of a block are written.
    PutAll,
    /// Those near enough are.
    PutNear,
    /// The points, bound as group 1, and the metric's distances of them.
    Data,
    /// Distances of many rows to one.
    Distances,
    /// Cooperative matrices.
    Matrices,
}

/// A kernel: an index into [`KERNELS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kernel {
    EmptyRows,
    BlockPairs,
    /// `BlockPairs` by cooperative matrices.
    BlockProducts,
    /// `BlockPairs` that leaves out what is too far for full rows.
    NearPairs,
    OfferPairs,
    OfferFound,
    OfferLists,
    FillRandom,
    CountEdges,
    GiveRoom,
    PutEdges,
    Neighborhoods,
    LocalJoin,
    Recompute,
}

/// A row of [`KERNELS`].
pub(super) struct KernelInfo {
    pub kernel: Kernel,
    /// For reports and messages.
    pub name: &'static str,
    pub entry: &'static str,
    pub text: &'static str,
    /// The texts before `text`, in order.
    pub parts: &'static [Part],
    /// Bindings of group 0 that the entry point uses.
    pub bindings: &'static [(u32, Slot)],
    /// Whether an invocation owns a row, rather than a workgroup.
    pub row_per_invocation: bool,
}

macro_rules! shader {
    ($name:literal) => {
        include_str!(concat!("../../../shaders/", $name, ".wgsl"))
    };
}

const REVERSE_EDGES: KernelInfo = KernelInfo {
    kernel: Kernel::CountEdges,
    name: "reverse_edges (count)",
    entry: "count",
    text: shader!("reverse_edges"),
    parts: &[Part::Params, Part::Rows, Part::Nearest],
    bindings: &[(0, Slot::Params), (3, Slot::RowIds), (4, Slot::Counts)],
    row_per_invocation: true,
};

/// Every kernel, in the order of [`Kernel`].
pub(super) const KERNELS: [KernelInfo; 14] = [
    KernelInfo {
        kernel: Kernel::EmptyRows,
        name: "empty_rows",
        entry: "main",
        text: shader!("empty_rows"),
        parts: &[Part::Params, Part::Rows, Part::Nearest],
        bindings: &[(0, Slot::Params), (2, Slot::RowDistances), (3, Slot::RowIds)],
        row_per_invocation: true,
    },
    KernelInfo {
        kernel: Kernel::BlockPairs,
        name: "block_pairs",
        entry: "main",
        text: shader!("block_pairs"),
        parts: &[Part::Params, Part::Blocks, Part::Data, Part::Tiles, Part::PutAll],
        bindings: &[(0, Slot::Params), (4, Slot::ListIds), (5, Slot::Blocks), (6, Slot::Pairs), (7, Slot::Tiles)],
        row_per_invocation: false,
    },
    KernelInfo {
        kernel: Kernel::BlockProducts,
        name: "block_products",
        entry: "main",
        text: shader!("block_products"),
        parts: &[Part::Params, Part::Blocks, Part::Data, Part::Tiles, Part::PutAll, Part::Matrices],
        bindings: &[(0, Slot::Params), (4, Slot::ListIds), (5, Slot::Blocks), (6, Slot::Pairs), (7, Slot::Tiles)],
        row_per_invocation: false,
    },
    KernelInfo {
        kernel: Kernel::NearPairs,
        name: "near_pairs",
        entry: "main",
        text: shader!("block_pairs"),
        parts: &[Part::Params, Part::Blocks, Part::Data, Part::Tiles, Part::PutNear],
        bindings: &[
            (0, Slot::Params),
            (2, Slot::RowDistances),
            (3, Slot::FoundCounts),
            (4, Slot::ListIds),
            (5, Slot::Blocks),
            (6, Slot::Found),
            (7, Slot::Tiles),
        ],
        row_per_invocation: false,
    },
    KernelInfo {
        kernel: Kernel::OfferPairs,
        name: "offer_pairs",
        entry: "main",
        text: shader!("offer_pairs"),
        parts: &[Part::Params, Part::Counters, Part::Rows, Part::Nearest, Part::OwnedRow, Part::Blocks],
        bindings: &[
            (0, Slot::Params),
            (1, Slot::Counters),
            (2, Slot::RowDistances),
            (3, Slot::RowIds),
            (4, Slot::ListIds),
            (5, Slot::Blocks),
            (6, Slot::Pairs),
            (7, Slot::Places),
        ],
        row_per_invocation: false,
    },
    KernelInfo {
        kernel: Kernel::OfferFound,
        name: "offer_found",
        entry: "main",
        text: shader!("offer_found"),
        parts: &[Part::Params, Part::Counters, Part::Rows, Part::Nearest, Part::OwnedRow, Part::Blocks],
        bindings: &[
            (0, Slot::Params),
            (1, Slot::Counters),
            (2, Slot::RowDistances),
            (3, Slot::RowIds),
            (4, Slot::ListIds),
            (5, Slot::Blocks),
            (6, Slot::Found),
            (7, Slot::Places),
            (8, Slot::FoundCounts),
        ],
        row_per_invocation: false,
    },
    KernelInfo {
        kernel: Kernel::OfferLists,
        name: "offer_lists",
        entry: "main",
        text: shader!("offer_lists"),
        parts: &[Part::Params, Part::Counters, Part::Rows, Part::Nearest, Part::OwnedRow, Part::Data],
        bindings: &[
            (0, Slot::Params),
            (1, Slot::Counters),
            (2, Slot::RowDistances),
            (3, Slot::RowIds),
            (4, Slot::ListIds),
            (5, Slot::Owners),
            (6, Slot::Spans),
        ],
        row_per_invocation: false,
    },
    KernelInfo {
        kernel: Kernel::FillRandom,
        name: "fill_random",
        entry: "main",
        text: shader!("fill_random"),
        parts: &[Part::Params, Part::Counters, Part::Rows, Part::Nearest, Part::OwnedRow, Part::Data],
        bindings: &[(0, Slot::Params), (1, Slot::Counters), (2, Slot::RowDistances), (3, Slot::RowIds)],
        row_per_invocation: false,
    },
    REVERSE_EDGES,
    KernelInfo {
        kernel: Kernel::GiveRoom,
        name: "reverse_edges (give_room)",
        entry: "give_room",
        bindings: &[(0, Slot::Params), (4, Slot::Counts), (5, Slot::Cursors), (8, Slot::Total)],
        ..REVERSE_EDGES
    },
    KernelInfo {
        kernel: Kernel::PutEdges,
        name: "reverse_edges (put)",
        entry: "put",
        bindings: &[
            (0, Slot::Params),
            (2, Slot::RowDistances),
            (3, Slot::RowIds),
            (5, Slot::Cursors),
            (6, Slot::EdgeDistances),
            (7, Slot::EdgeIds),
        ],
        ..REVERSE_EDGES
    },
    KernelInfo {
        kernel: Kernel::Neighborhoods,
        name: "neighborhoods",
        entry: "main",
        text: shader!("neighborhoods"),
        parts: &[Part::Params, Part::Rows, Part::Nearest],
        bindings: &[
            (0, Slot::Params),
            (3, Slot::RowIds),
            (4, Slot::Counts),
            (5, Slot::Cursors),
            (6, Slot::EdgeDistances),
            (7, Slot::EdgeIds),
            (8, Slot::Near),
        ],
        row_per_invocation: false,
    },
    KernelInfo {
        kernel: Kernel::LocalJoin,
        name: "local_join",
        entry: "main",
        text: shader!("local_join"),
        parts: &[Part::Params, Part::Counters, Part::Rows, Part::Nearest, Part::OwnedRow, Part::Data, Part::Distances],
        bindings: &[
            (0, Slot::Params),
            (1, Slot::Counters),
            (2, Slot::RowDistances),
            (3, Slot::RowIds),
            (4, Slot::Near),
        ],
        row_per_invocation: false,
    },
    KernelInfo {
        kernel: Kernel::Recompute,
        name: "recompute",
        entry: "main",
        text: shader!("recompute"),
        parts: &[Part::Params, Part::Rows, Part::Nearest, Part::Data, Part::Distances],
        bindings: &[
            (0, Slot::Params),
            (3, Slot::RowIds),
            (4, Slot::Order),
            (5, Slot::FinalDistances),
            (6, Slot::FinalPoints),
        ],
        row_per_invocation: false,
    },
];

impl Kernel {
    pub(super) fn info(self) -> &'static KernelInfo {
        let info = &KERNELS[self as usize];
        debug_assert_eq!(info.kernel, self, "the table is in another order");
        info
    }

    pub(super) fn name(self) -> &'static str {
        self.info().name
    }

    /// The part of a build that it runs in.
    pub(super) fn phase(self) -> DevicePhase {
        match self {
            Self::EmptyRows => DevicePhase::EmptyRows,
            Self::BlockPairs | Self::BlockProducts | Self::NearPairs | Self::OfferPairs | Self::OfferFound => {
                DevicePhase::Join
            }
            Self::OfferLists | Self::FillRandom => DevicePhase::Fill,
            Self::CountEdges | Self::GiveRoom | Self::PutEdges | Self::Neighborhoods | Self::LocalJoin => {
                DevicePhase::Rounds
            }
            Self::Recompute => DevicePhase::Recompute,
        }
    }

    /// Whether the points are bound, as group 1.
    pub(super) fn reads_data(self) -> bool {
        self.info().parts.contains(&Part::Data)
    }

    /// Rows that a workgroup of `group` invocations works on.
    pub(super) fn rows_per_group(self, group: u32) -> u32 {
        if self.info().row_per_invocation { group } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_kernel_stands_in_its_place() {
        for (at, info) in KERNELS.iter().enumerate() {
            assert_eq!((info.kernel as usize, info.kernel.name()), (at, info.name));
        }
    }

    /// Every shader has a line that names the code on the CPU that it is compared with.
    #[test]
    fn every_kernel_names_its_twin() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for info in &KERNELS {
            let line = info.text.lines().find_map(|line| line.strip_prefix("// Twin: "));
            let twins = line.unwrap_or_else(|| panic!("{} names no twin", info.name));
            for twin in twins.split(", ") {
                let file = twin.split(' ').next().unwrap_or_default();
                assert!(root.join(file).is_file(), "{}: there is no {file}", info.name);
            }
        }
    }
}
