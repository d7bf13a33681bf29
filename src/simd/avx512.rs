//! AVX-512: one register of sixteen lanes; with `VNNI`, products of bytes; with `VPOPCNTDQ`, counts of bits.

use std::arch::x86_64::*;

use half::f16;

use super::compiled::{at_level, level, same};
use super::x86::ones_of_nibbles;
use super::{BYTES, LANES, Op, Simd};
use crate::graph::order::Neighbor;
use crate::points::Element;

level! {
    is_available, run::<Avx512<false, false>>:
    "avx512f", "avx512bw", "avx512dq", "avx512vl",
    "avx2", "fma", "f16c", "bmi1", "bmi2", "popcnt", "lzcnt",
}
level! {
    has_vnni, run_vnni::<Avx512<true, false>>:
    "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni",
    "avx2", "fma", "f16c", "bmi1", "bmi2", "popcnt", "lzcnt",
}
level! {
    is_counting, run_counting::<Avx512<false, true>>:
    "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vpopcntdq",
    "avx2", "fma", "f16c", "bmi1", "bmi2", "popcnt", "lzcnt",
}

/// Nothing outside this file names it: work reaches it through [`run`], [`run_vnni`] and [`run_counting`].
///
/// `VNNI` and `COUNTS` say whether the machine has `VNNI` and `VPOPCNTDQ` as well.
struct Avx512<const VNNI: bool, const COUNTS: bool>;

impl<const VNNI: bool, const COUNTS: bool> Simd for Avx512<VNNI, COUNTS> {
    type F = __m512;
    type I = __m512i;
    type C = __m512i;
    const BIAS: i32 = if VNNI { 128 } else { 0 };
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
    /// Eight places at a time: each takes the median of what it holds, what is before it, and the neighbour.
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
            let (x, y) = (_mm512_loadu_si512(x.as_ptr().cast()), _mm512_loadu_si512(y.as_ptr().cast()));
            if VNNI {
                return _mm512_dpbusd_epi32(sum, y, _mm512_xor_si512(x, _mm512_set1_epi8(-128)));
            }
            let even = |x| _mm512_and_si512(x, _mm512_set1_epi16(255));
            let odd = |x| _mm512_srli_epi16::<8>(x);
            let (even, odd) = (_mm512_madd_epi16(even(x), even(y)), _mm512_madd_epi16(odd(x), odd(y)));
            _mm512_add_epi32(sum, _mm512_add_epi32(even, odd))
        })
    }
    #[inline(always)]
    fn dot_nibbles(x: &[u8], planes: [&[u8]; 4]) -> [i32; 4] {
        let len = planes[0].len();
        assert!(len.is_multiple_of(32) && x.len() == 2 * len && planes.iter().all(|plane| plane.len() == len));
        at_level!({
            let nibble = _mm512_set1_epi8(15);
            let mut sums = [_mm512_setzero_si512(); 4];
            for block in (0..len).step_by(BYTES) {
                let width = BYTES.min(len - block);
                // Half a block is read without its second half.
                let mask = if width == BYTES { u64::MAX } else { u64::from(u32::MAX) };
                let load = |bytes: &[u8], at: usize| _mm512_maskz_loadu_epi8(mask, bytes.as_ptr().add(at).cast());
                let (a, b) = (load(x, 2 * block), load(x, 2 * block + width));
                for (sum, plane) in sums.iter_mut().zip(planes) {
                    let bytes = load(plane, block);
                    let low = _mm512_and_si512(bytes, nibble);
                    let high = _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), nibble);
                    *sum = if VNNI {
                        _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(*sum, low, a), high, b)
                    } else {
                        let pairs = _mm512_add_epi16(_mm512_maddubs_epi16(low, a), _mm512_maddubs_epi16(high, b));
                        _mm512_add_epi32(*sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))
                    };
                }
            }
            Self::total4(sums)
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
