//! Readers and writers of files of vectors and graphs (feature `io`).
//!
//! | ending | what | values |
//! |---|---|---|
//! | `.npy`, `.npz` | numpy arrays, n x d, C or Fortran order | f16, f32, f64, (u)int8 to (u)int64, bool |
//! | `.npz` of scipy.sparse | sparse rows in CSR format: [`read_csr`] | as above |
//! | `.fvecs`, `.bvecs`, `.ivecs` | TEXMEX vectors, each with its length | f32, u8, i32 |
//! | `.fbin`, `.u8bin`, `.i8bin`, `.ibin` | big-ann-benchmarks: n and d, then rows | f32, u8, i8, i32 |
//! | `-ubyte`, `.idx`, both also `.gz` | IDX (MNIST): n x h x w images become n x hw | every IDX type |
//! | `.csv`, `.tsv` | rows of numbers, with or without a header | decimal numbers |
//! | `.parquet`, `.arrow`, `.feather` | a column of lists, or columns of numbers (feature `parquet`) | as of HDF5 |
//! | `.hdf5`, `.h5` | ann-benchmarks, dataset `train` unless named (feature `hdf5`) | floats and integers |
//!
//! Values of type f32, f16, u8 and i8 keep their type; others are converted to f32, and [`Matrix::narrowed_from`] names
//! the type they had, [`Matrix::narrowing`] what that cost. [`read_wide`] leaves values as they are: see
//! [`WideMatrix`]. The sizes in a header are checked against the length of the file before memory is allocated.
//!
//! ```
//! use nndescent::io::{read_graph, read_matrix, write_graph};
//! use nndescent::{Metric, NnDescent};
//!
//! # let folder = std::env::temp_dir().join(format!("nndescent-io-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let rows: Vec<u8> = (0..200 * 4).flat_map(|i| [(i * 37 % 101) as f32].map(f32::to_le_bytes)).flatten().collect();
//! # let header = [200u32.to_le_bytes(), 4u32.to_le_bytes()].concat();
//! # std::fs::write(folder.join("vectors.fbin"), [header, rows].concat())?;
//! let matrix = read_matrix(folder.join("vectors.fbin"), None)?;
//! let built = NnDescent::new(Metric::Euclidean).n_neighbors(5).graph(&matrix.points()?)?;
//! write_graph(folder.join("graph.npz"), &built.graph)?; // numpy.load("graph.npz")["indices"]
//! assert_eq!(read_graph(folder.join("graph.npz"))?, built.graph);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "parquet")]
mod arrow;
mod center;
mod convert;
mod csr;
mod error;
mod floats;
mod graph_file;
#[cfg(feature = "hdf5")]
mod hdf5;
mod ids;
mod idx;
mod kind;
mod losses;
mod matrix;
mod matrix_file;
mod matrix_out;
mod npy;
mod npy_out;
mod number;
mod refine;
mod source;
mod text;
mod values;
mod vecs;
mod wide;

use std::path::Path;

pub use center::Center;
#[doc(hidden)]
pub use csr::is_csr_file;
pub use csr::{SparseMatrix, read_csr, read_sparse};
pub use error::IoError;
#[doc(hidden)]
pub use floats::read_floats;
pub(crate) use graph_file::write_graph_pieces;
pub use graph_file::{read_graph, write_graph, write_graph_to};
pub use ids::{read_ids, read_selection};
pub(crate) use losses::Losses;
pub use losses::PrecisionLoss;
pub(crate) use matrix::with_values;
pub use matrix::{ArrayInfo, Matrix, Narrowing, Values};
pub(crate) use matrix_file::{MatrixFile, gather_runs, read_exact_at};
pub use matrix_out::{MatrixFormat, write_matrix, write_matrix_to};
pub use npy_out::{NpyElement, write_values, write_values_to};
pub use refine::Refined;
pub use wide::WideMatrix;

use kind::Kind;

