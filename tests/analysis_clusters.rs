//! Clusters and weights of layouts against scikit-learn, hdbscan and umap-learn: tests/fixtures/clusters.py wrote what
//! these make of moons, blobs, one blob and the digits.

use std::collections::BTreeMap;
use std::path::Path;

use nndescent::analysis::cluster::{
    ClusterSelection, Hdbscan, core_distances, dbscan, jarvis_patrick, minimum_spanning_tree, mutual_reachability,
    snn_dbscan,
};
use nndescent::analysis::{AnalysisError, CheckedGraph, Edge, FuzzySet, SharedNeighbors};
use nndescent::io::{Matrix, Values, read_matrix};
use nndescent::{Algorithm, CsrGraph, KnnGraph, Metric, NnDescent, Points, exact};

/// Columns of labels in the fixture; the first two have no probabilities.
const LABELS: [&str; 10] =
    ["dbscan", "shared", "eom", "leaf", "epsilon", "single", "eom_2", "leaf_2", "epsilon_2", "single_2"];
const HIERARCHIES: &[&str] = LABELS.split_at(2).1;

/// What clusters.py does with a set of points.
struct Set {
    name: &'static str,
    eps: f32,
    min_samples: usize,
    min_cluster_size: usize,
    epsilon: f64,
    shared_eps: f32,
}

const SETS: [Set; 4] = [
    Set { name: "moons", eps: 0.15, min_samples: 5, min_cluster_size: 10, epsilon: 0.1, shared_eps: 15.0 },
    Set { name: "blobs", eps: 0.8, min_samples: 6, min_cluster_size: 15, epsilon: 1.0, shared_eps: 15.0 },
    Set { name: "one", eps: 0.3, min_samples: 4, min_cluster_size: 8, epsilon: 0.4, shared_eps: 10.0 },
    Set { name: "digits", eps: 20.0, min_samples: 5, min_cluster_size: 10, epsilon: 22.0, shared_eps: 35.0 },
];

/// Neighbours that stand for all: all of the smaller sets, and all that matter of the digits.
const MOST: usize = 600;

fn fixture(array: &str) -> Matrix {
    read_matrix(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/clusters.npz"), Some(array)).unwrap()
}

fn points(name: &str) -> Matrix {
    if name == "digits" {
        let values = Values::U8(include_bytes!("../examples/data/digits-8x8.u8").to_vec());
        let mut matrix = fixture("digits_labels");
        (matrix.values, matrix.dim) = (values, 64);
        return matrix;
    }
    fixture(name)
}

fn floats(matrix: Matrix) -> Vec<f32> {
    let Values::F32(values) = matrix.values else { panic!("not f32") };
    values
}

impl Set {
    fn exact(&self, k: usize) -> KnnGraph {
        let matrix = points(self.name);
        exact::graph(&matrix.points().unwrap(), &Metric::Euclidean, k.min(matrix.n - 1), false).unwrap()
    }

    fn labels(&self, of: &str) -> Vec<i32> {
        let matrix = fixture(&format!("{}_labels", self.name));
        let Values::I8(values) = matrix.values else { panic!("not i8") };
        let column = LABELS.iter().position(|label| *label == of).unwrap();
        values.chunks(matrix.dim).map(|row| i32::from(row[column])).collect()
    }

    fn probabilities(&self, of: &str) -> Vec<f32> {
        let matrix = fixture(&format!("{}_probabilities", self.name));
        let (dim, column) = (matrix.dim, LABELS.iter().position(|label| *label == of).unwrap() - 2);
        floats(matrix).chunks(dim).map(|row| row[column]).collect()
    }

    /// What clusters.py does under a name.
    fn hdbscan(&self, of: &str) -> Hdbscan {
        let (which, min_samples) = of.split_once('_').map_or((of, None), |(which, _)| (which, Some(2)));
        let plain = Hdbscan::new(self.min_cluster_size).min_samples(min_samples.unwrap_or(self.min_cluster_size));
        match which {
            "eom" => plain,
            "leaf" => plain.selection(ClusterSelection::Leaf),
            "epsilon" => plain.selection(ClusterSelection::Leaf).cluster_selection_epsilon(self.epsilon),
            "single" => plain.allow_single_cluster(true),
            _ => panic!("{of}"),
        }
    }
}

/// The adjusted Rand index (Hubert and Arabie 1985); noise counts as a cluster.
fn adjusted_rand(a: &[i32], b: &[i32]) -> f64 {
    let pairs = |count: usize| (count * (count - 1)) as f64 / 2.0;
    let pairs_of = |keys: &mut dyn Iterator<Item = (i32, i32)>| -> f64 {
        let mut counts = BTreeMap::new();
        keys.for_each(|key| *counts.entry(key).or_insert(0) += 1);
        counts.into_values().map(pairs).sum()
    };
    let both = pairs_of(&mut a.iter().copied().zip(b.iter().copied()));
    let of_a = pairs_of(&mut a.iter().map(|&label| (label, 0)));
    let of_b = pairs_of(&mut b.iter().map(|&label| (label, 0)));
    let by_chance = of_a * of_b / pairs(a.len());
    let most = f64::midpoint(of_a, of_b);
    if most == by_chance { 1.0 } else { (both - by_chance) / (most - by_chance) }
}

/// The labels with clusters numbered by their first rows.
fn renumbered(labels: &[i32]) -> Vec<i32> {
    let mut numbers = BTreeMap::new();
    let number = |&label: &i32| {
        let next = numbers.len() as i32;
        if label < 0 { label } else { *numbers.entry(label).or_insert(next) }
    };
    labels.iter().map(number).collect()
}

fn checked(graph: &KnnGraph) -> CheckedGraph<'_> {
    CheckedGraph::new(graph).unwrap()
}

