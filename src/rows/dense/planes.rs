//! Codes in two planes: the high nibbles of a row, then its low ones, so that half of the bytes tell the distance well
//! enough to reject most candidates.
//!
//! A code c is 16 h + l. Rows are compared as x = c - 128 with the high nibbles of y alone: ŷ = 16 h + 7.5 differs from
//! y by e, and x·y = x·ŷ + y·e + (x - y)·e. Of these, x·ŷ is a sum of products of nibbles, y·e is known for every row,
//! and (x - y)·e has a standard deviation of |x - y| |e| / sqrt(dim) if e has no preferred direction. So the distance
//! is known up to a multiple of its root: [`Look::rejects`]. What remains is computed exactly, by adding the low
//! nibbles.

use super::code_tiles::{CodeTable, CodedRow, Finish};
use super::coding::{Chunk, Stats};
use crate::rows::tiles::{AHEAD, four_of};
use crate::simd::{BYTES, Op, Simd, prefetch};

/// Standard deviations of its error by which a look has to be beyond the bound.
const CERTAINTY: f64 = 3.0;
/// The middle of the codes that share a high nibble.
const MIDDLE: f32 = 7.5;

/// What is known of a row beside its high nibbles.
#[derive(Debug, Clone, Copy)]
#[repr(align(16))]
pub(super) struct Look {
    /// What is added to the dot product of a query with the high nibbles.
    shift: f32,
    /// What is added to the reduced distance.
    along: f32,
    /// The error's variance where the reduced distance is 1, times [`CERTAINTY`] squared.
    noise: f32,
    /// 1 / length, for angles.
    inverse: f32,
}

impl Look {
    /// Of `dim` codes and their padding.
    pub(super) fn new<F: Finish>(finish: F, codes: &[u8], dim: usize, zero: u8, stats: &Stats) -> Self {
        let origin = i32::from(finish.origin(zero));
        // Twice the error of the middle, so that it is whole.
        let twice_error = |code: u8| 2 * i32::from(code & 15) - 15;
        let (mut squares, mut along, mut middles) = (0, 0, 0);
        for &code in codes {
            let y = i32::from(code) - origin;
            squares += y * y;
            along += y * twice_error(code);
            middles += i32::from(code & 0xf0) - origin;
        }
        let errors: i32 = codes[..dim].iter().map(|&code| twice_error(code).pow(2)).sum();
        let shift = f64::from(128 - origin) * (f64::from(middles) + f64::from(MIDDLE) * codes.len() as f64);
        let noise = CERTAINTY.powi(2) * f64::from(errors) / 4.0 / dim as f64;
        let (along, noise) = finish.known_error(f64::from(squares), f64::from(along) / 2.0, noise);
        Self { shift: shift as f32, along: along as f32, noise: noise as f32, inverse: stats.inverse }
    }

    /// Whether a reduced distance estimated as `estimate` is beyond `bound`, as far as can be told.
    #[inline(always)]
    fn rejects(&self, estimate: f32, bound: f32) -> bool {
        let beyond = estimate - bound;
        (beyond > 0.0) & (beyond * beyond > self.noise * estimate)
    }
}

/// The codes of a row less 128, which are signed bytes, and what distances from it need.
#[derive(Default)]
pub(super) struct Signed {
    codes: Vec<Chunk>,
    sum: f32,
    squares: f32,
    stats: Stats,
}

impl Signed {
    /// Becomes a row in planes, of which the sums have the squares of the codes less `origin`.
    pub(super) fn set(&mut self, row: CodedRow, origin: u8) {
        let (stride, stats) = (row.chunks.len(), *row.stats);
        self.codes.resize(stride, Chunk([0; BYTES]));
        join(row.chunks, &mut self.codes);
        self.codes.iter_mut().flat_map(|chunk| &mut chunk.0).for_each(|code| *code ^= 128);
        let (length, origin) = ((stride * BYTES) as f32, f32::from(origin));
        self.sum = stats.sum as f32 - 128.0 * length;
        // (c - 128)² = (c - origin)² + 2 (origin - 128) (c - origin) + (origin - 128)².
        let from_origin = stats.sum as f32 - origin * length;
        self.squares = stats.squares as f32 + (origin - 128.0) * (2.0 * from_origin + (origin - 128.0) * length);
        self.stats = stats;
    }

    /// Whether distances from it can be estimated: not from a zero vector under angles.
    pub(super) fn has_direction(&self) -> bool {
        self.stats.squares > 0
    }
}

/// Rows in planes, as one row is compared with them.
#[derive(Clone, Copy)]
pub(super) struct Planes<'a, F> {
    pub rows: CodeTable<'a>,
    pub looks: &'a [Look],
    pub finish: F,
    pub x: &'a Signed,
}

