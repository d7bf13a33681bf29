//! Optimal transport of one distribution onto another, exact and regularized.

mod simplex;

use super::distribution::masses;

/// Iterations of Sinkhorn and Knopp at most.
const MOST_ITERATIONS: usize = 10_000;
/// Total error of a plan's marginals at most.
const MARGINAL_TOLERANCE: f64 = 1e-9;
/// Logarithms beyond this are too coarse to iterate on; the regularization is then so small beside the costs that it
/// changes the result by less than an f32 can hold.
const LARGEST_LOGARITHM: f64 = 1e9;
/// Below this share of the largest cost, iterations that start at the exact transport are far fewer.
const SMALL_REGULARIZATION: f64 = 0.03;
/// Factors between this and its inverse are multiplied without overflow.
const LARGEST_FACTOR: f64 = 1e100;

/// Supplies, demands, and the cost of moving a unit from each supply to each demand, row by row.
struct Problem {
    supplies: Vec<f64>,
    demands: Vec<f64>,
    costs: Vec<f64>,
}

/// The bins with mass, ascending, and their masses, normalized to sum 1.
#[derive(PartialEq, PartialOrd)]
pub(super) struct Bins {
    columns: Vec<usize>,
    masses: Vec<f64>,
}

impl Bins {
    /// Of columns, ascending, and their values.
    pub(super) fn new(columns: impl Iterator<Item = usize>, values: &[f32]) -> Self {
        let filled = columns.zip(masses(values)).filter(|(_, mass)| *mass > 0.0);
        let (columns, masses) = filled.unzip();
        Self { columns, masses }
    }

    /// Of all columns of a row.
    pub(super) fn of_row(row: &[f32]) -> Self {
        Self::new(0..row.len(), row)
    }
}

/// Least Σ plan·cost over the plans that move `x` onto `y`, by the network simplex method.
pub(super) fn kantorovich(x: &Bins, y: &Bins, cost: &[f32]) -> f64 {
    between(x, y, cost, simplex::least_cost)
}

/// Σ plan·cost of the plan that minimizes Σ plan·cost + regularization·Σ plan ln plan (Cuturi, NeurIPS 2013): iterated
/// until the marginals agree to 1e-9, or 10,000 times, which may leave an error where regularization is below a
/// hundredth of the costs. PyNNDescent weighs the plan with costs of other bins.
pub(super) fn sinkhorn(x: &Bins, y: &Bins, cost: &[f32], regularization: f64) -> f64 {
    between(x, y, cost, |problem| {
        let g = first_logarithms(problem, regularization);
        if g.iter().any(|v| v.abs() > LARGEST_LOGARITHM) {
            return simplex::least_cost(problem);
        }
        Scaling::new(problem, regularization, g).balanced().cost()
    })
}

/// The start of the iterations.
fn first_logarithms(problem: &Problem, regularization: f64) -> Vec<f64> {
    let largest = problem.costs.iter().copied().fold(0.0, f64::max);
    if regularization < SMALL_REGULARIZATION * largest {
        simplex::scaling_of_demands(problem, regularization)
    } else {
        vec![0.0; problem.demands.len()]
    }
}

/// Solves the problem for the bins with mass. 0 between two zero rows; the largest cost between a zero row and another.
fn between(x: &Bins, y: &Bins, cost: &[f32], solve: impl Fn(&Problem) -> f64) -> f64 {
    // Solvers treat the sides differently: ordering the rows makes the result symmetric.
    let (x, y) = if x <= y { (x, y) } else { (y, x) };
    match (x.masses.is_empty(), y.masses.is_empty()) {
        (true, true) => 0.0,
        (false, false) => solve(&Problem::new(x, y, cost)),
        _ => f64::from(cost.iter().copied().fold(0.0, f32::max)),
    }
}

impl Problem {
    /// `cost` is a square of all bins.
    fn new(from: &Bins, to: &Bins, cost: &[f32]) -> Self {
        let dim = cost.len().isqrt();
        let row = |&i: &usize| &cost[i * dim..][..dim];
        let costs = from.columns.iter().map(row).flat_map(|row| to.columns.iter().map(|&j| f64::from(row[j])));
        Self { supplies: from.masses.clone(), demands: to.masses.clone(), costs: costs.collect() }
    }
}

