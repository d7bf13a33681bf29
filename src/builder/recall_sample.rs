//! A sample of rows whose exact neighbours are known, to estimate the recall of a graph.

use crate::dataset::Problem;
use crate::distances::TrueDistances;
use crate::error::BuildError;
use crate::executor::cpu::exact;
use crate::executor::{Session, Tick};
use crate::graph::KnnGraph;
use crate::parallel::map;
use crate::params::Plan;
use crate::recall::{self, RecallEstimate};
use crate::rng::stratified_sample;

/// Rows beyond which an estimate that proves `target_recall` needs no more: twice as many as a sample without a miss.
const ROWS_TO_PROVE: f64 = 9.0;
/// Relative difference up to which distances, computed in f64, are ties.
const TIE: f64 = 1e-9;

/// Sampled rows and how far their exact neighbours reach.
pub(super) struct RecallSample<'p> {
    pub rows: Vec<u32>,
    /// The distance of each row's last neighbour, by definition in f64.
    reach: Vec<f64>,
    truth: Box<dyn TrueDistances + 'p>,
    /// Rows that it was drawn from.
    n: usize,
}

impl<'p> RecallSample<'p> {
    /// `session` is one of the problem, if there still is one.
    pub(super) fn draw(
        problem: &Problem<'p>,
        plan: &Plan,
        session: Option<&dyn Session>,
        tick: Tick,
    ) -> Result<Self, BuildError> {
        if let Some(session) = session
            && let Some(sample) = Self::held(problem, plan, session, tick)?
        {
            return Ok(sample);
        }
        let (truth, points) = (problem.true_distances(), points_of(problem, plan));
        let nearest = exact::rows_of(problem, &*truth, &points, plan.others(), tick)?;
        Ok(Self::new(truth, &points, &nearest, problem.n()))
    }

    /// The same if the session of the problem holds what tells the exact rows.
    pub(super) fn held(
        problem: &Problem<'p>,
        plan: &Plan,
        session: &dyn Session,
        tick: Tick,
    ) -> Result<Option<Self>, BuildError> {
        if problem.dense().is_none() {
            // True distances of other rows may hold a copy of them, for which there is no room beside a session.
            return Ok(None);
        }
        let (truth, points) = (problem.true_distances(), points_of(problem, plan));
        let nearest = session.exact_rows(&*truth, &points, tick)?;
        Ok(nearest.map(|nearest| Self::new(truth, &points, &nearest, problem.n())))
    }

    fn new(truth: Box<dyn TrueDistances + 'p>, points: &[usize], nearest: &KnnGraph, n: usize) -> Self {
        let rows: Vec<u32> = points.iter().map(|&point| point as u32).collect();
        let farthest = |row: &Vec<f64>| row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let reach = distances_of(&*truth, &rows, nearest).iter().map(farthest).collect();
        Self { rows, reach, truth, n }
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
    pub(super) fn estimate(&self, found: &KnnGraph) -> RecallEstimate {
        let distances = distances_of(&*self.truth, &self.rows, found);
        let hits = |(row, reach): (&Vec<f64>, &f64)| {
            let bound = reach + TIE * reach.abs();
            row.iter().filter(|d| **d <= bound).count()
        };
        let known = distances.iter().zip(&self.reach).filter(|(_, reach)| reach.is_finite());
        let hits: Vec<usize> = known.map(hits).collect();
        recall::of_hits(&hits, found.k(), self.n)
    }
}

/// The points whose exact neighbours are looked for.
fn points_of(problem: &Problem, plan: &Plan) -> Vec<usize> {
    let to_prove = plan.target_recall.map_or(0.0, |target| (ROWS_TO_PROVE / (1.0 - f64::from(target))).ceil());
    let count = plan.recall_sample.max(to_prove as usize).min(problem.n());
    stratified_sample(plan.seed, 0x5a3b, problem.n(), count).collect()
}

/// True distances from `rows` to the points that a graph of as many rows holds, each point once.
fn distances_of(truth: &dyn TrueDistances, rows: &[u32], graph: &KnnGraph) -> Vec<Vec<f64>> {
    let of_row = |(): &mut (), i: usize| {
        let mut ids = graph.ids(i).to_vec();
        ids.retain(|id| *id != KnnGraph::NO_NEIGHBOR);
        ids.sort_unstable();
        ids.dedup();
        let mut distances = Vec::new();
        truth.distances(rows[i] as usize, &ids, &mut distances);
        distances
    };
    map(rows.len(), 8, || (), of_row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Dataset;
    use crate::executor::Executor;
    use crate::executor::cpu::CpuExecutor;
    use crate::metric::Metric;
    use crate::params::Params;
    use crate::points::Points;
    use crate::rng::hash;

    #[test]
    fn a_session_with_codes_tells_the_same_sample() {
        let (n, dim) = (1500, 60);
        let tick: Tick = &|_| Ok(());
        for whole in [false, true] {
            let value = |i: u64| (hash(1, i / 3000, i, 0) % 1000) as f32 / 1000.0 + (i / 3000 % 7) as f32 * 0.3;
            let values = (0..(n * dim) as u64).map(|i| if whole { (value(i) * 80.0).round() } else { value(i) });
            let values: Vec<f32> = values.collect();
            let points = Points::dense(&values, n, dim).unwrap();
            for metric in [Metric::Euclidean, Metric::Cosine, Metric::Correlation] {
                let plan = Plan::new(&metric, &Params::default(), &points).unwrap();
                let dataset = Dataset::new(&points, &metric).unwrap();
                let problem = dataset.problem();
                let session = CpuExecutor.open(&problem, &plan, None, tick).unwrap();
                let held = RecallSample::held(&problem, &plan, &*session, tick).unwrap().expect("codes serve");
                let anew = RecallSample::draw(&problem, &plan, None, tick).unwrap();
                assert_eq!((held.rows, held.reach), (anew.rows, anew.reach), "{metric}");
            }
        }
    }
}
