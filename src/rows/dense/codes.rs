//! Rows as unsigned bytes, compared by integer dot products: exact for byte data, rounded for the rest.

use super::code_error_bound::CodeErrorBound;
use super::coding::{Chunk, Coding, Fit, Scale, Stats, stride};
use crate::metric::Form;
use crate::parallel::fold_rows;
use crate::points::{Dense, DenseValues};
use crate::rows::tiles::{AHEAD, Tiles, all_pairs_by_fours, block_by_fours, to_many};
use crate::rows::{ReducedDistances, WorkingRows, permute_rows};
use crate::simd::{BYTES, Level, Op, Simd, dispatch_bytes, prefetch};
use crate::storage::Storage;

/// Above this, 32-bit sums of products of bytes could overflow.
const MAX_DIM: usize = 32_768;
/// Below this, padding to 64 bytes wastes what bytes save.
const MIN_DIM: usize = 48;

/// Whether a form depends on dot products alone, and the rows are of a size that bytes serve.
pub(crate) fn suits(points: &Dense, form: Form) -> bool {
    form.is_of_products() && (MIN_DIM..=MAX_DIM).contains(&points.dim())
}

/// Whether codes are the values themselves.
pub(crate) fn is_exact(points: &Dense, form: Form) -> bool {
    matches!(points.rows(), DenseValues::U8(_) | DenseValues::I8(_)) && form != Form::Angular { centered: true }
}

/// Bytes that [`CodedRows`] will hold.
pub(crate) fn bytes(points: &Dense) -> usize {
    points.n() * (stride(points.dim()) + size_of::<Stats>())
}

/// Chunks of a row of `dim` columns.
pub(crate) fn chunks_of_row(dim: usize) -> usize {
    stride(dim) / BYTES
}

/// Rows as codes, compared with each other and with rows from elsewhere.
pub(crate) struct CodedRows {
    codes: Storage<Chunk>,
    stats: Storage<Stats>,
    coding: Coding,
    /// Chunks in a row.
    stride: usize,
    distance: CodedDistance,
    /// Whether codes differ by as much as the values do.
    are_values: bool,
    level: Level,
}

/// What reduced distances are made of.
#[derive(Clone, Copy, PartialEq)]
enum CodedDistance {
    Squared,
    NegativeDot,
    Angle,
}

impl CodedDistance {
    fn of(form: Form) -> Self {
        match form {
            Form::L2 => Self::Squared,
            Form::Angular { .. } => Self::Angle,
            _ => Self::NegativeDot,
        }
    }

    /// Whether the code of zero is taken out of dot products.
    fn has_zero_removed(self) -> bool {
        self != Self::Squared
    }
}

/// Runs `$run` with `$finish` bound to the [`Finish`] of a [`CodedDistance`].
macro_rules! with_finish {
    ($distance:expr, $finish:ident => $run:expr) => {
        match $distance {
            CodedDistance::Squared => {
                let $finish = Squared;
                $run
            }
            CodedDistance::NegativeDot => {
                let $finish = NegativeDot;
                $run
            }
            CodedDistance::Angle => {
                let $finish = Angle;
                $run
            }
        }
    };
}

/// A row that is not among the points, as codes.
#[derive(Default)]
pub(crate) struct CodedQuery {
    values: Vec<f32>,
    chunks: Vec<Chunk>,
    stats: Stats,
}

impl CodedRows {
    /// The points as codes. Call only where [`suits`] says so.
    pub(crate) fn new(points: &Dense, form: Form, level: Level) -> Self {
        let (coding, distance) = (Coding::choose(points, form), CodedDistance::of(form));
        let (n, dim, stride) = (points.n(), points.dim(), chunks_of_row(points.dim()));
        let mut codes: Vec<Chunk> = bytemuck::zeroed_vec(n * stride);
        let scratch = || (vec![0.0; dim], Vec::new());
        let parts = fold_rows(&mut codes, stride, 64, scratch, |(values, stats), i, codes| {
            points.widen_row(i, values);
            stats.push(coding.encode_row(values, codes, distance.has_zero_removed()));
        });
        let stats: Vec<Stats> = parts.into_iter().flat_map(|part| part.1).collect();
        let are_values = coding.scale == Scale::Common(1.0) && (is_exact(points, form) || points.are_whole_bytes());
        Self { codes: codes.into(), stats: stats.into(), coding, stride, distance, are_values, level }
    }

