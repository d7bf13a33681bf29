//! The index as users see it, against exact search and its own promises.

use std::collections::BTreeSet;
use std::path::Path;

use crate::common::checks::{Within, check_row};
use crate::common::points::patches;
use nndescent::{
    BuildError, DiversifyMethod, FileError, Hits, Index, IndexError, KnnGraph, Metric, NnDescent, Points, Prepare,
    Quantization, exact, recall,
};

const DIM: usize = 64;

/// Points, and queries from the same patches.
fn base_and_queries(n: usize, queries: usize, seed: u64) -> (Vec<f32>, Vec<f32>) {
    let all = patches(n + queries, DIM, 20, seed);
    let (base, queries) = all.split_at(n * DIM);
    (base.to_vec(), queries.to_vec())
}

fn index_of(data: &[f32], metric: Metric) -> Index {
    NnDescent::new(metric.clone()).recall_sample(0).index(&points_of(data)).unwrap().index
}

fn points_of(data: &[f32]) -> Points<'_> {
    Points::dense(data, data.len() / DIM, DIM).unwrap()
}

fn recall(hits: &Hits, truth: &KnnGraph) -> f64 {
    let found = KnnGraph::from_parts(truth.n(), hits.k, hits.indices.clone(), hits.distances.clone()).unwrap();
    recall::recall(&found, truth, hits.k.min(truth.k())).unwrap()
}

/// Rows complete, distinct and ascending, with distances of the metric.
fn check_promises(hits: &Hits, data: &[f32], queries: &[f32], metric: &Metric) {
    let within = Within { relative: 1e-4, floor: 0.1 };
    for (i, query) in queries.chunks(DIM).enumerate() {
        assert_eq!(hits.ids(i).len(), hits.k);
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
            let prepare = Prepare::new().quantization(quantization);
            let index = match prepare.index(&points, &metric, &graph) {
                Err(IndexError::Quantization { .. }) if quantization == Quantization::U8 => continue,
                index => index.unwrap(),
            };
            let hits = index.query(&query_points, 10).epsilon(0.3).run().unwrap();
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
    let hits = index.query(&query_points, 10).epsilon(0.3).run().unwrap();
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
        let from_bytes = of(&byte_points).query(&byte_query_points, 10).epsilon(0.2).run().unwrap();
        assert!(recall(&from_bytes, &truth) > 0.99, "{metric}");
        // Floats that are whole bytes are kept as bytes, and searched with other floats.
        let index = of(&points_of(&widened));
        assert!(index.memory().rows < widened.len() * 2, "{metric}: {:?}", index.memory());
        let hits = index.query(&points_of(&wide_queries), 10).epsilon(0.2).run().unwrap();
        check_promises(&hits, &widened, &wide_queries, &metric);
        let truth = exact::query(&points_of(&widened), &points_of(&wide_queries), &metric, 10).unwrap();
        assert!(recall(&hits, &truth) > 0.99, "{metric}");
        let signed_points = Points::dense(&signed, shape(signed.len()).0, DIM).unwrap();
        let signed_query_points = Points::dense(&signed_queries, shape(queries.len()).0, DIM).unwrap();
        let truth = exact::query(&signed_points, &signed_query_points, &metric, 10).unwrap();
        let hits = of(&signed_points).query(&signed_query_points, 10).epsilon(0.2).run().unwrap();
        assert!(recall(&hits, &truth) > 0.99, "{metric}");
    }
}

