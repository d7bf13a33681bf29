//! What a program does with an index beside searching batches: single queries, snapshots, streams, progress, padding.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::indexes::{DIM, base_and_queries, index_of, points_of, recall};
use nndescent::errors::IndexFileError;
use nndescent::index::SearchScratch;
use nndescent::{
    Hits, Index, IndexError, IndexOptions, KnnGraph, Metric, NnDescent, Points, Quantization, SearchError,
    SearchOptions, exact,
};

#[test]
fn single_queries_find_what_batches_find() {
    let (data, queries) = base_and_queries(5000, 60, 31);
    let mut index = index_of(&data, Metric::Euclidean);
    index.tune(0.99, 10, 100).unwrap();
    let mut scratch = SearchScratch::new();
    for one_in in [1, 2, 40, 1000] {
        let options = SearchOptions::new().filter(move |id| id % one_in == 0);
        let hits = index.query(&points_of(&queries), 5, &options).unwrap();
        for (i, query) in queries.chunks(DIM).enumerate() {
            let found = index.nearest_with(&mut scratch, query, 5, &options).unwrap();
            assert!(found.iter().copied().eq(hits.neighbors(i)), "one in {one_in}, query {i}");
        }
    }
    let hits = index.query(&points_of(&queries), 5, &SearchOptions::new()).unwrap();
    let nearest = |i: usize| index.nearest(&queries[i * DIM..][..DIM], 5).unwrap();
    assert!((0..60).all(|i| nearest(i).into_iter().eq(hits.neighbors(i))));
    // A closure that allows many is asked about the rows that are met, not about all.
    for one_in in [2, 12] {
        let asked = AtomicUsize::new(0);
        let options = SearchOptions::new().filter(|id| {
            asked.fetch_add(1, Ordering::Relaxed);
            id % one_in == 0
        });
        index.nearest_with(&mut scratch, &queries[..DIM], 5, &options).unwrap();
        assert!(asked.load(Ordering::Relaxed) < 2500, "one in {one_in}: {asked:?}");
    }
}

#[test]
fn one_scratch_serves_indexes_of_any_kind() {
    let (data, queries) = base_and_queries(2000, 5, 32);
    let small = index_of(&data[..100 * DIM], Metric::Manhattan);
    let mut large = index_of(&data, Metric::Cosine);
    let (mut scratch, options) = (SearchScratch::new(), SearchOptions::new());
    for query in queries.chunks(DIM) {
        for index in [&small, &large, &small] {
            let found = index.nearest_with(&mut scratch, query, 3, &options).unwrap().to_vec();
            assert_eq!(found, index.nearest(query, 3).unwrap());
        }
        large.add(&points_of(query)).unwrap();
        assert!(large.nearest_with(&mut scratch, query, 1, &options).unwrap()[0].id >= 2000);
    }
}

#[test]
fn filters_and_counters_serve_radii_too() {
    let (data, queries) = base_and_queries(3000, 20, 33);
    let index = index_of(&data, Metric::Euclidean);
    let truth = exact::query(&points_of(&data), &points_of(&queries), &Metric::Euclidean, 200).unwrap();
    let radius = truth.distances(0)[150];
    for one_in in [2, 100] {
        let options = SearchOptions::new().epsilon(0.3).filter(move |id| id % one_in == 0).counters(false);
        let hits = index.query_radius(&points_of(&queries), radius, &options).unwrap();
        assert!(hits.stats().is_empty() && hits.offsets().len() == 21);
        let (mut expected, mut found) = (0, 0);
        for i in 0..20 {
            assert!(hits.neighbors(i).all(|n| n.id % one_in == 0 && n.distance <= radius));
            let right = truth.neighbors(i).filter(|n| n.id % one_in == 0 && n.distance <= radius).collect::<Vec<_>>();
            expected += right.len();
            found += right.iter().filter(|n| hits.ids(i).contains(&n.id)).count();
        }
        assert!(found * 100 >= expected * 97 && expected > 0, "one in {one_in}: {found} of {expected}");
    }
}

