//! Devices: shared, too small, lost, wrong, and out of memory.

use std::sync::Arc;
use std::time::Instant;

use super::{DIM, N, data, first, gpu, open, own_gpu, plan, problem};
use crate::builder::partition;
use crate::dataset::Problem;
use crate::error::{BuildError, GpuError};
use crate::exact;
use crate::executor::gpu::device::Gpu;
use crate::executor::gpu::executor::GpuExecutor;
use crate::executor::gpu::kernels::Kernel;
use crate::executor::gpu::limits::DeviceLimits;
use crate::executor::gpu::session::GpuSession;
use crate::executor::gpu::shared::Known;
use crate::executor::gpu::source::Trust;
use crate::executor::{Executor, Session};
use crate::graph::order::{EMPTY, distance, id};
use crate::graph::rows::RowTable;
use crate::metric::Metric;
use crate::params::{GpuSelector, Plan};
use crate::points::Points;
use crate::recall;
use crate::rng::hash;

/// The same neighbours, flags included.
fn assert_same_rows(ours: &RowTable, twins: &RowTable) {
    for i in 0..N {
        let (a, b) = (ours.row(i), twins.row(i));
        assert_eq!(a, b, "row {i}: {:?} is not {:?}", describe(a), describe(b));
    }
}

fn describe(row: &[u64]) -> Vec<(f32, u32)> {
    row.iter().filter(|s| **s != EMPTY).map(|s| (distance(*s), id(*s))).collect()
}

/// Builds of several threads on one device do not disturb each other.
#[test]
fn builds_at_once_share_a_device() {
    if first().is_none() {
        return;
    }
    let build = |seed: u64| {
        let values: Vec<f32> = data().iter().map(|v| v * (1.0 + seed as f32)).collect();
        let (problem, plan) = (problem(&values, DIM), Plan { seed, ..plan(3) });
        let mut session = GpuExecutor::new(GpuSelector::Index(0)).open(&problem, &plan, None, &|_| Ok(())).unwrap();
        let rounds: Vec<u64> = (0..3).map(|_| session.round(&|_| Ok(())).unwrap().distances).collect();
        let graph = session.finish(&|_| Ok(())).unwrap();
        let (exact, _) = GpuExecutor::new(GpuSelector::Index(0)).exact(&problem, &plan, &|_| Ok(())).unwrap();
        (rounds, graph, exact)
    };
    let alone: Vec<_> = (0..4).map(build).collect();
    let at_once = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|seed| scope.spawn(move || build(seed))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>()
    });
    assert!(alone == at_once);
}

/// A device is shared until it is lost, and then replaced.
#[test]
fn a_lost_device_is_opened_anew() {
    let Some(first) = first() else { return };
    let known = Known::new(first.adapter.clone());
    let device = known.device().unwrap();
    assert!(Arc::ptr_eq(&device, &known.device().unwrap()));
    let data = data();
    let mut session = open(Gpu::of(Arc::clone(&device)), &problem(&data, DIM), &plan(2));
    session.gpu().destroy();
    assert!(session.round(&|_| Ok(())).is_err());
    let other = known.device().unwrap();
    assert!(!Arc::ptr_eq(&device, &other));
    open(Gpu::of(other), &problem(&data, DIM), &plan(2)).round(&|_| Ok(())).unwrap();
}

/// Seconds for a first small build, most of which are taken by device and pipelines.
const FIRST_USE: f64 = 1.5;

/// A build compiles the kernels that it runs, each once, and no others. Its time is the best of a few, as tests share
/// the machine.
#[test]
fn first_use_compiles_what_it_uses_and_is_fast() {
    let values: Vec<f32> = data().iter().map(|v| v * 0.25).collect();
    let mut seconds = f64::INFINITY;
    for _ in 0..4 {
        let start = Instant::now();
        let Some(gpu) = own_gpu(|_| {}) else { return };
        let problem = problem(&values, DIM);
        let mut session = GpuSession::open(gpu.again(), &problem, &plan(3), None, &|_| Ok(())).unwrap();
        for _ in 0..3 {
            session.round(&|_| Ok(())).unwrap();
        }
        assert!(session.info().to_string().ends_with("f32 rows"), "{}", session.info().to_string());
        Box::new(session).finish(&|_| Ok(())).unwrap();
        seconds = seconds.min(start.elapsed().as_secs_f64());
        let used = [
            "block_pairs",
            "empty_rows",
            "local_join",
            "neighborhoods",
            "offer_pairs",
            "recompute",
            "reverse_edges (count)",
            "reverse_edges (give_room)",
            "reverse_edges (put)",
        ];
        let mut compiled = gpu.compiled();
        compiled.sort_unstable_by_key(|kernel| kernel.0);
        assert_eq!(compiled, used.map(|name| (name, Trust::Trusted)));
    }
    eprintln!("first use: {seconds:.2} s");
    assert!(seconds < FIRST_USE, "{seconds} s");
}

