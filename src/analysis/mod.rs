//! What a neighbour graph is built for: shared nearest neighbours, outlier scores, clusters, weights for layouts.
//!
//! Everything here takes a [`CheckedGraph`], made once of a [`KnnGraph`](crate::KnnGraph), and costs O(edges · k) or
//! less: no n x n matrix is ever made.

mod checked_graph;
pub mod cluster;
mod edge;
mod error;
pub mod outliers;
mod snn;
mod sorted_rows;

pub use checked_graph::CheckedGraph;
pub use edge::Edge;
pub use error::AnalysisError;
pub use snn::{Overlap, SharedNeighbors};
