//! The weights that UMAP lays out a graph by.

use super::checked_graph::CheckedGraph;
use super::error::{AnalysisError, check_parameter};
use crate::graph::CsrGraph;

/// How near the sum of a row's weights comes to its target, and after how many halvings the search ends.
const TOLERANCE: f32 = 1e-5;
const HALVINGS: usize = 64;
/// The least scale of a row, as a share of its mean distance.
const LEAST_SCALE: f32 = 1e-3;

/// The fuzzy simplicial set of a graph (McInnes, Healy and Melville 2018): the weight of an edge is 1 for the nearest
/// neighbour of a row and falls exponentially with the distance beyond it, at a scale that makes the weights of every
/// row add up to the same; both directions of an edge are then made one.
///
/// The weights are those of umap-learn's `fuzzy_simplicial_set` for `n_neighbors = k + 1`: it counts a row as its own
/// first neighbour.
///
/// ```
/// use nndescent::analysis::{CheckedGraph, FuzzySet};
/// use nndescent::{Metric, Points, exact};
///
/// let graph = exact::graph(&Points::dense(&[0.0f32, 1.0, 3.0, 4.5], 4, 1)?, &Metric::Euclidean, 2, false)?;
/// let weights = FuzzySet::default().weights(&CheckedGraph::new(&graph)?)?;
/// assert_eq!(weights.row(0).next(), Some((1, 1.0)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FuzzySet {
    local_connectivity: f32,
    bandwidth: f32,
    set_op_mix_ratio: f32,
}

impl Default for FuzzySet {
    fn default() -> Self {
        Self { local_connectivity: 1.0, bandwidth: 1.0, set_op_mix_ratio: 1.0 }
    }
}

impl FuzzySet {
    /// So many of the nearest neighbours, other than copies, have weight 1: 0 and more; between whole numbers, the
    /// distance up to which they do is interpolated [default: 1].
    #[must_use]
    pub fn local_connectivity(self, local_connectivity: f32) -> Self {
        Self { local_connectivity, ..self }
    }

    /// The weights of a row add up to `log2(k + 1)` times this: above 0 [default: 1].
    #[must_use]
    pub fn bandwidth(self, bandwidth: f32) -> Self {
        Self { bandwidth, ..self }
    }

    /// How both directions of an edge are made one, from 1 for the fuzzy union (`a + b - a·b`) to 0 for the
    /// intersection (`a·b`), which keeps edges that both rows have [default: 1].
    #[must_use]
    pub fn set_op_mix_ratio(self, ratio: f32) -> Self {
        Self { set_op_mix_ratio: ratio, ..self }
    }

    /// The weight of every edge, above 0 and up to 1: a symmetric `n x n` matrix. Edges of weight zero are left out,
    /// and so are neighbours at infinite distance.
    ///
    /// # Errors
    /// A parameter out of range, a distance below zero, a graph of queries.
    ///
    /// # Complexity
    /// O(n · k), 64 times at most.
    pub fn weights(&self, graph: &CheckedGraph) -> Result<CsrGraph, AnalysisError> {
        let (connectivity, bandwidth, mix) = (self.local_connectivity, self.bandwidth, self.set_op_mix_ratio);
        check_parameter("local_connectivity", connectivity, connectivity >= 0.0, "0 and more")?;
        check_parameter("bandwidth", bandwidth, bandwidth > 0.0, "above 0")?;
        check_parameter("set_op_mix_ratio", mix, (0.0..=1.0).contains(&mix), "0 to 1")?;
        graph.check_not_negative()?;
        graph.check_among_themselves()?;
        let target = (graph.k() as f32 + 1.0).log2() * bandwidth;
        let mean = mean(graph);
        let directed = CsrGraph::of_rows(graph.map(|i| {
            let distances = finite(graph.distances(i));
            let scale = Scale::of(distances, target, connectivity, mean);
            let edges = graph.ids(i).iter().zip(distances).map(|(&id, &distance)| (id, scale.weight(distance)));
            edges.filter(|edge| edge.1 > 0.0).collect()
        }));
        Ok(directed.combined(|one, other| {
            let (one, other) = (one.unwrap_or(0.0), other.unwrap_or(0.0));
            let both = one * other;
            Some(mix * (one + other - both) + (1.0 - mix) * both).filter(|&weight| weight > 0.0)
        }))
    }
}

fn finite(distances: &[f32]) -> &[f32] {
    &distances[..distances.partition_point(|distance| distance.is_finite())]
}

/// The mean of all finite distances, those of rows from themselves included.
fn mean(graph: &CheckedGraph) -> f32 {
    let sums = graph.map(|i| {
        let distances = finite(graph.distances(i));
        (distances.iter().copied().map(f64::from).sum::<f64>(), distances.len() + 1)
    });
    let (sum, count) = sums.into_iter().fold((0.0, 0), |all, row| (all.0 + row.0, all.1 + row.1));
    (sum / f64::from(count as u32).max(1.0)) as f32
}

/// How the weights of a row fall.
struct Scale {
    /// Distance up to which they are 1.
    near: f32,
    /// Distance beyond that at which they are 1/e.
    width: f32,
}

impl Scale {
    fn of(distances: &[f32], target: f32, connectivity: f32, mean_of_all: f32) -> Self {
        let near = nearest(distances, connectivity);
        let sum = |width: f32| -> f32 {
            let weight = |&distance: &f32| if distance > near { (-((distance - near) / width)).exp() } else { 1.0 };
            distances.iter().map(weight).sum()
        };
        let (mut low, mut high, mut width) = (0.0, f32::MAX, 1.0f32);
        for _ in 0..HALVINGS {
            let sum = sum(width);
            if (sum - target).abs() < TOLERANCE {
                break;
            }
            if sum > target {
                high = width;
                width = f32::midpoint(low, high);
            } else {
                low = width;
                width = if high == f32::MAX { width * 2.0 } else { f32::midpoint(low, high) };
            }
        }
        let mean = distances.iter().sum::<f32>() / (distances.len() + 1) as f32;
        Self { near, width: width.max(LEAST_SCALE * if near > 0.0 { mean } else { mean_of_all }) }
    }

    fn weight(&self, distance: f32) -> f32 {
        if distance <= self.near || self.width == 0.0 {
            return 1.0;
        }
        (-((distance - self.near) / self.width)).exp()
    }
}

/// The distance of the `connectivity`-th neighbour that is no copy, interpolated; of the farthest if there are fewer.
fn nearest(distances: &[f32], connectivity: f32) -> f32 {
    let others = &distances[distances.partition_point(|&distance| distance <= 0.0)..];
    let Some(&last) = others.last() else { return 0.0 };
    if (others.len() as f32) < connectivity {
        return last;
    }
    let (whole, part) = (connectivity.floor() as usize, connectivity.fract());
    let before = if whole == 0 { 0.0 } else { others[whole - 1] };
    before + part * (others.get(whole).unwrap_or(&last) - before)
}