#[test]
fn padding_is_asked_for() {
    let (data, queries) = base_and_queries(20, 3, 34);
    let index = index_of(&data, Metric::Euclidean);
    let (asked, pad) = (points_of(&queries), SearchOptions::new().pad(true));
    let hits = index.query(&asked, 30, &pad).unwrap();
    assert_eq!((hits.n(), hits.k(), hits.neighbors(1).count()), (3, 30, 20));
    assert!(hits.ids(1)[20..].iter().all(|&id| id == KnnGraph::NO_NEIGHBOR));
    assert!(hits.distances(1)[20..].iter().all(|&d| d == f32::INFINITY));
    assert_eq!(index.query_ids(&[3], 20, &pad).unwrap().neighbors(0).count(), 19);
    assert_eq!(index.query_ids(&[], 5, &SearchOptions::new()).unwrap().n(), 0);
    let mut scratch = SearchScratch::new();
    assert_eq!(index.nearest_with(&mut scratch, &queries[..DIM], 30, &pad).unwrap().len(), 20);
    let none = pad.clone().filter(|_| false);
    assert_eq!(index.query(&asked, 4, &none).unwrap().neighbors(0).count(), 0);
    assert!(index.query_radius(&asked, 1e9, &none).unwrap().all_ids().is_empty());
    let (labels, wanted) = ([1; 20], [1, 2, 1]);
    let hits = index.query(&asked, 4, &SearchOptions::new().pad(true).filter_labels(&labels, &wanted)).unwrap();
    assert_eq!([0, 1, 2].map(|i| hits.neighbors(i).count()), [4, 0, 4]);
    // One point alone.
    let graph = KnnGraph::from_parts(1, 1, vec![KnnGraph::NO_NEIGHBOR], vec![f32::INFINITY]).unwrap();
    let one = IndexOptions::new().index(&points_of(&data[..DIM]), &Metric::Euclidean, &graph).unwrap();
    assert_eq!(one.query(&asked, 2, &pad).unwrap().neighbors(0).count(), 1);
    assert_eq!(one.query_ids(&[0], 2, &pad).unwrap().neighbors(0).count(), 0);
    assert_eq!(one.query(&asked, 2, &SearchOptions::new()), Err(SearchError::TooManyNeighbors { k: 2, n: 1 }));
}

/// Numbers of neighbours that no memory holds, or that say nothing, are errors.
#[test]
fn numbers_of_neighbours_are_checked() {
    let (data, queries) = base_and_queries(300, 4, 34);
    let mut index = index_of(&data, Metric::Euclidean);
    let padded = SearchOptions::new().pad(true);
    for k in [1 << 40, usize::MAX] {
        let error = index.query(&points_of(&queries), k, &padded).unwrap_err().to_string();
        assert!(error.starts_with(&format!("k = {k}, but it must be at most")), "{error}");
    }
    let error = index.tune(0.9, 300, 10).unwrap_err().to_string();
    assert!(error.starts_with("k = 300, but it must be less than the 300 points"), "{error}");
    let empty = KnnGraph::from_parts(300, 0, vec![], vec![]).unwrap();
    let error = IndexOptions::new().index(&points_of(&data), &Metric::Euclidean, &empty).unwrap_err().to_string();
    assert_eq!(error, "k of the graph = 0, but it must be at least 1");
    let other = |ids: Vec<u32>| {
        let graph = KnnGraph::from_parts(ids.len(), 1, ids.clone(), vec![0.0; ids.len()]).unwrap();
        IndexOptions::new().index(&points_of(&data), &Metric::Euclidean, &graph).unwrap_err().to_string()
    };
    assert_eq!(other(vec![1; 30]), "rows of the graph = 30, but it must be 300, as many as there are points");
    assert_eq!(other(vec![307; 300]), "id in the graph = 307, but it must be below 300 (row 0)");
    let one = Points::dense(&data[..DIM], 1, DIM).unwrap();
    let error = NnDescent::new(Metric::Euclidean).index(&one).unwrap_err().to_string();
    assert_eq!(error, "n_neighbors = 1, but 1 points have only 0 other points");
}

