//! k-nearest-neighbour graphs with NN-Descent.
//!
//! A matrix goes in, a graph comes out: for every row the `k` nearest others, with distances. Random-projection trees find
//! most of them, NN-Descent (Dong, Charikar and Li, WWW 2011) the rest; the report says how well, by exact search of a
//! sample of rows.
//!
//! ```
//! use nndescent::{Metric, NnDescent, Points};
//!
//! let data: Vec<f32> = (0..500 * 8).map(|i| ((i * 37) % 101) as f32).collect();
//! let points = Points::dense(&data, 500, 8)?;
//! let built = NnDescent::new(Metric::Euclidean).n_neighbors(10).seed(42).graph(&points)?;
//! let nearest = built.graph.ids(0);
//! assert_eq!(nearest.len(), 10);
//! assert!(built.report.recall.is_some_and(|r| r.estimate > 0.99));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Rows are complete (exactly `k` distinct neighbours, never the row itself unless asked), ascending by (distance, id), and the
//! same to the bit for the same seed at any number of threads. Nothing is printed; events go to `tracing`.
//!
//! Features: `gpu` (default), the GPU executor; `io`, readers and writers of files, and `hdf5`, those of ann-benchmarks too;
//! `ndarray`, points from `ndarray` views; `sprs`, sparse rows from `sprs` matrices; `serde`, serializable reports; `cli`, the
//! command `nndescent`.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod dataset;
mod distances;
mod error;
pub mod exact;
mod executor;
mod first_non_finite;
mod forest;
mod graph;
#[cfg(feature = "io")]
pub mod io;
mod metric;
mod parallel;
mod params;
mod persist;
mod points;
mod progress;
pub mod recall;
pub mod report;
mod rng;
mod rows;
mod search;
mod simd;
mod storage;

pub use builder::{Built, Indexed, NnDescent};
pub use error::{BuildError, GpuError, SearchError};
pub use graph::{CsrGraph, GraphShapeError, InitGraph, KnnGraph, Neighbor};
pub use metric::{Metric, MetricArgument, MetricError, MetricSupport};
pub use params::{Algorithm, Device, GpuSelector, ParseChoiceError};
pub use persist::IndexFileError;
pub use points::{Csr, CsrMatrix, Element, Points, PointsError, SparseRow};
pub use progress::Progress;
pub use report::BuildReport;
pub use search::{
    DiversifyMethod, Hits, Index, IndexError, IndexMemory, IndexOptions, Quantization, QueryStats, RadiusHits,
    SearchOptions, SearchScratch, Tuning,
};

pub use points::custom;

/// The GPUs of this machine.
#[cfg(feature = "gpu")]
pub mod gpu {
    pub use crate::executor::gpu::{AdapterKind, AdapterSummary, adapters};
}

/// The README's example, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
