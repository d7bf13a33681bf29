//! Rows as unsigned bytes, compared by integer dot products: exact for byte data, rounded for the rest.
//!
//! A value v becomes the code zero + round(v · scale). Differences of codes are scaled differences of values, so euclidean
//! order survives any common zero and scale; dot products need the zero taken out again, and angles allow a scale per row.

use rayon::prelude::*;

use super::float_rows::direction_scale;
use super::recompute::Recompute;
use super::space::{self, Space, Tiles};
use crate::forest::Leaves;
use crate::metric::Form;
use crate::metric::simd::{BYTES, Level, Simd, prefetch};
use crate::points::{Dense, Rows};

/// Above this, 32-bit sums of products of bytes could overflow.
const MAX_DIM: usize = 32_768 - BYTES;
/// Below this, padding to 64 bytes wastes what bytes save.
const MIN_DIM: usize = 48;

/// Whether a form is a matter of dot products, and the rows of a size that bytes serve.
pub(crate) fn suits(points: &Dense, form: Form) -> bool {
    !matches!(form, Form::Coordinates(_)) && (MIN_DIM..=MAX_DIM).contains(&points.dim())
}

/// Whether codes are the values themselves.
pub(crate) fn is_exact(points: &Dense, form: Form) -> bool {
    matches!(points.rows(), Rows::U8(_) | Rows::I8(_)) && !matches!(form, Form::Angular { centered: true })
}

/// Bytes that [`space`] will hold.
pub(crate) fn bytes(points: &Dense) -> usize {
    points.n() * (stride(points.dim()) + size_of::<Term>())
}

fn stride(dim: usize) -> usize {
    // One column more than the data, for angular rows without length.
    (dim + 1).next_multiple_of(BYTES)
}

/// What a row adds to the integer part of its distances, as the first and as the second of a pair (see [`ByteRows::term`]), and
/// 1 / its length for angles.
#[derive(Debug, Clone, Copy, Default)]
struct Term {
    first: i32,
    second: i32,
    inverse: f32,
}

/// How the integer part of a distance becomes a reduced distance.
trait Finish: Copy + Send + Sync {
    /// Factor of the dot product in the integer part.
    const DOT: i32;
    /// See [`Space::splits_by_direction`].
    const BY_DIRECTION: bool = false;
    fn reduced(self, whole: i32, x: Term, y: Term) -> f32;
}

/// |x-y|² = |x|² + |y|² - 2 x·y of the codes.
#[derive(Clone, Copy)]
struct Squared;
/// -x·y of the codes less their zero.
#[derive(Clone, Copy)]
struct Negative;
/// 1 - x·y / (|x| |y|) of the codes less their zero.
#[derive(Clone, Copy)]
struct Angle;

impl Finish for Squared {
    const DOT: i32 = -2;
    #[inline(always)]
    fn reduced(self, whole: i32, _: Term, _: Term) -> f32 {
        whole as f32
    }
}

impl Finish for Negative {
    const DOT: i32 = 1;
    const BY_DIRECTION: bool = true;
    #[inline(always)]
    fn reduced(self, whole: i32, _: Term, _: Term) -> f32 {
        -(whole as f32)
    }
}

impl Finish for Angle {
    const DOT: i32 = 1;
    #[inline(always)]
    fn reduced(self, whole: i32, x: Term, y: Term) -> f32 {
        1.0 - whole as f32 * (x.inverse * y.inverse)
    }
}

struct ByteRows<F> {
    codes: Vec<u8>,
    terms: Vec<Term>,
    n: usize,
    stride: usize,
    finish: F,
    level: Level,
}

/// The points as codes. Call only where [`suits`] says so.
pub(crate) fn space(points: &Dense, form: Form, level: Level) -> Box<dyn Space> {
    let coding = Coding::choose(points, form);
    match form {
        Form::L2 => Box::new(ByteRows::new(points, coding, Squared, level)),
        Form::Angular { .. } => Box::new(ByteRows::new(points, coding, Angle, level)),
        Form::Inner | Form::Coordinates(_) => Box::new(ByteRows::new(points, coding, Negative, level)),
    }
}

/// How values become codes.
#[derive(Debug, Clone, Copy)]
struct Coding {
    /// Added after scaling, before rounding.
    offset: f32,
    /// The code of the value zero, where dot products need it.
    zero: u8,
    scale: Scale,
    centered: bool,
}

