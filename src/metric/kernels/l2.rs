//! Σ (x-y)²: `euclidean`, `sqeuclidean`.

use super::sparse::{Mark, SparseTerms, at_least_zero};
use super::{Kernel, OneSum};
use crate::simd::Simd;

#[derive(Clone, Copy)]
pub(crate) struct SquaredDifferences;

impl OneSum for SquaredDifferences {
    #[inline(always)]
    fn step<S: Simd>(self, sum: S::F, x: S::F, y: S::F) -> S::F {
        let d = S::sub(x, y);
        S::mul_add(d, d, sum)
    }
}

impl SparseTerms for SquaredDifferences {
    #[inline(always)]
    fn finish(self, sums: [f32; 2], x: Mark, y: Mark) -> f32 {
        at_least_zero((x.size + y.size) - 2.0 * sums[0])
    }
}

impl Kernel for SquaredDifferences {
    #[cfg(feature = "gpu")]
    const WGSL: &str = include_str!("../../../shaders/shared/metrics/squared_differences.wgsl");
    #[inline(always)]
    fn add(self, sums: [f64; 3], x: f64, y: f64) -> [f64; 3] {
        [sums[0] + (x - y) * (x - y), 0.0, 0.0]
    }
}
