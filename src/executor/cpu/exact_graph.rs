//! The exact graph: by pairs of chunks where rows are sets, else row by row.

use super::{all_pairs, exact};
use crate::dataset::Problem;
use crate::error::BuildError;
use crate::executor::Tick;
use crate::executor::finish::with_self;
use crate::graph::KnnGraph;
use crate::params::Plan;

/// The exact graph of a plan.
pub(crate) fn graph_of(problem: &Problem, plan: &Plan, tick: Tick) -> Result<KnnGraph, BuildError> {
    if plan.others() == 0 {
        return Ok(with_self(problem, &[], &[]));
    }
    let others = match all_pairs::graph(problem, plan, tick)? {
        Some(graph) => graph,
        None => {
            let all: Vec<usize> = (0..problem.n()).collect();
            exact::rows_of(problem, &*problem.true_distances(), &all, plan.others(), tick)?
        }
    };
    Ok(if plan.include_self { with_self(problem, others.all_ids(), others.all_distances()) } else { others })
}
