//! Kernels over sparse rows: the terms of the columns that two rows have in common, and reduced distances from their
//! sums.
//!
//! A column that only one of two rows has contributes the same as to that row's distance from zero. So every distance
//! is a function of one sum over each row alone (its [`Mark`]) and of sums over the columns in common: f(x, y) = f(x,
//! 0) + f(0, y) - g(x, y), where g is symmetric, and zero unless both rows have the column.

use std::marker::PhantomData;

use super::power;
use crate::simd::{LANES, Simd};

/// Operations on [`LANES`] pairs of values or on one.
pub(crate) trait Ops {
    type F: Copy;
    fn splat(x: f32) -> Self::F;
    fn add(a: Self::F, b: Self::F) -> Self::F;
    fn sub(a: Self::F, b: Self::F) -> Self::F;
    fn div(a: Self::F, b: Self::F) -> Self::F;
    fn max(a: Self::F, b: Self::F) -> Self::F;
    fn abs(a: Self::F) -> Self::F;
    /// a * b + c.
    fn mul_add(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// 1 where a and b differ, else 0.
    fn differ(a: Self::F, b: Self::F) -> Self::F;
    /// |x|^p + |y|^p - |x-y|^p where x is not zero, else 0.
    fn power(x: Self::F, y: Self::F, p: f32) -> Self::F;
}

/// All lanes of an instruction set.
pub(crate) struct Lanes<S>(PhantomData<S>);

impl<S: Simd> Ops for Lanes<S> {
    type F = S::F;
    #[inline(always)]
    fn splat(x: f32) -> S::F {
        S::splat(x)
    }
    #[inline(always)]
    fn add(a: S::F, b: S::F) -> S::F {
        S::add(a, b)
    }
    #[inline(always)]
    fn sub(a: S::F, b: S::F) -> S::F {
        S::sub(a, b)
    }
    #[inline(always)]
    fn div(a: S::F, b: S::F) -> S::F {
        S::div(a, b)
    }
    #[inline(always)]
    fn max(a: S::F, b: S::F) -> S::F {
        S::max(a, b)
    }
    #[inline(always)]
    fn abs(a: S::F) -> S::F {
        S::abs(a)
    }
    #[inline(always)]
    fn mul_add(a: S::F, b: S::F, c: S::F) -> S::F {
        S::mul_add(a, b, c)
    }
    #[inline(always)]
    fn differ(a: S::F, b: S::F) -> S::F {
        S::differ(a, b)
    }
    #[inline(always)]
    fn power(x: S::F, y: S::F, p: f32) -> S::F {
        let (x, y) = (S::to_array(x), S::to_array(y));
        let mut out = [0.0; LANES];
        for i in 0..LANES {
            out[i] = power(x[i], y[i], p);
        }
        S::load(&out)
    }
}

/// One pair, computed in the same way as each of the [`Lanes`].
pub(crate) struct Single<S>(PhantomData<S>);

impl<S: Simd> Ops for Single<S> {
    type F = f32;
    #[inline(always)]
    fn splat(x: f32) -> f32 {
        x
    }
    #[inline(always)]
    fn add(a: f32, b: f32) -> f32 {
        a + b
    }
    #[inline(always)]
    fn sub(a: f32, b: f32) -> f32 {
        a - b
    }
    #[inline(always)]
    fn div(a: f32, b: f32) -> f32 {
        a / b
    }
    #[inline(always)]
    fn max(a: f32, b: f32) -> f32 {
        if a > b { a } else { b }
    }
    #[inline(always)]
    fn abs(a: f32) -> f32 {
        a.abs()
    }
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        // The vectors of the portable level are arrays of f32; other levels have an instruction that rounds once.
        if align_of::<S::F>() > align_of::<f32>() { a.mul_add(b, c) } else { a * b + c }
    }
    #[inline(always)]
    fn differ(a: f32, b: f32) -> f32 {
        f32::from(u8::from(a != b))
    }
    #[inline(always)]
    fn power(x: f32, y: f32, p: f32) -> f32 {
        power(x, y, p)
    }
}

#[inline(always)]
fn power(x: f32, y: f32, p: f32) -> f32 {
    let shared = (power::power(x.abs(), p) + power::power(y.abs(), p)) - power::power((x - y).abs(), p);
    if x == 0.0 { 0.0 } else { shared }
}

/// What distances need to know of a whole row.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Mark {
    /// The row's own sum, [`SparseTerms::own`]; in angular kernels the factor that brings its length to 1, 0 for a zero
    /// row.
    pub size: f32,
    /// The mean of all columns in units of the length; 0 unless the kernel is centred.
    pub mean: f32,
}

/// Sums over the columns in common; most kernels need one.
pub(crate) type Sums<O> = [<O as Ops>::F; 2];

pub(crate) trait SparseTerms: Copy + Sync {
    /// Whether values matter; else rows are sets, and every value is 1.
    const VALUES: bool = true;
    /// Adds a column that `y` has, and `x` has if its value is not zero; the product, unless a kernel says otherwise.
    #[inline(always)]
    fn step<O: Ops>(self, [products, other]: Sums<O>, x: O::F, y: O::F) -> Sums<O> {
        [O::mul_add(x, y, products), other]
    }
    /// [`Mark::size`] from the sums of a row with itself.
    fn own(self, sums: [f32; 2]) -> f32 {
        sums[0]
    }
    fn finish(self, sums: [f32; 2], x: Mark, y: Mark) -> f32;
}

/// Not below zero, and infinite where infinities cancelled.
#[inline(always)]
pub(crate) fn at_least_zero(d: f32) -> f32 {
    if d.is_nan() { f32::INFINITY } else { d.max(0.0) }
}

/// The smaller of |x| and |y| where the signs agree, else 0: half of |x| + |y| - |x-y|.
#[inline(always)]
pub(crate) fn smaller<O: Ops>(x: O::F, y: O::F) -> O::F {
    let zero = O::splat(0.0);
    let both_above = O::sub(zero, O::max(O::sub(zero, x), O::sub(zero, y)));
    let both_below = O::sub(zero, O::max(x, y));
    O::add(O::max(both_above, zero), O::max(both_below, zero))
}