/// Batches of nothing find nothing, of every kind of rows; adding nothing changes nothing.
#[test]
fn empty_batches_are_answered() {
    let (data, _) = base_and_queries(300, 1, 33);
    let none: [f32; 0] = [];
    let empty = Points::dense(&none, 0, DIM).unwrap();
    for metric in [Metric::Euclidean, Metric::Cosine, Metric::Hellinger, Metric::Jaccard] {
        let positive: Vec<f32> = data.iter().map(|v| v.abs()).collect();
        let mut index = index_of(&positive, metric.clone());
        let hits = index.query(&empty, 3, &SearchOptions::new()).unwrap();
        assert_eq!((hits.n(), hits.k(), hits.all_ids().len()), (0, 3, 0), "{metric}");
        assert_eq!(index.query_radius(&empty, 0.1, &SearchOptions::new()).unwrap().n(), 0, "{metric}");
        assert_eq!(index.add(&empty).unwrap(), 300..300);
        index.update(&[], &empty).unwrap();
        assert_eq!(index.len(), 300);
        let exact = exact::query(&points_of(&positive), &empty, &metric, 3).unwrap();
        assert_eq!((exact.n(), exact.k()), (0, 3), "{metric}");
    }
    let rows = nndescent::CsrMatrix::from_dense(&data, 300, DIM).unwrap();
    let index = NnDescent::new(Metric::Cosine).index(&Points::from(&rows)).unwrap().index;
    let empty = Points::csr(DIM, &[0], &[], &[]).unwrap();
    assert_eq!(index.query(&empty, 3, &SearchOptions::new()).unwrap().n(), 0);
    let bits = [0u8; 300];
    let index = NnDescent::new(Metric::BitHamming).index(&Points::bits(&bits, 300, 8).unwrap()).unwrap().index;
    assert_eq!(index.query(&Points::bits(&[], 0, 8).unwrap(), 3, &SearchOptions::new()).unwrap().n(), 0);
}

#[test]
fn clones_are_snapshots() {
    let (data, queries) = base_and_queries(2200, 50, 35);
    for (metric, quantization) in [
        (Metric::Euclidean, Quantization::U8),
        (Metric::Manhattan, Quantization::F16),
        (Metric::Jaccard, Quantization::None),
    ] {
        let options = IndexOptions::new().prefer_quantization(quantization);
        let builder = NnDescent::new(metric.clone()).recall_sample(0).index_options(options);
        let mut index = builder.index(&points_of(&data[..2000 * DIM])).unwrap().index;
        let snapshot = index.clone();
        let answers = |index: &Index| index.query(&points_of(&queries), 10, &SearchOptions::new()).unwrap();
        let before = answers(&index);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| (0..5).all(|_| answers(&snapshot) == before));
            index.add(&points_of(&data[2000 * DIM..])).unwrap();
            index.remove(&(0..900).collect::<Vec<u32>>()).unwrap();
            assert!(reader.join().unwrap(), "{metric}");
        });
        assert_eq!((snapshot.len(), index.len()), (2000, 1300));
        assert_eq!(answers(&snapshot), before, "{metric}");
        assert!(answers(&index).all_ids().iter().all(|id| (900..2200).contains(id)));
        // A writer that shares nothing comes to the same.
        let mut alone = builder.index(&points_of(&data[..2000 * DIM])).unwrap().index;
        alone.add(&points_of(&data[2000 * DIM..])).unwrap();
        alone.remove(&(0..900).collect::<Vec<u32>>()).unwrap();
        assert_eq!(answers(&alone), answers(&index), "{metric}");
    }
}

