//! Every kernel against its twin on the CPU, on whatever adapter there is, and what happens when a device fails.
//!
//! Without an adapter the tests say so; `NNDESCENT_REQUIRE_GPU=1` makes that a failure.

use std::sync::Arc;
use std::time::Instant;

use half::f16;

use crate::builder::partition;
use crate::dataset::Problem;
use crate::error::BuildError;
use crate::error::GpuError;
use crate::exact;
use crate::executor::cpu::CpuExecutor;
use crate::executor::gpu::device::{Device, Gpu};
use crate::executor::gpu::device_rows::DeviceRows;
use crate::executor::gpu::encoding::Encoding;
use crate::executor::gpu::executor::GpuExecutor;
use crate::executor::gpu::limits::DeviceLimits;
use crate::executor::gpu::matrices;
use crate::executor::gpu::session::GpuSession;
use crate::executor::gpu::shared::{Known, known};
use crate::executor::gpu::source::Trust;
use crate::executor::{Executor, Session};
use crate::graph::order::{EMPTY, distance, id};
use crate::graph::rows::RowTable;
use crate::metric::Metric;
use crate::params::{GpuSelector, Params, Plan};
use crate::points::Points;
use crate::recall;
use crate::report::RoundStats;
use crate::rng::hash;

fn first() -> Option<&'static Known> {
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

/// The device that builds share.
pub(super) fn gpu() -> Option<Gpu> {
    Some(Gpu::of(first()?.device().expect("the adapter opens")))
}

/// A device of a test's own.
fn own_gpu(limits: impl FnOnce(&mut DeviceLimits)) -> Option<Gpu> {
    let adapter = &first()?.adapter;
    let mut all = DeviceLimits::of(adapter);
    limits(&mut all);
    Some(Gpu::of(Arc::new(Device::open(adapter, all).expect("the adapter opens"))))
}

/// A device of its own that may multiply by cooperative matrices, software or not.
pub(super) fn gpu_with_matrices() -> Option<Gpu> {
    for Known { adapter, .. } in known() {
        let matrices = matrices::of_adapter(adapter);
        if matrices.is_ok() {
            let limits = DeviceLimits { matrices, ..DeviceLimits::of(adapter) };
            return Some(Gpu::of(Arc::new(Device::open(adapter, limits).expect("the adapter opens"))));
        }
        eprintln!("ignored: {}: {}", adapter.get_info().name, matrices.unwrap_err());
    }
    None
}

pub(super) const N: usize = 700;
pub(super) const DIM: usize = 13;

/// Whole numbers, whose distances are the same in any order of summation, in clusters; so many values that ties are rare.
pub(super) fn data() -> Vec<f32> {
    let value = |i: usize| hash(1, 2, (i / DIM / 35) as u64, (i % DIM) as u64) % 800 + hash(3, 4, i as u64, 0) % 200;
    (0..N * DIM).map(|i| value(i) as f32).collect()
}

pub(super) fn plan(n_trees: usize) -> Plan {
    let params = Params { n_neighbors: Some(9), n_trees: Some(n_trees), leaf_size: Some(40), ..Params::default() };
    let plan = Plan::new(&Metric::SqEuclidean, &params, &Points::dense(&data(), N, DIM).unwrap()).unwrap();
    // Rows of the CPU are longer where codes are rounded; these are whole numbers.
    Plan { max_candidates: 8, ..plan }
}

pub(super) fn problem(data: &[f32], dim: usize) -> Problem<'_> {
    Problem::of_dense(&Points::dense(data, N, dim).unwrap(), &Metric::SqEuclidean)
}

fn open<'p>(gpu: Gpu, problem: &Problem<'p>, plan: &Plan) -> GpuSession<'p> {
    GpuSession::open(gpu, problem, plan, None, &|_| Ok(())).expect("opens")
}

/// The same distances in every place; the same ids but where a distance is tied with the last kept.
fn assert_same_rows(ours: &RowTable, twins: &RowTable) {
    for i in 0..N {
        let (a, b) = (ours.row(i), twins.row(i));
        assert_eq!(a, b, "row {i}: {:?} is not {:?}", describe(a), describe(b));
    }
}

