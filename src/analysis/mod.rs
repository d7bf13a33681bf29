//! What a neighbour graph is built for: shared nearest neighbours, outlier scores, clusters, weights for layouts.
//!
//! Everything here takes a [`CheckedGraph`], made once of a [`KnnGraph`](crate::KnnGraph), and costs O(edges · k) or
//! less: no n x n matrix is ever made.

mod checked_graph;
pub mod cluster;
mod components;
mod edges;
mod error;
pub mod outliers;
mod rows;
mod snn;
mod sorted_rows;
mod symmetric;
mod umap;

pub use checked_graph::CheckedGraph;
pub use components::{Components, ConnectError, Edge, components, connect};
pub use error::AnalysisError;
pub use rows::{hubness, in_degrees, merged, neighbor_overlap, truncated};
pub use snn::{Overlap, SharedNeighbors};
pub use symmetric::Symmetry;
pub use umap::FuzzySet;
