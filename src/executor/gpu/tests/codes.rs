//! Floats that are compared by codes, beside the CPU's codes.

use super::{N, gpu, open, plan};
use crate::dataset::Problem;
use crate::executor::cpu::CpuExecutor;
use crate::executor::{Executor, Session};
use crate::metric::Metric;
use crate::params::Plan;
use crate::points::Points;
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
