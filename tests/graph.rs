//! Graphs through the public API, against exact search and what the documentation promises.

use std::ops::ControlFlow;

use crate::common::checks::{Within, between, check_distances, check_rows};
use crate::common::points::patches;
use nndescent::custom::{Custom, Items};
use nndescent::{Algorithm, BuildError, Built, KnnGraph, Metric, NnDescent, Points, exact, recall};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

fn descend(metric: Metric, k: usize) -> NnDescent<'static> {
    NnDescent::new(metric).n_neighbors(k).algorithm(Algorithm::NnDescent)
}

/// Rows as promised, with distances of the metric.
fn check_promises(graph: &KnnGraph, data: &[f32], dim: usize, metric: &Metric) {
    check_rows(graph, graph.k());
    check_distances(graph, 1, Within { relative: 1e-4, floor: 1e-2 }, between(metric, data, dim));
}

#[test]
fn every_metric_finds_its_neighbours() {
    let (n, dim, k) = (3000, 24, 15);
    let data = patches(n, dim, 20, 1);
    let positive: Vec<f32> = data.iter().map(|v| v.abs().round()).collect();
    let metrics = [
        "euclidean",
        "sqeuclidean",
        "cosine",
        "dot",
        "inner_product",
        "manhattan",
        "chebyshev",
        "hamming",
        "correlation",
        "canberra",
        "braycurtis",
    ];
    let minkowski = Metric::Minkowski { p: 3.0 };
    for metric in metrics.iter().map(|m| m.parse().unwrap()).chain([minkowski]) {
        let data = if metric == Metric::Hamming { &positive } else { &data };
        let points = Points::dense(data, n, dim).unwrap();
        let built = descend(metric.clone(), k).graph(&points).unwrap();
        check_promises(&built.graph, data, dim, &metric);
        let truth = exact::graph(&points, &metric, k, false).unwrap();
        check_promises(&truth, data, dim, &metric);
        let recall = recall::recall(&built.graph, &truth, k).unwrap();
        assert!(recall >= 0.95, "{metric}: recall {recall}");
        let estimate = built.report.recall.unwrap();
        assert!(
            estimate.low <= recall + 0.01 && recall - 0.01 <= estimate.high,
            "{metric}: {estimate:?}, true {recall}"
        );
    }
}

#[test]
fn codes_of_wide_rows_change_no_promise() {
    let (n, dim, k) = (4000, 96, 10);
    let data = patches(n, dim, 30, 2);
    let bytes: Vec<u8> = data.iter().map(|v| (v * 8.0 + 128.0) as u8).collect();
    let wide: Vec<f32> = bytes.iter().map(|&v| f32::from(v)).collect();
    for metric in [Metric::Euclidean, Metric::Cosine, Metric::Correlation, Metric::InnerProduct] {
        let of_floats = descend(metric.clone(), k).graph(&Points::dense(&data, n, dim).unwrap()).unwrap();
        check_promises(&of_floats.graph, &data, dim, &metric);
        let of_bytes = descend(metric.clone(), k).graph(&Points::dense(&bytes, n, dim).unwrap()).unwrap();
        check_promises(&of_bytes.graph, &wide, dim, &metric);
        for (built, data) in [(&of_floats, &data), (&of_bytes, &wide)] {
            let truth = exact::graph(&Points::dense(data, n, dim).unwrap(), &metric, k, false).unwrap();
            let recall = recall::recall(&built.graph, &truth, k).unwrap();
            assert!(recall >= 0.97, "{metric}: {recall} ({})", built.report.executor);
        }
    }
}