/// The format of a file, by the end of its name.
enum Format {
    Npy,
    Npz,
    Vecs(Kind),
    Bin(Kind),
    Idx,
    #[cfg(feature = "parquet")]
    Parquet,
    #[cfg(feature = "parquet")]
    Arrow,
    /// Whether the delimiter is the tab.
    Text(bool),
    #[cfg(feature = "hdf5")]
    Hdf5,
}

fn format_of(path: &Path) -> Result<Format, IoError> {
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
        #[cfg(feature = "parquet")]
        "parquet" | "pq" => Format::Parquet,
        #[cfg(feature = "parquet")]
        "arrow" | "feather" | "ipc" => Format::Arrow,
        #[cfg(not(feature = "parquet"))]
        "parquet" | "pq" | "arrow" | "feather" | "ipc" => {
            return Err(IoError::Feature { path: path.into(), feature: "parquet" });
        }
        "csv" => Format::Text(false),
        "tsv" => Format::Text(true),
        #[cfg(feature = "hdf5")]
        "hdf5" | "h5" => Format::Hdf5,
        #[cfg(not(feature = "hdf5"))]
        "hdf5" | "h5" => return Err(IoError::Feature { path: path.into(), feature: "hdf5" }),
        _ => return Err(IoError::UnknownFormat { path: path.into() }),
    })
}

/// Reads a matrix, in the format that the end of the file's name says. `array` names one of several arrays in an `.npz`
/// or HDF5 file; without it the only two-dimensional array is read (of HDF5, the dataset `train`). Of Parquet and Arrow
/// it names columns, separated by commas; without it the only column of lists is read, or all columns if all are
/// numbers.
///
/// # Errors
/// [`IoError`] if the file cannot be read, is not what its name says, is truncated, holds no such matrix, or a value
/// that f32 cannot hold.
pub fn read_matrix(path: impl AsRef<Path>, array: Option<&str>) -> Result<Matrix, IoError> {
    let path = path.as_ref();
    let refused = |source| IoError::Points { path: path.into(), source };
    read_wide(path, array)?.into_narrowed(&Center::None).map_err(refused)
}

/// Same as [`read_matrix`], but values keep the type that they have in the file.
///
/// # Errors
/// Same as [`read_matrix`], except that values may be of any size.
pub fn read_wide(path: impl AsRef<Path>, array: Option<&str>) -> Result<WideMatrix, IoError> {
    let path = path.as_ref();
    match format_of(path)? {
        Format::Npy => npy::read_npy(path),
        Format::Npz => npy::read_npz(path, array),
        Format::Vecs(kind) => vecs::read_vecs(path, kind),
        Format::Bin(kind) => vecs::read_bin(path, kind),
        Format::Idx => idx::read_idx(path),
        Format::Text(tabs) => text::read_text(path, tabs),
        #[cfg(feature = "parquet")]
        Format::Parquet => arrow::read_parquet(path, array),
        #[cfg(feature = "parquet")]
        Format::Arrow => arrow::read_arrow(path, array),
        #[cfg(feature = "hdf5")]
        Format::Hdf5 => hdf5::read_hdf5(path, array),
    }
}

/// Names, shapes and types of the arrays in a file, read from its headers.
///
/// # Errors
/// Same as [`read_matrix`].
pub fn describe(path: impl AsRef<Path>) -> Result<Vec<ArrayInfo>, IoError> {
    let path = path.as_ref();
    match format_of(path)? {
        Format::Npy => npy::describe_npy(path).map(|a| vec![a]),
        Format::Npz => npy::describe_npz(path),
        Format::Vecs(kind) => vecs::describe_vecs(path, kind).map(|a| vec![a]),
        Format::Bin(kind) => vecs::describe_bin(path, kind).map(|a| vec![a]),
        Format::Idx => idx::describe_idx(path).map(|a| vec![a]),
        Format::Text(tabs) => text::describe_text(path, tabs).map(|a| vec![a]),
        #[cfg(feature = "parquet")]
        Format::Parquet => arrow::describe_parquet(path),
        #[cfg(feature = "parquet")]
        Format::Arrow => arrow::describe_arrow(path),
        #[cfg(feature = "hdf5")]
        Format::Hdf5 => hdf5::describe_hdf5(path),
    }
}
