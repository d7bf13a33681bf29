//! -x·y: `inner_product`, `dot`.

use super::sparse::{Mark, SparseTerms};
use super::{Kernel, OneSum};
use crate::simd::Simd;

#[derive(Clone, Copy)]
pub(crate) struct NegativeDot;

impl OneSum for NegativeDot {
    #[inline(always)]
    fn step<S: Simd>(self, sum: S::F, x: S::F, y: S::F) -> S::F {
        S::mul_add(x, y, sum)
    }
    #[inline(always)]
    fn finish(self, dot: f32) -> f32 {
        -dot
    }
}

impl SparseTerms for NegativeDot {
    #[inline(always)]
    fn finish(self, sums: [f32; 2], _x: Mark, _y: Mark) -> f32 {
        -sums[0]
    }
}

impl Kernel for NegativeDot {
    #[cfg(feature = "gpu")]
    const WGSL: &str = include_str!("../../../shaders/shared/metrics/negative_dot.wgsl");
    #[inline(always)]
    fn add(self, sums: [f64; 3], x: f64, y: f64) -> [f64; 3] {
        [sums[0] + x * y, 0.0, 0.0]
    }
    fn defined(self, sums: [f64; 3]) -> f64 {
        0.0 - sums[0]
    }
}
