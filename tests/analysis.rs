//! Analyses of graphs against their definitions, against PyOD, and on graphs that are wrong.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use nndescent::analysis::outliers::{
    Combination, Score, Sod, combined, doped, outliers, roc_auc, scores, scores_of_new, threshold,
};
use nndescent::analysis::{
    AnalysisError, CheckedGraph, Overlap, SharedNeighbors, Symmetry, components, connect, hubness, in_degrees, merged,
    neighbor_overlap, truncated,
};
use nndescent::{CsrGraph, KnnGraph, Metric, NnDescent, Points, exact};

/// Uniform values in sixteenths, so that ties occur.
fn values(n: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..n * dim).map(|_| rng.random_range(0..64) as f32 / 16.0).collect()
}

fn exact_graph(values: &[f32], dim: usize, k: usize) -> KnnGraph {
    let points = Points::dense(values, values.len() / dim, dim).unwrap();
    exact::graph(&points, &Metric::Euclidean, k, false).unwrap()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-5 * (1.0 + a.abs().max(b.abs()))
}

fn entries(matrix: &CsrGraph) -> BTreeMap<(u32, u32), f32> {
    (0..matrix.n()).flat_map(|i| matrix.row(i).map(move |(j, value)| ((i as u32, j), value))).collect()
}

#[test]
fn scores_are_those_of_pyod() {
    let fixture: serde_json::Value = serde_json::from_str(include_str!("fixtures/outliers.json")).unwrap();
    let numbers = |value: &serde_json::Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    };
    let x: Vec<f32> = numbers(&fixture["x"]).into_iter().map(|value| value as f32).collect();
    let is_outlier: Vec<bool> = numbers(&fixture["y"]).into_iter().map(|label| label == 1.0).collect();
    let (k, dim) = (fixture["k"].as_u64().unwrap() as usize, fixture["dim"].as_u64().unwrap() as usize);
    let graph = exact_graph(&x, dim, k);
    let graph = CheckedGraph::new(&graph).unwrap();
    let kinds = [("mean", Score::Mean), ("kth", Score::Kth), ("median", Score::Median), ("lof", Score::Lof)];
    for (name, score) in kinds {
        let (ours, theirs) = (scores(&graph, score, k).unwrap(), numbers(&fixture["scores"][name]));
        for (row, (a, b)) in ours.iter().zip(&theirs).enumerate() {
            assert!(close(*a, *b), "{name}, row {row}: {a}, PyOD {b}");
        }
        let auc = roc_auc(&ours, &is_outlier).unwrap();
        assert!(close(auc, fixture["auc"][name].as_f64().unwrap()), "{name}: AUC {auc}");
        let bound = threshold(&ours, 0.1).unwrap();
        assert!(close(bound, fixture["threshold"][name].as_f64().unwrap()), "{name}: threshold {bound}");
        assert_eq!(outliers(&ours, 0.1).unwrap().iter().filter(|&&is| is).count(), 12);
    }
}

/// Scores by their definitions, written out in f64 over sets.
struct Definition<'a> {
    graph: &'a KnnGraph,
    k: usize,
}

