//! Graphs and indexes under every metric, on data that suits it: recall against exact search, and distances by
//! definition.

use crate::common::checks::{Within, check_distances, check_rows};
use nndescent::custom::{self, items};
use nndescent::{
    Algorithm, CsrMatrix, IndexOptions, KnnGraph, Metric, MetricArgument, NnDescent, Points, SearchOptions, exact,
    recall,
};

const N: usize = 2000;
const DIM: usize = 24;
const K: usize = 15;

/// Points on patches.
fn vectors() -> Vec<f32> {
    crate::common::points::patches(N, DIM, 20, 3)
}

/// Histograms with some empty bins.
fn histograms() -> Vec<f32> {
    vectors().iter().map(|v| (v - 1.0).max(0.0)).collect()
}

/// Sets: columns in which points on patches are above a threshold.
fn sets(dim: usize) -> Vec<f32> {
    crate::common::points::patches(N, dim, 20, 5).iter().map(|v| f32::from(u8::from(*v > 2.0))).collect()
}

/// Latitudes and longitudes around twenty places.
fn places() -> Vec<f32> {
    let at = crate::common::points::patches(N, 2, 20, 7);
    at.chunks_exact(2).flat_map(|p| [(p[0] / 12.0).clamp(-1.5, 1.5), p[1] / 6.0]).collect()
}

fn matrix(f: impl Fn(usize, usize) -> f32) -> MetricArgument {
    let values: Vec<f32> = (0..DIM * DIM).map(|at| f(at / DIM, at % DIM)).collect();
    values[..].into()
}

/// The metric of a name, with arguments for rows of `DIM` columns.
fn metric(name: &str) -> Metric {
    let column: Vec<f32> = (0..DIM).map(|j| 0.5 + j as f32 / 10.0).collect();
    let arguments: Vec<(&str, MetricArgument)> = match name {
        "minkowski" => vec![("p", 3.0.into())],
        "seuclidean" => vec![("sigma", column[..].into())],
        "wminkowski" => vec![("w", column[..].into()), ("p", 3.0.into())],
        "mahalanobis" => vec![("vinv", matrix(|i, j| 0.5f32.powi(i.abs_diff(j) as i32)))],
        "kantorovich" => vec![("cost", matrix(|i, j| i.abs_diff(j) as f32))],
        "sinkhorn" => vec![("cost", matrix(|i, j| i.abs_diff(j) as f32)), ("regularization", 1.0.into())],
        _ => vec![],
    };
    Metric::parse_with(name, &arguments).unwrap()
}

/// Data that suits a metric, and its columns.
fn data_for(name: &str) -> (Vec<f32>, usize) {
    match name {
        "haversine" => (places(), 2),
        "hellinger"
        | "jensen_shannon"
        | "symmetric_kl"
        | "wasserstein_1d"
        | "circular_kantorovich"
        | "kantorovich"
        | "sinkhorn" => (histograms(), DIM),
        _ if metric(name).support().bits => (sets(400), 400),
        _ => (vectors(), DIM),
    }
}

/// Fewer rows for metrics whose distances take long.
fn rows_for(name: &str) -> usize {
    if matches!(name, "kantorovich" | "sinkhorn") { 300 } else { N }
}

fn check_promises(graph: &KnnGraph, k: usize, distance: impl Fn(usize, usize) -> f64) {
    check_rows(graph, k);
    check_distances(graph, 1, Within { relative: 1e-5, floor: 1e-2 }, distance);
}

fn dense_metrics() -> impl Iterator<Item = &'static str> {
    Metric::names().map(|names| names[0]).filter(|name| !name.starts_with("bit_"))
}

