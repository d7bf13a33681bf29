//! Where each metric can be used: the table of docs/METRICS.md.

use std::fmt::Write as _;

use super::route::{Route, takes_sparse};
use super::{Form, KernelMetric, Metric};

/// What a metric works on, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricSupport {
    /// Dense rows.
    pub dense: bool,
    /// Sparse rows.
    pub sparse: bool,
    /// Packed bits.
    pub bits: bool,
    /// Dense rows on a GPU.
    pub gpu: bool,
    /// Whether searches go by another, cheaper distance near it, and rank what they find anew.
    pub proxy: bool,
    /// Whether trees compare directions rather than places.
    pub angular_trees: bool,
}

impl Metric {
    /// Where it can be used.
    #[must_use]
    pub fn support(&self) -> MetricSupport {
        let direct = match self.route() {
            Route::Direct(direct) | Route::Same(_, direct) | Route::Proxy(_, direct) => Some(direct),
            _ => None,
        };
        let is_angular = |direct: KernelMetric| matches!(direct.form(), Form::Angular { .. } | Form::Inner);
        MetricSupport {
            dense: !matches!(self, Self::Custom),
            sparse: takes_sparse(self),
            bits: self.boolean().is_some(),
            gpu: !matches!(self, Self::Custom),
            proxy: self.is_proxied(),
            angular_trees: direct.is_some_and(is_angular),
        }
    }

    /// A table of all metrics by name, in Markdown.
    #[must_use]
    pub fn table() -> String {
        let mut table = String::from(
            "| metric | other names | dense | sparse | bits | CPU | GPU | searched by | trees |\n|---|---|---|---|---|---|---|---|---|\n",
        );
        for (names, metric) in Self::names().zip(Self::templates()) {
            let support = metric.support();
            let yes = |yes: bool| if yes { "yes" } else { "" };
            let by = if support.proxy { "a proxy" } else { "itself" };
            let trees = if support.angular_trees { "by angle" } else { "by distance" };
            let others: Vec<String> = names[1..].iter().map(|name| format!("`{name}`")).collect();
            writeln!(
                table,
                "| `{}` | {} | {} | {} | {} | yes | {} | {by} | {trees} |",
                names[0],
                others.join(", "),
                yes(support.dense),
                yes(support.sparse),
                yes(support.bits),
                yes(support.gpu),
            )
            .expect("strings can be written to");
        }
        table
    }
}