impl Definition<'_> {
    fn near(&self, i: usize) -> Vec<usize> {
        self.graph.ids(i)[..self.k].iter().map(|&id| id as usize).collect()
    }

    fn distances(&self, i: usize) -> Vec<f64> {
        self.graph.distances(i)[..self.k].iter().map(|&d| f64::from(d)).collect()
    }

    fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
        let values: Vec<f64> = values.into_iter().collect();
        values.iter().sum::<f64>() / values.len() as f64
    }

    fn simplified_lof(&self, i: usize) -> f64 {
        let spread = |i: usize| Self::mean(self.distances(i));
        Self::mean(self.near(i).into_iter().map(|j| spread(i) / spread(j)))
    }

    fn standard_distance(&self, i: usize) -> f64 {
        Self::mean(self.distances(i).into_iter().map(|d| d * d)).sqrt()
    }

    fn local_factor(&self, i: usize) -> f64 {
        self.standard_distance(i) / Self::mean(self.near(i).into_iter().map(|j| self.standard_distance(j))) - 1.0
    }

    /// The error function by Simpson's rule.
    fn erf(x: f64) -> f64 {
        let (steps, mut sum) = (2000, 0.0);
        for step in 0..=steps {
            let t = x * f64::from(step) / f64::from(steps);
            let weight = if step == 0 || step == steps { 1.0 } else { 2.0 * f64::from(1 + step % 2) };
            sum += weight * (-t * t).exp();
        }
        sum * x / (3.0 * f64::from(steps)) * 2.0 / std::f64::consts::PI.sqrt()
    }

    fn local_probability(&self, i: usize, lambda: f64) -> f64 {
        let squares = (0..self.graph.n()).map(|j| self.local_factor(j).powi(2));
        let deviation = lambda * Self::mean(squares).sqrt();
        Self::erf(self.local_factor(i) / (deviation * 2f64.sqrt())).max(0.0)
    }

    fn shared(&self, i: usize, j: usize) -> usize {
        let near: BTreeSet<usize> = self.near(i).into_iter().collect();
        self.near(j).iter().filter(|&id| near.contains(id)).count()
    }
}

#[test]
fn scores_are_those_of_their_definitions() {
    let (n, dim, k) = (90, 3, 8);
    let x = values(n, dim, 3);
    let graph = exact_graph(&x, dim, 10);
    let by = Definition { graph: &graph, k };
    let checked = CheckedGraph::new(&graph).unwrap();
    let of = |score| scores(&checked, score, k).unwrap();
    let (simplified, probability) = (of(Score::SimplifiedLof), of(Score::Loop { lambda: 2.0 }));
    let (degree, shared) = (of(Score::InDegree), of(Score::Snn));
    for i in 0..n {
        assert!(close(simplified[i], by.simplified_lof(i)), "row {i}");
        assert!(close(probability[i], by.local_probability(i, 2.0)), "row {i}");
        let holders = (0..n).filter(|&j| by.near(j).contains(&i)).count();
        assert_eq!(degree[i], -(holders as f64), "row {i}");
        let overlap = by.near(i).iter().map(|&j| by.shared(i, j)).sum::<usize>() as f64 / k as f64;
        assert!(close(shared[i], k as f64 - overlap), "row {i}");
    }
}

#[test]
fn subspace_outlier_degrees_are_those_of_the_definition() {
    let (n, dim, k, count, alpha) = (80, 5, 9, 6, 0.8);
    let x = values(n, dim, 11);
    let graph = exact_graph(&x, dim, k);
    let by = Definition { graph: &graph, k };
    let scores = Sod::default().k(k).reference(count).alpha(alpha);
    let scores = scores.scores(&CheckedGraph::new(&graph).unwrap(), &x, dim).unwrap();
    for (i, &score) in scores.iter().enumerate() {
        let near = by.near(i);
        let mut others: Vec<usize> = (0..n).filter(|&j| j != i && by.shared(i, j) > 0).collect();
        let rank = |j: usize| near.iter().position(|&id| id == j).unwrap_or(usize::MAX);
        others.sort_by_key(|&j| (std::cmp::Reverse(by.shared(i, j)), rank(j), j));
        others.truncate(count);
        let column = |c: usize| others.iter().map(|&j| f64::from(x[j * dim + c])).collect::<Vec<f64>>();
        let means: Vec<f64> = (0..dim).map(|c| Definition::mean(column(c))).collect();
        let variance = |c: usize| Definition::mean(column(c).into_iter().map(|v| (v - means[c]).powi(2)));
        let expected = alpha * Definition::mean((0..dim).map(variance));
        let kept: Vec<usize> = (0..dim).filter(|&c| variance(c) < expected).collect();
        let squares = kept.iter().map(|&c| (f64::from(x[i * dim + c]) - means[c]).powi(2));
        let right = if kept.is_empty() { 0.0 } else { Definition::mean(squares).sqrt() };
        assert!(close(score, right), "row {i}: {score}, not {right}");
    }
}

