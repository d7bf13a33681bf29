//! How a metric is searched: on which rows, under which kernel.

use std::f32::consts::PI;

use super::transform::Transform;
use super::{KernelMetric, Metric, SetMetric};
use crate::points::{DenseValues, Points, PointsKind};

/// The way to the neighbours under a metric.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Route {
    /// Rows as they are given.
    Direct(KernelMetric),
    /// Rows transformed; the kernel's order is the metric's, but for rounding.
    Same(Transform, KernelMetric),
    /// Rows transformed; the kernel's order is near the metric's: more neighbours are kept, and ranked anew.
    Proxy(Transform, KernelMetric),
    /// Rows as sets of their columns that are not zero.
    Sets(SetMetric),
    /// Rows as sets of bits.
    Bits(SetMetric),
    /// As items say.
    Custom,
}

impl Metric {
    /// How it is searched.
    pub(crate) fn route(&self) -> Route {
        match self {
            Self::Euclidean => Route::Direct(KernelMetric::Euclidean),
            Self::SqEuclidean => Route::Direct(KernelMetric::SqEuclidean),
            Self::Cosine => Route::Direct(KernelMetric::Cosine),
            Self::Dot => Route::Direct(KernelMetric::Dot),
            Self::InnerProduct => Route::Direct(KernelMetric::InnerProduct),
            Self::Manhattan => Route::Direct(KernelMetric::Manhattan),
            Self::Chebyshev => Route::Direct(KernelMetric::Chebyshev),
            Self::Minkowski { p } => Route::Direct(minkowski(*p)),
            Self::Hamming => Route::Direct(KernelMetric::Hamming),
            Self::Correlation => Route::Direct(KernelMetric::Correlation),
            Self::Canberra => Route::Direct(KernelMetric::Canberra),
            Self::BrayCurtis => Route::Direct(KernelMetric::BrayCurtis),
            Self::TsSs => Route::Direct(KernelMetric::TsSs),
            Self::StandardizedEuclidean { variances } => {
                let scale = |v: &f32| 1.0 / f64::from(*v).sqrt();
                Route::Same(Transform::Scale(variances.iter().map(scale).collect()), KernelMetric::Euclidean)
            }
            Self::WeightedMinkowski { weights, p } => {
                let scale = |w: &f32| f64::from(*w).powf(1.0 / f64::from(*p));
                Route::Same(Transform::Scale(weights.iter().map(scale).collect()), minkowski(*p))
            }
            Self::Mahalanobis { inverse_covariance } => {
                Route::Same(Transform::Factor(inverse_covariance.clone()), KernelMetric::Euclidean)
            }
            Self::Spearman => Route::Same(Transform::Ranks, KernelMetric::Correlation),
            Self::Haversine => Route::Same(Transform::Sphere, KernelMetric::Euclidean),
            Self::TrueAngular => Route::Same(Transform::None, KernelMetric::Cosine),
            Self::Hellinger => Route::Same(Transform::SquareRoots, KernelMetric::Cosine),
            Self::Wasserstein1d { p } => Route::Same(Transform::Cumulative { centered: false }, minkowski(*p)),
            Self::CircularKantorovich { p } => Route::Proxy(Transform::Cumulative { centered: true }, minkowski(*p)),
            Self::JensenShannon | Self::SymmetricKl => Route::Proxy(Transform::SquareRoots, KernelMetric::Cosine),
            Self::Kantorovich { cost } | Self::Sinkhorn { cost, .. } => {
                Route::Proxy(Transform::Trees(cost.clone()), KernelMetric::Manhattan)
            }
            Self::Jaccard => Route::Sets(SetMetric::Jaccard),
            Self::Matching => Route::Sets(SetMetric::Matching),
            Self::Dice => Route::Sets(SetMetric::Dice),
            Self::Kulsinski => Route::Sets(SetMetric::Kulsinski),
            Self::RogersTanimoto | Self::SokalMichener => Route::Sets(SetMetric::RogersTanimoto),
            Self::RussellRao => Route::Sets(SetMetric::RussellRao),
            Self::SokalSneath => Route::Sets(SetMetric::SokalSneath),
            Self::Yule => Route::Sets(SetMetric::Yule),
            Self::BitHamming => Route::Bits(SetMetric::Differing),
            Self::BitJaccard => Route::Bits(SetMetric::Jaccard),
            Self::Custom => Route::Custom,
        }
    }

    /// Whether searches go by another distance near it.
    pub(crate) fn is_proxied(&self) -> bool {
        matches!(self.route(), Route::Proxy(..))
    }

    /// The points as the metric takes them: rows of u8 are packed bits to those of bits.
    pub(crate) fn points_as_taken<'a>(&self, points: &Points<'a>) -> Points<'a> {
        let PointsKind::Dense(dense) = points.kind() else { return *points };
        match (self.route(), dense.rows()) {
            (Route::Bits(_), DenseValues::U8(bytes)) => {
                Points::bits(bytes, dense.n(), 8 * dense.dim()).expect("whole bytes leave no bits over")
            }
            _ => *points,
        }
    }

    /// The metric of sets that it is on bits, if it is one.
    pub(crate) fn boolean(&self) -> Option<SetMetric> {
        match self.route() {
            Route::Sets(boolean) | Route::Bits(boolean) => Some(boolean),
            Route::Direct(KernelMetric::Hamming) => Some(SetMetric::Matching),
            _ => None,
        }
    }

    /// Whether `points` are compared as rows of bits.
    pub(crate) fn compares_bits(&self, points: &Points) -> bool {
        match points.kind() {
            PointsKind::Bits(_) => true,
            PointsKind::Dense(_) => matches!(self.route(), Route::Sets(_) | Route::Bits(_)),
            _ => false,
        }
    }

    /// The metric's distance, where the order is the same, of the distance that the kernel finds between transformed rows.
    pub(crate) fn of_direct(&self, distance: f32) -> f32 {
        match self {
            Self::Haversine => 2.0 * (distance / 2.0).min(1.0).asin(),
            Self::TrueAngular => 2.0 * (distance.max(0.0) / 2.0).min(1.0).sqrt().asin() / PI,
            Self::Hellinger => distance.max(0.0).sqrt(),
            _ => distance,
        }
    }

    /// The reverse of [`Metric::of_direct`].
    pub(crate) fn to_direct(&self, distance: f32) -> f32 {
        match self {
            Self::Haversine => 2.0 * (distance.clamp(-PI, PI) / 2.0).sin(),
            Self::TrueAngular => 2.0 * (distance.clamp(-1.0, 1.0) * PI / 2.0).sin().powi(2).copysign(distance),
            Self::Hellinger => distance * distance.abs(),
            _ => distance,
        }
    }

    /// The kernel that computes it on rows as they are given, if there is one.
    pub(crate) fn direct(&self) -> Option<KernelMetric> {
        match self.route() {
            Route::Direct(direct) => Some(direct),
            _ => None,
        }
    }
}

/// The exponents that have kernels of their own.
fn minkowski(p: f32) -> KernelMetric {
    match p {
        1.0 => KernelMetric::Manhattan,
        2.0 => KernelMetric::Euclidean,
        p => KernelMetric::Minkowski { p },
    }
}

/// Whether a metric has distances between sparse rows.
pub(crate) fn takes_sparse(metric: &Metric) -> bool {
    match metric.route() {
        Route::Direct(_) | Route::Sets(_) => true,
        // A sphere and a factor leave no column empty.
        Route::Same(transform, _) | Route::Proxy(transform, _) => {
            !matches!(transform, Transform::Sphere | Transform::Factor(_))
        }
        Route::Bits(_) | Route::Custom => false,
    }
}