#[test]
fn graphs_under_every_dense_metric() {
    for name in dense_metrics() {
        let ((data, dim), metric, n) = (data_for(name), metric(name), rows_for(name));
        let data = &data[..n * dim];
        let points = Points::dense(data, n, dim).unwrap();
        let builder = NnDescent::new(metric.clone()).n_neighbors(K).recall_sample(0);
        let built = builder.algorithm(Algorithm::NnDescent).graph(&points).unwrap();
        let row = |i: usize| &data[i * dim..(i + 1) * dim];
        let distance = |a: usize, b: usize| metric.distance(row(a), row(b));
        check_promises(&built.graph, K, distance);
        let truth = exact::graph(&points, &metric, K, false).unwrap();
        check_promises(&truth, K, distance);
        let recall = recall::recall(&built.graph, &truth, K).unwrap();
        assert!(recall >= 0.95, "{name}: recall {recall}");
    }
}

#[test]
fn exact_search_is_that_of_the_definition() {
    for name in dense_metrics() {
        let ((data, dim), metric, n) = (data_for(name), metric(name), 60);
        let data = &data[..n * dim];
        let truth = exact::graph(&Points::dense(data, n, dim).unwrap(), &metric, 5, false).unwrap();
        let row = |i: usize| &data[i * dim..(i + 1) * dim];
        for i in 0..n {
            let mut all: Vec<f64> = (0..n).filter(|&j| j != i).map(|j| metric.distance(row(i), row(j))).collect();
            all.sort_unstable_by(f64::total_cmp);
            for (found, right) in truth.distances(i).iter().zip(&all) {
                let near = (f64::from(*found) - right).abs() <= 1e-5 * right.abs().max(1e-2);
                assert!(near, "{name}, row {i}: {found} instead of {right}");
            }
        }
    }
}

#[test]
fn queries_under_every_dense_metric() {
    for name in dense_metrics() {
        let ((data, dim), metric, n) = (data_for(name), metric(name), rows_for(name));
        let (base, queries) = (n * 9 / 10, n / 10);
        let (data, rest) = data[..n * dim].split_at(base * dim);
        let points = Points::dense(data, base, dim).unwrap();
        let queries = Points::dense(rest, queries, dim).unwrap();
        let indexed = NnDescent::new(metric.clone()).recall_sample(0).index(&points).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.nnd");
        indexed.index.save(&path).unwrap();
        nndescent::Index::verify(&path).unwrap();
        let opened = nndescent::Index::open(&path).unwrap();
        assert_eq!(opened.metric(), &metric);
        let hits = opened.query(&queries, 10, &SearchOptions::new().epsilon(0.2)).unwrap();
        assert_eq!(hits, indexed.index.query(&queries, 10, &SearchOptions::new().epsilon(0.2)).unwrap(), "{name}");
        let truth = exact::query(&points, &queries, &metric, 10).unwrap();
        let recall = recall::recall(hits.graph(), &truth, 10).unwrap();
        assert!(recall >= 0.95, "{name}: recall {recall}");
    }
}

/// Queries by radius under a metric that is searched by a proxy: all that is found is within the radius and true, and
/// little is missing; where all points are within it, nothing is.
fn check_radius(name: &str, metric: &Metric, points: &Points, queries: &Points) {
    let index = NnDescent::new(metric.clone()).recall_sample(0).index(points).unwrap().index;
    let truth = exact::query(points, queries, metric, points.n()).unwrap();
    let far = truth.distances(0)[points.n() - 1] * 3.0;
    for (count, least) in [(0, 0.95), (4, 0.95), (40, 0.95), (points.n() - 1, 1.0)] {
        let mut at: Vec<f32> = (0..queries.n()).map(|i| truth.distances(i)[count]).collect();
        at.sort_unstable_by(f32::total_cmp);
        let radius = if least == 1.0 { far } else { at[at.len() / 2] };
        let hits = index.query_radius(queries, radius, &SearchOptions::new().epsilon(0.2)).unwrap();
        let (mut expected, mut found) = (0, 0);
        for i in 0..queries.n() {
            let (ids, distances) = (hits.ids(i), hits.distances(i));
            assert!(distances.iter().all(|d| *d <= radius) && distances.is_sorted(), "{name}");
            let within = truth.distances(i).iter().filter(|d| **d <= radius).count();
            expected += within;
            found += truth.ids(i)[..within].iter().filter(|id| ids.contains(id)).count();
            assert!(ids.len() <= within, "{name}: {} found of {within}", ids.len());
        }
        assert!(
            found as f64 >= least * expected as f64 && expected > 0,
            "{name}: {found} of {expected} within {radius}"
        );
    }
    assert!(
        index.query_radius(queries, -1.0, &SearchOptions::new().epsilon(0.2)).unwrap().all_ids().is_empty(),
        "{name}"
    );
    let near = index.query_radius(queries, 0.0, &SearchOptions::new().epsilon(0.1)).unwrap();
    assert!(near.stats().iter().all(|s| s.distances < points.n() as u64), "{name}: {:?}", near.stats());
}

