//! What the user asks of an index, and the checked plan that comes of it.

use std::fmt;
use std::str::FromStr;

use half::f16;
use rayon::prelude::*;

use crate::dataset::Dataset;
use crate::graph::KnnGraph;
use crate::metric::Metric;
use crate::params::ParseChoiceError;
use crate::points::{Dense, DenseValues, Points};
use crate::rows::dense::codes;

use super::query::out_of_range;
use super::{Index, IndexError};

/// What a search finds its way by. Results are always ranked by the points as they were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Quantization {
    /// u8 codes where they tell near points apart, else the values.
    #[default]
    Auto,
    /// The values.
    None,
    /// A copy in f16: half the memory traffic of f32.
    F16,
    /// A copy as u8 codes, where the metric is a matter of dot products and rows have 48 to 32,768 columns: a quarter of the
    /// traffic, and integer arithmetic.
    U8,
}

impl FromStr for Quantization {
    type Err = ParseChoiceError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name.to_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::None),
            "f16" => Ok(Self::F16),
            "u8" => Ok(Self::U8),
            _ => Err(ParseChoiceError::Quantization(name.into())),
        }
    }
}

impl fmt::Display for Quantization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::None => "none",
            Self::F16 => "f16",
            Self::U8 => "u8",
        })
    }
}

/// How a row's neighbours are diversified.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum DiversifyMethod {
    /// A neighbour is dropped if a nearer one leads to it.
    #[default]
    Standard,
    /// Edges to rows that very many others point to are dropped more readily.
    DegreeAware {
        /// 1: a path up to 4 % longer replaces an edge to a row of twice the largest degree. PyNNDescent's
        /// `degree_prune_aggressiveness`.
        aggressiveness: f32,
    },
}

/// How an index is made of a neighbour graph. Every setting has a default.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepare {
    diversify_prob: f32,
    pruning_degree_multiplier: f32,
    method: DiversifyMethod,
    quantization: Quantization,
    seed: u64,
}

impl Default for Prepare {
    fn default() -> Self {
        Self {
            diversify_prob: 1.0,
            pruning_degree_multiplier: 1.5,
            method: DiversifyMethod::default(),
            quantization: Quantization::default(),
            seed: 0,
        }
    }
}

impl Prepare {
    /// All defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Probability that an edge is dropped where a nearer neighbour leads to its end, 0 to 1. Default 1. Less makes searches
    /// slower and more exact.
    #[must_use]
    pub fn diversify_prob(mut self, probability: f32) -> Self {
        self.diversify_prob = probability;
        self
    }

    /// Most edges of a row, as a multiple of the graph's neighbours. Default 1.5.
    #[must_use]
    pub fn pruning_degree_multiplier(mut self, multiplier: f32) -> Self {
        self.pruning_degree_multiplier = multiplier;
        self
    }

    /// How edges are chosen. Default [`DiversifyMethod::Standard`].
    #[must_use]
    pub fn diversify_method(mut self, method: DiversifyMethod) -> Self {
        self.method = method;
        self
    }

    /// What a search finds its way by. Default [`Quantization::Auto`].
    #[must_use]
    pub fn quantization(mut self, quantization: Quantization) -> Self {
        self.quantization = quantization;
        self
    }

    /// Seed of all randomness. Default 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The index over `graph`, which must be a graph of `points`: by whatever means it was found.
    ///
    /// # Errors
    /// A setting out of range, a graph of other points, items that cannot be kept.
    ///
    /// # Complexity
    /// About 100 distances a point.
    pub fn index(&self, points: &Points, metric: &Metric, graph: &KnnGraph) -> Result<Index, IndexError> {
        crate::dataset::init_graph::check_init_graph(&graph.into(), points.n())?;
        let plan = self.plan(graph.k(), points, metric)?;
        Index::prepare(points, metric, graph, &plan)
    }

    /// The settings, checked.
    fn plan(&self, k: usize, points: &Points, metric: &Metric) -> Result<PreparePlan, IndexError> {
        if !(0.0..=1.0).contains(&self.diversify_prob) {
            return Err(out_of_range("diversify_prob", self.diversify_prob, "0 to 1"));
        }
        if !(self.pruning_degree_multiplier > 0.0 && self.pruning_degree_multiplier <= 100.0) {
            return Err(out_of_range(
                "pruning_degree_multiplier",
                self.pruning_degree_multiplier,
                "above 0, at most 100",
            ));
        }
        if self.quantization == Quantization::U8 && !has_codes(points, metric)? {
            return Err(IndexError::Quantization { metric: metric.to_string(), dim: points.dim() });
        }
        if self.quantization == Quantization::F16
            && let Some(DenseValues::F32(values)) = points.as_dense().map(Dense::rows)
            && let Some(largest) = values.par_iter().copied().reduce_with(|a, b| if a.abs() > b.abs() { a } else { b })
            && largest.abs() > f32::from(f16::MAX)
        {
            return Err(out_of_range("quantization", largest, "none, u8 or auto where values are beyond 65504"));
        }
        let max_degree = ((k as f32 * self.pruning_degree_multiplier).round() as usize).max(2);
        if let DiversifyMethod::DegreeAware { aggressiveness } = self.method
            && !(0.0..=100.0).contains(&aggressiveness)
        {
            return Err(out_of_range("aggressiveness", aggressiveness, "0 to 100"));
        }
        Ok(PreparePlan {
            diversify_prob: self.diversify_prob,
            method: self.method,
            seed: self.seed,
            max_degree,
            quantization: self.quantization,
        })
    }
}

/// Whether rows can be kept as codes.
fn has_codes(points: &Points, metric: &Metric) -> Result<bool, IndexError> {
    let prepared = Dataset::new(points, metric)?;
    let dense = prepared.problem().dense();
    Ok(dense.is_some_and(|(dense, direct)| codes::suits(&dense, direct.form())))
}

/// How much nearer than the row a kept neighbour must be to one that is dropped, in reduced distance: DiskANN's alpha, squared
/// for euclidean. docs/PERFORMANCE.md, "Search graph".
pub(super) const SLACK: f32 = 1.15;

/// The settings of [`Prepare`], checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PreparePlan {
    pub diversify_prob: f32,
    pub method: DiversifyMethod,
    pub seed: u64,
    pub max_degree: usize,
    pub quantization: Quantization,
}