/// What is scored as new, though it is a copy of a row, is scored as that row would be.
#[test]
fn new_points_are_scored_against_the_graph() {
    let (n, dim, k) = (300, 3, 10);
    let x = values(n, dim, 5);
    let graph = exact_graph(&x, dim, k);
    let checked = CheckedGraph::new(&graph).unwrap();
    let far = [&[90.0f32, 90.0, 90.0][..], &x[..dim]].concat();
    let (base, new) = (Points::dense(&x, n, dim).unwrap(), Points::dense(&far, 2, dim).unwrap());
    let found = exact::query(&base, &new, &Metric::Euclidean, k).unwrap();
    let found = CheckedGraph::of_queries(&found, n).unwrap();
    let kinds = [Score::Mean, Score::Kth, Score::Median, Score::Lof, Score::SimplifiedLof, Score::InDegree];
    for score in kinds.into_iter().chain([Score::Loop { lambda: 3.0 }]) {
        let of_new = scores_of_new(&checked, &found, score, k).unwrap();
        let most = scores(&checked, score, k).unwrap().into_iter().fold(f64::MIN, f64::max);
        assert!(of_new[0] >= most * 0.999 && of_new[0] > of_new[1], "{score:?}: {of_new:?}, at most {most}");
    }
    // A far point's neighbours lie together, whoever they are: what they share says little of it.
    let shared = scores_of_new(&checked, &found, Score::Snn, k).unwrap();
    assert!(shared.iter().all(|score| (0.0..=k as f64).contains(score)), "{shared:?}");
    let wrong = CheckedGraph::of_queries(&graph, n + 1).unwrap();
    let error = scores_of_new(&checked, &wrong, Score::Mean, k).unwrap_err();
    assert!(matches!(error, AnalysisError::Rows { found: 301, expected: 300, .. }), "{error}");
}

#[test]
fn shared_neighbours_are_counted_on_mutual_edges() {
    let (n, dim, k) = (120, 2, 12);
    let graph = exact_graph(&values(n, dim, 9), dim, k);
    let checked = CheckedGraph::new(&graph).unwrap();
    for (k, k_mutual) in [(12, 12), (7, 7), (12, 5), (5, 12)] {
        let list = |i: usize, k: usize| graph.ids(i)[..k].to_vec();
        let is_mutual = |i: usize, j: usize| list(i, k_mutual).contains(&(j as u32));
        for overlap in [Overlap::Count, Overlap::Rank, Overlap::Jaccard, Overlap::Dice] {
            let shared = SharedNeighbors::new(k).k_mutual(k_mutual).overlap(overlap);
            let similarity = entries(&shared.similarity(&checked).unwrap());
            let distance = entries(&shared.distance(&checked).unwrap());
            for i in 0..n {
                for j in (0..n).filter(|&j| j != i) {
                    let (a, b) = (list(i, k), list(j, k));
                    let common: Vec<u32> = a.iter().copied().filter(|id| b.contains(id)).collect();
                    let weight = |list: &[u32], id: u32| (k - list.iter().position(|&x| x == id).unwrap()) as f32;
                    let right = match overlap {
                        Overlap::Rank => common.iter().map(|&id| weight(&a, id) * weight(&b, id)).sum(),
                        Overlap::Jaccard => common.len() as f32 / (2 * k - common.len()) as f32,
                        Overlap::Dice => common.len() as f32 / k as f32,
                        _ => common.len() as f32,
                    };
                    let right = (is_mutual(i, j) && is_mutual(j, i)).then_some(right);
                    let key = (i as u32, j as u32);
                    assert_eq!(similarity.get(&key).copied(), right, "{overlap:?} of {i} and {j}");
                    assert_eq!(distance.get(&key).copied(), right.map(|right| overlap.most(k) - right));
                }
            }
        }
    }
    // A list has all in common with itself.
    assert_eq!(Overlap::Rank.most(3), (9 + 4 + 1) as f32);
}

