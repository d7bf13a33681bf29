//! Every kernel against its twin on the CPU, round by round.

use half::f16;

use super::{DIM, Fault, N, data, gpu, gpu_with_matrices, open, own_gpu, plan, problem, said};
use crate::dataset::Problem;
use crate::exact;
use crate::executor::cpu::CpuExecutor;
use crate::executor::finish::Finisher;
use crate::executor::gpu::device::Gpu;
use crate::executor::gpu::device_rows::DeviceRows;
use crate::executor::gpu::encoding::Encoding;
use crate::executor::gpu::session::GpuSession;
use crate::executor::steps::Steps;
use crate::executor::{Executor, Session};
use crate::metric::Metric;
use crate::params::Plan;
use crate::points::Points;
use crate::report::RoundStats;
use crate::rng::hash;

/// Trees, forward and reverse neighbours, the join and the merge: after every step rows, flags and counts of
/// distances equal the CPU's, to the bit.
#[test]
fn every_round_is_its_twins() {
    let Some(gpu) = gpu() else { return };
    compare_rounds(gpu, &problem(&data(), DIM)).unwrap();
}

/// Compares a build with trees and four rounds with its twin.
pub(super) fn compare_rounds(gpu: Gpu, problem: &Problem) -> Result<(), String> {
    let same = |same: bool, what: String| if same { Ok(()) } else { Err(what) };
    let plan = Plan { metric: problem.metric.clone(), ..plan(3) };
    let mut ours = GpuSession::open(gpu, problem, &plan, None, &|_| Ok(())).map_err(said)?;
    let mut twin = CpuExecutor.open(problem, &plan, None, &|_| Ok(())).unwrap();
    // The working order of the twin differs from the device's after trees are joined, so rows are compared by point.
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

/// Bytes in clusters, in rows that the CPU compares as bytes as well. Their squared distances are too large for exact
/// sums in f32.
fn bytes() -> (Vec<u8>, usize) {
    const LONG: usize = 520;
    let value = |i: usize| {
        let center = hash(5, 6, (i / LONG / 35) as u64, (i % LONG) as u64) % 2 * 200;
        (center + hash(7, 8, i as u64, 0) % 56) as u8
    };
    ((0..N * LONG).map(value).collect(), LONG)
}

/// Compares the kernels for one encoding with their twins.
pub(super) fn compare_variant(encoding: Encoding, metric: &Metric) -> Result<(), String> {
    let Some(mut gpu) = gpu() else { return Ok(()) };
    if encoding == Encoding::NativeF16 && !gpu.limits.native_f16 {
        eprintln!("ignored: {} loads no f16", gpu.name());
        return Ok(());
    }
    gpu.limits.native_f16 = encoding == Encoding::NativeF16;
    compare_variant_on(&gpu, encoding, metric)
}

/// Same, on this device.
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
        // Distances are often tied under these metrics, and which neighbour stays depends on an order that is not the
        // twin's.
        return compare_exact(gpu.again(), &problem, &Plan { metric: metric.clone(), ..plan(0) });
    }
    compare_rounds(gpu.again(), &problem)
}

/// Every encoding, under the metrics that it is used for.
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

/// Cooperative matrices give the twin's rows and counts in every round, and in exact search.
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
            let side = gpu.limits.matrices.and_then(Result::ok).expect("there are some");
            assert_eq!(gpu.matrices_tested(encoding, side, || Err("never run".into())), Ok(()));
        }
    }
}

/// Matrices that fail the self-test are not used, and the report says why. This device was opened without them.
#[test]
fn without_matrices_the_plain_kernel_runs() {
    let Some(mut gpu) = own_gpu(|limits| limits.matrices = None) else { return };
    gpu.limits.matrices = Some(Ok(8));
    let (bytes, long) = bytes();
    let points = Points::dense(&bytes, N, long).unwrap();
    let problem = Problem::of_dense(&points, &Metric::SqEuclidean);
    let described = open(gpu.again(), &problem, &plan(0)).info().to_string();
    assert!(described.contains("no matrices: ") && described.contains("failed on the device"), "{described}");
    compare_variant_on(&gpu, Encoding::U8Dots, &Metric::SqEuclidean).unwrap();
}

