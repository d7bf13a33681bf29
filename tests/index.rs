//! The index as users see it, against exact search and its own promises.

use std::collections::BTreeSet;

use crate::common::checks::{Within, check_row};
use crate::common::indexes::{DIM, base_and_queries, index_of, points_of, recall};
use crate::common::points::patches;
use nndescent::index::SearchScratch;
use nndescent::{
    Hits, IndexError, IndexOptions, KnnGraph, Metric, Neighbor, NnDescent, Points, Quantization, SearchOptions, exact,
};

/// Rows complete, distinct and ascending, with distances of the metric.
fn check_promises(hits: &Hits, data: &[f32], queries: &[f32], metric: &Metric) {
    let within = Within { relative: 1e-4, floor: 0.1 };
    for (i, query) in queries.chunks(DIM).enumerate() {
        assert_eq!(hits.ids(i).len(), hits.k());
        check_row(i, data.len() / DIM, hits.ids(i), hits.distances(i));
        for (&id, &d) in hits.ids(i).iter().zip(hits.distances(i)) {
            let truth = metric.distance(query, &data[id as usize * DIM..][..DIM]);
            within.check(d, truth, || format!("{metric} {i}-{id}"));
        }
    }
}

#[test]
fn every_metric_and_quantization_finds_neighbours() {
    let (data, queries) = base_and_queries(3000, 100, 1);
    let positive: Vec<f32> = data.iter().map(|v| v.abs().round()).collect();
    let positive_queries: Vec<f32> = queries.iter().map(|v| v.abs().round()).collect();
    let metrics = [
        Metric::Euclidean,
        Metric::SqEuclidean,
        Metric::Cosine,
        Metric::Correlation,
        Metric::Manhattan,
        Metric::Chebyshev,
        Metric::Minkowski { p: 3.0 },
        Metric::Hamming,
        Metric::Canberra,
        Metric::BrayCurtis,
    ];
    for metric in metrics {
        let positive_only = matches!(metric, Metric::Hamming | Metric::Canberra | Metric::BrayCurtis);
        let (data, queries) = if positive_only { (&positive, &positive_queries) } else { (&data, &queries) };
        let (points, query_points) = (points_of(data), points_of(queries));
        let truth = exact::query(&points, &query_points, &metric, 10).unwrap();
        let graph = NnDescent::new(metric.clone()).n_neighbors(30).recall_sample(0).graph(&points).unwrap().graph;
        for quantization in [Quantization::Auto, Quantization::None, Quantization::F16, Quantization::U8] {
            let prepare = IndexOptions::new().quantization(quantization);
            let index = match prepare.index(&points, &metric, &graph) {
                Err(IndexError::Quantization { .. }) if quantization == Quantization::U8 => continue,
                index => index.unwrap(),
            };
            let hits = index.query(&query_points, 10, &SearchOptions::new().epsilon(0.3)).unwrap();
            check_promises(&hits, data, queries, &metric);
            let found = recall(&hits, &truth);
            assert!(found > 0.97, "{metric} {quantization}: recall {found}");
        }
    }
}

#[test]
fn inner_products_are_searched_by_their_order() {
    let (data, queries) = base_and_queries(3000, 100, 2);
    let (points, query_points) = (points_of(&data), points_of(&queries));
    let truth = exact::query(&points, &query_points, &Metric::InnerProduct, 10).unwrap();
    let index = index_of(&data, Metric::InnerProduct);
    let hits = index.query(&query_points, 10, &SearchOptions::new().epsilon(0.3)).unwrap();
    check_promises(&hits, &data, &queries, &Metric::InnerProduct);
    assert!(recall(&hits, &truth) > 0.9, "{}", recall(&hits, &truth));
}

