//! What every graph promises.

use nndescent::{KnnGraph, Metric};

/// Fails unless every row has `k` distinct neighbours, none of them the row itself, ascending by (distance, id).
pub fn check_rows(graph: &KnnGraph, k: usize) {
    for i in 0..graph.n() {
        assert_eq!(graph.ids(i).len(), k, "row {i}");
        check_row(i, graph.n(), graph.ids(i), graph.distances(i));
        assert!(!graph.ids(i).contains(&(i as u32)), "row {i} holds itself");
    }
}

/// Same as [`check_rows`], of a graph whose rows begin with themselves.
pub fn check_rows_with_self(graph: &KnnGraph, k: usize) {
    for i in 0..graph.n() {
        assert_eq!(graph.ids(i).len(), k, "row {i}");
        assert_eq!(graph.ids(i)[0] as usize, i, "row {i} begins with itself");
        check_row(i, graph.n(), &graph.ids(i)[1..], &graph.distances(i)[1..]);
        assert!(!graph.ids(i)[1..].contains(&(i as u32)), "row {i} holds itself twice");
    }
}

/// Fails unless the ids of row `i` are distinct and below `n`, and ascend by (distance, id).
pub fn check_row(i: usize, n: usize, ids: &[u32], distances: &[f32]) {
    assert!(ids.iter().all(|&id| (id as usize) < n), "row {i}: {ids:?}");
    let mut distinct = ids.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), ids.len(), "row {i}: {ids:?}");
    let pairs: Vec<(f32, u32)> = distances.iter().copied().zip(ids.iter().copied()).collect();
    assert!(pairs.is_sorted(), "row {i} does not ascend: {pairs:?}");
}

/// How far a stored distance may be from the true one: `relative` times the larger of that and `floor`.
#[derive(Clone, Copy)]
pub struct Within {
    pub relative: f64,
    pub floor: f64,
}

impl Within {
    pub fn check(self, found: f32, truth: f64, of: impl Fn() -> String) {
        let allowed = self.relative * truth.abs().max(self.floor);
        assert!((f64::from(found) - truth).abs() <= allowed, "{}: {found}, not {truth}", of());
    }
}

/// Fails unless the distances of every `step`-th row are those of `distance`.
pub fn check_distances(graph: &KnnGraph, step: usize, within: Within, distance: impl Fn(usize, usize) -> f64) {
    for i in (0..graph.n()).step_by(step) {
        for (&id, &d) in graph.ids(i).iter().zip(graph.distances(i)) {
            within.check(d, distance(i, id as usize), || format!("row {i}, neighbour {id}"));
        }
    }
}

/// The metric between two rows of a matrix.
pub fn between<'a>(metric: &'a Metric, data: &'a [f32], dim: usize) -> impl Fn(usize, usize) -> f64 + 'a {
    let row = move |i: usize| &data[i * dim..(i + 1) * dim];
    move |i, j| metric.distance(row(i), row(j))
}