#[derive(Debug, Clone, Copy)]
enum Scale {
    /// One for all rows.
    Common(f32),
    /// The largest size in a row becomes this many codes.
    PerRow(f32),
}

impl Coding {
    fn choose(points: &Dense, form: Form) -> Self {
        let centered = form == Form::Angular { centered: true };
        let coding = |offset: f32, scale| Self { offset, zero: offset as u8, scale, centered };
        if !centered {
            match points.rows() {
                Rows::U8(_) => return coding(0.0, Scale::Common(1.0)),
                Rows::I8(_) => return coding(128.0, Scale::Common(1.0)),
                Rows::F32(_) | Rows::F16(_) => {}
            }
        }
        let (low, high) = range(points);
        let (zero, codes) = if low >= 0.0 && !centered { (0.0, 255.0) } else { (128.0, 127.0) };
        let scale = |codes: f32, size: f32| Scale::Common(if size > 0.0 { codes / size } else { 0.0 });
        match form {
            Form::Angular { .. } => coding(zero, Scale::PerRow(codes)),
            Form::L2 => {
                let whole = scale(255.0, high - low);
                let Scale::Common(s) = whole else { unreachable!("made just above") };
                Self { offset: -low * s, zero: 0, scale: whole, centered }
            }
            Form::Inner | Form::Coordinates(_) => coding(zero, scale(codes, high.max(-low))),
        }
    }

    /// The codes of a row, padding included; `values` is overwritten. True where the row has no length (angles).
    fn encode(&self, values: &mut [f32], codes: &mut [u8]) -> bool {
        let empty = matches!(self.scale, Scale::PerRow(_)) && direction_scale(values, self.centered) == 0.0;
        let scale = match self.scale {
            Scale::Common(s) => s,
            Scale::PerRow(codes) => {
                let largest = values.iter().fold(0.0f32, |m, v| m.max(v.abs()));
                if largest > 0.0 { codes / largest } else { 0.0 }
            }
        };
        let (data, padding) = codes.split_at_mut(values.len());
        for (code, v) in data.iter_mut().zip(values.iter()) {
            *code = (v * scale + self.offset + 0.5) as u8;
        }
        padding.fill(self.zero);
        empty
    }
}

/// Smallest and largest value.
fn range(points: &Dense) -> (f32, f32) {
    let dim = points.dim();
    (0..points.n())
        .into_par_iter()
        .with_min_len(256)
        .fold(
            || (f32::INFINITY, f32::NEG_INFINITY, vec![0.0; dim]),
            |(low, high, mut row), i| {
                points.widen_row(i, &mut row);
                let (l, h) = row.iter().fold((low, high), |(l, h), &v| (l.min(v), h.max(v)));
                (l, h, row)
            },
        )
        .map(|(low, high, _)| (low, high))
        .reduce(|| (f32::INFINITY, f32::NEG_INFINITY), |a, b| (a.0.min(b.0), a.1.max(b.1)))
}

impl<F: Finish> ByteRows<F> {
    fn new(points: &Dense, coding: Coding, finish: F, level: Level) -> Self {
        let (n, dim, stride) = (points.n(), points.dim(), stride(points.dim()));
        let mut codes = vec![0u8; n * stride];
        let mut terms = vec![Term::default(); n];
        let bias = level.byte_bias();
        codes.par_chunks_mut(stride).zip(&mut terms).enumerate().with_min_len(64).for_each_init(
            || vec![0.0; dim],
            |values, (i, (codes, term))| {
                points.widen_row(i, values);
                // A row without length becomes the unit vector of the extra column.
                if coding.encode(values, codes) {
                    codes[dim] = u8::MAX;
                }
                *term = Self::term(codes, i64::from(coding.zero), bias);
            },
        );
        Self { codes, terms, n, stride, finish, level }
    }

    /// The kernel sums (x - bias)·y. Wrapping 32-bit arithmetic is exact, because every final sum fits.
    fn term(codes: &[u8], zero: i64, bias: i64) -> Term {
        let sum: i64 = codes.iter().map(|&c| i64::from(c)).sum();
        // Differences do not see the zero; dot products do.
        let zero = if F::DOT == 1 { zero } else { 0 };
        let squares: i64 = codes.iter().map(|&c| (i64::from(c) - zero).pow(2)).sum();
        let (first, second) = if F::DOT == 1 {
            (zero * zero * codes.len() as i64 - zero * sum, (bias - zero) * sum)
        } else {
            (squares, squares - 2 * bias * sum)
        };
        Term {
            first: first as i32,
            second: second as i32,
            inverse: if squares > 0 { 1.0 / (squares as f32).sqrt() } else { 0.0 },
        }
    }

