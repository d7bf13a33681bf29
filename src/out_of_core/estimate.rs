//! Recall of a graph on disk, estimated by exact search of a sample of its rows.

use super::error::OutOfCoreError;
use super::memory;
use super::merge::{nearest_distinct, neighbors, open_latest, put_record};
use super::plan::Plan;
use super::{Stage, Watch, check};
use crate::error::BuildError;
use crate::exact;
use crate::graph::KnnGraph;
use crate::io::Matrix;
use crate::recall::{self, RecallEstimate};
use crate::rng::stratified_sample;

/// Stream of random numbers for the sample.
const SAMPLED: u64 = 0x0c5e;

/// Estimates the recall of a plan's merged graph, as a build in memory does: the exact neighbours of `rows` rows, drawn
/// by the plan's seed, are searched in the whole input, which is read once, in chunks that stay within `limit` bytes.
///
/// # Errors
/// Parts that are not merged; files that are damaged; another input than the plan's.
///
/// # Complexity
/// n · rows distances.
pub fn estimate_recall(plan: &Plan, rows: usize, limit: u64, watch: Watch) -> Result<RecallEstimate, OutOfCoreError> {
    let (input, graph) = (plan.open_input()?, open_latest(plan)?);
    let (n, dim, k, width) = (plan.n(), plan.dim(), plan.k(), plan.identity.width);
    let rows = rows.min(n);
    let sample: Vec<u32> = stratified_sample(plan.identity.seed, SAMPLED, n, rows).map(|row| row as u32).collect();
    let queries = Matrix { n: rows, dim, values: input.gather(&sample)?, narrowed_from: None, narrowing: None };
    let mut truth: Vec<Vec<(f32, u32)>> = vec![Vec::new(); rows];
    let at_once = memory::items(limit, 0.3, 3 * dim * 4).min(1 << 18);
    for first in (0..n).step_by(at_once) {
        check(watch, Stage::Recall, first as f32 / n as f32)?;
        let base = input.rows(first..n.min(first + at_once))?;
        let (near, queries) = (base.points().map_err(BuildError::from)?, queries.points().map_err(BuildError::from)?);
        let found = exact::query(&near, &queries, &plan.metric, (k + 1).min(base.n))?;
        for (i, truth) in truth.iter_mut().enumerate() {
            let others = found.neighbors(i).map(|near| (near.distance, near.id + first as u32));
            truth.extend(others.filter(|(_, id)| *id != sample[i]));
            nearest_distinct(truth, k);
        }
    }
    let mut found = Vec::with_capacity(rows);
    let mut record = vec![0u32; 2 * width];
    for row in &sample {
        graph.read_at(1, *row as usize * 2 * width, &mut record)?;
        found.push(neighbors(&record).take(k).collect());
    }
    let estimate = recall::estimate(&of_rows(&found, k), &of_rows(&truth, k), n);
    Ok(estimate.expect("both graphs have the sample's rows"))
}

fn of_rows(rows: &[Vec<(f32, u32)>], k: usize) -> KnnGraph {
    let mut records = Vec::with_capacity(rows.len() * 2 * k);
    rows.iter().for_each(|row| put_record(row, k, &mut records));
    let ids = records.chunks_exact(2 * k).flat_map(|record| &record[..k]).copied().collect();
    let distances = records.chunks_exact(2 * k).flat_map(|record| &record[k..]).map(|bits| f32::from_bits(*bits));
    KnnGraph::new(rows.len(), k, ids, distances.collect())
}