#[test]
fn copies_are_as_far_as_rows_are_from_themselves() {
    for name in ["sinkhorn", "dot", "inner_product", "kantorovich"] {
        let ((data, dim), metric) = (data_for(name), metric(name));
        let data = [&data[..100 * dim], &data[..40 * dim], &data[..5 * dim]].concat();
        let sparse = CsrMatrix::from_dense(&data, 145, dim).unwrap();
        let row = |i: usize| &data[i * dim..(i + 1) * dim];
        let distance = |a: usize, b: usize| metric.distance(row(a), row(b));
        for points in [Points::dense(&data, 145, dim).unwrap(), Points::from(sparse.view())] {
            for include_self in [false, true] {
                let builder = NnDescent::new(metric.clone()).n_neighbors(K).include_self(include_self);
                let graph = builder.algorithm(Algorithm::NnDescent).graph(&points).unwrap().graph;
                check_distances(&graph, 1, Within { relative: 1e-5, floor: 1e-2 }, distance);
                let truth = exact::graph(&points, &metric, K, include_self).unwrap();
                let recall = recall::recall(&graph, &truth, K).unwrap();
                assert!(recall >= 0.95, "{name}: recall {recall}");
            }
        }
    }
}

#[test]
fn radii_under_proxied_metrics() {
    for name in ["jensen_shannon", "symmetric_kl", "circular_kantorovich", "kantorovich", "sinkhorn"] {
        let ((data, dim), metric) = (data_for(name), metric(name));
        let n = if rows_for(name) < N { 800 } else { N };
        let asked = if rows_for(name) < N { 6 } else { 50 };
        let (base, rest) = data[..n * dim].split_at((n - asked) * dim);
        let points = Points::dense(base, n - asked, dim).unwrap();
        check_radius(name, &metric, &points, &Points::dense(rest, asked, dim).unwrap());
        if metric.support().sparse {
            let matrix = |values: &[f32]| CsrMatrix::from_dense(values, values.len() / dim, dim).unwrap();
            let (base, rest) = (matrix(base), matrix(rest));
            check_radius(name, &metric, &Points::from(base.view()), &Points::from(rest.view()));
        }
    }
}

#[test]
fn an_index_under_a_derived_metric_grows_and_shrinks() {
    for name in ["haversine", "hellinger", "jensen_shannon", "spearmanr", "jaccard"] {
        let ((data, dim), metric) = (data_for(name), metric(name));
        let (first, second) = data.split_at(N / 2 * dim);
        let mut index = NnDescent::new(metric.clone()).index(&Points::dense(first, N / 2, dim).unwrap()).unwrap().index;
        index.add(&Points::dense(second, N / 2, dim).unwrap()).unwrap();
        let removed: Vec<u32> = (0..N as u32).filter(|id| id % 3 == 0).collect();
        index.remove(&removed).unwrap();
        let ids: Vec<u32> = (0..N as u32).filter(|id| id % 3 != 0).step_by(7).collect();
        let hits = index.query_ids(&ids, 10, &SearchOptions::new().epsilon(0.2)).unwrap();
        let row = |i: usize| &data[i * dim..(i + 1) * dim];
        let (mut found, mut all) = (0, 0);
        for (i, &id) in ids.iter().enumerate() {
            let mut truth: Vec<f64> = (0..N)
                .filter(|&other| other % 3 != 0 && other != id as usize)
                .map(|other| metric.distance(row(id as usize), row(other)))
                .collect();
            truth.sort_unstable_by(f64::total_cmp);
            all += 10;
            found += hits.distances(i).iter().filter(|d| f64::from(**d) <= truth[9] * 1.0001 + 1e-6).count();
        }
        assert!(found * 100 >= all * 95, "{name}: {found} of {all}");
    }
}