    #[inline(always)]
    fn chunk(&self, i: u32, c: usize) -> &[u8; BYTES] {
        self.codes[i as usize * self.stride + c * BYTES..].first_chunk().expect("rows are whole chunks")
    }
}

impl<F: Finish> Tiles for ByteRows<F> {
    #[inline(always)]
    fn tile<S: Simd, const R: usize>(&self, xs: [u32; R], ys: [u32; 4]) -> [[f32; 4]; R] {
        let mut sums = [[S::zero(); 4]; R];
        for c in 0..self.stride / BYTES {
            for i in 0..R {
                for j in 0..4 {
                    sums[i][j] = S::dot_bytes(self.chunk(xs[i], c), self.chunk(ys[j], c), sums[i][j]);
                }
            }
        }
        let mut out = [[0.0; 4]; R];
        for i in 0..R {
            let x = self.terms[xs[i] as usize];
            let totals = S::total4(sums[i]);
            for j in 0..4 {
                let y = self.terms[ys[j] as usize];
                let dot = totals[j].wrapping_mul(F::DOT);
                out[i][j] = self.finish.reduced(x.first.wrapping_add(y.second).wrapping_add(dot), x, y);
            }
        }
        out
    }

    #[inline(always)]
    fn prefetch(&self, row: u32) {
        for c in 0..self.stride / BYTES {
            prefetch(self.chunk(row, c));
        }
    }
}

impl<F: Finish> Space for ByteRows<F> {
    fn n(&self) -> usize {
        self.n
    }
    fn one_to_many(&self, row: u32, others: &[u32], out: &mut [f32]) {
        space::to_many(self.level, self, [row], others, out.as_chunks_mut().0);
    }
    fn two_to_many(&self, rows: [u32; 2], others: &[u32], out: &mut [[f32; 2]]) {
        space::to_many(self.level, self, rows, others, out);
    }
    fn all_pairs(&self, ids: &[u32], out: &mut [f32]) {
        space::all_pairs(self.level, self, ids, out);
    }
    fn block(&self, rows: &[u32], first: u32, out: &mut [f32]) {
        space::block(self.level, self, rows, first, out);
    }
    fn renumber(&mut self, order: &[u32]) {
        space::permute_rows(&mut self.codes, self.stride, order);
        space::permute_rows(&mut self.terms, 1, order);
    }
    fn describe(&self) -> String {
        format!("byte codes, {}", self.level.name())
    }
    fn splits_by_direction(&self) -> bool {
        F::BY_DIRECTION
    }
}

/// How far coded distances can be from true ones. Euclidean distances (and those between directions) obey the triangle
/// inequality: |d(x, y) - d(x', y')| <= |x - x'| + |y - y'| for the points x', y' that the codes stand for.
pub(crate) struct Bound {
    /// |x - x'| for every row.
    errors: Vec<f32>,
    largest: f32,
    /// Distance of two points whose codes differ by one in one column.
    unit: f32,
    angular: bool,
}

impl Bound {
    /// For the codes that [`space`] makes; `None` for forms that are no distance.
    pub(crate) fn new(points: &Dense, form: Form) -> Option<Self> {
        let angular = matches!(form, Form::Angular { .. });
        if !suits(points, form) || !(angular || form == Form::L2) {
            return None;
        }
        let coding = Coding::choose(points, form);
        let unit = match coding.scale {
            Scale::Common(scale) if scale > 0.0 => 1.0 / scale,
            _ => 1.0,
        };
        let error = |(values, codes): &mut (Vec<f32>, Vec<u8>), i: usize| {
            points.widen_row(i, values);
            let empty = coding.encode(values, codes);
            if angular && !empty { coding.angle_error(values, codes) } else { coding.error(values, codes, unit) }
        };
        let scratch = || (vec![0.0; points.dim()], vec![0; stride(points.dim())]);
        let rows = (0..points.n()).into_par_iter().with_min_len(64);
        let errors: Vec<f32> = rows.map_init(scratch, error).collect();
        let largest = errors.iter().fold(0.0f32, |m, e| m.max(*e));
        Some(Self { errors, largest, unit, angular })
    }

