//! Errors of reading and writing files.

use std::path::PathBuf;

use thiserror::Error;

/// Why a file cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IoError {
    /// The operating system reported an error.
    #[error("{}: {source}", path.display())]
    Os {
        /// The file.
        path: PathBuf,
        /// Its error.
        source: std::io::Error,
    },
    /// The end of the file name belongs to no known format.
    #[error(
        "{}: unknown kind of file; known are .npy .npz .fvecs .bvecs .ivecs .fbin .u8bin .i8bin .ibin -ubyte .idx \
         (.gz) .csv .tsv .hdf5 .h5 .parquet .arrow .feather",
        path.display()
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The format is read only with a feature of this crate that is not enabled.
    #[error("{}: reading this format needs the crate's feature `{feature}`", path.display())]
    Feature {
        /// The file.
        path: PathBuf,
        /// The feature.
        feature: &'static str,
    },
    /// The content is not what the name says.
    #[error("{}: not {expected}: {found}", path.display())]
    Mislabelled {
        /// The file.
        path: PathBuf,
        /// What the name says.
        expected: &'static str,
        /// What is there instead.
        found: String,
    },
    /// The file is shorter than its header promises.
    #[error("{}: truncated: {what} takes {needed} bytes, {available} are there", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The part that is cut off.
        what: String,
        /// Bytes needed.
        needed: u128,
        /// Bytes available.
        available: u64,
    },
    /// Values of a type that is not supported.
    #[error("{}: values of type {dtype} are not supported; float16, float32, float64 and integers are", path.display())]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The type in the file.
        dtype: String,
    },
    /// An array of the wrong shape, or with values out of range.
    #[error("{}: {what}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// What was found, and what is needed.
        what: String,
    },
    /// There is no array of the name asked for, or there are several and none was named.
    #[error("{}: {}; arrays there: {}", path.display(), missing(wanted.as_deref()), arrays.join(", "))]
    WhichArray {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        wanted: Option<String>,
        /// Names and shapes in the file.
        arrays: Vec<String>,
    },
    /// There is not as much memory as the file's contents take.
    #[error("{}: out of memory: {bytes} bytes are needed at once", path.display())]
    Memory {
        /// The file.
        path: PathBuf,
        /// Bytes asked for.
        bytes: u128,
    },
    /// The rows cannot be used as points.
    #[error("{}: {source}", path.display())]
    Points {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        source: crate::points::PointsError,
    },
}

fn missing(wanted: Option<&str>) -> String {
    wanted.map_or("name one array".into(), |name| format!("no array `{name}`"))
}