fn describe(row: &[u64]) -> Vec<(f32, u32)> {
    row.iter().filter(|s| **s != EMPTY).map(|s| (distance(*s), id(*s))).collect()
}

/// Trees, forward and reverse neighbours, the join and the merge: after every step the rows on the device are those of the
/// CPU, to the bit, flags included, and so are the distances counted.
#[test]
fn every_round_is_its_twins() {
    let Some(gpu) = gpu() else { return };
    compare_rounds(gpu, &problem(&data(), DIM)).unwrap();
}

/// What differs from the twin in a build with trees and four rounds.
pub(super) fn compare_rounds(gpu: Gpu, problem: &Problem) -> Result<(), String> {
    let same = |same: bool, what: String| if same { Ok(()) } else { Err(what) };
    let plan = Plan { metric: problem.metric.clone(), ..plan(3) };
    let mut ours = GpuSession::open(gpu, problem, &plan, None, &|_| Ok(())).map_err(said)?;
    let mut twin = CpuExecutor.open(problem, &plan, None, &|_| Ok(())).unwrap();
    // The twin's own order differs from the device's after trees are joined: compare as the points are numbered.
    let all: Vec<u32> = (0..N as u32).collect();
    same(ours.peek(&all).map_err(said)? == twin.peek(&all).unwrap(), "trees".into())?;
    for round in 0..4 {
        let (a, b): (RoundStats, RoundStats) =
            (ours.round(&|_| Ok(())).map_err(said)?, twin.round(&|_| Ok(())).unwrap());
        same(a.distances == b.distances, format!("round {round}: {} distances, not {}", a.distances, b.distances))?;
        same(ours.peek(&all).map_err(said)? == twin.peek(&all).unwrap(), format!("round {round}"))?;
        same((a.updates == 0) == (b.updates == 0), format!("round {round}: {} updates", a.updates))?;
    }
    let finished = |session: Box<dyn Session + '_>| session.finish(&|_| Ok(())).map_err(said);
    same(finished(Box::new(ours))? == finished(twin)?, "final distances".into())
}

/// Whole numbers of a byte in clusters, in rows that the CPU, too, compares as bytes. Squared distances of rows of these are beyond
/// what sums of f32 count exactly.
fn bytes() -> (Vec<u8>, usize) {
    const LONG: usize = 520;
    let value = |i: usize| {
        let center = hash(5, 6, (i / LONG / 35) as u64, (i % LONG) as u64) % 2 * 200;
        (center + hash(7, 8, i as u64, 0) % 56) as u8
    };
    ((0..N * LONG).map(value).collect(), LONG)
}

/// What differs from the twin where kernels read and multiply rows so.
pub(super) fn compare_variant(encoding: Encoding, metric: &Metric) -> Result<(), String> {
    let Some(mut gpu) = gpu() else { return Ok(()) };
    if encoding == Encoding::NativeF16 && !gpu.limits.native_f16 {
        eprintln!("ignored: {} loads no f16", gpu.name());
        return Ok(());
    }
    gpu.limits.native_f16 = encoding == Encoding::NativeF16;
    compare_variant_on(&gpu, encoding, metric)
}

/// The same on this device.
pub(super) fn compare_variant_on(gpu: &Gpu, encoding: Encoding, metric: &Metric) -> Result<(), String> {
    let (bytes, long) = bytes();
    let signed: Vec<i8> = bytes.iter().map(|v| v.wrapping_sub(128) as i8).collect();
    let halves: Vec<f16> = data().into_iter().map(f16::from_f32).collect();
    let points = match encoding {
        Encoding::F16 | Encoding::NativeF16 => Points::dense(&halves, N, DIM),
        Encoding::I8 | Encoding::I8Dots => Points::dense(&signed, N, long),
        _ => Points::dense(&bytes, N, long),
    };
    let points = points.unwrap();
    let problem = Problem::of_dense(&points, metric);
    let chosen = DeviceRows::of(&problem).unwrap().encoding(gpu.limits.native_f16);
    assert_eq!(chosen, encoding, "{metric}");
    if encoding == Encoding::U8 || encoding == Encoding::I8 {
        // Under these metrics distances are often the same, and which of them stays hangs on an order that is not the twin's.
        return compare_exact(gpu.again(), &problem, &Plan { metric: metric.clone(), ..plan(0) });
    }
    compare_rounds(gpu.again(), &problem)
}