#[test]
fn matrices_are_made_symmetric() {
    let graph = exact_graph(&values(60, 2, 1), 2, 4);
    let csr = CheckedGraph::new(&graph).unwrap().to_csr();
    assert_eq!(csr, graph.to_csr());
    let given = entries(&csr);
    let back: BTreeMap<(u32, u32), f32> = given.iter().map(|(&(i, j), &value)| ((j, i), value)).collect();
    assert_eq!(entries(&csr.transposed()), back);
    let both: BTreeSet<(u32, u32)> = given.keys().chain(back.keys()).copied().collect();
    for symmetry in [Symmetry::Union, Symmetry::Mutual, Symmetry::Max, Symmetry::Mean] {
        let mut right = BTreeMap::new();
        for &key in &both {
            let (a, b) = (given.get(&key).copied(), back.get(&key).copied());
            let value = match symmetry {
                Symmetry::Union => Some(a.unwrap_or(f32::INFINITY).min(b.unwrap_or(f32::INFINITY))),
                Symmetry::Mutual => a.zip(b).map(|(a, b)| a.min(b)),
                Symmetry::Max => Some(a.unwrap_or(0.0).max(b.unwrap_or(0.0))),
                _ => Some((a.unwrap_or(0.0) + b.unwrap_or(0.0)) / 2.0),
            };
            value.map(|value| right.insert(key, value));
        }
        assert_eq!(entries(&csr.symmetrized(symmetry)), right, "{symmetry:?}");
    }
    let (rows, columns, values) = csr.to_coo();
    assert!(rows.iter().zip(&columns).zip(&values).all(|((&i, &j), value)| given[&(i, j)] == *value));
}

#[test]
fn rows_are_shortened_merged_and_compared() {
    let x = values(200, 4, 2);
    let whole = exact_graph(&x, 4, 12);
    let short = truncated(&whole, 5).unwrap();
    assert_eq!(short, exact_graph(&x, 4, 5));
    // What two halves of the rows know, together, is what the whole row knew.
    let half = |parity: u32| {
        let keep = |id: u32| id % 2 == parity;
        let rows = (0..200).map(|i| {
            let mut row: Vec<(u32, f32)> =
                whole.neighbors(i).filter(|near| keep(near.id)).map(|near| (near.id, near.distance)).collect();
            row.resize(12, (KnnGraph::NO_NEIGHBOR, f32::INFINITY));
            row
        });
        let (ids, distances) = rows.flatten().unzip();
        KnnGraph::from_parts(200, 12, ids, distances).unwrap()
    };
    assert_eq!(merged(&half(0), &half(1), 12).unwrap(), whole);
    assert_eq!(merged(&whole, &whole, 12).unwrap(), whole);
    let longer = merged(&half(0), &half(0), 12).unwrap();
    assert_eq!(longer, half(0));
    let (a, b) = (CheckedGraph::new(&whole).unwrap(), CheckedGraph::new(&short).unwrap());
    assert!(neighbor_overlap(&a, &b, 5).unwrap().iter().all(|&share| share == 1.0));
    assert!(matches!(neighbor_overlap(&a, &b, 6), Err(AnalysisError::TooFewNeighbors { found: 5, k: 6, .. })));
    let degrees = in_degrees(&a, Some(5));
    assert_eq!(degrees, in_degrees(&b, None));
    assert_eq!(degrees.iter().sum::<u32>(), 1000);
    assert!(hubness(&degrees).is_finite());
    assert_eq!(hubness(&[4, 4, 4]), 0.0);
}

/// Blobs far from each other, shuffled into each other.
fn blobs(centers: &[[f32; 2]], size: usize, seed: u64) -> Vec<f32> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut row = |i: usize| centers[i % centers.len()].map(|center| center + rng.random::<f32>());
    (0..size * centers.len()).flat_map(&mut row).collect()
}

