//! Scores that compare the density around a point with that around its neighbours.

use crate::analysis::checked_graph::CheckedGraph;
use crate::analysis::error::AnalysisError;

/// Keeps densities of points that coincide with their neighbours finite; scikit-learn's.
const LEAST: f64 = 1e-10;

pub(super) fn mean(distances: &[f32]) -> f64 {
    distances.iter().copied().map(f64::from).sum::<f64>() / distances.len() as f64
}

/// The mean of `of` over the first `k` neighbours of row `i`.
fn mean_over(rows: &CheckedGraph, i: usize, k: usize, of: impl Fn(usize, f64) -> f64) -> f64 {
    let near = rows.neighbors(i).take(k);
    near.map(|near| of(near.id as usize, f64::from(near.distance))).sum::<f64>() / k as f64
}

/// Local outlier factors: distances of the k-th neighbours, and local reachability densities.
pub(super) struct Lof {
    k: usize,
    farthest: Vec<f64>,
    density: Vec<f64>,
}

impl Lof {
    pub(super) fn new(graph: &CheckedGraph, k: usize) -> Result<Self, AnalysisError> {
        graph.check_not_negative()?;
        let farthest = graph.map(|i| f64::from(graph.distances(i)[k - 1]));
        let mut lof = Self { k, farthest, density: Vec::new() };
        lof.density = graph.map(|i| lof.density_at(graph, i));
        Ok(lof)
    }

    fn density_at(&self, rows: &CheckedGraph, i: usize) -> f64 {
        1.0 / (mean_over(rows, i, self.k, |id, distance| distance.max(self.farthest[id])) + LEAST)
    }

    pub(super) fn of_rows(&self, rows: &CheckedGraph) -> Vec<f64> {
        rows.map(|i| mean_over(rows, i, self.k, |id, _| self.density[id]) / self.density_at(rows, i))
    }
}

/// The same of mean distances.
pub(super) struct SimplifiedLof {
    k: usize,
    density: Vec<f64>,
}

impl SimplifiedLof {
    pub(super) fn new(graph: &CheckedGraph, k: usize) -> Result<Self, AnalysisError> {
        graph.check_not_negative()?;
        let density = graph.map(|i| Self::density_at(graph, i, k));
        Ok(Self { k, density })
    }

    fn density_at(rows: &CheckedGraph, i: usize, k: usize) -> f64 {
        1.0 / (mean(&rows.distances(i)[..k]) + LEAST)
    }

    pub(super) fn of_rows(&self, rows: &CheckedGraph) -> Vec<f64> {
        rows.map(|i| mean_over(rows, i, self.k, |id, _| self.density[id]) / Self::density_at(rows, i, self.k))
    }
}

/// Local outlier probabilities: probabilistic distances (without `lambda`, which cancels in their ratios), and the
/// deviation of the ratios from 1 over the whole graph.
pub(super) struct Loop {
    k: usize,
    spread: Vec<f64>,
    /// Of the probabilistic local outlier factors, times `lambda`.
    deviation: f64,
}

impl Loop {
    pub(super) fn new(graph: &CheckedGraph, k: usize, lambda: f64) -> Result<Self, AnalysisError> {
        graph.check_not_negative()?;
        let spread = graph.map(|i| Self::spread_at(graph, i, k));
        let mut loops = Self { k, spread, deviation: 0.0 };
        // A point at infinite distance tells nothing of how far factors spread.
        let mut factors = graph.map(|i| loops.factor(graph, i));
        factors.retain(|factor| factor.is_finite());
        let square = factors.iter().map(|factor| factor * factor).sum::<f64>() / factors.len().max(1) as f64;
        loops.deviation = lambda * square.sqrt();
        Ok(loops)
    }

    /// The standard distance: the root of the mean squared distance.
    fn spread_at(rows: &CheckedGraph, i: usize, k: usize) -> f64 {
        mean_over(rows, i, k, |_, distance| distance * distance).sqrt()
    }

    /// How much farther a point's neighbours are than theirs, as a share: 0 where all is as dense.
    fn factor(&self, rows: &CheckedGraph, i: usize) -> f64 {
        let expected = mean_over(rows, i, self.k, |id, _| self.spread[id]);
        let spread = Self::spread_at(rows, i, self.k);
        if spread.is_infinite() { f64::INFINITY } else { (spread + LEAST) / (expected + LEAST) - 1.0 }
    }

    pub(super) fn of_rows(&self, rows: &CheckedGraph) -> Vec<f64> {
        let probability = |factor: f64| match self.deviation > 0.0 {
            _ if factor.is_infinite() => 1.0,
            true => libm::erf(factor / (self.deviation * std::f64::consts::SQRT_2)).max(0.0),
            false => 0.0,
        };
        rows.map(|i| probability(self.factor(rows, i)))
    }
}