#[test]
fn bytes_and_halves_are_searched_as_they_came() {
    let (data, queries) = base_and_queries(2000, 50, 3);
    let scaled = |x: &[f32]| x.iter().map(|v| (v * 8.0 + 128.0).clamp(0.0, 255.0) as u8).collect::<Vec<u8>>();
    let (bytes, byte_queries) = (scaled(&data), scaled(&queries));
    let widened: Vec<f32> = bytes.iter().map(|&b| f32::from(b)).collect();
    let wide_queries: Vec<f32> = byte_queries.iter().map(|&b| f32::from(b) + 0.25).collect();
    let signed: Vec<i8> = bytes.iter().map(|&b| (b ^ 128).cast_signed()).collect();
    let signed_queries: Vec<i8> = byte_queries.iter().map(|&b| (b ^ 128).cast_signed()).collect();
    let shape = |n: usize| (n / DIM, DIM);
    for metric in [Metric::Euclidean, Metric::Cosine, Metric::Manhattan] {
        let of = |points: &Points| NnDescent::new(metric.clone()).recall_sample(0).index(points).unwrap().index;
        let byte_points = Points::dense(&bytes, shape(bytes.len()).0, DIM).unwrap();
        let byte_query_points = Points::dense(&byte_queries, shape(queries.len()).0, DIM).unwrap();
        let truth = exact::query(&byte_points, &byte_query_points, &metric, 10).unwrap();
        let from_bytes = of(&byte_points).query(&byte_query_points, 10, &SearchOptions::new().epsilon(0.2)).unwrap();
        assert!(recall(&from_bytes, &truth) > 0.99, "{metric}");
        // Floats that are whole bytes are kept as bytes, and searched with other floats.
        let index = of(&points_of(&widened));
        assert!(index.memory().rows < widened.len() * 2, "{metric}: {:?}", index.memory());
        let hits = index.query(&points_of(&wide_queries), 10, &SearchOptions::new().epsilon(0.2)).unwrap();
        check_promises(&hits, &widened, &wide_queries, &metric);
        let truth = exact::query(&points_of(&widened), &points_of(&wide_queries), &metric, 10).unwrap();
        assert!(recall(&hits, &truth) > 0.99, "{metric}");
        let signed_points = Points::dense(&signed, shape(signed.len()).0, DIM).unwrap();
        let signed_query_points = Points::dense(&signed_queries, shape(queries.len()).0, DIM).unwrap();
        let truth = exact::query(&signed_points, &signed_query_points, &metric, 10).unwrap();
        let hits = of(&signed_points).query(&signed_query_points, 10, &SearchOptions::new().epsilon(0.2)).unwrap();
        assert!(recall(&hits, &truth) > 0.99, "{metric}");
    }
}

#[test]
fn queries_beyond_the_codes_are_answered_by_values() {
    let (data, queries) = base_and_queries(2000, 20, 4);
    let far: Vec<f32> = queries.iter().map(|v| v * 10.0).collect();
    let truth = exact::query(&points_of(&data), &points_of(&far), &Metric::Euclidean, 10).unwrap();
    let index = IndexOptions::new().quantization(Quantization::U8);
    let graph = exact::graph(&points_of(&data), &Metric::Euclidean, 30, false).unwrap();
    let index = index.index(&points_of(&data), &Metric::Euclidean, &graph).unwrap();
    let hits = index.query(&points_of(&far), 10, &SearchOptions::new().epsilon(0.3)).unwrap();
    assert!(recall(&hits, &truth) > 0.95, "{}", recall(&hits, &truth));
}

#[test]
fn the_same_index_and_answers_at_any_number_of_threads() {
    let (data, queries) = base_and_queries(4000, 400, 5);
    let folder = tempfile::tempdir().unwrap();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut index = index_of(&data, Metric::Euclidean);
            index.remove(&(0..400).map(|i| i * 7).collect::<Vec<u32>>()).unwrap();
            index.add(&points_of(&queries)).unwrap();
            let path = folder.path().join(format!("{threads}.nnd"));
            index.save(&path).unwrap();
            (index.query(&points_of(&queries), 10, &SearchOptions::new()).unwrap(), std::fs::read(path).unwrap())
        })
    };
    let one = run(1);
    for threads in [2, 3, 8] {
        let many = run(threads);
        assert!(one == many, "{threads} threads");
    }
}

#[test]
fn every_point_is_found() {
    // Two far clusters, a heap of copies, and one point alone.
    let mut data = patches(500, DIM, 1, 6);
    data.extend(patches(500, DIM, 1, 7).iter().map(|v| v + 1e4));
    data.extend(std::iter::repeat_n(-50.0, 300 * DIM));
    data.extend(std::iter::repeat_n(1e6, DIM));
    let points = points_of(&data);
    for quantization in [Quantization::Auto, Quantization::None] {
        let builder = NnDescent::new(Metric::Euclidean)
            .n_neighbors(8)
            .index_options(IndexOptions::new().quantization(quantization));
        let index = builder.index(&points).unwrap().index;
        let hits = index.query(&points, 1, &SearchOptions::new().epsilon(0.1)).unwrap();
        let lost = hits.all_distances().iter().filter(|d| **d > 0.0).count();
        assert!(lost <= 3, "{quantization}: {lost} points are not their own nearest");
        // As many as there are, in every answer, wherever the search begins: and by the graph, not by comparing with
        // all.
        for from in [0, 500, 1100, 1300] {
            let all = index.query(&points_of(&data[from * DIM..][..DIM]), index.len(), &SearchOptions::new()).unwrap();
            assert_eq!(all.ids(0).iter().collect::<BTreeSet<_>>().len(), index.len());
            assert!(all.stats()[0].distances < index.len() as u64 + 300, "{quantization}: {:?}", all.stats()[0]);
        }
    }
}

