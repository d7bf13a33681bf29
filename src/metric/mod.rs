//! Distances: their names, their definitions, and the kernels that compute them.
//!
//! Search runs in a *reduced* distance, a cheaper number of the same order (squared for euclidean, say); true distances
//! are computed at the edge. Metrics without a kernel of their own are searched on transformed rows under one that has:
//! see [`route`].

pub(crate) mod body;
pub(crate) mod boolean;
mod check;
pub(crate) mod definition;
pub(crate) mod direct;
mod parse;
pub(crate) mod route;
pub(crate) mod simd;
mod support;
pub(crate) mod transform;
mod transport_trees;

use std::sync::Arc;

pub use parse::{Argument, ParseMetricError};
pub use support::MetricSupport;

pub(crate) use boolean::Boolean;
pub(crate) use direct::{Coordinates, Direct, Form};

/// How far two rows are from each other. All are computed from f32 values, whatever the type of the data.
///
/// docs/METRICS.md shows for each where it can be used, what rows without length give, and where the definition differs
/// from PyNNDescent's. Definitions follow scipy.spatial.distance where it has the name, else `pynndescent.distances`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Metric {
    /// sqrt(Σ (x-y)²), 0 to ∞.
    Euclidean,
    /// Σ (x-y)², 0 to ∞.
    SqEuclidean,
    /// 1 - x·y / (|x| |y|), 0 to 2: not clamped beyond 90 degrees. 0 between two zero rows, 1 between one and another row.
    Cosine,
    /// 1 - x·y: cosine for rows already of length 1. Any value otherwise.
    Dot,
    /// -x·y: maximum inner product search. Any value.
    InnerProduct,
    /// Σ |x-y|, 0 to ∞.
    Manhattan,
    /// max |x-y|, 0 to ∞.
    Chebyshev,
    /// (Σ |x-y|^p)^(1/p), 0 to ∞.
    Minkowski {
        /// The exponent, finite and at least 1.
        p: f32,
    },
    /// Share of columns that differ, 0 to 1.
    Hamming,
    /// Cosine of the rows less their means, 0 to 2; constant rows are as zero rows in cosine.
    Correlation,
    /// Σ |x-y| / (|x|+|y|), 0 to the number of columns; 0/0 is 0.
    Canberra,
    /// Σ |x-y| / Σ |x+y|, 0 to ∞; 0/0 is 0.
    BrayCurtis,
    /// sqrt(Σ (x-y)² / v), 0 to ∞.
    StandardizedEuclidean {
        /// One variance a column, finite and above 0.
        variances: Arc<[f32]>,
    },
    /// (Σ w |x-y|^p)^(1/p), 0 to ∞.
    WeightedMinkowski {
        /// One weight a column, finite and at least 0.
        weights: Arc<[f32]>,
        /// The exponent, finite and at least 1.
        p: f32,
    },
    /// sqrt((x-y)ᵀ V⁻¹ (x-y)), 0 to ∞.
    Mahalanobis {
        /// V⁻¹, columns x columns: symmetric and positive definite.
        inverse_covariance: Arc<[f32]>,
    },
    /// Correlation of the ranks of the columns within each row, ties sharing their mean rank, 0 to 2.
    Spearman,
    /// Great-circle distance in radians of (latitude, longitude) in radians, 0 to π. Two columns.
    Haversine,
    /// Triangle area times sector area of two vectors (Heidarian and Dinneen, BigDataService 2016), with PyNNDescent's 10
    /// degrees beside the angle; any value: below 0 beyond 170 degrees. A zero row is at right angles to others.
    TsSs,
    /// The angle between two rows as a share of 180 degrees, 0 to 1. Zero rows as in cosine: 0 to each other, 1/2 to the rest.
    TrueAngular,
    /// sqrt(1 - Σ sqrt(x y) / sqrt(Σx Σy)), 0 to 1: rows are distributions up to a factor. 0 between two zero rows, 1
    /// between one and another row.
    Hellinger,
    /// Least cost of moving one distribution onto the other: the optimal transport, found exactly. Searched by a proxy.
    Kantorovich {
        /// Cost of moving a unit from bin to bin, columns x columns: symmetric, finite, at least 0, and 0 on the diagonal.
        cost: Arc<[f32]>,
    },
    /// The cost of the transport that Sinkhorn's entropy regularization prefers (Cuturi, NIPS 2013), in at most 10,000 rounds:
    /// below 0.03 of the largest cost they begin at the exact transport, and the last digits hang on that. Searched by a proxy.
    Sinkhorn {
        /// As in [`Metric::Kantorovich`].
        cost: Arc<[f32]>,
        /// Strength of the regularization, above 0: PyNNDescent's 1.
        regularization: f32,
    },
    /// (Σ |F-G|^p)^(1/p) of cumulative distributions over ordered bins.
    Wasserstein1d {
        /// The exponent, finite and at least 1.
        p: f32,
    },
    /// As `Wasserstein1d` on a circle: the differences F-G less their median. Searched by a proxy.
    CircularKantorovich {
        /// The exponent, finite and at least 1.
        p: f32,
    },
    /// Half the divergence of each distribution from the mean of both, natural logarithm, 0 to ln 2. Searched by a proxy.
    JensenShannon,
    /// KL(p, q) + KL(q, p) of distributions smoothed by 1.2e-7 in every bin, 0 to ∞. Searched by a proxy.
    SymmetricKl,
    /// Sets of non-zero columns: 1 - |x∩y| / |x∪y|, 0 to 1; 0 between empty sets.
    Jaccard,
    /// Share of columns that are in one set only, 0 to 1.
    Matching,
    /// One only / (2 both + one only), 0 to 1.
    Dice,
    /// (one only - both + columns) / (one only + columns), 0 to 1; 0 between equal sets.
    Kulsinski,
    /// 2 one only / (columns + one only), 0 to 1.
    RogersTanimoto,
    /// As `RogersTanimoto`.
    SokalMichener,
    /// (columns - both) / columns, 0 to 1; 0 between equal sets.
    RussellRao,
    /// One only / (both / 2 + one only), 0 to 1; 0 between equal sets.
    SokalSneath,
    /// 2 x-only y-only / (both neither + x-only y-only), 0 to 2; 0 where one set contains the other.
    Yule,
    /// Number of bits that differ, 0 to the number of bits.
    BitHamming,
    /// 1 - |x∩y| / |x∪y| of sets of bits, 0 to 1; 0 between empty sets.
    BitJaccard,
    /// The distance that [`Points::items`](crate::Points::items) bring with them.
    Custom,
}

impl Metric {
    /// The distance of two rows by its definition, in f64: slow, and what everything else is tested against.
    ///
    /// The bits of `BitHamming` and `BitJaccard` are here those of whole numbers from 0 to 255.
    ///
    /// NaN for `Custom`, whose items bring their own.
    ///
    /// # Panics
    /// If the rows differ in length, or parameters of the metric are for rows of another length.
    #[must_use]
    pub fn distance(&self, x: &[f32], y: &[f32]) -> f64 {
        assert_eq!(x.len(), y.len(), "rows of {} and {} columns", x.len(), y.len());
        definition::distance(self, x, y)
    }
}
