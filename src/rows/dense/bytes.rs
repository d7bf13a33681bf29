//! Rows as unsigned bytes, compared by integer dot products: exact for byte data, rounded for the rest.
//!
//! A value v becomes the code zero + round(v · scale). Differences of codes are scaled differences of values, so euclidean
//! order survives any common zero and scale; dot products need the zero taken out again, and angles allow a scale per row.

use rayon::prelude::*;

use super::floats::direction_scale;
use crate::metric::Form;
use crate::points::{Dense, DenseValues};
use crate::rows::{ReducedDistances, Tiles, WorkingRows};
use crate::simd::{BYTES, Level, Simd, prefetch};
use crate::storage::Storage;

/// Above this, 32-bit sums of products of bytes could overflow.
const MAX_DIM: usize = 32_768;
/// Below this, padding to 64 bytes wastes what bytes save.
const MIN_DIM: usize = 48;

/// Whether a form is a matter of dot products, and the rows of a size that bytes serve.
pub(crate) fn suits(points: &Dense, form: Form) -> bool {
    form.is_of_products() && (MIN_DIM..=MAX_DIM).contains(&points.dim())
}

/// Whether codes are the values themselves.
pub(crate) fn is_exact(points: &Dense, form: Form) -> bool {
    matches!(points.rows(), DenseValues::U8(_) | DenseValues::I8(_))
        && !matches!(form, Form::Angular { centered: true })
}

/// Bytes that [`space`] will hold.
pub(crate) fn bytes(points: &Dense) -> usize {
    points.n() * (stride(points.dim()) + size_of::<Stats>())
}

/// Chunks of a row of `dim` columns.
pub(crate) fn chunks_of_row(dim: usize) -> usize {
    stride(dim) / BYTES
}

/// Bytes of a row of `dim` codes.
pub(super) fn stride(dim: usize) -> usize {
    dim.next_multiple_of(BYTES)
}

/// [`BYTES`] codes on a cache line of their own.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Chunk(pub [u8; BYTES]);

/// Sums over the codes of a row.
#[derive(Debug, Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Stats {
    sum: i32,
    /// Of codes less their zero.
    squares: i32,
    /// 1 / length, for angles.
    inverse: f32,
}

/// A row as kernels read it.
#[derive(Clone, Copy)]
pub(crate) struct ByteRow<'a> {
    chunks: &'a [Chunk],
    stats: &'a Stats,
}

/// How the integer part of a distance becomes a reduced distance.
trait Finish: Copy + Send + Sync {
    /// Factor of the dot product in the integer part.
    const DOT: i32;
    /// See [`ReducedDistances::splits_by_direction`].
    const BY_DIRECTION: bool = false;
    fn reduced(self, whole: i32, x: &Stats, y: &Stats) -> f32;
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
    fn reduced(self, whole: i32, _: &Stats, _: &Stats) -> f32 {
        whole as f32
    }
}

impl Finish for Negative {
    const DOT: i32 = 1;
    const BY_DIRECTION: bool = true;
    #[inline(always)]
    fn reduced(self, whole: i32, _: &Stats, _: &Stats) -> f32 {
        -(whole as f32)
    }
}

impl Finish for Angle {
    const DOT: i32 = 1;
    #[inline(always)]
    fn reduced(self, whole: i32, x: &Stats, y: &Stats) -> f32 {
        let distance = 1.0 - whole as f32 * (x.inverse * y.inverse);
        // Rows without length are at distance 0 from each other, and 1 from the rest.
        if x.inverse.max(y.inverse) == 0.0 { 0.0 } else { distance }
    }
}

struct ByteRows<F> {
    codes: Storage<Chunk>,
    stats: Storage<Stats>,
    coding: Coding,
    /// Chunks in a row.
    stride: usize,
    /// What the kernel subtracts from the first of two rows.
    bias: i32,
    finish: F,
    level: Level,
}

