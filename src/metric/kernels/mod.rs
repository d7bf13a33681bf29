//! The kernels: how reduced distances are computed from the columns of two rows. A file for each, with its sums over
//! dense rows ([`Accumulate`]), its terms over sparse rows ([`SparseTerms`]), its definition in f64 and its WGSL
//! ([`Kernel`]).

mod angular;
mod braycurtis;
mod canberra;
mod chebyshev;
mod hamming;
mod inner;
mod l2;
mod manhattan;
mod minkowski;
pub(crate) mod power;
mod real;
pub(crate) mod sparse;
mod tile;
mod ts_ss;

pub(crate) use angular::OneMinusCosine;
pub(crate) use braycurtis::BrayCurtis;
pub(crate) use canberra::Canberra;
pub(crate) use chebyshev::LargestDifference;
pub(crate) use hamming::Differing;
pub(crate) use inner::NegativeDot;
pub(crate) use l2::SquaredDifferences;
pub(crate) use manhattan::AbsoluteDifferences;
pub(crate) use minkowski::{PowerDifferences, WholePowers};
pub(crate) use real::Real;
pub(crate) use tile::tile;
pub(crate) use ts_ss::{TsSs, ts_ss};

use crate::simd::Simd;

/// The computation behind a metric; several metrics share one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Form {
    /// Σ (x-y)².
    L2,
    /// 1 - x·y over rows brought to length 1, after subtracting their means if `centered`.
    Angular { centered: bool },
    /// -x·y.
    Inner,
    /// Σ |x-y|.
    Manhattan,
    /// max |x-y|.
    Chebyshev,
    /// Σ |x-y|^p.
    Minkowski(f32),
    /// Number of columns that differ.
    Hamming,
    /// Σ |x-y| / (|x|+|y|).
    Canberra,
    /// Σ |x-y| / Σ |x+y|.
    BrayCurtis,
    /// Triangle area times sector area.
    TsSs,
}

/// Runs `$run` with `$kernel` bound to the [`Kernel`] of a [`Form`]; angular ones expect rows of length 1.
macro_rules! with_kernel {
    ($form:expr, $kernel:ident => $run:expr) => {{
        use $crate::metric::kernels::{self, Form};
        macro_rules! run {
            ($value:expr) => {{
                let $kernel = $value;
                $run
            }};
        }
        match $form {
            Form::L2 => run!(kernels::SquaredDifferences),
            Form::Angular { .. } => run!(kernels::OneMinusCosine),
            Form::Inner => run!(kernels::NegativeDot),
            Form::Manhattan => run!(kernels::AbsoluteDifferences),
            Form::Chebyshev => run!(kernels::LargestDifference),
            Form::Minkowski(p) if kernels::WholePowers::takes(p) => run!(kernels::WholePowers(p as u32)),
            Form::Minkowski(p) => run!(kernels::PowerDifferences(p)),
            Form::Hamming => run!(kernels::Differing),
            Form::Canberra => run!(kernels::Canberra),
            Form::BrayCurtis => run!(kernels::BrayCurtis),
            Form::TsSs => run!(kernels::TsSs),
        }
    }};
}
pub(crate) use with_kernel;

/// Runs `$run` with `$kernel` bound to the [`SparseTerms`](sparse::SparseTerms) of a [`Form`], or `$chebyshev`, which
/// is not a sum.
macro_rules! with_sparse_terms {
    ($form:expr, $kernel:ident => $run:expr, chebyshev => $chebyshev:expr) => {{
        use $crate::metric::kernels::{self, Form};
        macro_rules! run {
            ($value:expr) => {{
                let $kernel = $value;
                $run
            }};
        }
        match $form {
            Form::L2 => run!(kernels::SquaredDifferences),
            Form::Angular { .. } => run!(kernels::OneMinusCosine),
            Form::Inner => run!(kernels::NegativeDot),
            Form::Manhattan => run!(kernels::AbsoluteDifferences),
            Form::Chebyshev => $chebyshev,
            Form::Minkowski(p) => run!(kernels::PowerDifferences(p)),
            Form::Hamming => run!(kernels::Differing),
            Form::Canberra => run!(kernels::Canberra),
            Form::BrayCurtis => run!(kernels::BrayCurtis),
            Form::TsSs => run!(kernels::TsSs),
        }
    }};
}
pub(crate) use with_sparse_terms;

