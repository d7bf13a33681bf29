//! Row-major matrices.

use half::f16;
use rayon::prelude::*;

use super::{Element, MAX_POINTS, PointsError};

/// The values of a dense matrix, in their own type.
#[derive(Debug, Clone, Copy)]
pub enum DenseValues<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// 16-bit floats.
    F16(&'a [f16]),
    /// Unsigned bytes.
    U8(&'a [u8]),
    /// Signed bytes.
    I8(&'a [i8]),
}

/// Runs `$body` with `$x` bound to the typed slice of a [`DenseValues`].
macro_rules! with_rows {
    ($rows:expr, $x:ident => $body:expr) => {
        match $rows {
            $crate::points::DenseValues::F32($x) => $body,
            $crate::points::DenseValues::F16($x) => $body,
            $crate::points::DenseValues::U8($x) => $body,
            $crate::points::DenseValues::I8($x) => $body,
        }
    };
}
pub(crate) use with_rows;

/// A checked row-major matrix: `n` rows of `dim` finite values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dense<'a> {
    rows: DenseValues<'a>,
    n: usize,
    dim: usize,
}

impl<'a> Dense<'a> {
    pub(crate) fn new<E: Element>(data: &'a [E], n: usize, dim: usize) -> Result<Self, PointsError> {
        if dim == 0 {
            return Err(PointsError::NoColumns { n });
        }
        if n.checked_mul(dim) != Some(data.len()) {
            return Err(PointsError::Ragged { len: data.len(), n, dim });
        }
        if n > MAX_POINTS {
            return Err(PointsError::TooMany { n });
        }
        check_finite(data, dim)?;
        Ok(Self { rows: E::rows(data), n, dim })
    }

    /// Values that were checked before: `n` rows of `dim`.
    pub(crate) fn trusted(rows: DenseValues<'a>, n: usize, dim: usize) -> Self {
        debug_assert_eq!(with_rows!(rows, x => x.len()), n * dim);
        Self { rows, n, dim }
    }

    /// Number of rows.
    pub(crate) fn n(&self) -> usize {
        self.n
    }

    /// Number of columns.
    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    /// All values, row after row.
    pub(crate) fn rows(&self) -> DenseValues<'a> {
        self.rows
    }

    /// The values as bytes, if they are f32 and all whole numbers from 0 to 255, as pictures are.
    pub(crate) fn whole_bytes(&self) -> Option<Vec<u8>> {
        let DenseValues::F32(x) = self.rows else { return None };
        self.are_whole_bytes().then(|| x.par_iter().with_min_len(1 << 16).map(|v| *v as u8).collect())
    }

    /// Whether the values are f32 and all whole numbers from 0 to 255.
    pub(crate) fn are_whole_bytes(&self) -> bool {
        let DenseValues::F32(x) = self.rows else { return false };
        let whole = |v: &f32| f32::from(*v as u8) == *v;
        x.par_chunks(1 << 16).all(|values| values.iter().all(whole))
    }

    /// Bytes of one value.
    pub(crate) fn value_size(&self) -> usize {
        with_rows!(self.rows, x => size_of_val(&x[0]))
    }

    /// The type of the values, as numpy names it.
    pub(crate) fn type_name(&self) -> &'static str {
        fn name<E: Element>(_: &[E]) -> &'static str {
            E::NAME
        }
        with_rows!(self.rows, x => name(x))
    }

    /// Whether all values of row `i` are zero.
    pub(crate) fn is_zero_row(&self, i: usize) -> bool {
        with_rows!(self.rows, x => x[i * self.dim..][..self.dim].iter().all(|v| v.widen() == 0.0))
    }

    /// Row `i` as f32: its values, or these widened into `out`, which must hold `dim` values.
    pub(crate) fn as_f32<'r>(&'r self, i: usize, out: &'r mut [f32]) -> &'r [f32] {
        if let DenseValues::F32(x) = self.rows {
            return &x[i * self.dim..][..self.dim];
        }
        self.widen_row(i, out);
        out
    }

    /// Row `i` widened into `out`, which must hold `dim` values.
    pub(crate) fn widen_row(&self, i: usize, out: &mut [f32]) {
        let range = i * self.dim..(i + 1) * self.dim;
        with_rows!(self.rows, x => for (o, v) in out.iter_mut().zip(&x[range]) { *o = v.widen(); });
    }
}

/// The first value that is not finite, if any, as an error. Blocks are scanned in parallel.
fn check_finite<E: Element>(data: &[E], dim: usize) -> Result<(), PointsError> {
    const BLOCK: usize = 1 << 16;
    if !E::FLOATING {
        return Ok(());
    }
    let bad = data.par_chunks(BLOCK).enumerate().find_map_first(|(block, values)| {
        // No early exit, so that the scan vectorises.
        let all = values.iter().fold(true, |ok, v| ok & v.is_finite());
        if all { None } else { values.iter().position(|v| !v.is_finite()).map(|at| block * BLOCK + at) }
    });
    match bad {
        None => Ok(()),
        Some(at) => Err(PointsError::NotFinite { row: at / dim, column: at % dim, value: data[at].to_f32() }),
    }
}
