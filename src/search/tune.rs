//! The epsilon that reaches a recall, found on points of the index.

use rayon::prelude::*;

use crate::graph::KnnGraph;
use crate::recall::{self, RecallEstimate};
use crate::rng::stratified_sample;

use super::query::out_of_range;
use super::searcher::{Allowed, Wanted};
use super::{Index, IndexError};

/// What [`Index::tune`] found.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Tuning {
    /// The epsilon that queries will use unless they say otherwise.
    pub epsilon: f32,
    /// Whether queries find their way by the index's compressed copy, where it has one.
    pub quantized: bool,
    /// Recall with it, on the sample.
    pub recall: RecallEstimate,
    /// Whether that is the target or more.
    pub reached: bool,
}

/// Searched by halving.
const EPSILONS: [f32; 20] =
    [0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.14, 0.16, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.7, 1.0];

impl Index {
    /// Finds the smallest epsilon with which searches for `k` neighbours reach `target_recall`, by the compressed copy or, where that
    /// reads fewer bytes in all or alone reaches the target, by the values; and remembers both for queries that do not say
    /// (in saved files, too).
    ///
    /// `sample` points of the index are searched for as if they were not in it: the search may not pass through them.
    /// Queries from elsewhere than the points may need more.
    ///
    /// # Errors
    /// A target that is not above 0 and below 1, `k` or `sample` zero, `k` not less than the number of points; a distance of the
    /// user's own that is no number.
    ///
    /// # Complexity
    /// `sample` exact searches and about 5 approximate ones for each, twice where there is a copy.
    pub fn tune(&mut self, target_recall: f32, k: usize, sample: usize) -> Result<Tuning, IndexError> {
        if !(target_recall > 0.0 && target_recall < 1.0) {
            return Err(out_of_range("target_recall", target_recall, "above 0 and below 1"));
        }
        if sample == 0 {
            return Err(out_of_range("sample", 0, "at least 1"));
        }
        self.check_k(k)?;
        if k == self.n() {
            return Err(IndexError::TooManyNeighbors { k, n: self.n() - 1 });
        }
        self.rows.take_wrong_pair();
        let rows = self.sample(sample);
        let everything: Vec<u32> = self.present_rows().collect();
        let (truth, _) = self.neighbors_of(&rows, k, 0.0, Allowed::Few(&everything));
        let ways: &[bool] = if self.rows.has_a_choice() { &[false, true] } else { &[self.rows.by_values()] };
        let mut best: Option<(Tuning, f64)> = None;
        for &by_values in ways {
            self.rows.go_by_values(by_values);
            let (tuning, cost) = self.tune_epsilon(target_recall, k, &rows, &truth);
            // The cheaper of those that reach the target; if none does, the nearer to it.
            let value = |t: &Tuning, cost: f64| (t.reached, if t.reached { -cost } else { t.recall.estimate });
            let better = |(other, least): &(Tuning, f64)| value(&tuning, cost) > value(other, *least);
            if best.as_ref().is_none_or(better) {
                best = Some((tuning, cost));
            }
        }
        self.check_distances()?;
        let (tuning, _) = best.expect("there is at least one way");
        self.rows.go_by_values(!tuning.quantized);
        self.tuned = Some(tuning.epsilon);
        Ok(tuning)
    }

    /// The smallest epsilon that will do, and the bytes that a search then reads.
    fn tune_epsilon(&self, target_recall: f32, k: usize, rows: &[u32], truth: &KnnGraph) -> (Tuning, f64) {
        let try_one = |epsilon: f32| {
            let (found, distances) = self.neighbors_of(rows, k, epsilon, Allowed::All);
            let recall =
                recall::estimate(&found, truth, self.n()).expect("both graphs have a row for every sampled point");
            (recall, distances as f64 * self.rows.bytes_of_row() as f64)
        };
        // Recall grows with epsilon.
        let (mut low, mut high) = (0, EPSILONS.len() - 1);
        while low < high {
            let middle = (low + high) / 2;
            if try_one(EPSILONS[middle]).0.estimate >= f64::from(target_recall) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        let epsilon = EPSILONS[low];
        let (recall, cost) = try_one(epsilon);
        let reached = recall.estimate >= f64::from(target_recall);
        (Tuning { epsilon, quantized: !self.rows.by_values(), recall, reached }, cost)
    }

    /// Rows from all over the index.
    fn sample(&self, count: usize) -> Vec<u32> {
        let rows: Vec<u32> = self.present_rows().collect();
        stratified_sample(0, 0x7e5, rows.len(), count.min(rows.len())).map(|at| rows[at]).collect()
    }

    /// What searches for rows of the index find, and the distances that they evaluate.
    fn neighbors_of(&self, rows: &[u32], k: usize, epsilon: f32, allowed: Allowed) -> (KnnGraph, u64) {
        let found: Vec<(Vec<(f32, u32)>, u64)> = rows
            .par_iter()
            .map_init(
                || self.searcher(),
                |searcher, &row| {
                    searcher.set_own_query(row);
                    let wanted = Wanted { k, epsilon, allowed, except: Some(row), held_out: true };
                    let stats = searcher.answer(wanted);
                    (searcher.found().to_vec(), stats.distances)
                },
            )
            .collect();
        let flat = || found.iter().flat_map(|f| &f.0);
        let (ids, distances) = (flat().map(|f| f.1).collect(), flat().map(|f| f.0).collect());
        (KnnGraph::new(rows.len(), k, ids, distances), found.iter().map(|f| f.1).sum())
    }
}
