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

#[cfg(test)]
mod tests {
    use super::*;

    /// Banks of workgroup memory, in words.
    const BANKS: usize = 32;

    /// The eight invocations that are served together read their quads of a step, and write those they stage, from and
    /// to different banks.
    #[test]
    fn staged_rows_meet_no_bank_conflicts() {
        let text = include_str!("../../../shaders/block_pairs.wgsl");
        assert!(text.contains("const DEPTH: u32 = 4u;\nconst PITCH: u32 = DEPTH + 1u;"));
        assert!(text.contains("y_quads[(y + j * Y_STEP) * PITCH + q]") && text.contains("let y = lane % Y_STEP;"));
        let (depth, pitch, step) = (4, 5, TILE.y as usize / 4);
        let conflicts = |quad: &dyn Fn(usize) -> usize| {
            let mut uses = [0; BANKS];
            (0..8).flat_map(|lane| (0..4).map(move |word| (lane, word))).for_each(|(lane, word)| {
                uses[(4 * quad(lane) + word) % BANKS] += 1;
            });
            uses.into_iter().max().expect("there are banks")
        };
        assert_eq!((0..4).map(|q| conflicts(&|lane| lane % step * pitch + q)).max(), Some(1));
        assert!(conflicts(&|i| i / depth * pitch + i % depth) <= 2);
        // Rows that follow each other without a gap, four to an invocation.
        assert_eq!(conflicts(&|lane| 4 * (lane % step) * depth), 8);
    }
}