#[test]
fn queries_beyond_the_codes_are_answered_by_values() {
    let (data, queries) = base_and_queries(2000, 20, 4);
    let far: Vec<f32> = queries.iter().map(|v| v * 10.0).collect();
    let truth = exact::query(&points_of(&data), &points_of(&far), &Metric::Euclidean, 10).unwrap();
    let index = Prepare::new().quantization(Quantization::U8);
    let graph = exact::graph(&points_of(&data), &Metric::Euclidean, 30, false).unwrap();
    let index = index.index(&points_of(&data), &Metric::Euclidean, &graph).unwrap();
    let hits = index.query(&points_of(&far), 10).epsilon(0.3).run().unwrap();
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
            (index.query(&points_of(&queries), 10).run().unwrap(), std::fs::read(path).unwrap())
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
        let builder =
            NnDescent::new(Metric::Euclidean).n_neighbors(8).prepare(Prepare::new().quantization(quantization));
        let index = builder.index(&points).unwrap().index;
        let hits = index.query(&points, 1).epsilon(0.1).run().unwrap();
        let lost = hits.distances.iter().filter(|d| **d > 0.0).count();
        assert!(lost <= 3, "{quantization}: {lost} points are not their own nearest");
        // As many as there are, in every answer, wherever the search begins: and by the graph, not by comparing with all.
        for from in [0, 500, 1100, 1300] {
            let all = index.query(&points_of(&data[from * DIM..][..DIM]), index.n()).run().unwrap();
            assert_eq!(all.ids(0).iter().collect::<BTreeSet<_>>().len(), index.n());
            assert!(all.stats[0].distances < index.n() as u64 + 300, "{quantization}: {:?}", all.stats[0]);
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
    let hits = index.query(&points_of(queries), 10).epsilon(0.2).run().unwrap();
    assert!(recall(&hits, &truth) > 0.94, "{}", recall(&hits, &truth));
}

#[test]
fn few_points_and_large_k() {
    for n in [2, 3, 5, 17] {
        let data = patches(n, DIM, 2, 8);
        let index = index_of(&data, Metric::Cosine);
        for k in 1..=n {
            let hits = index.query(&points_of(&data), k).run().unwrap();
            let truth = exact::query(&points_of(&data), &points_of(&data), &Metric::Cosine, k).unwrap();
            assert!(recall(&hits, &truth) > 0.999, "{k} of {n}");
        }
    }
    let (data, queries) = base_and_queries(2000, 20, 9);
    let index = index_of(&data, Metric::Euclidean);
    for k in [100, 1000, 2000] {
        let hits = index.query(&points_of(&queries), k).run().unwrap();
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
        let hits = index.query(&query_points, 10).epsilon(0.2).filter_mask(&mask).run().unwrap();
        let by_closure = index.query(&query_points, 10).epsilon(0.2).filter(&allowed).run().unwrap();
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
    let hits = index.query(&query_points, 5).epsilon(0.2).filter_labels(&labels, &wanted).run().unwrap();
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
        let index = Prepare::new().quantization(quantization).index(&points, &metric, &graph).unwrap();
        let truth = exact::query(&points, &query_points, &metric, 60).unwrap();
        // About twenty neighbours on average.
        let radius = (0..40).map(|i| truth.distances(i)[20]).sum::<f32>() / 40.0;
        let hits = index.query_radius(&query_points, radius, 0.2).unwrap();
        let (mut expected, mut found) = (0, 0);
        for i in 0..40 {
            assert!(hits.distances(i).iter().all(|&d| d <= radius));
            assert!(hits.distances(i).is_sorted());
            let within = truth.distances(i).iter().filter(|&&d| d <= radius).count();
            expected += within;
            found += truth.ids(i)[..within].iter().filter(|t| hits.ids(i).contains(t)).count();
        }
        assert!(found as f64 >= 0.98 * f64::from(expected as u32), "{metric} {quantization}: {found} of {expected}");
        let none = index.query_radius(&query_points, 0.0, 0.2).unwrap();
        assert_eq!(none.indices.len(), 0, "{metric}");
        let own = index.query_radius(&points_of(&data[..DIM]), 0.0, 0.2).unwrap();
        assert!(own.indices.contains(&0), "{metric}: {own:?}");
    }
}

#[test]
fn points_of_the_index_find_others() {
    let (data, _) = base_and_queries(2000, 0, 13);
    let index = index_of(&data, Metric::Euclidean);
    let ids = [5, 1999, 0, 5];
    let hits = index.query_ids(&ids, 10).epsilon(0.2).run().unwrap();
    let truth = exact::graph(&points_of(&data), &Metric::Euclidean, 10, false).unwrap();
    for (i, &id) in ids.iter().enumerate() {
        assert!(!hits.ids(i).contains(&id));
        assert_eq!(hits.ids(i)[..3], truth.ids(id as usize)[..3], "{id}");
    }
    let mut searcher = index.searcher();
    assert_eq!(searcher.nearest(&data[..DIM], 3, 0.2).unwrap()[0], (0.0, 0));
    let stats = searcher.stats();
    assert!(stats.distances > 0 && stats.hops > 0);
}

#[test]
fn diversification_can_be_chosen() {
    let (data, queries) = base_and_queries(4000, 200, 14);
    let (points, query_points) = (points_of(&data), points_of(&queries));
    let truth = exact::query(&points, &query_points, &Metric::Euclidean, 10).unwrap();
    let graph = NnDescent::new(Metric::Euclidean).n_neighbors(30).graph(&points).unwrap().graph;
    let index = |prepare: Prepare| prepare.index(&points, &Metric::Euclidean, &graph).unwrap();
    let usual = index(Prepare::new());
    let aware = index(Prepare::new().diversify_method(DiversifyMethod::DegreeAware { aggressiveness: 3.0 }));
    let half = index(Prepare::new().diversify_prob(0.5));
    let none = index(Prepare::new().diversify_prob(0.0));
    let few = index(Prepare::new().pruning_degree_multiplier(0.3));
    let edges = [&few, &aware, &usual, &half, &none].map(Index::n_edges);
    assert!(edges.is_sorted_by(|a, b| a < b), "{edges:?}");
    for index in [usual, aware, half, none] {
        let hits = index.query(&query_points, 10).epsilon(0.2).run().unwrap();
        assert!(recall(&hits, &truth) > 0.99, "{index:?}");
    }
}

#[test]
fn tuning_reaches_its_target_at_the_least_cost() {
    let (data, queries) = base_and_queries(5000, 300, 15);
    let mut index = index_of(&data, Metric::Euclidean);
    assert_eq!(index.epsilon(), 0.1);
    let truth = exact::query(&points_of(&data), &points_of(&queries), &Metric::Euclidean, 10).unwrap();
    let mut before = -1.0;
    for target in [0.8, 0.99, 0.999] {
        let tuning = index.tune(target, 10, 300).unwrap();
        assert!(tuning.reached && tuning.epsilon >= before && index.epsilon() == tuning.epsilon, "{tuning:?}");
        before = tuning.epsilon;
        let hits = index.query(&points_of(&queries), 10).run().unwrap();
        assert!(recall(&hits, &truth) > f64::from(target) - 0.02, "{target}: {}", recall(&hits, &truth));
    }
}

#[test]
fn tuning_leaves_codes_that_do_not_serve() {
    // One point far off takes all the codes but a few.
    let (mut data, _) = base_and_queries(2000, 0, 22);
    data.extend([3e4; DIM]);
    let points = points_of(&data);
    let graph = exact::graph(&points, &Metric::Euclidean, 30, false).unwrap();
    let coded = |quantization| {
        let mut index = Prepare::new().quantization(quantization).index(&points, &Metric::Euclidean, &graph).unwrap();
        let tuning = index.tune(0.95, 10, 200).unwrap();
        assert!(tuning.reached, "{tuning:?}");
        let file = tempfile::Builder::new().suffix(".nnd").tempfile().unwrap();
        index.save(file.path()).unwrap();
        let opened = Index::open(file.path()).unwrap();
        let answers = |index: &Index| index.query(&points, 5).run().unwrap();
        assert_eq!(answers(&index), answers(&opened), "what was tuned is remembered");
        tuning.quantized
    };
    assert!(!coded(Quantization::U8));
    assert!(coded(Quantization::F16), "halves serve, and are half as many bytes");
}

#[test]
fn a_fifth_changed_is_as_good_as_a_rebuild() {
    let (data, queries) = base_and_queries(5000, 300, 16);
    for (metric, quantization) in [
        (Metric::Euclidean, Quantization::U8),
        (Metric::Cosine, Quantization::None),
        (Metric::Manhattan, Quantization::None),
    ] {
        // 4,000 points at first; 500 go, 500 are replaced, 500 come: 1,500 of 4,000 rows differ.
        let builder =
            NnDescent::new(metric.clone()).recall_sample(0).prepare(Prepare::new().quantization(quantization));
        let mut index = builder.index(&points_of(&data[..4000 * DIM])).unwrap().index;
        let check = |index: &Index, present: &[(u32, usize)], what: &str| {
            let values: Vec<f32> = present.iter().flat_map(|&(_, row)| data[row * DIM..][..DIM].to_vec()).collect();
            let rebuilt = builder.index(&points_of(&values)).unwrap().index;
            let truth = exact::query(&points_of(&values), &points_of(&queries), &metric, 10).unwrap();
            let asked = points_of(&queries);
            let (changed, new) = (index.query(&asked, 10).run().unwrap(), rebuilt.query(&asked, 10).run().unwrap());
            let ids: BTreeSet<u32> = present.iter().map(|p| p.0).collect();
            assert!(changed.indices.iter().all(|id| ids.contains(id)), "{metric} {what}: an id that is not there");
            assert_eq!(index.n(), present.len());
            let (changed, new) = (recall(&changed, &truth), recall(&new, &truth));
            assert!(changed > new - 0.01, "{metric} {what}: {changed}, rebuilt {new}");
        };
        let mut present: Vec<(u32, usize)> = (0..4000).map(|i| (i as u32, i)).collect();
        let gone: Vec<u32> = (0..500).map(|i| i * 3).collect();
        index.remove(&gone).unwrap();
        present.retain(|p| !gone.contains(&p.0));
        check(&index, &present, "removed");
        assert_eq!(index.add(&points_of(&data[4000 * DIM..4500 * DIM])).unwrap(), 4000..4500);
        present.extend((4000..4500).map(|i| (i as u32, i)));
        check(&index, &present, "added");
        let replaced: Vec<u32> = (0..500).map(|i| 2000 + i * 3).collect();
        index.update(&replaced, &points_of(&data[4500 * DIM..])).unwrap();
        for (i, id) in replaced.iter().enumerate() {
            present.iter_mut().find(|p| p.0 == *id).unwrap().1 = 4500 + i;
        }
        check(&index, &present, "updated");
        index.compress().unwrap();
        check(&index, &present, "compressed");
        // Saved and opened again, it answers the same, and can be changed further.
        let file = tempfile::Builder::new().suffix(".nnd").tempfile().unwrap();
        index.save(file.path()).unwrap();
        let mut opened = Index::open(file.path()).unwrap();
        let asked = points_of(&queries);
        assert_eq!(index.query(&asked, 10).run().unwrap(), opened.query(&asked, 10).run().unwrap());
        opened.remove(&[4001]).unwrap();
        present.retain(|p| p.0 != 4001);
        check(&opened, &present, "opened and changed");
    }
}

#[test]
fn points_beyond_the_codes_can_be_added() {
    let (data, _) = base_and_queries(2000, 0, 17);
    let mut index = index_of(&data, Metric::Euclidean);
    let far: Vec<f32> = data[..100 * DIM].iter().map(|v| v * 20.0).collect();
    let ids = index.add(&points_of(&far)).unwrap();
    let hits = index.query(&points_of(&far), 1).run().unwrap();
    assert_eq!(hits.indices, ids.collect::<Vec<u32>>());
    // Whole numbers kept as bytes become floats when others join them.
    let whole: Vec<f32> = data.iter().map(|v| (v * 4.0 + 100.0).clamp(0.0, 255.0).round()).collect();
    let mut index = index_of(&whole, Metric::Euclidean);
    let others: Vec<f32> = whole[..50 * DIM].iter().map(|v| v + 0.5).collect();
    let ids = index.add(&points_of(&others)).unwrap();
    let hits = index.query(&points_of(&others), 1).run().unwrap();
    assert_eq!(hits.indices, ids.collect::<Vec<u32>>());
    assert_eq!(hits.distances, vec![0.0; 50]);
}

#[test]
fn bad_input_is_named() {
    let (data, queries) = base_and_queries(300, 5, 18);
    let mut index = index_of(&data, Metric::Euclidean);
    let asked = points_of(&queries);
    let message = |error: IndexError| error.to_string();
    assert_eq!(message(index.query(&asked, 0).run().unwrap_err()), "k = 0, but it must be at least 1");
    assert_eq!(message(index.query(&asked, 301).run().unwrap_err()), "k = 301, but the index holds 300 points");
    assert!(message(index.query(&asked, 5).epsilon(-0.1).run().unwrap_err()).starts_with("epsilon = -0.1"));
    assert!(message(index.query(&asked, 5).epsilon(f32::NAN).run().unwrap_err()).starts_with("epsilon = NaN"));
    let narrow = Points::dense(&queries[..10], 1, 10).unwrap();
    let wrong = IndexError::Dimension { found: 10, expected: DIM };
    assert_eq!(index.query(&narrow, 5).run().unwrap_err(), wrong);
    assert_eq!(index.query_radius(&narrow, 1.0, 0.1).unwrap_err(), wrong);
    assert_eq!(index.add(&narrow).unwrap_err(), wrong);
    assert!(index.query_radius(&asked, f32::NAN, 0.1).is_err());
    assert_eq!(
        index.query(&asked, 5).filter_mask(&[true; 299]).run().unwrap_err(),
        IndexError::FilterLength { found: 299, expected: 300 }
    );
    assert_eq!(index.query(&asked, 5).filter(&|_| false).run().unwrap_err(), IndexError::NothingAllowed { n: 300 });
    let labels = vec![1; 300];
    assert_eq!(
        index.query(&asked, 5).filter_labels(&labels, &[1, 1]).run().unwrap_err(),
        IndexError::LabelCount { found: 2, expected: 5 }
    );
    assert_eq!(
        index.query(&asked, 5).filter_labels(&labels, &[1, 1, 2, 1, 1]).run().unwrap_err(),
        IndexError::NoSuchLabel { label: 2 }
    );
    assert_eq!(index.query_ids(&[300], 5).run().unwrap_err(), IndexError::UnknownId { id: 300, end: 300 });
    let mut searcher = index.searcher();
    assert!(message(searcher.nearest(&[f32::NAN; DIM], 5, 0.1).unwrap_err()).contains("column 0 is NaN"));
    assert_eq!(searcher.nearest(&[0.0; 3], 5, 0.1).unwrap_err(), IndexError::Dimension { found: 3, expected: DIM });
    // An empty set of queries is no set of points.
    assert!(Points::dense(&[] as &[f32], 0, DIM).is_err());

    assert_eq!(index.remove(&[1, 300]).unwrap_err(), IndexError::UnknownId { id: 300, end: 300 });
    assert_eq!(index.remove(&[1, 2, 1]).unwrap_err(), IndexError::IdTwice { id: 1 });
    assert_eq!(index.remove(&(0..300).collect::<Vec<u32>>()).unwrap_err(), IndexError::NothingLeft { n: 300 });
    assert_eq!(index.n(), 300, "what failed changed nothing");
    index.remove(&[7]).unwrap();
    assert_eq!(index.remove(&[7]).unwrap_err(), IndexError::UnknownId { id: 7, end: 300 });
    assert_eq!(index.update(&[1], &asked).unwrap_err(), IndexError::IdCount { found: 1, expected: 5 });
    let bytes = vec![1u8; DIM];
    let error = index.add(&Points::dense(&bytes, 1, DIM).unwrap()).unwrap_err();
    assert_eq!(error, IndexError::Type { found: "uint8", expected: "float32" });

    for prepare in [
        Prepare::new().diversify_prob(1.5),
        Prepare::new().diversify_prob(f32::NAN),
        Prepare::new().pruning_degree_multiplier(0.0),
        Prepare::new().diversify_method(DiversifyMethod::DegreeAware { aggressiveness: -1.0 }),
    ] {
        let graph = exact::graph(&points_of(&data), &Metric::Euclidean, 5, false).unwrap();
        let error = prepare.index(&points_of(&data), &Metric::Euclidean, &graph).unwrap_err();
        assert!(matches!(error, IndexError::Parameter { .. }), "{error}");
    }
    let other = KnnGraph::from_parts(2, 1, vec![1, 0], vec![0.0; 2]).unwrap();
    let error = Prepare::new().index(&points_of(&data), &Metric::Euclidean, &other).unwrap_err();
    assert_eq!(error, IndexError::Build(BuildError::InitGraphRows { rows: 2, n: 300 }));
    let error = Prepare::new().quantization(Quantization::U8);
    let graph = exact::graph(&points_of(&data), &Metric::Manhattan, 5, false).unwrap();
    let error = error.index(&points_of(&data), &Metric::Manhattan, &graph).unwrap_err();
    assert!(matches!(error, IndexError::Quantization { .. }), "{error}");
    let huge: Vec<f32> = data.iter().map(|v| v * 1e6).collect();
    let graph = exact::graph(&points_of(&huge), &Metric::Euclidean, 5, false).unwrap();
    let halves = Prepare::new().quantization(Quantization::F16);
    let error = halves.index(&points_of(&huge), &Metric::Euclidean, &graph).unwrap_err();
    assert!(error.to_string().contains("beyond 65504"), "{error}");
    assert!(index.tune(1.0, 10, 100).is_err() && index.tune(0.9, 0, 100).is_err() && index.tune(0.9, 10, 0).is_err());
}

fn saved(index: &Index, folder: &Path) -> Vec<u8> {
    let path = folder.join("saved.nnd");
    index.save(&path).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn files_hold_the_index() {
    let (data, queries) = base_and_queries(1500, 50, 19);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nnd");
    for metric in [Metric::Euclidean, Metric::Cosine, Metric::Correlation, Metric::Minkowski { p: 1.5 }] {
        for quantization in [Quantization::Auto, Quantization::None, Quantization::F16] {
            let builder =
                NnDescent::new(metric.clone()).recall_sample(0).prepare(Prepare::new().quantization(quantization));
            let mut index = builder.index(&points_of(&data)).unwrap().index;
            index.tune(0.9, 5, 50).unwrap();
            index.save(&path).unwrap();
            Index::verify(&path).unwrap();
            let opened = Index::open(&path).unwrap();
            assert_eq!((opened.metric(), opened.n(), opened.epsilon()), (&metric, 1500, index.epsilon()));
            assert_eq!(opened.memory().owned, 0, "all of it lies in the file");
            let asked = points_of(&queries);
            assert_eq!(index.query(&asked, 10).run().unwrap(), opened.query(&asked, 10).run().unwrap(), "{metric}");
            assert_eq!(saved(&opened, folder.path()), std::fs::read(&path).unwrap(), "saved again, the same bytes");
        }
    }
}

#[test]
fn a_file_replaced_while_it_is_mapped_stays_as_it_was() {
    let (data, queries) = base_and_queries(1000, 20, 20);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nnd");
    index_of(&data, Metric::Euclidean).save(&path).unwrap();
    let opened = Index::open(&path).unwrap();
    let asked = points_of(&queries);
    let before = opened.query(&asked, 5).run().unwrap();
    index_of(&data[..500 * DIM], Metric::Cosine).save(&path).unwrap();
    assert_eq!(opened.query(&asked, 5).run().unwrap(), before);
    assert_eq!(Index::open(&path).unwrap().n(), 500);
}

#[test]
fn damaged_files_are_errors() {
    let (data, queries) = base_and_queries(400, 10, 21);
    let folder = tempfile::tempdir().unwrap();
    let whole = saved(&index_of(&data, Metric::Cosine), folder.path());
    let path = folder.path().join("damaged.nnd");
    let open = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        (Index::open(&path), Index::verify(&path))
    };
    let message = |bytes: &[u8]| open(bytes).0.unwrap_err().to_string();
    assert!(message(b"").contains("too few for a header"));
    assert!(message(&[b'x'; 200]).contains("it begins with \"xxxxxxxx\""));
    let mut newer = whole.clone();
    newer[8] = 2;
    assert!(matches!(open(&newer).0.unwrap_err(), FileError::Newer { found: 2, known: 1, .. }));
    for length in [63, 64, 100, 1000, whole.len() / 2, whole.len() - 1] {
        let (opened, verified) = open(&whole[..length]);
        assert!(opened.is_err() && verified.is_err(), "{length} bytes");
    }
    assert!(message(&whole[..whole.len() - 64]).contains("truncated"));
    assert!(message(&[&whole[..], &[0; 64]].concat()).contains("its header says"));
    // Any byte of any part: found when it is looked for; never a panic if it is not.
    let asked = points_of(&queries);
    let unused = |at: usize| (56..64).contains(&at);
    for at in (0..whole.len()).step_by(whole.len() / 500).chain(0..64).filter(|&at| !unused(at)) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        let (opened, verified) = open(&damaged);
        let padding = opened.as_ref().is_ok_and(|o| saved(o, folder.path()) == whole);
        assert!(verified.is_err() || padding, "byte {at} of {}", whole.len());
        if let Ok(opened) = opened {
            let _ = opened.query(&asked, 10).run();
            let _ = opened.query_ids(&[0, 399], 10).run();
            let _ = opened.query(&asked, 10).filter(&|id| id % 2 == 0).run();
        }
    }
}

#[test]
fn files_of_version_1_can_be_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/index-v1.nnd");
    // Made by this test itself when version 1 was the newest: NNDESCENT_UPDATE_GOLDEN=1.
    let digits = include_bytes!("../examples/data/digits-8x8.u8");
    let points = Points::dense(&digits[..300 * 64], 300, 64).unwrap();
    if std::env::var_os("NNDESCENT_UPDATE_GOLDEN").is_some() {
        let builder = NnDescent::new(Metric::Euclidean).n_neighbors(10).recall_sample(0);
        builder.index(&points).unwrap().index.save(&path).unwrap();
    }
    Index::verify(&path).unwrap();
    let index = Index::open(&path).unwrap();
    assert_eq!((index.n(), index.dim(), index.metric()), (300, 64, &Metric::Euclidean));
    let truth = exact::query(&points, &points, &Metric::Euclidean, 5).unwrap();
    assert!(recall(&index.query(&points, 5).epsilon(0.2).run().unwrap(), &truth) > 0.99);
}
