//! Rows of graphs: shortened, merged, counted, compared.

use rayon::prelude::*;

use super::checked_graph::CheckedGraph;
use super::error::{AnalysisError, check_parameter};
use super::sorted_rows::{Marks, SortedRows};
use crate::graph::{KnnGraph, Neighbor};

/// The first `k` neighbours of every row.
///
/// # Errors
/// `k` zero or more than the graph has.
pub fn truncated(graph: &KnnGraph, k: usize) -> Result<KnnGraph, AnalysisError> {
    check_parameter("k", k, k > 0 && k <= graph.k(), format!("1 to {}", graph.k()))?;
    let ids = (0..graph.n()).flat_map(|i| &graph.ids(i)[..k]).copied().collect();
    let distances = (0..graph.n()).flat_map(|i| &graph.distances(i)[..k]).copied().collect();
    Ok(KnnGraph::new(graph.n(), k, ids, distances))
}

/// The nearest `k` of what two graphs of the same points hold, by distance, then id. A neighbour that both hold counts
/// once, at the smaller distance. Rows with fewer end with [`KnnGraph::NO_NEIGHBOR`] and infinite distances.
///
/// # Errors
/// Graphs of different numbers of points; `k` zero.
pub fn merged(a: &KnnGraph, b: &KnnGraph, k: usize) -> Result<KnnGraph, AnalysisError> {
    check_parameter("k", k, k > 0, "1 and more")?;
    if a.n() != b.n() {
        return Err(AnalysisError::Rows { what: "the second graph", found: b.n(), expected: a.n() });
    }
    let row = |i: usize| {
        let mut both: Vec<Neighbor> = a.neighbors(i).chain(b.neighbors(i)).collect();
        both.sort_unstable_by(|x, y| x.id.cmp(&y.id).then(x.distance.total_cmp(&y.distance)));
        both.dedup_by_key(|near| near.id);
        both.sort_unstable_by(Neighbor::nearest_first);
        both.resize(k, Neighbor { id: KnnGraph::NO_NEIGHBOR, distance: f32::INFINITY });
        both
    };
    let rows: Vec<Vec<Neighbor>> = (0..a.n()).into_par_iter().with_min_len(256).map(row).collect();
    let (ids, distances) = rows.iter().flatten().map(|near| (near.id, near.distance)).unzip();
    Ok(KnnGraph::new(a.n(), k, ids, distances))
}

/// How many rows have each point among their first `k` neighbours (all of them if `None`): its k-occurrence.
///
/// # Complexity
/// O(n · k).
#[must_use]
pub fn in_degrees(graph: &CheckedGraph, k: Option<usize>) -> Vec<u32> {
    let mut degrees = vec![0; graph.id_bound()];
    for i in 0..graph.n() {
        graph.ids(i).iter().take(k.unwrap_or(usize::MAX)).for_each(|&id| degrees[id as usize] += 1);
    }
    degrees
}

/// The skewness of k-occurrences: near 0 where all points are neighbours about as often, large where there are hubs
/// (Radovanović, Nanopoulos and Ivanović, JMLR 2010). Zero if all are the same.
#[must_use]
pub fn hubness(in_degrees: &[u32]) -> f64 {
    let n = in_degrees.len() as f64;
    let mean = in_degrees.iter().copied().map(f64::from).sum::<f64>() / n;
    let moment = |power: i32| in_degrees.iter().map(|&degree| (f64::from(degree) - mean).powi(power)).sum::<f64>() / n;
    let deviation = moment(2).sqrt();
    if deviation > 0.0 { moment(3) / deviation.powi(3) } else { 0.0 }
}

/// For every row, the share of its first `k` neighbours that two graphs of the same points have in common.
///
/// # Errors
/// Graphs of different numbers of points; `k` zero or more than the neighbours of a row.
pub fn neighbor_overlap(a: &CheckedGraph, b: &CheckedGraph, k: usize) -> Result<Vec<f64>, AnalysisError> {
    if a.n() != b.n() {
        return Err(AnalysisError::Rows { what: "the second graph", found: b.n(), expected: a.n() });
    }
    let (ones, others) = (SortedRows::new(a, k)?, SortedRows::new(b, k)?);
    let of_row = |marks: &mut Marks, i: usize| marks.marked(ones.row(i), |marks| marks.n_shared(others.row(i)));
    let shared = a.map_init(|| Marks::new(a.id_bound().max(b.id_bound())), of_row);
    Ok(shared.into_iter().map(|shared| shared as f64 / k as f64).collect())
}
