//! Whether a graph to start from belongs to the points.

use crate::error::BuildError;
use crate::graph::KnnGraph;

pub(crate) fn check_init_graph(graph: &KnnGraph, n: usize) -> Result<(), BuildError> {
    if graph.n() != n {
        return Err(BuildError::InitGraphRows { rows: graph.n(), n });
    }
    let wrong = graph.all_ids().iter().position(|&id| id != KnnGraph::NO_NEIGHBOR && id as usize >= n);
    wrong.map_or(Ok(()), |at| Err(BuildError::InitGraphId { row: at / graph.k(), id: graph.all_ids()[at], n }))
}
