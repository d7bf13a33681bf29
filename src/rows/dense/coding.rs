//! How values become unsigned bytes.
//!
//! A value v becomes the code zero + round(v · scale). Differences of codes are scaled differences of values, so
//! euclidean order survives any common zero and scale; dot products need the zero taken out again, and angles allow a
//! scale per row.

use super::direction::direction_scale;
use crate::metric::Form;
use crate::parallel::map_ranges;
use crate::points::{Dense, DenseValues};
use crate::rows::error_bound::UNIT_ROUNDOFF;
use crate::simd::{BYTES, LANES, Level, Op, Simd, dispatch};

/// Whether a distance between rows of `stride` chunks costs more than to look up what was compared.
pub(super) fn is_wide(stride: usize, level: Level) -> bool {
    stride >= if level.looks_at_nibbles() { 4 } else { 8 }
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
    pub(super) sum: i32,
    /// Sum of squares: of the codes, or of the codes less the code of zero where dot products count.
    pub(super) squares: i32,
    /// 1 / length, for angles.
    pub(super) inverse: f32,
}

/// Rows whose largest value is smaller are brought into a range where their scale is an f32.
const TINY: f32 = 1e-30;
const RAISED: f32 = (1u128 << 100) as f32;

/// How values become codes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Coding {
    /// Added after scaling, before rounding.
    pub(super) offset: f32,
    /// The code of the value zero, where dot products need it.
    pub(super) zero: u8,
    pub(super) scale: Scale,
    pub(super) centered: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    /// One for all rows.
    Common(f32),
    /// The largest absolute value of a row becomes this many codes.
    PerRow(f32),
}

/// How well codes represent a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Fit {
    /// The codes are its values.
    Exact,
    /// Its values are rounded.
    #[default]
    Rounded,
    /// Some values are beyond the range of the codes.
    Outside,
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
        let scale = |codes: f32, size: f32| if size > 0.0 { codes / size } else { 0.0 };
        match form {
            Form::Angular { .. } => coding(zero, Scale::PerRow(codes)),
            Form::L2 => {
                let scale = scale(255.0, high - low);
                Self { offset: -low * scale, zero: 0, scale: Scale::Common(scale), centered }
            }
            _ => coding(zero, Scale::Common(scale(codes, high.max(-low)))),
        }
    }

    /// The codes of a row and their sums; `values` is overwritten.
    pub(super) fn encode_row(&self, values: &mut [f32], chunks: &mut [Chunk], from_zero: bool) -> Stats {
        let codes: &mut [u8] = bytemuck::cast_slice_mut(chunks);
        self.encode(values, codes);
        let zero = if from_zero { i32::from(self.zero) } else { 0 };
        let (sum, squares) = dispatch(Level::detect(), Sums { codes, zero });
        Stats { sum, squares, inverse: if squares > 0 { 1.0 / (squares as f32).sqrt() } else { 0.0 } }
    }

    /// The codes of a row, padding included; `values` is overwritten. True for zero vectors, if rows have a scale each.
    pub(super) fn encode(&self, values: &mut [f32], codes: &mut [u8]) -> bool {
        let empty = matches!(self.scale, Scale::PerRow(_)) && self.centre(values);
        let scale = match self.scale {
            Scale::Common(s) => s,
            Scale::PerRow(codes) => {
                let mut largest = dispatch(Level::detect(), Largest(values));
                if largest < TINY {
                    values.iter_mut().for_each(|v| *v *= RAISED);
                    largest *= RAISED;
                }
                if largest > 0.0 { codes / largest } else { 0.0 }
            }
        };
        let (data, padding) = codes.split_at_mut(values.len());
        dispatch(Level::detect(), Round { values, scale, offset: self.offset, codes: data });
        padding.fill(self.zero);
        empty
    }

    /// The most that a code can be from the scaled value that it stands for: half a code, and what f32 rounds.
    pub(super) fn rounding(&self) -> f64 {
        const PRODUCTS: f64 = 4.0 * 256.0;
        0.5 + UNIT_ROUNDOFF * (PRODUCTS + 2.0 * f64::from(self.offset.abs()))
    }

    /// Subtracts the mean where it is to be; true for zero vectors.
    fn centre(&self, values: &mut [f32]) -> bool {
        if !self.centered {
            return values.iter().all(|v| *v == 0.0);
        }
        let (mean, scale) = direction_scale(values, true);
        values.iter_mut().for_each(|v| *v = (f64::from(*v) - mean) as f32);
        scale == 0.0
    }

    /// Values farther than this many codes outside are beyond rounding.
    const MARGIN: f32 = 2.0;

    /// How well the codes of a row represent its values.
    pub(super) fn fit(&self, values: &[f32]) -> Fit {
        let Scale::Common(scale) = self.scale else { return Fit::Rounded };
        match dispatch(Level::detect(), Misfits { values, scale, offset: self.offset }) {
            (_, 1..) => Fit::Outside,
            (0, 0) => Fit::Exact,
            _ => Fit::Rounded,
        }
    }

    /// The difference of two values whose codes differ by one; 1 with a scale per row.
    pub(super) fn unit(&self) -> f32 {
        match self.scale {
            Scale::Common(scale) if scale > 0.0 => 1.0 / scale,
            _ => 1.0,
        }
    }

    /// The values that codes represent; with a scale per row, up to that scale.
    pub(super) fn decode(&self, codes: &[u8], values: &mut [f32]) {
        let unit = self.unit();
        values.iter_mut().zip(codes).for_each(|(v, &c)| *v = (f32::from(c) - self.offset) * unit);
    }

    /// Offset, zero, scale, whether it is per row, whether rows are centred: the form it has in files.
    pub(crate) fn to_numbers(self) -> [f32; 5] {
        let (scale, per_row) = match self.scale {
            Scale::Common(scale) => (scale, 0.0),
            Scale::PerRow(codes) => (codes, 1.0),
        };
        [self.offset, f32::from(self.zero), scale, per_row, f32::from(u8::from(self.centered))]
    }

    /// The reverse of [`Coding::to_numbers`].
    pub(crate) fn of_numbers([offset, zero, scale, per_row, centered]: [f32; 5]) -> Self {
        let scale = if per_row == 0.0 { Scale::Common(scale) } else { Scale::PerRow(scale) };
        Self { offset, zero: zero as u8, scale, centered: centered != 0.0 }
    }
}

