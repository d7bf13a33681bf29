//! Tiles: the pairs of rows whose distances a workgroup computes.

/// Rows and columns of a tile, and the invocations that compute it, 4 x 4 pairs each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TileSize {
    pub group: u32,
    pub x: u32,
    pub y: u32,
}

impl TileSize {
    /// Rows of the data that a tile reads.
    pub(super) fn rows(self) -> u64 {
        u64::from(self.x + self.y)
    }
}

/// For hardware.
pub(super) const TILE: TileSize = TileSize { group: 64, x: 32, y: 32 };
/// For software, which runs the invocations of a workgroup one subgroup after another.
pub(super) const SOFTWARE_TILE: TileSize = TileSize { group: 8, x: 8, y: 16 };
