//! Rows of f32 compared with rows of a matrix of any element type.
//!
//! Loops are compiled for every instruction set, and only for what is searched most: all metrics of f32 and u8, squared
//! differences and dot products of f16 and i8. Under other metrics, rows of f16 and i8 are widened to f32, a few at a
//! time.

use crate::metric::Form;
use crate::metric::kernels::{
    self, AbsoluteDifferences, Accumulate, NegativeDot, OneMinusCosine, SquaredDifferences, with_kernel,
};
use crate::points::{DenseValues, Element, with_rows};
use crate::rows::tiles::{self, Tiles};
use crate::simd::{Level, Op, Simd, dispatch, prefetch};

/// Rows of equal length, one after the other. Zeros may follow the columns of each.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub values: DenseValues<'a>,
    /// Values of a row.
    pub stride: usize,
}

/// How rows are compared; angular forms expect rows of length 1.
#[derive(Clone, Copy)]
pub(crate) struct Comparison {
    pub form: Form,
    pub level: Level,
}

impl Comparison {
    /// Reduced distances of `x` to the rows `others`, of which `ahead` are prefetched.
    pub(crate) fn one_to_many(self, x: &[f32], matrix: Matrix, others: &[u32], ahead: usize, out: &mut [f32]) {
        let (stride, out) = (matrix.stride, out.as_chunks_mut().0);
        match (self.form, matrix.values) {
            (form, DenseValues::F32(values)) => {
                with_kernel!(form, body => self.run(FloatTiles { values, stride, body }, [x], others, ahead, out));
            }
            (form, DenseValues::U8(values)) => {
                with_kernel!(form, body => self.run(FloatTiles { values, stride, body }, [x], others, ahead, out));
            }
            (Form::L2, values) => with_rows!(values, values => {
                self.run(FloatTiles { values, stride, body: SquaredDifferences }, [x], others, ahead, out);
            }),
            (Form::Inner, values) => with_rows!(values, values => {
                self.run(FloatTiles { values, stride, body: NegativeDot }, [x], others, ahead, out);
            }),
            _ => self.one_to_widened(x, matrix, others, out.as_flattened_mut()),
        }
    }

    /// The same by rows that are widened to f32.
    fn one_to_widened(self, x: &[f32], matrix: Matrix, others: &[u32], out: &mut [f32]) {
        let stride = matrix.stride;
        let mut values = vec![0.0; GROUP * stride];
        for (others, out) in others.chunks(GROUP).zip(out.chunks_mut(GROUP)) {
            matrix.widen(self.level, others, &mut values);
            let rows = Matrix { values: DenseValues::F32(&values), stride };
            self.one_to_many(x, rows, &PLACES[..others.len()], 0, out);
        }
    }

    /// Whether [`Comparison::few_to_many`] computes several rows at once.
    pub(crate) fn has_tiles(self, matrix: Matrix) -> bool {
        matches!(
            (self.form, matrix.values),
            (Form::L2 | Form::Inner, DenseValues::F32(_) | DenseValues::F16(_))
                | (Form::Angular { .. } | Form::Manhattan, DenseValues::F32(_))
        )
    }

    /// Reduced distances of `R` rows to the rows `others`.
    pub(crate) fn few_to_many<const R: usize>(
        self,
        xs: [&[f32]; R],
        matrix: Matrix,
        others: &[u32],
        ahead: usize,
        out: &mut [[f32; R]],
    ) {
        let stride = matrix.stride;
        match (self.form, matrix.values) {
            (Form::L2, DenseValues::F32(values)) => {
                self.run(FloatTiles { values, stride, body: SquaredDifferences }, xs, others, ahead, out);
            }
            (Form::L2, DenseValues::F16(values)) => {
                self.run(FloatTiles { values, stride, body: SquaredDifferences }, xs, others, ahead, out);
            }
            (Form::Inner, DenseValues::F32(values)) => {
                self.run(FloatTiles { values, stride, body: NegativeDot }, xs, others, ahead, out);
            }
            (Form::Inner, DenseValues::F16(values)) => {
                self.run(FloatTiles { values, stride, body: NegativeDot }, xs, others, ahead, out);
            }
            (Form::Angular { .. }, DenseValues::F32(values)) => {
                self.run(FloatTiles { values, stride, body: OneMinusCosine }, xs, others, ahead, out);
            }
            (Form::Manhattan, DenseValues::F32(values)) => {
                self.run(FloatTiles { values, stride, body: AbsoluteDifferences }, xs, others, ahead, out);
            }
            _ => self.one_by_one(xs, matrix, others, ahead, out),
        }
    }

