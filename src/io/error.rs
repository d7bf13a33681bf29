//! What can be wrong with a file.

use std::path::PathBuf;

use thiserror::Error;

/// Why a file cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IoError {
    /// The operating system said no.
    #[error("{}: {source}", path.display())]
    Os {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The end of the name is none of the formats.
    #[error(
        "{}: unknown kind of file; known are .npy .npz .fvecs .bvecs .ivecs .fbin .u8bin .i8bin .ibin -ubyte .idx (.gz) .hdf5 .h5",
        path.display()
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The content is not of the kind that the name says.
    #[error("{}: not {expected}: {found}", path.display())]
    Mislabelled {
        /// The file.
        path: PathBuf,
        /// What the name says.
        expected: &'static str,
        /// What is there instead.
        found: String,
    },
    /// The file ends before what its header promises.
    #[error("{}: truncated: {what} takes {needed} bytes, {available} are there", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: String,
        /// Bytes promised.
        needed: u128,
        /// Bytes there.
        available: u64,
    },
    /// Values of a type that is not a number this crate takes.
    #[error("{}: values of type {dtype} are not supported; float16, float32, float64 and integers are", path.display())]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The type in the file.
        dtype: String,
    },
    /// An array of another shape than is needed.
    #[error("{}: {what}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// What was found and what is needed.
        what: String,
    },
    /// The array asked for is not there, or none was named among several.
    #[error("{}: {}; arrays there: {}", path.display(), wanted.as_ref().map_or("name one array".into(), |w| format!("no array `{w}`")), arrays.join(", "))]
    WhichArray {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        wanted: Option<String>,
        /// Names and shapes in the file.
        arrays: Vec<String>,
    },
    /// Sparse rows that cannot be points.
    #[error("{}: {source}", path.display())]
    Points {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        source: crate::PointsError,
    },
}
