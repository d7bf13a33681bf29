//! The CPU executor: pure functions of a row or a leaf, mapped over rows with rayon.
//!
//! `session.rs` is a build: trees and leaf joins, then rounds of `neighborhoods.rs` and `local_join.rs`.
//! `exact_graph.rs` is exact search, by blocks of rows (`exact.rs` with `coded_scan.rs` and `scan.rs`) or by pairs of
//! chunks (`all_pairs.rs`). What is here is the twin that the GPU's kernels are tested against.

pub(crate) mod all_pairs;
pub(crate) mod blocks;
mod coded_scan;
pub(crate) mod cost;
pub(crate) mod exact;
pub(crate) mod exact_graph;
mod executor;
mod fill;
pub(crate) mod leaf_join;
pub(crate) mod leaf_mates;
mod local_join;
mod memory;
pub(crate) mod neighborhoods;
mod regroup;
pub(crate) mod scan;
mod scratch;
pub(crate) mod session;

pub(crate) use executor::CpuExecutor;
pub(crate) use memory::estimate_memory;

use crate::report::ExecutorInfo;

/// What the CPU executor runs on and compares, for reports.
pub(crate) fn info(rows: String) -> ExecutorInfo {
    ExecutorInfo::Cpu { threads: rayon::current_num_threads(), rows }
}
