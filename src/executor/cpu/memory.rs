//! Peak memory of a build on the CPU.

use super::neighborhoods::SHARE;
use super::session::caps;
use crate::dataset::{Problem, Rows};
use crate::metric::Form;
use crate::params::Plan;
use crate::points::Dense;
use crate::rows::dense::{codes, floats};

/// Peak bytes beyond the input: points in working order, rows and order throughout, and the largest of the temporary
/// structures.
pub(crate) fn estimate_memory(problem: &Problem, plan: &Plan) -> u64 {
    let n = problem.n() as u64;
    let (space, codes) = match problem.rows {
        Rows::Dense(points, direct) => dense_memory(&points, direct.form()),
        Rows::Sparse(rows) => (rows.bytes(), 0),
        Rows::Sets(sets) => (sets.bytes(), 0),
        Rows::Items(items) => (items.bytes(), 0),
    };
    let caps = caps(plan);
    let forward = plan.width.min(caps.forward) as u64;
    let width = (plan.width + plan.others() / 4) as u64;

    let tree = n * 20;
    let regroup = n * 13;
    let round = n * 4 * (1 + forward + caps.reverse as u64) + n.div_ceil(SHARE as u64) * 12 * forward;
    let output = n * (8 * plan.n_neighbors as u64 + DIRECTIONS);
    let sample = if plan.recall_sample > 0 { codes + n * (4 + DIRECTIONS) } else { 0 };
    space + n * (8 * width + 8) + tree.max(regroup).max(round).max(output).max(sample)
}

/// Bytes of dense points in working order, and of their codes.
fn dense_memory(points: &Dense, form: Form) -> (u64, u64) {
    let float = floats::bytes(points, form) as u64;
    let codes = if codes::suits(points, form) { codes::bytes(points) as u64 } else { 0 };
    (if codes > 0 && codes::is_exact(points, form) { codes } else { float.max(codes) }, codes)
}

/// Lengths and means of a row in recomputation, as base and as query.
const DIRECTIONS: u64 = 16;