impl<F: Finish> Planes<'_, F> {
    /// The high plane of a row, or the low one.
    #[inline(always)]
    fn plane<const HIGH: bool>(&self, row: u32) -> &[u8] {
        let (high, low) = split_row(self.rows.row(row).chunks);
        if HIGH { high } else { low }
    }

    #[inline(always)]
    fn prefetch<const HIGH: bool>(&self, row: u32) {
        self.plane::<HIGH>(row).iter().step_by(BYTES).for_each(prefetch);
    }

    #[inline(always)]
    fn dots<S: Simd, const HIGH: bool>(&self, rows: [u32; 4]) -> [i32; 4] {
        let mut planes = [self.plane::<HIGH>(rows[0]); 4];
        for j in 1..4 {
            planes[j] = self.plane::<HIGH>(rows[j]);
        }
        S::dot_nibbles(bytemuck::cast_slice(&self.x.codes), planes)
    }

    /// The distance to a row of which the dot products of both planes are known.
    #[inline(always)]
    fn exact(&self, row: u32, high: i32, low: i32) -> f32 {
        let (x, y) = (&self.x.stats, self.rows.row(row).stats);
        let dot = (16 * high + low).wrapping_mul(F::DOT);
        self.finish.reduced(self.rows.around_dot::<F>(128, x, y).wrapping_add(dot), x, y)
    }

    /// The distance to a row as its high nibbles tell it.
    #[inline(always)]
    fn estimate(&self, look: &Look, high: i32) -> f32 {
        let origin = f32::from(self.finish.origin(self.rows.zero));
        let dot = (16 * high) as f32 + (MIDDLE - origin) * self.x.sum + look.shift;
        self.finish.estimated(dot, self.x.squares, self.x.stats.inverse * look.inverse) + look.along
    }
}

/// Distances to all of `others`.
pub(super) struct ToAll<'a, F> {
    pub planes: Planes<'a, F>,
    pub others: &'a [u32],
    pub out: &'a mut [f32],
}

impl<F: Finish> Op for ToAll<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { planes, others, out } = self;
        let ask = |row: u32| {
            planes.prefetch::<true>(row);
            planes.prefetch::<false>(row);
        };
        others.iter().take(AHEAD).for_each(|&row| ask(row));
        for (at, out) in out.chunks_mut(4).enumerate() {
            let here = &others[4 * at..];
            here.iter().skip(AHEAD).take(4).for_each(|&row| ask(row));
            let four = four_of(here);
            let (high, low) = (planes.dots::<S, true>(four), planes.dots::<S, false>(four));
            for (j, out) in out.iter_mut().enumerate() {
                *out = planes.exact(four[j], high[j], low[j]);
            }
        }
    }
}

/// Distances to those of `others` that may be within `bound`; infinity to the rest.
pub(super) struct ToNear<'a, F> {
    pub planes: Planes<'a, F>,
    pub others: &'a [u32],
    pub bound: f32,
    pub out: &'a mut [f32],
}

impl<F: Finish> Op for ToNear<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { planes, others, bound, out } = self;
        let ask = |row: u32| {
            prefetch(&planes.looks[row as usize]);
            planes.prefetch::<true>(row);
        };
        others.iter().take(AHEAD).for_each(|&row| ask(row));
        // Those that remain: their places in `others`, and the dot products of their high nibbles. Always written, kept
        // if near: there is no branch to mispredict.
        let (mut near, mut products) = (others.to_vec(), vec![(0, 0); others.len()]);
        let mut count = 0;
        for at in (0..others.len()).step_by(4) {
            let here = &others[at..];
            here.iter().skip(AHEAD).take(4).for_each(|&row| ask(row));
            let four = four_of(here);
            let high = planes.dots::<S, true>(four);
            for j in 0..here.len().min(4) {
                let look = &planes.looks[four[j] as usize];
                (near[count], products[count]) = (four[j], (at + j, high[j]));
                count += usize::from(!look.rejects(planes.estimate(look, high[j]), bound));
            }
        }
        let near = &near[..count];
        out.fill(f32::INFINITY);
        near.iter().take(AHEAD).for_each(|&row| planes.prefetch::<false>(row));
        for at in (0..count).step_by(4) {
            let here = &near[at..];
            here.iter().skip(AHEAD).take(4).for_each(|&row| planes.prefetch::<false>(row));
            let low = planes.dots::<S, false>(four_of(here));
            for ((&row, &(place, high)), low) in here.iter().zip(&products[at..]).zip(low) {
                out[place] = planes.exact(row, high, low);
            }
        }
    }
}

/// The high plane of a row, and the low one.
#[inline(always)]
fn split_row(row: &[Chunk]) -> (&[u8], &[u8]) {
    let bytes: &[u8] = bytemuck::cast_slice(row);
    bytes.split_at(bytes.len() / 2)
}

/// Lays the codes of a row out in planes; `room` is working memory. A block of 64 bytes of a plane holds 128 columns: a
/// byte's low nibble one of the first 64, its high nibble that 64 columns later. Where a block of 32 bytes is left, it
/// holds 64 columns likewise.
pub(super) fn split(row: &mut [Chunk], room: &mut Vec<u8>) {
    let codes: &mut [u8] = bytemuck::cast_slice_mut(row);
    room.clear();
    room.extend_from_slice(codes);
    let (high, low) = codes.split_at_mut(room.len() / 2);
    let planes = high.chunks_mut(BYTES).zip(low.chunks_mut(BYTES));
    for ((high, low), columns) in planes.zip(room.chunks(2 * BYTES)) {
        let (first, second) = columns.split_at(columns.len() / 2);
        for (((high, low), a), b) in high.iter_mut().zip(low).zip(first).zip(second) {
            *high = a >> 4 | b & 0xf0;
            *low = a & 15 | b << 4;
        }
    }
}

/// The codes of a row in planes.
pub(super) fn join(row: &[Chunk], codes: &mut [Chunk]) {
    let (high, low) = split_row(row);
    let codes: &mut [u8] = bytemuck::cast_slice_mut(codes);
    let planes = high.chunks(BYTES).zip(low.chunks(BYTES));
    for ((high, low), columns) in planes.zip(codes.chunks_mut(2 * BYTES)) {
        let (first, second) = columns.split_at_mut(columns.len() / 2);
        for (((high, low), a), b) in high.iter().zip(low).zip(first).zip(second) {
            *a = high << 4 | low & 15;
            *b = high & 0xf0 | low >> 4;
        }
    }
}