    /// Codes from a file.
    pub(crate) fn of_parts(
        codes: Storage<Chunk>,
        stats: Storage<Stats>,
        coding: Coding,
        (form, dim): (Form, usize),
        level: Level,
    ) -> Self {
        let (stride, distance) = (chunks_of_row(dim), CodedDistance::of(form));
        Self { codes, stats, coding, stride, distance, are_values: false, level }
    }

    /// Makes `query` the codes of a row of values.
    pub(crate) fn encode(&self, values: &[f32], query: &mut CodedQuery) -> Fit {
        query.values.clear();
        query.values.extend_from_slice(values);
        query.chunks.resize(self.stride, Chunk([0; BYTES]));
        query.stats = self.coding.encode_row(&mut query.values, &mut query.chunks, self.distance.has_zero_removed());
        self.coding.fit(values)
    }

    /// Reduced distances of a query to each of `others`.
    pub(crate) fn query_to_many(&self, query: &CodedQuery, others: &[u32], out: &mut [f32]) {
        let row = CodedRow { chunks: &query.chunks, stats: &query.stats };
        self.to_many([row], others, AHEAD, out.as_chunks_mut().0);
    }

    /// The factor from reduced distances of values to those of codes.
    pub(crate) fn unit(&self) -> f32 {
        match self.coding.scale {
            Scale::Common(scale) => scale * scale,
            Scale::PerRow(_) => 1.0,
        }
    }

    /// The values that the codes of a row represent.
    pub(crate) fn decode(&self, row: u32, out: &mut [f32]) {
        self.coding.decode(bytemuck::cast_slice(self.row(row).chunks), out);
    }

    /// The codes and their sums, as files hold them.
    pub(crate) fn parts(&self) -> (&[Chunk], &[Stats], Coding) {
        (&self.codes, &self.stats, self.coding)
    }

    /// Whether the codes lie in a mapped file.
    pub(crate) fn is_mapped(&self) -> bool {
        self.codes.is_mapped()
    }

    /// Brings the codes into memory.
    pub(crate) fn prefault(&self) {
        self.codes.prefault();
        self.stats.prefault();
    }

    /// Appends a row.
    pub(crate) fn push(&mut self, values: &[f32]) {
        let (mut values, mut chunks) = (values.to_vec(), vec![Chunk([0; BYTES]); self.stride]);
        let stats = self.coding.encode_row(&mut values, &mut chunks, self.distance.has_zero_removed());
        self.codes.edit(|codes| codes.append(&mut chunks));
        self.stats.edit(|all| all.push(stats));
    }

    /// Keeps the rows `order`, in that order.
    pub(crate) fn select(&mut self, order: &[u32]) {
        let codes: Vec<Chunk> = order.iter().flat_map(|&i| self.row(i).chunks.iter().copied()).collect();
        let stats: Vec<Stats> = order.iter().map(|&i| self.stats[i as usize]).collect();
        (self.codes, self.stats) = (codes.into(), stats.into());
    }

    #[inline(always)]
    fn row(&self, i: u32) -> CodedRow<'_> {
        let i = i as usize;
        CodedRow { chunks: &self.codes[i * self.stride..][..self.stride], stats: &self.stats[i] }
    }

    fn to_many<const R: usize>(&self, xs: [CodedRow; R], others: &[u32], ahead: usize, out: &mut [[f32; R]]) {
        with_finish!(self.distance, finish => {
            to_many(self.level, &CodeTiles { rows: self, finish }, xs, others, ahead, out);
        });
    }
}

impl WorkingRows for CodedRows {
    fn n(&self) -> usize {
        self.stats.len()
    }

    fn renumber(&mut self, order: &[u32]) {
        self.codes.edit(|codes| permute_rows(codes, self.stride, order));
        self.stats.edit(|stats| permute_rows(stats, 1, order));
    }

    fn describe(&self) -> String {
        format!("byte codes, {}", self.level.name())
    }

