//! NEON, which every 64-bit ARM has: four registers of four lanes; with `dotprod`, products of bytes.
//!
//! Two instructions are written as assembly, because their intrinsics are newer than the oldest compiler that is
//! supported: `fcvtl` widens f16, `udot` adds products of bytes in fours.

use std::arch::aarch64::*;
use std::arch::asm;

use half::f16;

use super::compiled::{at_level, level, same};
use super::{BYTES, LANES, Op, Simd};
use crate::points::Element;

level! { is_available, run::<Neon<false>>: "neon" }
level! { has_dot, run_dot::<Neon<true>>: "neon", "dotprod" }

/// Nothing outside this file names it: work reaches it through [`run`] and [`run_dot`].
///
/// `DOT` says whether the machine has `dotprod` as well.
struct Neon<const DOT: bool>;

/// An array of four registers, filled by a loop.
macro_rules! four {
    ($first:expr, |$i:ident| $register:expr) => {
        at_level!({
            let mut four = [$first; 4];
            for $i in 0..4 {
                four[$i] = $register;
            }
            four
        })
    };
    (|$i:ident| $register:expr) => {
        four!(vdupq_n_f32(0.0), |$i| $register)
    };
}

/// Four values, widened.
///
/// # Safety
/// `p` points to four values.
#[inline(always)]
unsafe fn load_four<E: Element>(p: *const E) -> float32x4_t {
    at_level!(if same::<E, f32>() {
        vld1q_f32(p.cast())
    } else if same::<E, f16>() {
        let (halves, wide): (uint16x4_t, float32x4_t);
        halves = vld1_u16(p.cast());
        asm!(
            "fcvtl {0:v}.4s, {1:v}.4h",
            out(vreg) wide, in(vreg) halves, options(pure, nomem, nostack, preserves_flags),
        );
        wide
    } else {
        let bytes = vreinterpret_u8_u32(vdup_n_u32(p.cast::<u32>().read_unaligned()));
        if same::<E, u8>() {
            vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(bytes))))
        } else {
            vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(bytes)))))
        }
    })
}

