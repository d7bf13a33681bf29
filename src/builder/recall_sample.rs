//! A sample of rows whose exact neighbours are known, to estimate the recall of a graph.

use crate::dataset::Problem;
use crate::error::BuildError;
use crate::executor::Tick;
use crate::executor::cpu::exact;
use crate::graph::KnnGraph;
use crate::params::Plan;
use crate::recall::{self, RecallEstimate};
use crate::rng::stratified_sample;

/// Sampled rows and their exact neighbours.
pub(super) struct RecallSample {
    pub rows: Vec<u32>,
    truth: KnnGraph,
}

impl RecallSample {
    pub(super) fn draw(problem: &Problem, plan: &Plan, tick: Tick) -> Result<Self, BuildError> {
        let rows: Vec<usize> = stratified_sample(plan.seed, 0x5a3b, problem.n(), plan.recall_sample).collect();
        let truth = exact::rows_of(problem, &rows, plan.others(), tick)?;
        Ok(Self { rows: rows.into_iter().map(|r| r as u32).collect(), truth })
    }

    /// The last `others` of each of its rows in a finished graph: not the point itself.
    pub(super) fn found_in(&self, graph: &KnnGraph, others: usize) -> KnnGraph {
        let own = graph.k() - others;
        let rows = || self.rows.iter().map(|&row| row as usize);
        let ids = rows().flat_map(|row| &graph.ids(row)[own..]).copied().collect();
        let distances = rows().flat_map(|row| &graph.distances(row)[own..]).copied().collect();
        KnnGraph::new(self.rows.len(), others, ids, distances)
    }

    pub(super) fn estimate(&self, found: &KnnGraph, n: usize) -> RecallEstimate {
        recall::estimate(found, &self.truth, n).expect("both graphs have a row for every sampled point")
    }
}
