//! How a metric is searched: on which rows, under which kernel.

use std::f32::consts::PI;

use super::transform::Transform;
use super::{Boolean, Direct, Metric};
use crate::points::{Points, Rows};

/// The way to the neighbours under a metric.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Route {
    /// Rows as they are given.
    Direct(Direct),
    /// Rows transformed; the kernel's order is the metric's, but for rounding.
    Same(Transform, Direct),
    /// Rows transformed; the kernel's order is near the metric's: more neighbours are kept, and ranked anew.
    Proxy(Transform, Direct),
    /// Rows as sets of their columns that are not zero.
    Sets(Boolean),
    /// Rows as sets of bits.
    Bits(Boolean),
    /// As items say.
    Custom,
}

impl Metric {
    /// How it is searched.
    pub(crate) fn route(&self) -> Route {
        match self {
            Self::Euclidean => Route::Direct(Direct::Euclidean),
            Self::SqEuclidean => Route::Direct(Direct::SqEuclidean),
            Self::Cosine => Route::Direct(Direct::Cosine),
            Self::Dot => Route::Direct(Direct::Dot),
            Self::InnerProduct => Route::Direct(Direct::InnerProduct),
            Self::Manhattan => Route::Direct(Direct::Manhattan),
            Self::Chebyshev => Route::Direct(Direct::Chebyshev),
            Self::Minkowski { p } => Route::Direct(minkowski(*p)),
            Self::Hamming => Route::Direct(Direct::Hamming),
            Self::Correlation => Route::Direct(Direct::Correlation),
            Self::Canberra => Route::Direct(Direct::Canberra),
            Self::BrayCurtis => Route::Direct(Direct::BrayCurtis),
            Self::TsSs => Route::Direct(Direct::TsSs),
            Self::StandardizedEuclidean { variances } => {
                let scale = |v: &f32| 1.0 / f64::from(*v).sqrt();
                Route::Same(Transform::Scale(variances.iter().map(scale).collect()), Direct::Euclidean)
            }
            Self::WeightedMinkowski { weights, p } => {
                let scale = |w: &f32| f64::from(*w).powf(1.0 / f64::from(*p));
                Route::Same(Transform::Scale(weights.iter().map(scale).collect()), minkowski(*p))
            }
            Self::Mahalanobis { inverse_covariance } => {
                Route::Same(Transform::Factor(inverse_covariance.clone()), Direct::Euclidean)
            }
            Self::Spearman => Route::Same(Transform::Ranks, Direct::Correlation),
            Self::Haversine => Route::Same(Transform::Sphere, Direct::Euclidean),
            Self::TrueAngular => Route::Same(Transform::None, Direct::Cosine),
            Self::Hellinger => Route::Same(Transform::SquareRoots, Direct::Cosine),
            Self::Wasserstein1d { p } => Route::Same(Transform::Cumulative { centered: false }, minkowski(*p)),
            Self::CircularKantorovich { p } => Route::Proxy(Transform::Cumulative { centered: true }, minkowski(*p)),
            Self::JensenShannon | Self::SymmetricKl => Route::Proxy(Transform::SquareRoots, Direct::Cosine),
            Self::Kantorovich { cost } | Self::Sinkhorn { cost, .. } => {
                Route::Proxy(Transform::Trees(cost.clone()), Direct::Manhattan)
            }
            Self::Jaccard => Route::Sets(Boolean::Jaccard),
            Self::Matching => Route::Sets(Boolean::Matching),
            Self::Dice => Route::Sets(Boolean::Dice),
            Self::Kulsinski => Route::Sets(Boolean::Kulsinski),
            Self::RogersTanimoto | Self::SokalMichener => Route::Sets(Boolean::RogersTanimoto),
            Self::RussellRao => Route::Sets(Boolean::RussellRao),
            Self::SokalSneath => Route::Sets(Boolean::SokalSneath),
            Self::Yule => Route::Sets(Boolean::Yule),
            Self::BitHamming => Route::Bits(Boolean::Differing),
            Self::BitJaccard => Route::Bits(Boolean::Jaccard),
            Self::Custom => Route::Custom,
        }
    }

    /// Whether searches go by another distance near it.
    pub(crate) fn is_proxied(&self) -> bool {
        matches!(self.route(), Route::Proxy(..))
    }

    /// The points as the metric takes them: rows of u8 are packed bits to those of bits.
    pub(crate) fn points_as_taken<'a>(&self, points: &Points<'a>) -> Points<'a> {
        let Points::Dense(dense) = points else { return *points };
        match (self.route(), dense.rows()) {
            (Route::Bits(_), Rows::U8(bytes)) => {
                Points::bits(bytes, dense.n(), 8 * dense.dim()).expect("whole bytes leave no bits over")
            }
            _ => *points,
        }
    }

    /// The metric of sets that it is on bits, if it is one.
    pub(crate) fn boolean(&self) -> Option<Boolean> {
        match self.route() {
            Route::Sets(boolean) | Route::Bits(boolean) => Some(boolean),
            Route::Direct(Direct::Hamming) => Some(Boolean::Matching),
            _ => None,
        }
    }

    /// Whether `points` are compared as rows of bits.
    pub(crate) fn compares_bits(&self, points: &Points) -> bool {
        match points {
            Points::Bits(_) => true,
            Points::Dense(_) => matches!(self.route(), Route::Sets(_) | Route::Bits(_)),
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
    pub(crate) fn direct(&self) -> Option<Direct> {
        match self.route() {
            Route::Direct(direct) => Some(direct),
            _ => None,
        }
    }
}

/// The exponents that have kernels of their own.
fn minkowski(p: f32) -> Direct {
    match p {
        1.0 => Direct::Manhattan,
        2.0 => Direct::Euclidean,
        p => Direct::Minkowski { p },
    }
}
