//! Number of columns that differ: `hamming`.

use super::sparse::{Mark, Ops, SparseTerms, Sums};
use super::{Kernel, OneSum};
use crate::simd::Simd;

#[derive(Clone, Copy)]
pub(crate) struct Differing;

impl OneSum for Differing {
    #[inline(always)]
    fn step<S: Simd>(self, sum: S::F, x: S::F, y: S::F) -> S::F {
        S::add(sum, S::differ(x, y))
    }
}

impl SparseTerms for Differing {
    #[inline(always)]
    fn step<O: Ops>(self, sums: Sums<O>, x: O::F, y: O::F) -> Sums<O> {
        let matching = O::sub(O::splat(2.0), O::differ(x, y));
        [O::mul_add(O::differ(x, O::splat(0.0)), matching, sums[0]), sums[1]]
    }
    fn own(self, sums: [f32; 2]) -> f32 {
        sums[0] / 2.0
    }
    #[inline(always)]
    fn finish(self, sums: [f32; 2], x: Mark, y: Mark) -> f32 {
        (x.size + y.size) - sums[0]
    }
}

impl Kernel for Differing {
    #[cfg(feature = "gpu")]
    const WGSL: &str = include_str!("../../../shaders/shared/metrics/hamming.wgsl");
    #[inline(always)]
    fn add(self, sums: [f64; 3], x: f64, y: f64) -> [f64; 3] {
        [sums[0] + f64::from(u8::from(x != y)), 0.0, 0.0]
    }
}
