//! Triangle area times sector area: `tsss`.

use super::sparse::{Mark, SparseTerms, at_least_zero};
use super::{Accumulate, Kernel};
use crate::simd::Simd;

/// Sums (x-y)·(x-y), x·x and y·y.
#[derive(Clone, Copy)]
pub(crate) struct TsSs;

impl Accumulate for TsSs {
    type Acc<S: Simd> = [S::F; 3];
    #[inline(always)]
    fn start<S: Simd>(self) -> Self::Acc<S> {
        [S::splat(0.0); 3]
    }
    #[inline(always)]
    fn step<S: Simd>(self, [apart, xx, yy]: Self::Acc<S>, x: S::F, y: S::F) -> Self::Acc<S> {
        let d = S::sub(x, y);
        [S::mul_add(d, d, apart), S::mul_add(x, x, xx), S::mul_add(y, y, yy)]
    }
    #[inline(always)]
    fn finish<S: Simd>(self, acc: [Self::Acc<S>; 4]) -> [f32; 4] {
        let [a, b, c, d] = acc;
        let apart = S::sum4([a[0], b[0], c[0], d[0]]);
        let xx = S::sum4([a[1], b[1], c[1], d[1]]);
        let yy = S::sum4([a[2], b[2], c[2], d[2]]);
        let mut out = [0.0; 4];
        for j in 0..4 {
            out[j] = ts_ss(apart[j].into(), xx[j].into(), yy[j].into()) as f32;
        }
        out
    }
}

impl SparseTerms for TsSs {
    #[inline(always)]
    fn finish(self, sums: [f32; 2], x: Mark, y: Mark) -> f32 {
        let squared = at_least_zero((x.size + y.size) - 2.0 * sums[0]);
        ts_ss(squared.into(), x.size.into(), y.size.into()) as f32
    }
}

impl Kernel for TsSs {
    #[cfg(feature = "gpu")]
    const WGSL: &str = include_str!("../../../shaders/shared/metrics/ts_ss.wgsl");
    const IS_ONE_SUM: bool = false;
    #[inline(always)]
    fn add(self, [apart, xx, yy]: [f64; 3], x: f64, y: f64) -> [f64; 3] {
        [apart + (x - y) * (x - y), xx + x * x, yy + y * y]
    }
    fn defined(self, [apart, xx, yy]: [f64; 3]) -> f64 {
        ts_ss(apart, xx, yy)
    }
}

/// TS-SS of two vectors by their squared distance and squared lengths: Heidarian and Dinneen (BigDataService 2016),
/// with PyNNDescent's 10 degrees added to the angle. A zero vector is at right angles to others.
pub(crate) fn ts_ss(squared: f64, xx: f64, yy: f64) -> f64 {
    let (x, y) = (xx.sqrt(), yy.sqrt());
    let cosine = if x * y > 0.0 { ((xx + yy - squared) / (2.0 * x * y)).clamp(-1.0, 1.0) } else { 0.0 };
    let theta = cosine.acos() + 10f64.to_radians();
    let apart = squared.sqrt() + (x - y).abs();
    (x * y * theta.sin() / 2.0) * (apart * apart * theta / 2.0)
}
