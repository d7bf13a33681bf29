//! k-nearest-neighbour graphs with NN-Descent.

mod executor;
mod forest;
mod graph;
mod metric;
mod points;
mod rng;
#[doc(hidden)]
pub mod lab;

pub use executor::RoundStats;
pub use graph::{KnnGraph, UNKNOWN};
pub use metric::{Metric, ParseMetricError};
pub use points::{Dense, Element, MAX_POINTS, Points, PointsError, Rows};
