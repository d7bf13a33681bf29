//! Metrics with kernels of their own: those whose distances are computed on rows as they stand.

use super::Metric;

/// A metric with a kernel. Others search rows that are transformed, under one of these: [`super::route`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum KernelMetric {
    Euclidean,
    SqEuclidean,
    Cosine,
    Dot,
    InnerProduct,
    Manhattan,
    Chebyshev,
    Minkowski { p: f32 },
    Hamming,
    Correlation,
    Canberra,
    BrayCurtis,
    TsSs,
}

/// The computation behind a metric; several metrics share one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Form {
    /// Σ (x-y)².
    L2,
    /// 1 - x·y over rows brought to length 1, after subtracting their means if `centered`.
    Angular { centered: bool },
    /// -x·y.
    Inner,
    /// A sum or maximum over coordinates without a dot-product form.
    Coordinates(Coordinates),
}

/// The coordinate-wise bodies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Coordinates {
    Manhattan,
    Chebyshev,
    Minkowski(f32),
    Hamming,
    Canberra,
    BrayCurtis,
    TsSs,
}

impl Coordinates {
    /// Whether a coordinate takes some fifty instructions rather than a few.
    pub(crate) fn is_slow(self) -> bool {
        matches!(self, Self::Minkowski(p) if p.fract() != 0.0)
    }
}

impl KernelMetric {
    pub(crate) fn form(self) -> Form {
        match self {
            Self::Euclidean | Self::SqEuclidean => Form::L2,
            Self::Cosine => Form::Angular { centered: false },
            Self::Correlation => Form::Angular { centered: true },
            Self::Dot | Self::InnerProduct => Form::Inner,
            Self::Manhattan => Form::Coordinates(Coordinates::Manhattan),
            Self::Chebyshev => Form::Coordinates(Coordinates::Chebyshev),
            Self::Minkowski { p } => Form::Coordinates(Coordinates::Minkowski(p)),
            Self::Hamming => Form::Coordinates(Coordinates::Hamming),
            Self::Canberra => Form::Coordinates(Coordinates::Canberra),
            Self::BrayCurtis => Form::Coordinates(Coordinates::BrayCurtis),
            Self::TsSs => Form::Coordinates(Coordinates::TsSs),
        }
    }

    /// The true distance of a reduced one, for rows of `dim` columns.
    pub(crate) fn to_true(self, reduced: f32, dim: usize) -> f32 {
        match self {
            Self::Euclidean => reduced.sqrt(),
            Self::Minkowski { p } => reduced.powf(1.0 / p),
            Self::Dot => 1.0 + reduced,
            Self::Hamming => reduced / dim as f32,
            _ => reduced,
        }
    }

    /// The reduced distance of a true one, for rows of `dim` columns.
    pub(crate) fn to_reduced(self, distance: f32, dim: usize) -> f32 {
        match self {
            // Distances below zero, which there are none of, stay below zero.
            Self::Euclidean => distance * distance.abs(),
            Self::Minkowski { p } => distance.abs().powf(p).copysign(distance),
            Self::Dot => distance - 1.0,
            Self::Hamming => distance * dim as f32,
            _ => distance,
        }
    }
}

impl From<KernelMetric> for Metric {
    fn from(direct: KernelMetric) -> Self {
        match direct {
            KernelMetric::Euclidean => Self::Euclidean,
            KernelMetric::SqEuclidean => Self::SqEuclidean,
            KernelMetric::Cosine => Self::Cosine,
            KernelMetric::Dot => Self::Dot,
            KernelMetric::InnerProduct => Self::InnerProduct,
            KernelMetric::Manhattan => Self::Manhattan,
            KernelMetric::Chebyshev => Self::Chebyshev,
            KernelMetric::Minkowski { p } => Self::Minkowski { p },
            KernelMetric::Hamming => Self::Hamming,
            KernelMetric::Correlation => Self::Correlation,
            KernelMetric::Canberra => Self::Canberra,
            KernelMetric::BrayCurtis => Self::BrayCurtis,
            KernelMetric::TsSs => Self::TsSs,
        }
    }
}
