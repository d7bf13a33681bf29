//! How indexes are made, tuned and changed, and what is refused.

use std::collections::BTreeSet;

use crate::common::indexes::{DIM, base_and_queries, index_of, points_of, recall};
use nndescent::index::{DiversifyMethod, SearchScratch};
use nndescent::{
    CsrMatrix, Hits, Index, IndexError, IndexOptions, KnnGraph, Metric, NnDescent, Points, Quantization, SearchError,
    SearchOptions, exact,
};

#[test]
fn diversification_can_be_chosen() {
    let (data, queries) = base_and_queries(4000, 200, 14);
    let (points, query_points) = (points_of(&data), points_of(&queries));
    let truth = exact::query(&points, &query_points, &Metric::Euclidean, 10).unwrap();
    let graph = NnDescent::new(Metric::Euclidean).n_neighbors(30).graph(&points).unwrap().graph;
    let index = |prepare: IndexOptions| prepare.index(&points, &Metric::Euclidean, &graph).unwrap();
    let usual = index(IndexOptions::new());
    let aware = index(IndexOptions::new().diversify_method(DiversifyMethod::DegreeAware { aggressiveness: 3.0 }));
    let half = index(IndexOptions::new().diversify_prob(0.5));
    let none = index(IndexOptions::new().diversify_prob(0.0));
    let few = index(IndexOptions::new().pruning_degree_multiplier(0.3));
    let edges = [&few, &aware, &usual, &half, &none].map(Index::n_edges);
    assert!(edges.is_sorted_by(|a, b| a < b), "{edges:?}");
    for index in [usual, aware, half, none] {
        let hits = index.query(&query_points, 10, &SearchOptions::new().epsilon(0.2)).unwrap();
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
        let hits = index.query(&points_of(&queries), 10, &SearchOptions::new()).unwrap();
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
        let mut index =
            IndexOptions::new().quantization(quantization).index(&points, &Metric::Euclidean, &graph).unwrap();
        let tuning = index.tune(0.95, 10, 200).unwrap();
        assert!(tuning.reached, "{tuning:?}");
        let file = tempfile::Builder::new().suffix(".nnd").tempfile().unwrap();
        index.save(file.path()).unwrap();
        let opened = Index::open(file.path()).unwrap();
        let answers = |index: &Index| index.query(&points, 5, &SearchOptions::new()).unwrap();
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
        let builder = NnDescent::new(metric.clone())
            .recall_sample(0)
            .index_options(IndexOptions::new().quantization(quantization));
        let mut index = builder.index(&points_of(&data[..4000 * DIM])).unwrap().index;
        let check = |index: &Index, present: &[(u32, usize)], what: &str| {
            let values: Vec<f32> = present.iter().flat_map(|&(_, row)| data[row * DIM..][..DIM].to_vec()).collect();
            let rebuilt = builder.index(&points_of(&values)).unwrap().index;
            let truth = exact::query(&points_of(&values), &points_of(&queries), &metric, 10).unwrap();
            let asked = points_of(&queries);
            let (changed, new) = (
                index.query(&asked, 10, &SearchOptions::new()).unwrap(),
                rebuilt.query(&asked, 10, &SearchOptions::new()).unwrap(),
            );
            let ids: BTreeSet<u32> = present.iter().map(|p| p.0).collect();
            assert!(changed.all_ids().iter().all(|id| ids.contains(id)), "{metric} {what}: an id that is not there");
            assert_eq!(index.len(), present.len());
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
        index.compact().unwrap();
        check(&index, &present, "compressed");
        // Saved and opened again, it answers the same, and can be changed further.
        let file = tempfile::Builder::new().suffix(".nnd").tempfile().unwrap();
        index.save(file.path()).unwrap();
        let mut opened = Index::open(file.path()).unwrap();
        let asked = points_of(&queries);
        assert_eq!(
            index.query(&asked, 10, &SearchOptions::new()).unwrap(),
            opened.query(&asked, 10, &SearchOptions::new()).unwrap()
        );
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
    let hits = index.query(&points_of(&far), 1, &SearchOptions::new()).unwrap();
    assert_eq!(hits.all_ids(), ids.collect::<Vec<u32>>());
    // Whole numbers kept as bytes become floats when others join them.
    let whole: Vec<f32> = data.iter().map(|v| (v * 4.0 + 100.0).clamp(0.0, 255.0).round()).collect();
    let mut index = index_of(&whole, Metric::Euclidean);
    let others: Vec<f32> = whole[..50 * DIM].iter().map(|v| v + 0.5).collect();
    let ids = index.add(&points_of(&others)).unwrap();
    let hits = index.query(&points_of(&others), 1, &SearchOptions::new()).unwrap();
    assert_eq!(hits.all_ids(), ids.collect::<Vec<u32>>());
    assert_eq!(hits.all_distances(), vec![0.0; 50]);
}

/// How many distances are those of the truth.
fn same_distances(hits: &Hits, truth: &KnnGraph) -> usize {
    let pairs = hits.all_distances().iter().zip(truth.all_distances());
    pairs.filter(|(a, b)| (**a - **b).abs() <= 1e-6 * (1.0 + b.abs())).count()
}

#[test]
fn a_point_beyond_the_compressed_copy_leaves_the_others_as_they_are() {
    let (data, queries) = base_and_queries(1000, 200, 23);
    for (metric, quantization, factor) in [
        (Metric::Euclidean, Quantization::U8, 30.0),
        (Metric::Euclidean, Quantization::Auto, 1e6),
        (Metric::Euclidean, Quantization::F16, 1e5),
        (Metric::Cosine, Quantization::F16, 1e6),
        (Metric::Manhattan, Quantization::F16, 1e-8),
    ] {
        let options = IndexOptions::new().quantization(quantization);
        let builder = NnDescent::new(metric.clone()).recall_sample(0).index_options(options);
        let mut index = builder.index(&points_of(&data)).unwrap().index;
        let copy = index.quantization();
        assert_ne!(copy, Quantization::None);
        let mut all = data.clone();
        for row in [3, 4] {
            let far: Vec<f32> = data[row * DIM..][..DIM].iter().map(|v| v * factor).collect();
            index.add(&points_of(&far)).unwrap();
            all.extend(far);
        }
        let truth = exact::query(&points_of(&all), &points_of(&queries), &metric, 10).unwrap();
        let of_far = exact::query(&points_of(&all), &points_of(&all[1000 * DIM..]), &metric, 2).unwrap();
        let rebuilt = NnDescent::new(metric.clone()).recall_sample(0).index(&points_of(&all)).unwrap().index;
        let rebuilt = recall(&rebuilt.query(&points_of(&queries), 10, &SearchOptions::new()).unwrap(), &truth);
        let check = |index: &Index, what: &str| {
            assert_eq!(index.quantization(), copy, "{metric} {quantization} {what}");
            let hits = index.query(&points_of(&queries), 10, &SearchOptions::new()).unwrap();
            let found = recall(&hits, &truth);
            assert!(found > rebuilt.min(0.99) - 0.01, "{metric} {quantization} {what}: {found}, rebuilt {rebuilt}");
            let far = index.query(&points_of(&all[1000 * DIM..]), 2, &SearchOptions::new()).unwrap();
            assert_eq!(same_distances(&far, &of_far), 4, "{metric} {quantization} {what}: those far off");
        };
        check(&index, "added");
        let mut bytes = Vec::new();
        index.write_to(&mut bytes).unwrap();
        check(&Index::read_from(&bytes[..]).unwrap(), "saved");
        index.add(&points_of(&queries)).unwrap();
        index.remove(&(1002..1202).collect::<Vec<u32>>()).unwrap();
        index.compact().unwrap();
        check(&index, "changed");
        // As many as the others: a copy that holds all, or none.
        let far: Vec<f32> = data[..300 * DIM].iter().map(|v| v * factor).collect();
        index.add(&points_of(&far)).unwrap();
        all.extend(&far);
        let hits = index.query(&points_of(&far), 1, &SearchOptions::new()).unwrap();
        let truth = exact::query(&points_of(&all), &points_of(&far), &metric, 1).unwrap();
        let same = same_distances(&hits, &truth);
        assert!(same >= 297, "{metric} {quantization}: {same} of 300");
    }
}

/// An index that lost all of its points answers, and takes new ones.
fn check_emptied(builder: &NnDescent, points: &Points) {
    let n = points.n() as u32;
    let what = format!("{builder:?}, {points:?}");
    let indexed = builder.index(points).unwrap();
    let (mut index, mut graph) = (indexed.index, indexed.graph);
    index.remove(&(0..n - 1).collect::<Vec<u32>>()).unwrap();
    assert_eq!(index.query_ids(&[n - 1], 3, &SearchOptions::new().pad(true)).unwrap().neighbors(0).count(), 0);
    index.remove(&[n - 1]).unwrap();
    let mut bytes = Vec::new();
    index.write_to(&mut bytes).unwrap();
    for mut index in [Index::read_from(&bytes[..]).unwrap(), index] {
        assert!(index.is_empty() && index.ids().is_empty() && !index.contains(0), "{what}");
        assert_eq!((index.id_bound(), index.dim(), index.n_edges()), (n as usize, points.dim(), 0));
        let options = SearchOptions::new();
        for options in [options.clone(), options.filter(|id| id % 2 == 0)] {
            let hits = index.query(points, 10, &options).unwrap();
            assert_eq!((hits.n(), hits.k()), (n as usize, 10));
            assert!(hits.all_ids().iter().all(|&id| id == KnnGraph::NO_NEIGHBOR), "{what}");
            assert!(index.query_radius(points, 1e9, &options).unwrap().all_ids().is_empty(), "{what}");
            let mut scratch = SearchScratch::new();
            assert!(index.nearest_to_row(&mut scratch, points, 0, 10, &options).unwrap().is_empty(), "{what}");
        }
        let unknown = SearchError::UnknownId { id: 1, bound: n as usize };
        assert_eq!(index.query_ids(&[1], 1, &SearchOptions::new()).unwrap_err(), unknown);
        assert_eq!(index.vectors(&[1]).unwrap_err(), unknown);
        assert!(index.tune(0.9, 1, 10).is_err());
        index.update_graph(&mut graph, &[]).unwrap();
        assert!((0..n as usize).all(|i| graph.neighbors(i).count() == 0));
        index.compact().unwrap();
        assert_eq!(index.add(points).unwrap(), n..2 * n);
        let truth = exact::query(points, points, index.metric(), 10).unwrap();
        let hits = index.query(points, 10, &SearchOptions::new()).unwrap();
        let pairs = hits.all_distances().iter().zip(truth.all_distances());
        let found = pairs.filter(|(a, b)| **a <= **b + 1e-5 * b.abs() + 1e-6).count() as f64 / (10 * n) as f64;
        assert!(found > 0.98, "{what}: {found} of an index that had been empty");
    }
}

#[test]
fn an_index_without_points_finds_nothing_and_can_be_added_to() {
    let (data, _) = base_and_queries(300, 0, 24);
    let bytes: Vec<u8> = data.iter().map(|v| (v * 6.0 + 128.0) as u8).collect();
    let whole: Vec<f32> = bytes.iter().map(|&v| f32::from(v)).collect();
    let ones: Vec<f32> = data.iter().map(|v| v.max(0.0)).collect();
    let sparse = CsrMatrix::from_dense(&ones, 300, DIM).unwrap();
    let builder = |metric| NnDescent::new(metric).recall_sample(0);
    for quantization in [Quantization::None, Quantization::F16, Quantization::U8] {
        let options = IndexOptions::new().quantization(quantization);
        check_emptied(&builder(Metric::Euclidean).index_options(options.clone()), &points_of(&data));
        check_emptied(&builder(Metric::Cosine).index_options(options), &points_of(&data));
    }
    check_emptied(&builder(Metric::Minkowski { p: 1.5 }), &points_of(&data));
    check_emptied(&builder(Metric::Euclidean), &points_of(&whole));
    check_emptied(&builder(Metric::Euclidean), &Points::dense(&bytes, 300, DIM).unwrap());
    check_emptied(&builder(Metric::Cosine), &(&sparse).into());
    check_emptied(&builder(Metric::Wasserstein1d { p: 1.0 }), &(&sparse).into());
    check_emptied(&builder(Metric::BitJaccard), &Points::bits(&bytes[..300 * 40], 300, 320).unwrap());
}

#[test]
fn an_index_begun_with_few_points_grows_as_good_as_a_rebuild() {
    let (data, queries) = base_and_queries(2500, 300, 25);
    let truth = exact::query(&points_of(&data), &points_of(&queries), &Metric::Euclidean, 10).unwrap();
    let found = |index: &Index| recall(&index.query(&points_of(&queries), 10, &SearchOptions::new()).unwrap(), &truth);
    let expected = found(&index_of(&data, Metric::Euclidean));
    for begun in [2, 3] {
        let mut index = index_of(&data[..begun * DIM], Metric::Euclidean);
        for part in data[begun * DIM..].chunks(DIM * 1300) {
            index.add(&points_of(part)).unwrap();
        }
        let found = found(&index);
        assert!(found > expected - 0.01, "begun with {begun}: {found}, not {expected}");
    }
}

#[test]
fn ids_are_those_of_the_points_there_are() {
    let (data, _) = base_and_queries(400, 0, 26);
    let mut index = index_of(&data, Metric::Euclidean);
    index.remove(&(0..300).collect::<Vec<u32>>()).unwrap();
    index.add(&points_of(&data[..2 * DIM])).unwrap();
    index.update(&[350], &points_of(&data[..DIM])).unwrap();
    let ids: Vec<u32> = (300..402).collect();
    assert_eq!(index.ids(), ids);
    assert!((0..500).all(|id| index.contains(id) == ids.contains(&id)));
}

#[test]
fn bad_input_is_named() {
    let (data, queries) = base_and_queries(300, 5, 18);
    let mut index = index_of(&data, Metric::Euclidean);
    let asked = points_of(&queries);
    let message = |error: SearchError| error.to_string();
    assert_eq!(message(index.query(&asked, 0, &SearchOptions::new()).unwrap_err()), "k = 0, but it must be at least 1");
    assert_eq!(
        message(index.query(&asked, 301, &SearchOptions::new()).unwrap_err()),
        "k = 301, but the index holds 300 points"
    );
    assert!(
        message(index.query(&asked, 5, &SearchOptions::new().epsilon(-1.0)).unwrap_err()).starts_with("epsilon = -1")
    );
    assert!(
        message(index.query(&asked, 5, &SearchOptions::new().epsilon(f32::NAN)).unwrap_err())
            .starts_with("epsilon = NaN")
    );
    let narrow = Points::dense(&queries[..10], 1, 10).unwrap();
    let wrong = SearchError::Dimension { found: 10, expected: DIM };
    assert_eq!(index.query(&narrow, 5, &SearchOptions::new()).unwrap_err(), wrong);
    assert_eq!(index.query_radius(&narrow, 1.0, &SearchOptions::new().epsilon(0.1)).unwrap_err(), wrong);
    assert_eq!(index.add(&narrow).unwrap_err(), IndexError::Dimension { found: 10, expected: DIM });
    assert!(index.query_radius(&asked, f32::NAN, &SearchOptions::new().epsilon(0.1)).is_err());
    assert_eq!(
        index.query(&asked, 5, &SearchOptions::new().filter_mask(&[true; 299])).unwrap_err(),
        SearchError::FilterLength { found: 299, expected: 300 }
    );
    assert_eq!(
        index.query(&asked, 5, &SearchOptions::new().filter(|_| false)).unwrap_err(),
        SearchError::NothingAllowed { n: 300 }
    );
    let labels = vec![1; 300];
    assert_eq!(
        index.query(&asked, 5, &SearchOptions::new().filter_labels(&labels, &[1, 1])).unwrap_err(),
        SearchError::LabelCount { found: 2, expected: 5 }
    );
    assert_eq!(
        index.query(&asked, 5, &SearchOptions::new().filter_labels(&labels, &[1, 1, 2, 1, 1])).unwrap_err(),
        SearchError::NoSuchLabel { label: 2 }
    );
    assert_eq!(
        index.query_ids(&[300], 5, &SearchOptions::new()).unwrap_err(),
        SearchError::UnknownId { id: 300, bound: 300 }
    );
    assert!(message(index.nearest(&[f32::NAN; DIM], 5).unwrap_err()).contains("column 0 is NaN"));
    assert_eq!(index.nearest(&[0.0; 3], 5).unwrap_err(), SearchError::Dimension { found: 3, expected: DIM });
    // Queries may be none, but not without columns.
    assert!(Points::dense(&[] as &[f32], 0, 0).is_err());

    assert_eq!(index.remove(&[1, 300]).unwrap_err(), IndexError::UnknownId { id: 300, bound: 300 });
    assert_eq!(index.remove(&[1, 2, 1]).unwrap_err(), IndexError::IdTwice { id: 1 });
    assert_eq!(index.len(), 300, "what failed changed nothing");
    index.remove(&[7]).unwrap();
    assert_eq!(index.remove(&[7]).unwrap_err(), IndexError::UnknownId { id: 7, bound: 300 });
    assert_eq!(index.update(&[1], &asked).unwrap_err(), IndexError::IdCount { found: 1, expected: 5 });
    let bytes = vec![1u8; DIM];
    let error = index.add(&Points::dense(&bytes, 1, DIM).unwrap()).unwrap_err();
    assert_eq!(error, IndexError::Type { found: "uint8", expected: "float32" });

    for prepare in [
        IndexOptions::new().diversify_prob(1.5),
        IndexOptions::new().diversify_prob(f32::NAN),
        IndexOptions::new().pruning_degree_multiplier(0.0),
        IndexOptions::new().diversify_method(DiversifyMethod::DegreeAware { aggressiveness: -1.0 }),
    ] {
        let graph = exact::graph(&points_of(&data), &Metric::Euclidean, 5, false).unwrap();
        let error = prepare.index(&points_of(&data), &Metric::Euclidean, &graph).unwrap_err();
        assert!(matches!(error, IndexError::Parameter { .. }), "{error}");
    }
    let other = KnnGraph::from_parts(2, 1, vec![1, 0], vec![0.0; 2]).unwrap();
    let error = IndexOptions::new().index(&points_of(&data), &Metric::Euclidean, &other).unwrap_err();
    assert!(matches!(error, IndexError::Parameter { name: "rows of the graph", .. }), "{error}");
    let error = IndexOptions::new().quantization(Quantization::U8);
    let graph = exact::graph(&points_of(&data), &Metric::Manhattan, 5, false).unwrap();
    let error = error.index(&points_of(&data), &Metric::Manhattan, &graph).unwrap_err();
    assert!(matches!(error, IndexError::Quantization { .. }), "{error}");
    let huge: Vec<f32> = data.iter().map(|v| v * 1e6).collect();
    let graph = exact::graph(&points_of(&huge), &Metric::Euclidean, 5, false).unwrap();
    let halves = IndexOptions::new().quantization(Quantization::F16);
    let error = halves.index(&points_of(&huge), &Metric::Euclidean, &graph).unwrap_err();
    assert!(error.to_string().contains("beyond 65504"), "{error}");
    assert!(index.tune(1.0, 10, 100).is_err() && index.tune(0.9, 0, 100).is_err() && index.tune(0.9, 10, 0).is_err());
}

#[test]
fn few_rows_of_any_size_are_all_found_after_compaction() {
    for (quantization, power) in
        [Quantization::F16, Quantization::None].into_iter().flat_map(|q| (-29..18).map(move |p| (q, p)))
    {
        let values = [-55.0f32, 111.0, -1.0, -25.0, -1.0].map(|v| v * 10f32.powi(power));
        let options = IndexOptions::new().prefer_quantization(quantization);
        let points = Points::dense(&values, 5, 1).unwrap();
        let builder = NnDescent::new(Metric::InnerProduct).n_neighbors(4).recall_sample(0).index_options(options);
        let mut index = builder.index(&points).unwrap().index;
        for step in 0..3 {
            match step {
                1 => index.compact().unwrap(),
                2 => drop(index.add(&Points::dense(&values[..0], 0, 1).unwrap()).unwrap()),
                _ => {}
            }
            let hits = index.query(&points, 5, &SearchOptions::new()).unwrap();
            for i in 0..5 {
                let mut ids = hits.ids(i).to_vec();
                ids.sort_unstable();
                assert_eq!(
                    ids,
                    [0, 1, 2, 3, 4],
                    "{quantization}, 1e{power}, step {step}, row {i}: {:?}",
                    hits.distances(i)
                );
            }
        }
    }
}