fn line(values: &[f32], k: usize) -> KnnGraph {
    exact::graph(&Points::dense(values, values.len(), 1).unwrap(), &Metric::Euclidean, k, false).unwrap()
}

#[test]
fn dbscan_labels_are_those_of_scikit_learn() {
    for set in &SETS {
        let graph = set.exact(MOST);
        let found = dbscan(&checked(&graph), set.eps, set.min_samples).unwrap();
        assert_eq!(found.labels(), set.labels("dbscan"), "{}", set.name);
    }
}

#[test]
fn dbscan_of_near_neighbours_finds_nearly_the_same_clusters() {
    for set in &SETS {
        for k in [15, 30] {
            let graph = set.exact(k);
            let found = dbscan(&checked(&graph), set.eps, set.min_samples).unwrap();
            let agreement = adjusted_rand(found.labels(), &set.labels("dbscan"));
            assert!(agreement >= 0.99, "{}, k = {k}: {agreement}", set.name);
        }
    }
}

#[test]
fn snn_dbscan_labels_are_those_of_a_full_matrix() {
    for set in &SETS {
        let similarity = SharedNeighbors::new(100).similarity(&checked(&set.exact(100))).unwrap();
        let found = snn_dbscan(&similarity, 100.0 - set.shared_eps, 2).unwrap();
        assert_eq!(found.labels(), set.labels("shared"), "{}", set.name);
        assert_eq!(jarvis_patrick(&similarity, 100.0 - set.shared_eps).unwrap(), found, "{}", set.name);
    }
}

/// The least agreement with scikit-learn under a name. Where edges of the tree are equal, rows between two clusters may
/// be in either, and a cluster of just `min_cluster_size` rows may be one or not: with its rows shuffled, scikit-learn
/// agrees with itself to 0.98 for `eom`, and to 0.68 for `leaf`.
fn least_agreement(of: &str) -> f64 {
    match of {
        "leaf" => 0.84,
        "epsilon" => 0.98,
        of if of.ends_with("_2") => 1.0,
        _ => 0.99,
    }
}

