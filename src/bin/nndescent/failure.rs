//! Messages and exit codes.

use std::fmt;
use std::process::ExitCode;

use nndescent::errors::{IndexFileError, UnknownLevelError};
use nndescent::io::IoError;
use nndescent::out_of_core::OutOfCoreError;
use nndescent::{BuildError, IndexError, PointsError, SearchError};

/// Exit code of a command that was cancelled.
pub const CANCELLED: u8 = 5;

pub const AFTER_HELP: &str = "\
Environment: NNDESCENT_SIMD=portable, avx2, avxvnni, avx512 or avx512vnni computes distances on the CPU with no better \
instruction set than that; `nndescent info` says which is used. RUST_LOG chooses what is logged.

Exit codes: 0 done; 1 anything else; 2 a wrong argument or parameter; 3 an input that \
cannot be read or used; 4 an output that cannot be written; 5 cancelled; 6 a recall that searches were to be tuned to \
was not reached (what was asked for is written all the same).";

/// Why the command ends early.
#[derive(Debug)]
pub enum Failure {
    /// An argument, or a parameter of the build.
    Argument(String),
    /// A file to read, or its contents.
    Input(String),
    /// The file to write.
    Output(String),
    /// The build was cancelled.
    Cancelled(String),
    /// A recall was not reached; the output is written.
    Missed(String),
    /// Anything else.
    Other(String),
}

impl Failure {
    pub fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Other(_) => 1,
            Self::Argument(_) => 2,
            Self::Input(_) => 3,
            Self::Output(_) => 4,
            Self::Cancelled(_) => CANCELLED,
            Self::Missed(_) => 6,
        })
    }

    /// The same failure with another message.
    pub fn map(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Argument(m) => Self::Argument(change(m)),
            Self::Input(m) => Self::Input(change(m)),
            Self::Output(m) => Self::Output(change(m)),
            Self::Cancelled(m) => Self::Cancelled(change(m)),
            Self::Missed(m) => Self::Missed(change(m)),
            Self::Other(m) => Self::Other(change(m)),
        }
    }

    /// A file that cannot be written.
    pub fn output(error: IoError) -> Self {
        Self::Output(error.to_string())
    }

    /// An index that cannot be saved.
    pub fn saving(error: &IndexFileError) -> Self {
        Self::Output(error.to_string())
    }

    /// Points of a file that cannot be used.
    pub fn points(path: &std::path::Path, error: &PointsError) -> Self {
        Self::Input(format!("{}: {error}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(m) | Self::Input(m) | Self::Output(m) => f.write_str(m),
            Self::Cancelled(m) | Self::Missed(m) | Self::Other(m) => f.write_str(m),
        }
    }
}

impl From<IoError> for Failure {
    fn from(error: IoError) -> Self {
        Self::Input(error.to_string())
    }
}

impl From<IndexFileError> for Failure {
    fn from(error: IndexFileError) -> Self {
        Self::Input(error.to_string())
    }
}

impl From<IndexError> for Failure {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::Build(error) => error.into(),
            IndexError::Parameter { .. } | IndexError::Quantization { .. } => Self::Argument(error.to_string()),
            _ => Self::Input(error.to_string()),
        }
    }
}

impl From<UnknownLevelError> for Failure {
    fn from(error: UnknownLevelError) -> Self {
        Self::Argument(error.to_string())
    }
}

impl From<SearchError> for Failure {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Parameter { .. } | SearchError::TooManyNeighbors { .. } => Self::Argument(error.to_string()),
            _ => Self::Input(error.to_string()),
        }
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        let message = error.to_string();
        match error {
            BuildError::Cancelled { .. } => Self::Cancelled(message),
            BuildError::InitGraphRows { .. } | BuildError::InitGraphId { .. } | BuildError::Mismatch { .. } => {
                Self::Input(message)
            }
            _ => Self::Argument(message),
        }
    }
}

impl From<OutOfCoreError> for Failure {
    fn from(error: OutOfCoreError) -> Self {
        let message = error.to_string();
        match error {
            OutOfCoreError::Io(error) => error.into(),
            OutOfCoreError::Build(error) => error.into(),
            OutOfCoreError::Part { source, .. } => Self::from(source).map(|_| message),
            OutOfCoreError::Os { .. } | OutOfCoreError::Locked { .. } => Self::Output(message),
            OutOfCoreError::Parameter { .. } | OutOfCoreError::Memory { .. } => Self::Argument(message),
            OutOfCoreError::Cancelled { .. } => Self::Cancelled("cancelled".into()),
            _ => Self::Input(message),
        }
    }
}
