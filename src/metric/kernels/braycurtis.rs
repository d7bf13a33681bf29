//! Σ |x-y| / Σ |x+y|, 0/0 being 0: `braycurtis`.

use super::sparse::{Mark, Ops, SparseTerms, Sums, at_least_zero, smaller};
use super::{Accumulate, Kernel, ratio};
use crate::simd::Simd;

#[derive(Clone, Copy)]
pub(crate) struct BrayCurtis;

impl Accumulate for BrayCurtis {
    type Acc<S: Simd> = (S::F, S::F);
    #[inline(always)]
    fn start<S: Simd>(self) -> Self::Acc<S> {
        (S::splat(0.0), S::splat(0.0))
    }
    #[inline(always)]
    fn step<S: Simd>(self, (apart, size): Self::Acc<S>, x: S::F, y: S::F) -> Self::Acc<S> {
        (S::add(apart, S::abs(S::sub(x, y))), S::add(size, S::abs(S::add(x, y))))
    }
    #[inline(always)]
    fn finish<S: Simd>(self, [a, b, c, d]: [Self::Acc<S>; 4]) -> [f32; 4] {
        let mut out = S::sum4([a.0, b.0, c.0, d.0]);
        let sizes = S::sum4([a.1, b.1, c.1, d.1]);
        for (apart, size) in out.iter_mut().zip(sizes) {
            *apart = if *apart == 0.0 { 0.0 } else { *apart / size };
        }
        out
    }
}

impl SparseTerms for BrayCurtis {
    #[inline(always)]
    fn step<O: Ops>(self, sums: Sums<O>, x: O::F, y: O::F) -> Sums<O> {
        let opposite = O::sub(O::splat(0.0), y);
        [O::add(sums[0], smaller::<O>(x, y)), O::add(sums[1], smaller::<O>(x, opposite))]
    }
    #[inline(always)]
    fn finish(self, sums: [f32; 2], x: Mark, y: Mark) -> f32 {
        let apart = at_least_zero((x.size + y.size) - 2.0 * sums[0]);
        let together = at_least_zero((x.size + y.size) - 2.0 * sums[1]);
        if apart == 0.0 { 0.0 } else { apart / together }
    }
}

impl Kernel for BrayCurtis {
    #[cfg(feature = "gpu")]
    const WGSL: &str = include_str!("../../../shaders/shared/metrics/braycurtis.wgsl");
    const IS_ONE_SUM: bool = false;
    #[inline(always)]
    fn add(self, [apart, size, _]: [f64; 3], x: f64, y: f64) -> [f64; 3] {
        [apart + (x - y).abs(), size + (x + y).abs(), 0.0]
    }
    fn defined(self, [apart, size, _]: [f64; 3]) -> f64 {
        ratio(apart, size)
    }
}