#[test]
fn hdbscan_labels_and_probabilities_are_those_of_scikit_learn() {
    for set in &SETS {
        let graph = set.exact(MOST);
        for of in HIERARCHIES {
            let found = set.hdbscan(of).run(&checked(&graph), &[]).unwrap();
            let (labels, probabilities) = (renumbered(&set.labels(of)), set.probabilities(of));
            let agreement = adjusted_rand(found.clustering.labels(), &labels);
            assert!(agreement >= least_agreement(of), "{} {of}: {agreement}", set.name);
            if of.ends_with("_2") {
                assert_eq!(found.clustering.labels(), labels, "{} {of}", set.name);
                let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-6;
                assert!(found.probabilities.iter().zip(&probabilities).all(near), "{} {of}", set.name);
            }
        }
    }
}

#[test]
fn hdbscan_of_near_neighbours_finds_nearly_the_same_clusters() {
    for set in &SETS {
        for k in [15, 30] {
            let graph = set.exact(k);
            for of in HIERARCHIES {
                let found = set.hdbscan(of).run(&checked(&graph), &[]).unwrap();
                let agreement = adjusted_rand(found.clustering.labels(), &set.labels(of));
                assert!(agreement >= least_agreement(of), "{}, k = {k}, {of}: {agreement}", set.name);
            }
        }
    }
}

#[test]
fn hdbscan_of_an_approximate_graph_finds_nearly_the_same_clusters() {
    for set in &SETS {
        let matrix = points(set.name);
        for seed in 0..3 {
            let build = NnDescent::new(Metric::Euclidean).algorithm(Algorithm::NnDescent).n_neighbors(20).seed(seed);
            let graph = build.graph(&matrix.points().unwrap()).unwrap().graph;
            let found = set.hdbscan("eom").run(&checked(&graph), &[]).unwrap();
            let agreement = adjusted_rand(found.clustering.labels(), &set.labels("eom"));
            assert!(agreement >= 0.99, "{}, seed {seed}: {agreement}", set.name);
        }
    }
}

#[test]
fn fuzzy_weights_are_those_of_umap_learn() {
    let blobs = floats(fixture("blobs"));
    let graph = exact::graph(&Points::dense(&blobs[..300], 150, 2).unwrap(), &Metric::Euclidean, 10, false).unwrap();
    let mixed = FuzzySet::default().local_connectivity(2.5).set_op_mix_ratio(0.3);
    for (name, set) in [("umap_plain", FuzzySet::default()), ("umap_mixed", mixed)] {
        let weights = set.weights(&checked(&graph)).unwrap();
        let mut dense = vec![0.0; 150 * 150];
        (0..150).for_each(|i| weights.row(i).for_each(|(j, weight)| dense[i * 150 + j as usize] = weight));
        for (at, (found, expected)) in dense.iter().zip(floats(fixture(name))).enumerate() {
            assert!((found - expected).abs() < 1e-5, "{name} {at}: {found}, not {expected}");
        }
    }
}

#[test]
fn rows_on_the_border_of_two_clusters_are_in_the_first() {
    // Row 2 is within 1.1 of a core row of either side.
    let graph = line(&[4.0, 4.1, 3.0, 2.0, 1.9, 4.2, 1.8], 6);
    let found = dbscan(&checked(&graph), 1.05, 4).unwrap();
    assert_eq!((found.labels(), found.n_noise()), (&[0, 0, 0, 1, 1, 0, 1][..], 0));
}

#[test]
fn clusters_do_not_depend_on_the_number_of_threads() {
    let graph = SETS[3].exact(15);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let graph = checked(&graph);
            let weights = FuzzySet::default().weights(&graph).unwrap();
            (Hdbscan::new(10).run(&graph, &[]).unwrap(), dbscan(&graph, 20.0, 5).unwrap(), weights)
        })
    };
    assert_eq!(run(1), run(7));
}