/// Exact search against the CPU's.
pub(super) fn compare_exact(gpu: Gpu, problem: &Problem, plan: &Plan) -> Result<(), String> {
    // Before they are proven, which would mend what is wrong.
    let rows = GpuSession::exact_rows(&gpu, problem, plan, &|_| Ok(())).map_err(said)?.rows;
    let order: Vec<u32> = (0..problem.n() as u32).collect();
    let found = Finisher::new(problem, plan, &order, &rows).graph(&Steps::new(&|_| Ok(()), problem.n()));
    let truth = exact::graph(&problem.points, &plan.metric, plan.n_neighbors, false).unwrap();
    let apart = |(a, b): (&f32, &f32)| (a - b).abs() > 1e-4 * b.abs().max(1e-3);
    match found.all_distances().iter().zip(truth.all_distances()).position(apart) {
        Some(at) => {
            Err(format!("exact search: {} instead of {}", found.all_distances()[at], truth.all_distances()[at]))
        }
        None => Ok(()),
    }
}

/// Points of which the first 512, a block, lie far from each other, and all others in a ball between them.
fn ball_and_far() -> Vec<f32> {
    let value = |i: usize, span: u64| (hash(21, 22, i as u64, 0) % span) as f32;
    let point = |i: usize| if i < SIDE { 2000 } else { 40 };
    (0..MANY * 8).map(|i| value(i, point(i / 8)) - point(i / 8) as f32 / 2.0).collect()
}

/// Points of several blocks.
const MANY: usize = 1300;

/// Rows of a block of exact search where this is the limit of a binding.
const SIDE: usize = 512;
const BINDING: u64 = 8 * (SIDE * SIDE) as u64;

/// Exact search of several blocks, by the bounds of full rows: the same rows, also where more pairs are near than lists
/// hold.
#[test]
fn exact_search_by_bounds_is_its_twin() {
    let spread: Vec<f32> = (0..MANY * 8).map(|i| (hash(17, 19, i as u64, 0) % 1000) as f32).collect();
    for values in [spread, ball_and_far()] {
        let Some(gpu) = own_gpu(|limits| limits.binding = BINDING) else { return };
        let points = Points::dense(&values, MANY, 8).unwrap();
        compare_exact(gpu.again(), &Problem::of_dense(&points, &Metric::SqEuclidean), &plan(0)).unwrap();
        let compiled: Vec<&str> = gpu.compiled().iter().map(|kernel| kernel.0).collect();
        assert!(compiled.contains(&"near_pairs") && compiled.contains(&"offer_found"), "{compiled:?}");
    }
}

/// Faults in it are noticed: the text, the fault, and whether lists are to be too short.
#[test]
fn faults_in_exact_search_by_bounds_are_noticed() {
    let spread: Vec<f32> = (0..MANY * 8).map(|i| (hash(17, 19, i as u64, 0) % 1000) as f32).collect();
    for (right, wrong, values) in [
        ("block.x_count + column, y, x + block.x_id", "block.x_count + column, y, y + block.x_id", &spread),
        ("|| distance <= row_distances[row", "|| distance * 1.5 <= row_distances[row", &spread),
        ("found_counts[list] = 0u;", "", &spread),
        ("let end = min(count, FOUND);", "let end = min(count, 8u);", &spread),
        ("if lane == 0u && count > FOUND {", "if lane == 0u && count > FOUND + FOUND * 1000u {", &ball_and_far()),
        ("block.x_count + row] = distance", "block.x_count + column] = distance", &ball_and_far()),
    ] {
        let Some(mut gpu) = gpu() else { return };
        gpu.limits.binding = BINDING;
        let fault = Fault::new(right, wrong);
        gpu.fault = Some(fault.clone());
        let points = Points::dense(values, MANY, 8).unwrap();
        let noticed = compare_exact(gpu, &Problem::of_dense(&points, &Metric::SqEuclidean), &plan(0));
        assert!(fault.was_planted(), "`{right}` is nowhere");
        assert!(noticed.is_err(), "`{wrong}` instead of `{right}` was not noticed");
    }
}

/// Final distances whose sums are rounded in another order than the twin's. Ids differ only at near ties.
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
                    // Dot products cancel, so their errors depend on the size of their terms.
                    let tolerance = 1e-5 * right.abs().max(0.1);
                    assert!((d - right).abs() <= tolerance, "{metric}, row {row}: {d}, not {right}");
                    let is_tied = twin.distances(row).iter().filter(|e| (*e - d).abs() <= tolerance).count() > 1;
                    assert!(ids[at] == twin.ids(row)[at] || is_tied || at + 1 == ids.len(), "{metric}, row {row}");
                }
            }
        }
    }
}