/// Adds products of sixteen pairs of bytes, by `udot`.
///
/// # Safety
/// The machine has `dotprod`.
#[inline(always)]
unsafe fn udot(sum: uint32x4_t, x: uint8x16_t, y: uint8x16_t) -> uint32x4_t {
    let mut sum = sum;
    // SAFETY: as above; registers only.
    unsafe {
        asm!(
            ".arch_extension dotprod",
            "udot {0:v}.4s, {1:v}.16b, {2:v}.16b",
            inout(vreg) sum, in(vreg) x, in(vreg) y, options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}

/// Adds products of sixteen pairs of signed bytes.
#[inline(always)]
fn add_products(sum: int32x4_t, x: int8x16_t, y: int8x16_t) -> int32x4_t {
    at_level!({
        let low = vmull_s8(vget_low_s8(x), vget_low_s8(y));
        vpadalq_s16(vpadalq_s16(sum, low), vmull_high_s8(x, y))
    })
}

impl<const DOT: bool> Simd for Neon<DOT> {
    type F = [float32x4_t; 4];
    type I = uint32x4_t;
    type C = [uint32x4_t; 4];
    const BIAS: i32 = 0;
    const MANY_REGISTERS: bool = false;

    #[inline(always)]
    fn splat(x: f32) -> Self::F {
        at_level!([vdupq_n_f32(x); 4])
    }
    #[inline(always)]
    fn load<E: Element>(x: &[E; LANES]) -> Self::F {
        four!(|i| load_four(x.as_ptr().add(4 * i)))
    }
    #[inline(always)]
    fn add(a: Self::F, b: Self::F) -> Self::F {
        four!(|i| vaddq_f32(a[i], b[i]))
    }
    #[inline(always)]
    fn sub(a: Self::F, b: Self::F) -> Self::F {
        four!(|i| vsubq_f32(a[i], b[i]))
    }
    #[inline(always)]
    fn div(a: Self::F, b: Self::F) -> Self::F {
        four!(|i| vdivq_f32(a[i], b[i]))
    }
    #[inline(always)]
    fn max(a: Self::F, b: Self::F) -> Self::F {
        four!(|i| vmaxnmq_f32(a[i], b[i]))
    }
    #[inline(always)]
    fn min(a: Self::F, b: Self::F) -> Self::F {
        four!(|i| vminnmq_f32(a[i], b[i]))
    }
    #[inline(always)]
    fn abs(a: Self::F) -> Self::F {
        four!(|i| vabsq_f32(a[i]))
    }
    #[inline(always)]
    fn mul_add(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        four!(|i| vfmaq_f32(c[i], a[i], b[i]))
    }
    #[inline(always)]
    fn differ(a: Self::F, b: Self::F) -> Self::F {
        four!(|i| {
            let one = vreinterpretq_u32_f32(vdupq_n_f32(1.0));
            vreinterpretq_f32_u32(vbicq_u32(one, vceqq_f32(a[i], b[i])))
        })
    }
    #[inline(always)]
    fn at_most(a: Self::F, b: Self::F) -> u32 {
        at_level!({
            let places = vld1q_u32([1, 2, 4, 8].as_ptr());
            let mut bits = 0;
            for i in 0..4 {
                bits |= vaddvq_u32(vandq_u32(vcleq_f32(a[i], b[i]), places)) << (4 * i);
            }
            bits
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
            let sum = |x: Self::F| vaddq_f32(vaddq_f32(x[0], x[1]), vaddq_f32(x[2], x[3]));
            let (ab, cd) = (vpaddq_f32(sum(a), sum(b)), vpaddq_f32(sum(c), sum(d)));
            std::mem::transmute(vpaddq_f32(ab, cd))
        })
    }
    #[inline(always)]
    fn zero() -> Self::I {
        at_level!(vdupq_n_u32(0))
    }
    #[inline(always)]
    fn dot_bytes(x: &[u8; BYTES], y: &[u8; BYTES], mut sum: Self::I) -> Self::I {
        for at in (0..BYTES).step_by(16) {
            sum = at_level!({
                let (x, y) = (vld1q_u8(x.as_ptr().add(at)), vld1q_u8(y.as_ptr().add(at)));
                if DOT {
                    udot(sum, x, y)
                } else {
                    let low = vmull_u8(vget_low_u8(x), vget_low_u8(y));
                    vpadalq_u16(vpadalq_u16(sum, low), vmull_high_u8(x, y))
                }
            });
        }
        sum
    }
    #[inline(always)]
    fn dot_nibbles(x: &[u8], planes: [&[u8]; 4]) -> [i32; 4] {
        let len = planes[0].len();
        assert!(len.is_multiple_of(32) && x.len() == 2 * len && planes.iter().all(|plane| plane.len() == len));
        at_level!({
            let nibble = vdupq_n_s8(15);
            let load = |bytes: &[u8], at: usize| vreinterpretq_s8_u8(vld1q_u8(bytes.as_ptr().add(at)));
            let mut sums = [vdupq_n_s32(0); 4];
            for block in (0..len).step_by(BYTES) {
                let width = BYTES.min(len - block);
                for at in (0..width).step_by(16) {
                    let (a, b) = (load(x, 2 * block + at), load(x, 2 * block + width + at));
                    for j in 0..4 {
                        let bytes = load(planes[j], block + at);
                        let high = vreinterpretq_s8_u8(vshrq_n_u8::<4>(vreinterpretq_u8_s8(bytes)));
                        sums[j] = add_products(sums[j], vandq_s8(bytes, nibble), a);
                        sums[j] = add_products(sums[j], high, b);
                    }
                }
            }
            let [a, b, c, d] = sums;
            std::mem::transmute(vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)))
        })
    }
    #[inline(always)]
    fn differences(x: &[u8; BYTES], y: &[u8; BYTES], sum: Self::I) -> Self::I {
        at_level!({
            let mut pairs = vdupq_n_u16(0);
            for at in (0..BYTES).step_by(16) {
                pairs = vpadalq_u8(pairs, vabdq_u8(vld1q_u8(x.as_ptr().add(at)), vld1q_u8(y.as_ptr().add(at))));
            }
            vpadalq_u16(sum, pairs)
        })
    }
    #[inline(always)]
    fn total4([a, b, c, d]: [Self::I; 4]) -> [i32; 4] {
        at_level!(std::mem::transmute(vpaddq_u32(vpaddq_u32(a, b), vpaddq_u32(c, d))))
    }
    #[inline(always)]
    fn no_counts() -> Self::C {
        at_level!([vdupq_n_u32(0); 4])
    }
    #[inline(always)]
    fn word(word: u32) -> Self::C {
        at_level!([vdupq_n_u32(word); 4])
    }
    #[inline(always)]
    fn words(words: &[u32; LANES]) -> Self::C {
        four!(vdupq_n_u32(0), |i| vld1q_u32(words.as_ptr().add(4 * i)))
    }
    #[inline(always)]
    fn count_common(a: Self::C, b: Self::C, sum: Self::C) -> Self::C {
        four!(sum[0], |i| {
            let ones = vcntq_u8(vreinterpretq_u8_u32(vandq_u32(a[i], b[i])));
            vpadalq_u16(sum[i], vpaddlq_u8(ones))
        })
    }
    #[inline(always)]
    fn total(counts: Self::C) -> u32 {
        at_level!(vaddvq_u32(vaddq_u32(vaddq_u32(counts[0], counts[1]), vaddq_u32(counts[2], counts[3]))))
    }
    #[inline(always)]
    fn floats(counts: Self::C) -> Self::F {
        four!(|i| vcvtq_f32_u32(counts[i]))
    }
}