/// The sets as packed bits.
fn packed(sets: &[f32], dim: usize) -> Vec<u8> {
    let byte = |columns: &[f32]| columns.iter().rev().fold(0, |byte, v| byte << 1 | u8::from(*v != 0.0));
    sets.chunks_exact(dim).flat_map(|row| row.chunks(8).map(byte)).collect()
}

#[test]
fn bits_are_sets_of_columns() {
    let dim = 413;
    let columns = sets(dim);
    let bytes = packed(&columns, dim);
    let (dense, bits) = (Points::dense(&columns, N, dim).unwrap(), Points::bits(&bytes, N, dim).unwrap());
    for name in dense_metrics().filter(|name| metric(name).support().bits) {
        let builder = NnDescent::new(metric(name)).n_neighbors(K).algorithm(Algorithm::NnDescent);
        let (of_bits, of_columns) = (builder.graph(&bits).unwrap(), builder.graph(&dense).unwrap());
        if name != "hamming" {
            assert_eq!(of_bits.graph, of_columns.graph, "{name}");
        }
        let recall = of_bits.report.recall.unwrap();
        assert!(recall.estimate >= 0.95, "{name}: {recall:?}");
    }
}

#[test]
fn packed_bytes_are_bits() {
    let dim = 416;
    let bytes = packed(&sets(dim), dim);
    let (dense, bits) = (Points::dense(&bytes, N, dim / 8).unwrap(), Points::bits(&bytes, N, dim).unwrap());
    for metric in [Metric::BitHamming, Metric::BitJaccard] {
        let builder = NnDescent::new(metric.clone()).n_neighbors(K).algorithm(Algorithm::NnDescent);
        let built = builder.graph(&bits).unwrap();
        assert_eq!(built.graph, builder.graph(&dense).unwrap().graph);
        let row = |i: usize| bytes[i * dim / 8..(i + 1) * dim / 8].iter().map(|&b| f32::from(b)).collect::<Vec<f32>>();
        check_promises(&built.graph, K, |a, b| metric.distance(&row(a), &row(b)));
        let truth = exact::graph(&bits, &metric, K, false).unwrap();
        let recall = recall::recall(&built.graph, &truth, K).unwrap();
        assert!(recall >= 0.95, "{metric}: recall {recall}");
        let mut index = IndexOptions::new().index(&bits, &metric, &built.graph).unwrap();
        let hits = index.query(&bits, 1, &SearchOptions::new().epsilon(0.1)).unwrap();
        let of_bytes = IndexOptions::new().index(&dense, &metric, &built.graph).unwrap();
        assert_eq!(
            of_bytes.query(&dense, 1, &SearchOptions::new().epsilon(0.1)).unwrap(),
            hits,
            "{metric}: bytes are bits to indexes, too"
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        of_bytes.save(file.path()).unwrap();
        let opened = nndescent::Index::open(file.path()).unwrap();
        assert_eq!(opened.query(&dense, 1, &SearchOptions::new().epsilon(0.1)).unwrap(), hits);
        let own = hits.all_distances().iter().filter(|d| **d == 0.0).count();
        assert!(own * 100 >= N * 99, "{metric}: {own} rows found themselves");
        index.add(&dense).unwrap();
        index.remove(&(0..N as u32).collect::<Vec<u32>>()).unwrap();
        let hits = index.query(&bits, 1, &SearchOptions::new().epsilon(0.1)).unwrap();
        let again = (0..N).filter(|&i| hits.distances(i)[0] == 0.0 && hits.ids(i)[0] as usize >= N).count();
        assert!(again * 100 >= N * 99, "{metric}: {again} rows found their copies");
    }
}

/// Words by edit distance: no vectors at all.
#[test]
fn strings_by_edit_distance() {
    let words: Vec<String> = (0..1500u32)
        .map(|i| {
            let stem = ["neighbour", "descent", "forest", "candidate", "distance", "graph"][i as usize % 6];
            let mut word: Vec<char> =
                stem.chars().chain(format!("{:b}", i.wrapping_mul(2_654_435_761) >> 20).chars()).collect();
            let at = i as usize / 7 % word.len();
            word.remove(at);
            word.into_iter().collect()
        })
        .collect();
    let words = items(&words, |a: &String, b: &String| levenshtein(a.as_bytes(), b.as_bytes()) as f32);
    let points = Points::items(&words).unwrap();
    let builder = NnDescent::new(Metric::Custom).n_neighbors(10).algorithm(Algorithm::NnDescent);
    let graph = builder.graph(&points).unwrap().graph;
    let truth = exact::graph(&points, &Metric::Custom, 10, false).unwrap();
    let recall = recall::recall(&graph, &truth, 10).unwrap();
    assert!(recall >= 0.95, "recall {recall}");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    assert_eq!(graph, pool.install(|| builder.graph(&points).unwrap().graph));
}

fn levenshtein(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut corner = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = (corner + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            corner = std::mem::replace(&mut row[j + 1], cost);
        }
    }
    row[b.len()]
}