    fn splits_by_direction(&self) -> bool {
        self.distance == CodedDistance::NegativeDot
    }

    fn has_whole_distances(&self) -> bool {
        self.are_values && self.distance == CodedDistance::Squared
    }
}

impl ReducedDistances for CodedRows {
    fn code_error_bound(&self, dim: usize) -> Option<CodeErrorBound> {
        let error = if self.are_values { 0.0 } else { self.coding.rounding() * (dim as f64).sqrt() };
        match self.distance {
            // A range that is too small for a scale.
            CodedDistance::Squared if !error.is_finite() => None,
            CodedDistance::Squared => Some(CodeErrorBound::of_values(error, self.coding.unit())),
            CodedDistance::Angle => {
                Some(CodeErrorBound::of_directions(error, self.stats.iter().map(|stats| stats.inverse)))
            }
            CodedDistance::NegativeDot => None,
        }
    }

    fn one_to_many(&self, row: u32, others: &[u32], out: &mut [f32]) {
        self.to_many([self.row(row)], others, AHEAD, out.as_chunks_mut().0);
    }

    fn two_to_many(&self, rows: [u32; 2], others: &[u32], out: &mut [[f32; 2]]) {
        self.to_many(rows.map(|row| self.row(row)), others, AHEAD, out);
    }

    fn all_pairs(&self, ids: &[u32], out: &mut [f32]) {
        all_pairs_by_fours(ids, out, &mut |rows, others, out| {
            self.to_many(rows.map(|row| self.row(row)), others, 0, out);
        });
    }

    fn block(&self, rows: &[u32], first: u32, out: &mut [f32]) {
        block_by_fours(rows, first, out, &mut |rows, others, out| {
            self.to_many(rows.map(|row| self.row(row)), others, 0, out);
        });
    }
}

/// A row as kernels read it.
#[derive(Clone, Copy)]
struct CodedRow<'a> {
    chunks: &'a [Chunk],
    stats: &'a Stats,
}

/// How the integer part of a distance becomes a reduced distance.
trait Finish: Copy + Sync {
    /// Factor of the dot product in the integer part.
    const DOT: i32;
    fn reduced(self, whole: i32, x: &Stats, y: &Stats) -> f32;
}

/// |x-y|² = |x|² + |y|² - 2 x·y of the codes.
#[derive(Clone, Copy)]
struct Squared;
/// -x·y of the codes less the code of zero.
#[derive(Clone, Copy)]
struct NegativeDot;
/// 1 - x·y / (|x| |y|) of the codes less the code of zero.
#[derive(Clone, Copy)]
struct Angle;

impl Finish for Squared {
    const DOT: i32 = -2;
    #[inline(always)]
    fn reduced(self, whole: i32, _: &Stats, _: &Stats) -> f32 {
        whole as f32
    }
}

impl Finish for NegativeDot {
    const DOT: i32 = 1;
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
        // Zero vectors are at distance 0 from each other, and 1 from the rest.
        if x.inverse.max(y.inverse) == 0.0 { 0.0 } else { distance }
    }
}

/// Rows under one way to finish distances.
struct CodeTiles<'a, F> {
    rows: &'a CodedRows,
    finish: F,
}

impl<F: Finish> CodeTiles<'_, F> {
    /// The integer part of a distance without its dot product, which is of (x - [`Simd::BIAS`])·y. Wrapping 32-bit
    /// arithmetic is exact, because every final sum fits.
    #[inline(always)]
    fn around_dot<S: Simd>(&self, x: &Stats, y: &Stats) -> i32 {
        if F::DOT == 1 {
            // (x - zero)·(y - zero)
            let zero = i32::from(self.rows.coding.zero);
            let length = (self.rows.stride * BYTES) as i32;
            (zero * zero * length)
                .wrapping_sub(zero.wrapping_mul(x.sum))
                .wrapping_add((S::BIAS - zero).wrapping_mul(y.sum))
        } else {
            x.squares.wrapping_add(y.squares).wrapping_sub((2 * S::BIAS).wrapping_mul(y.sum))
        }
    }
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
                out[i][j] = self.finish.reduced(self.around_dot::<S>(x, y).wrapping_add(dot), x, y);
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
