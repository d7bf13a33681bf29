//! Rows as unsigned bytes, compared by sums of absolute differences: manhattan, exact for byte data, rounded for the
//! rest.
//!
//! The codes are the ones for euclidean distances: one zero and scale for all rows, so that differences of codes are
//! scaled differences of values. Sixty-four of them take an instruction or two.

use super::coding::{Chunk, Coding, is_wide, stride};
use crate::metric::Form;
use crate::parallel::fold_rows;
use crate::points::{Dense, DenseValues};
use crate::rows::tiles::{AHEAD, Tiles, all_pairs_by_fours, to_many};
use crate::rows::{DistanceCost, ReducedDistances, WorkingRows, permute_rows};
use crate::simd::{BYTES, Level, Simd, prefetch};

/// Sums of byte differences over this many columns are exact in f32.
const MAX_DIM: usize = 65_536;
/// Below this, padding to 64 bytes wastes what bytes save.
const MIN_DIM: usize = 24;

/// Whether rows under a form can be compared by byte differences.
pub(crate) fn suits(points: &Dense, form: Form) -> bool {
    form == Form::Manhattan && (MIN_DIM..=MAX_DIM).contains(&points.dim())
}

struct ByteDifferences {
    codes: Vec<Chunk>,
    /// Chunks in a row.
    stride: usize,
    n: usize,
    level: Level,
    is_exact: bool,
}

/// The points as codes, and whether these are their values up to a common offset. Call only where [`suits`] says so.
pub(crate) fn space(points: &Dense, level: Level) -> (Box<dyn ReducedDistances>, bool) {
    let whole = points.whole_bytes();
    let bytes = whole.as_ref().map(|bytes| Dense::trusted(DenseValues::U8(bytes), points.n(), points.dim()));
    let points = bytes.as_ref().unwrap_or(points);
    let coding = Coding::choose(points, Form::L2);
    let stride = stride(points.dim()) / BYTES;
    let mut codes = vec![Chunk([0; BYTES]); points.n() * stride];
    let scratch = || vec![0.0; points.dim()];
    fold_rows(&mut codes, stride, 64, scratch, |values, i, codes| {
        points.widen_row(i, values);
        coding.encode(values, bytemuck::cast_slice_mut(codes));
    });
    let is_exact = matches!(points.rows(), DenseValues::U8(_) | DenseValues::I8(_));
    (Box::new(ByteDifferences { codes, stride, n: points.n(), level, is_exact }), is_exact)
}

impl WorkingRows for ByteDifferences {
    fn n(&self) -> usize {
        self.n
    }

    fn is_exact(&self) -> bool {
        self.is_exact
    }

    fn distance_cost(&self) -> DistanceCost {
        if is_wide(self.stride, self.level) { DistanceCost::More } else { DistanceCost::Little }
    }

    fn renumber(&mut self, order: &[u32]) {
        permute_rows(&mut self.codes, self.stride, order);
    }

    fn describe(&self) -> String {
        format!("u8 codes, {}", self.level.name())
    }

    fn splits_by_direction(&self) -> bool {
        false
    }
}

impl ReducedDistances for ByteDifferences {
    fn one_to_many(&self, row: u32, others: &[u32], out: &mut [f32]) {
        to_many(self.level, self, [self.row(row)], others, AHEAD, out.as_chunks_mut().0);
    }

    fn two_to_many(&self, rows: [u32; 2], others: &[u32], out: &mut [[f32; 2]]) {
        to_many(self.level, self, rows.map(|row| self.row(row)), others, AHEAD, out);
    }

    fn all_pairs(&self, ids: &[u32], out: &mut [f32]) {
        all_pairs_by_fours(ids, out, &mut |rows, others, out| {
            to_many(self.level, self, rows.map(|row| self.row(row)), others, 0, out);
        });
    }
}

impl Tiles for ByteDifferences {
    type Query<'a> = &'a [Chunk];
    type Row<'a> = &'a [Chunk];

    #[inline(always)]
    fn row(&self, i: u32) -> &[Chunk] {
        &self.codes[i as usize * self.stride..][..self.stride]
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize>(&self, xs: [&[Chunk]; R], ys: [&[Chunk]; 4]) -> [[f32; 4]; R] {
        let mut sums = [[S::zero(); 4]; R];
        for step in 0..self.stride {
            for i in 0..R {
                for j in 0..4 {
                    sums[i][j] = S::differences(&xs[i][step].0, &ys[j][step].0, sums[i][j]);
                }
            }
        }
        let mut out = [[0.0; 4]; R];
        for i in 0..R {
            out[i] = S::total4(sums[i]).map(|sum| sum as f32);
        }
        out
    }

    #[inline(always)]
    fn prefetch(&self, row: u32) {
        self.row(row).iter().for_each(prefetch);
    }
}
