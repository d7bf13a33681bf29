//! Devices that are lost, run out of memory or hang, in every step of a build: it ends in that error, or with the right
//! graph.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{DIM, N, data, gpu, open, own_gpu, plan};
use crate::builder::NnDescent;
use crate::dataset::Problem;
use crate::error::{BuildError, GpuError};
use crate::executor::gpu::device::Gpu;
use crate::executor::gpu::executor::GpuExecutor;
use crate::executor::gpu::session::GpuSession;
use crate::executor::{Executor, Session};
use crate::graph::KnnGraph;
use crate::metric::Metric;
use crate::params::{Algorithm, Device, Plan};
use crate::points::Points;
use crate::report::Reason;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Lost,
    OutOfMemory,
}

/// Something that goes wrong in a call to the device, or in all that are for one purpose ([`ALL`]); without one, calls
/// are only counted.
#[derive(Clone)]
pub(in super::super) struct Trouble {
    at: Option<(Kind, &'static str, usize)>,
    /// Calls so far, by what they are for.
    calls: Arc<Mutex<HashMap<&'static str, usize>>>,
}

const ALL: usize = 0;

impl Trouble {
    fn new(at: Option<(Kind, &'static str, usize)>) -> Self {
        Self { at, calls: Arc::default() }
    }

    /// Counts a call, and makes it fail if it is the one.
    pub(in super::super) fn meets(&self, gpu: &Gpu, during: &'static str) -> Result<(), GpuError> {
        let mut calls = self.calls.lock().unwrap();
        let count = calls.entry(during).or_default();
        *count += 1;
        match self.at {
            Some((kind, step, call)) if step == during && (call == *count || call == ALL) => match kind {
                Kind::OutOfMemory => Err(GpuError::OutOfMemory { during, bytes: 0 }),
                Kind::Lost => {
                    gpu.destroy();
                    Ok(())
                }
            },
            _ => Ok(()),
        }
    }
}

/// A build with everything that one can do: codes with their values, a graph to begin with, rounds, more room, a look
/// at rows.
fn build(mut gpu: Gpu, trouble: &Trouble, problem: &Problem) -> Result<KnnGraph, BuildError> {
    gpu.trouble = Some(trouble.clone());
    let plan = Plan { time_kernels: true, adaptive: true, more_trees: 2, ..plan(3) };
    let first: Vec<u32> = (0..N as u32).map(|i| (i + 1) % N as u32).collect();
    let begun = crate::graph::InitGraph::from((N, 1, &first[..]));
    let mut session = GpuSession::open(gpu, problem, &plan, Some(&begun), &|_| Ok(()))?;
    session.round(&|_| Ok(()))?;
    session.widen(&Plan { width: 24, n_trees: 4, ..plan }, &|_| Ok(()))?;
    session.round(&|_| Ok(()))?;
    session.peek(&[0])?;
    Box::new(session).finish(&|_| Ok(()))
}

/// Floats in 52 columns, which are compared by codes.
fn floats() -> Vec<f32> {
    data().iter().flat_map(|v| [*v, 0.37 * v, 1.0, 900.0 - v]).collect()
}

#[test]
fn a_device_that_fails_in_any_step_is_an_error() {
    let floats = floats();
    let points = Points::dense(&floats, N, 4 * DIM).unwrap();
    let problem = Problem::of_dense(&points, &Metric::SqEuclidean);
    let Some(whole) = gpu() else { return };
    let counted = Trouble::new(None);
    let right = build(whole.again(), &counted, &problem).unwrap();
    let mut calls: Vec<(&'static str, usize)> = counted.calls.lock().unwrap().iter().map(|(s, c)| (*s, *c)).collect();
    calls.sort_unstable();
    let steps: Vec<&str> = calls.iter().map(|call| call.0).collect();
    for step in ["data", "row ids", "upload", "leaves", "init_graph", "round", "local_join", "reading rows"] {
        assert!(steps.contains(&step), "{step} is none of {steps:?}");
    }
    for &(step, count) in &calls {
        // The first call and the last.
        for call in if count > 1 { vec![1, count] } else { vec![1] } {
            match build(whole.again(), &Trouble::new(Some((Kind::OutOfMemory, step, call))), &problem) {
                Err(BuildError::Gpu(GpuError::OutOfMemory { .. })) => {}
                // Values that there is no memory for are not needed, and the number of uploads varies with threads.
                Ok(graph) => assert_eq!(graph.all_ids(), right.all_ids(), "{step} {call}"),
                Err(other) => panic!("{step} {call}: {other:?}"),
            }
        }
        let Some(own) = own_gpu(|_| {}) else { return };
        match build(own, &Trouble::new(Some((Kind::Lost, step, count.div_ceil(2)))), &problem) {
            Err(BuildError::Gpu(GpuError::Lost { .. })) => {}
            other => panic!("{step}: {:?}", other.map(drop)),
        }
    }
    assert_eq!(build(whole, &Trouble::new(None), &problem).unwrap(), right, "the device is still there");
}

/// A device that does not answer in time is given up, and the next build opens another.
#[test]
fn a_device_that_hangs_is_an_error() {
    let Some(mut gpu) = own_gpu(|_| {}) else { return };
    let floats = floats();
    let points = Points::dense(&floats, N, 4 * DIM).unwrap();
    let problem = Problem::of_dense(&points, &Metric::SqEuclidean);
    assert_eq!(gpu.patience, None, "software does not hang");
    assert_eq!(super::gpu().map(|gpu| gpu.again().patience), Some(None));
    gpu.patience = Some(Duration::ZERO);
    let error = GpuSession::open(gpu.again(), &problem, &plan(3), None, &|_| Ok(())).map(drop).unwrap_err();
    assert!(error.to_string().ends_with("failed on the device: no answer for 0 s"), "{error}");
    assert!(!gpu.shared().is_usable());
    drop(open(super::gpu().unwrap(), &problem, &plan(3)));
}

/// Where a device fails that was left to choose, the CPU builds the graph, and the report says why.
#[test]
fn the_cpu_takes_over_from_a_device_that_fails() {
    let floats = floats();
    let points = Points::dense(&floats, N, 4 * DIM).unwrap();
    let problem = Problem::of_dense(&points, &Metric::SqEuclidean);
    let builder = NnDescent::new(Metric::SqEuclidean).n_neighbors(9).recall_sample(0).algorithm(Algorithm::NnDescent);
    let right = builder.clone().device(Device::Cpu).graph(&points).unwrap();
    let troubles = ["parameters", "block_pairs", "upload", "leaves", "round", "final distances", "reading points"];
    let lost = troubles.map(|step| Some((Kind::Lost, step, 1)));
    let out_of_memory = ["data", "upload", "round"].map(|step| Some((Kind::OutOfMemory, step, ALL)));
    for at in lost.into_iter().chain(out_of_memory).chain([None]) {
        let Some(mut gpu) = own_gpu(|_| {}) else { return };
        gpu.trouble = at.map(|at| Trouble::new(Some(at)));
        // None of these, but a device that hangs.
        gpu.patience = if at.is_none() { Some(Duration::ZERO) } else { None };
        let executor: Box<dyn Executor> = Box::new(GpuExecutor::on(gpu));
        let plan = builder.plan(&points).unwrap();
        let built = builder.build_by_gpu_or_cpu(Ok(executor), &problem, plan, Vec::new()).unwrap().built;
        let [Reason::GpuFailed(error)] = &built.report.reasons[..] else { panic!("{at:?}: {:?}", built.report) };
        match (at, error) {
            (Some((Kind::Lost, ..)), GpuError::Lost { .. }) => {}
            (Some((Kind::OutOfMemory, ..)), GpuError::OutOfMemory { .. }) => {}
            (None, GpuError::Failed { reason, .. }) => assert!(reason.starts_with("no answer for"), "{reason}"),
            _ => panic!("{at:?}: {error}"),
        }
        assert!(!built.report.executor.is_gpu() && built.graph == right.graph, "{at:?}");
    }
}