#[test]
fn streams_hold_what_files_hold() {
    let (data, queries) = base_and_queries(900, 20, 36);
    let mut index = index_of(&data, Metric::Cosine);
    index.remove(&[3, 5]).unwrap();
    let mut bytes = Vec::new();
    index.write_to(&mut bytes).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    index.save(file.path()).unwrap();
    assert_eq!(bytes, std::fs::read(file.path()).unwrap());
    let mut followed = bytes.clone();
    followed.extend(b"what follows");
    let mut stream = &followed[..];
    let mut read = Index::read_from(&mut stream).unwrap();
    assert_eq!(stream, b"what follows");
    assert_eq!((read.memory().mapped, read.len()), (0, 898));
    let answers = |index: &Index| index.query(&points_of(&queries), 5, &SearchOptions::new()).unwrap();
    assert_eq!(answers(&read), answers(&index));
    read.add(&points_of(&queries)).unwrap();
    assert_eq!(read.len(), 918);
    for length in [0, 10, 64, 1000, bytes.len() - 1] {
        assert!(matches!(Index::read_from(&bytes[..length]), Err(IndexFileError::Stream { .. })), "{length} bytes");
    }
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    assert!(matches!(Index::read_from(&damaged[..]), Err(IndexFileError::Damaged { .. })));
}

#[test]
fn values_come_back() {
    let (data, more) = base_and_queries(600, 10, 37);
    let mut index = index_of(&data, Metric::Cosine);
    index.add(&points_of(&more)).unwrap();
    assert_eq!(index.vector(7).unwrap(), data[7 * DIM..][..DIM]);
    assert_eq!(index.vectors(&[605, 0]).unwrap(), [&more[5 * DIM..][..DIM], &data[..DIM]].concat());
    index.remove(&[7]).unwrap();
    assert_eq!(index.vector(7), Err(SearchError::UnknownId { id: 7, bound: 610 }));
    let bytes: Vec<u8> = data.iter().map(|v| (v * 8.0 + 128.0).clamp(0.0, 255.0) as u8).collect();
    let points = Points::dense(&bytes, 600, DIM).unwrap();
    let of_bytes = NnDescent::new(Metric::Euclidean).index(&points).unwrap().index;
    let widened: Vec<f32> = bytes[DIM..2 * DIM].iter().map(|&b| f32::from(b)).collect();
    assert_eq!(of_bytes.vector(1).unwrap(), widened);
    let bits = Points::bits(&bytes, 600, 8 * DIM).unwrap();
    let of_bits = NnDescent::new(Metric::Jaccard).index(&bits).unwrap().index;
    let expected: Vec<f32> = (0..8 * DIM).map(|i| f32::from(bytes[i / 8] >> (i % 8) & 1)).collect();
    assert_eq!(of_bits.vector(0).unwrap(), expected);
    let positive: Vec<f32> = data.iter().map(|v| v.abs()).collect();
    let index = index_of(&positive, Metric::Hellinger);
    assert!(matches!(index.vector(0), Err(SearchError::NoValues { .. })));
}

#[test]
fn graphs_follow_changes() {
    let (data, more) = base_and_queries(2000, 300, 38);
    let all = [&data[..], &more].concat();
    let indexed = NnDescent::new(Metric::Euclidean).n_neighbors(10).index(&points_of(&data)).unwrap();
    let (mut index, mut graph) = (indexed.index, indexed.graph);
    index.add(&points_of(&more)).unwrap();
    let removed: Vec<u32> = (0..200).map(|i| i * 5).collect();
    index.remove(&removed).unwrap();
    index.update(&[3], &points_of(&all[2100 * DIM..][..DIM])).unwrap();
    index.update_graph(&mut graph, &[3]).unwrap();
    assert_eq!((graph.n(), graph.k()), (2300, 10));
    let values = |i: usize| if i == 3 { &all[2100 * DIM..][..DIM] } else { &all[i * DIM..][..DIM] };
    let (mut right, mut rows) = (0, 0);
    for i in (0..2300).step_by(7).chain([3]) {
        if removed.contains(&(i as u32)) {
            assert_eq!(graph.neighbors(i).count(), 0, "row {i}");
            continue;
        }
        assert!(graph.distances(i).is_sorted() && graph.ids(i).iter().all(|id| !removed.contains(id)), "row {i}");
        let present = (0..2300).filter(|&j| j != i && !removed.contains(&(j as u32)));
        let mut truth: Vec<(f64, u32)> =
            present.map(|j| (Metric::Euclidean.distance(values(i), values(j)), j as u32)).collect();
        truth.sort_by(|a, b| a.0.total_cmp(&b.0));
        right += truth[..10].iter().filter(|t| graph.ids(i).contains(&t.1)).count();
        rows += 1;
    }
    assert!(right >= 97 * rows / 10, "{right} of {}", 10 * rows);
    let wider = KnnGraph::from_parts(2301, 1, vec![0; 2301], vec![0.0; 2301]).unwrap();
    let error = index.update_graph(&mut wider.clone(), &[]).unwrap_err();
    assert_eq!(error, IndexError::GraphRows { found: 2301, bound: 2300 });
}

