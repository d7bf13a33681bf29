//! 1 - cos, of rows of length 1: `cosine`; of rows less their means: `correlation`. Dense rows are compared by half
//! their squared distance, which stays exact near zero where 1 - x·y cancels.

use super::sparse::{Mark, SparseTerms};
use super::{Kernel, OneSum};
use crate::simd::Simd;

#[derive(Clone, Copy)]
pub(crate) struct OneMinusCosine;

impl OneSum for OneMinusCosine {
    #[inline(always)]
    fn step<S: Simd>(self, sum: S::F, x: S::F, y: S::F) -> S::F {
        let d = S::sub(x, y);
        S::mul_add(d, d, sum)
    }
    #[inline(always)]
    fn finish(self, squared: f32) -> f32 {
        0.5 * squared
    }
}

impl SparseTerms for OneMinusCosine {
    #[inline(always)]
    fn finish(self, sums: [f32; 2], x: Mark, y: Mark) -> f32 {
        let cosine = sums[0] * (x.size * y.size) - x.mean * y.mean;
        if x.size + y.size == 0.0 { 0.0 } else { (1.0 - cosine).max(0.0) }
    }
}

impl Kernel for OneMinusCosine {
    #[cfg(feature = "gpu")]
    const WGSL: &str = include_str!("../../../shaders/shared/metrics/angle.wgsl");
    const IS_ONE_SUM: bool = false;
    /// Of rows of any length.
    #[inline(always)]
    fn add(self, [xy, xx, yy]: [f64; 3], x: f64, y: f64) -> [f64; 3] {
        [xy + x * y, xx + x * x, yy + y * y]
    }
    /// 0 between two zero rows, 1 between a zero row and another.
    fn defined(self, [xy, xx, yy]: [f64; 3]) -> f64 {
        match (xx > 0.0, yy > 0.0) {
            // The root of a square is exact: equal rows are at 0. Squares of f32 are far from the ends of f64's range.
            (true, true) => (1.0 - xy / (xx * yy).sqrt()).clamp(0.0, 2.0),
            (false, false) => 0.0,
            _ => 1.0,
        }
    }
}