/// Every variant of the kernels, under metrics that it is made for.
#[test]
fn every_variant_is_its_twin() {
    let dots = [Encoding::U8Dots, Encoding::I8Dots];
    let of_dots = [Metric::SqEuclidean, Metric::Euclidean, Metric::Cosine, Metric::InnerProduct, Metric::Dot];
    let cases = dots.iter().flat_map(|encoding| of_dots.iter().map(move |metric| (*encoding, metric.clone())));
    let wide = [Encoding::U8, Encoding::I8].map(|encoding| (encoding, Metric::Manhattan));
    let halves = [Encoding::F16, Encoding::NativeF16].map(|encoding| (encoding, Metric::SqEuclidean));
    for (encoding, metric) in cases.chain(wide).chain(halves) {
        compare_variant(encoding, &metric).unwrap_or_else(|what| panic!("{} under {metric}: {what}", encoding.name()));
    }
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

/// A device that was lost is opened anew for the next build, and until then is one for all.
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

/// Rows and counts of every round are the twin's where cooperative matrices compute the distances of bytes, too, and so is exact search.
#[test]
fn matrices_are_their_twins() {
    let Some(gpu) = gpu_with_matrices() else { return };
    let (bytes, long) = bytes();
    let points = Points::dense(&bytes, N, long).unwrap();
    let problem = Problem::of_dense(&points, &Metric::SqEuclidean);
    let session = open(gpu.again(), &problem, &plan(0));
    assert!(session.info().to_string().contains("pairs by matrices of"), "{}", session.info().to_string());
    compare_exact(gpu.again(), &problem, &plan(0)).unwrap();
    for metric in [Metric::SqEuclidean, Metric::Cosine, Metric::InnerProduct] {
        for encoding in [Encoding::U8Dots, Encoding::I8Dots] {
            compare_variant_on(&gpu, encoding, &metric).unwrap_or_else(|what| panic!("{metric}: {what}"));
            let side = gpu.limits.matrices.expect("there are some");
            assert_eq!(gpu.matrices_tested(encoding, side, || Err("never run".into())), Ok(()));
        }
    }
}

/// What fails the self-test is not used, and the report says why: here a device that was not opened for matrices.
#[test]
fn without_matrices_the_plain_kernel_runs() {
    let Some(mut gpu) = own_gpu(|limits| limits.matrices = Err("not asked for")) else { return };
    gpu.limits.matrices = Ok(8);
    let (bytes, long) = bytes();
    let points = Points::dense(&bytes, N, long).unwrap();
    let problem = Problem::of_dense(&points, &Metric::SqEuclidean);
    let described = open(gpu.again(), &problem, &plan(0)).info().to_string();
    assert!(described.contains("no matrices: ") && described.contains("failed on the device"), "{described}");
    compare_variant_on(&gpu, Encoding::U8Dots, &Metric::SqEuclidean).unwrap();
}

/// Exact search against the CPU's.
pub(super) fn compare_exact(gpu: Gpu, problem: &Problem, plan: &Plan) -> Result<(), String> {
    let (found, _) = GpuSession::exact(&gpu, problem, plan, &|_| Ok(())).map_err(said)?;
    let truth = exact::graph(&problem.points, &plan.metric, plan.n_neighbors, false).unwrap();
    let apart = |(a, b): (&f32, &f32)| (a - b).abs() > 1e-4 * b.abs().max(1e-3);
    match found.all_distances().iter().zip(truth.all_distances()).position(apart) {
        Some(at) => {
            Err(format!("exact search: {} instead of {}", found.all_distances()[at], truth.all_distances()[at]))
        }
        None => Ok(()),
    }
}

pub(super) fn said(error: BuildError) -> String {
    error.to_string()
}

/// Seconds from nothing to the end of a build of few f32 rows, most of which are adapter, device and pipelines.
const FIRST_USE: f64 = 1.5;

/// A build compiles the kernels that it runs, each once, and no others; and it is there soon. (The best of a few tries: tests share
/// the machine.)
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
    session.check_rows().unwrap();
    let mut rows = session.read_rows().unwrap();
    // As a driver that drops a term of a sum.
    rows.slots[3] = crate::graph::order::fresh(distance(rows.slots[3]) * 1.05, id(rows.slots[3]));
    session.write_rows(&rows).unwrap();
    let message = session.check_rows().unwrap_err().to_string();
    assert!(message.contains("computes a distance of") && message.contains("its driver cannot be used"), "{message}");
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

/// What the device does not take at once, for its rows or for its data, is built in parts.
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

/// Parts of a few rows are not worth a build: what is too large is named instead.
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

/// Exact search of what a device does not hold, for its rows or for its data, is that of what it holds; blocks of a part and the
/// last, shorter one included.
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

/// Exact search that runs out of memory holds half as many points, until it fits, and says what failed where it never does.
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
    // Half of the points is tried, a quarter is too few.
    let Some(half) = exact(0).map(bytes_of_failure) else { return };
    let Some(found) = exact(half + 1) else { return };
    let (graph, ran) = found.unwrap();
    assert!(ran.to_string().ends_with("625 rows at a time"), "{ran}");
    assert_eq!(graph, exact::graph(&points, &Metric::SqEuclidean, plan(0).n_neighbors, false).unwrap());
    // All points at once need more than their half.
    let Some((_, ran)) = exact(4 * half).map(Result::unwrap) else { return };
    assert!(!ran.to_string().contains("at a time"), "{ran}");
}

