//! Whether a graph to start from belongs to the points.

use crate::error::BuildError;
use crate::graph::{KnnGraph, UNKNOWN};

pub(crate) fn check_init_graph(graph: &KnnGraph, n: usize) -> Result<(), BuildError> {
    if graph.n() != n {
        return Err(BuildError::InitGraphRows { rows: graph.n(), n });
    }
    let wrong = graph.indices().iter().position(|&id| id != UNKNOWN && id as usize >= n);
    wrong.map_or(Ok(()), |at| Err(BuildError::InitGraphId { row: at / graph.k(), id: graph.indices()[at], n }))
}
