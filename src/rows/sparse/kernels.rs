//! What each metric does with a column that two rows have in common, and how the sums become a reduced distance.
//!
//! A column that only one of two rows has adds what it adds to that row's distance from zero. So every distance here is a
//! function of one sum over each row alone (its [`Mark`]) and of sums over the columns in common: f(x, y) = f(x, 0) + f(0, y)
//! - g(x, y), where g is symmetric, and zero unless both are there.

use std::marker::PhantomData;

use crate::metric::body::{self, ts_ss};
use crate::metric::{SetMetric, boolean};
use crate::simd::{LANES, Simd};

/// Operations on [`LANES`] pairs of values or on one.
pub(super) trait Ops {
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
pub(super) struct Lanes<S>(PhantomData<S>);

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

/// One pair, computed as each of the [`Lanes`] is.
pub(super) struct Single<S>(PhantomData<S>);

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
        // Vectors of the portable level are arrays of f32; the others have an instruction that rounds once.
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
    let shared = (body::power(x.abs(), p) + body::power(y.abs(), p)) - body::power((x - y).abs(), p);
    if x == 0.0 { 0.0 } else { shared }
}

/// What distances need of a row as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Mark {
    /// The row's own sum, [`Kernel::own`]; in angular kernels the factor that brings its length to 1, or 0 for zero vectors.
    pub size: f32,
    /// The mean of all columns, in units of the length; 0 unless the kernel is centred.
    pub mean: f32,
}

/// Sums over the columns in common; most kernels need one.
pub(super) type Sums<O> = [<O as Ops>::F; 2];

pub(super) trait Kernel: Copy + Sync {
    /// Whether values matter; else rows are sets, and every value is 1.
    const VALUES: bool = true;
    /// Adds a column that `y` has, and `x` has if its value is not zero.
    fn step<O: Ops>(self, sums: Sums<O>, x: O::F, y: O::F) -> Sums<O>;
    /// [`Mark::size`] from the sums of a row with itself.
    fn own(self, sums: [f32; 2]) -> f32 {
        sums[0]
    }
    fn finish(self, sums: [f32; 2], x: Mark, y: Mark) -> f32;
}

/// Not below zero, and infinite where infinities cancelled.
#[inline(always)]
fn at_least_zero(d: f32) -> f32 {
    if d.is_nan() { f32::INFINITY } else { d.max(0.0) }
}

#[inline(always)]
fn product<O: Ops>(sums: Sums<O>, x: O::F, y: O::F) -> Sums<O> {
    [O::mul_add(x, y, sums[0]), sums[1]]
}

/// The smaller of |x| and |y| where the signs agree, else 0: half of |x| + |y| - |x-y|.
#[inline(always)]
fn shared<O: Ops>(x: O::F, y: O::F) -> O::F {
    let zero = O::splat(0.0);
    let both_above = O::sub(zero, O::max(O::sub(zero, x), O::sub(zero, y)));
    let both_below = O::sub(zero, O::max(x, y));
    O::add(O::max(both_above, zero), O::max(both_below, zero))
}

macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident, $step:ident, |$self:ident, $sums:ident, $x:ident, $y:ident| $finish:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(super) struct $name;
        impl Kernel for $name {
            #[inline(always)]
            fn step<O: Ops>(self, sums: Sums<O>, x: O::F, y: O::F) -> Sums<O> {
                $step::<O>(sums, x, y)
            }
            #[inline(always)]
            fn finish($self, $sums: [f32; 2], $x: Mark, $y: Mark) -> f32 {
                $finish
            }
        }
    };
}

#[inline(always)]
fn smaller<O: Ops>(sums: Sums<O>, x: O::F, y: O::F) -> Sums<O> {
    [O::add(sums[0], shared::<O>(x, y)), sums[1]]
}

#[inline(always)]
fn smaller_of_both_signs<O: Ops>(sums: Sums<O>, x: O::F, y: O::F) -> Sums<O> {
    let opposite = O::sub(O::splat(0.0), y);
    [O::add(sums[0], shared::<O>(x, y)), O::add(sums[1], shared::<O>(x, opposite))]
}