/// The points as codes. Call only where [`suits`] says so.
pub(crate) fn space(points: &Dense, form: Form, level: Level) -> Box<dyn ReducedDistances> {
    codes(points, form, level)
}

/// A row that is not among the points, as codes.
#[derive(Default)]
pub(crate) struct CodedQuery {
    values: Vec<f32>,
    chunks: Vec<Chunk>,
    stats: Stats,
}

/// How well codes stand for a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Fit {
    /// They are its values.
    Exact,
    /// Its values are rounded.
    #[default]
    Rounded,
    /// Some values are beyond the codes.
    Outside,
}

/// Rows as codes that rows from elsewhere are compared with.
pub(crate) trait Codes: ReducedDistances {
    /// Makes `query` the codes of a row of values.
    fn encode(&self, values: &[f32], query: &mut CodedQuery) -> Fit;
    /// Reduced distances of a query to each of `others`.
    fn query_to_many(&self, query: &CodedQuery, others: &[u32], out: &mut [f32]);
    /// What a reduced distance of values is multiplied with to be one of codes.
    fn unit(&self) -> f32;
    /// The values that the codes of a row stand for.
    fn decode(&self, row: u32, out: &mut [f32]);
    /// The codes and their sums, as they are kept in files.
    fn parts(&self) -> (&[Chunk], &[Stats], Coding);
    /// Whether they lie in a file.
    fn is_mapped(&self) -> bool;
    /// Brings them into memory.
    fn prefault(&self);
    /// Adds a row.
    fn push(&mut self, values: &[f32]);
    /// Keeps the rows `order`, in that order.
    fn select(&mut self, order: &[u32]);
}

/// The points as codes for search. Call only where [`suits`] says so.
pub(crate) fn codes(points: &Dense, form: Form, level: Level) -> Box<dyn Codes> {
    let coding = Coding::choose(points, form);
    match form {
        Form::L2 => Box::new(ByteRows::new(points, coding, Squared, level)),
        Form::Angular { .. } => Box::new(ByteRows::new(points, coding, Angle, level)),
        _ => Box::new(ByteRows::new(points, coding, Negative, level)),
    }
}

/// Codes from a file.
pub(crate) fn codes_of_parts(
    codes: Storage<Chunk>,
    stats: Storage<Stats>,
    coding: Coding,
    form: Form,
    level: Level,
) -> Box<dyn Codes> {
    match form {
        Form::L2 => Box::new(ByteRows::of_parts(codes, stats, coding, Squared, level)),
        Form::Angular { .. } => Box::new(ByteRows::of_parts(codes, stats, coding, Angle, level)),
        _ => Box::new(ByteRows::of_parts(codes, stats, coding, Negative, level)),
    }
}

/// How values become codes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Coding {
    /// Added after scaling, before rounding.
    offset: f32,
    /// The code of the value zero, where dot products need it.
    zero: u8,
    scale: Scale,
    centered: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Scale {
    /// One for all rows.
    Common(f32),
    /// The largest size in a row becomes this many codes.
    PerRow(f32),
}

