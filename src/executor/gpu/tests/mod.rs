//! Kernels against the CPU, faults planted in them, and what happens when a device fails, on whatever adapter there is.
//!
//! Without an adapter the tests say so; `NNDESCENT_REQUIRE_GPU=1` makes that a failure.

mod codes;
mod counted;
mod devices;
mod drivers;
mod mutation;
mod parity;
mod ranking;
mod tables;
mod texts;
mod trouble;

pub(super) use trouble::Trouble;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::device::{Device, Gpu};
use super::limits::DeviceLimits;
use super::matrices;
use super::session::GpuSession;
use super::shared::{Known, known};
use crate::dataset::Problem;
use crate::error::BuildError;
use crate::metric::Metric;
use crate::params::{Params, Plan};
use crate::points::Points;
use crate::rng::hash;

pub(super) fn first() -> Option<&'static Known> {
    let first = known().first();
    if first.is_none() {
        assert!(
            std::env::var_os("NNDESCENT_REQUIRE_GPU").is_none(),
            "NNDESCENT_REQUIRE_GPU is set, but there is no adapter"
        );
        eprintln!("ignored: no GPU adapter");
    }
    first
}

/// The shared device.
pub(super) fn gpu() -> Option<Gpu> {
    Some(Gpu::of(first()?.device().expect("the adapter opens")))
}

/// A device for one test.
pub(super) fn own_gpu(limits: impl FnOnce(&mut DeviceLimits)) -> Option<Gpu> {
    let adapter = &first()?.adapter;
    let mut all = DeviceLimits::of(adapter);
    limits(&mut all);
    Some(Gpu::of(Arc::new(Device::open(adapter, all).expect("the adapter opens"))))
}

/// A device for one test that may use cooperative matrices, software or not.
pub(super) fn gpu_with_matrices() -> Option<Gpu> {
    for Known { adapter, .. } in known() {
        let matrices = matrices::of_adapter(adapter);
        if matrices.is_ok() {
            let limits = DeviceLimits { matrices: Some(matrices), ..DeviceLimits::of(adapter) };
            return Some(Gpu::of(Arc::new(Device::open(adapter, limits).expect("the adapter opens"))));
        }
        eprintln!("ignored: {}: {}", adapter.get_info().name, matrices.unwrap_err());
    }
    None
}

pub(super) const N: usize = 700;
pub(super) const DIM: usize = 13;

/// Integers in clusters, whose distances are the same in any order of summation. Ties are rare.
pub(super) fn data() -> Vec<f32> {
    let value = |i: usize| hash(1, 2, (i / DIM / 35) as u64, (i % DIM) as u64) % 800 + hash(3, 4, i as u64, 0) % 200;
    (0..N * DIM).map(|i| value(i) as f32).collect()
}

pub(super) fn plan(n_trees: usize) -> Plan {
    let params = Params { n_neighbors: Some(9), n_trees: Some(n_trees), leaf_size: Some(40), ..Params::default() };
    let plan = Plan::new(&Metric::SqEuclidean, &params, &Points::dense(&data(), N, DIM).unwrap()).unwrap();
    // The CPU's rows are longer where codes are rounded. These are integers.
    Plan { max_candidates: 8, adaptive: false, ..plan }
}

pub(super) fn problem(data: &[f32], dim: usize) -> Problem<'_> {
    Problem::of_dense(&Points::dense(data, N, dim).unwrap(), &Metric::SqEuclidean)
}

pub(super) fn open<'p>(gpu: Gpu, problem: &Problem<'p>, plan: &Plan) -> GpuSession<'p> {
    GpuSession::open(gpu, problem, plan, None, &|_| Ok(())).expect("opens")
}

pub(super) fn said(error: BuildError) -> String {
    error.to_string()
}

/// A text in the shaders, and a wrong one to replace it.
#[derive(Clone)]
pub(super) struct Fault {
    right: &'static str,
    wrong: &'static str,
    /// Shaders that contained the text.
    planted: Arc<AtomicUsize>,
}

impl Fault {
    fn new(right: &'static str, wrong: &'static str) -> Self {
        Self { right, wrong, planted: Arc::default() }
    }

    /// The text with the fault, if it contains the right text.
    pub(super) fn plant(&self, text: &str) -> String {
        if text.contains(self.right) {
            self.planted.fetch_add(1, Relaxed);
        }
        text.replace(self.right, self.wrong)
    }

    fn was_planted(&self) -> bool {
        self.planted.load(Relaxed) > 0
    }
}
