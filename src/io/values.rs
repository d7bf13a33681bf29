//! Reads the numbers of a file into memory.

use bytemuck::Pod;

use super::error::IoError;
use super::kind::{Endian, Kind};
use super::matrix::Values;
use super::source::Source;
use super::wide::{WideMatrix, WideValues};

/// Reads `n x dim` numbers in row-major order.
pub(crate) fn read_rows(
    source: &mut Source,
    kind: Kind,
    endian: Endian,
    n: usize,
    dim: usize,
) -> Result<WideMatrix, IoError> {
    let what = || format!("{n} x {dim} of {}", kind.name());
    let count = source.expect_array(n, dim, kind, what)?;
    let narrow = WideValues::Narrow;
    let values = match kind {
        Kind::F32 => narrow(Values::F32(read_vec(source, count, endian, what)?)),
        Kind::F16 => narrow(Values::F16(read_vec(source, count, endian, what)?)),
        Kind::U8 | Kind::Bool => narrow(Values::U8(read_vec(source, count, endian, what)?)),
        Kind::I8 => narrow(Values::I8(read_vec(source, count, endian, what)?)),
        Kind::U16 => narrow(Values::F32(read_as::<u16, f32>(source, count, endian, what)?)),
        Kind::I16 => narrow(Values::F32(read_as::<i16, f32>(source, count, endian, what)?)),
        Kind::U32 => WideValues::F64(read_as::<u32, f64>(source, count, endian, what)?),
        Kind::I32 => WideValues::F64(read_as::<i32, f64>(source, count, endian, what)?),
        Kind::F64 => WideValues::F64(read_vec(source, count, endian, what)?),
        Kind::U64 => WideValues::U64(read_vec(source, count, endian, what)?),
        Kind::I64 => WideValues::I64(read_vec(source, count, endian, what)?),
    };
    Ok(WideMatrix::of(values, n, dim, kind.name()))
}

/// Reads `count` numbers straight into a vector.
pub(crate) fn read_vec<T: Pod>(
    source: &mut Source,
    count: usize,
    endian: Endian,
    what: impl Fn() -> String,
) -> Result<Vec<T>, IoError> {
    let mut out = room(source, count)?;
    out.resize(count, T::zeroed());
    source.fill(bytemuck::cast_slice_mut(&mut out), what)?;
    if (endian == Endian::Big) != cfg!(target_endian = "big") {
        bytemuck::cast_slice_mut::<T, u8>(&mut out).chunks_exact_mut(size_of::<T>()).for_each(<[u8]>::reverse);
    }
    Ok(out)
}

/// Reads `count` numbers through a small buffer, and converts them to a type that holds them all.
fn read_as<T: Pod, U: From<T>>(
    source: &mut Source,
    count: usize,
    endian: Endian,
    what: impl Fn() -> String,
) -> Result<Vec<U>, IoError> {
    const BLOCK: usize = 1 << 14;
    let mut out = room(source, count)?;
    while out.len() < count {
        let block = read_vec::<T>(source, BLOCK.min(count - out.len()), endian, &what)?;
        out.extend(block.into_iter().map(U::from));
    }
    Ok(out)
}

/// An empty vector with room for `count` values.
pub(crate) fn room<T>(source: &Source, count: usize) -> Result<Vec<T>, IoError> {
    let mut out = Vec::new();
    let memory = |_| IoError::Memory { path: source.path.clone(), bytes: count as u128 * size_of::<T>() as u128 };
    out.try_reserve_exact(count).map_err(memory)?;
    Ok(out)
}

/// Turns column-major values (`dim x n`) into rows.
pub(crate) fn transpose(matrix: &WideMatrix) -> WideMatrix {
    fn turn<T: Copy>(x: &[T], n: usize, dim: usize) -> Vec<T> {
        (0..n * dim).map(|at| x[at % dim * n + at / dim]).collect()
    }
    let (n, dim) = (matrix.n(), matrix.dim());
    let values = match &matrix.values {
        WideValues::Narrow(Values::F32(x)) => WideValues::Narrow(Values::F32(turn(x, n, dim))),
        WideValues::Narrow(Values::F16(x)) => WideValues::Narrow(Values::F16(turn(x, n, dim))),
        WideValues::Narrow(Values::U8(x)) => WideValues::Narrow(Values::U8(turn(x, n, dim))),
        WideValues::Narrow(Values::I8(x)) => WideValues::Narrow(Values::I8(turn(x, n, dim))),
        WideValues::F64(x) => WideValues::F64(turn(x, n, dim)),
        WideValues::I64(x) => WideValues::I64(turn(x, n, dim)),
        WideValues::U64(x) => WideValues::U64(turn(x, n, dim)),
    };
    WideMatrix::of(values, n, dim, matrix.dtype())
}