/// Parts that no neighbour leads out of: the right one is found among them.
#[test]
fn many_far_clusters_are_told_apart() {
    let clusters = 150;
    let all = patches(150 * 70, DIM, clusters, 23);
    let (data, queries) = all.split_at(150 * 68 * DIM);
    let truth = exact::query(&points_of(data), &points_of(queries), &Metric::Euclidean, 10).unwrap();
    let index = index_of(data, Metric::Euclidean);
    let hits = index.query(&points_of(queries), 10, &SearchOptions::new().epsilon(0.2)).unwrap();
    assert!(recall(&hits, &truth) > 0.94, "{}", recall(&hits, &truth));
}

#[test]
fn few_points_and_large_k() {
    for n in [2, 3, 5, 17] {
        let data = patches(n, DIM, 2, 8);
        let index = index_of(&data, Metric::Cosine);
        for k in 1..=n {
            let hits = index.query(&points_of(&data), k, &SearchOptions::new()).unwrap();
            let truth = exact::query(&points_of(&data), &points_of(&data), &Metric::Cosine, k).unwrap();
            assert!(recall(&hits, &truth) > 0.999, "{k} of {n}");
        }
    }
    let (data, queries) = base_and_queries(2000, 20, 9);
    let index = index_of(&data, Metric::Euclidean);
    for k in [100, 1000, 2000] {
        let hits = index.query(&points_of(&queries), k, &SearchOptions::new()).unwrap();
        let truth = exact::query(&points_of(&data), &points_of(&queries), &Metric::Euclidean, k).unwrap();
        check_promises(&hits, &data, &queries, &Metric::Euclidean);
        assert!(recall(&hits, &truth) > 0.95, "k = {k}: {}", recall(&hits, &truth));
    }
}

/// The true neighbours among allowed points.
fn truth_among(data: &[f32], queries: &[f32], k: usize, allowed: &dyn Fn(u32) -> bool) -> KnnGraph {
    let (mut ids, mut distances) = (Vec::new(), Vec::new());
    for query in queries.chunks(DIM) {
        let mut row: Vec<(f32, u32)> = (0..(data.len() / DIM) as u32)
            .filter(|&i| allowed(i))
            .map(|i| (Metric::Euclidean.distance(query, &data[i as usize * DIM..][..DIM]) as f32, i))
            .collect();
        row.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        row.resize(k.max(row.len()), (f32::INFINITY, KnnGraph::NO_NEIGHBOR));
        ids.extend(row[..k].iter().map(|r| r.1));
        distances.extend(row[..k].iter().map(|r| r.0));
    }
    KnnGraph::from_parts(queries.len() / DIM, k, ids, distances).unwrap()
}

#[test]
fn filters_are_right_at_any_selectivity() {
    let (data, queries) = base_and_queries(5000, 40, 10);
    let index = index_of(&data, Metric::Euclidean);
    let query_points = points_of(&queries);
    for one_in in [1, 2, 3, 10, 50, 500, 5000] {
        let allowed = |id: u32| id.is_multiple_of(one_in);
        let mask: Vec<bool> = (0..5000).map(allowed).collect();
        let truth = truth_among(&data, &queries, 10, &allowed);
        let hits = index.query(&query_points, 10, &SearchOptions::new().epsilon(0.2).filter_mask(&mask)).unwrap();
        let by_closure = index.query(&query_points, 10, &SearchOptions::new().epsilon(0.2).filter(allowed)).unwrap();
        assert_eq!(hits, by_closure);
        let expected = (5000usize.div_ceil(one_in as usize)).min(10);
        for i in 0..40 {
            let found: Vec<u32> = hits.ids(i).iter().copied().filter(|&id| id != KnnGraph::NO_NEIGHBOR).collect();
            assert_eq!(found.len(), expected, "one in {one_in}");
            assert!(found.iter().all(|&id| allowed(id)), "one in {one_in}: {found:?}");
        }
        let by_id = (0..40).map(|i| truth.ids(i).iter().filter(|t| hits.ids(i).contains(t)).count()).sum::<usize>();
        assert!(by_id as f64 >= 0.97 * 400.0, "one in {one_in}: {by_id} of 400");
    }
}

#[test]
fn labels_restrict_each_query_to_its_own() {
    let (data, queries) = base_and_queries(3000, 30, 11);
    let index = index_of(&data, Metric::Euclidean);
    let labels: Vec<u32> = (0..3000).map(|i| if i < 20 { 77 } else { i % 4 }).collect();
    let wanted: Vec<u32> = (0..30).map(|i| if i == 0 { 77 } else { i % 4 }).collect();
    let query_points = points_of(&queries);
    let hits =
        index.query(&query_points, 5, &SearchOptions::new().epsilon(0.2).filter_labels(&labels, &wanted)).unwrap();
    for (i, &label) in wanted.iter().enumerate() {
        assert!(hits.ids(i).iter().all(|&id| labels[id as usize] == label), "query {i}");
        let truth = truth_among(&data, &queries[i * DIM..][..DIM], 5, &|id| labels[id as usize] == label);
        assert_eq!(hits.ids(i)[0], truth.ids(0)[0], "query {i}");
    }
}

