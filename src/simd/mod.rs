//! Sixteen f32 lanes and 64-byte integer dot products, at the instruction level of the machine.
//!
//! [`Level::detect`] looks once; [`dispatch`] runs an [`Op`] compiled for that level. The portable level is plain loops over
//! arrays, which compilers turn into NEON on aarch64 and SSE2 on x86-64.

use std::sync::OnceLock;

use half::f16;

use crate::graph::order::Neighbor;
use crate::graph::rows::insert;
use crate::points::Element;

/// Lanes of [`Simd::F`].
pub(crate) const LANES: usize = 16;
/// Bytes of one step of [`Simd::dot_bytes`].
pub(crate) const BYTES: usize = 64;

/// Instruction sets that kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    #[cfg(target_arch = "x86_64")]
    Avx512,
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
        #[cfg(target_arch = "x86_64")]
        {
            let mut levels = vec![Self::Portable];
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c") {
                levels.insert(0, Self::Avx2);
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
                {
                    levels.insert(0, Self::Avx512);
                }
            }
            levels
        }
        #[cfg(not(target_arch = "x86_64"))]
        vec![Self::Portable]
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "AVX2",
            Self::Portable if cfg!(target_arch = "aarch64") => "NEON",
            Self::Portable => "portable",
        }
    }
}

/// Work that is to be compiled for every level. `run` must be `#[inline(always)]`.
pub(crate) trait Op {
    type Output;
    fn run<S: Simd>(self) -> Self::Output;
}

