//! Builds in parts: the same guarantees as builds in one piece, and no loss of recall.

use crate::common::checks::{check_rows, check_rows_with_self};
use crate::common::points::patches;
use nndescent::report::ExecutorInfo;
use nndescent::{Algorithm, Built, Device, Metric, NnDescent, Points, exact, recall};

fn descend(metric: Metric, k: usize) -> NnDescent<'static> {
    NnDescent::new(metric).n_neighbors(k).algorithm(Algorithm::NnDescent).device(Device::Cpu).recall_sample(0)
}

/// Whether the report says that the build was in parts.
fn said(built: &Built) -> bool {
    matches!(built.report.executor, ExecutorInfo::Parts { .. })
}

#[test]
fn recall_is_that_of_one_piece() {
    let (n, dim, k) = (4000, 24, 15);
    let data = patches(n, dim, 3, 5);
    let points = Points::dense(&data, n, dim).unwrap();
    for metric in [Metric::Euclidean, Metric::Cosine, Metric::Dot, Metric::Manhattan] {
        let truth = exact::graph(&points, &metric, k, false).unwrap();
        let recall = |builder: NnDescent| {
            let built = builder.graph(&points).unwrap();
            check_rows(&built.graph, k);
            (recall::recall(&built.graph, &truth, k).unwrap(), said(&built))
        };
        let (whole, in_parts) = recall(descend(metric.clone(), k));
        assert!(!in_parts);
        for rows in [2100, 600] {
            let (recall, in_parts) = recall(descend(metric.clone(), k).part_rows(rows));
            assert!(in_parts);
            assert!(recall > whole - 0.01, "{metric}, parts of {rows}: recall {recall}, {whole} in one piece");
        }
    }
}

#[test]
fn every_type_of_values_and_any_number_of_threads() {
    let (n, dim, k) = (3000, 60, 10);
    let bytes: Vec<u8> = patches(n, dim, 4, 6).iter().map(|v| (v * 4.0 + 128.0) as u8).collect();
    let wide: Vec<f32> = bytes.iter().map(|&v| f32::from(v)).collect();
    let signed: Vec<i8> = bytes.iter().map(|&v| (v ^ 128).cast_signed()).collect();
    let halves: Vec<half::f16> = wide.iter().map(|&v| half::f16::from_f32(v)).collect();
    let sets = [
        Points::dense(&wide, n, dim).unwrap(),
        Points::dense(&bytes, n, dim).unwrap(),
        Points::dense(&signed, n, dim).unwrap(),
        Points::dense(&halves, n, dim).unwrap(),
    ];
    let truth = exact::graph(&sets[0], &Metric::Euclidean, k, false).unwrap();
    for points in &sets {
        let build = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| descend(Metric::Euclidean, k).part_rows(800).graph(points).unwrap())
        };
        let (one, four) = (build(1), build(4));
        assert_eq!(one.graph, four.graph, "whatever the number of threads");
        assert_eq!(one.report.distances_evaluated, four.report.distances_evaluated);
        assert!(recall::recall(&one.graph, &truth, k).unwrap() > 0.99);
    }
}

#[test]
fn rows_are_complete_on_hard_data() {
    let copies: Vec<f32> = (0..2000).flat_map(|i| [(i % 20) as f32, (i % 20 * 7 % 11) as f32, 1.0]).collect();
    let constant = vec![1.0f32; 700 * 3];
    let random = patches(2000, 3, 1, 7);
    for data in [&copies, &constant, &random] {
        let points = Points::dense(data, data.len() / 3, 3).unwrap();
        for (own, trees, rounds) in [(false, 6, 12), (true, 6, 12), (false, 0, 12), (false, 6, 0)] {
            let builder = descend(Metric::Euclidean, 15).include_self(own).n_trees(trees).n_iters(rounds);
            let built = builder.part_rows(600).graph(&points).unwrap();
            // Of equal rows, one is built.
            assert_eq!(said(&built), data == &random);
            let check = if own { check_rows_with_self } else { check_rows };
            check(&built.graph, 15);
        }
    }
}

#[test]
fn a_graph_to_start_from_is_taken_over_and_targets_are_reached() {
    let (n, dim, k) = (2500, 16, 10);
    let data = patches(n, dim, 5, 8);
    let points = Points::dense(&data, n, dim).unwrap();
    let truth = exact::graph(&points, &Metric::Euclidean, k, false).unwrap();
    let weak = descend(Metric::Euclidean, k).part_rows(600).n_trees(1).max_candidates(2).n_iters(1);
    let cold = weak.graph(&points).unwrap();
    assert!(recall::recall(&cold.graph, &truth, k).unwrap() < 0.95, "leaves something to do");
    let warm = weak.clone().init_graph(&truth).graph(&points).unwrap();
    assert_eq!(recall::recall(&warm.graph, &truth, k).unwrap(), 1.0);

    let built = weak.recall_sample(500).target_recall(0.97).graph(&points).unwrap();
    let target = built.report.target.unwrap();
    assert!(said(&built) && target.reached && target.widened > 0, "{target:?}");
    assert!(recall::recall(&built.graph, &truth, k).unwrap() > 0.96);
}

#[test]
fn parts_too_small_are_an_error() {
    let data = patches(2000, 8, 1, 9);
    let points = Points::dense(&data, 2000, 8).unwrap();
    let message = descend(Metric::Euclidean, 15).part_rows(511).graph(&points).unwrap_err().to_string();
    assert_eq!(message, "part_rows = 511, but it must be at least 512 (four leaves, and four rows)");
    assert!(!said(&descend(Metric::Euclidean, 15).part_rows(2000).graph(&points).unwrap()), "all fit one part");
}
