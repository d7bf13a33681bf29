//! Numbers in files, and how they come into memory.

use bytemuck::Pod;
use half::f16;

use super::source::Source;
use super::{IoError, Matrix};

/// The values of a [`Matrix`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Values {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 16-bit floats.
    F16(Vec<f16>),
    /// Unsigned bytes.
    U8(Vec<u8>),
    /// Signed bytes.
    I8(Vec<i8>),
}

/// A type of number in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    F16,
    F32,
    F64,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
}

impl Kind {
    pub(crate) fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::F16 | Self::U16 | Self::I16 => 2,
            Self::F32 | Self::U32 | Self::I32 => 4,
            Self::F64 | Self::U64 | Self::I64 => 8,
        }
    }

    /// As numpy names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F16 => "float16",
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::U16 => "uint16",
            Self::I16 => "int16",
            Self::U32 => "uint32",
            Self::I32 => "int32",
            Self::U64 => "uint64",
            Self::I64 => "int64",
        }
    }
}

/// Order of the bytes of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endian {
    Little,
    Big,
}

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

/// Straight into the vector that stays.
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

/// Through a small buffer of the file's type.
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

/// From columns to rows: `values` is `dim x n`.
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