/// The largest code that is at most `value`, or the smallest, as a float and as it is. Conversions of floats to
/// integers saturate, which is slow; here all numbers are small.
#[inline(always)]
fn code_below(value: f32) -> (f32, u8) {
    /// 2^23: floats from here on are whole, and their last bits are an integer's.
    const WHOLE: f32 = 8_388_608.0;
    #[expect(clippy::manual_clamp, reason = "`clamp` keeps what is no number, and compiles to more")]
    let value = value.max(0.0).min(255.0);
    let nearest = (value + WHOLE) - WHOLE;
    let below = if nearest > value { nearest - 1.0 } else { nearest };
    (below, (below + WHOLE).to_bits() as u8)
}

/// The codes of values.
struct Round<'a> {
    values: &'a [f32],
    scale: f32,
    offset: f32,
    codes: &'a mut [u8],
}

impl Op for Round<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { values, scale, offset, codes } = self;
        for (code, &v) in codes.iter_mut().zip(values) {
            *code = code_below(v * scale + offset + 0.5).1;
        }
    }
}

/// The sum of codes, and of the squares of codes less `zero`.
struct Sums<'a> {
    codes: &'a [u8],
    zero: i32,
}

impl Op for Sums<'_> {
    type Output = (i32, i32);

    #[inline(always)]
    fn run<S: Simd>(self) -> (i32, i32) {
        self.codes.iter().fold((0, 0), |(sum, squares), &code| {
            let code = i32::from(code);
            (sum + code, squares + (code - self.zero) * (code - self.zero))
        })
    }
}

/// The largest absolute value.
struct Largest<'a>(&'a [f32]);

impl Op for Largest<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self) -> f32 {
        let (whole, rest) = self.0.as_chunks::<LANES>();
        let largest = whole.iter().fold(S::splat(0.0), |most, values| S::max(most, S::abs(S::load(values))));
        S::to_array(largest).iter().chain(rest).fold(0.0f32, |most, v| most.max(v.abs()))
    }
}

/// How many values are no codes, and how many are too far from any.
struct Misfits<'a> {
    values: &'a [f32],
    scale: f32,
    offset: f32,
}

impl Op for Misfits<'_> {
    type Output = (u32, u32);

    #[inline(always)]
    fn run<S: Simd>(self) -> (u32, u32) {
        let margin = Coding::MARGIN;
        self.values.iter().fold((0, 0), |(rounded, outside), v| {
            let code = v * self.scale + self.offset;
            let is_code = code_below(code).0 == code;
            let is_near = (code >= -margin) & (code <= 255.0 + margin);
            (rounded + u32::from(!is_code), outside + u32::from(!is_near))
        })
    }
}

/// Smallest and largest value.
fn range(points: &Dense) -> (f32, f32) {
    let dim = points.dim();
    let none = (f32::INFINITY, f32::NEG_INFINITY);
    let ranges = map_ranges(points.n(), 256, |rows| {
        let mut row = vec![0.0; dim];
        rows.fold(none, |range, i| {
            points.widen_row(i, &mut row);
            row.iter().fold(range, |(low, high), &v| (low.min(v), high.max(v)))
        })
    });
    ranges.into_iter().fold(none, |a, b| (a.0.min(b.0), a.1.max(b.1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_what_conversions_make_of_values() {
        let coding = Coding { offset: 3.25, zero: 3, scale: Scale::Common(7.0), centered: false };
        let values: Vec<f32> = (-40..2000).map(|i| i as f32 / 56.0).chain([-1e30, 1e30, 0.0, 36.0]).collect();
        for values in values.chunks(67) {
            let mut codes = vec![0; stride(values.len())];
            coding.encode(&mut values.to_vec(), &mut codes);
            let expected = values.iter().map(|v| (v * 7.0 + 3.25 + 0.5) as u8);
            assert!(codes.iter().copied().eq(expected.chain(std::iter::repeat_n(3, codes.len() - values.len()))));
        }
        let fit = |values: &[f32]| coding.fit(values);
        assert_eq!(fit(&[0.25, 1.25, 35.25]), Fit::Exact);
        assert_eq!(fit(&[0.25, 1.0]), Fit::Rounded);
        assert_eq!(fit(&[37.0]), Fit::Outside);
    }
}
