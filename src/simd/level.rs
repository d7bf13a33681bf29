//! The instruction sets of the machine. Only detection makes a [`Level`], which is what makes `dispatch` sound.

use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

/// An instruction set that kernels are compiled for and that this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level(Isa);

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Isa {
    #[cfg(target_arch = "x86_64")]
    Avx512 {
        /// Whether there are instructions that count bits.
        counts: bool,
    },
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

impl Level {
    /// The best level of this machine.
    pub(crate) fn detect() -> Self {
        static LEVEL: OnceLock<Level> = OnceLock::new();
        *LEVEL.get_or_init(|| Self::available()[0])
    }

    /// All levels of this machine, best first.
    pub(crate) fn available() -> Vec<Self> {
        let mut levels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if avx512::is_available() {
                levels.push(Self(Isa::Avx512 { counts: avx512::is_counting() }));
            }
            if avx2::is_available() {
                levels.push(Self(Isa::Avx2));
            }
        }
        levels.push(Self(Isa::Portable));
        levels
    }

    pub(super) fn isa(self) -> Isa {
        self.0
    }

    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 { .. } => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => "AVX2",
            Isa::Portable => "portable",
        }
    }
}
