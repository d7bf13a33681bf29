//! Sums over the columns of two rows in f64, sixteen columns at a time.

use std::f64::consts::LN_2;

use crate::metric::definition::SMOOTHING;
use crate::points::{Dense, Element, with_rows};
use crate::simd::{LANES, Level, Op, Simd, dispatch, prefetch};

/// What a column adds to a sum: a value of a prepared row, with a second number, and a value of another row as it is.
pub(super) trait Term: Copy {
    fn of_column(self, x: f64, w: f64, y: f64) -> f64;
    /// Adds a column to the sum.
    #[inline(always)]
    fn added(self, sum: f64, x: f64, w: f64, y: f64) -> f64 {
        sum + self.of_column(x, w, y)
    }
    /// Adds two sums.
    #[inline(always)]
    fn total(self, a: f64, b: f64) -> f64 {
        a + b
    }
}

/// The sum of a [`Term`] over all columns.
pub(super) fn sum<T: Term>(level: Level, term: T, x: &[f64], w: &[f64], y: &[f32]) -> f64 {
    // Terms without a second number are given some number.
    let w = if w.len() == x.len() { w } else { x };
    dispatch(level, Sum { term, x, w, y })
}

struct Sum<'a, T> {
    term: T,
    x: &'a [f64],
    w: &'a [f64],
    y: &'a [f32],
}

impl<T: Term> Op for Sum<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self) -> f64 {
        let Self { term, x, w, y } = self;
        sum_of(term, x, w, y)
    }
}

#[inline(always)]
fn sum_of<T: Term, E: Element>(term: T, x: &[f64], w: &[f64], y: &[E]) -> f64 {
    let mut sums = [0.0f64; LANES];
    let (xs, x_tail) = x.as_chunks::<LANES>();
    let (ws, w_tail) = w.as_chunks::<LANES>();
    let (ys, y_tail) = y.as_chunks::<LANES>();
    for ((x, w), y) in xs.iter().zip(ws).zip(ys) {
        for i in 0..LANES {
            sums[i] = term.added(sums[i], x[i], w[i], y[i].widen().into());
        }
    }
    let mut sum = 0.0;
    for ((&x, &w), &y) in x_tail.iter().zip(w_tail).zip(y_tail) {
        sum = term.added(sum, x, w, y.widen().into());
    }
    if xs.is_empty() {
        return sum;
    }
    // Halves, so that latencies overlap.
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            sums[i] = term.total(sums[i], sums[i + half]);
        }
    }
    term.total(sums[0], sum)
}

/// The term of each of several rows that one row is compared with.
pub(super) trait Terms: Copy {
    type Term: Term;
    fn of_row(self, row: usize) -> Self::Term;
}

/// The same term for all rows.
#[derive(Clone, Copy)]
pub(super) struct Same<T>(pub T);

impl<T: Term> Terms for Same<T> {
    type Term = T;
    #[inline(always)]
    fn of_row(self, _: usize) -> T {
        self.0
    }
}

/// The sums of terms without a second number, over all columns of `x` and each of `others`, rows of `rows`.
pub(super) fn sums<T: Terms>(level: Level, terms: T, x: &[f64], rows: &Dense, others: &[u32], out: &mut Vec<f64>) {
    out.clear();
    with_rows!(rows.rows(), rows => dispatch(level, SumsTo { terms, x, rows, others, out }));
}

struct SumsTo<'a, T, E> {
    terms: T,
    x: &'a [f64],
    rows: &'a [E],
    others: &'a [u32],
    out: &'a mut Vec<f64>,
}

/// Rows that are prefetched ahead.
const AHEAD: usize = 8;

impl<T: Terms, E: Element> Op for SumsTo<'_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { terms, x, rows, others, out } = self;
        let dim = x.len();
        let ask = |&row: &u32| {
            rows[row as usize * dim..][..dim].iter().step_by(64 / size_of::<E>()).for_each(prefetch);
        };
        others.iter().take(AHEAD).for_each(ask);
        for (i, &other) in others.iter().enumerate() {
            others.get(i + AHEAD).iter().for_each(|row| ask(row));
            let other = other as usize;
            out.push(sum_of(terms.of_row(other), x, x, &rows[other * dim..][..dim]));
        }
    }
}

