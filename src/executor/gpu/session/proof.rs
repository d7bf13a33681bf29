//! Proof of exact search: rows that the rounding of a device leaves in doubt are searched again on the CPU.

use crate::dataset::{Problem, Rows, Searched};
use crate::distances::{TrueDistances, narrowed};
use crate::error::BuildError;
use crate::executor::Tick;
use crate::executor::cpu::exact;
use crate::executor::gpu::encoding::Encoding;
use crate::graph::KnnGraph;
use crate::graph::order::{EMPTY, Neighbor, distance, id, put};
use crate::graph::rows::RowTable;
use crate::metric::{Form, KernelMetric};
use crate::points::Dense;
use crate::rows::error_bound::{ErrorBound, UNIT_ROUNDOFF};

/// What is known of the error of a device's distances.
enum Bound {
    /// They are exact, or computed by a user's kernel.
    Trusted,
    OfAll(ErrorBound),
    /// From the largest length of a row.
    OfProducts(f64),
    Unknown,
}

/// Proves rows of `others` neighbours.
struct Proof<'a> {
    truth: Box<dyn TrueDistances + 'a>,
    problem: &'a Problem<'a>,
    bound: Bound,
    others: usize,
}

/// The graph of the `others` nearest, from a device's rows of a few more.
pub(super) fn proven(
    problem: &Problem,
    rows: &RowTable,
    (encoding, others): (Encoding, usize),
    tick: Tick,
) -> Result<KnnGraph, BuildError> {
    let truth = problem.true_distances();
    let proof = Proof { truth, problem, bound: Bound::of(problem, encoding), others };
    let n = problem.n();
    let (mut ids, mut distances) = (vec![0u32; n * others], vec![0f32; n * others]);
    let found = crate::parallel::map(n, 64, || (), |(), i| proof.row(i, rows.row(i)));
    let mut in_doubt = Vec::new();
    for (i, found) in found.iter().enumerate() {
        match found {
            Some(row) => put(row, &mut ids[i * others..], &mut distances[i * others..]),
            None => in_doubt.push(i),
        }
    }
    tracing::debug!(in_doubt = in_doubt.len(), "exact rows of a device");
    let again = exact::rows_of(problem, &in_doubt, others, tick)?;
    for (at, &i) in in_doubt.iter().enumerate() {
        ids[i * others..(i + 1) * others].copy_from_slice(again.ids(at));
        distances[i * others..(i + 1) * others].copy_from_slice(again.distances(at));
    }
    Ok(KnnGraph::new(n, others, ids, distances))
}

impl Bound {
    fn of(problem: &Problem, encoding: Encoding) -> Self {
        let Rows::Dense(dense, kernel) = problem.rows else { return Self::Trusted };
        let rounded = match problem.searched {
            Searched::AsGiven => 0.0,
            Searched::Transformed { rounding, .. } => rounding,
        };
        match kernel.form() {
            // 1 - x·y of bytes, in f32.
            Form::Angular { .. } if encoding.is_dots() => Self::OfAll(ErrorBound::absolute(1e-6, true)),
            Form::Inner => Self::OfProducts(largest_length(&dense)),
            // Directions less their mean are not longer than 2.
            Form::Angular { .. } => Self::of_sums(kernel, &dense, rounded + 2.0 * UNIT_ROUNDOFF),
            _ => Self::of_sums(kernel, &dense, rounded),
        }
    }

    fn of_sums(kernel: KernelMetric, dense: &Dense, rounded: f64) -> Self {
        // Devices sum in four lanes, not in sixteen.
        ErrorBound::new(kernel.form(), 4 * dense.dim(), rounded).map_or(Self::Unknown, Self::OfAll)
    }
}

impl Proof<'_> {
    /// A row, if it is certain.
    fn row(&self, i: usize, kept: &[Neighbor]) -> Option<Vec<(f32, u32)>> {
        let ids: Vec<u32> = kept.iter().filter(|slot| **slot != EMPTY).map(|&slot| id(slot)).collect();
        let mut found = Vec::new();
        self.truth.nearest(i, &ids, self.others, &mut Vec::new(), &mut found);
        let Some(last) = self.others.checked_sub(1) else { return Some(Vec::new()) };
        let kth = found.get(last)?.0;
        let holds_all = ids.len() + 1 >= self.problem.n();
        let left_out = distance(kept[kept.len() - 1]);
        let certain = holds_all
            || match self.bound {
                Bound::Trusted => true,
                Bound::OfAll(bound) => bound.is_certain(self.reduced(kth), left_out),
                Bound::OfProducts(longest) => {
                    let (dense, _) = self.problem.dense()?;
                    let bound = ErrorBound::of_products(4 * dense.dim(), length(&dense, i), longest);
                    bound.is_certain(self.reduced(kth), left_out)
                }
                Bound::Unknown => false,
            };
        certain.then(|| narrowed(&found))
    }

    fn reduced(&self, distance: f64) -> f64 {
        let Some((dense, kernel)) = self.problem.dense() else { return distance };
        let unit = match self.problem.searched {
            Searched::AsGiven => 1.0,
            Searched::Transformed { unit, .. } => unit,
        };
        unit * kernel.to_reduced(self.problem.metric.to_direct(distance), dense.dim())
    }
}

fn length(dense: &Dense, i: usize) -> f64 {
    let mut row = vec![0.0; dense.dim()];
    dense.widen_row(i, &mut row);
    row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}

fn largest_length(dense: &Dense) -> f64 {
    (0..dense.n()).map(|i| length(dense, i)).fold(0.0, f64::max)
}