/// What a kernel is beside its loops over dense and sparse rows.
pub(crate) trait Kernel: Accumulate {
    /// `start`, `step`, `folded`, `joined` and `finish` for shaders/shared/distance.wgsl.
    #[cfg(feature = "gpu")]
    const WGSL: &str;
    /// Whether the definition is a sum over columns.
    const IS_ONE_SUM: bool = true;

    /// Adds a column to the sums of the definition, in f64.
    fn add(self, sums: [f64; 3], x: f64, y: f64) -> [f64; 3];

    /// The reduced distance by definition.
    fn defined(self, sums: [f64; 3]) -> f64 {
        sums[0]
    }
}

/// A kernel's inner loop. Zero columns on both sides must change nothing, so that rows can be padded with zeros.
pub(crate) trait Accumulate: Copy + Sync {
    type Acc<S: Simd>: Copy;
    fn start<S: Simd>(self) -> Self::Acc<S>;
    fn step<S: Simd>(self, acc: Self::Acc<S>, x: S::F, y: S::F) -> Self::Acc<S>;
    /// Four reduced distances from their sums.
    fn finish<S: Simd>(self, acc: [Self::Acc<S>; 4]) -> [f32; 4];
}

/// An inner loop of one sum.
pub(crate) trait OneSum: Copy + Sync {
    fn step<S: Simd>(self, sum: S::F, x: S::F, y: S::F) -> S::F;
    /// The reduced distance.
    #[inline(always)]
    fn finish(self, sum: f32) -> f32 {
        sum
    }
}

impl<K: OneSum> Accumulate for K {
    type Acc<S: Simd> = S::F;
    #[inline(always)]
    fn start<S: Simd>(self) -> S::F {
        S::splat(0.0)
    }
    #[inline(always)]
    fn step<S: Simd>(self, acc: S::F, x: S::F, y: S::F) -> S::F {
        OneSum::step::<S>(self, acc, x, y)
    }
    #[inline(always)]
    fn finish<S: Simd>(self, acc: [S::F; 4]) -> [f32; 4] {
        let mut out = S::sum4(acc);
        for sum in &mut out {
            *sum = OneSum::finish(self, *sum);
        }
        out
    }
}

impl Form {
    /// Whether distances follow from dot products.
    pub(crate) fn is_of_products(self) -> bool {
        matches!(self, Self::L2 | Self::Angular { .. } | Self::Inner)
    }

    /// The power of the values that reduced distances grow with.
    pub(crate) fn degree(self) -> f64 {
        match self {
            Self::L2 | Self::Inner => 2.0,
            Self::Manhattan | Self::Chebyshev => 1.0,
            Self::Minkowski(p) => p.into(),
            Self::TsSs => 4.0,
            Self::Angular { .. } | Self::Hamming | Self::Canberra | Self::BrayCurtis => 0.0,
        }
    }

    /// Whether a column takes some fifty instructions rather than a few.
    pub(crate) fn is_slow(self) -> bool {
        matches!(self, Self::Minkowski(p) if p.fract() != 0.0)
    }

    /// The same in WGSL.
    #[cfg(feature = "gpu")]
    pub(crate) fn wgsl(self) -> String {
        fn of<K: Kernel>(_: K) -> &'static str {
            K::WGSL
        }
        let constants =
            if let Self::Minkowski(p) = self { format!("const POWER: f32 = {p:?};\n") } else { String::new() };
        constants + with_kernel!(self, kernel => of(kernel))
    }

    /// Every form that a metric has.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for metric in super::KernelMetric::all() {
            all.extend(Some(metric.form()).filter(|form| !all.contains(form)));
        }
        all
    }

    /// The reduced distance by definition, in f64, of the columns of two rows; no means are subtracted.
    pub(crate) fn defined(self, columns: impl Iterator<Item = (f64, f64)>) -> f64 {
        with_kernel!(self, kernel => kernel.defined(columns.fold([0.0; 3], |sums, (x, y)| kernel.add(sums, x, y))))
    }
}

/// 0/0 is 0.
pub(crate) fn ratio(numerator: f64, denominator: f64) -> f64 {
    if numerator == 0.0 { 0.0 } else { numerator / denominator }
}