/// The most columns whose products of bytes 32 bits add up.
pub(super) const MOST_BYTES: usize = 32_768;

/// The dot products of row `x` and each of `others`, rows of `dim` bytes, at most [`MOST_BYTES`].
pub(super) fn byte_products<E: Element + Into<i32>>(
    level: Level,
    rows: &[E],
    dim: usize,
    (x, others): (usize, &[u32]),
    out: &mut Vec<f64>,
) {
    out.clear();
    dispatch(level, ByteProducts { x: &rows[x * dim..][..dim], rows, others, out });
}

struct ByteProducts<'a, E> {
    x: &'a [E],
    rows: &'a [E],
    others: &'a [u32],
    out: &'a mut Vec<f64>,
}

impl<E: Element + Into<i32>> Op for ByteProducts<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { x, rows, others, out } = self;
        let dim = x.len();
        for (i, &other) in others.iter().enumerate() {
            if let Some(&ahead) = others.get(i + AHEAD) {
                rows[ahead as usize * dim..][..dim].iter().step_by(64).for_each(prefetch);
            }
            let mut sum = 0i32;
            for (&a, &b) in x.iter().zip(&rows[other as usize * dim..][..dim]) {
                let (a, b): (i32, i32) = (a.into(), b.into());
                sum += a * b;
            }
            out.push(sum.into());
        }
    }
}

