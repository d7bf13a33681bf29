//! Metrics: their names, their definitions, and the kernels that compute them.
//!
//! A search compares *reduced* distances: cheaper numbers of the same order, such as the square for euclidean. True
//! distances are computed at the end. Metrics without a kernel of their own are searched on transformed rows under one
//! that has ([`route`]).
//!
//! A metric is a variant of [`Metric`] and a row of the table below. Its kernel, if it has one of its own, is a file in
//! [`kernels`]; metrics of sets are in `sets.rs`.

mod argument;
mod check;
pub(crate) mod definition;
mod error;
mod kernel_metric;
pub(crate) mod kernels;
mod names;
pub(crate) mod route;
mod sets;
mod support;
pub(crate) mod transform;
mod transport_trees;

use std::sync::Arc;

pub use argument::MetricArgument;
pub use error::MetricError;
pub use support::MetricSupport;

#[cfg(feature = "io")]
pub(crate) use definition::of_pairs;
pub(crate) use kernel_metric::KernelMetric;
pub(crate) use kernels::Form;
pub(crate) use sets::SetMetric;
#[cfg(feature = "io")]
pub(crate) use support::Shift;

use argument::{COST, P, Parameter, REGULARIZATION, SIGMA, VINV, W};
use names::{Named, metrics};
use route::{Route, scaled};
use transform::Transform;