#[test]
fn equal_points_are_one_cluster_or_noise() {
    let graph = line(&[3.0; 30], 29);
    let (graph, all) = (checked(&graph), [0; 30]);
    assert_eq!(dbscan(&graph, 0.0, 5).unwrap().labels(), all);
    let found = Hdbscan::new(5).run(&graph, &[]).unwrap();
    assert_eq!((found.clustering.labels(), found.probabilities), (&[-1; 30][..], vec![0.0; 30]));
    let found = Hdbscan::new(5).allow_single_cluster(true).run(&graph, &[]).unwrap();
    assert_eq!((found.clustering.labels(), found.probabilities), (&all[..], vec![1.0; 30]));
    assert!(FuzzySet::default().weights(&graph).unwrap().values.iter().all(|&weight| weight == 1.0));
}

#[test]
fn no_cluster_spans_components_unless_they_are_connected() {
    // Two rows of points, a hundred apart, of the same density.
    let data: Vec<f32> = (0..60).map(|i| (100 * (i / 30) + i % 30) as f32 + (i * i % 11) as f32 / 30.0).collect();
    let graph = line(&data, 6);
    let apart = Hdbscan::new(5).run(&checked(&graph), &[]).unwrap();
    assert_eq!(apart.clustering.sizes(), [30, 30]);
    let connector = Edge { from: 29, to: 30, distance: 0.5 };
    let together = Hdbscan::new(5).allow_single_cluster(true).run(&checked(&graph), &[connector]).unwrap();
    assert_eq!(together.clustering.n_clusters(), 1);

    let tree = |connectors: &[Edge]| {
        let graph = checked(&graph);
        let core = core_distances(&graph, 3).unwrap();
        minimum_spanning_tree(60, mutual_reachability(&graph, &core, connectors).unwrap()).unwrap()
    };
    let (apart, together) = (tree(&[]), tree(&[connector]));
    assert_eq!((apart.len(), together.len()), (59, 59));
    assert_eq!(apart.last(), Some(&Edge { from: 0, to: 30, distance: f32::INFINITY }));
    assert!(together.iter().all(|edge| edge.distance < 3.0));
}

#[test]
fn a_single_point_is_noise_or_its_own_cluster() {
    let graph = KnnGraph::from_parts(1, 0, vec![], vec![]).unwrap();
    let graph = checked(&graph);
    assert_eq!(dbscan(&graph, 1.0, 1).unwrap().labels(), [0]);
    assert!(matches!(dbscan(&graph, 1.0, 2), Err(AnalysisError::Parameter { name: "min_samples", .. })));
    assert_eq!(Hdbscan::new(2).min_samples(1).run(&graph, &[]).unwrap().clustering.labels(), [-1]);
    assert!(matches!(Hdbscan::new(2).run(&graph, &[]), Err(AnalysisError::TooFewNeighbors { row: 0, found: 0, k: 1 })));
    assert!(FuzzySet::default().weights(&graph).unwrap().values.is_empty());
    let none = KnnGraph::from_parts(0, 0, vec![], vec![]).unwrap();
    assert!(Hdbscan::new(2).min_samples(1).run(&checked(&none), &[]).unwrap().clustering.labels().is_empty());
    assert!(dbscan(&checked(&none), 1.0, 1).unwrap().labels().is_empty());
}

/// The name of the parameter that is refused.
fn refused<T: std::fmt::Debug>(result: Result<T, AnalysisError>) -> &'static str {
    let Err(AnalysisError::Parameter { name, .. }) = result else { panic!("{result:?}") };
    name
}

