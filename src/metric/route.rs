//! How a metric is searched: on which rows, under which kernel.

use std::f64::consts::PI;

use super::transform::Transform;
use super::{Form, KernelMetric, Metric, SetMetric};
use crate::points::{DenseValues, Points, PointsKind};

/// How neighbours under a metric are searched.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Route {
    /// Rows as they are given.
    Direct(KernelMetric),
    /// Transformed rows, in the metric's order up to rounding.
    Same(Transform, KernelMetric),
    /// Transformed rows, in an order near the metric's: more neighbours are kept, and reranked.
    Proxy(Transform, KernelMetric),
    /// Rows as sets of their non-zero columns.
    Sets(SetMetric),
    /// Rows as sets of bits.
    Bits(SetMetric),
    /// By the distance that comes with the items.
    Custom,
}

impl Metric {
    /// The kernel that dense rows are searched under, transformed or not; none of sets and custom items.
    pub(crate) fn kernel(&self) -> Option<KernelMetric> {
        match self.route() {
            Route::Direct(kernel) | Route::Same(_, kernel) | Route::Proxy(_, kernel) => Some(kernel),
            Route::Sets(_) | Route::Bits(_) | Route::Custom => None,
        }
    }

    /// Whether searches compare another distance near it.
    pub(crate) fn is_proxied(&self) -> bool {
        matches!(self.route(), Route::Proxy(..))
    }

    /// The points as the metric takes them: under metrics of bits, rows of u8 are packed bits.
    pub(crate) fn points_as_taken<'a>(&self, points: &Points<'a>) -> Points<'a> {
        let PointsKind::Dense(dense) = points.kind() else { return *points };
        match (self.route(), dense.rows()) {
            (Route::Bits(_), DenseValues::U8(bytes)) => {
                Points::bits(bytes, dense.n(), 8 * dense.dim()).expect("whole bytes leave no bits over")
            }
            _ => *points,
        }
    }

    /// The metric of sets that it is on rows of bits, if it works on them.
    pub(crate) fn as_sets(&self) -> Option<SetMetric> {
        match self.route() {
            Route::Sets(sets) | Route::Bits(sets) => Some(sets),
            Route::Direct(KernelMetric::HAMMING) => Some(SetMetric::Matching),
            _ => None,
        }
    }

    /// Whether every row is at distance 0 of itself: not under products, and not under an entropic transport.
    pub(crate) fn is_zero_to_self(&self) -> bool {
        !matches!(self, Self::Dot | Self::InnerProduct | Self::Sinkhorn { .. })
    }

    /// Whether rows count as sets of their non-zero columns, whatever their kind.
    pub(crate) fn is_of_sets(&self) -> bool {
        matches!(self.route(), Route::Sets(_) | Route::Bits(_))
    }

    /// Whether `points` are compared as rows of bits.
    pub(crate) fn compares_bits(&self, points: &Points) -> bool {
        match points.kind() {
            PointsKind::Bits(_) => true,
            PointsKind::Dense(_) => self.is_of_sets(),
            _ => false,
        }
    }

    /// The metric's distance from the kernel's true distance between transformed rows, where the order is the same.
    pub(crate) fn of_direct(&self, distance: f64) -> f64 {
        match self {
            Self::Haversine => 2.0 * (distance / 2.0).min(1.0).asin(),
            Self::TrueAngular => 2.0 * (distance.max(0.0) / 2.0).min(1.0).sqrt().asin() / PI,
            Self::Hellinger => distance.max(0.0).sqrt(),
            _ => distance,
        }
    }

    /// The reverse of [`Metric::of_direct`].
    pub(crate) fn to_direct(&self, distance: f64) -> f64 {
        match self {
            Self::Haversine => 2.0 * (distance.clamp(-PI, PI) / 2.0).sin(),
            Self::TrueAngular => 2.0 * (distance.clamp(-1.0, 1.0) * PI / 2.0).sin().powi(2).copysign(distance),
            Self::Hellinger => distance * distance.abs(),
            _ => distance,
        }
    }

    /// The kernel that computes it on untransformed rows, if there is one.
    pub(crate) fn direct(&self) -> Option<KernelMetric> {
        match self.route() {
            Route::Direct(direct) => Some(direct),
            _ => None,
        }
    }
}

/// Every column multiplied by a function of its parameter.
pub(super) fn scaled(parameters: &[f32], scale: impl Fn(f64) -> f64) -> Transform {
    Transform::Scale(parameters.iter().map(|&v| scale(v.into())).collect())
}

/// The largest exponent whose powers f32 holds.
const MOST_POWER: f32 = 16.0;

/// Minkowski's distance with exponent `p` of transformed rows. Beyond the largest exponent it is nearly Chebyshev's.
pub(super) fn minkowski(p: f32, transform: Transform) -> Route {
    match transform {
        transform if p > MOST_POWER => Route::Proxy(transform, KernelMetric::reduced(Form::Chebyshev)),
        Transform::None => Route::Direct(KernelMetric::minkowski(p)),
        transform => Route::Same(transform, KernelMetric::minkowski(p)),
    }
}