    /// Row by row, a few of the others at a time, so that these stay in cache.
    fn one_by_one<const R: usize>(
        self,
        xs: [&[f32]; R],
        matrix: Matrix,
        others: &[u32],
        ahead: usize,
        out: &mut [[f32; R]],
    ) {
        let mut found = [0.0; CACHED];
        for (others, out) in others.chunks(CACHED).zip(out.chunks_mut(CACHED)) {
            for (i, x) in xs.into_iter().enumerate() {
                let found = &mut found[..others.len()];
                self.one_to_many(x, matrix, others, ahead, found);
                out.iter_mut().zip(found).for_each(|(out, d)| out[i] = *d);
            }
        }
    }

    fn run<E: Element, B: Accumulate, const R: usize>(
        self,
        tiles: FloatTiles<E, B>,
        xs: [&[f32]; R],
        others: &[u32],
        ahead: usize,
        out: &mut [[f32; R]],
    ) {
        tiles::to_many(self.level, &tiles, xs, others, ahead, out);
    }
}

/// Rows that are widened at a time.
const GROUP: usize = 8;
const PLACES: [u32; GROUP] = [0, 1, 2, 3, 4, 5, 6, 7];
/// Rows that several others are compared with while they are in cache.
const CACHED: usize = 64;

impl Matrix<'_> {
    /// Rows `ids` widened, one after the other.
    pub(crate) fn widen(self, level: Level, ids: &[u32], out: &mut [f32]) {
        let stride = self.stride;
        with_rows!(self.values, values => dispatch(level, Widen { values, stride, ids, out }));
    }
}

struct Widen<'a, E> {
    values: &'a [E],
    stride: usize,
    ids: &'a [u32],
    out: &'a mut [f32],
}

impl<E: Element> Op for Widen<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { values, stride, ids, out } = self;
        for (&id, out) in ids.iter().zip(out.chunks_exact_mut(stride)) {
            let (chunks, tail) = values[id as usize * stride..][..stride].as_chunks();
            let (out_chunks, out_tail) = out.as_chunks_mut();
            for (out, chunk) in out_chunks.iter_mut().zip(chunks) {
                *out = S::to_array(S::load(chunk));
            }
            for (out, v) in out_tail.iter_mut().zip(tail) {
                *out = v.widen();
            }
        }
    }
}

/// Rows of values as they are, under the body of a metric.
struct FloatTiles<'a, E, B> {
    values: &'a [E],
    stride: usize,
    body: B,
}

impl<'v, E: Element, B: Accumulate> Tiles for FloatTiles<'v, E, B> {
    type Query<'a>
        = &'a [f32]
    where
        Self: 'a;
    type Row<'a>
        = &'a [E]
    where
        Self: 'a;

    #[inline(always)]
    fn row(&self, i: u32) -> &[E] {
        &self.values[i as usize * self.stride..][..self.stride]
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize>(&self, xs: [&[f32]; R], ys: [&[E]; 4]) -> [[f32; 4]; R] {
        kernels::tile::<S, f32, E, B, R>(self.body, xs, ys)
    }

    #[inline(always)]
    fn prefetch(&self, row: u32) {
        self.row(row).iter().step_by(64 / size_of::<E>()).for_each(prefetch);
    }
}
