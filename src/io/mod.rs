//! Files that vectors and graphs come in (feature `io`).
//!
//! | ending | what | values |
//! |---|---|---|
//! | `.npy`, `.npz` | numpy arrays, n x d, C or Fortran order | f16, f32, f64, (u)int8 to (u)int64, bool |
//! | `.npz` of scipy.sparse | sparse rows in CSR format: [`read_csr`] | as above |
//! | `.fvecs`, `.bvecs`, `.ivecs` | TEXMEX vectors, each with its length | f32, u8, i32 |
//! | `.fbin`, `.u8bin`, `.i8bin`, `.ibin` | big-ann-benchmarks: n and d, then rows | f32, u8, i8, i32 |
//! | `-ubyte`, `.idx`, both also `.gz` | IDX (MNIST): n x h x w images become n x hw | every IDX type |
//! | `.hdf5`, `.h5` | ann-benchmarks, dataset `train` unless named | floats and integers |
//!
//! f32, f16, u8 and i8 stay as they are; other numbers are narrowed to f32, which [`Matrix::narrowed_from`] says. Sizes
//! that a file promises are checked against its length before memory is taken.

mod csr;
mod error;
mod floats;
mod graph_file;
mod hdf5;
mod ids;
mod idx;
mod npy;
mod source;
mod values;
mod vecs;

use std::path::Path;

pub use csr::{is_csr_file, read_csr};
pub use error::IoError;
pub use floats::read_floats;
pub use graph_file::{read_graph, write_graph};
pub use ids::read_ids;
pub use values::Values;

use crate::points::{Points, PointsError};

/// A matrix read from a file, row-major.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Matrix {
    /// Rows.
    pub n: usize,
    /// Columns.
    pub dim: usize,
    /// `n x dim` values.
    pub values: Values,
    /// The type in the file, where values had to be narrowed to f32.
    pub narrowed_from: Option<&'static str>,
}

impl Matrix {
    /// The matrix as points.
    ///
    /// # Errors
    /// Those of [`Points::dense`].
    pub fn points(&self) -> Result<Points<'_>, PointsError> {
        match &self.values {
            Values::F32(x) => Points::dense(x, self.n, self.dim),
            Values::F16(x) => Points::dense(x, self.n, self.dim),
            Values::U8(x) => Points::dense(x, self.n, self.dim),
            Values::I8(x) => Points::dense(x, self.n, self.dim),
        }
    }
}

/// An array in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArrayInfo {
    /// Its name; empty where the format has none.
    pub name: String,
    /// Its extent in every dimension.
    pub shape: Vec<usize>,
    /// The type of its values, as numpy names it.
    pub dtype: String,
}

/// How a file is read, told by the end of its name.
enum Format {
    Npy,
    Npz,
    Vecs(values::Kind),
    Bin(values::Kind),
    Idx,
    Hdf5,
}

fn format_of(path: &Path) -> Result<Format, IoError> {
    use values::Kind;
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    if plain.ends_with("-ubyte") || plain.ends_with(".idx") {
        return Ok(Format::Idx);
    }
    Ok(match name.rsplit('.').next().unwrap_or_default() {
        "npy" => Format::Npy,
        "npz" => Format::Npz,
        "fvecs" => Format::Vecs(Kind::F32),
        "bvecs" => Format::Vecs(Kind::U8),
        "ivecs" => Format::Vecs(Kind::I32),
        "fbin" => Format::Bin(Kind::F32),
        "u8bin" => Format::Bin(Kind::U8),
        "i8bin" => Format::Bin(Kind::I8),
        "ibin" => Format::Bin(Kind::I32),
        "hdf5" | "h5" => Format::Hdf5,
        _ => return Err(IoError::UnknownFormat { path: path.into() }),
    })
}

/// Reads a matrix; the format is told by the end of the file's name. `array` names one of several arrays in `.npz` and HDF5
/// files; without it the only two-dimensional array is taken (HDF5: `train`).
///
/// # Errors
/// [`IoError`]: the file cannot be read, is not what its name says, is truncated, or does not hold such a matrix.
pub fn read_matrix(path: &Path, array: Option<&str>) -> Result<Matrix, IoError> {
    match format_of(path)? {
        Format::Npy => npy::read_npy(path),
        Format::Npz => npy::read_npz(path, array),
        Format::Vecs(kind) => vecs::read_vecs(path, kind),
        Format::Bin(kind) => vecs::read_bin(path, kind),
        Format::Idx => idx::read_idx(path),
        Format::Hdf5 => hdf5::read_hdf5(path, array),
    }
}

/// The arrays of a file, from its headers.
///
/// # Errors
/// Those of [`read_matrix`].
pub fn describe(path: &Path) -> Result<Vec<ArrayInfo>, IoError> {
    match format_of(path)? {
        Format::Npy => npy::describe_npy(path).map(|a| vec![a]),
        Format::Npz => npy::describe_npz(path),
        Format::Vecs(kind) => vecs::describe_vecs(path, kind).map(|a| vec![a]),
        Format::Bin(kind) => vecs::describe_bin(path, kind).map(|a| vec![a]),
        Format::Idx => idx::describe_idx(path).map(|a| vec![a]),
        Format::Hdf5 => hdf5::describe_hdf5(path),
    }
}
