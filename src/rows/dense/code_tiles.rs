//! Tiles of distances between rows of codes.

use super::coding::{Chunk, Stats};
use crate::rows::tiles::Tiles;
use crate::simd::{BYTES, Level, Op, Simd, dispatch_bytes, prefetch};

/// Codes of rows, one after the other, and what distances between them need.
#[derive(Clone, Copy)]
pub(super) struct CodeTable<'a> {
    pub codes: &'a [Chunk],
    pub stats: &'a [Stats],
    /// Chunks in a row.
    pub stride: usize,
    /// The code of zero, which is taken out of dot products.
    pub zero: u8,
}

impl<'a> CodeTable<'a> {
    #[inline(always)]
    pub(super) fn row(&self, i: u32) -> CodedRow<'a> {
        let i = i as usize;
        CodedRow { chunks: &self.codes[i * self.stride..][..self.stride], stats: &self.stats[i] }
    }

    /// The integer part of a distance without its dot product, which is of (x - `bias`)·y. Wrapping 32-bit arithmetic
    /// is exact, because every final sum fits.
    #[inline(always)]
    pub(super) fn around_dot<F: Finish>(&self, bias: i32, x: &Stats, y: &Stats) -> i32 {
        if F::DOT == 1 {
            // (x - zero)·(y - zero)
            let zero = i32::from(self.zero);
            let length = (self.stride * BYTES) as i32;
            (zero * zero * length)
                .wrapping_sub(zero.wrapping_mul(x.sum))
                .wrapping_add((bias - zero).wrapping_mul(y.sum))
        } else {
            x.squares.wrapping_add(y.squares).wrapping_sub((2 * bias).wrapping_mul(y.sum))
        }
    }
}

/// A row as kernels read it.
#[derive(Clone, Copy)]
pub(super) struct CodedRow<'a> {
    pub chunks: &'a [Chunk],
    pub stats: &'a Stats,
}

/// How the integer part of a distance becomes a reduced distance.
pub(super) trait Finish: Copy + Sync {
    /// Factor of the dot product in the integer part.
    const DOT: i32;
    fn reduced(self, whole: i32, x: &Stats, y: &Stats) -> f32;
    /// The code that dot products of an estimate are seen from.
    fn origin(self, zero: u8) -> u8;
    /// The reduced distance by an estimated dot product. `squares` is that of x with itself, less 128; `inverse` the
    /// product of 1 / |x| and 1 / |y|.
    fn estimated(self, dot: f32, squares: f32, inverse: f32) -> f32;
    /// What is known of the reduced distance's error, and its variance at a distance of 1: by y·y, y·e, and |e|² / dim.
    fn known_error(self, squares: f64, along: f64, noise: f64) -> (f64, f64);
}

/// |x-y|² = |x|² + |y|² - 2 x·y of the codes.
#[derive(Clone, Copy)]
pub(super) struct Squared;
/// -x·y of the codes less the code of zero.
#[derive(Clone, Copy)]
pub(super) struct NegativeDot;
/// 1 - x·y / (|x| |y|) of the codes less the code of zero.
#[derive(Clone, Copy)]
pub(super) struct Angle;

impl Finish for Squared {
    const DOT: i32 = -2;
    #[inline(always)]
    fn reduced(self, whole: i32, _: &Stats, _: &Stats) -> f32 {
        whole as f32
    }
    #[inline(always)]
    fn origin(self, _: u8) -> u8 {
        128
    }
    #[inline(always)]
    fn estimated(self, dot: f32, squares: f32, _: f32) -> f32 {
        squares - 2.0 * dot
    }
    fn known_error(self, squares: f64, along: f64, noise: f64) -> (f64, f64) {
        (squares - 2.0 * along, 4.0 * noise)
    }
}

impl Finish for NegativeDot {
    const DOT: i32 = 1;
    #[inline(always)]
    fn reduced(self, whole: i32, _: &Stats, _: &Stats) -> f32 {
        -(whole as f32)
    }
    #[inline(always)]
    fn origin(self, zero: u8) -> u8 {
        zero
    }
    #[inline(always)]
    fn estimated(self, dot: f32, _: f32, _: f32) -> f32 {
        -dot
    }
    fn known_error(self, _: f64, _: f64, _: f64) -> (f64, f64) {
        // Near by their product are rows that are far apart.
        (0.0, f64::INFINITY)
    }
}

impl Finish for Angle {
    const DOT: i32 = 1;
    #[inline(always)]
    fn reduced(self, whole: i32, x: &Stats, y: &Stats) -> f32 {
        let distance = 1.0 - whole as f32 * (x.inverse * y.inverse);
        // Zero vectors are at distance 0 from each other, and 1 from the rest.
        if x.inverse.max(y.inverse) == 0.0 { 0.0 } else { distance }
    }
    #[inline(always)]
    fn origin(self, zero: u8) -> u8 {
        zero
    }
    #[inline(always)]
    fn estimated(self, dot: f32, _: f32, inverse: f32) -> f32 {
        1.0 - dot * inverse
    }
    fn known_error(self, squares: f64, along: f64, noise: f64) -> (f64, f64) {
        // 1 - cos is half the squared distance of the directions.
        if squares > 0.0 { (-along / squares, 2.0 * noise / squares) } else { (0.0, f64::INFINITY) }
    }
}

/// Rows under one way to finish distances.
pub(super) struct CodeTiles<'a, F> {
    pub rows: CodeTable<'a>,
    pub finish: F,
}

impl<F: Finish> Tiles for CodeTiles<'_, F> {
    type Query<'a>
        = CodedRow<'a>
    where
        Self: 'a;
    type Row<'a>
        = CodedRow<'a>
    where
        Self: 'a;

    #[inline(always)]
    fn row(&self, i: u32) -> CodedRow<'_> {
        self.rows.row(i)
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize>(&self, xs: [CodedRow; R], ys: [CodedRow; 4]) -> [[f32; 4]; R] {
        let mut sums = [[S::zero(); 4]; R];
        for c in 0..self.rows.stride {
            for i in 0..R {
                for j in 0..4 {
                    sums[i][j] = S::dot_bytes(&xs[i].chunks[c].0, &ys[j].chunks[c].0, sums[i][j]);
                }
            }
        }
        let mut out = [[0.0; 4]; R];
        for i in 0..R {
            let x = xs[i].stats;
            let totals = S::total4(sums[i]);
            for j in 0..4 {
                let y = ys[j].stats;
                let dot = totals[j].wrapping_mul(F::DOT);
                out[i][j] = self.finish.reduced(self.rows.around_dot::<F>(S::BIAS, x, y).wrapping_add(dot), x, y);
            }
        }
        out
    }

    fn dispatch<O: Op>(level: Level, op: O) -> O::Output {
        dispatch_bytes(level, op)
    }

    #[inline(always)]
    fn prefetch(&self, row: u32) {
        self.rows.row(row).chunks.iter().for_each(prefetch);
    }
}