/// Sums of byte differences are true distances and are not computed again: nothing may be missing or out of order,
/// ties in particular, and rounded codes must not be mistaken for values.
#[test]
fn manhattan_distances_of_bytes_are_the_true_ones() {
    let (n, dim, k) = (3000, 32, 10);
    let bytes: Vec<u8> = patches(n, dim, 20, 4).iter().map(|v| (v.abs() * 2.0) as u8 + 100).collect();
    let signed: Vec<i8> = bytes.iter().map(|&v| v.wrapping_sub(110).cast_signed()).collect();
    let whole: Vec<f32> = bytes.iter().map(|&v| f32::from(v)).collect();
    let negative: Vec<f32> = signed.iter().map(|&v| f32::from(v)).collect();
    let tenths: Vec<f32> = whole.iter().map(|v| v * 0.1).collect();
    let manhattan = descend(Metric::Manhattan, k);
    let graphs = [
        (&whole, manhattan.graph(&Points::dense(&bytes, n, dim).unwrap())),
        (&negative, manhattan.graph(&Points::dense(&signed, n, dim).unwrap())),
        (&whole, manhattan.graph(&Points::dense(&whole, n, dim).unwrap())),
        (&tenths, manhattan.graph(&Points::dense(&tenths, n, dim).unwrap())),
    ];
    for (data, built) in graphs {
        let graph = built.unwrap().graph;
        check_promises(&graph, data, dim, &Metric::Manhattan);
        for i in 0..n {
            for (&id, &d) in graph.ids(i).iter().zip(graph.distances(i)) {
                let row = |i: usize| &data[i * dim..(i + 1) * dim];
                assert_eq!(d, Metric::Manhattan.distance(row(i), row(id as usize)) as f32, "{i} {id}");
            }
        }
    }
}

#[test]
fn same_bytes_at_any_number_of_threads() {
    let (n, dim) = (5000, 64);
    let data = patches(n, dim, 20, 3);
    let points = Points::dense(&data, n, dim).unwrap();
    for metric in [Metric::Euclidean, Metric::Manhattan, Metric::Cosine] {
        let build = |threads| -> Built {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| descend(metric.clone(), 12).seed(7).graph(&points).unwrap())
        };
        let one = build(1);
        for threads in [2, 3, 8] {
            assert_eq!(one.graph, build(threads).graph, "{metric}, {threads} threads");
        }
        assert_ne!(one.report.distances_evaluated, 0);
    }
}

#[test]
fn copies_are_found() {
    let (distinct, copies, dim) = (20, 200, 32);
    let places = patches(distinct, dim, 20, 4);
    let data: Vec<f32> = (0..distinct * copies).flat_map(|i| places[i % distinct * dim..][..dim].to_vec()).collect();
    let points = Points::dense(&data, distinct * copies, dim).unwrap();
    for metric in [Metric::Euclidean, Metric::Cosine, Metric::Manhattan] {
        for algorithm in [Algorithm::Auto, Algorithm::NnDescent, Algorithm::Exact] {
            let graph = NnDescent::new(metric.clone().clone()).algorithm(algorithm).graph(&points).unwrap().graph;
            check_promises(&graph, &data, dim, &metric);
            let perfect = (0..graph.n()).filter(|&i| graph.distances(i).iter().all(|d| *d == 0.0)).count();
            assert_eq!(perfect, graph.n(), "{metric}, {algorithm}: {perfect} rows of {}", graph.n());
        }
    }
}

#[test]
fn hard_shapes_are_complete() {
    let constant = vec![1.0f32; 500 * 3];
    let line: Vec<f32> = (0..1000).map(|i| i as f32).collect();
    let zeros = vec![0.0f32; 300 * 70];
    for (data, dim) in [(&constant, 3), (&line, 1), (&zeros, 70)] {
        let n = data.len() / dim;
        let points = Points::dense(data, n, dim).unwrap();
        for metric in [Metric::Euclidean, Metric::Cosine, Metric::InnerProduct, Metric::Canberra] {
            for k in [1, 7, 40] {
                let built = descend(metric.clone(), k).graph(&points).unwrap();
                check_promises(&built.graph, data, dim, &metric);
            }
        }
    }
    for n in 2..12 {
        let points = Points::dense(&line[..n], n, 1).unwrap();
        let graph = descend(Metric::Euclidean, n - 1).graph(&points).unwrap().graph;
        check_promises(&graph, &line[..n], 1, &Metric::Euclidean);
    }
}

