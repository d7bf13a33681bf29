//! The edges of a graph, each pair of rows once.

use super::checked_graph::CheckedGraph;
use super::components::Edge;
use super::error::{AnalysisError, check_parameter};

/// The pairs of rows of which either holds the other within `reach`, in order of rows. Where both do, the distance is
/// that of the smaller row.
pub(super) fn edges_within(graph: &CheckedGraph, reach: f32) -> Vec<Edge> {
    let within = |i: usize| &graph.ids(i)[..graph.distances(i).partition_point(|&distance| distance <= reach)];
    let rows = graph.map(|i| {
        let is_first = |j: u32| j as usize > i || ((j as usize) < i && !within(j as usize).contains(&(i as u32)));
        let near = within(i).iter().zip(graph.distances(i)).filter(|(id, _)| is_first(**id));
        near.map(|(&j, &distance)| Edge { from: j.min(i as u32), to: j.max(i as u32), distance }).collect::<Vec<_>>()
    });
    rows.into_iter().flatten().collect()
}

/// Fails unless edges join rows that there are, at distances of zero and more.
pub(super) fn check_edges(edges: &[Edge], n: usize) -> Result<(), AnalysisError> {
    for edge in edges {
        if let Some(id) = [edge.from, edge.to].into_iter().find(|&id| id as usize >= n) {
            return Err(AnalysisError::Id { row: edge.from.min(edge.to) as usize, id, end: n });
        }
        check_parameter("distance of an edge", edge.distance, edge.distance >= 0.0, "0 and more")?;
    }
    Ok(())
}
