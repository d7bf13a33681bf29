//! Σ |x-y| / (|x|+|y|), 0/0 being 0: `canberra`.

use super::sparse::{Mark, Ops, SparseTerms, Sums, at_least_zero};
use super::{Kernel, OneSum, ratio};
use crate::simd::Simd;

#[derive(Clone, Copy)]
pub(crate) struct Canberra;

impl OneSum for Canberra {
    #[inline(always)]
    fn step<S: Simd>(self, sum: S::F, x: S::F, y: S::F) -> S::F {
        // Where both are zero the numerator is zero, and the smallest normal number stands in for the denominator.
        let size = S::max(S::add(S::abs(x), S::abs(y)), S::splat(f32::MIN_POSITIVE));
        S::add(sum, S::div(S::abs(S::sub(x, y)), size))
    }
}

impl SparseTerms for Canberra {
    #[inline(always)]
    fn step<O: Ops>(self, sums: Sums<O>, x: O::F, y: O::F) -> Sums<O> {
        let ratio = O::div(O::abs(O::sub(x, y)), O::add(O::abs(x), O::abs(y)));
        let in_both = O::differ(x, O::splat(0.0));
        [O::mul_add(in_both, O::sub(O::splat(2.0), ratio), sums[0]), sums[1]]
    }
    fn own(self, sums: [f32; 2]) -> f32 {
        sums[0] / 2.0
    }
    #[inline(always)]
    fn finish(self, sums: [f32; 2], x: Mark, y: Mark) -> f32 {
        at_least_zero((x.size + y.size) - sums[0])
    }
}

impl Kernel for Canberra {
    #[cfg(feature = "gpu")]
    const WGSL: &str = include_str!("../../../shaders/shared/metrics/canberra.wgsl");
    #[inline(always)]
    fn add(self, sums: [f64; 3], x: f64, y: f64) -> [f64; 3] {
        [sums[0] + ratio((x - y).abs(), x.abs() + y.abs()), 0.0, 0.0]
    }
}