#[test]
fn components_are_found_and_connected() {
    let centers = [[0.0, 0.0], [30.0, 0.0], [0.0, 50.0], [300.0, 300.0]];
    let x = blobs(&centers, 40, 4);
    let points = Points::dense(&x, 160, 2).unwrap();
    let graph = exact_graph(&x, 2, 8);
    let checked = CheckedGraph::new(&graph).unwrap();
    let parts = components(&checked);
    assert_eq!(parts.count, 4);
    assert!((0..160).all(|i| parts.labels[i] == (i % 4) as u32));
    let index = NnDescent::new(Metric::Euclidean).n_neighbors(8).index(&points).unwrap().index;
    let edges = connect(&index, &checked).unwrap();
    let pairs: BTreeSet<(u32, u32)> =
        edges.iter().map(|e| ((e.from % 4).min(e.to % 4), (e.from % 4).max(e.to % 4))).collect();
    assert_eq!(pairs, BTreeSet::from([(0, 1), (0, 2), (2, 3)]), "{edges:?}");
    let near = |a: u32, b: u32| {
        let at = |i: u32| &x[2 * i as usize..][..2];
        let between = |i: u32, j: u32| Metric::Euclidean.distance(at(i), at(j)) as f32;
        let pairs = (0..160).filter(|i| i % 4 == a).flat_map(|i| (0..160).filter(|j| j % 4 == b).map(move |j| (i, j)));
        pairs.map(|(i, j)| between(i, j)).fold(f32::INFINITY, f32::min)
    };
    for edge in &edges {
        let shortest = near(edge.from % 4, edge.to % 4);
        assert!(close(edge.distance.into(), shortest.into()), "{edge:?}, but {shortest}");
    }
    let whole = exact_graph(&x, 2, 159);
    assert!(connect(&index, &CheckedGraph::new(&whole).unwrap()).unwrap().is_empty());
    let other = exact_graph(&x[..100], 2, 8);
    let error = connect(&index, &CheckedGraph::new(&other).unwrap()).unwrap_err();
    assert!(error.to_string().contains("160 rows, but 50"), "{error}");
}