#[test]
fn all_that_takes_long_reports_and_can_be_cancelled() {
    let (data, queries) = base_and_queries(2000, 1500, 39);
    let graph = NnDescent::new(Metric::Euclidean).recall_sample(0).graph(&points_of(&data)).unwrap().graph;
    let calls = AtomicUsize::new(0);
    let go_on = |progress: &nndescent::Progress| {
        calls.fetch_add(1, Ordering::Relaxed);
        assert!((0.0..=1.0).contains(&progress.fraction));
        ControlFlow::Continue(())
    };
    let count = || calls.swap(0, Ordering::Relaxed);
    let stop = |_: &nndescent::Progress| ControlFlow::Break(());
    let (options, points, metric) = (IndexOptions::new(), points_of(&data), Metric::Euclidean);
    let mut index = options.index_with_progress(&points, &metric, &graph, go_on).unwrap();
    assert!(count() > 10);
    let error = options.index_with_progress(&points, &metric, &graph, stop).unwrap_err();
    assert_eq!(error, IndexError::Cancelled);

    let asked = points_of(&queries);
    let answers = |index: &Index| -> Hits { index.query(&asked, 5, &SearchOptions::new()).unwrap() };
    let before = answers(&index);
    assert_eq!(index.query(&asked, 5, &SearchOptions::new().progress(go_on)).unwrap(), before);
    assert!(count() > 10);
    let cancelled = SearchOptions::new().progress(stop);
    assert_eq!(index.query(&asked, 5, &cancelled).unwrap_err(), SearchError::Cancelled);
    assert_eq!(index.query_radius(&asked, 1.0, &cancelled).unwrap_err(), SearchError::Cancelled);

    assert_eq!(index.tune_with_progress(0.9, 5, 50, stop).unwrap_err(), SearchError::Cancelled);
    let bytes = |index: &Index| {
        let mut bytes = Vec::new();
        index.write_to(&mut bytes).unwrap();
        bytes
    };
    index.remove(&[5, 9]).unwrap();
    let held = bytes(&index);
    assert_eq!(index.add_with_progress(&asked, stop).unwrap_err(), IndexError::Cancelled);
    assert!(bytes(&index) == held, "what was cancelled left nothing behind");
    assert_eq!((index.len(), index.id_bound(), index.epsilon()), (1998, 2000, 0.1));
    assert!(recall(&answers(&index), before.graph()) > 0.99);
    index.tune_with_progress(0.9, 5, 50, go_on).unwrap();
    assert!(count() > 10);
    assert_eq!(index.add_with_progress(&asked, go_on).unwrap(), 2000..3500);
    assert_eq!(count(), 3);
}

#[test]
fn a_wish_for_a_quantization_is_no_demand() {
    let (data, _) = base_and_queries(300, 0, 40);
    let graph = exact::graph(&points_of(&data), &Metric::Manhattan, 5, false).unwrap();
    let wish = IndexOptions::new().prefer_quantization(Quantization::U8);
    let index = wish.index(&points_of(&data), &Metric::Manhattan, &graph).unwrap();
    assert_eq!(index.quantization(), Quantization::None);
    let index = wish.index(&points_of(&data), &Metric::Euclidean, &graph).unwrap();
    assert_eq!(index.quantization(), Quantization::U8);
}
