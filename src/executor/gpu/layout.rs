//! The layout of a build on a device: sizes of buffers, workgroups and dispatches, as pure functions of sizes and
//! limits.

use bytemuck::{Pod, Zeroable};

use super::bindings::Bindings;
use super::kernels::Slot;
use super::kind::AdapterKind;
use super::limits::DeviceLimits;
use super::sizes::Sizes;
use super::tile::{SOFTWARE_TILE, TILE, TileSize};
use crate::error::GpuError;

/// Room in workgroup memory that rows take on a kind of device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Room {
    /// Neighbours offered to a row before the nearest are settled: few barriers, but a bound that still tightens.
    pub chunk: u32,
    /// Slots in the set of candidates seen, a power of two. It suffices for most rows and is quick to clear.
    table: u32,
}

impl Room {
    /// Hardware works on as many rows at a time as there is memory for. Software has nothing of that.
    fn of(kind: AdapterKind) -> Self {
        match kind {
            AdapterKind::Software => Self { chunk: 128, table: 1024 },
            _ => Self { chunk: 64, table: 512 },
        }
    }

    /// Bytes that `nearest.wgsl` and `local_join.wgsl` take beside the set.
    fn beside_table(self, width: usize, stride: usize) -> u32 {
        8 * width as u32 + 20 * self.chunk + 4 * stride as u32 + 64
    }

    /// The largest set of candidates that fits in workgroup memory, up to the one wanted.
    fn table(self, width: usize, stride: usize, workgroup: u32) -> Result<u32, GpuError> {
        let beside = self.beside_table(width, stride);
        let least = LEAST_TABLE.max(4 * width as u32).next_power_of_two();
        let mut table = self.table.max(least);
        while 4 * table + beside > workgroup {
            table /= 2;
            if table < least {
                let bytes = u64::from(4 * least + beside);
                return Err(GpuError::TooLarge { what: "a row in workgroup memory", bytes, limit: workgroup.into() });
            }
        }
        Ok(table)
    }
}

/// The smallest set: room for a step of every invocation beside a row.
const LEAST_TABLE: u32 = 512;

/// Offers or candidates that an invocation works on at a time. What they share is loaded once.
pub(super) const HELD: u32 = 4;

/// Same as `Room::chunk`, for rows that begin empty: the sooner the bound is known, the fewer neighbours are ranked.
pub(super) const SETTLED: u32 = 32;

/// Near pairs of a row in a block of exact search that are kept in a list. In rows that were compared with as many
/// others before, about as many are found as a row keeps; if there are more, all pairs of the block are offered.
pub(super) const FOUND: u32 = 128;

/// `Params` of shaders/shared/params.wgsl.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub(super) struct Params {
    pub n: u32,
    pub first: u32,
    pub groups: u32,
    pub across: u32,
    pub forward: u32,
    pub others: u32,
    pub quads: u32,
    pub shard_rows: u32,
    pub seed: u32,
    pub rows: u32,
}

/// The layout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Layout {
    pub sizes: Sizes,
    pub bindings: Bindings,
    /// Slots in the set of candidates seen, a power of two.
    pub table: u32,
    /// Offers that are settled at once.
    pub chunk: u32,
    /// Workgroups of one dispatch, and of its x dimension.
    pub groups: u32,
    pub across: u32,
    /// Invocations of a workgroup.
    pub group: u32,
    pub team: Team,
    pub ranking: Ranking,
    pub tile: TileSize,
    /// Side of the cooperative matrices that compute distances of pairs; 0 if none do.
    pub matrix_side: u32,
    /// Distances of pairs that fit in the buffer.
    pub pairs: usize,
}

/// How the invocations that read a row together exchange their sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Team {
    /// Every invocation reads rows of its own.
    None,
    /// Through their subgroup.
    Shuffles,
    /// Through workgroup memory.
    Memory,
}

/// Invocations of a team. `LANES` of shaders/shared/team_distances.wgsl.
const LANES: usize = 4;

impl Team {
    /// Software has nothing of it. Rows shorter than a team would leave some of it idle.
    fn of(limits: DeviceLimits, quads: usize) -> Self {
        match limits.kind {
            AdapterKind::Software => Self::None,
            _ if quads < LANES => Self::None,
            _ if limits.shuffles => Self::Shuffles,
            _ => Self::Memory,
        }
    }
}

