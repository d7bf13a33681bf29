//! Sums over the columns of two rows in f64, sixteen columns at a time.

use std::f64::consts::LN_2;

use crate::metric::definition::SMOOTHING;
use crate::simd::{LANES, Level, Op, Simd, dispatch};

/// What a column adds to a sum: a value of a prepared row, with a second number, and a value of another row as it is.
pub(super) trait Term: Copy {
    fn of_column(self, x: f64, w: f64, y: f64) -> f64;
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
        let mut sums = [0.0f64; LANES];
        let (xs, x_tail) = x.as_chunks::<LANES>();
        let (ws, w_tail) = w.as_chunks::<LANES>();
        let (ys, y_tail) = y.as_chunks::<LANES>();
        for ((x, w), y) in xs.iter().zip(ws).zip(ys) {
            for i in 0..LANES {
                sums[i] += term.of_column(x[i], w[i], y[i].into());
            }
        }
        let mut sum = 0.0;
        for ((&x, &w), &y) in x_tail.iter().zip(w_tail).zip(y_tail) {
            sum += term.of_column(x, w, y.into());
        }
        for lane in sums {
            sum += lane;
        }
        sum
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
term!(/** √(x y). */ Root, |x, _w, y| (x * y).sqrt());
term!(/** w (x-y)². */ Squared, |x, w, y| (x - y) * (x - y) * w);

/// w |x-y|^p.
#[derive(Clone, Copy)]
pub(super) struct Power<const P: usize>;

impl<const P: usize> Term for Power<P> {
    #[inline(always)]
    fn of_column(self, x: f64, w: f64, y: f64) -> f64 {
        let apart = (x - y).abs();
        let mut power = w;
        for _ in 0..P {
            power *= apart;
        }
        power
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_agree_with_the_standard_library() {
        for i in 1..20_000 {
            let x = (f64::from(i) * 0.1 - 1000.0).exp2() * 1.37;
            assert!((ln(x) - x.ln()).abs() <= 4e-16 * x.ln().abs().max(1.0), "{x}");
        }
    }
}