#[test]
fn include_self_is_the_first_of_k() {
    let data = patches(800, 8, 10, 5);
    let points = Points::dense(&data, 800, 8).unwrap();
    for algorithm in [Algorithm::NnDescent, Algorithm::Exact] {
        let build = |k, own| {
            NnDescent::new(Metric::Euclidean)
                .n_neighbors(k)
                .include_self(own)
                .algorithm(algorithm)
                .graph(&points)
                .unwrap()
                .graph
        };
        let (with, without) = (build(10, true), build(9, false));
        for i in 0..800 {
            assert_eq!((with.ids(i)[0], with.distances(i)[0]), (i as u32, 0.0));
            assert_eq!(&with.ids(i)[1..], without.ids(i));
        }
    }
}

#[test]
fn no_trees_and_a_warm_start() {
    let (n, dim, k) = (3000, 16, 10);
    let data = patches(n, dim, 20, 6);
    let points = Points::dense(&data, n, dim).unwrap();
    let truth = exact::graph(&points, &Metric::Euclidean, k, false).unwrap();
    let recall = |built: &Built| recall::recall(&built.graph, &truth, k).unwrap();
    let random = descend(Metric::Euclidean, k).n_trees(0).n_iters(30).graph(&points).unwrap();
    assert!(recall(&random) > 0.95, "from random neighbours: {}", recall(&random));

    let mut ids = truth.all_ids().to_vec();
    ids.iter_mut().step_by(3).for_each(|id| *id = KnnGraph::NO_NEIGHBOR);
    let known = KnnGraph::from_parts(n, k, ids, vec![0.0; n * k]).unwrap();
    let start = |rounds| descend(Metric::Euclidean, k).n_trees(0).n_iters(rounds);
    let [warm, cold] = [start(0).init_graph(&known), start(0)].map(|b| recall(&b.graph(&points).unwrap()));
    assert!((0.66..0.7).contains(&warm) && cold < 0.1, "before any round: {warm} and {cold}");
    assert!(recall(&start(1).init_graph(&known).graph(&points).unwrap()) > 0.97);
    let borrowed = start(1).init_graph((n, k, known.all_ids())).graph(&points).unwrap();
    assert_eq!(borrowed.graph, start(1).init_graph(&known).graph(&points).unwrap().graph);
}

#[test]
fn target_recall_is_reached_and_reported() {
    let mut rng = StdRng::seed_from_u64(7);
    let (n, dim, k) = (6000, 60, 10);
    let data: Vec<f32> = (0..n * dim).map(|_| (0..6).map(|_| rng.random::<f32>()).sum::<f32>() - 3.0).collect();
    let points = Points::dense(&data, n, dim).unwrap();
    let truth = exact::graph(&points, &Metric::Euclidean, k, false).unwrap();
    let plain = descend(Metric::Euclidean, k).graph(&points).unwrap();
    let built = descend(Metric::Euclidean, k).target_recall(0.97).recall_sample(600).graph(&points).unwrap();
    let target = built.report.target.unwrap();
    let [plain, wide] = [&plain, &built].map(|b| recall::recall(&b.graph, &truth, k).unwrap());
    assert!(plain < 0.97, "the default reaches {plain} already");
    assert!(target.reached && target.widened > 0 && wide >= 0.97, "{target:?}, true recall {wide}");
}

#[test]
fn progress_is_reported_and_cancels() {
    let data = patches(3000, 8, 10, 8);
    let points = Points::dense(&data, 3000, 8).unwrap();
    let seen = std::sync::Mutex::new(Vec::new());
    let watch = |p: &nndescent::Progress| {
        seen.lock().unwrap().push(p.phase.name());
        ControlFlow::Continue(())
    };
    descend(Metric::Euclidean, 10).progress(watch).graph(&points).unwrap();
    let seen = seen.into_inner().unwrap();
    assert!(["init", "descent", "finish", "recall"].iter().all(|p| seen.contains(p)), "{seen:?}");

    let stop = |p: &nndescent::Progress| if p.round == 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let error = descend(Metric::Euclidean, 10).progress(stop).graph(&points).unwrap_err();
    assert_eq!(error, BuildError::Cancelled { phase: nndescent::report::Phase::Descent, round: 1 });
    assert_eq!(error.to_string(), "cancelled in phase descent, round 1");
}