macro_rules! term {
    ($(#[$doc:meta])* $name:ident, |$x:ident, $w:ident, $y:ident| $term:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(super) struct $name;
        impl Term for $name {
            #[inline(always)]
            fn of_column(self, $x: f64, $w: f64, $y: f64) -> f64 {
                $term
            }
        }
    };
}
term!(/** x y. */ Product, |x, _w, y| x * y);
term!(/** (x-y)². */ Squared, |x, _w, y| (x - y) * (x - y));
term!(/** |x-y|. */ Absolute, |x, _w, y| (x - y).abs());
term!(/** |x+y|. */ AbsoluteSum, |x, _w, y| (x + y).abs());
term!(/** 1 where x and y differ. */ Differing, |x, _w, y| f64::from(u8::from(x != y)));
term!(/** w (x-y)². */ WeightedSquared, |x, w, y| (x - y) * (x - y) * w);
term!(/** |x-y| / (|x|+|y|), 0/0 being 0. */ Ratio, |x, _w, y| {
    let size = x.abs() + y.abs();
    (x - y).abs() / if size == 0.0 { 1.0 } else { size }
});

/// max |x-y|.
#[derive(Clone, Copy)]
pub(super) struct Largest;

impl Term for Largest {
    #[inline(always)]
    fn of_column(self, x: f64, _w: f64, y: f64) -> f64 {
        (x - y).abs()
    }
    #[inline(always)]
    fn added(self, sum: f64, x: f64, w: f64, y: f64) -> f64 {
        self.total(sum, self.of_column(x, w, y))
    }
    #[inline(always)]
    fn total(self, a: f64, b: f64) -> f64 {
        if a > b { a } else { b }
    }
}

/// (x-y)² where y is brought to length 1, and x was.
#[derive(Clone, Copy)]
pub(super) struct Chord {
    pub mean: f64,
    pub scale: f64,
}

impl Term for Chord {
    #[inline(always)]
    fn of_column(self, x: f64, _w: f64, y: f64) -> f64 {
        let apart = x - (y - self.mean) * self.scale;
        apart * apart
    }
}

/// (√p-√q)², x being √p.
#[derive(Clone, Copy)]
pub(super) struct RootsApart {
    /// From y to q.
    pub scale: f64,
}

impl Term for RootsApart {
    #[inline(always)]
    fn of_column(self, x: f64, _w: f64, y: f64) -> f64 {
        let apart = x - (y * self.scale).sqrt();
        apart * apart
    }
}

/// w |s (x-y)|^p.
#[derive(Clone, Copy)]
pub(super) struct Power {
    pub p: f64,
    pub scale: f64,
}

impl Term for Power {
    #[inline(always)]
    fn of_column(self, x: f64, w: f64, y: f64) -> f64 {
        let apart = (x - y).abs() * self.scale;
        // Less than this adds nothing.
        let apart = if apart < 1e-300 { 1e-300 } else { apart };
        w * exp(self.p * ln(apart))
    }
}

/// w |s (x-y)|^p for a whole p.
#[derive(Clone, Copy)]
pub(super) struct WholePower {
    pub p: u32,
    pub scale: f64,
}

impl Term for WholePower {
    #[inline(always)]
    fn of_column(self, x: f64, w: f64, y: f64) -> f64 {
        let apart = (x - y).abs() * self.scale;
        (1..self.p).fold(w * apart, |power, _| power * apart)
    }
}

/// (p+q) ln (p+q).
#[derive(Clone, Copy)]
pub(super) struct Mixed {
    /// From y to q.
    pub scale: f64,
}

impl Term for Mixed {
    #[inline(always)]
    fn of_column(self, x: f64, _w: f64, y: f64) -> f64 {
        let both = x + y * self.scale;
        // Less than this adds nothing.
        let both = if both < 1e-300 { 1e-300 } else { both };
        both * ln(both)
    }
}

/// (p-q) (ln p - ln q) of smoothed masses.
#[derive(Clone, Copy)]
pub(super) struct Smoothing {
    /// From a value to a mass.
    pub scale: f64,
    /// What brings smoothed masses to sum 1.
    pub factor: f64,
}

impl Smoothing {
    /// A mass smoothed.
    #[inline(always)]
    pub(super) fn of(self, mass: f64) -> f64 {
        (mass + SMOOTHING) * self.factor
    }
}

impl Term for Smoothing {
    #[inline(always)]
    fn of_column(self, x: f64, w: f64, y: f64) -> f64 {
        let q = self.of(y * self.scale);
        (x - q) * (w - ln(q))
    }
}

/// The natural logarithm of a normal number above 0, without branches, so that compilers compute many at once: the
/// series of the area tangent of (m-1)/(m+1), m within √½ and √2.
#[inline(always)]
fn ln(x: f64) -> f64 {
    const ROOT_OF_HALF: i64 = 0x3fe6_a09e_667f_3bcd;
    let bits = x.to_bits() as i64;
    let exponent = bits.wrapping_sub(ROOT_OF_HALF) >> 52;
    let m = f64::from_bits(bits.wrapping_sub(exponent << 52) as u64);
    let s = (m - 1.0) / (m + 1.0);
    let squared = s * s;
    let mut sum = 1.0 / 21.0;
    for odd in [19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        sum = sum * squared + 1.0 / odd;
    }
    exponent as f64 * LN_2 + (2.0 * s + 2.0 * s * squared * sum)
}

/// e^x for x up to 700, without branches; 0 below -700. The series of e^r, |r| at most ln 2 / 2.
#[inline(always)]
fn exp(x: f64) -> f64 {
    /// Adding it rounds to a whole number.
    const WHOLE: f64 = 6_755_399_441_055_744.0;
    /// ln 2 less its first 32 bits, and these.
    const LN_2_REST: f64 = 1.908_214_929_270_587_7e-10;
    const LN_2_BEGIN: f64 = 6.931_471_803_691_238e-1;
    let x = if x < -700.0 { -700.0 } else { x };
    let whole = x * std::f64::consts::LOG2_E + WHOLE;
    let exponent = (whole.to_bits() as i64).wrapping_sub(WHOLE.to_bits() as i64);
    let times = whole - WHOLE;
    let rest = (x - times * LN_2_BEGIN) - times * LN_2_REST;
    let mut sum = 1.0;
    for n in [13.0, 12.0, 11.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0] {
        sum = sum * (rest * (1.0 / n)) + 1.0;
    }
    let power = sum * f64::from_bits(((exponent + 1023) << 52) as u64);
    if x <= -700.0 { 0.0 } else { power }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_agree_with_the_standard_library() {
        for i in 1..20_000 {
            let x = f64::from(i) * 0.07 - 700.0;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-15, "{x}");
        }
        assert_eq!([exp(0.0), exp(-701.0)], [1.0, 0.0]);
    }

    #[test]
    fn logarithms_agree_with_the_standard_library() {
        for i in 1..20_000 {
            let x = (f64::from(i) * 0.1 - 1000.0).exp2() * 1.37;
            assert!((ln(x) - x.ln()).abs() <= 4e-16 * x.ln().abs().max(1.0), "{x}");
        }
    }
}
