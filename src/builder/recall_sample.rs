//! A sample of rows whose exact neighbours are known, to estimate the recall of a graph.

use crate::dataset::Problem;
use crate::error::BuildError;
use crate::executor::Tick;
use crate::executor::cpu::exact;
use crate::graph::KnnGraph;
use crate::params::Plan;
use crate::recall::{self, RecallEstimate};
use crate::rng::stratified_sample;

/// Rows beyond which an estimate that proves `target_recall` needs no more: twice as many as a sample without a miss.
const ROWS_TO_PROVE: f64 = 9.0;
/// Relative difference up to which distances, computed in f64, are ties.
const TIE: f64 = 1e-9;

/// Sampled rows and how far their exact neighbours reach.
pub(super) struct RecallSample {
    pub rows: Vec<u32>,
    /// The distance of each row's last neighbour, by definition in f64.
    reach: Vec<f64>,
}

impl RecallSample {
    pub(super) fn draw(problem: &Problem, plan: &Plan, tick: Tick) -> Result<Self, BuildError> {
        let to_prove = plan.target_recall.map_or(0.0, |target| (ROWS_TO_PROVE / (1.0 - f64::from(target))).ceil());
        let count = plan.recall_sample.max(to_prove as usize).min(problem.n());
        let rows: Vec<usize> = stratified_sample(plan.seed, 0x5a3b, problem.n(), count).collect();
        let nearest = exact::rows_of(problem, &rows, plan.others(), tick)?;
        let rows: Vec<u32> = rows.into_iter().map(|r| r as u32).collect();
        let reach = distances_of(problem, &rows, &nearest);
        let farthest = |row: &Vec<f64>| row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Ok(Self { rows, reach: reach.iter().map(farthest).collect() })
    }

    /// The last `others` of each of its rows in a finished graph: not the point itself.
    pub(super) fn found_in(&self, graph: &KnnGraph, others: usize) -> KnnGraph {
        let own = graph.k() - others;
        let rows = || self.rows.iter().map(|&row| row as usize);
        let ids = rows().flat_map(|row| &graph.ids(row)[own..]).copied().collect();
        let distances = rows().flat_map(|row| &graph.distances(row)[own..]).copied().collect();
        KnnGraph::new(self.rows.len(), others, ids, distances)
    }

    /// The estimate from what was found for its rows: ids alone, whose distances are computed by definition. Rows whose
    /// last neighbour is at no finite distance say nothing.
    pub(super) fn estimate(&self, problem: &Problem, found: &KnnGraph) -> RecallEstimate {
        let distances = distances_of(problem, &self.rows, found);
        let hits = |(row, reach): (&Vec<f64>, &f64)| {
            let bound = reach + TIE * reach.abs();
            row.iter().filter(|d| **d <= bound).count()
        };
        let known = distances.iter().zip(&self.reach).filter(|(_, reach)| reach.is_finite());
        let hits: Vec<usize> = known.map(hits).collect();
        recall::of_hits(&hits, found.k(), problem.n())
    }
}

/// True distances from `rows` to the points that a graph of as many rows holds, each point once.
fn distances_of(problem: &Problem, rows: &[u32], graph: &KnnGraph) -> Vec<Vec<f64>> {
    let truth = problem.true_distances();
    let mut distances = Vec::new();
    let of_row = |(i, &row): (usize, &u32)| {
        let mut ids = graph.ids(i).to_vec();
        ids.retain(|id| *id != KnnGraph::NO_NEIGHBOR);
        ids.sort_unstable();
        ids.dedup();
        truth.distances(row as usize, &ids, &mut distances);
        distances.clone()
    };
    rows.iter().enumerate().map(of_row).collect()
}
