//! Rows as unsigned bytes, compared by integer dot products: exact for byte data, rounded for the rest.

use std::cell::RefCell;

use super::code_error_bound::CodeErrorBound;
use super::code_tiles::{Angle, CodeTable, CodeTiles, CodedRow, NegativeDot, Squared};
use super::coding::{Chunk, Coding, Fit, Scale, Stats, is_wide, stride};
use super::planes::{self, Look, Planes, Signed, ToAll, ToNear};
use crate::metric::Form;
use crate::parallel::fold_rows;
use crate::points::{Dense, DenseValues};
use crate::rows::tiles::{AHEAD, all_pairs_by_fours, block_by_fours, to_many};
use crate::rows::{DistanceCost, ReducedDistances, WorkingRows, permute_rows, two_by_rows};
use crate::simd::{BYTES, Level, dispatch_bytes};
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
    /// Where the codes of rows lie in planes, during rounds; else empty. Indexes hold rows whole.
    looks: Vec<Look>,
    coding: Coding,
    dim: usize,
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
        let (codes, stats, looks) = (codes.into(), stats.into(), Vec::new());
        Self { codes, stats, looks, coding, dim, stride, distance, are_values, level }
    }

    fn is_in_planes(&self) -> bool {
        !self.looks.is_empty()
    }

    /// Codes from a file.
    pub(crate) fn of_parts(
        codes: Storage<Chunk>,
        stats: Storage<Stats>,
        coding: Coding,
        (form, dim): (Form, usize),
        level: Level,
    ) -> Self {
        let (stride, distance, looks) = (chunks_of_row(dim), CodedDistance::of(form), Vec::new());
        Self { codes, stats, looks, coding, dim, stride, distance, are_values: false, level }
    }

    /// Makes `query` the codes of a row of values.
    pub(crate) fn encode(&self, values: &[f32], query: &mut CodedQuery) -> Fit {
        query.values.clear();
        query.values.extend_from_slice(values);
        query.chunks.resize(self.stride, Chunk([0; BYTES]));
        query.stats = self.coding.encode_row(&mut query.values, &mut query.chunks, self.distance.has_zero_removed());
        self.coding.fit(values)
    }

    /// Reduced distances of a query to each of `others`. Rows that queries are compared with are whole: what a search
    /// fetches lies in cache, mostly, and more of it is near.
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

    /// Whether products are of signed bytes: of codes less 128.
    #[cfg(feature = "gpu")]
    pub(crate) fn are_signed(&self) -> bool {
        self.distance.has_zero_removed() && self.coding.zero != 0
    }

    /// Writes the bytes of a row whose products make distances, without padding, and returns what distances need of the
    /// row beside: 1 / length for angles, else the squared length.
    #[cfg(feature = "gpu")]
    pub(crate) fn write_products(&self, row: u32, to: &mut [u8]) -> u32 {
        let (row, flip) = (self.row(row), if self.are_signed() { 0x80 } else { 0 });
        let codes: &[u8] = bytemuck::cast_slice(row.chunks);
        to[..self.dim].iter_mut().zip(codes).for_each(|(to, code)| *to = code ^ flip);
        match self.distance {
            CodedDistance::Angle => row.stats.inverse.to_bits(),
            _ => row.stats.squares as u32,
        }
    }

    /// The codes and their sums, as files hold them.
    pub(crate) fn parts(&self) -> (&[Chunk], &[Stats], Coding) {
        (&self.codes, &self.stats, self.coding)
    }

    /// A copy that shares nothing which a change would write to.
    pub(crate) fn copy(&self) -> Self {
        let (codes, stats, looks) = (self.codes.to_vec().into(), self.stats.to_vec().into(), self.looks.clone());
        Self { codes, stats, looks, ..*self }
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

    fn table(&self) -> CodeTable<'_> {
        CodeTable { codes: &self.codes, stats: &self.stats, stride: self.stride, zero: self.coding.zero }
    }

    #[inline(always)]
    fn row(&self, i: u32) -> CodedRow<'_> {
        self.table().row(i)
    }

    /// Distances between whole rows.
    fn to_many<const R: usize>(&self, xs: [CodedRow; R], others: &[u32], ahead: usize, out: &mut [[f32; R]]) {
        with_finish!(self.distance, finish => {
            to_many(self.level, &CodeTiles { rows: self.table(), finish }, xs, others, ahead, out);
        });
    }

    /// Distances from a row to rows in planes.
    fn signed_to_many(&self, x: &Signed, others: &[u32], out: &mut [f32]) {
        with_finish!(self.distance, finish => {
            let planes = Planes { rows: self.table(), looks: &self.looks, finish, x };
            dispatch_bytes(self.level, ToAll { planes, others, out });
        });
    }

    fn signed_to_near(&self, x: &Signed, others: &[u32], bound: f32, out: &mut [f32]) {
        if bound == f32::INFINITY || !x.has_direction() {
            return self.signed_to_many(x, others, out);
        }
        with_finish!(self.distance, finish => {
            let planes = Planes { rows: self.table(), looks: &self.looks, finish, x };
            dispatch_bytes(self.level, ToNear { planes, others, bound, out });
        });
    }

    /// Runs `run` with a row in planes made ready to be compared with others.
    fn with_signed(&self, row: u32, run: impl FnOnce(&Signed)) {
        thread_local! {
            static SIGNED: RefCell<Signed> = RefCell::default();
        }
        let origin = if self.distance.has_zero_removed() { self.coding.zero } else { 0 };
        SIGNED.with_borrow_mut(|signed| {
            signed.set(self.row(row), origin);
            run(signed);
        });
    }

    /// Whole rows `ids` of rows in planes, one after the other.
    fn put_together(&self, ids: &[u32]) -> (Vec<Chunk>, Vec<Stats>) {
        let mut codes = vec![Chunk([0; BYTES]); ids.len() * self.stride];
        let put = |(&id, codes): (&u32, &mut [Chunk])| {
            planes::join(self.row(id).chunks, codes);
            self.stats[id as usize]
        };
        let stats = ids.iter().zip(codes.chunks_exact_mut(self.stride)).map(put).collect();
        (codes, stats)
    }

    /// Distances between rows of a table, four to many.
    fn fours<'a>(&self, table: CodeTable<'a>) -> impl FnMut([u32; 4], &[u32], &mut [[f32; 4]]) + use<'a> {
        let (level, distance) = (self.level, self.distance);
        move |rows, others, out| {
            with_finish!(distance, finish => {
                to_many(level, &CodeTiles { rows: table, finish }, rows.map(|row| table.row(row)), others, 0, out);
            });
        }
    }
}

