//! Σ |x-y|: `manhattan`.

use super::sparse::{Mark, Ops, SparseTerms, Sums, at_least_zero, smaller};
use super::{Kernel, OneSum};
use crate::simd::Simd;

#[derive(Clone, Copy)]
pub(crate) struct AbsoluteDifferences;

impl OneSum for AbsoluteDifferences {
    #[inline(always)]
    fn step<S: Simd>(self, sum: S::F, x: S::F, y: S::F) -> S::F {
        S::add(sum, S::abs(S::sub(x, y)))
    }
}

impl SparseTerms for AbsoluteDifferences {
    #[inline(always)]
    fn step<O: Ops>(self, sums: Sums<O>, x: O::F, y: O::F) -> Sums<O> {
        [O::add(sums[0], smaller::<O>(x, y)), sums[1]]
    }
    #[inline(always)]
    fn finish(self, sums: [f32; 2], x: Mark, y: Mark) -> f32 {
        at_least_zero((x.size + y.size) - 2.0 * sums[0])
    }
}

impl Kernel for AbsoluteDifferences {
    #[cfg(feature = "gpu")]
    const WGSL: &str = include_str!("../../../shaders/shared/metrics/manhattan.wgsl");
    #[inline(always)]
    fn add(self, sums: [f64; 3], x: f64, y: f64) -> [f64; 3] {
        [sums[0] + (x - y).abs(), 0.0, 0.0]
    }
}
