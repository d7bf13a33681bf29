//! Mutual reachability, and its minimum spanning tree.

use rayon::prelude::*;

use crate::analysis::checked_graph::CheckedGraph;
use crate::analysis::components::Edge;
use crate::analysis::edges::check_edges;
use crate::analysis::error::{AnalysisError, check_parameter};
use crate::graph::disjoint_sets::DisjointSets;

/// The distance of every row's `min_samples`-th neighbour, where it counts as its own first, as in scikit-learn.
///
/// # Errors
/// `min_samples` zero, fewer than `min_samples - 1` neighbours in a row, a distance below zero.
pub fn core_distances(graph: &CheckedGraph, min_samples: usize) -> Result<Vec<f32>, AnalysisError> {
    check_parameter("min_samples", min_samples, min_samples > 0, "1 and more")?;
    graph.check_not_negative()?;
    if min_samples == 1 {
        return Ok(vec![0.0; graph.n()]);
    }
    graph.check_k(min_samples - 1)?;
    Ok(graph.map(|i| graph.distances(i)[min_samples - 2]))
}

/// The edges of a graph and `connectors`, each as long as the largest of its distance and the core distances of its
/// rows. Rows that hold each other have two; neighbours at infinite distance have none.
///
/// # Errors
/// Other than one core distance for each row, a connector to no row or at a distance below zero, a graph of queries.
pub fn mutual_reachability(
    graph: &CheckedGraph,
    core_distances: &[f32],
    connectors: &[Edge],
) -> Result<Vec<Edge>, AnalysisError> {
    graph.check_among_themselves()?;
    if core_distances.len() != graph.n() {
        let (found, expected) = (core_distances.len(), graph.n());
        return Err(AnalysisError::Rows { what: "core distances", found, expected });
    }
    check_edges(connectors, graph.n())?;
    let from_row = |i: usize| graph.neighbors(i).map(move |near| (i as u32, near.id, near.distance));
    let mut edges: Vec<Edge> = (0..graph.n())
        .flat_map(from_row)
        .filter(|near| near.2.is_finite())
        .map(|(i, id, distance)| Edge { from: i.min(id), to: i.max(id), distance })
        .chain(connectors.iter().copied())
        .collect();
    edges.par_iter_mut().with_min_len(4096).for_each(|edge| {
        let cores = core_distances[edge.from as usize].max(core_distances[edge.to as usize]);
        edge.distance = edge.distance.max(cores);
    });
    Ok(edges)
}

/// A minimum spanning tree of `n` rows, by Kruskal's algorithm: `n - 1` edges ascending by (distance, ids). What
/// `edges` do not connect is joined by edges of infinite length between the first rows of its components.
///
/// # Errors
/// An edge to no row, or of a length that is NaN or below zero.
pub fn minimum_spanning_tree(n: usize, mut edges: Vec<Edge>) -> Result<Vec<Edge>, AnalysisError> {
    check_edges(&edges, n)?;
    edges.par_sort_unstable_by(|x, y| x.distance.total_cmp(&y.distance).then((x.from, x.to).cmp(&(y.from, y.to))));
    let mut sets = DisjointSets::new(n);
    let mut is_new = |edge: &Edge| {
        let joins = sets.of(edge.from) != sets.of(edge.to);
        sets.join(edge.from, edge.to);
        joins
    };
    edges.retain(&mut is_new);
    let firsts: Vec<u32> = (0..n as u32).filter(|&row| sets.of(row) == row).collect();
    edges.extend(firsts.windows(2).map(|pair| Edge { from: pair[0], to: pair[1], distance: f32::INFINITY }));
    Ok(edges)
}
