//! Graphs of narrowed values, brought to the distances of the values in the file.

use nndescent::analysis::truncated;
use nndescent::io::{Matrix, Refined, WideMatrix};
use nndescent::{KnnGraph, Metric};

use crate::failure::Failure;
use crate::input::Dense;

/// How a graph is refined.
#[derive(Clone, Copy)]
pub struct Refining {
    /// Neighbours to find by narrowed values, of which the nearest are kept.
    pub candidates: usize,
    k: usize,
    /// Whether to search for more until the rows are proven.
    is_exact: bool,
}

impl Refining {
    /// For `k` neighbours of `most` that there are; none if the matrix lost nothing.
    pub fn of(dense: &Dense, (k, most): (usize, usize), is_exact: bool) -> Option<Self> {
        dense.wide.as_ref()?;
        let candidates = if is_exact || dense.has_common_part { WideMatrix::candidates(k).min(most).max(k) } else { k };
        Some(Self { candidates, k, is_exact })
    }
}

/// The graph by the values in the file; `queries` are what its rows are, if not those of `base`.
pub fn refined(
    base: &Dense,
    queries: Option<(&WideMatrix, &Matrix)>,
    metric: &Metric,
    graph: KnnGraph,
    refining: Refining,
) -> Result<KnnGraph, Failure> {
    let Some(wide) = &base.wide else { return Ok(graph) };
    let found = wide.refined(queries.map(|(wide, _)| wide), &base.center, metric, &graph, refining.k);
    let Some(found) = found else { return Ok(truncated(&graph, refining.k)?) };
    if !refining.is_exact {
        return Ok(found.graph);
    }
    let Refined { graph, doubtful, .. } = wide.settled(queries, &base.matrix, &base.center, metric, found)?;
    if let (Some(first), rows) = (doubtful.first(), doubtful.len()) {
        tell!(
            "nndescent: {rows} rows, of which row {first} is the first, have neighbours that float32 cannot tell apart"
        );
    }
    Ok(graph)
}
