//! Estimated costs of exact search and of NN-Descent, for `Algorithm::Auto`.
//!
//! Nanoseconds of one of two threads that share a core on the machine of docs/PERFORMANCE.md ("Auto"), at the machine's
//! own level. Fitted to builds with AVX2 and AVX-512 VNNI; other levels by proportion. `benches/compare/cost.py`
//! compares predictions with builds.

use crate::dataset::{Problem, Rows};
use crate::metric::{Form, KernelMetric};
use crate::params::{Algorithm, Plan};
use crate::points::{Dense, DenseValues};
use crate::rows::dense::{byte_differences, codes};
use crate::simd::{LANES, Level, Speed};

/// How many times as long exact search may take, since it misses no neighbour.
const WORTH_EXACT: f64 = 2.0;

/// Seconds that builds by both algorithms are estimated to take on a device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Seconds {
    pub exact: f64,
    pub descent: f64,
}

impl Seconds {
    /// On the threads of the pool.
    pub(crate) fn on_cpu(problem: &Problem, plan: &Plan) -> Self {
        Self { exact: exact_seconds(problem, plan), descent: descent_seconds(problem, plan) }
    }

    pub(crate) fn of(self, algorithm: Algorithm) -> f64 {
        if algorithm == Algorithm::Exact { self.exact } else { self.descent }
    }

    /// The cheaper algorithm, or exact search where that costs little more.
    pub(crate) fn cheaper(self) -> Algorithm {
        if self.exact <= WORTH_EXACT * self.descent { Algorithm::Exact } else { Algorithm::NnDescent }
    }

    pub(crate) fn exact_to_nndescent(self) -> f64 {
        self.exact / self.descent
    }
}

/// Seconds that a build by exact search is estimated to take on the pool's threads.
pub(crate) fn exact_seconds(problem: &Problem, plan: &Plan) -> f64 {
    on_all_threads(exact(problem, plan))
}

/// The same of a build by NN-Descent.
pub(crate) fn descent_seconds(problem: &Problem, plan: &Plan) -> f64 {
    on_all_threads(descent(problem, plan))
}

/// Of a build on a device, seconds of the trees, which the CPU grows.
#[cfg(feature = "gpu")]
pub(crate) fn growing_seconds(problem: &Problem, plan: &Plan) -> f64 {
    let per_row = match problem.rows {
        Rows::Dense(points, direct) => {
            let compared = Compared::of(&points, direct, codes::suits(&points, direct.form()));
            compared.preparing(direct.form(), &points) + compared.trees_grown(plan) * compared.pivots()
        }
        rows => plan.n_trees as f64 * PIVOTS * (PIVOT + per_distance(rows)),
    };
    on_all_threads(problem.n() as f64 * per_row)
}

/// Of exact search on a device, seconds that its proof takes.
#[cfg(feature = "gpu")]
pub(crate) fn proving_seconds(problem: &Problem, plan: &Plan) -> f64 {
    let columns = problem.dense().map_or(CUSTOM, |(points, _)| points.dim() as f64);
    on_all_threads(problem.n() as f64 * (plan.others() as f64 + 8.0) * columns * DEFINITION)
}

/// Pairs of a row in the leaves of all trees, each counted for one of its rows.
#[cfg(feature = "gpu")]
pub(crate) fn pairs_in_leaves(plan: &Plan) -> f64 {
    plan.n_trees as f64 * LEAF_PAIRS * plan.leaf_size as f64
}

/// Pairs of a row in all rounds.
pub(crate) fn pairs_in_rounds(columns: f64, plan: &Plan) -> f64 {
    ROUNDS * (1.0 - (-columns / MANY).exp()) * (plan.max_candidates as f64).powi(2)
}

fn on_all_threads(nanoseconds: f64) -> f64 {
    nanoseconds * 1e-9 / rayon::current_num_threads() as f64
}

/// All pairs, in tiles.
pub(crate) fn exact(problem: &Problem, plan: &Plan) -> f64 {
    let n = problem.n() as f64;
    match problem.rows {
        Rows::Dense(points, direct) if !problem.is_proxy => {
            let compared = Compared::of(&points, direct, codes::suits(&points, direct.form()));
            n * (n * compared.in_tile() + compared.ranking(n, plan.others() as f64))
        }
        Rows::Dense(points, _) => n * n * PROXIED * points.dim() as f64,
        Rows::Sets(sets) => n * n * sets.sketched_pair_cost().unwrap_or_else(|| sets.cost()),
        rows => n * n * per_distance(rows),
    }
}

/// One coordinate of a distance by definition, for metrics that are searched by a proxy.
const PROXIED: f64 = 20.0;

