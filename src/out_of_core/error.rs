//! Errors of builds beyond memory.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::Stage;
use crate::error::BuildError;
use crate::io::IoError;

/// Why a build beyond memory, or a piece of one, failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OutOfCoreError {
    /// The input, or the graph that is written.
    #[error(transparent)]
    Io(#[from] IoError),
    /// An error of the operating system on a working file: no room, no permission.
    #[error("{}: {source}", path.display())]
    Os {
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// Settings or rows that cannot be used.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The build of a part failed.
    #[error("part {part}: {source}")]
    Part {
        /// The part.
        part: usize,
        /// Why.
        source: BuildError,
    },
    /// An option is out of its range.
    #[error("{name} = {value}, but it must be {range}")]
    Parameter {
        /// Name of the option.
        name: &'static str,
        /// The value given.
        value: String,
        /// What it may be.
        range: String,
    },
    /// The limit leaves no room for parts worth building.
    #[error("a limit of {limit} bytes of memory is too small for {rows} rows: at least {needed} are needed")]
    Memory {
        /// The limit.
        limit: u64,
        /// Rows of the input.
        rows: usize,
        /// The least limit that would do.
        needed: u64,
    },
    /// A working file that is truncated, was not written to its end, or was changed.
    #[error("{}: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How that shows.
        what: String,
    },
    /// A working file of another version of the format.
    #[error("{}: format {found}, but this version reads {known}: make it again", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Version of its format.
        found: u32,
        /// Version that this crate reads.
        known: u32,
    },
    /// A working file that belongs to another plan, or a plan to another build.
    #[error("{}: {name} is {found}, but {expected} is expected", path.display())]
    Disagrees {
        /// The file.
        path: PathBuf,
        /// What differs: `seed`, `k`, `metric`, `data`.
        name: String,
        /// What it is in the file.
        found: String,
        /// What it has to be.
        expected: String,
    },
    /// A part that has not been built.
    #[error("part {part} is missing: there is no {}", path.display())]
    Missing {
        /// The part.
        part: usize,
        /// The file that it should be in.
        path: PathBuf,
    },
    /// Parts that hold fewer neighbours of a row than were asked for.
    #[error(
        "row {row} has {found} neighbours in its parts, {parts:?}, but {k} are needed: raise the limit of memory or overlap"
    )]
    TooFew {
        /// The row.
        row: usize,
        /// The parts that it is in.
        parts: Vec<usize>,
        /// Neighbours found.
        found: usize,
        /// Neighbours of every row.
        k: usize,
    },
    /// Another process works in the folder.
    #[error("{}: another process is building here", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The progress callback asked to stop.
    #[error("cancelled: {stage}")]
    Cancelled {
        /// What was being done.
        stage: Stage,
    },
}

impl OutOfCoreError {
    pub(super) fn os(path: &Path, source: io::Error) -> Self {
        Self::Os { path: path.into(), source }
    }

    pub(super) fn parameter(name: &'static str, value: impl ToString, range: impl Into<String>) -> Self {
        Self::Parameter { name, value: value.to_string(), range: range.into() }
    }
}
