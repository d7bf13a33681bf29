//! Reads the numbers of a file into memory.

use bytemuck::Pod;
use half::f16;

use super::error::IoError;
use super::kind::{Endian, Kind};
use super::matrix::{Matrix, Values};
use super::source::Source;

/// Reads `n x dim` numbers in row-major order.
pub(crate) fn read_rows(
    source: &mut Source,
    kind: Kind,
    endian: Endian,
    n: usize,
    dim: usize,
) -> Result<Matrix, IoError> {
    let what = || format!("{n} x {dim} of {}", kind.name());
    let count = source.expect_array(n, dim, kind, what)?;
    let mut narrowed_from = None;
    let values = match kind {
        Kind::F32 => Values::F32(read_vec(source, count, endian, what)?),
        Kind::F16 => Values::F16(read_vec(source, count, endian, what)?),
        Kind::U8 => Values::U8(read_vec(source, count, endian, what)?),
        Kind::I8 => Values::I8(read_vec(source, count, endian, what)?),
        _ => {
            narrowed_from = Some(kind.name());
            Values::F32(read_narrowed(source, kind, count, endian, what)?)
        }
    };
    Ok(Matrix { n, dim, values, narrowed_from })
}

/// Reads `count` numbers straight into a vector.
pub(crate) fn read_vec<T: Pod>(
    source: &mut Source,
    count: usize,
    endian: Endian,
    what: impl Fn() -> String,
) -> Result<Vec<T>, IoError> {
    let mut out = vec![T::zeroed(); count];
    source.fill(bytemuck::cast_slice_mut(&mut out), what)?;
    if (endian == Endian::Big) != cfg!(target_endian = "big") {
        bytemuck::cast_slice_mut::<T, u8>(&mut out).chunks_exact_mut(size_of::<T>()).for_each(<[u8]>::reverse);
    }
    Ok(out)
}

/// Reads `count` numbers through a small buffer and converts them to f32.
pub(crate) fn read_narrowed(
    source: &mut Source,
    kind: Kind,
    count: usize,
    endian: Endian,
    what: impl Fn() -> String,
) -> Result<Vec<f32>, IoError> {
    const BLOCK: usize = 1 << 14;
    let mut out = Vec::with_capacity(count);
    while out.len() < count {
        let m = BLOCK.min(count - out.len());
        macro_rules! narrow {
            ($t:ty) => {
                out.extend(read_vec::<$t>(source, m, endian, &what)?.into_iter().map(|v| v as f32))
            };
        }
        match kind {
            Kind::F64 => narrow!(f64),
            Kind::U16 => narrow!(u16),
            Kind::I16 => narrow!(i16),
            Kind::U32 => narrow!(u32),
            Kind::I32 => narrow!(i32),
            Kind::U64 => narrow!(u64),
            Kind::I64 => narrow!(i64),
            Kind::U8 => narrow!(u8),
            Kind::I8 => narrow!(i8),
            Kind::F32 => narrow!(f32),
            Kind::F16 => out.extend(read_vec::<f16>(source, m, endian, &what)?.into_iter().map(f16::to_f32)),
        }
    }
    Ok(out)
}

/// Turns column-major values (`dim x n`) into rows.
pub(crate) fn transpose(matrix: Matrix) -> Matrix {
    fn turn<T: Copy>(x: &[T], n: usize, dim: usize) -> Vec<T> {
        (0..n * dim).map(|at| x[at % dim * n + at / dim]).collect()
    }
    let (n, dim) = (matrix.n, matrix.dim);
    let values = match &matrix.values {
        Values::F32(x) => Values::F32(turn(x, n, dim)),
        Values::F16(x) => Values::F16(turn(x, n, dim)),
        Values::U8(x) => Values::U8(turn(x, n, dim)),
        Values::I8(x) => Values::I8(turn(x, n, dim)),
    };
    Matrix { values, ..matrix }
}
