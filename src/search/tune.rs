//! The epsilon that reaches a recall, found on points of the index.

use std::ops::ControlFlow;

use rayon::prelude::*;

use crate::error::SearchError;
use crate::graph::{KnnGraph, Neighbor};
use crate::progress::{Phase, Progress};
use crate::recall::{self, RecallEstimate};
use crate::rng::stratified_sample;

use super::Index;
use super::check::out_of_range;
use super::eligible::Eligible;
use super::rows::IndexRows;
use super::searcher::{Request, SearchScratch, Searcher};
use super::ticker::{Ticker, Watcher};

/// What [`Index::tune`] found.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Tuning {
    /// Epsilon of queries that do not say otherwise.
    pub epsilon: f32,
    /// Whether queries traverse by the index's compressed copy, where it has one.
    pub quantized: bool,
    /// Recall with it on the points that were searched for, as many as `recall.sample`, with a 95 % interval for all:
    /// against exact search of these.
    pub recall: RecallEstimate,
    /// Whether the estimate is at least the target. If not, the index has what comes nearest to it.
    pub reached: bool,
}

/// Searched by halving: in [`SEARCHES`] steps at most, the last epsilon's included.
const EPSILONS: [f32; 29] = [
    -0.1, -0.05, -0.02, 0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.14, 0.16, 0.2, 0.25, 0.3, 0.35,
    0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0,
];
/// Approximate searches for each point of the sample.
const SEARCHES: usize = 6;

impl Index {
    /// Finds the smallest epsilon with which searches for `k` neighbours reach `target_recall`: traversing by the
    /// compressed copy or by the values, whichever reads fewer bytes (or alone reaches the target). Later queries use
    /// both unless they say otherwise; so do saved files.
    ///
    /// `sample` points of the index are searched for as if they were not in it: the search does not pass through them.
    /// Queries of another distribution than the points may need more.
    ///
    /// ```
    /// use nndescent::{Metric, NnDescent, Points};
    ///
    /// let data: Vec<f32> = (0..600 * 8).map(|i| ((i * 37) % 101) as f32).collect();
    /// let mut index = NnDescent::new(Metric::Euclidean).index(&Points::dense(&data, 600, 8)?)?.index;
    /// let tuning = index.tune(0.95, 10, 200)?;
    /// assert!(tuning.reached && index.epsilon() == tuning.epsilon);
    /// let nearest = index.nearest(&data[..8], 10)?; // searches with that epsilon
    /// # assert_eq!(nearest.len(), 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A target that is not above 0 and below 1, `k` or `sample` zero, `k` not less than the number of points; a custom
    /// distance that is not finite.
    ///
    /// # Complexity
    /// `sample` exact searches and about 5 approximate ones for each, twice where there is a copy.
    pub fn tune(&mut self, target_recall: f32, k: usize, sample: usize) -> Result<Tuning, SearchError> {
        self.tune_watched(target_recall, k, sample, None)
    }

    /// The same; `progress` is called as it goes on, from any thread, and can end it.
    ///
    /// # Errors
    /// Same as [`Index::tune`]; [`SearchError::Cancelled`]: the index is then as it was.
    pub fn tune_with_progress(
        &mut self,
        target_recall: f32,
        k: usize,
        sample: usize,
        progress: impl Fn(&Progress) -> ControlFlow<()> + Send + Sync,
    ) -> Result<Tuning, SearchError> {
        self.tune_watched(target_recall, k, sample, Some(&progress))
    }

    fn tune_watched(
        &mut self,
        target_recall: f32,
        k: usize,
        sample: usize,
        progress: Option<&Watcher>,
    ) -> Result<Tuning, SearchError> {
        if !(target_recall > 0.0 && target_recall < 1.0) {
            return Err(out_of_range("target_recall", target_recall, "above 0 and below 1"));
        }
        if sample == 0 {
            return Err(out_of_range("sample", 0, "at least 1"));
        }
        if k >= self.len() {
            let range = format!("less than the {} points, as each is searched for among the others", self.len());
            return Err(out_of_range("k", k, &range));
        }
        Self::check_k(k, self.len() - 1, false)?;
        let before = self.by_values;
        let tuning = self.cheapest(target_recall, k, sample, progress);
        match &tuning {
            Ok(tuning) => {
                self.by_values = !tuning.quantized;
                self.tuned = Some(tuning.epsilon);
            }
            Err(_) => self.by_values = before,
        }
        tuning
    }