#[test]
fn a_distance_of_rows_that_is_the_users_own() {
    let data = vectors();
    // Canberra, say, without knowing that there is one.
    let own = |x: &[f32], y: &[f32]| {
        x.iter().zip(y).map(|(a, b)| if a == b { 0.0 } else { (a - b).abs() / (a.abs() + b.abs()) }).sum::<f32>()
    };
    let rows = custom::rows(&data, DIM, own).unwrap();
    let graph = NnDescent::new(Metric::Custom).n_neighbors(K).graph(&Points::items(&rows).unwrap()).unwrap().graph;
    let truth = exact::graph(&Points::dense(&data, N, DIM).unwrap(), &Metric::Canberra, K, false).unwrap();
    let recall = recall::recall(&graph, &truth, K).unwrap();
    assert!(recall >= 0.95, "recall {recall}");
}

#[test]
fn a_distance_that_is_not_finite_is_named() {
    let values: Vec<f32> = (0..500).map(|i| i as f32).collect();
    let rows = items(&values, |a: &f32, b: &f32| if (*a, *b) == (7.0, 9.0) { f32::NAN } else { (a - b).abs() });
    let points = Points::items(&rows).unwrap();
    for algorithm in [Algorithm::NnDescent, Algorithm::Exact] {
        let error = NnDescent::new(Metric::Custom).algorithm(algorithm).graph(&points).unwrap_err().to_string();
        assert_eq!(error, "the distance of items 7 and 9 is not finite");
    }
}