#[test]
fn parameters_out_of_range_are_refused() {
    let graph = line(&[0.0, 1.0, 2.0, 4.0, 8.0], 3);
    let graph = checked(&graph);
    assert_eq!(refused(dbscan(&graph, -1.0, 2)), "eps");
    assert_eq!(refused(dbscan(&graph, f32::NAN, 2)), "eps");
    assert_eq!(refused(dbscan(&graph, 1.0, 0)), "min_samples");
    assert_eq!(refused(dbscan(&graph, 1.0, 5)), "min_samples");
    assert_eq!(refused(Hdbscan::new(1).run(&graph, &[])), "min_cluster_size");
    assert_eq!(refused(Hdbscan::new(2).min_samples(0).run(&graph, &[])), "min_samples");
    assert_eq!(
        refused(Hdbscan::new(2).cluster_selection_epsilon(f64::NAN).run(&graph, &[])),
        "cluster_selection_epsilon"
    );
    let too_many = Hdbscan::new(5).run(&graph, &[]);
    assert!(matches!(too_many, Err(AnalysisError::TooFewNeighbors { row: 0, found: 3, k: 4 })), "{too_many:?}");
    let edge = |to, distance| Hdbscan::new(2).run(&graph, &[Edge { from: 0, to, distance }]);
    assert!(matches!(edge(5, 1.0), Err(AnalysisError::Id { id: 5, end: 5, .. })));
    assert_eq!(refused(edge(4, f32::NAN)), "distance of an edge");
    assert_eq!(refused(FuzzySet::default().local_connectivity(-1.0).weights(&graph)), "local_connectivity");
    assert_eq!(refused(FuzzySet::default().bandwidth(0.0).weights(&graph)), "bandwidth");
    assert_eq!(refused(FuzzySet::default().set_op_mix_ratio(1.5).weights(&graph)), "set_op_mix_ratio");
}

#[test]
fn graphs_of_queries_and_negative_distances_are_refused() {
    let found = KnnGraph::from_parts(2, 2, vec![0, 1, 1, 2], vec![0.0, 1.0, 0.0, 1.0]).unwrap();
    let found = CheckedGraph::of_queries(&found, 5).unwrap();
    assert!(matches!(dbscan(&found, 1.0, 2), Err(AnalysisError::Rows { found: 2, expected: 5, .. })));
    assert!(matches!(Hdbscan::new(2).run(&found, &[]), Err(AnalysisError::Rows { .. })));
    assert!(matches!(FuzzySet::default().weights(&found), Err(AnalysisError::Rows { .. })));
    let products = KnnGraph::from_parts(2, 1, vec![1, 0], vec![-3.0, -3.0]).unwrap();
    let products = checked(&products);
    assert!(matches!(Hdbscan::new(2).run(&products, &[]), Err(AnalysisError::Negative { row: 0, .. })));
    assert!(matches!(FuzzySet::default().weights(&products), Err(AnalysisError::Negative { row: 0, .. })));
}

#[test]
fn matrices_that_are_damaged_or_not_symmetric_are_refused() {
    let graph = line(&[0.0, 1.0, 2.0, 4.0, 8.0], 3);
    let whole = SharedNeighbors::new(3).similarity(&checked(&graph)).unwrap();
    assert_eq!(refused(snn_dbscan(&whole, 0.0, 2)), "least similarity");
    assert_eq!(refused(snn_dbscan(&whole, f32::NAN, 2)), "least similarity");
    assert_eq!(refused(snn_dbscan(&whole, 1.0, 0)), "min_samples");
    let damaged = |change: fn(&mut CsrGraph)| {
        let mut matrix = whole.clone();
        change(&mut matrix);
        snn_dbscan(&matrix, 1.0, 2)
    };
    assert_eq!(refused(damaged(|matrix| matrix.indptr.clear())), "indptr");
    assert_eq!(refused(damaged(|matrix| matrix.indptr[1] = 1000)), "indptr");
    assert_eq!(refused(damaged(|matrix| matrix.values.truncate(1))), "indptr");
    assert!(matches!(damaged(|matrix| matrix.indices[1] = 0), Err(AnalysisError::Unsorted { .. })));
    assert!(matches!(
        damaged(|matrix| *matrix.indices.last_mut().unwrap() = 77),
        Err(AnalysisError::Id { id: 77, .. })
    ));
    assert!(matches!(damaged(|matrix| matrix.values[0] = f32::NAN), Err(AnalysisError::Distance { .. })));
    assert!(matches!(damaged(|matrix| matrix.values[0] += 1.0), Err(AnalysisError::Asymmetric { .. })));
    assert!(matches!(damaged(|matrix| matrix.indices.fill(4)), Err(AnalysisError::Unsorted { .. })));
}
