//! Distances: their names, their formulas, and the kernels that compute them.
//!
//! Search runs in a *reduced* distance, a cheaper number of the same order (squared for euclidean, say); true distances
//! are computed at the edge, by [`Metric::distance`]'s formula in f32.

pub(crate) mod body;
#[cfg_attr(not(test), expect(dead_code, reason = "not yet what builds use"))]
pub(crate) mod boolean;
mod oracle;
mod parse;
pub(crate) mod simd;

pub use parse::ParseMetricError;

pub(crate) use boolean::Boolean;

/// How far two rows are from each other. All are computed in f32, whatever the type of the data.
///
/// | name (aliases) | formula | range | zero rows |
/// |---|---|---|---|
/// | `euclidean` (`l2`) | sqrt(Σ (x-y)²) | [0, ∞) | |
/// | `sqeuclidean` | Σ (x-y)² | [0, ∞) | |
/// | `manhattan` (`l1`, `taxicab`, `cityblock`) | Σ \|x-y\| | [0, ∞) | |
/// | `chebyshev` (`linf`, `linfty`, `linfinity`) | max \|x-y\| | [0, ∞) | |
/// | `minkowski` (argument p) | (Σ \|x-y\|^p)^(1/p) | [0, ∞) | |
/// | `cosine` | 1 - x·y / (\|x\| \|y\|) | [0, 2] | 0 to another zero row, 1 to the rest |
/// | `correlation` | cosine of x - mean(x), y - mean(y) | [0, 2] | constant rows as zero rows in cosine |
/// | `dot` | 1 - x·y, for rows of length 1 | (-∞, ∞) | 1 |
/// | `inner_product` | -x·y | (-∞, ∞) | 0 |
/// | `hamming` | share of columns that differ | [0, 1] | |
/// | `canberra` | Σ \|x-y\| / (\|x\|+\|y\|), 0/0 = 0 | [0, dim] | |
/// | `braycurtis` | Σ \|x-y\| / Σ \|x+y\| | [0, ∞) | 0/0 = 0 |
///
/// Definitions follow scipy.spatial.distance where it has the name; `dot` and `inner_product` follow PyNNDescent, but keep
/// their order where x·y is negative (the reference clamps `dot` to 1).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Metric {
    /// sqrt(Σ (x-y)²).
    Euclidean,
    /// Σ (x-y)².
    SqEuclidean,
    /// 1 - cos(x, y), not clamped beyond 90 degrees.
    Cosine,
    /// 1 - x·y: cosine for rows already of length 1.
    Dot,
    /// -x·y: maximum inner product search.
    InnerProduct,
    /// Σ |x-y|.
    Manhattan,
    /// max |x-y|.
    Chebyshev,
    /// (Σ |x-y|^p)^(1/p).
    Minkowski {
        /// The exponent, finite and at least 1.
        p: f32,
    },
    /// Share of columns that differ.
    Hamming,
    /// Cosine of the rows less their means.
    Correlation,
    /// Σ |x-y| / (|x|+|y|).
    Canberra,
    /// Σ |x-y| / Σ |x+y|.
    BrayCurtis,
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
}

impl Coordinates {
    /// Whether a coordinate takes a library call rather than a few instructions.
    pub(crate) fn is_slow(self) -> bool {
        matches!(self, Self::Minkowski(_))
    }
}

impl Metric {
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

    /// The distance of two rows by its definition, in f64: slow, and what everything else is tested against.
    ///
    /// # Panics
    /// If the rows differ in length.
    #[must_use]
    pub fn distance(self, x: &[f32], y: &[f32]) -> f64 {
        assert_eq!(x.len(), y.len(), "rows of {} and {} columns", x.len(), y.len());
        oracle::distance(self, x, y)
    }
}
