//! Metrics of sets: functions of the numbers of columns in both, in one, and in neither.

use super::kernels::Real;

/// A metric of two sets of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetMetric {
    Jaccard,
    Matching,
    Dice,
    Kulsinski,
    RogersTanimoto,
    RussellRao,
    SokalSneath,
    Yule,
    /// Number of columns that differ.
    Differing,
}

impl SetMetric {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 9] = [
        Self::Jaccard,
        Self::Matching,
        Self::Dice,
        Self::Kulsinski,
        Self::RogersTanimoto,
        Self::RussellRao,
        Self::SokalSneath,
        Self::Yule,
        Self::Differing,
    ];

    /// The distance of two sets of `x` and `y` of `dim` columns that have `both` in common.
    #[inline(always)]
    pub(crate) fn distance(self, both: u32, x: u32, y: u32, dim: u32) -> f32 {
        // Counts are exact below 2^24; in wider data the quotient of rounded counts is as near.
        let (numerator, denominator) = self.fraction(both as f32, x as f32, y as f32, dim as f32);
        numerator / denominator
    }

    /// The distance as a fraction with a positive denominator. It never grows with `both`.
    ///
    /// Definitions: scipy.spatial.distance; kulsinski, russellrao and yule as PyNNDescent has them, 0 between equal
    /// sets.
    #[inline(always)]
    pub(crate) fn fraction<T: Real>(self, both: T, x: T, y: T, dim: T) -> (T, T) {
        let [zero, half, one, two] = [0.0, 0.5, 1.0, 2.0].map(T::from);
        let (x_only, y_only) = (x - both, y - both);
        let differ = x_only + y_only;
        let (numerator, denominator) = match self {
            Self::Differing => (differ, one),
            Self::Matching => (differ, dim),
            Self::Jaccard => (differ, both + differ),
            Self::Dice => (differ, two * both + differ),
            Self::Kulsinski => (differ - both + dim, differ + dim),
            Self::RogersTanimoto => (two * differ, dim + differ),
            Self::RussellRao => (dim - both, dim),
            Self::SokalSneath => (differ, half * both + differ),
            Self::Yule => (two * x_only * y_only, both * (dim - both - differ) + x_only * y_only),
        };
        // Equal sets; under yule, sets of which one contains the other.
        let is_zero = if matches!(self, Self::Yule) { numerator == zero } else { differ == zero };
        (if is_zero { zero } else { numerator }, if is_zero { one } else { denominator })
    }

    /// [`SetMetric::distance`] of sets that differ, in WGSL: of `both`, `x_only`, `y_only`, their sum `one`, their
    /// product `half`, and `DIM`.
    #[cfg(feature = "gpu")]
    pub(crate) fn wgsl(self) -> &'static str {
        match self {
            Self::Differing => "one",
            Self::Matching => "one / DIM",
            Self::Jaccard => "one / (both + one)",
            Self::Dice => "one / (2.0 * both + one)",
            Self::Kulsinski => "(one - both + DIM) / (one + DIM)",
            Self::RogersTanimoto => "2.0 * one / (DIM + one)",
            Self::RussellRao => "(DIM - both) / DIM",
            Self::SokalSneath => "one / (0.5 * both + one)",
            Self::Yule => "select(2.0 * half / (both * (DIM - both - one) + half), 0.0, half == 0.0)",
        }
    }

    /// Whether [`SetMetric::least_in_common`] is a bound.
    pub(crate) fn has_least(self) -> bool {
        self != Self::Yule
    }

    /// Overlap that two sets need to be within `worst` of each other, or a little less for rounding:
    /// [`SetMetric::fraction`] solved for `both`. Equal sets may be nearer than it says:
    /// [`SetMetric::equal_are_nearer`]. No bound under yule, which is not linear.
    #[inline(always)]
    pub(crate) fn least_in_common(self, worst: f32, dim: f32) -> Least {
        let w = worst;
        let (slope, base) = match self {
            _ if w.is_infinite() => (0.0, f32::NEG_INFINITY),
            Self::Differing => (0.5, -0.5 * w),
            Self::Matching => (0.5, -0.5 * w * dim),
            Self::Jaccard => ((1.0 - w) / (2.0 - w), 0.0),
            Self::Dice => (0.5 * (1.0 - w), 0.0),
            Self::Kulsinski => ((1.0 - w) / (3.0 - 2.0 * w), dim * (1.0 - w) / (3.0 - 2.0 * w)),
            Self::RogersTanimoto => (0.5, -0.5 * w * dim / (2.0 - w)),
            Self::RussellRao => (0.0, dim * (1.0 - w)),
            Self::SokalSneath => ((1.0 - w) / (2.0 - 1.5 * w), 0.0),
            Self::Yule => (0.0, f32::NEG_INFINITY),
        };
        // Slopes are off by a few units in the last place, and are multiplied by at most 2 dim.
        Least { slope, base: base - 0.001 - 8.0 * f32::EPSILON * dim }
    }

    /// Whether equal sets are at 0 but sets that differ in one column are not near 0.
    #[inline(always)]
    pub(crate) fn equal_are_nearer(self) -> bool {
        matches!(self, Self::Kulsinski | Self::RussellRao)
    }
}

/// An overlap of `slope * (x + y) + base` columns for sets of `x` and `y` columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Least {
    pub slope: f32,
    pub base: f32,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For all sets of up to nine columns: no pair within `worst` overlaps less, and few that are farther overlap as
    /// much.
    #[test]
    fn what_is_near_has_enough_in_common() {
        let dim = 9u32;
        let sizes = || (0..=dim).flat_map(|x| (0..=dim).map(move |y| (x, y)));
        for metric in SetMetric::ALL.into_iter().filter(|metric| metric.has_least()) {
            let pairs =
                sizes().flat_map(|(x, y)| ((x + y).saturating_sub(dim)..=x.min(y)).map(move |both| (both, x, y)));
            let pairs: Vec<(u32, u32, u32, f32)> =
                pairs.map(|(both, x, y)| (both, x, y, metric.distance(both, x, y, dim))).collect();
            for worst in pairs.iter().map(|pair| pair.3).chain([f32::INFINITY]) {
                let least = metric.least_in_common(worst, dim as f32);
                for &(both, x, y, d) in &pairs {
                    let is_equal = metric.equal_are_nearer() && 2 * both == x + y;
                    let enough = both as f32 >= least.slope * (x + y) as f32 + least.base || is_equal;
                    // Farther by more than rounding.
                    let wrong = if d <= worst { !enough } else { enough && d > worst * 1.001 + 0.001 };
                    assert!(!wrong, "{metric:?} {both} of {x} and {y} at {d}, worst {worst}: {least:?}");
                }
            }
        }
    }
}
