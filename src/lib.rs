//! k-nearest-neighbour graphs of your own points with NN-Descent, and a search index over them.
//!
//! A matrix goes in, a graph comes out: for every row the `k` nearest others, with distances. Random-projection trees
//! find most of them, NN-Descent (Dong, Charikar and Li, WWW 2011) the rest. Rows are complete (exactly `k` distinct
//! neighbours), ascending by (distance, id), and the same to the bit for the same seed at any number of threads.
//! Nothing is printed; events go to `tracing`. Work runs in the rayon pool that a call is made from.
//!
//! # A graph and its report
//!
//! ```
//! use nndescent::{Metric, NnDescent, Points};
//!
//! let data: Vec<f32> = (0..500 * 8).map(|i| ((i * 37) % 101) as f32).collect();
//! let points = Points::dense(&data, 500, 8)?; // f32, f16, u8 or i8, row-major
//! let built = NnDescent::new(Metric::Euclidean).n_neighbors(10).seed(42).graph(&points)?;
//! for neighbor in built.graph.neighbors(0) {
//!     println!("{} at {}", neighbor.id, neighbor.distance);
//! }
//! // The recall is estimated on your own data, by exact search of a sample of rows.
//! assert!(built.report.recall.is_some_and(|recall| recall.estimate > 0.99));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`NnDescent`] has every setting of a build, [`report`] what a build says of itself, [`recall`] the measures,
//! [`exact`] brute force, and [`KnnGraph::to_csr`] the hand-over to other libraries.
//!
//! # An index
//!
//! ```
//! use nndescent::{Index, Metric, NnDescent, Points, SearchOptions};
//!
//! let data: Vec<f32> = (0..2000 * 16).map(|i| ((i * 7919) % 1013) as f32).collect();
//! let mut index = NnDescent::new(Metric::Euclidean).index(&Points::dense(&data, 2000, 16)?)?.index;
//! index.tune(0.99, 10, 500)?; // the smallest epsilon that reaches this recall@10 on 500 of the points
//! let nearest = index.nearest(&data[..16], 10)?; // one vector
//! assert_eq!(nearest[0].id, 0);
//!
//! let even = SearchOptions::new().filter(|id| id % 2 == 0);
//! let hits = index.query(&Points::dense(&data[..160], 10, 16)?, 5, &even)?; // a batch
//! assert!(hits.ids(3).iter().all(|id| id % 2 == 0));
//!
//! let file = std::env::temp_dir().join(format!("nndescent-doc-{}.nnd", std::process::id()));
//! index.save(&file)?;
//! assert_eq!(Index::open(&file)?.len(), 2000); // mapped, not read
//! # std::fs::remove_file(file)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Index`] can be changed ([`add`](Index::add), [`update`](Index::update), [`remove`](Index::remove)) and cloned
//! cheaply: readers keep a snapshot while a writer adds.
//!
//! # Sparse rows, bits, custom distances
//!
//! ```
//! use nndescent::custom::Custom;
//! use nndescent::{Metric, NnDescent, Points};
//!
//! // Two to three entries in each of 300 sparse rows of 50 columns.
//! let rows = (0..300usize).map(|i| [i % 17, 17 + i % 13, 30 + i % 20]);
//! let indices: Vec<u32> = rows.flatten().map(|column| column as u32).collect();
//! let indptr: Vec<usize> = (0..=300).map(|row| 3 * row).collect();
//! let sparse = Points::csr(50, &indptr, &indices, &[1.0; 900])?;
//! let graph = NnDescent::new(Metric::Cosine).n_neighbors(5).graph(&sparse)?.graph;
//! assert_eq!(graph.n(), 300);
//!
//! let fingerprints: Vec<u8> = (0..200 * 8u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
//! let bits = Points::bits(&fingerprints, 200, 64)?;
//! let graph = NnDescent::new(Metric::BitJaccard).n_neighbors(5).graph(&bits)?.graph;
//! assert_eq!(graph.k(), 5);
//!
//! let words: Vec<String> = (0..300).map(|i| format!("{:b}", i * 37 % 1009)).collect();
//! let words = Custom::items(words, |a: &String, b: &String| a.len().abs_diff(b.len()) as f32);
//! let index = NnDescent::new(Metric::Custom).index(&Points::items(&words)?)?.index;
//! assert_eq!(index.len(), 300);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Metric`] has some forty metrics, by the names of PyNNDescent; [`custom`] takes any other.
//!
//! # What a graph is for
//!
//! [`analysis`] scores outliers, finds clusters, counts shared neighbours and weighs edges for layouts, and hands
//! graphs over to other programs.
//!
//! ```
//! use nndescent::analysis::outliers::{Score, scores};
//! use nndescent::analysis::CheckedGraph;
//! use nndescent::{Metric, NnDescent, Points};
//!
//! let data: Vec<f32> = (0..500 * 8).map(|i| ((i * 37) % 101) as f32).collect();
//! let graph = NnDescent::new(Metric::Euclidean).n_neighbors(10).graph(&Points::dense(&data, 500, 8)?)?.graph;
//! let scores = scores(&CheckedGraph::new(&graph)?, Score::Lof, 10)?;
//! assert!(scores.iter().all(|score| *score > 0.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # On a GPU
//!
//! With the feature `gpu`, [`Device::Auto`] takes a hardware GPU (Vulkan, Metal or DX12) for large jobs, and the report
//! says what ran and why. [`Device::Gpu`] takes that GPU or fails; [`NnDescent::device`] sets either.
//!
//! # Instruction sets
//!
//! On the CPU, distances are computed with the best instruction set of the machine; the report and
//! [`cpu::instructions`] name it. The environment variable `NNDESCENT_SIMD`, read once in a process, lowers it, for
//! benchmarks and comparisons: from low to high `portable`, `avx2`, `avxvnni`, `avx512`, `avx512vnni` on x86-64, and
//! `portable`, `neon`, `neondot` on 64-bit ARM. Where the machine lacks the one that is named, the best below it is
//! used. Results may differ in the last bits of a distance.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `gpu` (default) | the GPU executor, through `wgpu` |
//! | `io` | readers and writers of .npy, .npz (scipy's CSR too), fvecs/bvecs/ivecs, fbin/u8bin/i8bin/ibin, IDX, CSV |
//! | `hdf5` | `io`, and the HDF5 files of ann-benchmarks |
//! | `parquet` | `io`, and columns of Parquet and Arrow files |
//! | `ndarray` | [`Points`] from `ndarray` views, and graphs as such |
//! | `sprs` | sparse rows from `sprs` matrices, and graphs as such |
//! | `serde` | reports are `serde::Serialize` |
//! | `cli` | the command `nndescent`: `cargo install nndescent --features cli` |

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod analysis;
mod atomic_file;
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
#[cfg(feature = "io")]
pub mod out_of_core;
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
pub use error::{BuildError, SearchError};
pub use graph::{CsrGraph, InitGraph, KnnGraph, Neighbor};
pub use metric::{Metric, MetricArgument, MetricError, MetricSupport};
pub use params::{Algorithm, Device, GpuSelector};
pub use points::{Csr, CsrMatrix, Element, Points, PointsError, SparseRow, custom};
pub use progress::Progress;
pub use report::BuildReport;
pub use search::{Hits, Index, IndexError, IndexOptions, Quantization, RadiusHits, SearchOptions};

/// What goes with an [`Index`]: what it holds, what searches cost, what tuning found.
pub mod index {
    pub use crate::search::{DiversifyMethod, IndexLock, IndexMemory, QueryStats, SearchScratch, Tuning};
}

/// Errors of single operations, which the errors at the root of the crate mostly hold.
pub mod errors {
    pub use crate::error::GpuError;
    pub use crate::graph::GraphShapeError;
    pub use crate::params::ParseChoiceError;
    pub use crate::persist::IndexFileError;
    pub use crate::simd::UnknownLevelError;
}

/// The CPU's part in speed: its instruction set.
pub mod cpu {
    pub use crate::simd::instructions;
}

/// The GPUs of this machine.
///
/// ```
/// for adapter in nndescent::gpu::adapters() {
///     println!("{adapter}: driver {}, bindings of {} MiB", adapter.driver, adapter.max_binding_bytes >> 20);
/// }
/// ```
#[cfg(feature = "gpu")]
pub mod gpu {
    pub use crate::executor::gpu::{AdapterKind, AdapterSummary, adapters};
}

/// The README's example, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