#[test]
fn rows_come_back_as_they_went() {
    let Some(gpu) = gpu() else { return };
    let data = data();
    let problem = problem(&data, DIM);
    let session = open(gpu, &problem, &plan(2));
    let mut rows = session.read_rows().unwrap();
    rows.slots.iter_mut().step_by(3).for_each(|s| *s ^= u64::from(*s != EMPTY));
    *rows.slots.last_mut().unwrap() = EMPTY;
    session.write_rows(&rows).unwrap();
    assert_same_rows(&session.read_rows().unwrap(), &rows);
}

#[test]
fn wrong_results_are_found_before_they_matter() {
    let Some(gpu) = gpu() else { return };
    let data = data();
    let problem = problem(&data, DIM);
    let session = open(gpu, &problem, &plan(2));
    session.check_rows(Kernel::LocalJoin).unwrap();
    let mut rows = session.read_rows().unwrap();
    // Like a driver that drops a term of a sum.
    rows.slots[3] = crate::graph::order::fresh(distance(rows.slots[3]) * 1.05, id(rows.slots[3]));
    session.write_rows(&rows).unwrap();
    let message = session.check_rows(Kernel::LocalJoin).unwrap_err().to_string();
    assert!(message.contains("computes a distance of") && message.contains("its driver cannot be used"), "{message}");
    let row = session.order()[0];
    assert!(message.contains(&format!("in row {row} (local_join) where")), "{message}");
}

#[test]
fn a_lost_device_has_a_name() {
    let Some(gpu) = own_gpu(|_| {}) else { return };
    let data = data();
    let problem = problem(&data, DIM);
    let mut session = open(gpu, &problem, &plan(2));
    session.round(&|_| Ok(())).unwrap();
    session.round(&|_| Ok(())).unwrap();
    session.gpu().destroy();
    // In round 3.
    let error = session.round(&|_| Ok(())).unwrap_err();
    assert!(matches!(error, BuildError::Gpu(GpuError::Lost { .. })), "{error:?}");
    assert!(error.to_string().starts_with("the device was lost in"), "{error}");
    assert!(session.peek(&[0]).is_err(), "and stays lost");
}

#[test]
fn what_the_device_does_not_allow_is_named() {
    let Some(mut gpu) = gpu() else { return };
    gpu.limits = DeviceLimits { binding: 4096, buffer: 4096, ..gpu.limits };
    let data = data();
    let problem = problem(&data, DIM);
    let Err(error) = GpuSession::open(gpu, &problem, &plan(2), None, &|_| Ok(())) else { panic!("opened") };
    assert!(matches!(error, BuildError::Gpu(GpuError::TooLarge { .. })), "{error:?}");
}

/// What does not fit on the device, because of its rows or its data, is built in parts.
#[test]
fn sets_larger_than_the_device_are_built_in_parts() {
    let data = data();
    let wide: Vec<f32> = data.iter().flat_map(|v| [*v + 0.5; 8]).collect();
    let plan = plan(3);
    for (values, dim, binding) in [(&data, DIM, 24_000), (&wide, 8 * DIM, 64_000)] {
        let Some(mut gpu) = gpu() else { return };
        gpu.limits = DeviceLimits { binding, bindings: 8, ..gpu.limits };
        let problem = problem(values, dim);
        let executor = GpuExecutor::on(gpu);
        let most = executor.most_rows(&problem, &plan).unwrap();
        assert!((plan.least_part()..N / 2).contains(&most), "{most}");
        let mut session = partition::open(&executor, &problem, &plan, None, &|_| Ok(())).unwrap();
        session.round(&|_| Ok(())).unwrap();
        let described = session.info().to_string();
        assert!(described.starts_with("gpu") && described.contains(&format!("parts of at most {most} rows")));
        let graph = session.finish(&|_| Ok(())).unwrap();
        let truth = exact::graph(&problem.points, &plan.metric, plan.n_neighbors, false).unwrap();
        let recall = recall::recall(&graph, &truth, plan.n_neighbors).unwrap();
        assert!(recall > 0.99, "{described}: {recall}");
    }
}