/// Final distances of values whose sums are rounded, in another order than the twin's; ids differ only at near ties.
#[test]
fn recomputed_distances_are_their_twins() {
    let values: Vec<f32> = data().iter().map(|v| v * 0.001_3 - 0.7).collect();
    for metric in
        [Metric::Euclidean, Metric::Cosine, Metric::Dot, Metric::Manhattan, Metric::Chebyshev, Metric::Correlation]
    {
        for include_self in [false, true] {
            let Some(gpu) = gpu() else { return };
            let points = Points::dense(&values, N, DIM).unwrap();
            let problem = Problem::of_dense(&points, &metric);
            let plan = Plan { metric: metric.clone(), include_self, ..plan(3) };
            let session = open(gpu, &problem, &plan);
            let all: Vec<u32> = (0..N as u32).collect();
            let (twin, ours) = (session.peek(&all).unwrap(), Box::new(session).finish(&|_| Ok(())).unwrap());
            let own = usize::from(include_self);
            for row in 0..N {
                assert!(!include_self || ours.ids(row)[0] == row as u32);
                let (ids, ds) = (&ours.ids(row)[own..], &ours.distances(row)[own..]);
                for (at, (d, right)) in ds.iter().zip(twin.distances(row)).enumerate() {
                    // Dot products cancel: their errors are those of their terms.
                    let tolerance = 1e-5 * right.abs().max(0.1);
                    assert!((d - right).abs() <= tolerance, "{metric}, row {row}: {d}, not {right}");
                    let is_tied = twin.distances(row).iter().filter(|e| (*e - d).abs() <= tolerance).count() > 1;
                    assert!(ids[at] == twin.ids(row)[at] || is_tied || at + 1 == ids.len(), "{metric}, row {row}");
                }
            }
        }
    }
}

/// Data over several bindings gives the rows of data in one.
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
        Some((session.info().to_string(), session.peek(&all).unwrap()))
    };
    let (Some((_, whole)), Some((described, sharded))) = (graph(None), graph(Some(80_000))) else { return };
    assert!(described.contains("over 4 bindings"), "{described}");
    assert_eq!(whole, sharded);
}