kernel!(/** Σ (x-y)². */ L2, product, |self, sums, x, y| at_least_zero((x.size + y.size) - 2.0 * sums[0]));
kernel!(/** -x·y. */ Inner, product, |self, sums, _x, _y| -sums[0]);
kernel!(/** 1 - cos. */ Angular, product, |self, sums, x, y| {
    let cosine = sums[0] * (x.size * y.size) - x.mean * y.mean;
    if x.size + y.size == 0.0 { 0.0 } else { (1.0 - cosine).max(0.0) }
});
kernel!(/** Triangle area times sector area. */ TsSs, product, |self, sums, x, y| {
    let squared = at_least_zero((x.size + y.size) - 2.0 * sums[0]);
    ts_ss(squared.into(), x.size.into(), y.size.into()) as f32
});
kernel!(/** Σ |x-y|. */ Manhattan, smaller, |self, sums, x, y| at_least_zero((x.size + y.size) - 2.0 * sums[0]));
kernel!(/** Σ |x-y| / Σ |x+y|. */ BrayCurtis, smaller_of_both_signs, |self, sums, x, y| {
    let apart = at_least_zero((x.size + y.size) - 2.0 * sums[0]);
    let together = at_least_zero((x.size + y.size) - 2.0 * sums[1]);
    if apart == 0.0 { 0.0 } else { apart / together }
});

/// Σ |x-y|^p.
#[derive(Clone, Copy)]
pub(super) struct Minkowski(pub f32);

impl Kernel for Minkowski {
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

/// Number of columns that differ.
#[derive(Clone, Copy)]
pub(super) struct Hamming;

impl Kernel for Hamming {
    #[inline(always)]
    fn step<O: Ops>(self, sums: Sums<O>, x: O::F, y: O::F) -> Sums<O> {
        let matching = O::sub(O::splat(2.0), O::differ(x, y));
        [O::mul_add(O::differ(x, O::splat(0.0)), matching, sums[0]), sums[1]]
    }
    fn own(self, sums: [f32; 2]) -> f32 {
        sums[0] / 2.0
    }
    #[inline(always)]
    fn finish(self, sums: [f32; 2], x: Mark, y: Mark) -> f32 {
        (x.size + y.size) - sums[0]
    }
}

/// Σ |x-y| / (|x|+|y|).
#[derive(Clone, Copy)]
pub(super) struct Canberra;

impl Kernel for Canberra {
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

/// Metrics of sets, for rows of `dim` columns.
#[derive(Clone, Copy)]
pub(super) struct Sets {
    pub boolean: boolean::SetMetric,
    pub dim: u32,
}

impl Kernel for Sets {
    const VALUES: bool = false;
    #[inline(always)]
    fn step<O: Ops>(self, sums: Sums<O>, x: O::F, _y: O::F) -> Sums<O> {
        [O::add(sums[0], x), sums[1]]
    }
    #[inline(always)]
    fn finish(self, sums: [f32; 2], x: Mark, y: Mark) -> f32 {
        let (both, x, y) = (sums[0] as u32, x.size as u32, y.size as u32);
        // A row and itself, in a panel, are without the columns that no other row has.
        let dim = self.dim.max(x + y - both);
        self.boolean.distance(both, x, y, dim)
    }
}

/// The kernels of sparse rows. Chebyshev is not a sum, and has separate code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum SparseKernel {
    L2,
    Angular { centered: bool },
    Inner,
    Manhattan,
    Chebyshev,
    Minkowski(f32),
    Hamming,
    Canberra,
    BrayCurtis,
    TsSs,
    SetMetric(SetMetric),
}

/// Runs `$run` with `$k` bound to the [`Kernel`] of a [`SparseKernel`] over `$dim` columns, or `$chebyshev`.
macro_rules! with_kernel {
    ($kernel:expr, $dim:expr, $k:ident => $run:expr, chebyshev => $chebyshev:expr) => {{
        use $crate::rows::sparse::kernels::{self as k, SparseKernel};
        macro_rules! run {
            ($value:expr) => {{
                let $k = $value;
                $run
            }};
        }
        match $kernel {
            SparseKernel::L2 => run!(k::L2),
            SparseKernel::Angular { .. } => run!(k::Angular),
            SparseKernel::Inner => run!(k::Inner),
            SparseKernel::Manhattan => run!(k::Manhattan),
            SparseKernel::Chebyshev => $chebyshev,
            SparseKernel::Minkowski(p) => run!(k::Minkowski(p)),
            SparseKernel::Hamming => run!(k::Hamming),
            SparseKernel::Canberra => run!(k::Canberra),
            SparseKernel::BrayCurtis => run!(k::BrayCurtis),
            SparseKernel::TsSs => run!(k::TsSs),
            SparseKernel::SetMetric(boolean) => run!(k::Sets { boolean, dim: $dim as u32 }),
        }
    }};
}
pub(super) use with_kernel;
