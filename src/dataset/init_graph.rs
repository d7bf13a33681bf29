//! Whether a graph to start from belongs to the points.

use crate::error::BuildError;
use crate::graph::{InitGraph, KnnGraph};

pub(crate) fn check_init_graph(graph: &InitGraph, n: usize) -> Result<(), BuildError> {
    let (rows, k, ids) = (graph.n(), graph.k(), graph.ids());
    if rows != n {
        return Err(BuildError::InitGraphRows { rows, n });
    }
    if rows.checked_mul(k) != Some(ids.len()) {
        return Err(BuildError::InitGraphShape { n, k, ids: ids.len() });
    }
    match ids.iter().position(|&id| id != KnnGraph::NO_NEIGHBOR && id as usize >= n) {
        Some(at) => Err(BuildError::InitGraphId { row: at / k, id: ids[at], n }),
        None => Ok(()),
    }
}
