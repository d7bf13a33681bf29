//! Where each metric can be used: the table of docs/METRICS.md.

use std::fmt::Write as _;

use super::route::Route;
use super::transform::Transform;
use super::{Form, KernelMetric, Metric};

/// What a metric works on beside dense rows, and how it is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricSupport {
    /// Sparse rows.
    pub sparse: bool,
    /// Packed bits.
    pub bits: bool,
    /// Whether searches compare another, cheaper distance near it, and rerank what they find.
    pub proxy: bool,
    /// Whether trees split rows by angle rather than by distance.
    pub angular_trees: bool,
}

/// What can be added to points without changing a distance.
#[cfg(feature = "io")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shift {
    Nothing,
    /// A number for every column, the same in all rows.
    Columns,
    /// A number for every row.
    Rows,
}

impl Metric {
    /// What it works on, and how it is searched.
    #[must_use]
    pub fn support(&self) -> MetricSupport {
        let direct = match self.route() {
            Route::Direct(direct) | Route::Same(_, direct) | Route::Proxy(_, direct) => Some(direct),
            _ => None,
        };
        let is_angular = |direct: KernelMetric| matches!(direct.form(), Form::Angular { .. } | Form::Inner);
        MetricSupport {
            sparse: self.takes_sparse(),
            bits: self.as_sets().is_some(),
            proxy: self.is_proxied(),
            angular_trees: direct.is_some_and(is_angular),
        }
    }

    /// What can be added to all points without changing a distance.
    #[cfg(feature = "io")]
    pub(crate) fn shift(&self) -> Shift {
        match self {
            Self::Euclidean
            | Self::SqEuclidean
            | Self::Manhattan
            | Self::Chebyshev
            | Self::Minkowski { .. }
            | Self::StandardizedEuclidean { .. }
            | Self::WeightedMinkowski { .. }
            | Self::Mahalanobis { .. } => Shift::Columns,
            Self::Correlation => Shift::Rows,
            _ => Shift::Nothing,
        }
    }

    /// Whether it has distances between sparse rows.
    pub(crate) fn takes_sparse(&self) -> bool {
        match self.route() {
            Route::Direct(_) | Route::Sets(_) => true,
            // A sphere and a factor leave no column empty.
            Route::Same(transform, _) | Route::Proxy(transform, _) => {
                !matches!(transform, Transform::Sphere | Transform::Factor(_))
            }
            Route::Bits(_) | Route::Custom => false,
        }
    }

    /// A table of all metrics by name, in Markdown.
    #[doc(hidden)]
    #[must_use]
    pub fn table() -> String {
        let mut table = String::from(
            "| metric | other names | sparse rows | bits | searched by | trees split by |\n|---|---|---|---|---|---|\n",
        );
        for (names, metric) in Self::names().zip(Self::templates()) {
            let support = metric.support();
            let yes = |yes: bool| if yes { "yes" } else { "" };
            let by = if support.proxy { "a proxy" } else { "itself" };
            let trees = if support.angular_trees { "angle" } else { "distance" };
            let others: Vec<String> = names[1..].iter().map(|name| format!("`{name}`")).collect();
            let (others, sparse, bits) = (others.join(", "), yes(support.sparse), yes(support.bits));
            writeln!(table, "| `{}` | {others} | {sparse} | {bits} | {by} | {trees} |", names[0])
                .expect("strings can be written to");
        }
        table
    }
}
