//! The instruction sets of the machine. Only detection makes a [`Level`], which is what makes `dispatch` sound.

use std::mem::discriminant;
use std::sync::OnceLock;

#[cfg(target_arch = "aarch64")]
use super::neon;
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

/// The environment variable that lowers the level.
const VARIABLE: &str = "NNDESCENT_SIMD";

/// An instruction set that kernels are compiled for and that this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level(Isa);

/// Which one, from the lowest to the highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Isa {
    Portable,
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(target_arch = "aarch64")]
    NeonDot,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni {
        /// Whether there are instructions that count bits.
        counts: bool,
    },
}

/// The levels of this architecture, as the variable and as reports name them.
const NAMES: &[(&str, &str, Isa)] = &[
    ("portable", "portable", Isa::Portable),
    #[cfg(target_arch = "aarch64")]
    ("neon", "NEON", Isa::Neon),
    #[cfg(target_arch = "aarch64")]
    ("neondot", "NEON with dot products", Isa::NeonDot),
    #[cfg(target_arch = "x86_64")]
    ("avx2", "AVX2", Isa::Avx2),
    #[cfg(target_arch = "x86_64")]
    ("avxvnni", "AVX-VNNI", Isa::AvxVnni),
    #[cfg(target_arch = "x86_64")]
    ("avx512", "AVX-512", Isa::Avx512),
    #[cfg(target_arch = "x86_64")]
    ("avx512vnni", "AVX-512 VNNI", Isa::Avx512Vnni { counts: true }),
];

/// `NNDESCENT_SIMD` names no level of this architecture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{VARIABLE} is `{value}`, which is none of: {}", arguments())]
pub struct UnknownLevelError {
    value: String,
}

/// The values that the variable may have.
fn arguments() -> String {
    let arguments: Vec<&str> = NAMES.iter().map(|name| name.0).collect();
    arguments.join(", ")
}

/// The instruction set that distances on the CPU are computed with, as reports name it: `AVX-512 VNNI`, or
/// `AVX2 (NNDESCENT_SIMD=avx2)` where the variable was set.
///
/// # Errors
/// `NNDESCENT_SIMD` names no level of this architecture. Builds and searches ignore it then, with a warning.
pub fn instructions() -> Result<String, UnknownLevelError> {
    let asked = &chosen().1;
    asked.as_ref().map(|_| Level::detect().name()).map_err(Clone::clone)
}

/// The value of the variable, if it names a level.
type Asked = Result<Option<String>, UnknownLevelError>;

/// The level that the variable leaves of this machine's, looked up once.
fn chosen() -> &'static (Level, Asked) {
    static CHOSEN: OnceLock<(Level, Asked)> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        let value = std::env::var_os(VARIABLE).map(|value| value.to_string_lossy().into_owned());
        choose(&Level::available(), value.filter(|value| !value.is_empty()))
    })
}

/// The best of `levels`, which come best first, that is no higher than the one asked for.
fn choose(levels: &[Level], value: Option<String>) -> (Level, Asked) {
    let Some(value) = value else { return (levels[0], Ok(None)) };
    let Some(&(_, _, most)) = NAMES.iter().find(|name| name.0 == value) else {
        return (levels[0], Err(UnknownLevelError { value }));
    };
    let found = levels.iter().find(|level| level.0 <= most);
    (*found.expect("the portable level is the lowest"), Ok(Some(value)))
}

impl Level {
    /// The best level of this machine, or the one that [`VARIABLE`] lowers it to.
    pub(crate) fn detect() -> Self {
        static LEVEL: OnceLock<Level> = OnceLock::new();
        *LEVEL.get_or_init(|| {
            let (level, asked) = chosen();
            if let Err(error) = asked {
                tracing::warn!(%error, "the best instruction set is used");
            }
            *level
        })
    }

    /// All levels of this machine, best first.
    pub(crate) fn available() -> Vec<Self> {
        let levels = [
            #[cfg(target_arch = "x86_64")]
            (avx512::has_vnni(), Isa::Avx512Vnni { counts: avx512::is_counting() }),
            #[cfg(target_arch = "x86_64")]
            (avx512::is_available(), Isa::Avx512),
            #[cfg(target_arch = "x86_64")]
            (avx2::has_vnni(), Isa::AvxVnni),
            #[cfg(target_arch = "x86_64")]
            (avx2::is_available(), Isa::Avx2),
            #[cfg(target_arch = "aarch64")]
            (neon::has_dot(), Isa::NeonDot),
            #[cfg(target_arch = "aarch64")]
            (neon::is_available(), Isa::Neon),
            (true, Isa::Portable),
        ];
        levels.into_iter().filter(|level| level.0).map(|level| Self(level.1)).collect()
    }

    /// Whether to look at the nibbles of bytes first pays: there are no instructions for products of whole bytes, for
    /// which it is cheaper to compute than to choose what to compute, but fast ones for nibbles.
    pub(crate) fn looks_at_nibbles(self) -> bool {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::Avx512 => true,
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => true,
            _ => false,
        }
    }

    pub(super) fn isa(self) -> Isa {
        self.0
    }

    /// Its name in reports, with the variable if that was set.
    pub(crate) fn name(self) -> String {
        let mut names = NAMES.iter();
        let is_own = |name: &&(_, _, Isa)| discriminant(&name.2) == discriminant(&self.0);
        let &(argument, name, _) = names.find(is_own).expect("every level has a name");
        match &chosen().1 {
            Ok(None) => name.into(),
            Ok(Some(asked)) if asked == argument => format!("{name} ({VARIABLE}={asked})"),
            Ok(Some(asked)) => format!("{name} ({VARIABLE}={asked}, which this machine lacks)"),
            Err(error) => format!("{name} ({error})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_lowers_the_level_and_never_raises_it() {
        let levels = Level::available();
        assert!(levels.is_sorted_by(|a, b| a.0 > b.0), "best first: {levels:?}");
        assert_eq!(choose(&levels, None), (levels[0], Ok(None)));
        for (i, (argument, _, isa)) in NAMES.iter().enumerate() {
            for from in 0..levels.len() {
                let (level, asked) = choose(&levels[from..], Some((*argument).into()));
                assert_eq!(asked, Ok(Some((*argument).into())));
                assert!(level.0 <= *isa && level.0 <= levels[from].0, "{argument} gave {level:?}");
                let better = levels[from..].iter().filter(|other| other.0 > level.0);
                assert!(better.into_iter().all(|other| other.0 > *isa), "{argument} gave {level:?}");
            }
            assert!(NAMES[..i].iter().all(|name| name.2 < *isa && name.0 != *argument));
        }
    }

    #[test]
    fn unknown_levels_are_errors() {
        let levels = Level::available();
        for value in ["avx3", "AVX2", " avx2", "none"] {
            let (level, asked) = choose(&levels, Some(value.into()));
            assert_eq!(level, levels[0]);
            let message = asked.unwrap_err().to_string();
            assert!(message.starts_with(&format!("NNDESCENT_SIMD is `{value}`")) && message.contains("portable"));
        }
    }
}
