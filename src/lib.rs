//! k-nearest-neighbour graphs with NN-Descent.

mod build;
mod descent;
mod error;
pub mod eval;
pub mod exact;
mod executor;
mod forest;
mod graph;
#[cfg(feature = "io")]
pub mod io;
mod metric;
mod params;
mod points;
mod rng;

pub use build::{BuildReport, Built, NnDescent, Phase, Progress, Seconds, TargetOutcome};
pub use descent::StopReason;
pub use error::BuildError;
pub use executor::RoundStats;
pub use graph::{KnnGraph, UNKNOWN};
pub use metric::{Metric, ParseMetricError};
pub use params::{Algorithm, Device, ParseChoiceError};
pub use points::{Dense, Element, MAX_POINTS, Points, PointsError, Rows};
