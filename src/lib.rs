//! k-nearest-neighbour graphs with NN-Descent.

mod graph;
mod points;

pub use graph::{KnnGraph, UNKNOWN};
pub use points::{Dense, Element, MAX_POINTS, Points, PointsError, Rows};
