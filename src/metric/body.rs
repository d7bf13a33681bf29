//! What each metric does with sixteen coordinates of two rows, and how the lanes become a reduced distance.

use crate::points::Element;
use crate::simd::{LANES, Simd};

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
    type Acc<S: Simd> = S::F;
    #[inline(always)]
    fn start<S: Simd>(self) -> S::F {
        S::splat(0.0)
    }
    #[inline(always)]
    fn step<S: Simd>(self, acc: S::F, x: S::F, y: S::F) -> S::F {
        let mut apart = S::to_array(S::abs(S::sub(x, y)));
        for d in &mut apart {
            *d = power(*d, self.0);
        }
        S::add(acc, S::load(&apart))
    }
    #[inline(always)]
    fn finish<S: Simd>(self, acc: [S::F; 4]) -> [f32; 4] {
        S::sum4(acc)
    }
}

/// Σ |x-y|^p of a whole number p, by multiplication.
#[derive(Clone, Copy)]
pub(crate) struct WholePowers(pub u32);

/// The largest whole exponent that is multiplied out.
pub(crate) const MOST_WHOLE: f32 = 16.0;

impl Body for WholePowers {
    type Acc<S: Simd> = S::F;
    #[inline(always)]
    fn start<S: Simd>(self) -> S::F {
        S::splat(0.0)
    }
    #[inline(always)]
    fn step<S: Simd>(self, acc: S::F, x: S::F, y: S::F) -> S::F {
        let zero = S::splat(0.0);
        let (mut power, mut square, mut left) = (S::splat(1.0), S::abs(S::sub(x, y)), self.0);
        while left > 1 {
            if left % 2 == 1 {
                power = S::mul_add(power, square, zero);
            }
            square = S::mul_add(square, square, zero);
            left /= 2;
        }
        S::mul_add(power, square, acc)
    }
    #[inline(always)]
    fn finish<S: Simd>(self, acc: [S::F; 4]) -> [f32; 4] {
        S::sum4(acc)
    }
}

/// x^p of x from 0 and p from 1, to some millionths: exp2(p log2 x) without branches, so that compilers compute many at once. 0 of
/// numbers below the normal ones. The polynomials are those of Cephes' `logf` and `exp2f`.
#[inline(always)]
pub(crate) fn power(x: f32, p: f32) -> f32 {
    let log2 = log2(x) * p;
    // What is clamped is beyond f32's range.
    let log2 = if log2 > 200.0 { 200.0 } else { log2 };
    let log2 = if log2 < -200.0 { -200.0 } else { log2 };
    if x < f32::MIN_POSITIVE { 0.0 } else { exp2(log2) }
}

#[inline(always)]
fn log2(x: f32) -> f32 {
    const ROOT_OF_HALF: i32 = 0x3f35_04f3;
    let bits = x.to_bits() as i32;
    let exponent = bits.wrapping_sub(ROOT_OF_HALF) >> 23;
    let m = f32::from_bits(bits.wrapping_sub(exponent << 23) as u32) - 1.0;
    let mut sum = 7.037_683_6e-2;
    for c in [
        -1.151_461e-1,
        1.167_699_87e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ] {
        sum = sum * m + c;
    }
    let ln = m + (sum * m - 0.5) * (m * m);
    exponent as f32 + ln * std::f32::consts::LOG2_E
}

/// Of -252 to 254.
#[inline(always)]
fn exp2(x: f32) -> f32 {
    /// Added, it leaves no room for what is behind the point.
    const WHOLE: f32 = 12_582_912.0;
    let whole = x + WHOLE;
    let rest = x - (whole - WHOLE);
    let exponent = (whole.to_bits() as i32).wrapping_sub(WHOLE.to_bits() as i32);
    let mut sum = 1.535_336_2e-4;
    for c in [1.339_887_4e-3, 9.618_437e-3, 5.550_332_5e-2, 2.402_264_8e-1, 6.931_472e-1, 1.0] {
        sum = sum * rest + c;
    }
    // Two factors, neither of which leaves the range of normal numbers.
    let half = exponent >> 1;
    let scale = |exponent: i32| f32::from_bits(((exponent + 127) << 23) as u32);
    sum * scale(half) * scale(exponent - half)
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
            Form::Coordinates(Coordinates::Minkowski(p)) if p.fract() == 0.0 && p <= body::MOST_WHOLE => {
                let $body = body::WholePowers(p as u32);
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

#[cfg(test)]
mod tests {
    use super::power;

    #[test]
    fn powers_are_those_of_f64() {
        for p in [1.0f32, 1.1, 1.5, 2.5, 3.3, 7.0, 20.0] {
            for i in 1..4000 {
                let x = (i as f32 * 0.05 - 100.0).exp2();
                let (found, right) = (power(x, p), f64::from(x).powf(p.into()));
                // Of the root, which is what distances are.
                let root = (f64::from(found) / right).powf(1.0 / f64::from(p));
                let in_range = right > 1e-37 && right < 3e38;
                assert!(!in_range || (root - 1.0).abs() < 5e-6, "{x}^{p}: {found}, not {right}");
                assert!(right < 3.5e38 || found == f32::INFINITY, "{x}^{p}: {found}");
            }
            assert_eq!([power(0.0, p), power(1e-40, p)], [0.0; 2]);
            assert_eq!((power(1.0, p), power(f32::INFINITY, p)), (1.0, f32::INFINITY));
        }
    }
}
