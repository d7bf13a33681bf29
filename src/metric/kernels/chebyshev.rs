//! max |x-y|: `chebyshev`. Sparse rows have code of their own for it, as it is not a sum.

use super::{Accumulate, Kernel};
use crate::simd::Simd;

#[derive(Clone, Copy)]
pub(crate) struct LargestDifference;

impl Accumulate for LargestDifference {
    type Acc<S: Simd> = S::F;
    #[inline(always)]
    fn start<S: Simd>(self) -> S::F {
        S::splat(0.0)
    }
    #[inline(always)]
    fn step<S: Simd>(self, acc: S::F, x: S::F, y: S::F) -> S::F {
        S::max(acc, S::abs(S::sub(x, y)))
    }
    #[inline(always)]
    fn finish<S: Simd>(self, acc: [S::F; 4]) -> [f32; 4] {
        let mut out = [0.0; 4];
        for (out, acc) in out.iter_mut().zip(acc) {
            *out = S::to_array(acc).into_iter().fold(0.0, f32::max);
        }
        out
    }
}

impl Kernel for LargestDifference {
    #[cfg(feature = "gpu")]
    const WGSL: &str = include_str!("../../../shaders/shared/metrics/chebyshev.wgsl");
    const IS_ONE_SUM: bool = false;
    #[inline(always)]
    fn add(self, sums: [f64; 3], x: f64, y: f64) -> [f64; 3] {
        [sums[0].max((x - y).abs()), 0.0, 0.0]
    }
}
