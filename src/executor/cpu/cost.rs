//! What exact search and descent will cost: the choice of `Algorithm::Auto`.
//!
//! Nanoseconds of one thread on the machine of docs/PERFORMANCE.md ("Auto"); only ratios matter, and they are within a factor of
//! two on the sets there.

use crate::metric::Form;
use crate::params::{Algorithm, Plan};
use crate::points::Dense;
use crate::space::byte_rows;

/// The cheaper algorithm, and why.
pub(crate) fn cheapest(points: &Dense, plan: &Plan) -> (Algorithm, Option<String>) {
    let ratio = exact(points, plan) / descent(points, plan);
    let algorithm = if ratio <= 1.0 { Algorithm::Exact } else { Algorithm::NnDescent };
    (algorithm, Some(format!("auto: exact search is estimated to take {ratio:.2} of the time of nndescent")))
}

/// All pairs, in tiles.
pub(crate) fn exact(points: &Dense, plan: &Plan) -> f64 {
    let (n, dim, form) = (points.n() as f64, points.dim() as f64, plan.metric.form());
    let per_pair = match form {
        Form::L2 | Form::Angular { .. } if byte_rows::suits(points, form) => 1.5 + 1.2 * (dim / 64.0).ceil(),
        Form::Coordinates(c) if c.is_slow() => 3.0 * dim,
        _ => 2.0 + 1.5 * (dim / 16.0).ceil(),
    };
    n * n * per_pair
}

/// About 50 distances for every candidate of a row, each with its share of looking for it; rows scattered in memory cost
/// more the wider they are.
pub(crate) fn descent(points: &Dense, plan: &Plan) -> f64 {
    let dim = points.dim() as f64;
    let slow = matches!(plan.metric.form(), Form::Coordinates(c) if c.is_slow());
    let per_pair = 20.0 + if slow { 3.0 * dim } else { dim / 25.0 };
    points.n() as f64 * 50.0 * plan.max_candidates as f64 * per_pair
}
