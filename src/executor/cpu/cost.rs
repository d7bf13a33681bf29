//! Estimated costs of exact search and of NN-Descent, for `Algorithm::Auto`.
//!
//! Nanoseconds of one thread on the machine of docs/PERFORMANCE.md ("Auto"); only ratios matter, and they are within a
//! factor of two on the sets there.

use crate::dataset::{Problem, Rows};
use crate::metric::{Form, KernelMetric};
use crate::params::{Algorithm, Plan};
use crate::points::Dense;
use crate::rows::dense::codes;

/// How many times as long exact search may take, since it misses no neighbour.
const WORTH_EXACT: f64 = 1.25;

/// The cheaper algorithm, or exact search where that costs little more; and the cost of exact search relative to
/// descent.
pub(crate) fn cheapest(problem: &Problem, plan: &Plan) -> (Algorithm, f64) {
    let ratio = exact(problem) / descent(problem, plan);
    let algorithm = if ratio <= WORTH_EXACT { Algorithm::Exact } else { Algorithm::NnDescent };
    (algorithm, ratio)
}

/// All pairs, in tiles.
pub(crate) fn exact(problem: &Problem) -> f64 {
    let n = problem.n() as f64;
    let per_pair = match problem.rows {
        Rows::Dense(points, direct) if !problem.is_proxy => in_tiles(&points, direct),
        Rows::Dense(points, _) => PROXIED * points.dim() as f64,
        Rows::Sets(sets) => sets.sketched_pair_cost().unwrap_or_else(|| sets.cost()),
        rows => per_distance(rows),
    };
    n * n * per_pair
}

/// One coordinate of a distance by definition, for metrics that are searched by a proxy.
const PROXIED: f64 = 20.0;

fn in_tiles(points: &Dense, direct: KernelMetric) -> f64 {
    let (dim, form) = (points.dim() as f64, direct.form());
    match form {
        Form::L2 | Form::Angular { .. } if codes::suits(points, form) => 1.5 + 1.2 * (dim / 64.0).ceil(),
        form if form.is_slow() => 0.5 * dim,
        _ => 2.0 + 1.5 * (dim / 16.0).ceil(),
    }
}

/// About 50 distances for every candidate of a row, each with its share of bookkeeping; rows scattered in memory cost
/// more the wider they are.
pub(crate) fn descent(problem: &Problem, plan: &Plan) -> f64 {
    let per_pair = 20.0 + per_distance(problem.rows);
    problem.n() as f64 * 50.0 * plan.max_candidates as f64 * per_pair
}

/// A custom distance, whose cost is unknown: more than that of a hundred columns.
const CUSTOM: f64 = 100.0;

/// One distance between rows scattered in memory.
fn per_distance(rows: Rows) -> f64 {
    match rows {
        Rows::Dense(points, direct) => {
            let slow = direct.form().is_slow();
            points.dim() as f64 * if slow { 0.5 } else { 1.0 / 25.0 }
        }
        Rows::Sparse(rows) => rows.cost(),
        Rows::Sets(sets) => sets.cost(),
        Rows::Items(_) => CUSTOM,
    }
}