#[test]
fn wrong_graphs_are_refused_with_their_numbers() {
    let none = KnnGraph::NO_NEIGHBOR;
    let graph = |ids: [u32; 6], distances: [f32; 6]| KnnGraph::from_parts(3, 2, ids.into(), distances.into()).unwrap();
    let near = [0.5, 1.0, 0.5, 1.0, 0.5, 1.0];
    for (ids, distances, message) in [
        ([1, 2, 0, 3, 0, 1], near, "row 1 holds the id 3, but ids end at 3"),
        ([1, 1, 0, 2, 0, 1], near, "row 0 holds the id 1 twice"),
        ([1, 2, 0, 2, 0, 1], [0.5, 1.0, 0.5, f32::NAN, 0.5, 1.0], "row 1: the distance of neighbour 1 is NaN"),
        ([1, 2, 0, 2, 0, 1], [0.5, 1.0, 0.5, 1.0, 2.0, 1.0], "row 2 is not sorted: neighbour 1 is nearer"),
        ([none, 2, 0, 2, 0, 1], near, "row 0 is not sorted: neighbour 1"),
    ] {
        let error = CheckedGraph::new(&graph(ids, distances)).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    // Itself and places without a neighbour are left out.
    let own = graph([0, 1, 1, none, none, none], [0.0, 1.0, 0.0, f32::INFINITY, f32::INFINITY, f32::INFINITY]);
    let checked = CheckedGraph::new(&own).unwrap();
    assert_eq!((checked.ids(0), checked.ids(1), checked.ids(2)), (&[1][..], &[][..], &[][..]));
    let error = scores(&checked, Score::Lof, 1).unwrap_err().to_string();
    assert!(error.contains("row 1 has 0 neighbours other than itself, 1 are needed"), "{error}");
    assert!(scores(&checked, Score::Mean, 0).unwrap_err().to_string().contains("k = 0"));
    assert_eq!(components(&checked).count, 2);

    let negative = graph([1, 2, 0, 2, 0, 1], [-2.0, 1.0, 0.5, 1.0, 0.5, 1.0]);
    let error = scores(&CheckedGraph::new(&negative).unwrap(), Score::Lof, 2).unwrap_err().to_string();
    assert!(error.contains("row 0: a distance of -2"), "{error}");
    let lambda = scores(&checked, Score::Loop { lambda: f64::NAN }, 1);
    assert!(lambda.is_err());
}

#[test]
fn one_point_and_equal_points_have_documented_results() {
    let one = KnnGraph::from_parts(1, 1, vec![0], vec![0.0]).unwrap();
    let one = CheckedGraph::new(&one).unwrap();
    assert_eq!((one.n(), one.k(), components(&one).count), (1, 0, 1));
    assert!(matches!(scores(&one, Score::Mean, 1), Err(AnalysisError::TooFewNeighbors { row: 0, found: 0, k: 1 })));
    assert!(SharedNeighbors::new(1).similarity(&one).is_err());

    let same = exact_graph(&[2.0f32; 30], 1, 4);
    let same = CheckedGraph::new(&same).unwrap();
    for (score, right) in [(Score::Mean, 0.0), (Score::Lof, 1.0), (Score::SimplifiedLof, 1.0)] {
        let scores = scores(&same, score, 4).unwrap();
        assert!(scores.iter().all(|&score| close(score, right)), "{score:?}: {scores:?}");
    }
    assert!(scores(&same, Score::Loop { lambda: 3.0 }, 4).unwrap().iter().all(|&score| score == 0.0));
    assert!(Sod::default().k(4).reference(2).scores(&same, &[2.0; 30], 1).unwrap().iter().all(|&score| score == 0.0));
}

/// A point at infinite distance is an outlier for certain, and changes the scores of no other.
#[test]
fn a_point_at_infinite_distance_hides_no_other() {
    let graph = exact_graph(&values(120, 2, 21), 2, 6);
    let (ids, mut distances) = graph.clone().into_parts();
    distances[3 * 6..4 * 6].fill(f32::INFINITY);
    let far = KnnGraph::from_parts(120, 6, ids, distances).unwrap();
    let of = |graph: &KnnGraph| scores(&CheckedGraph::new(graph).unwrap(), Score::Loop { lambda: 3.0 }, 6).unwrap();
    let (before, after) = (of(&graph), of(&far));
    assert_eq!(after[3], 1.0);
    let sees = |i: usize| graph.ids(i).contains(&3);
    let mean = |scores: &[f64]| (0..120).filter(|&i| i != 3 && !sees(i)).map(|i| scores[i]).sum::<f64>();
    assert!(after.iter().all(|score| score.is_finite()) && (mean(&after) / mean(&before) - 1.0).abs() < 0.2);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let x = values(3000, 4, 8);
    let graph = exact_graph(&x, 4, 10);
    let all = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let checked = CheckedGraph::new(&graph).unwrap();
            let kinds = [Score::Lof, Score::Snn, Score::Loop { lambda: 3.0 }];
            let mut bits: Vec<Vec<u64>> = kinds
                .into_iter()
                .map(|score| scores(&checked, score, 10).unwrap().into_iter().map(f64::to_bits).collect())
                .collect();
            let sod = Sod::default().k(10).scores(&checked, &x, 4).unwrap();
            bits.push(sod.into_iter().map(f64::to_bits).collect());
            (bits, SharedNeighbors::new(10).overlap(Overlap::Rank).similarity(&checked).unwrap())
        })
    };
    assert_eq!(all(1), all(3));
}

