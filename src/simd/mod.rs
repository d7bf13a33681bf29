//! Sixteen f32 lanes and 64-byte integer dot products, at the instruction level of the machine.
//!
//! [`Level::detect`] looks once; [`dispatch`] runs an [`Op`] compiled for that level. A level is a file that implements
//! [`Simd`], an `Isa` and its lines in `level.rs`, and an arm of [`dispatch`]; or of [`dispatch_bytes`] or
//! [`dispatch_counting`] alone, where it is a level with a few instructions more.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
mod compiled;
mod level;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
mod speed;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::graph::order::Neighbor;
use crate::graph::rows::insert;
use crate::points::Element;

use level::Isa;
pub(crate) use level::Level;
pub use level::{UnknownLevelError, instructions};
pub(crate) use portable::Portable;
pub(crate) use speed::Speed;

/// Lanes of [`Simd::F`].
pub(crate) const LANES: usize = 16;
/// Bytes of one step of [`Simd::dot_bytes`].
pub(crate) const BYTES: usize = 64;

/// Work that is to be compiled for every level. `run` must be `#[inline(always)]`.
pub(crate) trait Op {
    type Output;
    fn run<S: Simd>(self) -> Self::Output;
}

/// Runs `op` at `level`.
#[inline]
pub(crate) fn dispatch<O: Op>(level: Level, op: O) -> O::Output {
    match level.isa() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the machine has the features: `Level` is made only where it does.
        Isa::Avx512Vnni { .. } | Isa::Avx512 => unsafe { avx512::run(op) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::AvxVnni | Isa::Avx2 => unsafe { avx2::run(op) },
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above.
        Isa::NeonDot | Isa::Neon => unsafe { neon::run(op) },
        Isa::Portable => op.run::<Portable>(),
    }
}

/// Same as [`dispatch`], for work with [`Simd::dot_bytes`]: some levels have instructions for that and nothing else of
/// their own.
#[inline]
pub(crate) fn dispatch_bytes<O: Op>(level: Level, op: O) -> O::Output {
    match level.isa() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx512Vnni { .. } => unsafe { avx512::run_vnni(op) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::AvxVnni => unsafe { avx2::run_vnni(op) },
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above.
        Isa::NeonDot => unsafe { neon::run_dot(op) },
        _ => dispatch(level, op),
    }
}

/// Same as [`dispatch`], for work that counts bits: AVX-512 has an instruction for that, but not on all machines.
#[inline]
pub(crate) fn dispatch_counting<O: Op>(level: Level, op: O) -> O::Output {
    match level.isa() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx512Vnni { counts: true } => unsafe { avx512::run_counting(op) },
        _ => dispatch(level, op),
    }
}

/// Same as [`dispatch`], for work on single values: longer vectors do not make it faster, so it is compiled for one
/// level less.
#[inline]
pub(crate) fn dispatch_scalar<O: Op>(level: Level, op: O) -> O::Output {
    match level.isa() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above; machines with AVX-512 have these features, too.
        Isa::Avx512Vnni { .. } | Isa::Avx512 => unsafe { avx2::run(op) },
        _ => dispatch(level, op),
    }
}

/// Sixteen f32 lanes, and sums of products of bytes.
///
/// Implementations for instruction sets are private to their files: only [`dispatch`] reaches them.
pub(crate) trait Simd {
    /// [`LANES`] f32 values.
    type F: Copy;
    /// Partial sums of [`Simd::dot_bytes`].
    type I: Copy;
    /// [`LANES`] words, or counts of their bits.
    type C: Copy;

    fn splat(x: f32) -> Self::F;
    /// [`LANES`] values, widened.
    fn load<E: Element>(x: &[E; LANES]) -> Self::F;
    fn add(a: Self::F, b: Self::F) -> Self::F;
    fn sub(a: Self::F, b: Self::F) -> Self::F;
    fn div(a: Self::F, b: Self::F) -> Self::F;
    fn max(a: Self::F, b: Self::F) -> Self::F;
    fn min(a: Self::F, b: Self::F) -> Self::F;
    fn abs(a: Self::F) -> Self::F;
    /// a * b + c.
    fn mul_add(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// 1 where a and b differ, else 0.
    fn differ(a: Self::F, b: Self::F) -> Self::F;
    /// A bit for every lane where a <= b, the first lane's the lowest.
    fn at_most(a: Self::F, b: Self::F) -> u32;
    fn to_array(a: Self::F) -> [f32; LANES];
    /// The sums over the lanes of four vectors: together they cost little more than one.
    fn sum4(a: [Self::F; 4]) -> [f32; 4];

    fn zero() -> Self::I;
    /// Adds the products of [`BYTES`] pairs of unsigned bytes. Exact for up to 32,768 columns.
    ///
    /// What is summed is (x - [`Simd::BIAS`])·y: `VNNI` multiplies signed by unsigned bytes. Work that calls this runs
    /// by [`dispatch_bytes`].
    fn dot_bytes(x: &[u8; BYTES], y: &[u8; BYTES], sum: Self::I) -> Self::I;
    /// The dot products of signed bytes with four planes of nibbles, laid out as in `rows::dense::planes`: a byte's low
    /// nibble belongs to a column of the first half of a block, its high nibble to that of the second. `x` has twice as
    /// many bytes as a plane. Exact for up to 32,768 columns.
    #[inline(always)]
    fn dot_nibbles(x: &[u8], planes: [&[u8]; 4]) -> [i32; 4] {
        portable::dot_nibbles(x, planes)
    }
    /// Adds the absolute differences of [`BYTES`] pairs of unsigned bytes.
    fn differences(x: &[u8; BYTES], y: &[u8; BYTES], sum: Self::I) -> Self::I;
    /// The totals of four sums.
    fn total4(sums: [Self::I; 4]) -> [i32; 4];
    fn no_counts() -> Self::C;
    /// A word in every lane.
    fn word(word: u32) -> Self::C;
    fn words(words: &[u32; LANES]) -> Self::C;
    /// Adds in every lane the number of bits that two words have in common.
    fn count_common(a: Self::C, b: Self::C, sum: Self::C) -> Self::C;
    /// Their sum over the lanes.
    fn total(counts: Self::C) -> u32;
    /// Counts below 2^31, as floats.
    fn floats(counts: Self::C) -> Self::F;
    /// [`insert`].
    #[inline(always)]
    fn insert(row: &mut [Neighbor], neighbor: Neighbor) -> bool {
        insert(row, neighbor)
    }
    /// What [`Simd::dot_bytes`] subtracts from every value of its first argument.
    const BIAS: i32;
    /// Whether there are registers for 4 x 4 sums; else tiles are 1 x 4.
    const MANY_REGISTERS: bool;
}

/// Prefetches the cache line of a value.
#[inline(always)]
pub(crate) fn prefetch<T>(value: &T) {
    let p = std::ptr::from_ref(value);
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64, and a prefetch reads nothing.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(p.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a prefetch reads nothing. Its intrinsic is unstable.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{}]", in(reg) p, options(readonly, nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
    let _ = p;
}
