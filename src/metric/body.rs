//! What each metric does with sixteen coordinates of two rows, and how the lanes become a reduced distance.

use super::simd::{LANES, Simd, max_lane, sum_lanes};
use crate::points::Element;

/// A metric's inner loop. Zero columns on both sides must change nothing, so that rows can be padded with zeros.
pub(crate) trait Body: Copy + Sync {
    type Acc<S: Simd>: Copy;
    fn start<S: Simd>(self) -> Self::Acc<S>;
    fn step<S: Simd>(self, acc: Self::Acc<S>, x: S::F, y: S::F) -> Self::Acc<S>;
    fn finish<S: Simd>(self, acc: Self::Acc<S>) -> f32;
}

macro_rules! sum_body {
    ($(#[$doc:meta])* $name:ident, |$acc:ident, $x:ident, $y:ident| $step:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(crate) struct $name;
        impl Body for $name {
            type Acc<S: Simd> = S::F;
            #[inline(always)]
            fn start<S: Simd>(self) -> S::F {
                S::splat(0.0)
            }
            #[inline(always)]
            fn step<S: Simd>(self, $acc: S::F, $x: S::F, $y: S::F) -> S::F {
                $step
            }
            #[inline(always)]
            fn finish<S: Simd>(self, acc: S::F) -> f32 {
                sum_lanes::<S>(acc)
            }
        }
    };
}

sum_body!(/** Σ (x-y)². */ SquaredDifferences, |acc, x, y| { let d = S::sub(x, y); S::mul_add(d, d, acc) });
sum_body!(/** Σ |x-y|. */ AbsoluteDifferences, |acc, x, y| S::add(acc, S::abs(S::sub(x, y))));
sum_body!(/** Number of columns that differ. */ Differing, |acc, x, y| S::add(acc, S::differ(x, y)));
// Where both are zero the numerator is zero, and the smallest normal number stands in for the denominator.
sum_body!(/** Σ |x-y| / (|x|+|y|). */ Canberra, |acc, x, y| {
    let size = S::max(S::add(S::abs(x), S::abs(y)), S::splat(f32::MIN_POSITIVE));
    S::add(acc, S::div(S::abs(S::sub(x, y)), size))
});

/// -x·y.
#[derive(Clone, Copy)]
pub(crate) struct NegativeDot;
/// 1 - x·y.
#[derive(Clone, Copy)]
pub(crate) struct OneMinusDot;

macro_rules! dot_body {
    ($name:ident, |$dot:ident| $finish:expr) => {
        impl Body for $name {
            type Acc<S: Simd> = S::F;
            #[inline(always)]
            fn start<S: Simd>(self) -> S::F {
                S::splat(0.0)
            }
            #[inline(always)]
            fn step<S: Simd>(self, acc: S::F, x: S::F, y: S::F) -> S::F {
                S::mul_add(x, y, acc)
            }
            #[inline(always)]
            fn finish<S: Simd>(self, acc: S::F) -> f32 {
                let $dot = sum_lanes::<S>(acc);
                $finish
            }
        }
    };
}
dot_body!(NegativeDot, |dot| -dot);
dot_body!(OneMinusDot, |dot| 1.0 - dot);

/// max |x-y|.
#[derive(Clone, Copy)]
pub(crate) struct LargestDifference;

impl Body for LargestDifference {
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
    fn finish<S: Simd>(self, acc: S::F) -> f32 {
        max_lane::<S>(acc)
    }
}

/// Σ |x-y|^p.
#[derive(Clone, Copy)]
pub(crate) struct PowerDifferences(pub f32);

impl Body for PowerDifferences {
    type Acc<S: Simd> = [f32; LANES];
    #[inline(always)]
    fn start<S: Simd>(self) -> [f32; LANES] {
        [0.0; LANES]
    }
    #[inline(always)]
    fn step<S: Simd>(self, acc: [f32; LANES], x: S::F, y: S::F) -> [f32; LANES] {
        let d = S::to_array(S::abs(S::sub(x, y)));
        std::array::from_fn(|i| acc[i] + d[i].powf(self.0))
    }
    #[inline(always)]
    fn finish<S: Simd>(self, acc: [f32; LANES]) -> f32 {
        acc.into_iter().sum()
    }
}

/// Σ |x-y| / Σ |x+y|.
#[derive(Clone, Copy)]
pub(crate) struct BrayCurtis;

impl Body for BrayCurtis {
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
    fn finish<S: Simd>(self, (apart, size): Self::Acc<S>) -> f32 {
        let apart = sum_lanes::<S>(apart);
        if apart == 0.0 { 0.0 } else { apart / sum_lanes::<S>(size) }
    }
}

/// Runs `$run` with `$body` bound to the body of a [`Form`]; angular forms expect rows of length 1.
macro_rules! with_body {
    ($form:expr, $body:ident => $run:expr) => {{
        use $crate::metric::{Coordinates, Form, body};
        match $form {
            Form::L2 => {
                let $body = body::SquaredDifferences;
                $run
            }
            Form::Angular { .. } => {
                let $body = body::OneMinusDot;
                $run
            }
            Form::Inner => {
                let $body = body::NegativeDot;
                $run
            }
            Form::Coordinates(Coordinates::Manhattan) => {
                let $body = body::AbsoluteDifferences;
                $run
            }
            Form::Coordinates(Coordinates::Chebyshev) => {
                let $body = body::LargestDifference;
                $run
            }
            Form::Coordinates(Coordinates::Minkowski(p)) => {
                let $body = body::PowerDifferences(p);
                $run
            }
            Form::Coordinates(Coordinates::Hamming) => {
                let $body = body::Differing;
                $run
            }
            Form::Coordinates(Coordinates::Canberra) => {
                let $body = body::Canberra;
                $run
            }
            Form::Coordinates(Coordinates::BrayCurtis) => {
                let $body = body::BrayCurtis;
                $run
            }
        }
    }};
}
pub(crate) use with_body;

/// A tail of a row, filled up with zeros.
#[inline(always)]
fn padded<E: Element>(tail: &[E]) -> [E; LANES] {
    let mut full = [E::zeroed(); LANES];
    full[..tail.len()].copy_from_slice(tail);
    full
}

/// Reduced distances of `R` rows to four others, each load serving several pairs. All rows are equally long.
#[inline(always)]
pub(crate) fn tile<S: Simd, E: Element, B: Body, const R: usize>(
    body: B,
    xs: [&[E]; R],
    ys: [&[E]; 4],
) -> [[f32; 4]; R] {
    let chunks = xs.first().map_or(0, |x| x.len() / LANES);
    let xc = xs.map(|x| &x.as_chunks::<LANES>().0[..chunks]);
    let yc = ys.map(|y| &y.as_chunks::<LANES>().0[..chunks]);
    let mut acc = [[body.start::<S>(); 4]; R];
    for c in 0..chunks {
        let y: [S::F; 4] = std::array::from_fn(|j| S::load(&yc[j][c]));
        for i in 0..R {
            let x = S::load(&xc[i][c]);
            for j in 0..4 {
                acc[i][j] = body.step::<S>(acc[i][j], x, y[j]);
            }
        }
    }
    if xs.iter().any(|x| x.len() > chunks * LANES) {
        let y = ys.map(|y| S::load(&padded(&y[chunks * LANES..])));
        for i in 0..R {
            let x = S::load(&padded(&xs[i][chunks * LANES..]));
            for j in 0..4 {
                acc[i][j] = body.step::<S>(acc[i][j], x, y[j]);
            }
        }
    }
    acc.map(|row| row.map(|a| body.finish::<S>(a)))
}