/// The look at a row of whole codes.
fn look_of(distance: CodedDistance, row: &[Chunk], dim: usize, zero: u8, stats: &Stats) -> Look {
    with_finish!(distance, finish => Look::new(finish, bytemuck::cast_slice(row), dim, zero, stats))
}

impl WorkingRows for CodedRows {
    fn n(&self) -> usize {
        self.stats.len()
    }

    fn renumber(&mut self, order: &[u32]) {
        self.codes.edit(|codes| permute_rows(codes, self.stride, order));
        self.stats.edit(|stats| permute_rows(stats, 1, order));
        if self.is_in_planes() {
            permute_rows(&mut self.looks, 1, order);
        }
    }

    fn describe(&self) -> String {
        let layout = if self.is_in_planes() { " in two planes" } else { "" };
        format!("byte codes{layout}, {}", self.level.name())
    }

    fn splits_by_direction(&self) -> bool {
        self.distance == CodedDistance::NegativeDot
    }

    /// Lays rows out in planes if they are wide enough and a look at nibbles pays: single rows are then compared
    /// with others faster, but tiles of rows have to be put together first.
    fn begin_rounds(&mut self) {
        let is_wide = is_wide(self.stride, self.level) && self.level.looks_at_nibbles();
        if !is_wide || self.distance == CodedDistance::NegativeDot {
            return;
        }
        let Self { codes, stats, coding, dim, stride, distance, .. } = self;
        let split = |(room, looks): &mut (Vec<u8>, Vec<Look>), i: usize, row: &mut [Chunk]| {
            looks.push(look_of(*distance, row, *dim, coding.zero, &stats[i]));
            planes::split(row, room);
        };
        let parts = codes.edit(|codes| fold_rows(codes, *stride, 64, Default::default, split));
        self.looks = parts.into_iter().flat_map(|part| part.1).collect();
    }

    fn begin_trees(&mut self) {
        if self.is_in_planes() {
            let stride = self.stride;
            let join = |room: &mut Vec<Chunk>, _: usize, row: &mut [Chunk]| {
                room.clear();
                room.extend_from_slice(row);
                planes::join(room, row);
            };
            self.codes.edit(|codes| fold_rows(codes, stride, 64, Vec::new, join));
            self.looks = Vec::new();
        }
    }

    #[cfg(feature = "gpu")]
    fn codes(&self) -> Option<&CodedRows> {
        Some(self)
    }

    fn distance_cost(&self) -> DistanceCost {
        if is_wide(self.stride, self.level) { DistanceCost::More } else { DistanceCost::Little }
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
        if self.is_in_planes() {
            return self.with_signed(row, |x| self.signed_to_many(x, others, out));
        }
        self.to_many([self.row(row)], others, AHEAD, out.as_chunks_mut().0);
    }

    fn one_to_near(&self, row: u32, others: &[u32], bound: f32, out: &mut [f32]) {
        if self.is_in_planes() {
            return self.with_signed(row, |x| self.signed_to_near(x, others, bound, out));
        }
        self.one_to_many(row, others, out);
    }

    fn two_to_many(&self, rows: [u32; 2], others: &[u32], out: &mut [[f32; 2]]) {
        if self.is_in_planes() {
            return two_by_rows(rows, others, out, |row, others, out| self.one_to_many(row, others, out));
        }
        self.to_many(rows.map(|row| self.row(row)), others, AHEAD, out);
    }

    fn all_pairs(&self, ids: &[u32], out: &mut [f32]) {
        if !self.is_in_planes() {
            return all_pairs_by_fours(ids, out, &mut self.fours(self.table()));
        }
        let (codes, stats) = self.put_together(ids);
        let places: Vec<u32> = (0..ids.len() as u32).collect();
        all_pairs_by_fours(&places, out, &mut self.fours(CodeTable { codes: &codes, stats: &stats, ..self.table() }));
    }

    fn block(&self, rows: &[u32], first: u32, out: &mut [f32]) {
        if !self.is_in_planes() {
            return block_by_fours(rows, first, out, &mut self.fours(self.table()));
        }
        let m = (out.len() / rows.len()) as u32;
        let ids: Vec<u32> = (first..first + m).chain(rows.iter().copied()).collect();
        let (codes, stats) = self.put_together(&ids);
        let places: Vec<u32> = (m..m + rows.len() as u32).collect();
        block_by_fours(&places, 0, out, &mut self.fours(CodeTable { codes: &codes, stats: &stats, ..self.table() }));
    }
}