/// How far two rows are from each other. Distances are computed from f32 values, whatever the type of the data.
///
/// Every variant states its formula and range; the distances of zero rows; whose definition it follows (scipy is
/// `scipy.spatial.distance`, PyNNDescent is `pynndescent.distances`); the kinds of rows it works on; and whether trees
/// split rows by distance or by angle. All run on the CPU, and on a GPU for dense rows and bits. docs/METRICS.md says
/// how each is searched, and where it differs from PyNNDescent's.
///
/// ```
/// use nndescent::{Metric, NnDescent, Points};
///
/// let metric: Metric = "taxicab".parse()?;
/// assert_eq!(metric, Metric::Manhattan);
/// assert_eq!(metric.distance(&[0.0, 1.0], &[2.0, 4.0]), 5.0);
///
/// let values = [0.0f32, 0.0, 0.0, 1.0, 3.0, 0.0];
/// let built = NnDescent::new(metric).n_neighbors(1).graph(&Points::dense(&values, 3, 2)?)?;
/// assert_eq!(built.graph.ids(2), [0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Metric {
    /// sqrt(Σ (x-y)²), 0 to ∞. Zero rows: no special case. Source: scipy.
    ///
    /// Rows: dense, sparse. Trees: by distance.
    Euclidean,
    /// Σ (x-y)², 0 to ∞. Zero rows: no special case. Source: scipy.
    ///
    /// Rows: dense, sparse. Trees: by distance.
    SqEuclidean,
    /// 1 - x·y / (|x| |y|), 0 to 2: not clamped beyond 90 degrees. Zero rows: 0 to each other, 1 to others. Source:
    /// scipy.
    ///
    /// Rows: dense, sparse. Trees: by angle.
    Cosine,
    /// 1 - x·y, any value: cosine for rows of length 1. Zero rows: 1 to all rows. Source: PyNNDescent.
    ///
    /// Rows: dense, sparse. Trees: by angle.
    Dot,
    /// -x·y, any value: maximum inner product search. Zero rows: 0 to all rows. Source: PyNNDescent.
    ///
    /// Rows: dense, sparse. Trees: by angle.
    InnerProduct,
    /// Σ |x-y|, 0 to ∞. Zero rows: no special case. Source: scipy (`cityblock`).
    ///
    /// Rows: dense, sparse. Trees: by distance.
    Manhattan,
    /// max |x-y|, 0 to ∞. Zero rows: no special case. Source: scipy.
    ///
    /// Rows: dense, sparse. Trees: by distance.
    Chebyshev,
    /// (Σ |x-y|^p)^(1/p), 0 to ∞. For p above 16, whose powers f32 does not hold, neighbours are searched as
    /// `Chebyshev`'s and ranked by the definition. Zero rows: no special case. Source: scipy.
    ///
    /// Rows: dense, sparse. Trees: by distance.
    Minkowski {
        /// The exponent, finite and at least 1.
        p: f32,
    },
    /// Share of columns that differ, 0 to 1. Zero rows: no special case. Source: scipy.
    ///
    /// Rows: dense, sparse, bits. Trees: by distance.
    Hamming,
    /// Cosine distance of the rows minus their means, 0 to 2; constant rows count as zero rows. Zero rows: 0 to each
    /// other, 1 to others. Source: scipy.
    ///
    /// Rows: dense, sparse. Trees: by angle.
    Correlation,
    /// Σ |x-y| / (|x|+|y|), 0 to the number of columns; 0/0 is 0. Zero rows: 0 to each other, the number of
    /// non-zero columns to others. Source: scipy.
    ///
    /// Rows: dense, sparse. Trees: by distance.
    Canberra,
    /// Σ |x-y| / Σ |x+y|, 0 to ∞; 0/0 is 0. Zero rows: 0 to each other, 1 to others. Source: scipy.
    ///
    /// Rows: dense, sparse. Trees: by distance.
    BrayCurtis,
    /// sqrt(Σ (x-y)² / v), 0 to ∞. Zero rows: no special case. Source: scipy.
    ///
    /// Rows: dense, sparse. Trees: by distance.
    StandardizedEuclidean {
        /// One variance per column, finite and above 0.
        variances: Arc<[f32]>,
    },
    /// (Σ w |x-y|^p)^(1/p), 0 to ∞. Zero rows: no special case. Source: scipy (`minkowski` with `w`).
    ///
    /// Rows: dense, sparse. Trees: by distance.
    WeightedMinkowski {
        /// One weight per column, finite and at least 0.
        weights: Arc<[f32]>,
        /// The exponent, finite and at least 1.
        p: f32,
    },
    /// sqrt((x-y)ᵀ V⁻¹ (x-y)), 0 to ∞. Zero rows: no special case. Source: scipy.
    ///
    /// Rows: dense. Trees: by distance.
    Mahalanobis {
        /// V⁻¹, columns x columns: symmetric and positive definite.
        inverse_covariance: Arc<[f32]>,
    },
    /// Correlation of the ranks of the values within each row, ties having their mean rank, 0 to 2. Zero rows: 0 to
    /// each other, 1 to others. Source: PyNNDescent; 1 - `scipy.stats.spearmanr`.
    ///
    /// Rows: dense, sparse. Trees: by angle.
    Spearman,
    /// Great-circle distance in radians of (latitude, longitude) in radians, 0 to π. Two columns. Zero rows: no special
    /// case. Source: scikit-learn.
    ///
    /// Rows: dense. Trees: by distance.
    Haversine,
    /// Triangle area times sector area of two vectors, with PyNNDescent's 10 degrees added to the angle; below 0 for
    /// angles beyond 170 degrees. Zero rows: 0 to all rows. Source: Heidarian and Dinneen, BigDataService 2016.
    ///
    /// Rows: dense, sparse. Trees: by distance.
    TsSs,
    /// The angle between two rows as a share of 180 degrees, 0 to 1. Zero rows: 0 to each other, 0.5 to others. Source:
    /// PyNNDescent, but a distance.
    ///
    /// Rows: dense, sparse. Trees: by angle.
    TrueAngular,
    /// sqrt(1 - Σ sqrt(x y) / sqrt(Σx Σy)), 0 to 1: rows are distributions up to a factor. Zero rows: 0 to each other,
    /// 1 to others. Source: PyNNDescent.
    ///
    /// Rows: dense, sparse. Trees: by angle.
    Hellinger,
    /// Least cost of moving one distribution onto the other, 0 to the largest cost: exact optimal transport. Searched
    /// by a proxy. Zero rows: 0 to each other, the largest cost to others. Source: PyNNDescent.
    ///
    /// Rows: dense, sparse. Trees: by distance.
    Kantorovich {
        /// Cost of moving a unit from bin to bin, columns x columns: symmetric, finite, at least 0, and 0 on the
        /// diagonal.
        cost: Arc<[f32]>,
    },
    /// Cost of the transport plan under Sinkhorn's entropic regularization, 0 to the largest cost, after at most 10,000
    /// iterations. Where the regularization is below 0.03 of the largest cost, they start at the exact plan. Searched
    /// by a proxy. Zero rows: 0 to each other, the largest cost to others. Source: Cuturi, NIPS 2013.
    ///
    /// Rows: dense, sparse. Trees: by distance.
    Sinkhorn {
        /// Same as in [`Metric::Kantorovich`].
        cost: Arc<[f32]>,
        /// Strength of the regularization, above 0; 1 in PyNNDescent.
        regularization: f32,
    },
    /// (Σ |F-G|^p)^(1/p) of cumulative distributions over ordered bins, 0 to columns^(1/p). Zero rows: same as rows
    /// whose cumulative sums are 0. Source: PyNNDescent.
    ///
    /// Rows: dense, sparse. Trees: by distance.
    Wasserstein1d {
        /// The exponent, finite and at least 1.
        p: f32,
    },
    /// Same as `Wasserstein1d`, on a circle: the differences F-G minus their median, 0 to columns^(1/p). Searched by a
    /// proxy. Zero rows: same as rows whose cumulative sums are 0. Source: PyNNDescent, for p = 1.
    ///
    /// Rows: dense, sparse. Trees: by distance.
    CircularKantorovich {
        /// The exponent, finite and at least 1.
        p: f32,
    },
    /// Half the divergence of each distribution from the mean of both, natural logarithm, 0 to ln 2. Searched by a
    /// proxy. Zero rows: 0 to each other, half of ln 2 to others. Source: PyNNDescent; the square of scipy's
    /// `jensenshannon`.
    ///
    /// Rows: dense, sparse. Trees: by angle.
    JensenShannon,
    /// KL(p, q) + KL(q, p) of distributions smoothed by 1.2e-7 in every bin, 0 to 32. Searched by a proxy. Zero rows:
    /// same as the uniform distribution. Source: PyNNDescent.
    ///
    /// Rows: dense, sparse. Trees: by angle.
    SymmetricKl,
    /// Sets of non-zero columns: 1 - |x∩y| / |x∪y|, 0 to 1. Zero rows: 0 to each other, 1 to others. Source: scipy.
    ///
    /// Rows: dense, sparse, bits. Trees: by distance.
    Jaccard,
    /// Share of columns that are in one set only, 0 to 1. Zero rows: no special case. Source: PyNNDescent.
    ///
    /// Rows: dense, sparse, bits. Trees: by distance.
    Matching,
    /// One only / (2 both + one only), 0 to 1. Zero rows: 0 to each other, 1 to others. Source: scipy.
    ///
    /// Rows: dense, sparse, bits. Trees: by distance.
    Dice,
    /// (one only - both + columns) / (one only + columns), 0 to 1; 0 between equal sets. Zero rows: 0 to each other, 1
    /// to others. Source: PyNNDescent.
    ///
    /// Rows: dense, sparse, bits. Trees: by distance.
    Kulsinski,
    /// 2 one only / (columns + one only), 0 to 1. Zero rows: no special case. Source: scipy.
    ///
    /// Rows: dense, sparse, bits. Trees: by distance.
    RogersTanimoto,
    /// Same as `RogersTanimoto`. Zero rows: no special case. Source: PyNNDescent.
    ///
    /// Rows: dense, sparse, bits. Trees: by distance.
    SokalMichener,
    /// (columns - both) / columns, 0 to 1; 0 between equal sets. Zero rows: 0 to each other, 1 to others. Source:
    /// PyNNDescent.
    ///
    /// Rows: dense, sparse, bits. Trees: by distance.
    RussellRao,
    /// One only / (both / 2 + one only), 0 to 1; 0 between equal sets. Zero rows: 0 to each other, 1 to others. Source:
    /// scipy.
    ///
    /// Rows: dense, sparse, bits. Trees: by distance.
    SokalSneath,
    /// 2 x-only y-only / (both neither + x-only y-only), 0 to 2; 0 where one set contains the other. Zero rows: 0 to
    /// all rows. Source: PyNNDescent.
    ///
    /// Rows: dense, sparse, bits. Trees: by distance.
    Yule,
    /// Number of bits that differ, 0 to the number of bits. Zero rows: no special case. Source: PyNNDescent.
    ///
    /// Rows: dense, bits. Trees: by distance.
    BitHamming,
    /// 1 - |x∩y| / |x∪y| of sets of bits, 0 to 1. Zero rows: 0 to each other, 1 to others. Source: PyNNDescent, without
    /// its logarithm.
    ///
    /// Rows: dense, bits. Trees: by distance.
    BitJaccard,
    /// The distance that comes with [`Points::items`](crate::Points::items); on a GPU if it comes with WGSL.
    Custom,
}