/// How offers to a row are ranked among those that it keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ranking {
    /// Every invocation compares its offers with all that is kept.
    Loops,
    /// A few offers by votes of a subgroup, which is the workgroup.
    Votes,
}

impl Ranking {
    fn of(limits: DeviceLimits) -> Self {
        let by_votes = limits.votes && limits.shuffles && limits.kind != AdapterKind::Software;
        if by_votes { Self::Votes } else { Self::Loops }
    }
}

/// Operations in a dispatch: 0.2 seconds on a device of 10^12 operations a second, the slowest worth using, or ten
/// times as many on a card. Drivers end dispatches of about two seconds, and desktops stutter long before.
const DISPATCH_OPERATIONS: f64 = 0.2e12;
const CARD: f64 = 10.0;
/// Bytes of rows that a dispatch reads at most, if no cache helps, where they may come from the memory of the CPU: 0.2
/// seconds at 25 GB/s.
const DISPATCH_BYTES: f64 = 5e9;

/// Workgroups of a dispatch in which each compares a row with this many candidates.
fn groups(sizes: &Sizes, candidates: f64, kind: AdapterKind) -> u32 {
    let by_operations = DISPATCH_OPERATIONS / (candidates * sizes.operations());
    let by_bytes = DISPATCH_BYTES / (candidates * sizes.row_bytes as f64);
    let groups = if kind == AdapterKind::Discrete { CARD * by_operations } else { by_operations.min(by_bytes) };
    groups.clamp(64.0, f64::from(u32::MAX >> 1)) as u32
}

/// Bytes of distances within leaves at a time: a tree of half a million points in leaves of 128.
const PAIR_BYTES: u64 = 256 << 20;
/// Bytes for the distances within the leaves of a tree.
pub(super) fn pair_bytes(n: usize, leaf_size: usize) -> u64 {
    (4 * n as u64 * leaf_size.min(n) as u64).min(PAIR_BYTES)
}

impl Layout {
    pub(super) fn new(sizes: Sizes, limits: DeviceLimits) -> Result<Self, GpuError> {
        let bindings = Bindings::of(&sizes, limits)?;
        // One subgroup to a row, whose barriers cost least.
        let group = limits.subgroup.clamp(8, 64);
        let room = Room::of(limits.kind);
        let (table, chunk) = (room.table(sizes.width, sizes.stride(), limits.workgroup)?, room.chunk);
        let candidates = ((sizes.forward + sizes.reverse).pow(2) as f64).min(sizes.n as f64);
        let groups = groups(&sizes, candidates, limits.kind);
        // A whole number of lines, so that only the last dispatch of a step may reach beyond its own workgroups.
        let groups = if groups > limits.groups { groups - groups % limits.groups } else { groups };
        let tile = if limits.subgroup <= SOFTWARE_TILE.group { SOFTWARE_TILE } else { TILE };
        let pairs = (limits.binding.min(limits.buffer).min(PAIR_BYTES) / 4) as usize;
        let (across, team, ranking) = (limits.groups, Team::of(limits, sizes.quads), Ranking::of(limits));
        Ok(Self { sizes, bindings, table, chunk, groups, across, group, team, ranking, tile, matrix_side: 0, pairs })
    }

    /// With cooperative matrices of so many rows.
    pub(super) fn with_matrices(self, side: u32) -> Self {
        let tile = if side == 0 { self.tile } else { TILE };
        Self { matrix_side: side, tile, ..self }
    }

    /// The dispatches of `groups` workgroups.
    pub(super) fn dispatches(&self, groups: u32) -> impl Iterator<Item = Dispatch> {
        let (most, across) = (self.groups, self.across);
        (0..groups.div_ceil(most)).map(move |d| Dispatch::new(d * most, most.min(groups - d * most), across))
    }

    /// Pieces of a slot's buffer.
    pub(super) fn pieces(&self, slot: Slot) -> usize {
        self.bindings.pieces(&self.sizes, slot)
    }

    /// Bytes of such a piece.
    pub(super) fn piece_bytes(&self, slot: Slot) -> u64 {
        if slot.is_table() { 4 * u64::from(self.bindings.piece) } else { u64::MAX }
    }

