//! The CPU executor: pure per-row functions, mapped over rows with rayon.

pub(crate) mod all_pairs;
pub(crate) mod cost;
mod fill;
pub(crate) mod leaf_join;
mod local_join;
pub(crate) mod neighborhoods;
mod regroup;
pub(crate) mod scan;
mod scratch;
pub(crate) mod session;

pub(crate) use session::{CpuExecutor, estimate_memory};

use crate::metric::simd::Level;

/// What the CPU executor runs on, for reports.
pub(crate) fn describe() -> String {
    format!("cpu: {} threads, {}", rayon::current_num_threads(), Level::detect().name())
}
