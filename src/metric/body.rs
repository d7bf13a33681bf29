//! What each metric does with sixteen coordinates of two rows, and how the lanes become a reduced distance.

use super::simd::{LANES, Simd};
use crate::points::Element;

/// A metric's inner loop. Zero columns on both sides must change nothing, so that rows can be padded with zeros.
pub(crate) trait Body: Copy + Sync {
    type Acc<S: Simd>: Copy;
    fn start<S: Simd>(self) -> Self::Acc<S>;
    fn step<S: Simd>(self, acc: Self::Acc<S>, x: S::F, y: S::F) -> Self::Acc<S>;
    /// Four reduced distances from their sums.
    fn finish<S: Simd>(self, acc: [Self::Acc<S>; 4]) -> [f32; 4];
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
            fn finish<S: Simd>(self, acc: [S::F; 4]) -> [f32; 4] {
                S::sum4(acc)
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
            fn finish<S: Simd>(self, acc: [S::F; 4]) -> [f32; 4] {
                let mut out = S::sum4(acc);
                for d in &mut out {
                    let $dot = *d;
                    *d = $finish;
                }
                out
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
    fn finish<S: Simd>(self, acc: [S::F; 4]) -> [f32; 4] {
        let mut out = [0.0; 4];
        for (out, acc) in out.iter_mut().zip(acc) {
            *out = S::to_array(acc).into_iter().fold(0.0, f32::max);
        }
        out
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
    fn finish<S: Simd>(self, acc: [[f32; LANES]; 4]) -> [f32; 4] {
        acc.map(|acc| acc.into_iter().sum())
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
    fn finish<S: Simd>(self, [a, b, c, d]: [Self::Acc<S>; 4]) -> [f32; 4] {
        let mut out = S::sum4([a.0, b.0, c.0, d.0]);
        let sizes = S::sum4([a.1, b.1, c.1, d.1]);
        for (apart, size) in out.iter_mut().zip(sizes) {
            *apart = if *apart == 0.0 { 0.0 } else { *apart / size };
        }
        out
    }
}

/// Triangle area times sector area, of (x-y)·(x-y), x·x and y·y.
#[derive(Clone, Copy)]
pub(crate) struct TsSs;

impl Body for TsSs {
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

/// TS-SS of two vectors by their squared distance and squared lengths. Heidarian and Dinneen (BigDataService 2016), with PyNNDescent's 10 degrees
/// beside the angle; a vector without length is at right angles to others.
pub(crate) fn ts_ss(squared: f64, xx: f64, yy: f64) -> f64 {
    let (x, y) = (xx.sqrt(), yy.sqrt());
    let cosine = if x * y > 0.0 { ((xx + yy - squared) / (2.0 * x * y)).clamp(-1.0, 1.0) } else { 0.0 };
    let theta = cosine.acos() + 10f64.to_radians();
    let apart = squared.sqrt() + (x - y).abs();
    (x * y * theta.sin() / 2.0) * (apart * apart * theta / 2.0)
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
            Form::Coordinates(Coordinates::TsSs) => {
                let $body = body::TsSs;
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
///
/// Loops rather than closures over arrays: those are not always inlined into code compiled for an instruction set.
#[inline(always)]
pub(crate) fn tile<S: Simd, X: Element, Y: Element, B: Body, const R: usize>(
    body: B,
    xs: [&[X]; R],
    ys: [&[Y]; 4],
) -> [[f32; 4]; R] {
    let dim = ys[0].len();
    let chunks = dim / LANES;
    let mut acc = [[body.start::<S>(); 4]; R];
    for c in 0..chunks {
        step_all::<S, B, R>(body, &mut acc, load_chunk::<S, X, R>(&xs, c), load_chunk::<S, Y, 4>(&ys, c));
    }
    if dim > chunks * LANES {
        step_all::<S, B, R>(body, &mut acc, load_tail::<S, X, R>(&xs, chunks), load_tail::<S, Y, 4>(&ys, chunks));
    }
    let mut out = [[0.0; 4]; R];
    for i in 0..R {
        out[i] = body.finish::<S>(acc[i]);
    }
    out
}

/// A step of every pair. A function: a closure that is called twice is not inlined, and then neither are its instructions.
#[inline(always)]
fn step_all<S: Simd, B: Body, const R: usize>(body: B, acc: &mut [[B::Acc<S>; 4]; R], x: [S::F; R], y: [S::F; 4]) {
    for i in 0..R {
        for j in 0..4 {
            acc[i][j] = body.step::<S>(acc[i][j], x[i], y[j]);
        }
    }
}

/// Chunk `c` of every row.
#[inline(always)]
fn load_chunk<S: Simd, E: Element, const R: usize>(rows: &[&[E]; R], c: usize) -> [S::F; R] {
    let mut out = [S::splat(0.0); R];
    for i in 0..R {
        out[i] = S::load(rows[i][c * LANES..].first_chunk().expect("rows are equally long"));
    }
    out
}

/// What follows the last whole chunk of every row.
#[inline(always)]
fn load_tail<S: Simd, E: Element, const R: usize>(rows: &[&[E]; R], chunks: usize) -> [S::F; R] {
    let mut out = [S::splat(0.0); R];
    for i in 0..R {
        out[i] = S::load(&padded(&rows[i][chunks * LANES..]));
    }
    out
}
