//! Σ |x-y|^p: `minkowski`, beyond p = 1 and p = 2.

use super::power::power;
use super::sparse::{Mark, Ops, SparseTerms, Sums, at_least_zero};
use super::{Kernel, OneSum};
use crate::simd::Simd;

/// Any p.
#[derive(Clone, Copy)]
pub(crate) struct PowerDifferences(pub f32);

/// A whole p, by multiplication.
#[derive(Clone, Copy)]
pub(crate) struct WholePowers(pub u32);

impl WholePowers {
    /// The largest exponent that is multiplied out.
    const MOST: f32 = 16.0;

    /// Whether p is such an exponent.
    pub(crate) fn takes(p: f32) -> bool {
        p.fract() == 0.0 && p <= Self::MOST
    }
}

impl OneSum for PowerDifferences {
    #[inline(always)]
    fn step<S: Simd>(self, sum: S::F, x: S::F, y: S::F) -> S::F {
        let mut apart = S::to_array(S::abs(S::sub(x, y)));
        for d in &mut apart {
            *d = power(*d, self.0);
        }
        S::add(sum, S::load(&apart))
    }
}

impl OneSum for WholePowers {
    #[inline(always)]
    fn step<S: Simd>(self, sum: S::F, x: S::F, y: S::F) -> S::F {
        let zero = S::splat(0.0);
        let (mut power, mut square, mut left) = (S::splat(1.0), S::abs(S::sub(x, y)), self.0);
        while left > 1 {
            if left % 2 == 1 {
                power = S::mul_add(power, square, zero);
            }
            square = S::mul_add(square, square, zero);
            left /= 2;
        }
        S::mul_add(power, square, sum)
    }
}

impl SparseTerms for PowerDifferences {
    #[inline(always)]
    fn step<O: Ops>(self, sums: Sums<O>, x: O::F, y: O::F) -> Sums<O> {
        [O::add(sums[0], O::power(x, y, self.0)), sums[1]]
    }
    fn own(self, sums: [f32; 2]) -> f32 {
        sums[0] / 2.0
    }
    #[inline(always)]
    fn finish(self, sums: [f32; 2], x: Mark, y: Mark) -> f32 {
        at_least_zero((x.size + y.size) - sums[0])
    }
}

impl Kernel for PowerDifferences {
    /// With the exponent as `POWER`.
    #[cfg(feature = "gpu")]
    const WGSL: &str = include_str!("../../../shaders/shared/metrics/minkowski.wgsl");
    #[inline(always)]
    fn add(self, sums: [f64; 3], x: f64, y: f64) -> [f64; 3] {
        [sums[0] + (x - y).abs().powf(self.0.into()), 0.0, 0.0]
    }
}

impl Kernel for WholePowers {
    #[cfg(feature = "gpu")]
    const WGSL: &str = PowerDifferences::WGSL;
    #[inline(always)]
    fn add(self, sums: [f64; 3], x: f64, y: f64) -> [f64; 3] {
        PowerDifferences(self.0 as f32).add(sums, x, y)
    }
}