/// Runs `op` at `level`, which must come from [`Level::detect`] or [`Level::available`].
#[inline]
pub(crate) fn dispatch<O: Op>(level: Level, op: O) -> O::Output {
    match level {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: levels are only made where the machine has their features.
        Level::Avx512 => unsafe { x86::run_avx512(op) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx2 => unsafe { x86::run_avx2(op) },
        Level::Portable => op.run::<Portable>(),
    }
}

/// Sixteen f32 lanes, and sums of products of bytes.
///
/// Implementations for instruction sets are sound only where [`dispatch`] calls them.
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
    /// What is summed is (x - [`Simd::BIAS`])·y: `VNNI` multiplies signed by unsigned bytes.
    fn dot_bytes(x: &[u8; BYTES], y: &[u8; BYTES], sum: Self::I) -> Self::I;
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
    fn counts(sum: Self::C) -> [u32; LANES];
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

/// Asks for the cache line that a value is in.
#[inline(always)]
pub(crate) fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64, and a prefetch reads nothing.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

pub(crate) struct Portable;

impl Simd for Portable {
    type F = [f32; LANES];
    type I = [i32; LANES];
    type C = [u32; LANES];
    const BIAS: i32 = 0;
    const MANY_REGISTERS: bool = false;

    #[inline(always)]
    fn splat(x: f32) -> Self::F {
        [x; LANES]
    }
    #[inline(always)]
    fn load<E: Element>(x: &[E; LANES]) -> Self::F {
        x.map(E::widen)
    }
    #[inline(always)]
    fn add(a: Self::F, b: Self::F) -> Self::F {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(a: Self::F, b: Self::F) -> Self::F {
        std::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn div(a: Self::F, b: Self::F) -> Self::F {
        std::array::from_fn(|i| a[i] / b[i])
    }
    #[inline(always)]
    fn max(a: Self::F, b: Self::F) -> Self::F {
        std::array::from_fn(|i| a[i].max(b[i]))
    }
    #[inline(always)]
    fn min(a: Self::F, b: Self::F) -> Self::F {
        std::array::from_fn(|i| a[i].min(b[i]))
    }
    #[inline(always)]
    fn abs(a: Self::F) -> Self::F {
        a.map(f32::abs)
    }
    #[inline(always)]
    fn mul_add(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        // Not `f32::mul_add`, which calls a library where there is no instruction.
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn differ(a: Self::F, b: Self::F) -> Self::F {
        std::array::from_fn(|i| f32::from(u8::from(a[i] != b[i])))
    }
    #[inline(always)]
    fn no_counts() -> Self::C {
        [0; LANES]
    }
    #[inline(always)]
    fn word(word: u32) -> Self::C {
        [word; LANES]
    }
    #[inline(always)]
    fn words(words: &[u32; LANES]) -> Self::C {
        *words
    }
    #[inline(always)]
    fn count_common(a: Self::C, b: Self::C, sum: Self::C) -> Self::C {
        std::array::from_fn(|i| sum[i] + (a[i] & b[i]).count_ones())
    }
    #[inline(always)]
    fn counts(sum: Self::C) -> [u32; LANES] {
        sum
    }
    #[inline(always)]
    fn total(counts: Self::C) -> u32 {
        counts.iter().sum()
    }
    #[inline(always)]
    fn floats(counts: Self::C) -> Self::F {
        counts.map(|count| count.cast_signed() as f32)
    }
    #[inline(always)]
    fn at_most(a: Self::F, b: Self::F) -> u32 {
        (0..LANES).fold(0, |bits, i| bits | u32::from(a[i] <= b[i]) << i)
    }
    #[inline(always)]
    fn to_array(a: Self::F) -> [f32; LANES] {
        a
    }
    #[inline(always)]
    fn zero() -> Self::I {
        [0; LANES]
    }
    #[inline(always)]
    fn dot_bytes(x: &[u8; BYTES], y: &[u8; BYTES], mut sum: Self::I) -> Self::I {
        for i in 0..BYTES {
            sum[i % LANES] += i32::from(x[i]) * i32::from(y[i]);
        }
        sum
    }
    #[inline(always)]
    fn differences(x: &[u8; BYTES], y: &[u8; BYTES], mut sum: Self::I) -> Self::I {
        for i in 0..BYTES {
            sum[i % LANES] += i32::from(x[i].abs_diff(y[i]));
        }
        sum
    }
    #[inline(always)]
    fn sum4(a: [Self::F; 4]) -> [f32; 4] {
        a.map(|a| a.into_iter().sum())
    }
    #[inline(always)]
    fn total4(sums: [Self::I; 4]) -> [i32; 4] {
        sums.map(|sum| sum.into_iter().sum())
    }
}

/// As [`dispatch`], for work that counts bits: AVX-512 has an instruction for that, but not on all machines.
#[inline]
pub(crate) fn dispatch_counting<O: Op>(level: Level, op: O) -> O::Output {
    #[cfg(target_arch = "x86_64")]
    if level == Level::Avx512 && is_x86_feature_detected!("avx512vpopcntdq") {
        // SAFETY: the machine has the features, as was just asked and when the level was made.
        return unsafe { x86::run_avx512_counting(op) };
    }
    dispatch(level, op)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! The x86-64 levels. Every intrinsic here is reached through [`dispatch`](super::dispatch) alone.
    use std::arch::x86_64::*;

    use super::*;

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c,bmi1,bmi2,popcnt,lzcnt")]
    pub(super) unsafe fn run_avx512<O: Op>(op: O) -> O::Output {
        op.run::<Avx512<false>>()
    }

    #[target_feature(
        enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,avx2,fma,f16c,bmi1,bmi2,popcnt,lzcnt"
    )]
    pub(super) unsafe fn run_avx512_counting<O: Op>(op: O) -> O::Output {
        op.run::<Avx512<true>>()
    }

    #[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,popcnt,lzcnt")]
    pub(super) unsafe fn run_avx2<O: Op>(op: O) -> O::Output {
        op.run::<Avx2>()
    }

    /// Whether the machine has `VPOPCNTDQ` as well.
    pub(crate) struct Avx512<const COUNTS: bool>;
    pub(crate) struct Avx2;

    /// An intrinsic call that is sound because `dispatch` checked the features.
    macro_rules! at_level {
        ($e:expr) => {
            // SAFETY: `dispatch` runs this level only where its features are present; pointers come from references to
            // arrays of the size that is read.
            unsafe { $e }
        };
    }

    /// How many bits the numbers below sixteen have.
    #[inline(always)]
    fn ones_of_nibbles() -> __m128i {
        at_level!(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4))
    }

    /// The elements of an array, as another type of the same size, for `load`'s choice by element type.
    #[inline(always)]
    fn same<A: 'static, B: 'static>() -> bool {
        std::any::TypeId::of::<A>() == std::any::TypeId::of::<B>()
    }

    impl<const COUNTS: bool> Simd for Avx512<COUNTS> {
        type F = __m512;
        type I = __m512i;
        type C = __m512i;
        const BIAS: i32 = 128;
        const MANY_REGISTERS: bool = true;

        #[inline(always)]
        fn splat(x: f32) -> Self::F {
            at_level!(_mm512_set1_ps(x))
        }
        #[inline(always)]
        fn load<E: Element>(x: &[E; LANES]) -> Self::F {
            let p = x.as_ptr();
            at_level!(if same::<E, f32>() {
                _mm512_loadu_ps(p.cast())
            } else if same::<E, f16>() {
                _mm512_cvtph_ps(_mm256_loadu_si256(p.cast()))
            } else if same::<E, u8>() {
                _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(p.cast())))
            } else {
                _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(p.cast())))
            })
        }
        #[inline(always)]
        fn add(a: Self::F, b: Self::F) -> Self::F {
            at_level!(_mm512_add_ps(a, b))
        }
        #[inline(always)]
        fn sub(a: Self::F, b: Self::F) -> Self::F {
            at_level!(_mm512_sub_ps(a, b))
        }
        #[inline(always)]
        fn div(a: Self::F, b: Self::F) -> Self::F {
            at_level!(_mm512_div_ps(a, b))
        }
        #[inline(always)]
        fn max(a: Self::F, b: Self::F) -> Self::F {
            at_level!(_mm512_max_ps(a, b))
        }
        #[inline(always)]
        fn min(a: Self::F, b: Self::F) -> Self::F {
            at_level!(_mm512_min_ps(a, b))
        }
        #[inline(always)]
        fn total(counts: Self::C) -> u32 {
            at_level!(_mm512_reduce_add_epi32(counts)).cast_unsigned()
        }
        #[inline(always)]
        fn floats(counts: Self::C) -> Self::F {
            at_level!(_mm512_cvtepi32_ps(counts))
        }
        #[inline(always)]
        fn abs(a: Self::F) -> Self::F {
            at_level!(_mm512_abs_ps(a))
        }
        #[inline(always)]
        fn mul_add(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
            at_level!(_mm512_fmadd_ps(a, b, c))
        }
        #[inline(always)]
        fn differ(a: Self::F, b: Self::F) -> Self::F {
            at_level!(_mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_NEQ_OQ>(a, b), _mm512_set1_ps(1.0)))
        }
        #[inline(always)]
        fn no_counts() -> Self::C {
            at_level!(_mm512_setzero_si512())
        }
        #[inline(always)]
        fn word(word: u32) -> Self::C {
            at_level!(_mm512_set1_epi32(word.cast_signed()))
        }
        #[inline(always)]
        fn words(words: &[u32; LANES]) -> Self::C {
            at_level!(_mm512_loadu_si512(words.as_ptr().cast()))
        }
        #[inline(always)]
        fn count_common(a: Self::C, b: Self::C, sum: Self::C) -> Self::C {
            at_level!({
                let common = _mm512_and_si512(a, b);
                if COUNTS {
                    return _mm512_add_epi32(sum, _mm512_popcnt_epi32(common));
                }
                let of_nibbles = _mm512_broadcast_i32x4(ones_of_nibbles());
                let nibble = _mm512_set1_epi8(15);
                let low = _mm512_shuffle_epi8(of_nibbles, _mm512_and_si512(common, nibble));
                let high = _mm512_and_si512(_mm512_srli_epi32::<4>(common), nibble);
                let bytes = _mm512_add_epi8(low, _mm512_shuffle_epi8(of_nibbles, high));
                let pairs = _mm512_maddubs_epi16(bytes, _mm512_set1_epi8(1));
                _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))
            })
        }
        #[inline(always)]
        fn counts(sum: Self::C) -> [u32; LANES] {
            // SAFETY: both are 64 bytes, of which any will do.
            unsafe { std::mem::transmute(sum) }
        }
        /// Eight places at a time: each keeps what it holds, or what comes before, or the neighbour, whichever is the second.
        #[inline(always)]
        fn insert(row: &mut [Neighbor], neighbor: Neighbor) -> bool {
            let last = row[row.len() - 1];
            let (eights, rest) = row.as_chunks_mut::<8>();
            let mut held = rest.iter().fold(false, |held, &here| held | (here | 1 == neighbor | 1));
            at_level!({
                let load = |eight: &[Neighbor; 8]| _mm512_loadu_epi64(eight.as_ptr().cast());
                let (flag, same) = (_mm512_set1_epi64(1), _mm512_set1_epi64((neighbor | 1).cast_signed()));
                for eight in &*eights {
                    held |= _mm512_cmpeq_epi64_mask(_mm512_or_si512(load(eight), flag), same) != 0;
                }
                if held | (neighbor >= last) {
                    return false;
                }
                let new = _mm512_set1_epi64(neighbor.cast_signed());
                let mut before = new;
                for eight in &mut *eights {
                    let here = load(eight);
                    let shifted = _mm512_alignr_epi64::<7>(here, before);
                    let second = _mm512_min_epu64(here, _mm512_max_epu64(shifted, new));
                    _mm512_storeu_epi64(eight.as_mut_ptr().cast(), second);
                    before = here;
                }
                let mut before = _mm_extract_epi64::<1>(_mm512_extracti32x4_epi32::<3>(before)).cast_unsigned();
                for place in rest {
                    (before, *place) = (*place, (*place).min(before.max(neighbor)));
                }
                true
            })
        }
        #[inline(always)]
        fn at_most(a: Self::F, b: Self::F) -> u32 {
            at_level!(u32::from(_mm512_cmp_ps_mask::<_CMP_LE_OQ>(a, b)))
        }
        #[inline(always)]
        fn to_array(a: Self::F) -> [f32; LANES] {
            // SAFETY: the same sixteen floats.
            unsafe { std::mem::transmute(a) }
        }
        #[inline(always)]
        fn sum4([a, b, c, d]: [Self::F; 4]) -> [f32; 4] {
            at_level!({
                let ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
                let cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
                let (ab, cd) = (_mm512_castps_pd(ab), _mm512_castps_pd(cd));
                let low = _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd));
                let abcd = _mm512_add_ps(low, _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd)));
                let half = _mm256_add_ps(_mm512_castps512_ps256(abcd), _mm512_extractf32x8_ps::<1>(abcd));
                let sums = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps::<1>(half));
                std::mem::transmute(sums)
            })
        }
        #[inline(always)]
        fn zero() -> Self::I {
            at_level!(_mm512_setzero_si512())
        }
        #[inline(always)]
        fn dot_bytes(x: &[u8; BYTES], y: &[u8; BYTES], sum: Self::I) -> Self::I {
            at_level!({
                let signed = _mm512_xor_si512(_mm512_loadu_si512(x.as_ptr().cast()), _mm512_set1_epi8(-128));
                _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(y.as_ptr().cast()), signed)
            })
        }
        #[inline(always)]
        fn differences(x: &[u8; BYTES], y: &[u8; BYTES], sum: Self::I) -> Self::I {
            at_level!({
                let (x, y) = (_mm512_loadu_si512(x.as_ptr().cast()), _mm512_loadu_si512(y.as_ptr().cast()));
                _mm512_add_epi32(sum, _mm512_sad_epu8(x, y))
            })
        }
        #[inline(always)]
        fn total4([a, b, c, d]: [Self::I; 4]) -> [i32; 4] {
            at_level!({
                let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
                let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
                let abcd = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
                let half = _mm256_add_epi32(_mm512_castsi512_si256(abcd), _mm512_extracti32x8_epi32::<1>(abcd));
                let sums = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half));
                std::mem::transmute(sums)
            })
        }
    }

    /// Eight values, widened.
    ///
    /// # Safety
    /// `p` points to eight values, and the machine has AVX2 and F16C.
    #[inline(always)]
    unsafe fn load_half<E: Element>(p: *const E) -> __m256 {
        at_level!(if same::<E, f32>() {
            _mm256_loadu_ps(p.cast())
        } else if same::<E, f16>() {
            _mm256_cvtph_ps(_mm_loadu_si128(p.cast()))
        } else if same::<E, u8>() {
            _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(p.cast())))
        } else {
            _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(p.cast())))
        })
    }

    impl Simd for Avx2 {
        type F = [__m256; 2];
        type I = __m256i;
        type C = [__m256i; 2];
        const BIAS: i32 = 0;
        const MANY_REGISTERS: bool = false;

        #[inline(always)]
        fn splat(x: f32) -> Self::F {
            at_level!([_mm256_set1_ps(x); 2])
        }
        #[inline(always)]
        fn load<E: Element>(x: &[E; LANES]) -> Self::F {
            let p = x.as_ptr();
            // SAFETY: both halves lie within the sixteen values.
            unsafe { [load_half(p), load_half(p.add(8))] }
        }
        #[inline(always)]
        fn add(a: Self::F, b: Self::F) -> Self::F {
            at_level!([_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])])
        }
        #[inline(always)]
        fn sub(a: Self::F, b: Self::F) -> Self::F {
            at_level!([_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])])
        }
        #[inline(always)]
        fn div(a: Self::F, b: Self::F) -> Self::F {
            at_level!([_mm256_div_ps(a[0], b[0]), _mm256_div_ps(a[1], b[1])])
        }
        #[inline(always)]
        fn max(a: Self::F, b: Self::F) -> Self::F {
            at_level!([_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])])
        }
        #[inline(always)]
        fn min(a: Self::F, b: Self::F) -> Self::F {
            at_level!([_mm256_min_ps(a[0], b[0]), _mm256_min_ps(a[1], b[1])])
        }
        #[inline(always)]
        fn total(counts: Self::C) -> u32 {
            Self::counts(counts).iter().sum()
        }
        #[inline(always)]
        fn floats(counts: Self::C) -> Self::F {
            at_level!([_mm256_cvtepi32_ps(counts[0]), _mm256_cvtepi32_ps(counts[1])])
        }
        #[inline(always)]
        fn abs(a: Self::F) -> Self::F {
            at_level!([_mm256_andnot_ps(_mm256_set1_ps(-0.0), a[0]), _mm256_andnot_ps(_mm256_set1_ps(-0.0), a[1]),])
        }
        #[inline(always)]
        fn mul_add(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
            at_level!([_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])])
        }
        #[inline(always)]
        fn differ(a: Self::F, b: Self::F) -> Self::F {
            let one = |a, b| at_level!(_mm256_and_ps(_mm256_cmp_ps::<_CMP_NEQ_OQ>(a, b), _mm256_set1_ps(1.0)));
            [one(a[0], b[0]), one(a[1], b[1])]
        }
        #[inline(always)]
        fn no_counts() -> Self::C {
            at_level!([_mm256_setzero_si256(); 2])
        }
        #[inline(always)]
        fn word(word: u32) -> Self::C {
            at_level!([_mm256_set1_epi32(word.cast_signed()); 2])
        }
        #[inline(always)]
        fn words(words: &[u32; LANES]) -> Self::C {
            let half = words.as_chunks::<8>().0;
            at_level!([_mm256_loadu_si256(half[0].as_ptr().cast()), _mm256_loadu_si256(half[1].as_ptr().cast())])
        }
        #[inline(always)]
        fn count_common(a: Self::C, b: Self::C, sum: Self::C) -> Self::C {
            at_level!({
                let of_nibbles = _mm256_broadcastsi128_si256(ones_of_nibbles());
                let nibble = _mm256_set1_epi8(15);
                let half = |i: usize| {
                    let common = _mm256_and_si256(a[i], b[i]);
                    let low = _mm256_shuffle_epi8(of_nibbles, _mm256_and_si256(common, nibble));
                    let high = _mm256_and_si256(_mm256_srli_epi32::<4>(common), nibble);
                    let bytes = _mm256_add_epi8(low, _mm256_shuffle_epi8(of_nibbles, high));
                    let pairs = _mm256_maddubs_epi16(bytes, _mm256_set1_epi8(1));
                    _mm256_add_epi32(sum[i], _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
                };
                [half(0), half(1)]
            })
        }
        #[inline(always)]
        fn counts(sum: Self::C) -> [u32; LANES] {
            // SAFETY: both are 64 bytes, of which any will do.
            unsafe { std::mem::transmute(sum) }
        }
        #[inline(always)]
        fn at_most(a: Self::F, b: Self::F) -> u32 {
            at_level!({
                let half = |i: usize| _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LE_OQ>(a[i], b[i])).cast_unsigned();
                half(0) | half(1) << 8
            })
        }
        #[inline(always)]
        fn to_array(a: Self::F) -> [f32; LANES] {
            // SAFETY: the same sixteen floats.
            unsafe { std::mem::transmute(a) }
        }
        #[inline(always)]
        fn sum4([a, b, c, d]: [Self::F; 4]) -> [f32; 4] {
            at_level!({
                let ab = _mm256_hadd_ps(_mm256_add_ps(a[0], a[1]), _mm256_add_ps(b[0], b[1]));
                let cd = _mm256_hadd_ps(_mm256_add_ps(c[0], c[1]), _mm256_add_ps(d[0], d[1]));
                let abcd = _mm256_hadd_ps(ab, cd);
                let sums = _mm_add_ps(_mm256_castps256_ps128(abcd), _mm256_extractf128_ps::<1>(abcd));
                std::mem::transmute(sums)
            })
        }
        #[inline(always)]
        fn zero() -> Self::I {
            at_level!(_mm256_setzero_si256())
        }
        #[inline(always)]
        fn dot_bytes(x: &[u8; BYTES], y: &[u8; BYTES], mut sum: Self::I) -> Self::I {
            for at in (0..BYTES).step_by(16) {
                sum = at_level!({
                    let x = _mm256_cvtepu8_epi16(_mm_loadu_si128(x.as_ptr().add(at).cast()));
                    let y = _mm256_cvtepu8_epi16(_mm_loadu_si128(y.as_ptr().add(at).cast()));
                    _mm256_add_epi32(sum, _mm256_madd_epi16(x, y))
                });
            }
            sum
        }
        #[inline(always)]
        fn differences(x: &[u8; BYTES], y: &[u8; BYTES], sum: Self::I) -> Self::I {
            let (x, y) = (x.as_ptr(), y.as_ptr());
            at_level!({
                let low = _mm256_sad_epu8(_mm256_loadu_si256(x.cast()), _mm256_loadu_si256(y.cast()));
                let (x, y) = (x.add(BYTES / 2), y.add(BYTES / 2));
                let high = _mm256_sad_epu8(_mm256_loadu_si256(x.cast()), _mm256_loadu_si256(y.cast()));
                _mm256_add_epi32(sum, _mm256_add_epi32(low, high))
            })
        }
        #[inline(always)]
        fn total4([a, b, c, d]: [Self::I; 4]) -> [i32; 4] {
            at_level!({
                let abcd = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
                let sums = _mm_add_epi32(_mm256_castsi256_si128(abcd), _mm256_extracti128_si256::<1>(abcd));
                std::mem::transmute(sums)
            })
        }
    }
}
