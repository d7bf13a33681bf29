//! Proof of exact search: rows that the rounding of a device leaves in doubt are searched again on the CPU.

use crate::dataset::{Problem, Rows};
use crate::distances::narrowed;
use crate::error::BuildError;
use crate::executor::Tick;
use crate::executor::cpu::exact;
use crate::executor::gpu::encoding::Encoding;
use crate::executor::proof::Proof;
use crate::graph::KnnGraph;
use crate::graph::order::{EMPTY, put};
use crate::graph::rows::RowTable;
use crate::metric::Form;
use crate::parallel::map;
use crate::rows::dense::row_bounds::RowBounds;
use crate::rows::error_bound::{ErrorBound, UNIT_ROUNDOFF};

/// The graph of the `others` nearest, from a device's rows of a few more.
pub(super) fn proven(
    problem: &Problem,
    rows: &RowTable,
    (encoding, others): (Encoding, usize),
    tick: Tick,
) -> Result<KnnGraph, BuildError> {
    let (n, truth, bounds) = (problem.n(), problem.true_distances(), bounds(problem, encoding));
    let prove = |(): &mut (), i: usize| {
        let kept = rows.row(i);
        let holds_all = kept.iter().filter(|slot| **slot != EMPTY).count() + 1 >= n;
        let bound = bounds.as_ref().filter(|_| !holds_all).map(|bounds| bounds.of(i));
        match Proof::of(&*truth, (i, others), kept, bound) {
            Proof::Certain(found) => Some(narrowed(&found)),
            Proof::InDoubt(_) => None,
        }
    };
    let (mut ids, mut distances) = (vec![0u32; n * others], vec![0f32; n * others]);
    let mut in_doubt = Vec::new();
    for (i, found) in map(n, 64, || (), prove).into_iter().enumerate() {
        match found {
            Some(row) => put(&row, &mut ids[i * others..], &mut distances[i * others..]),
            None => in_doubt.push(i),
        }
    }
    tracing::debug!(in_doubt = in_doubt.len(), "exact rows of a device");
    if !in_doubt.is_empty() {
        let again = exact::rows_of(problem, &*truth, &in_doubt, others, tick)?;
        for (at, &i) in in_doubt.iter().enumerate() {
            ids[i * others..(i + 1) * others].copy_from_slice(again.ids(at));
            distances[i * others..(i + 1) * others].copy_from_slice(again.distances(at));
        }
    }
    Ok(KnnGraph::new(n, others, ids, distances))
}

/// Bounds of a device's distances; none where these are exact, or computed by a user's kernel.
fn bounds<'p>(problem: &Problem<'p>, encoding: Encoding) -> Option<RowBounds<'p>> {
    let Rows::Dense(dense, kernel) = problem.rows else { return None };
    let rounding = match kernel.form() {
        // 1 - x·y of bytes, in f32.
        Form::Angular { .. } if encoding.is_dots() => {
            return Some(RowBounds::OfAll(ErrorBound::absolute(1e-6, true)));
        }
        // Directions less their mean are not longer than 2.
        Form::Angular { .. } => problem.searched.rounding() + 2.0 * UNIT_ROUNDOFF,
        _ => problem.searched.rounding(),
    };
    // Devices sum in four lanes, not in sixteen.
    Some(RowBounds::new(kernel.form(), &dense, &dense, 4 * dense.dim(), rounding))
}