#[test]
fn doping_tells_which_score_suits() {
    let (n, dim) = (1500, 6);
    let mut rng = StdRng::seed_from_u64(6);
    // Three columns and their doubles: a value of another row contradicts its double.
    let x = (0..n).flat_map(|_| {
        let base = [0; 3].map(|_| rng.random::<f32>());
        [base, base.map(|value| 2.0 * value)].concat()
    });
    let x: Vec<f32> = x.collect();
    let set = doped(&x, dim, 30, 2, 7).unwrap();
    assert_eq!(set, doped(&x, dim, 30, 2, 7).unwrap());
    assert_ne!(set.values, doped(&x, dim, 30, 2, 8).unwrap().values);
    assert_eq!((&set.values[..n * dim], set.is_outlier.iter().filter(|&&is| is).count()), (&x[..], 30));
    for made in set.values[n * dim..].chunks(dim) {
        let column = |c: usize| x.chunks(dim).any(|row| row[c] == made[c]);
        assert!((0..dim).all(column), "values of its columns: {made:?}");
        let copied = x.chunks(dim).any(|row| row.iter().zip(made).filter(|(a, b)| a != b).count() <= 2);
        assert!(copied, "a row but for two values: {made:?}");
    }
    let graph = exact_graph(&set.values, dim, 10);
    let graph = CheckedGraph::new(&graph).unwrap();
    let kinds = [Score::Mean, Score::Lof, Score::InDegree].map(|score| scores(&graph, score, 10).unwrap());
    let auc = |of_kind: &Vec<f64>| roc_auc(of_kind, &set.is_outlier).unwrap();
    let (mean, lof) = (auc(&kinds[0]), auc(&kinds[1]));
    assert!(mean > 0.9 && lof > 0.9, "mean {mean}, lof {lof}");
    for combination in [Combination::MeanRank, Combination::StandardizedMaximum] {
        let both = auc(&combined(&kinds[..2], combination).unwrap());
        assert!(both > 0.9, "{combination:?}: {both}");
    }
    assert!(doped(&x, dim, 30, 7, 0).unwrap_err().to_string().contains("changed = 7, allowed: 1 to the 6 columns"));
    assert!(doped(&x[..dim], dim, 30, 1, 0).unwrap_err().to_string().contains("rows = 1"));
    assert!(combined(&[vec![1.0], vec![1.0, 2.0]], Combination::MeanRank).is_err());
    assert!(roc_auc(&[1.0, 2.0], &[true, true]).is_err() && threshold(&[f64::NAN], 0.1).is_err());
    assert_eq!(roc_auc(&[1.0, 2.0, 2.0], &[false, true, false]).unwrap(), 0.75);
}

/// 999 rows in groups of random size, centre and spread; the last row is twice as far as any in the first column.
fn uneven_groups(columns: usize, groups: usize, seed: u64) -> Vec<f32> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut rows: Vec<f32> = Vec::new();
    for group in 0..groups {
        let left = 999 - rows.len() / columns;
        let most = (left / (groups - group)).max(1);
        let size = if group + 1 == groups { left } else { rng.random_range(1..=most) };
        let centre: Vec<f32> = (0..columns).map(|_| rng.random_range(0.0..10.0)).collect();
        let spread: f32 = rng.random_range(0.1..2.0);
        let mut normal = || (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
        (0..size).for_each(|_| rows.extend(centre.iter().map(|c| c + spread * normal())));
    }
    let column = |c: usize| rows.iter().skip(c).step_by(columns).copied();
    let outlier = |c: usize| match c {
        0 => 2.0 * column(0).fold(f32::MIN, f32::max),
        _ => column(c).sum::<f32>() / 999.0,
    };
    let outlier: Vec<f32> = (0..columns).map(outlier).collect();
    [rows, outlier].concat()
}

/// Where groups differ in density, distances rank the sparse ones before an outlier; what neighbours share does not.
#[test]
fn shared_neighbours_see_an_outlier_among_groups_of_uneven_density() {
    let mut ranks = [Vec::new(), Vec::new()];
    for seed in 0..5 {
        let values = uneven_groups(450, 20, seed);
        let points = Points::dense(&values, 1000, 450).unwrap();
        let graph = exact::graph(&points, &Metric::Manhattan, 30, false).unwrap();
        let graph = CheckedGraph::new(&graph).unwrap();
        for (ranks, score) in ranks.iter_mut().zip([Score::Mean, Score::Snn]) {
            let scores = scores(&graph, score, 30).unwrap();
            ranks.push(scores.iter().filter(|&&score| score > scores[999]).count());
        }
    }
    ranks.iter_mut().for_each(|ranks| ranks.sort_unstable());
    let [distance, shared] = ranks.map(|ranks| ranks[2]);
    assert!(shared < 10 && shared * 4 < distance, "median rank {shared} by shared neighbours, {distance} by distance");
}