#[test]
fn exact_queries_match_the_graph() {
    let (n, dim) = (700, 20);
    let data = patches(n, dim, 10, 9);
    let points = Points::dense(&data, n, dim).unwrap();
    for metric in [Metric::Euclidean, Metric::Cosine, Metric::Correlation, Metric::Chebyshev] {
        let graph = exact::graph(&points, &metric, 5, false).unwrap();
        let hits = exact::query(&points, &points, &metric, 6).unwrap();
        for i in 0..n {
            assert_eq!((hits.ids(i)[0], hits.distances(i)[0]), (i as u32, 0.0), "{metric}");
            assert_eq!(&hits.ids(i)[1..], graph.ids(i), "{metric}");
        }
    }
}

#[test]
fn exact_queries_report_progress_and_cancel() {
    let data = patches(300, 4, 5, 9);
    let points = Points::dense(&data, 300, 4).unwrap();
    let done = std::sync::Mutex::new(0.0f32);
    let watch = |p: &nndescent::Progress| {
        let mut done = done.lock().unwrap();
        *done = done.max(p.fraction);
        ControlFlow::Continue(())
    };
    exact::query_with_progress(&points, &points, &Metric::Euclidean, 2, watch).unwrap();
    assert_eq!(*done.lock().unwrap(), 1.0);
    let stop = |_: &nndescent::Progress| ControlFlow::Break(());
    let error = exact::query_with_progress(&points, &points, &Metric::Euclidean, 2, stop).unwrap_err();
    assert_eq!(error, BuildError::Cancelled { phase: nndescent::report::Phase::Exact, round: 0 });
}

/// Bytes of packed bits under a distance that fails for some pairs, and says why.
#[test]
fn custom_distances_of_bits_and_their_failures() {
    let bytes: Vec<u8> = (0..200u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let differing = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(x, y)| (x ^ y).count_ones()).sum::<u32>() as f32;
    let bits = Custom::bits(bytes.clone(), 32, differing).unwrap();
    let custom = NnDescent::new(Metric::Custom).n_neighbors(5).graph(&Points::items(&bits).unwrap()).unwrap().graph;
    let points = Points::bits(&bytes, 200, 32).unwrap();
    let known = exact::graph(&points, &Metric::BitHamming, 5, false).unwrap();
    assert!((0..200).all(|i| custom.distances(i).iter().zip(known.distances(i)).all(|(a, b)| a == b)));
    assert!(Custom::bits(vec![0; 7], 32, differing).is_err());

    struct Failing;
    impl Items for Failing {
        fn n(&self) -> usize {
            50
        }

        fn distance(&self, a: usize, b: usize) -> f32 {
            if (a, b) == (3, 7) || (a, b) == (7, 3) { f32::NAN } else { a.abs_diff(b) as f32 }
        }

        fn failure(&self) -> Option<String> {
            Some("no connection".into())
        }
    }
    let error = NnDescent::new(Metric::Custom).n_neighbors(5).graph(&Points::items(&Failing).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "the distance of items 3 and 7 is not finite: no connection");
}

