//! The portable level: loops over arrays, which compilers turn into the vector instructions of the target's baseline.

use super::{BYTES, LANES, Simd};
use crate::points::Element;

/// An array of lanes, filled by a loop: `std::array::from_fn` and `map` leave a copy of their machinery for every
/// closure.
macro_rules! lanes {
    (|$i:ident| $lane:expr) => {{
        let mut lanes = [Default::default(); LANES];
        for $i in 0..LANES {
            lanes[$i] = $lane;
        }
        lanes
    }};
}

/// [`Simd::dot_nibbles`].
#[inline(always)]
pub(super) fn dot_nibbles(x: &[u8], planes: [&[u8]; 4]) -> [i32; 4] {
    let mut dots = [0; 4];
    for (dot, plane) in dots.iter_mut().zip(planes) {
        for (nibbles, columns) in plane.chunks(BYTES).zip(x.chunks(2 * BYTES)) {
            let (first, second) = columns.split_at(nibbles.len());
            for ((&byte, &a), &b) in nibbles.iter().zip(first).zip(second) {
                *dot += i32::from(a.cast_signed()) * i32::from(byte & 15);
                *dot += i32::from(b.cast_signed()) * i32::from(byte >> 4);
            }
        }
    }
    dots
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
        lanes!(|i| x[i].widen())
    }
    #[inline(always)]
    fn add(a: Self::F, b: Self::F) -> Self::F {
        lanes!(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(a: Self::F, b: Self::F) -> Self::F {
        lanes!(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn div(a: Self::F, b: Self::F) -> Self::F {
        lanes!(|i| a[i] / b[i])
    }
    #[inline(always)]
    fn max(a: Self::F, b: Self::F) -> Self::F {
        lanes!(|i| a[i].max(b[i]))
    }
    #[inline(always)]
    fn min(a: Self::F, b: Self::F) -> Self::F {
        lanes!(|i| a[i].min(b[i]))
    }
    #[inline(always)]
    fn abs(a: Self::F) -> Self::F {
        lanes!(|i| a[i].abs())
    }
    #[inline(always)]
    fn mul_add(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        // Not `f32::mul_add`, which calls a library where there is no instruction.
        lanes!(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn differ(a: Self::F, b: Self::F) -> Self::F {
        lanes!(|i| f32::from(u8::from(a[i] != b[i])))
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
        lanes!(|i| sum[i] + (a[i] & b[i]).count_ones())
    }
    #[inline(always)]
    fn total(counts: Self::C) -> u32 {
        counts.iter().sum()
    }
    #[inline(always)]
    fn floats(counts: Self::C) -> Self::F {
        lanes!(|i| counts[i].cast_signed() as f32)
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
        // Products of bytes fit 16 bits, which all vector units multiply.
        for (x, y) in x.as_chunks::<LANES>().0.iter().zip(y.as_chunks::<LANES>().0) {
            for i in 0..LANES {
                sum[i] += i32::from(u16::from(x[i]) * u16::from(y[i]));
            }
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