/// Trees, rounds, and true distances at the end.
pub(crate) fn descent(problem: &Problem, plan: &Plan) -> f64 {
    let n = problem.n() as f64;
    let Rows::Dense(points, direct) = problem.rows else {
        // About 50 distances for every candidate of a row.
        return n * 50.0 * plan.max_candidates as f64 * (20.0 + per_distance(problem.rows));
    };
    let form = direct.form();
    let compared = Compared::of(&points, direct, codes::suits(&points, form) || byte_differences::suits(&points, form));
    let per_row = compared.preparing(form, &points) + compared.trees(plan) + compared.rounds(plan);
    let finishing = if is_whole(&points, form) { 0.0 } else { compared.finishing(plan) };
    n * (per_row + finishing)
}

/// Whether distances in rounds are the true ones.
fn is_whole(points: &Dense, form: Form) -> bool {
    matches!(points.rows(), DenseValues::U8(_) | DenseValues::I8(_)) && matches!(form, Form::L2 | Form::Manhattan)
}

/// Dense rows as they are compared.
struct Compared {
    dim: f64,
    /// One distance between rows in cache, without what a tile or a candidate takes beside.
    distance: f64,
    /// Cache lines of a row.
    lines: f64,
    by_codes: bool,
    speed: Speed,
}

/// Of the pairs that a leaf has, those that a row of it takes part in, on average, for each row that a leaf may have.
const LEAF_PAIRS: f64 = 1.0 / 3.0;
/// Pivots that a row is compared with while a tree grows, and what one takes beside the distance.
const PIVOTS: f64 = 12.0;
const PIVOT: f64 = 8.0;
/// In fewer columns trees end early.
const EASY_COLUMNS: f64 = 9.0;
/// Pairs of all rounds for the square of the number of candidates, in many columns, and the columns that are many.
const ROUNDS: f64 = 0.6;
const MANY: f64 = 26.0;
/// What rounds take for a row, and for a pair beside its distance.
const ROUND_ROW: f64 = 3600.0;
const CANDIDATE: f64 = 30.0;
/// The least that a cache line of a row takes that is scattered in memory.
const LINE: f64 = 0.4;
/// One column of a distance in f64.
const DEFINITION: f64 = 0.4;
/// Keeping a neighbour among the nearest of exact search.
const OFFER: f64 = 60.0;

impl Compared {
    fn of(points: &Dense, direct: KernelMetric, by_codes: bool) -> Self {
        let (dim, form, speed) = (points.dim() as f64, direct.form(), Level::detect().speed());
        let chunks = codes::chunks_of_row(points.dim()) as f64;
        let vectors = points.dim().div_ceil(LANES) as f64;
        let (distance, lines) = match form {
            _ if by_codes => (speed.bytes * chunks, chunks),
            form if form.is_slow() => (0.5 * dim, vectors),
            _ => (speed.floats * vectors, vectors),
        };
        Self { dim, distance, lines, by_codes, speed }
    }

    fn in_tile(&self) -> f64 {
        self.speed.tile + self.distance
    }

    /// Keeping and ranking the nearest `k` of `n`, and some more.
    fn ranking(&self, n: f64, k: f64) -> f64 {
        let kept = if self.by_codes { 3.0 * k + 40.0 } else { k + 8.0 }.min(n);
        kept * (n / kept).ln() * OFFER + (k + 8.0) * self.dim * DEFINITION
    }

    fn preparing(&self, form: Form, points: &Dense) -> f64 {
        let column = match (points.rows(), form) {
            (DenseValues::U8(_) | DenseValues::I8(_), _) => 0.5,
            (_, Form::Angular { .. }) => 10.0,
            _ => 1.5,
        };
        self.dim * column
    }

    fn trees(&self, plan: &Plan) -> f64 {
        let insert = self.speed.insert + plan.width as f64 / 4.0;
        let pairs = LEAF_PAIRS * plan.leaf_size as f64;
        self.trees_grown(plan) * (pairs * (insert + self.distance) + self.pivots())
    }

    fn trees_grown(&self, plan: &Plan) -> f64 {
        plan.n_trees as f64 * (self.dim / EASY_COLUMNS).clamp(0.3, 1.0)
    }

    /// What a row takes while a tree grows.
    fn pivots(&self) -> f64 {
        PIVOTS * (PIVOT + self.distance)
    }

    fn rounds(&self, plan: &Plan) -> f64 {
        ROUND_ROW + pairs_in_rounds(self.dim, plan) * (CANDIDATE + self.distance.max(LINE * self.lines))
    }

    fn finishing(&self, plan: &Plan) -> f64 {
        plan.width as f64 * (20.0 + DEFINITION * self.dim)
    }
}

/// A custom distance, whose cost is unknown: more than that of a hundred columns.
const CUSTOM: f64 = 100.0;

/// One distance between rows scattered in memory, of rows that are not dense.
fn per_distance(rows: Rows) -> f64 {
    match rows {
        Rows::Dense(points, _) => points.dim() as f64,
        Rows::Sparse(rows) => rows.cost(),
        Rows::Sets(sets) => sets.cost(),
        Rows::Items(_) => CUSTOM,
    }
}
