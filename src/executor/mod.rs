//! Who does the work: an executor opens a session on the points, the session owns the rows of the graph being built.

pub(crate) mod cpu;

use crate::graph::KnnGraph;

/// What one round of descent did.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RoundStats {
    /// Neighbours that entered a row.
    pub updates: u64,
    /// Distances evaluated.
    pub distances: u64,
    /// Wall time.
    pub seconds: f64,
}