impl Coding {
    pub(super) fn choose(points: &Dense, form: Form) -> Self {
        let centered = form == Form::Angular { centered: true };
        let coding = |offset: f32, scale| Self { offset, zero: offset as u8, scale, centered };
        if !centered {
            match points.rows() {
                DenseValues::U8(_) => return coding(0.0, Scale::Common(1.0)),
                DenseValues::I8(_) => return coding(128.0, Scale::Common(1.0)),
                DenseValues::F32(_) | DenseValues::F16(_) => {}
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
            _ => coding(zero, scale(codes, high.max(-low))),
        }
    }

    /// The codes of a row and their sums; `values` is overwritten.
    fn encode_row(&self, values: &mut [f32], chunks: &mut [Chunk], from_zero: bool) -> Stats {
        let codes: &mut [u8] = bytemuck::cast_slice_mut(chunks);
        self.encode(values, codes);
        let zero = if from_zero { i32::from(self.zero) } else { 0 };
        let sum = codes.iter().map(|&c| i32::from(c)).sum();
        let squares: i32 = codes.iter().map(|&c| (i32::from(c) - zero).pow(2)).sum();
        Stats { sum, squares, inverse: if squares > 0 { 1.0 / (squares as f32).sqrt() } else { 0.0 } }
    }

    /// The codes of a row, padding included; `values` is overwritten. True where the row has no length (angles).
    pub(super) fn encode(&self, values: &mut [f32], codes: &mut [u8]) -> bool {
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
        let (n, dim, stride) = (points.n(), points.dim(), stride(points.dim()) / BYTES);
        let mut codes: Vec<Chunk> = bytemuck::zeroed_vec(n * stride);
        let mut stats = vec![Stats::default(); n];
        codes.par_chunks_mut(stride).zip(&mut stats).enumerate().with_min_len(64).for_each_init(
            || vec![0.0; dim],
            |values, (i, (codes, stats))| {
                points.widen_row(i, values);
                *stats = coding.encode_row(values, codes, F::DOT == 1);
            },
        );
        Self::of_parts(codes.into(), stats.into(), coding, finish, level)
    }

    fn of_parts(codes: Storage<Chunk>, stats: Storage<Stats>, coding: Coding, finish: F, level: Level) -> Self {
        let stride = codes.len() / stats.len();
        Self { codes, stats, coding, stride, bias: level.byte_bias() as i32, finish, level }
    }

    /// The integer part of a distance but for the dot product of (x - bias)·y. Wrapping 32-bit arithmetic is exact, because every
    /// final sum fits.
    #[inline(always)]
    fn around_dot(&self, x: &Stats, y: &Stats) -> i32 {
        if F::DOT == 1 {
            // (x - zero)·(y - zero)
            let zero = i32::from(self.coding.zero);
            let length = (self.stride * BYTES) as i32;
            (zero * zero * length)
                .wrapping_sub(zero.wrapping_mul(x.sum))
                .wrapping_add((self.bias - zero).wrapping_mul(y.sum))
        } else {
            x.squares.wrapping_add(y.squares).wrapping_sub((2 * self.bias).wrapping_mul(y.sum))
        }
    }
}

impl<F: Finish> WorkingRows for ByteRows<F> {
    fn n(&self) -> usize {
        self.stats.len()
    }

    fn renumber(&mut self, order: &[u32]) {
        self.codes.edit(|codes| crate::rows::permute_rows(codes, self.stride, order));
        self.stats.edit(|stats| crate::rows::permute_rows(stats, 1, order));
    }

    fn describe(&self) -> String {
        format!("byte codes, {}", self.level.name())
    }

    fn splits_by_direction(&self) -> bool {
        F::BY_DIRECTION
    }
}

impl<F: Finish> Tiles for ByteRows<F> {
    type Row<'a>
        = ByteRow<'a>
    where
        F: 'a;

    #[inline(always)]
    fn row(&self, i: u32) -> ByteRow<'_> {
        let i = i as usize;
        ByteRow { chunks: &self.codes[i * self.stride..][..self.stride], stats: &self.stats[i] }
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize>(&self, xs: [ByteRow; R], ys: [ByteRow; 4]) -> [[f32; 4]; R] {
        let mut sums = [[S::zero(); 4]; R];
        for c in 0..self.stride {
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
                out[i][j] = self.finish.reduced(self.around_dot(x, y).wrapping_add(dot), x, y);
            }
        }
        out
    }

    #[inline(always)]
    fn prefetch(&self, row: u32) {
        self.row(row).chunks.iter().for_each(prefetch);
    }

    fn level(&self) -> Level {
        self.level
    }
}