#[test]
fn radius_queries_find_all_within() {
    let (data, queries) = base_and_queries(3000, 40, 12);
    let (points, query_points) = (points_of(&data), points_of(&queries));
    for (metric, quantization) in [
        (Metric::Euclidean, Quantization::U8),
        (Metric::Euclidean, Quantization::None),
        (Metric::Cosine, Quantization::U8),
        (Metric::Manhattan, Quantization::None),
        (Metric::Minkowski { p: 3.0 }, Quantization::None),
    ] {
        let graph = exact::graph(&points, &metric, 30, false).unwrap();
        let index = IndexOptions::new().quantization(quantization).index(&points, &metric, &graph).unwrap();
        let truth = exact::query(&points, &query_points, &metric, 60).unwrap();
        // About twenty neighbours on average.
        let radius = (0..40).map(|i| truth.distances(i)[20]).sum::<f32>() / 40.0;
        let hits = index.query_radius(&query_points, radius, &SearchOptions::new().epsilon(0.2)).unwrap();
        let (mut expected, mut found) = (0, 0);
        for i in 0..40 {
            assert!(hits.distances(i).iter().all(|&d| d <= radius));
            assert!(hits.distances(i).is_sorted());
            let within = truth.distances(i).iter().filter(|&&d| d <= radius).count();
            expected += within;
            found += truth.ids(i)[..within].iter().filter(|t| hits.ids(i).contains(t)).count();
        }
        assert!(found as f64 >= 0.98 * f64::from(expected as u32), "{metric} {quantization}: {found} of {expected}");
        let none = index.query_radius(&query_points, 0.0, &SearchOptions::new().epsilon(0.2)).unwrap();
        assert_eq!(none.all_ids().len(), 0, "{metric}");
        let own = index.query_radius(&points_of(&data[..DIM]), 0.0, &SearchOptions::new().epsilon(0.2)).unwrap();
        assert!(own.all_ids().contains(&0), "{metric}: {own:?}");
    }
}

#[test]
fn points_of_the_index_find_others() {
    let (data, _) = base_and_queries(2000, 0, 13);
    let index = index_of(&data, Metric::Euclidean);
    let ids = [5, 1999, 0, 5];
    let hits = index.query_ids(&ids, 10, &SearchOptions::new().epsilon(0.2)).unwrap();
    let truth = exact::graph(&points_of(&data), &Metric::Euclidean, 10, false).unwrap();
    for (i, &id) in ids.iter().enumerate() {
        assert!(!hits.ids(i).contains(&id));
        assert_eq!(hits.ids(i)[..3], truth.ids(id as usize)[..3], "{id}");
    }
    let (mut scratch, options) = (SearchScratch::new(), SearchOptions::new().epsilon(0.2));
    let nearest = index.nearest_with(&mut scratch, &data[..DIM], 3, &options).unwrap();
    assert_eq!(nearest[0], Neighbor { id: 0, distance: 0.0 });
    let stats = scratch.stats();
    assert!(stats.distances > 0 && stats.hops > 0);
}

#[test]
fn epsilons_below_zero_look_less_far() {
    let (data, queries) = base_and_queries(3000, 200, 33);
    let (index, asked) = (index_of(&data, Metric::Euclidean), points_of(&queries));
    let truth = exact::query(&points_of(&data), &asked, &Metric::Euclidean, 10).unwrap();
    let results = [-0.9, -0.1, -0.05, 0.0, 0.1].map(|epsilon| {
        let hits = index.query(&asked, 10, &SearchOptions::new().epsilon(epsilon)).unwrap();
        check_promises(&hits, &data, &queries, &Metric::Euclidean);
        (hits.total().distances, recall(&hits, &truth))
    });
    assert!(results.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{results:?}");
    let radius = |epsilon| index.query_radius(&asked, 3.0, &SearchOptions::new().epsilon(epsilon)).unwrap();
    assert_eq!(radius(-0.5), radius(0.0), "all within the radius are wanted");
}

#[test]
fn near_copies_do_not_keep_an_index_from_codes() {
    let (mut data, _) = base_and_queries(2000, 1, 34);
    // Directions that differ by rounding alone.
    for row in (0..2000).step_by(200) {
        let longer: Vec<f32> = data[row * DIM..][..DIM].iter().map(|v| v * 1.1).collect();
        data[(row + 1) * DIM..][..DIM].copy_from_slice(&longer);
    }
    assert_eq!(index_of(&data, Metric::Cosine).quantization(), Quantization::U8);
}
