//! When exact search is no slower than descent.

use super::byte_rows;
use crate::params::{Algorithm, Plan};
use crate::points::Dense;

/// Exact search where its pairs cost no more than those of a descent: the choice of [`Algorithm::Auto`] and its reason.
pub(crate) fn cheapest(points: &Dense, plan: &Plan) -> (Algorithm, Option<String>) {
    let n = points.n() as f64;
    let exact = n * n * EXACT_PAIR;
    let pairs = n * (plan.n_trees * plan.leaf_size / 2 + DESCENT_PAIRS * plan.max_candidates) as f64;
    let coded = byte_rows::suits(points, plan.metric.form());
    let descent = pairs * if coded { CODED_PAIR } else { FLOAT_PAIR } + n * ROW;
    let (algorithm, than) =
        if exact <= descent { (Algorithm::Exact, "no slower") } else { (Algorithm::NnDescent, "slower") };
    let ratio = exact / descent;
    (algorithm, Some(format!("auto: exact search is estimated {than} ({ratio:.2} of the time of nndescent)")))
}

/// Costs in units of one float pair in a tile: docs/PERFORMANCE.md, "Auto".
const EXACT_PAIR: f64 = 1.0;
const CODED_PAIR: f64 = 0.5;
const FLOAT_PAIR: f64 = 2.0;
const DESCENT_PAIRS: usize = 30;
const ROW: f64 = 100.0;
