//! Sparse rows: graphs, exact search, indexes and files under every metric that takes them, against the same rows
//! stored dense.

use nndescent::index::SearchScratch;
use nndescent::{
    Algorithm, CsrMatrix, Index, KnnGraph, Metric, MetricArgument, NnDescent, Points, SearchOptions, exact, recall,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const N: usize = 1500;
const DIM: usize = 600;
const K: usize = 15;

/// Documents about topics of 40 likely words each, with counts; two rows are empty.
fn documents(n: usize) -> CsrMatrix {
    let mut rng = StdRng::seed_from_u64(5);
    let topics: Vec<Vec<u32>> = (0..25).map(|_| (0..40).map(|_| rng.random_range(0..DIM as u32)).collect()).collect();
    let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    for i in 0..n {
        let mut words: Vec<u32> = Vec::new();
        if i != 17 && i != 99 {
            let topic = &topics[rng.random_range(0..25)];
            words.extend(topic.iter().filter(|_| rng.random::<f32>() < 0.6));
            words.extend((0..4).map(|_| rng.random_range(0..DIM as u32)));
        }
        // Unordered: the matrix sorts.
        words.sort_unstable_by_key(|w| w.wrapping_mul(2_654_435_761));
        words.dedup();
        words.iter().for_each(|_| values.push((rng.random::<f32>() * 4.0).ceil()));
        indices.extend(words);
        indptr.push(indices.len());
    }
    CsrMatrix::new(DIM, indptr, indices, values).unwrap()
}

fn dense(matrix: &CsrMatrix) -> Vec<f32> {
    let view = matrix.view();
    let mut values = vec![0.0; view.n() * view.dim()];
    for i in 0..view.n() {
        let row = view.row(i);
        for (&column, &value) in row.indices.iter().zip(row.values) {
            values[i * view.dim() + column as usize] = value;
        }
    }
    values
}

/// Every metric that takes sparse rows.
fn metrics() -> Vec<Metric> {
    let column: Vec<f32> = (0..DIM).map(|j| 0.5 + j as f32 / 200.0).collect();
    let metrics = Metric::names().filter_map(|names| {
        let arguments: Vec<(&str, MetricArgument)> = match names[0] {
            "minkowski" => vec![("p", 3.0.into())],
            "seuclidean" => vec![("sigma", column[..].into())],
            "wminkowski" => vec![("w", column[..].into()), ("p", 3.0.into())],
            // Rows of fewer columns than `DIM` have these: `transports`.
            "mahalanobis" | "kantorovich" | "sinkhorn" => return None,
            _ => vec![],
        };
        Some(Metric::parse_with(names[0], &arguments).unwrap())
    });
    metrics.filter(|metric| metric.support().sparse).collect()
}

#[test]
fn most_metrics_take_sparse_rows() {
    let names: Vec<&str> = metrics().iter().map(Metric::name).collect();
    assert!(names.len() >= 29, "{names:?}");
}

#[test]
fn graphs_are_those_of_dense_rows() {
    let matrix = documents(N);
    let dense = dense(&matrix);
    let (points, same) = (Points::from(matrix.view()), Points::dense(&dense, N, DIM).unwrap());
    for metric in metrics() {
        let truth = exact::graph(&same, &metric, K, false).unwrap();
        let exact = exact::graph(&points, &metric, K, false).unwrap();
        for (at, (a, b)) in exact.all_distances().iter().zip(truth.all_distances()).enumerate() {
            let near = (a - b).abs() <= 2e-5 * b.abs().max(1e-2);
            assert!(near, "{metric}, row {}: {a} instead of {b}", at / K);
        }
        let builder = NnDescent::new(metric.clone()).n_neighbors(K).algorithm(Algorithm::NnDescent);
        let built = builder.graph(&points).unwrap();
        let recall = recall::recall(&built.graph, &truth, K).unwrap();
        assert!(recall >= 0.95, "{metric}: recall {recall}");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        assert_eq!(built.graph, pool.install(|| builder.graph(&points).unwrap().graph), "{metric}");
    }
}

#[test]
fn indexes_answer_grow_and_are_saved() {
    let matrix = documents(N);
    let ids = |range: std::ops::Range<usize>| range.map(|i| i as u32).collect::<Vec<u32>>();
    let (first, second, asked) = (ids(0..900), ids(900..1300), ids(1300..N));
    let all = matrix.select(&ids(0..1300));
    let queries = matrix.select(&asked);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse.nnd");
    for metric in metrics() {
        let part = matrix.select(&first);
        let mut index = NnDescent::new(metric.clone()).index(&Points::from(part.view())).unwrap().index;
        index.add(&Points::from(matrix.select(&second).view())).unwrap();
        index.save(&path).unwrap();
        Index::verify(&path).unwrap();
        let opened = Index::open(&path).unwrap();
        assert_eq!((opened.metric(), opened.len(), opened.dim()), (&metric, 1300, DIM));
        let queries = Points::from(queries.view());
        let hits = opened.query(&queries, 10, &SearchOptions::new().epsilon(0.2)).unwrap();
        let truth = exact::query(&Points::from(all.view()), &queries, &metric, 10).unwrap();
        let recall = recall::recall(hits.graph(), &truth, 10).unwrap();
        // Under these two, empty rows have distance 0 to all others, so that neighbours of neighbours are not near.
        let least = if matches!(metric, Metric::TsSs | Metric::Yule) { 0.6 } else { 0.95 };
        assert!(recall >= least, "{metric}: recall {recall}");
        let (mut scratch, options) = (SearchScratch::new(), SearchOptions::new().epsilon(0.2));
        let one = opened.nearest_to_row(&mut scratch, &queries, 3, 10, &options).unwrap();
        assert!(one.iter().copied().eq(hits.neighbors(3)), "{metric}");
    }
}

/// Stored zeros are not entries, however rows are transformed.
#[test]
fn stored_zeros_change_nothing() {
    let matrix = documents(200);
    let view = matrix.view();
    let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    for i in 0..view.n() {
        let row = view.row(i);
        let mut entries: Vec<(u32, f32)> = row.indices.iter().copied().zip(row.values.iter().copied()).collect();
        let absent = (0..DIM as u32).filter(|column| row.indices.binary_search(column).is_err());
        entries.extend(absent.step_by(97).map(|column| (column, 0.0)));
        entries.sort_unstable_by_key(|entry| entry.0);
        indices.extend(entries.iter().map(|entry| entry.0));
        values.extend(entries.iter().map(|entry| entry.1));
        indptr.push(indices.len());
    }
    let stored = Points::csr(DIM, &indptr, &indices, &values).unwrap();
    for metric in metrics() {
        let graph = |points: &Points| exact::graph(points, &metric, 5, false).unwrap();
        let (with, without) = (graph(&stored), graph(&Points::from(view)));
        for (a, b) in with.all_distances().iter().zip(without.all_distances()) {
            assert!((a - b).abs() <= 1e-5 * b.abs().max(1e-2), "{metric}: {a} instead of {b}");
        }
        let index = NnDescent::new(metric.clone()).index(&Points::from(view)).unwrap().index;
        let hits = |points: &Points| {
            index.query(points, 3, &SearchOptions::new().epsilon(0.2)).unwrap().all_distances().to_vec()
        };
        for (a, b) in hits(&stored).iter().zip(hits(&Points::from(view))) {
            assert!((a - b).abs() <= 1e-5 * b.abs().max(1e-2), "{metric}, queries: {a} instead of {b}");
        }
    }
}

/// Cumulative sums to any power, of rows without and with entries in the first and last columns.
#[test]
fn cumulative_sums_are_those_of_dense_rows() {
    let mut values = dense(&documents(100).select(&(0..60).collect::<Vec<u32>>()));
    (values[5 * DIM], values[6 * DIM - 1], values[6 * DIM]) = (2.0, 3.0, 1.0);
    let matrix = CsrMatrix::from_dense(&values, 60, DIM).unwrap();
    let (points, same) = (Points::from(matrix.view()), Points::dense(&values, 60, DIM).unwrap());
    for (name, p) in
        ["wasserstein_1d", "circular_kantorovich"].into_iter().flat_map(|n| [1.0, 2.0, 2.5].map(|p| (n, p)))
    {
        let metric = Metric::parse_with(name, &[("p", MetricArgument::from(p))]).unwrap();
        let [found, right] = [points, same].map(|points| exact::graph(&points, &metric, 59, false).unwrap());
        for (a, b) in found.all_distances().iter().zip(right.all_distances()) {
            assert!((a - b).abs() <= 1e-5 * b.abs(), "{metric}: {a} instead of {b}");
        }
        let builder = NnDescent::new(metric.clone()).n_neighbors(5).algorithm(Algorithm::NnDescent).recall_sample(0);
        let recall = recall::recall(&builder.graph(&points).unwrap().graph, &found, 5).unwrap();
        assert!(recall >= 0.95, "{metric}: recall {recall}");
    }
}

/// Bins on a ring, and the costs between them.
fn transports(dim: usize) -> [Metric; 2] {
    let cost: Vec<f32> =
        (0..dim * dim).map(|at| (at / dim).abs_diff(at % dim)).map(|steps| steps.min(dim - steps) as f32).collect();
    let regularization = ("regularization", MetricArgument::from(3.0));
    [("kantorovich", vec![]), ("sinkhorn", vec![regularization])].map(|(name, mut arguments)| {
        arguments.push(("cost", cost[..].into()));
        Metric::parse_with(name, &arguments).unwrap()
    })
}

/// At most six of 60 bins, near one another; one row is empty.
fn histograms(n: usize, seed: u64) -> CsrMatrix {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut values = vec![0.0; n * 60];
    for (i, row) in values.chunks_exact_mut(60).enumerate().filter(|(i, _)| *i != 7) {
        let (at, spread) = (rng.random_range(0..60), 3 + i % 20);
        (0..6).for_each(|_| row[(at + rng.random_range(0..spread)) % 60] = (rng.random::<f32>() * 4.0).ceil());
    }
    CsrMatrix::from_dense(&values, n, 60).unwrap()
}

/// Transport at given costs: exact search equals that of dense rows, and graphs and indexes find its neighbours, saved
/// or not.
#[test]
fn transports_between_entries() {
    let (first, second, asked) = (histograms(350, 1), histograms(50, 2), histograms(20, 3));
    let mut all = first.clone();
    all.push(second.view()).unwrap();
    let values = [&all, &asked].map(dense);
    let of_values = |at: usize| Points::dense(&values[at], values[at].len() / 60, 60).unwrap();
    let (all, queries) = (Points::from(all.view()), Points::from(asked.view()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("transport.nnd");
    for metric in transports(60) {
        let same = |sparse: &KnnGraph, of_dense: &KnnGraph| {
            let distances = sparse.all_distances().iter().zip(of_dense.all_distances());
            distances.for_each(|(a, b)| assert!((a - b).abs() <= 1e-5 * b.abs().max(1e-2), "{metric}: {a} not {b}"));
        };
        let truth = exact::graph(&all, &metric, K, false).unwrap();
        same(&truth, &exact::graph(&of_values(0), &metric, K, false).unwrap());
        let builder = NnDescent::new(metric.clone()).n_neighbors(K).algorithm(Algorithm::NnDescent).recall_sample(0);
        let recall = recall::recall(&builder.graph(&all).unwrap().graph, &truth, K).unwrap();
        assert!(recall >= 0.95, "{metric}: recall {recall}");
        let mut index = builder.index(&Points::from(first.view())).unwrap().index;
        index.add(&Points::from(second.view())).unwrap();
        index.save(&path).unwrap();
        Index::verify(&path).unwrap();
        let hits = index.query(&queries, 10, &SearchOptions::new().epsilon(0.2)).unwrap();
        assert_eq!(
            hits,
            Index::open(&path).unwrap().query(&queries, 10, &SearchOptions::new().epsilon(0.2)).unwrap(),
            "{metric}"
        );
        let truth = exact::query(&all, &queries, &metric, 10).unwrap();
        same(&truth, &exact::query(&of_values(0), &of_values(1), &metric, 10).unwrap());
        let recall = recall::recall(hits.graph(), &truth, 10).unwrap();
        assert!(recall >= 0.95, "{metric}: recall of queries {recall}");
        let of_ids = index.query_ids(&[3, 399], 5, &SearchOptions::new()).unwrap();
        assert!(of_ids.distances(0).iter().all(|d| d.is_finite()) && !of_ids.ids(1).contains(&399));
    }
}

#[test]
fn removed_rows_are_not_found() {
    let matrix = documents(N);
    let points = Points::from(matrix.view());
    let mut index = NnDescent::new(Metric::Cosine).index(&points).unwrap().index;
    let removed: Vec<u32> = (0..N as u32).filter(|id| id % 2 == 0).collect();
    index.remove(&removed).unwrap();
    let hits = index.query(&points, 5, &SearchOptions::new().epsilon(0.2)).unwrap();
    assert!(hits.all_ids().iter().all(|id| id % 2 == 1));
    let dense = [0.0; DIM];
    let wrong = index.query(&Points::dense(&dense, 1, DIM).unwrap(), 3, &SearchOptions::new()).unwrap_err().to_string();
    assert!(wrong.contains("float32") && wrong.contains("sparse"), "{wrong}");
    assert!(index.nearest(&dense, 3).is_err());
}

/// Of a million columns, only those in use cost anything.
#[test]
fn a_million_columns() {
    let matrix = documents(N);
    let view = matrix.view();
    let far: Vec<u32> = view.indices().iter().map(|c| c * 7_000 + 11).collect();
    let wide = Points::csr(4_200_000, view.indptr(), &far, view.values()).unwrap();
    let builder = NnDescent::new(Metric::Cosine).n_neighbors(K).recall_sample(0);
    assert_eq!(builder.graph(&wide).unwrap().graph, builder.graph(&Points::from(view)).unwrap().graph);
    assert!(builder.estimate_memory(&wide).unwrap() < 4_000_000);
}

#[test]
fn what_is_wrong_with_rows_is_named() {
    let wrong = |indptr: &[usize], indices: &[u32], values: &[f32]| {
        Points::csr(5, indptr, indices, values).unwrap_err().to_string()
    };
    for (message, part) in [
        (wrong(&[0, 2, 1, 3], &[0, 1, 2], &[1.0; 3]), "row 1"),
        (wrong(&[0, 2, 3], &[1, 0, 2], &[1.0; 3]), "row 0"),
        (wrong(&[0, 1, 3], &[1, 2, 2], &[1.0; 3]), "row 1"),
        (wrong(&[0, 1, 3], &[1, 2, 5], &[1.0; 3]), "row 1"),
        (wrong(&[0, 1, 3], &[1, 2, 4], &[1.0, 2.0, f32::NAN]), "row 1"),
        (wrong(&[0, 1, 4], &[1, 2, 4], &[1.0; 3]), "4"),
        (wrong(&[0, 1, 3], &[1, 2, 4], &[1.0; 2]), "2"),
    ] {
        assert!(message.contains(part), "{message}");
    }
    let negative = Points::csr(5, &[0, 1, 3], &[1, 2, 4], &[1.0, 2.0, -3.0]).unwrap();
    let message = NnDescent::new(Metric::Hellinger).n_neighbors(1).graph(&negative).unwrap_err().to_string();
    assert_eq!(message, "row 1, column 4 is -3, but metric `hellinger` needs values of at least 0");
    let message = NnDescent::new(Metric::Haversine).n_neighbors(1).graph(&negative).unwrap_err().to_string();
    assert!(message.contains("haversine"), "{message}");
    let identity: Vec<f32> = (0..25).map(|at| f32::from(u8::from(at % 6 == 0))).collect();
    let mahalanobis = Metric::parse_with("mahalanobis", &[("vinv", identity[..].into())]).unwrap();
    let message = NnDescent::new(mahalanobis).n_neighbors(1).graph(&negative).unwrap_err().to_string();
    assert_eq!(message, "metric `mahalanobis` does not work on rows of sparse values: see docs/METRICS.md");
    let kantorovich = Metric::parse_with("kantorovich", &[("cost", [0.0; 16][..].into())]).unwrap();
    let message = NnDescent::new(kantorovich).n_neighbors(1).graph(&negative).unwrap_err().to_string();
    assert_eq!(message, "metric `kantorovich`: cost has 16 values, but rows of 5 columns need 25");
}

/// Newswire and market baskets, if `NNDESCENT_DATA` names the folder that holds them.
#[cfg(feature = "io")]
#[test]
fn real_sets() {
    for (name, metric, least) in [("reuters_tfidf", Metric::Cosine, 0.90), ("retail_baskets", Metric::Jaccard, 0.90)] {
        let Some(path) = crate::common::data::file(&format!("sparse/{name}.npz")) else { continue };
        let matrix = nndescent::io::read_csr(path).unwrap();
        let built = NnDescent::new(metric).n_neighbors(K).graph(&Points::from(matrix.view())).unwrap();
        let recall = built.report.recall.unwrap();
        assert!(recall.estimate >= least, "{name}: {recall:?}");
    }
}