#[test]
fn mistakes_are_errors_with_numbers() {
    let data = patches(20, 4, 2, 10);
    let points = Points::dense(&data, 20, 4).unwrap();
    let message = |b: NnDescent| b.graph(&points).unwrap_err().to_string();
    assert_eq!(message(descend(Metric::Euclidean, 0)), "n_neighbors = 0, but it must be at least 1");
    assert_eq!(message(descend(Metric::Euclidean, 20)), "n_neighbors = 20, but 20 points have only 19 other points");
    assert_eq!(message(descend(Metric::Euclidean, 5).leaf_size(1)), "leaf_size = 1, but it must be 2 to 16384");
    assert_eq!(message(descend(Metric::Euclidean, 5).delta(2.0)), "delta = 2, but it must be 0 to 1");
    assert_eq!(
        message(descend(Metric::Euclidean, 5).target_recall(1.5)),
        "target_recall = 1.5, but it must be above 0 and below 1"
    );
    assert_eq!(
        message(descend(Metric::Minkowski { p: f32::NAN }, 5)),
        "metric `minkowski`: p = NaN, but it must be finite and at least 1"
    );
    let short = KnnGraph::from_parts(19, 1, vec![0; 19], vec![0.0; 19]).unwrap();
    assert_eq!(
        message(descend(Metric::Euclidean, 5).init_graph(&short)),
        "init_graph has 19 rows, but there are 20 points"
    );
    let wrong = KnnGraph::from_parts(20, 1, vec![77; 20], vec![0.0; 20]).unwrap();
    let expected = "init_graph: row 0 holds id 77, but there are 20 points (unknown entries are 4294967295)";
    assert_eq!(message(descend(Metric::Euclidean, 5).init_graph(&wrong)), expected);

    let ragged = "init_graph: 39 ids for 20 rows of 2";
    assert_eq!(message(descend(Metric::Euclidean, 5).init_graph((20, 2, &[0; 39][..]))), ragged);
    let message = KnnGraph::from_parts(2, 3, vec![0; 6], vec![0.0; 5]).unwrap_err().to_string();
    assert_eq!(message, "6 ids and 5 distances do not make 2 rows of 3 neighbours");

    let other = Points::dense(&data, 16, 5).unwrap();
    let mismatch = exact::query(&points, &other, &Metric::Euclidean, 3).unwrap_err().to_string();
    assert_eq!(mismatch, "queries of 5 columns of float32 cannot be compared with a base of 4 columns of float32");
}

#[test]
fn points_are_checked() {
    let message = |data: &[f32], n, dim| Points::dense(data, n, dim).unwrap_err().to_string();
    let none = Points::dense(&[0.0f32; 0], 0, 3).unwrap();
    let error = NnDescent::new(Metric::Euclidean).graph(&none).unwrap_err().to_string();
    assert_eq!(error, "no points: the matrix has 0 rows");
    assert_eq!(NnDescent::new(Metric::Euclidean).index(&none).unwrap_err().to_string(), error);
    assert_eq!(NnDescent::new(Metric::Euclidean).estimate_memory(&none).unwrap_err().to_string(), error);
    assert_eq!(exact::graph(&none, &Metric::Euclidean, 1, false).unwrap_err().to_string(), error);
    assert_eq!(exact::query(&none, &none, &Metric::Euclidean, 1).unwrap_err().to_string(), error);
    assert_eq!(message(&[], 3, 0), "no dimensions: the matrix has 3 rows of 0 columns");
    assert_eq!(message(&[1.0; 7], 2, 4), "7 values do not make 2 rows of 4 columns (8 needed)");
    let mut data = vec![0.5f32; 100 * 5];
    data[17 * 5 + 2] = f32::NAN;
    assert_eq!(message(&data, 100, 5), "row 17, column 2 is NaN: every value must be finite");
    let halves: Vec<half::f16> = [1.0, f32::INFINITY].map(half::f16::from_f32).to_vec();
    let error = Points::dense(&halves, 2, 1).unwrap_err().to_string();
    assert_eq!(error, "row 1, column 0 is inf: every value must be finite");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Rows are complete and distances true for any shape and options.
    #[test]
    fn any_settings_keep_the_promises(
        n in 2usize..160, dim in 1usize..80, seed: u64, k in 1usize..40, trees in 0usize..4, leaf in 2usize..60,
        candidates in 1usize..30, iters in 0usize..4, grid: bool,
    ) {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut value = || if grid { (rng.next_u32() % 3) as f32 } else { rng.random::<f32>() - 0.5 };
        let data: Vec<f32> = (0..n * dim).map(|_| value()).collect();
        let points = Points::dense(&data, n, dim).unwrap();
        for metric in [Metric::Euclidean, Metric::Cosine, Metric::Hamming] {
            let built = descend(metric.clone(), k.min(n - 1)).n_trees(trees).leaf_size(leaf).max_candidates(candidates).n_iters(iters);
            check_promises(&built.seed(seed).graph(&points).unwrap().graph, &data, dim, &metric);
        }
    }
}
