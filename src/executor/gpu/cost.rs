//! What a build is estimated to take on a device, for `Auto`.
//!
//! Three numbers for a kind of adapter. Those of cards are a third of what an NVIDIA H200 was measured to do
//! (docs/gpu), and its time to start; the others are guesses. All are estimates until there are tables of such
//! hardware.

use super::kind::AdapterKind;
use crate::dataset::{Problem, Rows};
use crate::executor::cpu::cost::{self, Seconds};
use crate::params::Plan;
use crate::points::{Dense, DenseValues};

/// What a kind of adapter does.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Speed {
    /// Seconds until a process's first build has a device and its kernels, drivers included.
    start: f64,
    /// Coordinates of floats that are compared in tiles, a second. Four times as many bytes.
    coordinates: f64,
    /// Bytes of rows that lie anywhere, a second.
    bytes: f64,
}

impl Speed {
    /// None for software, which is not expected to win anywhere.
    fn of(kind: AdapterKind) -> Option<Self> {
        match kind {
            AdapterKind::Discrete => Some(Self { start: 0.3, coordinates: 1.5e12, bytes: 4e11 }),
            AdapterKind::Integrated | AdapterKind::Virtual | AdapterKind::Other => {
                Some(Self { start: 0.6, coordinates: 1e11, bytes: 2.5e10 })
            }
            AdapterKind::Software => None,
        }
    }
}

/// Points as a device compares them: columns of a row, the same counted as floats, and bytes.
struct Compared {
    columns: f64,
    coordinates: f64,
    row_bytes: f64,
}

impl Compared {
    fn of(problem: &Problem) -> Option<Self> {
        match problem.rows {
            Rows::Dense(points, _) => Some(Self::of_dense(&points)),
            Rows::Sets(sets) => {
                let columns = sets.dim() as f64;
                Some(Self { columns, coordinates: columns / 32.0, row_bytes: columns / 8.0 })
            }
            Rows::Items(items) => items.on_gpu().map(|(points, _)| Self::of_dense(&points)),
            Rows::Sparse(_) => None,
        }
    }

    fn of_dense(points: &Dense) -> Self {
        let dim = points.dim() as f64;
        let (bytes, coordinates) = match points.rows() {
            DenseValues::F32(_) => (4.0, 1.0),
            DenseValues::F16(_) => (2.0, 1.0),
            DenseValues::U8(_) | DenseValues::I8(_) => (1.0, 0.25),
        };
        Self { columns: dim, coordinates: coordinates * dim, row_bytes: bytes * dim }
    }
}

/// The estimate, the CPU's share included; none where such points do not run on such a device.
pub(crate) fn seconds(problem: &Problem, plan: &Plan, kind: AdapterKind) -> Option<Seconds> {
    let (speed, compared, n) = (Speed::of(kind)?, Compared::of(problem)?, problem.n() as f64);
    // Every pair once.
    let exact = n * n / 2.0 * compared.coordinates / speed.coordinates;
    let in_leaves = cost::pairs_in_leaves(plan) * compared.coordinates / speed.coordinates;
    let in_rounds = cost::pairs_in_rounds(compared.columns, plan) * compared.row_bytes / speed.bytes;
    Some(Seconds {
        // Proxies are searched exactly by the CPU alone.
        exact: if problem.is_proxy {
            f64::INFINITY
        } else {
            speed.start + exact + cost::proving_seconds(problem, plan)
        },
        descent: speed.start + n * (in_leaves + in_rounds) + cost::growing_seconds(problem, plan),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metric;
    use crate::params::Params;
    use crate::points::Points;

    fn of(n: usize, dim: usize, k: usize, kind: AdapterKind) -> Option<Seconds> {
        let values = vec![0u8; n * dim];
        let points = Points::dense(&values, n, dim).unwrap();
        let params = Params { n_neighbors: Some(k), ..Params::default() };
        let plan = Plan::new(&Metric::Euclidean, &params, &points).unwrap();
        seconds(&Problem::of_dense(&points, &Metric::Euclidean), &plan, kind)
    }

    #[test]
    fn seconds_follow_from_kind_and_size() {
        let card = of(60_000, 784, 30, AdapterKind::Discrete).unwrap();
        assert!(card.exact > 0.6 && card.exact < 2.0, "{card:?}");
        let integrated = of(60_000, 784, 30, AdapterKind::Integrated).unwrap();
        assert!(integrated.exact > 3.0 * card.exact, "{integrated:?}");
        assert_eq!(of(60_000, 784, 30, AdapterKind::Software), None);
        // Exact search grows with the square, descent does not.
        let [small, large] = [10_000, 100_000].map(|n| of(n, 96, 15, AdapterKind::Discrete).unwrap());
        assert!(large.exact - 0.3 > 20.0 * (small.exact - 0.3));
        assert!(large.descent - 0.3 < 15.0 * (small.descent - 0.3));
    }
}