#[test]
fn what_a_metric_does_not_take_is_named() {
    let data = histograms();
    let fails = |metric: Metric, data: &[f32], dim: usize| {
        let points = Points::dense(data, data.len() / dim, dim).unwrap();
        NnDescent::new(metric).n_neighbors(1).graph(&points).unwrap_err().to_string()
    };
    let message = fails(metric("seuclidean"), &data[..300], 3);
    assert_eq!(message, "metric `seuclidean`: sigma has 24 values, but rows of 3 columns need 3");
    let message = fails(metric("mahalanobis"), &data[..300], 3);
    assert_eq!(message, "metric `mahalanobis`: vinv has 576 values, but rows of 3 columns need 9");
    let of = |name: &str, values: &[f32]| {
        let argument = if name == "mahalanobis" { "vinv" } else { "cost" };
        Metric::parse_with(name, &[(argument, values.into())]).unwrap()
    };
    let message = fails(of("mahalanobis", &[1.0, 0.5, 0.2, 1.0]), &data[..300], 2);
    assert_eq!(message, "metric `mahalanobis`: vinv[1, 0] is 0.2, but vinv[0, 1] is 0.5");
    let message = fails(of("mahalanobis", &[1.0, 2.0, 2.0, 1.0]), &data[..300], 2);
    let not = "metric `mahalanobis`: vinv is not positive definite: pivot 1 of its Cholesky factor is not above 0";
    assert_eq!(message, not);
    let message = fails(of("kantorovich", &[1.0, 2.0, 2.0, 0.0]), &data[..300], 2);
    assert_eq!(message, "metric `kantorovich`: cost[0, 0] = 1, but it must be 0 on the diagonal");
    assert_eq!(fails(Metric::Haversine, &data[..300], 3), "metric `haversine` needs 2 columns, not 3");
    let far = [0.1, 0.2, 1.6, 0.0, 0.3, 0.3];
    let message = "row 1, column 0 is 1.6, but metric `haversine` needs latitudes of -π/2 to π/2 (radians)";
    assert_eq!(fails(Metric::Haversine, &far, 2), message);
    let negative = [0.1, 0.2, 0.3, -0.5, 0.3, 0.3];
    for name in ["hellinger", "jensen_shannon", "symmetric_kl", "wasserstein_1d", "circular_kantorovich"] {
        let message = format!("row 1, column 1 is -0.5, but metric `{name}` needs values of at least 0");
        assert_eq!(fails(metric(name), &negative, 2), message);
    }
    assert_eq!(
        fails(Metric::BitJaccard, &data[..300], 3),
        "metric `bit_jaccard` does not work on rows of float32: see docs/METRICS.md"
    );
    let bits = Points::bits(&[3, 5, 9], 3, 8).unwrap();
    let message = NnDescent::new(Metric::Euclidean).n_neighbors(1).graph(&bits).unwrap_err().to_string();
    assert_eq!(message, "metric `euclidean` does not work on rows of bits: see docs/METRICS.md");
    assert_eq!(Points::bits(&[3, 5, 9], 3, 3).unwrap_err().to_string(), "row 2 has bits set beyond its 3");
    assert_eq!(
        fails(Metric::Custom, &data[..300], 3),
        "metric `custom` does not work on rows of float32: see docs/METRICS.md"
    );
}

/// Sets of more rows than are compared at once, many of them as far from each other: of these the first are kept.
#[test]
fn exact_graphs_of_sets_are_those_of_the_definition() {
    let all = dense_metrics().filter(|name| metric(name).support().bits && *name != "hamming");
    check_exact_sets(96, 0.3, &all.collect::<Vec<_>>());
    // Few of many columns, so that rows are folded.
    check_exact_sets(1000, 0.03, &["jaccard", "matching", "russellrao"]);
}

fn check_exact_sets(dim: usize, share: f64, names: &[&str]) {
    let n = 2500;
    let values = crate::common::points::patches(n, dim, 40, 9);
    let mut sorted = values.clone();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let least = sorted[(share * values.len() as f64) as usize];
    let columns: Vec<f32> = values.iter().map(|v| f32::from(u8::from(*v > least))).collect();
    let bytes = packed(&columns, dim);
    let (dense, bits) = (Points::dense(&columns, n, dim).unwrap(), Points::bits(&bytes, n, dim).unwrap());
    let row = |i: usize| &columns[i * dim..(i + 1) * dim];
    for name in names {
        let metric = metric(name);
        let graph = exact::graph(&bits, &metric, K, false).unwrap();
        for i in (0..n).step_by(37) {
            let to = |j: usize| (metric.distance(row(i), row(j)) as f32, j as u32);
            let mut all: Vec<(f32, u32)> = (0..n).filter(|&j| j != i).map(to).collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let found = graph.distances(i).iter().copied().zip(graph.ids(i).iter().copied());
            assert_eq!(found.collect::<Vec<_>>(), all[..K], "{name} {i}");
        }
        assert_eq!(exact::graph(&dense, &metric, K, false).unwrap(), graph, "{name}");
        let builder = NnDescent::new(metric).n_neighbors(K + 1).include_self(true).algorithm(Algorithm::Exact).seed(7);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let with_self = pool.install(|| builder.graph(&bits)).unwrap().graph;
        for i in 0..n {
            assert_eq!((with_self.ids(i)[0], with_self.distances(i)[0]), (i as u32, 0.0), "{name}");
            assert_eq!(&with_self.ids(i)[1..], graph.ids(i), "{name} {i}");
        }
    }
}
