//! Clusters and weights of layouts against scikit-learn, hdbscan and umap-learn: tests/fixtures/clusters.py wrote what
//! these make of moons, blobs, one blob and the digits.

use std::collections::BTreeMap;
use std::path::Path;

use nndescent::analysis::cluster::{
    ClusterSelection, Clustering, Hdbscan, HdbscanClustering, connected_components, core_distances, dbscan,
    jarvis_patrick, minimum_spanning_tree, mutual_reachability, snn_dbscan,
};
use nndescent::analysis::{AnalysisError, CheckedGraph, Edge, SharedNeighbors};
use nndescent::io::{Matrix, Values, read_matrix};
use nndescent::{KnnGraph, Metric, NnDescent, Points, exact};

/// Columns of labels in the fixture.
const LABELS: [&str; 7] = ["dbscan", "eom", "leaf", "epsilon", "single", "min_samples", "shared"];

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

fn fixture(array: &str) -> Matrix {
    read_matrix(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/clusters.npz"), Some(array)).unwrap()
}

fn floats(matrix: Matrix) -> Vec<f32> {
    let Values::F32(values) = matrix.values else { panic!("not f32") };
    values
}

impl Set {
    fn exact(&self, k: usize) -> KnnGraph {
        let matrix = fixture(self.name);
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
        let (dim, column) = (matrix.dim, LABELS.iter().position(|label| *label == of).unwrap() - 1);
        floats(matrix).chunks(dim).map(|row| row[column]).collect()
    }

    /// What clusters.py does under a name.
    fn hdbscan(&self, of: &str) -> Hdbscan {
        let plain = Hdbscan::new(self.min_cluster_size);
        match of {
            "eom" => plain,
            "leaf" => plain.selection(ClusterSelection::Leaf),
            "epsilon" => plain.selection(ClusterSelection::Leaf).cluster_selection_epsilon(self.epsilon),
            "single" => plain.allow_single_cluster(true),
            "min_samples" => plain.min_samples(3),
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
        let graph = set.exact(usize::MAX);
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

const HIERARCHIES: [&str; 5] = ["eom", "leaf", "epsilon", "single", "min_samples"];

#[test]
fn hdbscan_labels_and_probabilities_are_those_of_scikit_learn() {
    for set in &SETS {
        let graph = set.exact(usize::MAX);
        for of in HIERARCHIES {
            let found = set.hdbscan(of).run(&checked(&graph), &[]).unwrap();
            let labels = renumbered(&set.labels(of));
            let agreement = adjusted_rand(found.clustering.labels(), &labels);
            println!("{} {of}: {agreement}", set.name);
            let differ = found.clustering.labels().iter().zip(&labels).filter(|(a, b)| a != b).count();
            let probs = found.probabilities.iter().zip(set.probabilities(of)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            println!("   differ {differ} prob {probs}");
        }
    }
}

#[test]
fn hdbscan_of_near_neighbours_finds_nearly_the_same_clusters() {
    for set in &SETS {
        for k in [15, 20, 30] {
            let graph = set.exact(k);
            for of in HIERARCHIES {
                let found = set.hdbscan(of).run(&checked(&graph), &[]).unwrap();
                let agreement = adjusted_rand(found.clustering.labels(), &set.labels(of));
                println!("{}, k = {k}, {of}: {agreement}", set.name);
            }
        }
    }
}
