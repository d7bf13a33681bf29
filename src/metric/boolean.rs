//! Metrics of sets: functions of how many columns are in both, in one, and in neither.

/// A metric of two sets of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Boolean {
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

impl Boolean {
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
    ///
    /// Definitions: scipy.spatial.distance; kulsinski, russellrao and yule as PyNNDescent has them, 0 between equal sets.
    #[inline(always)]
    pub(crate) fn distance(self, both: u32, x: u32, y: u32, dim: u32) -> f32 {
        // Counts are below 2^24 in all but the widest data, where the quotient of rounded ones is as near.
        let (numerator, denominator) = self.fraction(both as f32, x as f32, y as f32, dim as f32);
        numerator / denominator
    }

    /// The distance as a fraction of positive denominator. Where more is in common, it is no greater.
    #[inline(always)]
    pub(crate) fn fraction(self, both: f32, x: f32, y: f32, dim: f32) -> (f32, f32) {
        let (x_only, y_only) = (x - both, y - both);
        let one = x_only + y_only;
        let (numerator, denominator) = match self {
            Self::Differing => (one, 1.0),
            Self::Matching => (one, dim),
            Self::Jaccard => (one, both + one),
            Self::Dice => (one, 2.0 * both + one),
            Self::Kulsinski => (one - both + dim, one + dim),
            Self::RogersTanimoto => (2.0 * one, dim + one),
            Self::RussellRao => (dim - both, dim),
            Self::SokalSneath => (one, 0.5 * both + one),
            Self::Yule => (2.0 * x_only * y_only, both * (dim - both - one) + x_only * y_only),
        };
        // Equal sets, and under yule sets of which one holds the other.
        let is_zero = if matches!(self, Self::Yule) { numerator == 0.0 } else { one == 0.0 };
        (if is_zero { 0.0 } else { numerator }, if is_zero { 1.0 } else { denominator })
    }
}