/// Parts of a few rows are not worth a build, so that what is too large is reported.
#[test]
fn a_device_too_small_for_parts_is_an_error() {
    let Some(mut gpu) = gpu() else { return };
    gpu.limits = DeviceLimits { binding: 4096, ..gpu.limits };
    let data = data();
    let problem = problem(&data, DIM);
    let Err(error) = partition::open(&GpuExecutor::on(gpu), &problem, &plan(3), None, &|_| Ok(())) else {
        panic!("opened")
    };
    assert!(matches!(error, BuildError::Gpu(GpuError::TooLarge { .. })), "{error:?}");
}

#[test]
fn a_buffer_that_cannot_be_is_an_error() {
    let Some(gpu) = gpu() else { return };
    let error = gpu.buffer("too much", 1 << 60).unwrap_err();
    assert!(matches!(error, GpuError::OutOfMemory { .. } | GpuError::Failed { .. }), "{error:?}");
    gpu.buffer("enough", 64).expect("the device is still there");
}

/// Exact search of more points than fit on the device gives the same graph, with a shorter last part as well.
#[test]
fn exact_search_of_more_than_the_device_holds() {
    let data = data();
    let wide: Vec<f32> = data.iter().flat_map(|v| [*v + 0.5; 8]).collect();
    for (values, dim, binding) in [(&data, DIM, 24_000), (&wide, 8 * DIM, 64_000), (&data, DIM, 2_000)] {
        let problem = problem(values, dim);
        for include_self in [false, true] {
            let plan = Plan { include_self, ..plan(0) };
            let exact = |binding: Option<u64>| {
                let mut gpu = gpu()?;
                gpu.limits.binding = binding.unwrap_or(gpu.limits.binding);
                gpu.limits.bindings = 8;
                Some(GpuSession::exact(&gpu, &problem, &plan, &|_| Ok(())).unwrap())
            };
            let (Some((whole, ran)), Some((found, described))) = (exact(None), exact(Some(binding))) else { return };
            let (ran, described) = (ran.to_string(), described.to_string());
            assert!(!ran.contains("rows at a time"), "{ran}");
            assert!(described.contains("rows at a time"), "{described}");
            assert_eq!(whole, found, "{described}");
        }
    }
}

/// Exact search that runs out of memory holds half as many points, until they fit, or reports the error.
#[test]
fn exact_search_halves_what_it_holds_when_memory_runs_out() {
    const MANY: usize = 2500;
    let values: Vec<f32> = (0..MANY * 4).map(|i| (hash(17, 19, i as u64, 0) % 1000) as f32).collect();
    let points = Points::dense(&values, MANY, 4).unwrap();
    let problem = Problem::of_dense(&points, &Metric::SqEuclidean);
    let exact = |out_of_memory_at| {
        let mut gpu = gpu()?;
        gpu.out_of_memory_at = out_of_memory_at;
        Some(GpuSession::exact(&gpu, &problem, &plan(0), &|_| Ok(())))
    };
    let bytes_of_failure = |found| match found {
        Err(BuildError::Gpu(GpuError::OutOfMemory { bytes, during: "row distances" })) => bytes,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("there was memory"),
    };
    // Half of the points are tried; a quarter would be too few.
    let Some(half) = exact(0).map(bytes_of_failure) else { return };
    let Some(found) = exact(half + 1) else { return };
    let (graph, ran) = found.unwrap();
    assert!(ran.to_string().ends_with("625 rows at a time"), "{ran}");
    assert_eq!(graph, exact::graph(&points, &Metric::SqEuclidean, plan(0).n_neighbors, false).unwrap());
    // All points at once need more memory.
    let Some((_, ran)) = exact(4 * half).map(Result::unwrap) else { return };
    assert!(!ran.to_string().contains("at a time"), "{ran}");
}

/// Data in several bindings gives the same rows as data in one.
#[test]
fn shards_change_nothing() {
    let wide: Vec<f32> = data().iter().flat_map(|v| [*v; 8]).collect();
    let problem = problem(&wide, 8 * DIM);
    let plan = plan(3);
    let all: Vec<u32> = (0..N as u32).collect();
    let graph = |binding: Option<u64>| {
        let mut gpu = gpu()?;
        gpu.limits.binding = binding.unwrap_or(gpu.limits.binding);
        let mut session = open(gpu, &problem, &plan);
        session.round(&|_| Ok(())).unwrap();
        let (info, rows) = (session.info().to_string(), session.peek(&all).unwrap());
        Some((info, (rows, Box::new(session).finish(&|_| Ok(())).unwrap())))
    };
    let (Some((_, whole)), Some((described, sharded))) = (graph(None), graph(Some(80_000))) else { return };
    // Of codes; the values lie in six.
    assert!(described.contains("over 2 bindings"), "{described}");
    assert!(whole == sharded);
}