metrics! {
    Euclidean {} = "euclidean" | "l2" => Route::Direct(KernelMetric::EUCLIDEAN),
    SqEuclidean {} = "sqeuclidean" => Route::Direct(KernelMetric::reduced(Form::L2)),
    Cosine {} = "cosine" | "direct_cosine" => Route::Direct(KernelMetric::COSINE),
    Dot {} = "dot" => Route::Direct(KernelMetric::DOT),
    InnerProduct {} = "inner_product" => Route::Direct(KernelMetric::reduced(Form::Inner)),
    Manhattan {} = "manhattan" | "l1" | "taxicab" | "cityblock" => Route::Direct(KernelMetric::MANHATTAN),
    Chebyshev {} = "chebyshev" | "linf" | "linfty" | "linfinity" =>
        Route::Direct(KernelMetric::reduced(Form::Chebyshev)),
    Minkowski { p: P } = "minkowski" => route::minkowski(*p, Transform::None),
    Hamming {} = "hamming" => Route::Direct(KernelMetric::HAMMING),
    Correlation {} = "correlation" => Route::Direct(KernelMetric::CORRELATION),
    Canberra {} = "canberra" => Route::Direct(KernelMetric::reduced(Form::Canberra)),
    BrayCurtis {} = "braycurtis" => Route::Direct(KernelMetric::reduced(Form::BrayCurtis)),
    StandardizedEuclidean { variances: SIGMA } = "seuclidean" | "standardised_euclidean" | "standardized_euclidean" =>
        Route::Same(scaled(variances, |v| 1.0 / v.sqrt()), KernelMetric::EUCLIDEAN),
    WeightedMinkowski { weights: W, p: P.or(2.0) } = "wminkowski" | "weighted_minkowski" =>
        route::minkowski(*p, scaled(weights, |w| w.powf(1.0 / f64::from(*p)))),
    Mahalanobis { inverse_covariance: VINV } = "mahalanobis" =>
        Route::Same(Transform::Factor(inverse_covariance.clone()), KernelMetric::EUCLIDEAN),
    Spearman {} = "spearmanr" => Route::Same(Transform::Ranks, KernelMetric::CORRELATION),
    Haversine {} = "haversine" => Route::Same(Transform::Sphere, KernelMetric::EUCLIDEAN),
    TsSs {} = "tsss" => Route::Direct(KernelMetric::reduced(Form::TsSs)),
    TrueAngular {} = "true_angular" => Route::Same(Transform::None, KernelMetric::COSINE),
    Hellinger {} = "hellinger" => Route::Same(Transform::SquareRoots, KernelMetric::COSINE),
    Kantorovich { cost: COST } = "kantorovich" | "wasserstein" =>
        Route::Proxy(Transform::Trees(cost.clone()), KernelMetric::MANHATTAN),
    Sinkhorn { cost: COST, regularization: REGULARIZATION.or(1.0) } = "sinkhorn" =>
        Route::Proxy(Transform::Trees(cost.clone()), KernelMetric::MANHATTAN),
    Wasserstein1d { p: P.or(1.0) } = "wasserstein_1d" | "wasserstein-1d" | "kantorovich_1d" | "kantorovich-1d" =>
        Route::Same(Transform::Cumulative { centered: false }, KernelMetric::minkowski(*p)),
    CircularKantorovich { p: P.or(1.0) } = "circular_kantorovich" | "circular_wasserstein" =>
        Route::Proxy(Transform::Cumulative { centered: true }, KernelMetric::minkowski(*p)),
    JensenShannon {} = "jensen_shannon" | "jensen-shannon" =>
        Route::Proxy(Transform::SquareRoots, KernelMetric::COSINE),
    SymmetricKl {} = "symmetric_kl" | "symmetric-kl" | "symmetric_kullback_liebler" =>
        Route::Proxy(Transform::SquareRoots, KernelMetric::COSINE),
    Jaccard {} = "jaccard" => Route::Sets(SetMetric::Jaccard),
    Matching {} = "matching" => Route::Sets(SetMetric::Matching),
    Dice {} = "dice" => Route::Sets(SetMetric::Dice),
    Kulsinski {} = "kulsinski" => Route::Sets(SetMetric::Kulsinski),
    RogersTanimoto {} = "rogerstanimoto" => Route::Sets(SetMetric::RogersTanimoto),
    SokalMichener {} = "sokalmichener" => Route::Sets(SetMetric::RogersTanimoto),
    RussellRao {} = "russellrao" => Route::Sets(SetMetric::RussellRao),
    SokalSneath {} = "sokalsneath" => Route::Sets(SetMetric::SokalSneath),
    Yule {} = "yule" => Route::Sets(SetMetric::Yule),
    BitHamming {} = "bit_hamming" => Route::Bits(SetMetric::Differing),
    BitJaccard {} = "bit_jaccard" => Route::Bits(SetMetric::Jaccard),
}

impl Metric {
    /// The distance between two rows by definition, in f64: slow, and the reference for everything else.
    ///
    /// `BitHamming` and `BitJaccard` take rows of whole numbers from 0 to 255, eight bits each. `Custom`, whose
    /// distance comes with its items, gives NaN.
    ///
    /// # Panics
    /// If the rows differ in length, or the metric's arguments are for rows of another length.
    #[must_use]
    pub fn distance(&self, x: &[f32], y: &[f32]) -> f64 {
        assert_eq!(x.len(), y.len(), "rows of {} and {} columns", x.len(), y.len());
        definition::distance(self, x, y)
    }
}