    /// The cheaper traversal of those that reach the target; if none does, the nearer to it.
    fn cheapest(
        &mut self,
        target_recall: f32,
        k: usize,
        sample: usize,
        progress: Option<&Watcher>,
    ) -> Result<Tuning, SearchError> {
        self.rows.take_wrong_pair();
        let rows = self.sample(sample);
        let traversals: &[bool] = if self.rows.has_copy() { &[false, true] } else { &[self.by_values] };
        let ticker = Ticker::new(progress, Phase::Tune, rows.len() * (1 + traversals.len() * SEARCHES));
        let everything: Vec<u32> = self.present_rows().collect();
        let (truth, _) = self.neighbors_of(&rows, k, 0.0, Eligible::Few(&everything), &ticker)?;
        let mut best: Option<(Tuning, f64)> = None;
        for &by_values in traversals {
            self.by_values = by_values;
            let (tuning, cost) = self.tune_epsilon(target_recall, k, &rows, &truth, &ticker)?;
            let value = |t: &Tuning, cost: f64| (t.reached, if t.reached { -cost } else { t.recall.estimate });
            let better = |(other, least): &(Tuning, f64)| value(&tuning, cost) > value(other, *least);
            if best.as_ref().is_none_or(better) {
                best = Some((tuning, cost));
            }
        }
        if let Some((a, b)) = self.wrong_items() {
            return Err(SearchError::CustomDistance { a, b, reason: self.rows.failure() });
        }
        Ok(best.expect("there is at least one traversal").0)
    }

    /// The smallest epsilon that will do, and the bytes that a search then reads.
    fn tune_epsilon(
        &self,
        target_recall: f32,
        k: usize,
        rows: &[u32],
        truth: &KnnGraph,
        ticker: &Ticker,
    ) -> Result<(Tuning, f64), SearchError> {
        let try_one = |epsilon: f32| {
            let (found, distances) = self.neighbors_of(rows, k, epsilon, Eligible::All, ticker)?;
            let recall =
                recall::estimate(&found, truth, self.len()).expect("both graphs have a row for every sampled point");
            Ok((recall, distances as f64 * self.rows.bytes_of_row(self.by_values) as f64))
        };
        // Recall grows with epsilon.
        let (mut low, mut high) = (0, EPSILONS.len() - 1);
        while low < high {
            let middle = (low + high) / 2;
            if try_one(EPSILONS[middle])?.0.estimate >= f64::from(target_recall) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        let epsilon = EPSILONS[low];
        let (recall, cost) = try_one(epsilon)?;
        let reached = recall.estimate >= f64::from(target_recall);
        Ok((Tuning { epsilon, quantized: !self.by_values, recall, reached }, cost))
    }

    /// Rows from all over the index.
    fn sample(&self, count: usize) -> Vec<u32> {
        let rows: Vec<u32> = self.present_rows().collect();
        stratified_sample(0, 0x7e5, rows.len(), count.min(rows.len())).map(|at| rows[at]).collect()
    }

    /// What searches for rows of the index find, and the distances that they evaluate.
    fn neighbors_of(
        &self,
        rows: &[u32],
        k: usize,
        epsilon: f32,
        eligible: Eligible,
        ticker: &Ticker,
    ) -> Result<(KnnGraph, u64), SearchError> {
        let search = |scratch: &mut SearchScratch, &row: &u32| {
            if !ticker.advance(1) {
                return Err(SearchError::Cancelled);
            }
            let mut searcher = Searcher { index: self, scratch };
            searcher.set_own_query(row);
            let stats = searcher.answer(Request { k, epsilon, eligible, except: Some(row), held_out: true });
            Ok((scratch.found().to_vec(), stats.distances))
        };
        let found: Vec<(Vec<Neighbor>, u64)> =
            rows.par_iter().map_init(SearchScratch::default, search).collect::<Result<_, _>>()?;
        let flat = || found.iter().flat_map(|f| &f.0);
        let (ids, distances) = (flat().map(|f| f.id).collect(), flat().map(|f| f.distance).collect());
        Ok((KnnGraph::new(rows.len(), k, ids, distances), found.iter().map(|f| f.1).sum()))
    }
}
