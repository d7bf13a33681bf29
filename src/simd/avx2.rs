//! AVX2 with FMA and F16C: two registers of eight lanes; with AVX-VNNI, products of bytes.

use std::arch::x86_64::*;

use half::f16;

use super::compiled::{at_level, level, same};
use super::x86::ones_of_nibbles;
use super::{BYTES, LANES, Op, Simd};
use crate::graph::order::Neighbor;
use crate::points::Element;

level! {
    is_available, run::<Avx2<false>>:
    "avx2", "fma", "f16c", "bmi1", "bmi2", "popcnt", "lzcnt",
}
level! {
    has_vnni, run_vnni::<Avx2<true>>:
    "avx2", "fma", "f16c", "bmi1", "bmi2", "popcnt", "lzcnt", "avxvnni",
}

/// Nothing outside this file names it: work reaches it through [`run`] and [`run_vnni`].
///
/// `VNNI` says whether the machine has AVX-VNNI as well.
struct Avx2<const VNNI: bool>;

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

/// [`Simd::dot_nibbles`] by products of 16 bits: four pairs of them, of at most 2 · 15 · 128 each, fit a sum of 16
/// bits.
#[inline(always)]
fn dot_nibbles(x: &[u8], planes: [&[u8]; 4]) -> [i32; 4] {
    let len = planes[0].len();
    assert!(len.is_multiple_of(32) && x.len() == 2 * len && planes.iter().all(|plane| plane.len() == len));
    at_level!({
        let (nibble, ones) = (_mm256_set1_epi8(15), _mm256_set1_epi16(1));
        let load = |bytes: &[u8], at: usize| _mm256_loadu_si256(bytes.as_ptr().add(at).cast());
        let mut sums = [_mm256_setzero_si256(); 4];
        for block in (0..len).step_by(BYTES) {
            let width = BYTES.min(len - block);
            let mut short = [_mm256_setzero_si256(); 4];
            for at in (0..width).step_by(32) {
                let (a, b) = (load(x, 2 * block + at), load(x, 2 * block + width + at));
                for (short, plane) in short.iter_mut().zip(planes) {
                    let bytes = load(plane, block + at);
                    let low = _mm256_maddubs_epi16(_mm256_and_si256(bytes, nibble), a);
                    let high = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble);
                    *short = _mm256_add_epi16(*short, _mm256_add_epi16(low, _mm256_maddubs_epi16(high, b)));
                }
            }
            for (sum, short) in sums.iter_mut().zip(short) {
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(short, ones));
            }
        }
        Avx2::<false>::total4(sums)
    })
}

/// Products of 32 pairs of bytes, added in pairs, at most 7,650 each: those of the low and of the high halves of x.
///
/// `maddubs` multiplies unsigned by signed bytes and saturates sums of two at 16 bits, which halves never reach.
#[inline(always)]
fn products_of_halves(x: __m256i, y: __m256i) -> [__m256i; 2] {
    at_level!({
        let half = _mm256_set1_epi8(15);
        let (low, high) = (_mm256_and_si256(x, half), _mm256_and_si256(_mm256_srli_epi16::<4>(x), half));
        [_mm256_maddubs_epi16(y, low), _mm256_maddubs_epi16(y, high)]
    })
}

impl<const VNNI: bool> Simd for Avx2<VNNI> {
    type F = [__m256; 2];
    type I = __m256i;
    type C = [__m256i; 2];
    const BIAS: i32 = if VNNI { 128 } else { 0 };
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
        // SAFETY: both are 64 bytes, of which any will do.
        let counts: [u32; LANES] = unsafe { std::mem::transmute(counts) };
        counts.iter().sum()
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
    /// Four places at a time, from the last: each takes the median of what it holds, what is before it, and the
    /// neighbour.
    #[inline(always)]
    fn insert(row: &mut [Neighbor], neighbor: Neighbor) -> bool {
        let (fours, rest) = row.as_chunks::<4>();
        let mut held = rest.iter().fold(false, |held, &here| held | (here | 1 == neighbor | 1));
        at_level!({
            let (flag, same) = (_mm256_set1_epi64x(1), _mm256_set1_epi64x((neighbor | 1).cast_signed()));
            let mut equal = _mm256_setzero_si256();
            for four in fours {
                let here = _mm256_loadu_si256(four.as_ptr().cast());
                equal = _mm256_or_si256(equal, _mm256_cmpeq_epi64(_mm256_or_si256(here, flag), same));
            }
            held |= _mm256_testz_si256(equal, equal) == 0;
            if held | (neighbor >= row[row.len() - 1]) {
                return false;
            }
            let whole = 4 * fours.len();
            for at in (whole..row.len()).rev() {
                let before = if at == 0 { neighbor } else { row[at - 1] };
                row[at] = row[at].min(before.max(neighbor));
            }
            // Comparisons are of signed numbers.
            let (new, flip) = (_mm256_set1_epi64x(neighbor.cast_signed()), _mm256_set1_epi64x(i64::MIN));
            let flipped = _mm256_xor_si256(new, flip);
            let is_after = |x| _mm256_cmpgt_epi64(_mm256_xor_si256(x, flip), flipped);
            for at in (0..whole).step_by(4).rev() {
                let place = row.as_mut_ptr().add(at);
                let here = _mm256_loadu_si256(place.cast());
                let before = match at {
                    0 => _mm256_blend_epi32::<0b11>(_mm256_permute4x64_epi64::<0b10_01_00_00>(here), new),
                    _ => _mm256_loadu_si256(place.sub(1).cast()),
                };
                let moved = _mm256_blendv_epi8(new, before, is_after(before));
                _mm256_storeu_si256(place.cast(), _mm256_blendv_epi8(here, moved, is_after(here)));
            }
            true
        })
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
    fn dot_bytes(x: &[u8; BYTES], y: &[u8; BYTES], sum: Self::I) -> Self::I {
        let halves = |bytes: &[u8; BYTES]| {
            let p = bytes.as_ptr();
            at_level!([_mm256_loadu_si256(p.cast()), _mm256_loadu_si256(p.add(BYTES / 2).cast())])
        };
        let (x, y) = (halves(x), halves(y));
        at_level!({
            if VNNI {
                let flip = _mm256_set1_epi8(-128);
                let sum = _mm256_dpbusd_avx_epi32(sum, y[0], _mm256_xor_si256(x[0], flip));
                return _mm256_dpbusd_avx_epi32(sum, y[1], _mm256_xor_si256(x[1], flip));
            }
            let (first, second) = (products_of_halves(x[0], y[0]), products_of_halves(x[1], y[1]));
            let low = _mm256_madd_epi16(_mm256_add_epi16(first[0], second[0]), _mm256_set1_epi16(1));
            let high = _mm256_madd_epi16(_mm256_add_epi16(first[1], second[1]), _mm256_set1_epi16(16));
            _mm256_add_epi32(sum, _mm256_add_epi32(low, high))
        })
    }
    #[inline(always)]
    fn dot_nibbles(x: &[u8], planes: [&[u8]; 4]) -> [i32; 4] {
        dot_nibbles(x, planes)
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
