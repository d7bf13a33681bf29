//! How fast each level is, for estimates of cost: docs/PERFORMANCE.md, "Auto".

use super::Level;
use super::level::Isa;

/// Nanoseconds of one of two threads that share a core: fitted for AVX2 and AVX-512 VNNI, the rest by proportion.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speed {
    /// 64 products of bytes.
    pub bytes: f64,
    /// 16 columns of floats.
    pub floats: f64,
    /// What a distance takes beside, in tiles.
    pub tile: f64,
    /// Putting a neighbour into a row, or finding that it is too far, where leaves are joined.
    pub insert: f64,
}

impl Level {
    pub(crate) fn speed(self) -> Speed {
        let speed = |bytes, floats, tile, insert| Speed { bytes, floats, tile, insert };
        match self.isa() {
            Isa::Portable => speed(5.5, 8.0, 7.0, 24.0),
            // Not measured.
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => speed(1.3, 2.0, 1.3, 9.0),
            #[cfg(target_arch = "aarch64")]
            Isa::NeonDot => speed(0.5, 2.0, 1.2, 9.0),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => speed(0.84, 1.4, 1.2, 9.0),
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni => speed(0.46, 1.4, 1.0, 8.0),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => speed(0.36, 1.25, 0.85, 6.0),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni { .. } => speed(0.16, 1.25, 0.8, 5.0),
        }
    }
}
