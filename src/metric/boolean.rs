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
    /// The distance of two sets of `x` and `y` of `dim` columns that have `both` in common.
    ///
    /// Definitions: scipy.spatial.distance; kulsinski, russellrao and yule as PyNNDescent has them, 0 between equal sets.
    #[inline(always)]
    pub(crate) fn distance(self, both: u32, x: u32, y: u32, dim: u32) -> f32 {
        // Counts are below 2^24 in all but the widest data, where the quotient of rounded ones is as near.
        let (x_only, y_only) = (x - both, y - both);
        let one = x_only + y_only;
        let (tt, one_only, all) = (both as f32, one as f32, dim as f32);
        match self {
            Self::Differing => one_only,
            Self::Matching => one_only / all,
            _ if one == 0 => 0.0,
            Self::Jaccard => one_only / (tt + one_only),
            Self::Dice => one_only / (2.0 * tt + one_only),
            Self::Kulsinski => (one_only - tt + all) / (one_only + all),
            Self::RogersTanimoto => 2.0 * one_only / (all + one_only),
            Self::RussellRao => (all - tt) / all,
            Self::SokalSneath => one_only / (0.5 * tt + one_only),
            Self::Yule => {
                let half = x_only as f32 * y_only as f32;
                if half == 0.0 { 0.0 } else { 2.0 * half / (tt * (dim - both - one) as f32 + half) }
            }
        }
    }
}
