//! The working order of points: by the leaves of the first tree, as byte codes where these serve.

use crate::dataset::{Problem, Rows};
use crate::distances::code_error::mean_error;
use crate::distances::direct::DirectDistances;
use crate::forest::{self, Leaves};
use crate::metric::KernelMetric;
use crate::params::Plan;
use crate::points::{Dense, DenseValues};
use crate::rows::ReducedDistances;
use crate::rows::dense::codes::{self, CodedRows};
use crate::rows::dense::{byte_differences, floats};
use crate::simd::Level;

/// Points in working order.
pub(crate) struct Arranged<'p> {
    pub space: Box<dyn ReducedDistances + 'p>,
    /// Whether these are rounded codes, for which rows have to be longer while they are built.
    pub rounded: bool,
    /// The point that stands at each place.
    pub order: Vec<u32>,
    /// The bounds of the first tree's leaves in that order; none without trees.
    pub bounds: Option<Vec<u32>>,
}

/// A plan for `n` points; with longer rows where these are `rounded` codes.
pub(crate) fn plan_for(plan: &Plan, rounded: bool, n: usize) -> Plan {
    let longer = plan.width.max(plan.others() + plan.others() / 4).min(n - 1);
    Plan { width: if rounded { longer } else { plan.width }, ..plan.clone() }
}

/// Puts the points in the order of the first tree's leaves, so that near points are near in memory, as byte codes where
/// these serve.
pub(crate) fn arrange<'p>(problem: &Problem<'p>, plan: &Plan) -> Arranged<'p> {
    let (points, direct) = match problem.rows {
        Rows::Dense(points, direct) => (points, direct),
        rows => return arrange_rows(rows.working_copy(), plan),
    };
    let (points, form, level) = (&points, direct.form(), Level::detect());
    if byte_differences::suits(points, form) {
        return arrange_coded(points, direct, plan, byte_differences::space(points, level));
    }
    if codes::suits(points, form) {
        let rows = Box::new(CodedRows::new(points, form, level));
        return arrange_coded(points, direct, plan, (rows, codes::is_exact(points, form)));
    }
    arrange_rows(floats::space(points, form, level), plan)
}

/// Keeps codes if they are exact, or if they reproduce the distances of near points.
fn arrange_coded<'p>(
    points: &Dense,
    direct: KernelMetric,
    plan: &Plan,
    (codes, is_exact): (Box<dyn ReducedDistances>, bool),
) -> Arranged<'p> {
    let floats = || floats::space(points, direct.form(), Level::detect());
    if is_exact {
        return arrange_rows(codes, plan);
    }
    if plan.n_trees == 0 {
        drop(codes);
        return arrange_rows(floats(), plan);
    }
    let leaves = forest::tree(&*codes, plan.leaf_size, plan.seed, 0);
    let serve = serves(&DirectDistances::new(direct, points, points), &*codes, &leaves);
    let mut space = if serve {
        codes
    } else {
        drop(codes);
        floats()
    };
    space.renumber(&leaves.ids);
    Arranged { space, rounded: serve, order: leaves.ids, bounds: Some(leaves.bounds) }
}

/// Puts f16 in the place of floats whose codes do not serve, if these do: half the bytes for a device to read. Whether
/// it did.
#[cfg_attr(not(feature = "gpu"), expect(dead_code, reason = "only devices compare f32 rows as f16"))]
pub(crate) fn round_to_halves(problem: &Problem, arranged: &mut Arranged) -> bool {
    let (Rows::Dense(points, direct), Some(bounds)) = (problem.rows, &arranged.bounds) else { return false };
    let is_f32 = matches!(points.rows(), DenseValues::F32(_));
    if arranged.rounded || !is_f32 || !codes::suits(&points, direct.form()) {
        return false;
    }
    let Some(mut halves) = floats::halves(&points, direct.form(), Level::detect()) else { return false };
    let leaves = Leaves { ids: arranged.order.clone(), bounds: bounds.clone() };
    if !serves(&DirectDistances::new(direct, &points, &points), &*halves, &leaves) {
        return false;
    }
    halves.renumber(&leaves.ids);
    (arranged.space, arranged.rounded) = (halves, true);
    true
}

fn arrange_rows<'p>(mut space: Box<dyn ReducedDistances + 'p>, plan: &Plan) -> Arranged<'p> {
    if plan.n_trees == 0 {
        let order = (0..space.n() as u32).collect();
        return Arranged { space, rounded: false, order, bounds: None };
    }
    let leaves = forest::tree(&*space, plan.leaf_size, plan.seed, 0);
    space.renumber(&leaves.ids);
    Arranged { space, rounded: false, order: leaves.ids, bounds: Some(leaves.bounds) }
}

/// Rows whose neighbours [`serves`] looks at.
const SAMPLE: usize = 200;
/// Largest mean relative error of a neighbour's reduced distance that longer working rows compensate:
/// docs/PERFORMANCE.md, "Byte codes".
const TOLERANCE: f64 = 0.01;

/// Whether codes tell near neighbours apart: compares coded with true reduced distances between sampled points and the
/// nearest of the others in their leaf.
fn serves(exact: &DirectDistances, codes: &dyn ReducedDistances, leaves: &Leaves) -> bool {
    let step = leaves.bounds.len().div_ceil(SAMPLE);
    mean_error(exact, codes, leaves.iter().step_by(step)) <= TOLERANCE
}