/// A plan u K v with K = exp(f + g - cost / regularization): f and g take up u and v before these leave f64's range,
/// which keeps small regularization stable (Schmitzer, SIAM J. Sci. Comput. 2019).
struct Scaling<'a> {
    problem: &'a Problem,
    /// cost / regularization.
    costs: Vec<f64>,
    f: Vec<f64>,
    g: Vec<f64>,
    kernel: Vec<f64>,
    u: Vec<f64>,
    v: Vec<f64>,
}

impl<'a> Scaling<'a> {
    fn new(problem: &'a Problem, regularization: f64, g: Vec<f64>) -> Self {
        let (rows, columns) = (problem.supplies.len(), problem.demands.len());
        Self {
            problem,
            costs: problem.costs.iter().map(|cost| cost / regularization).collect(),
            f: vec![0.0; rows],
            g,
            kernel: vec![0.0; rows * columns],
            u: vec![1.0; rows],
            v: vec![1.0; columns],
        }
    }

    /// Iterated until the marginals agree.
    fn balanced(mut self) -> Self {
        let mut left = MOST_ITERATIONS;
        while left > 0 {
            self.step_logarithms();
            left -= 1;
            if self.iterate(&mut left) {
                break;
            }
            self.absorb();
        }
        self
    }

    /// An iteration on f and g, in logarithms, which cannot overflow; sets the kernel that belongs to them.
    fn step_logarithms(&mut self) {
        let (rows, columns) = (self.f.len(), self.g.len());
        for i in 0..rows {
            let exponents = (0..columns).map(|j| self.g[j] - self.costs[i * columns + j]);
            self.f[i] = self.problem.supplies[i].ln() - log_sum_exp(exponents);
        }
        for j in 0..columns {
            let exponents = (0..rows).map(|i| self.f[i] - self.costs[i * columns + j]);
            self.g[j] = self.problem.demands[j].ln() - log_sum_exp(exponents);
        }
        for (at, value) in self.kernel.iter_mut().enumerate() {
            *value = (self.f[at / columns] + self.g[at % columns] - self.costs[at]).exp();
        }
        self.u.fill(1.0);
        self.v.fill(1.0);
    }

    /// Iterates on u and v until the marginals agree (true), factors leave the range, or no iteration is `left`.
    fn iterate(&mut self, left: &mut usize) -> bool {
        loop {
            let sums = self.row_sums();
            let supplies = &self.problem.supplies;
            let off: f64 = (0..sums.len()).map(|i| (self.u[i] * sums[i] - supplies[i]).abs()).sum();
            if off <= MARGINAL_TOLERANCE {
                return true;
            }
            if *left == 0 {
                return false;
            }
            let u: Vec<f64> = supplies.iter().zip(sums).map(|(supply, sum)| supply / sum).collect();
            let sums = self.column_sums(&u);
            let v: Vec<f64> = self.problem.demands.iter().zip(sums).map(|(demand, sum)| demand / sum).collect();
            if !u.iter().chain(&v).all(|factor| (1.0 / LARGEST_FACTOR..LARGEST_FACTOR).contains(factor)) {
                return false;
            }
            (self.u, self.v) = (u, v);
            *left -= 1;
        }
    }

    /// K v.
    fn row_sums(&self) -> Vec<f64> {
        let dot = |row: &[f64]| row.iter().zip(&self.v).map(|(k, v)| k * v).sum();
        self.kernel.chunks_exact(self.v.len()).map(dot).collect()
    }

    /// Kᵀ u.
    fn column_sums(&self, u: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.v.len()];
        for (row, u) in self.kernel.chunks_exact(self.v.len()).zip(u) {
            sums.iter_mut().zip(row).for_each(|(sum, k)| *sum += k * u);
        }
        sums
    }

    /// Moves u and v into f and g.
    fn absorb(&mut self) {
        self.f.iter_mut().zip(&self.u).for_each(|(f, u)| *f += u.ln());
        self.g.iter_mut().zip(&self.v).for_each(|(g, v)| *g += v.ln());
    }

    /// Σ plan·cost.
    fn cost(&self) -> f64 {
        let columns = self.v.len();
        let plan = |at: usize| self.u[at / columns] * self.kernel[at] * self.v[at % columns];
        self.problem.costs.iter().enumerate().map(|(at, cost)| plan(at) * cost).sum()
    }
}

/// ln Σ exp.
fn log_sum_exp(exponents: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = exponents.clone().fold(f64::NEG_INFINITY, f64::max);
    largest + exponents.map(|v| (v - largest).exp()).sum::<f64>().ln()
}