    /// `u32`s of a neighbourhood: a header and the points.
    pub(super) fn stride(&self) -> usize {
        self.sizes.stride()
    }
}

/// A dispatch: its first workgroup, as counted over all of a step, and its workgroups along x and y. There may be fewer
/// of the step than x times y.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dispatch {
    pub first: u32,
    pub across: u32,
    pub down: u32,
}

impl Dispatch {
    fn new(first: u32, groups: u32, most: u32) -> Self {
        let down = groups.div_ceil(most);
        Self { first, across: groups.div_ceil(down), down }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sizes::tests::{WEB_GPU, sizes};
    use super::*;

    #[test]
    fn rows_that_are_too_long_are_named() {
        let wide = Sizes { width: 900, ..sizes(10_000, 4) };
        let message = Layout::new(wide, WEB_GPU).unwrap_err().to_string();
        assert!(message.starts_with("a row in workgroup memory needs"), "{message}");
    }

    #[test]
    fn dispatches_cover_all_groups_within_the_limit() {
        for groups in [1, 65_535, 65_536, 200_000, 1_000_000, 16_777_216] {
            for card in [false, true] {
                let kind = if card { AdapterKind::Discrete } else { AdapterKind::Integrated };
                let layout = Layout::new(sizes(60_000, 196), DeviceLimits { kind, ..WEB_GPU }).unwrap();
                let all: Vec<_> = layout.dispatches(groups).collect();
                assert!(all.iter().all(|d| (1..=65_535).contains(&d.across) && (1..=65_535).contains(&d.down)));
                for (at, dispatch) in all.iter().enumerate() {
                    let next = all.get(at + 1).map_or(groups, |next| next.first);
                    let (here, own) = (dispatch.across * dispatch.down, next - dispatch.first);
                    assert!(here >= own && here - own < dispatch.down && own <= layout.groups, "{dispatch:?}");
                    assert!(at + 1 == all.len() || here == own, "only the last may reach beyond its own");
                }
            }
        }
    }

    /// A million rows of 128 floats: as few dispatches on a card as there is time for, and where rows come from the
    /// memory of the CPU none that reads more than 5 GB.
    #[test]
    fn dispatches_are_bounded_by_operations_and_bytes() {
        let sizes = Sizes { n: 1_000_000, quads: 32, row_bytes: 512, width: 32, forward: 30, reverse: 15 };
        let limits = DeviceLimits { binding: 1 << 31, buffer: 1 << 31, ..WEB_GPU };
        let of = |kind| Layout::new(sizes, DeviceLimits { kind, ..limits }).unwrap();
        assert_eq!(of(AdapterKind::Discrete).dispatches(1_000_000).count(), 1);
        for kind in [AdapterKind::Integrated, AdapterKind::Virtual, AdapterKind::Other, AdapterKind::Software] {
            let layout = of(kind);
            assert!(f64::from(layout.groups) * 2025.0 * 512.0 <= DISPATCH_BYTES, "{kind}: {}", layout.groups);
        }
    }

    #[test]
    fn offers_are_ranked_by_votes_where_a_workgroup_is_a_subgroup() {
        let card = DeviceLimits { kind: AdapterKind::Discrete, shuffles: true, votes: true, ..WEB_GPU };
        let of = |limits| Layout::new(sizes(1000, 4), limits).unwrap();
        assert_eq!((of(card).ranking, of(card).group), (Ranking::Votes, 32));
        for limits in [
            DeviceLimits { votes: false, ..card },
            DeviceLimits { shuffles: false, ..card },
            DeviceLimits { kind: AdapterKind::Software, ..card },
        ] {
            assert_eq!(of(limits).ranking, Ranking::Loops);
        }
    }

    #[test]
    fn the_table_fits_in_workgroup_memory() {
        for kind in [AdapterKind::Discrete, AdapterKind::Software] {
            let room = Room::of(kind);
            for width in [1, 20, 45, 200, 300] {
                let table = room.table(width, 37, 16_384).unwrap();
                assert!(table.is_power_of_two() && 4 * table + room.beside_table(width, 37) <= 16_384);
                assert!(table as usize > 2 * width);
            }
        }
    }
}
