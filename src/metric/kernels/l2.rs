//! Σ (x-y)²: `euclidean`, `sqeuclidean`.

use super::sparse::{Mark, Ops, SparseTerms, Sums, at_least_zero, product};
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
    fn step<O: Ops>(self, sums: Sums<O>, x: O::F, y: O::F) -> Sums<O> {
        product::<O>(sums, x, y)
    }
    #[inline(always)]
    fn finish(self, sums: [f32; 2], x: Mark, y: Mark) -> f32 {
        at_least_zero((x.size + y.size) - 2.0 * sums[0])
    }
}

impl Kernel for SquaredDifferences {
    #[cfg(feature = "gpu")]
    fn wgsl(self) -> String {
        include_str!("../../../shaders/shared/metrics/squared_differences.wgsl").into()
    }
    #[inline(always)]
    fn add(self, sums: [f64; 3], x: f64, y: f64) -> [f64; 3] {
        [sums[0] + (x - y) * (x - y), 0.0, 0.0]
    }
}
