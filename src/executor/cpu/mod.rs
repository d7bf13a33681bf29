//! The CPU executor: pure per-row functions, mapped over rows with rayon.

pub(crate) mod all_pairs;
pub(crate) mod cost;
pub(crate) mod exact;
mod executor;
mod fill;
pub(crate) mod leaf_join;
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
