//! Data on which distances in f32 say little: what is exact is exact by definition, and estimates say what is not.

use nndescent::{Algorithm, Device, KnnGraph, Metric, NnDescent, Points, exact};

/// Numbers from 0 to 1, without pattern.
fn uniform(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn rows(n: usize, dim: usize, seed: u64, value: impl Fn(usize, f64) -> f64) -> Vec<f32> {
    let mut random = uniform(seed);
    (0..n * dim).map(|at| value(at % dim, random()) as f32).collect()
}

/// The share of neighbours that are no farther, by definition, than the true last one.
fn recall(graph: &KnnGraph, data: &[f32], dim: usize, metric: &Metric) -> f64 {
    let row = |i: usize| &data[i * dim..][..dim];
    let mut hits = 0;
    for i in 0..graph.n() {
        let distances: Vec<f64> = (0..graph.n()).map(|j| metric.distance(row(i), row(j))).collect();
        let mut others: Vec<f64> = (0..graph.n()).filter(|&j| j != i).map(|j| distances[j]).collect();
        others.sort_unstable_by(f64::total_cmp);
        let last = others[graph.k() - 1];
        hits += graph.ids(i).iter().filter(|&&id| distances[id as usize] <= last + 1e-12 * last.abs()).count();
    }
    hits as f64 / (graph.n() * graph.k()) as f64
}

fn places(n: usize, kilometers: f64) -> Vec<f32> {
    let mut random = uniform(7);
    let side = kilometers / 6371.0;
    let place = |_| {
        let (latitude, longitude) = (0.84 + side * random(), 0.14 + side * random());
        [latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin(), latitude.sin()].map(|v| v as f32)
    };
    (0..n).flat_map(place).collect()
}

#[test]
fn exact_search_is_exact_where_f32_cancels() {
    let n = 400;
    let far = rows(n, 16, 1, |_, v| 1e6 + 100.0 * v);
    let tight = rows(n, 64, 2, |column, v| ((column * 7 % 5) as f64 - 2.0) + 1e-3 * v);
    let histograms = rows(n, 32, 3, |column, v| (1.0 + column as f64) * (1.0 + 1e-5 * v));
    let near = places(n, 10.0);
    let angular = [Metric::Cosine, Metric::TrueAngular, Metric::Dot, Metric::InnerProduct, Metric::Correlation];
    let of_histograms =
        [Metric::Hellinger, Metric::JensenShannon, Metric::Wasserstein1d { p: 1.0 }, Metric::BrayCurtis];
    let cases =
        [(&near, 3, &angular[..]), (&far, 16, &angular), (&tight, 64, &angular), (&histograms, 32, &of_histograms)];
    for (data, dim, metrics) in cases {
        let points = Points::dense(data, n, dim).unwrap();
        for metric in metrics {
            let graph = exact::graph(&points, metric, 10, false).unwrap();
            assert_eq!(recall(&graph, data, dim, metric), 1.0, "{metric} of {dim} columns");
            let base = Points::dense(&data[..n * dim], n, dim).unwrap();
            let found = exact::query(&base, &points, metric, 5).unwrap();
            let own = (0..n).filter(|&i| found.distances(i)[0] <= graph.distances(i)[0]).count();
            assert_eq!(own, n, "{metric}: queries that are points");
        }
    }
}

#[test]
fn angles_and_shares_of_near_rows_are_found_by_descent() {
    let n = 1500;
    for (data, dim, metric) in [
        (places(n, 10.0), 3, Metric::Cosine),
        (rows(n, 16, 1, |_, v| 1e6 + 100.0 * v), 16, Metric::Correlation),
        (rows(n, 8, 2, |column, v| (1.0 + column as f64) * (1.0 + 1e-4 * v)), 8, Metric::Hellinger),
        (
            rows(n, 4, 3, |_, v| 1e6 + 100.0 * v),
            4,
            Metric::StandardizedEuclidean { variances: [2.0, 3.0, 4.0, 5.0].into() },
        ),
    ] {
        let points = Points::dense(&data, n, dim).unwrap();
        let descent = NnDescent::new(metric.clone()).algorithm(Algorithm::NnDescent).device(Device::Cpu);
        let built = descent.graph(&points).unwrap();
        let (found, said) = (recall(&built.graph, &data, dim, &metric), built.report.recall.unwrap());
        assert!(found > 0.98, "{metric}: {found}");
        assert!((said.low..=said.high).contains(&found), "{metric}: {found}, but {said:?}");
    }
}

#[test]
fn an_estimate_says_what_f32_does_not_tell_apart() {
    // Dot products of these are all alike in f32.
    let (n, dim) = (1500, 3);
    let data = places(n, 10.0);
    let points = Points::dense(&data, n, dim).unwrap();
    let built = NnDescent::new(Metric::Dot).algorithm(Algorithm::NnDescent).graph(&points).unwrap();
    let (found, said) = (recall(&built.graph, &data, dim, &Metric::Dot), built.report.recall.unwrap());
    assert!(found < 0.9 && (said.low..=said.high).contains(&found), "{found}, but {said:?}");
}

#[test]
fn values_of_any_size_have_neighbours() {
    let (n, dim) = (300, 12);
    for size in [1e19, 1e30, 1e-23, 1e-40] {
        let data = rows(n, dim, 4, |_, v| size * (v - 0.5));
        let points = Points::dense(&data, n, dim).unwrap();
        for metric in [
            Metric::Euclidean,
            Metric::Manhattan,
            Metric::Chebyshev,
            Metric::Minkowski { p: 5.0 },
            Metric::Minkowski { p: 40.0 },
            Metric::Cosine,
            Metric::Correlation,
            Metric::Canberra,
            Metric::BrayCurtis,
        ] {
            for algorithm in [Algorithm::Exact, Algorithm::NnDescent] {
                let built = NnDescent::new(metric.clone()).n_neighbors(8).algorithm(algorithm).graph(&points).unwrap();
                let found = recall(&built.graph, &data, dim, &metric);
                let least = if algorithm == Algorithm::Exact { 1.0 } else { 0.95 };
                assert!(found >= least, "{metric}, {algorithm}, values of {size:e}: {found}");
            }
        }
    }
    let large = rows(n, dim, 5, |_, v| 1e25 * v);
    let points = Points::dense(&large, n, dim).unwrap();
    for metric in [Metric::SqEuclidean, Metric::InnerProduct, Metric::TsSs] {
        let message = NnDescent::new(metric.clone()).graph(&points).unwrap_err().to_string();
        assert!(message.starts_with("row 0, column 0 is ") && message.contains("finite in f32"), "{metric}: {message}");
    }
}

#[test]
fn rows_are_given_their_copies_and_those_beside_a_heap_their_neighbours() {
    let (n, dim, k) = (3000, 12, 10);
    let mut data = rows(n, dim, 6, |_, v| v);
    // Six of seven rows are one.
    let first: Vec<f32> = data[..dim].to_vec();
    (0..n).filter(|i| i % 7 != 3).for_each(|i| data[i * dim..][..dim].copy_from_slice(&first));
    let points = Points::dense(&data, n, dim).unwrap();
    for metric in [Metric::Euclidean, Metric::Cosine, Metric::JensenShannon] {
        let built =
            NnDescent::new(metric.clone()).n_neighbors(k).algorithm(Algorithm::NnDescent).graph(&points).unwrap();
        let row = |i: usize| &data[i * dim..][..dim];
        for i in (0..n).filter(|i| i % 7 != 3) {
            assert!(built.graph.ids(i).iter().all(|&id| row(id as usize) == row(i)), "{metric}: row {i}");
        }
        assert!(recall(&built.graph, &data, dim, &metric) > 0.995, "{metric}");
    }
}

#[test]
fn rows_without_mass_are_found() {
    let (n, dim) = (600, 40);
    let data: Vec<f32> =
        (0..n * dim).map(|at| f32::from(u8::from(at / dim % 30 != 0 && at / dim % dim == at % dim))).collect();
    let points = Points::dense(&data, n, dim).unwrap();
    for metric in [Metric::JensenShannon, Metric::SymmetricKl] {
        let built = NnDescent::new(metric.clone()).algorithm(Algorithm::NnDescent).graph(&points).unwrap();
        assert_eq!(recall(&built.graph, &data, dim, &metric), 1.0, "{metric}");
    }
}

#[test]
fn one_point_and_all_neighbours() {
    let points = Points::dense(&[1.0f32, 2.0], 1, 2).unwrap();
    let own = NnDescent::new(Metric::Euclidean).n_neighbors(1).include_self(true).algorithm(Algorithm::NnDescent);
    assert_eq!(own.graph(&points).unwrap().graph.ids(0), [0]);
    let (n, dim) = (700, 5);
    let data = rows(n, dim, 8, |_, v| v);
    let points = Points::dense(&data, n, dim).unwrap();
    let graph = exact::graph(&points, &Metric::Euclidean, n - 1, false).unwrap();
    assert_eq!(recall(&graph, &data, dim, &Metric::Euclidean), 1.0);
    assert!((0..n).all(|i| graph.distances(i).is_sorted()));
}