    /// A lower bound of the true reduced distance from `row` to any point at a coded reduced distance of at least `coded`.
    pub(crate) fn true_at_least(&self, row: u32, coded: f32) -> f32 {
        let far = if self.angular { (2.0 * coded.max(0.0)).sqrt() } else { coded.sqrt() * self.unit };
        // Rounding of the coded distance and of the errors themselves.
        let near = (far * (1.0 - ROUNDING) - self.errors[row as usize] - self.largest - ROUNDING * self.unit).max(0.0);
        if self.angular { near * near / 2.0 } else { near * near }
    }
}

/// Relative rounding error of a coded distance: sums of up to 2^31 rounded to f32, a root, a product.
const ROUNDING: f32 = 1e-5;

impl Coding {
    /// |x - x'| where all rows share a scale; zero for rows without direction.
    fn error(&self, values: &[f32], codes: &[u8], unit: f32) -> f32 {
        let difference =
            |(v, c): (&f32, &u8)| (f64::from(*v) - f64::from((f32::from(*c) - self.offset) * unit)).powi(2);
        match self.scale {
            Scale::PerRow(_) => 0.0,
            Scale::Common(_) => (values.iter().zip(codes).map(difference).sum::<f64>().sqrt() * 1.0001) as f32,
        }
    }

    /// |x - x'| of the directions.
    fn angle_error(&self, values: &[f32], codes: &[u8]) -> f32 {
        let code = |c: &u8| f64::from(*c) - f64::from(self.zero);
        let length = |squares: f64| squares.sqrt().max(f64::MIN_POSITIVE);
        let of_values = length(values.iter().map(|v| f64::from(*v).powi(2)).sum());
        let of_codes = length(codes.iter().map(|c| code(c).powi(2)).sum());
        let difference = |(v, c): (&f32, &u8)| (f64::from(*v) / of_values - code(c) / of_codes).powi(2);
        (values.iter().zip(codes).map(difference).sum::<f64>().sqrt() * 1.0001) as f32
    }
}

/// Rows whose neighbours [`serves`] looks at.
const SAMPLE: usize = 200;
/// Neighbours of each.
const NEAREST: usize = 8;
/// Largest mean relative error of a neighbour's reduced distance that longer working rows make up for:
/// docs/PERFORMANCE.md, "Byte codes".
const TOLERANCE: f64 = 0.01;

/// Whether codes tell near neighbours apart: compares coded with true reduced distances between sampled points and the
/// nearest of the others in their leaf.
pub(crate) fn serves(exact: &Recompute, codes: &dyn Space, leaves: &Leaves) -> bool {
    let step = leaves.bounds.len().div_ceil(SAMPLE);
    let pairs: Vec<(f64, f64)> =
        leaves.iter().step_by(step).flat_map(|leaf| nearest_pairs(exact, codes, leaf)).collect();
    // Codes have a scale of their own; the ratio of sums finds it.
    let (coded, truth) = pairs.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    let scale = truth / coded;
    let error =
        |&(coded, truth): &(f64, f64)| if truth == 0.0 { coded * scale } else { (coded * scale / truth - 1.0).abs() };
    let mean = pairs.iter().map(error).sum::<f64>() / pairs.len() as f64;
    tracing::debug!(mean_relative_error = mean, "byte codes");
    mean <= TOLERANCE
}

/// (coded, true) reduced distances from the first of a leaf to the nearest of the rest.
fn nearest_pairs(exact: &Recompute, codes: &dyn Space, leaf: &[u32]) -> Vec<(f64, f64)> {
    let (first, rest) = (leaf[0], &leaf[1..]);
    let mut coded = vec![0.0; rest.len()];
    codes.one_to_many(first, rest, &mut coded);
    let mut truth = Vec::new();
    exact.reduced(first as usize, rest, &mut truth);
    let mut pairs: Vec<(f64, f64)> = coded.iter().zip(&truth).map(|(&c, &t)| (f64::from(c), f64::from(t))).collect();
    pairs.sort_unstable_by(|a, b| a.1.total_cmp(&b.1));
    pairs.truncate(NEAREST);
    pairs
}
