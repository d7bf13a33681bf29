//! Floats that are compared by codes, beside the CPU's codes.

use std::collections::HashMap;

use super::{N, gpu, open, plan};
use crate::dataset::Dataset;
use crate::dataset::Problem;
use crate::exact;
use crate::executor::cpu::CpuExecutor;
use crate::executor::gpu::device::Gpu;
use crate::executor::gpu::kind::AdapterKind;
use crate::executor::{Executor, Session};
use crate::graph::KnnGraph;
use crate::metric::Metric;
use crate::params::Plan;
use crate::points::Points;
use crate::recall::recall;
use crate::rng::hash;

const LONG: usize = 64;

/// Floats in clusters, which codes tell apart; with negative values, or without.
fn floats(least: f32) -> Vec<f32> {
    let unit = |h: u64| (h % 100_000) as f32 / 100_000.0;
    let value = |i: usize| {
        unit(hash(1, 2, (i / LONG / 35) as u64, (i % LONG) as u64)) + 0.7 * unit(hash(3, 4, i as u64, 0)) + least
    };
    (0..N * LONG).map(value).collect()
}

/// Rows and counts of every round equal the CPU's, to the bit, as both compare the same codes; final distances are
/// those of the values.
#[test]
fn codes_are_the_cpus() {
    for (least, bytes) in [(0.0, "u8"), (-0.8, "i8")] {
        let values = floats(least);
        let points = Points::dense(&values, N, LONG).unwrap();
        for metric in [Metric::Euclidean, Metric::Cosine, Metric::Dot, Metric::Correlation] {
            let Some(gpu) = gpu() else { return };
            let problem = Problem::of_dense(&points, &metric);
            let plan = Plan { metric: metric.clone(), ..plan(3) };
            let mut ours = open(gpu, &problem, &plan);
            let mut twin = CpuExecutor.open(&problem, &plan, None, &|_| Ok(())).unwrap();
            let bytes = match metric {
                Metric::Euclidean => "u8",
                Metric::Correlation => "i8",
                _ => bytes,
            };
            let described = ours.info().to_string();
            assert!(described.contains(&format!("codes as {bytes} rows")), "{metric}: {described}");
            let all: Vec<u32> = (0..N as u32).collect();
            assert!(ours.peek(&all).unwrap() == twin.peek(&all).unwrap(), "{metric} from {least}: trees");
            for round in 0..3 {
                let (a, b) = (ours.round(&|_| Ok(())).unwrap(), twin.round(&|_| Ok(())).unwrap());
                assert_eq!(a.distances, b.distances, "{metric} from {least}: round {round}");
                assert!(ours.peek(&all).unwrap() == twin.peek(&all).unwrap(), "{metric} from {least}: {round}");
            }
            let right = twin.finish(&|_| Ok(())).unwrap();
            let found = Box::new(ours).finish(&|_| Ok(())).unwrap();
            for (at, (d, right)) in found.all_distances().iter().zip(right.all_distances()).enumerate() {
                assert!((d - right).abs() <= 1e-5 * right.abs().max(0.1), "{metric}: {d}, not {right}, at {at}");
            }
        }
    }
}

/// Where codes do not tell neighbours apart, rows are compared as they were given.
#[test]
fn codes_that_do_not_serve_are_not_used() {
    let Some(gpu) = gpu() else { return };
    let mut values = floats(0.0);
    // One value far away takes the range of the codes.
    values[77] = 1e6;
    let points = Points::dense(&values, N, LONG).unwrap();
    let problem = Problem::of_dense(&points, &Metric::Euclidean);
    let session = open(gpu, &problem, &plan(3));
    assert!(session.info().to_string().ends_with("f32 rows"), "{}", session.info().to_string());
    assert!(Box::new(session).finish(&|_| Ok(())).unwrap().n() == N);
}

/// Floats in clusters so narrow that codes do not tell their members apart.
fn narrow(size: f32) -> Vec<f32> {
    let unit = |h: u64| (h % 100_000) as f32 / 100_000.0 - 0.5;
    let value =
        |i: usize| unit(hash(1, 2, (i / LONG / 50) as u64, (i % LONG) as u64)) + 0.01 * unit(hash(3, 4, i as u64, 0));
    (0..N * LONG).map(|i| size * value(i)).collect()
}

/// Bytes of a row, how the report names them, and the graph after rounds with as many candidates as find nearly all.
fn built(gpu: Gpu, points: &Points, metric: &Metric) -> (usize, String, KnnGraph) {
    let prepared = Dataset::new(points, metric).unwrap();
    let problem = prepared.problem();
    let plan = Plan { metric: metric.clone(), max_candidates: 30, ..plan(3) };
    let mut session = open(gpu, &problem, &plan);
    for _ in 0..4 {
        session.round(&|_| Ok(())).unwrap();
    }
    let (bytes, described) = (session.layout().sizes.row_bytes, session.info().to_string());
    (bytes, described, Box::new(session).finish(&|_| Ok(())).unwrap())
}

/// Where codes do not serve, hardware compares f16, if these do: half of the bytes, the recall of f32, and final
/// distances of the values.
#[test]
fn halves_serve_where_codes_do_not() {
    let values = narrow(1.0);
    let points = Points::dense(&values, N, LONG).unwrap();
    for (metric, bytes) in [(Metric::Euclidean, 128), (Metric::Cosine, 136), (Metric::Correlation, 136)] {
        let truth = exact::graph(&points, &metric, plan(3).n_neighbors, false).unwrap();
        let recall = |graph: &KnnGraph| recall(graph, &truth, plan(3).n_neighbors).unwrap();
        let Some(gpu) = gpu() else { return };
        let (as_given, described, floats) = built(gpu.again(), &points, &metric);
        assert!(as_given == 2 * bytes && described.ends_with("f32 rows"), "{metric}: {described}");
        for native in if gpu.limits.native_f16 { &[false, true][..] } else { &[false] } {
            let mut gpu = gpu.again();
            (gpu.limits.kind, gpu.limits.native_f16) = (AdapterKind::Other, *native);
            let (row_bytes, described, halves) = built(gpu, &points, &metric);
            assert!(row_bytes == bytes && described.contains("f32 as f16 rows"), "{metric}: {row_bytes}, {described}");
            assert!(recall(&halves) >= recall(&floats) - 0.001, "{metric}: {} {}", recall(&halves), recall(&floats));
            for row in 0..N {
                let right: HashMap<u32, f32> =
                    truth.ids(row).iter().copied().zip(truth.distances(row).to_vec()).collect();
                for (id, d) in halves.ids(row).iter().zip(halves.distances(row)) {
                    let is_right = right.get(id).is_none_or(|right| (d - right).abs() <= 1e-5 * right.abs().max(0.1));
                    assert!(is_right, "{metric}, row {row}: {d}, not {right:?}");
                }
            }
        }
    }
}

/// Values too large for f16, or so close that it does not tell them apart, are compared as they were given.
#[test]
fn halves_that_do_not_serve_are_not_used() {
    let large = narrow(200_000.0);
    let flat: Vec<f32> = narrow(1.0).iter().map(|v| v * 0.001 + if *v > 0.0 { 1.0 } else { -1.0 }).collect();
    for values in [large, flat] {
        let Some(mut gpu) = gpu() else { return };
        gpu.limits.kind = AdapterKind::Other;
        let points = Points::dense(&values, N, LONG).unwrap();
        let (_, described, _) = built(gpu, &points, &Metric::Euclidean);
        assert!(described.ends_with("f32 rows"), "{described}");
    }
}