impl<F: Finish> Codes for ByteRows<F> {
    fn encode(&self, values: &[f32], query: &mut CodedQuery) -> Fit {
        query.values.clear();
        query.values.extend_from_slice(values);
        query.chunks.resize(self.stride, Chunk([0; BYTES]));
        query.stats = self.coding.encode_row(&mut query.values, &mut query.chunks, F::DOT == 1);
        self.coding.fit(values)
    }
    fn query_to_many(&self, query: &CodedQuery, others: &[u32], out: &mut [f32]) {
        let row = ByteRow { chunks: &query.chunks, stats: &query.stats };
        crate::rows::to_many(self.level, self, [row], others, out.as_chunks_mut().0);
    }
    fn unit(&self) -> f32 {
        match self.coding.scale {
            Scale::Common(scale) => scale * scale,
            Scale::PerRow(_) => 1.0,
        }
    }
    fn decode(&self, row: u32, out: &mut [f32]) {
        let codes: &[u8] = bytemuck::cast_slice(self.row(row).chunks);
        self.coding.decode(codes, out);
    }
    fn parts(&self) -> (&[Chunk], &[Stats], Coding) {
        (&self.codes, &self.stats, self.coding)
    }
    fn is_mapped(&self) -> bool {
        self.codes.is_mapped()
    }
    fn prefault(&self) {
        self.codes.prefault();
        self.stats.prefault();
    }
    fn push(&mut self, values: &[f32]) {
        let (mut values, mut chunks) = (values.to_vec(), vec![Chunk([0; BYTES]); self.stride]);
        let stats = self.coding.encode_row(&mut values, &mut chunks, F::DOT == 1);
        self.codes.edit(|codes| codes.append(&mut chunks));
        self.stats.edit(|all| all.push(stats));
    }
    fn select(&mut self, order: &[u32]) {
        let codes: Vec<Chunk> = order.iter().flat_map(|&i| self.row(i).chunks.iter().copied()).collect();
        let stats: Vec<Stats> = order.iter().map(|&i| self.stats[i as usize]).collect();
        (self.codes, self.stats) = (codes.into(), stats.into());
    }
}

impl Coding {
    /// Offset, zero, scale, whether that is for every row, whether rows are centred: for files.
    pub(crate) fn to_numbers(self) -> [f32; 5] {
        let (scale, per_row) = match self.scale {
            Scale::Common(scale) => (scale, 0.0),
            Scale::PerRow(codes) => (codes, 1.0),
        };
        [self.offset, f32::from(self.zero), scale, per_row, f32::from(u8::from(self.centered))]
    }

    /// See [`Coding::to_numbers`].
    pub(crate) fn of_numbers([offset, zero, scale, per_row, centered]: [f32; 5]) -> Self {
        let scale = if per_row == 0.0 { Scale::Common(scale) } else { Scale::PerRow(scale) };
        Self { offset, zero: zero as u8, scale, centered: centered != 0.0 }
    }

    /// Values farther than this many codes outside are beyond rounding.
    const MARGIN: f32 = 2.0;

    fn fit(&self, values: &[f32]) -> Fit {
        let Scale::Common(scale) = self.scale else { return Fit::Rounded };
        let code = |v: &f32| {
            let code = v * scale + self.offset;
            if !(-Self::MARGIN..=255.0 + Self::MARGIN).contains(&code) {
                Fit::Outside
            } else if code.fract() == 0.0 && (0.0..=255.0).contains(&code) {
                Fit::Exact
            } else {
                Fit::Rounded
            }
        };
        values.iter().map(code).max().unwrap_or_default()
    }

    /// The values that codes stand for; with a scale for every row, up to that scale.
    fn decode(&self, codes: &[u8], values: &mut [f32]) {
        let unit = match self.scale {
            Scale::Common(scale) if scale > 0.0 => 1.0 / scale,
            _ => 1.0,
        };
        values.iter_mut().zip(codes).for_each(|(v, &c)| *v = (f32::from(c) - self.offset) * unit);
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
