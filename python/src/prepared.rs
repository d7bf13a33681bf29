//! Indexes as they are built: of rows, or of a graph of them.

use nndescent::{BuildReport, KnnGraph};

use crate::build::Wide;
use crate::errors::Raised;
use crate::items::Items;
use crate::metric::Kind;
use crate::options::{BuildOptions, IndexSettings};
use crate::rows::{Values, View};
use crate::run::Watch;

/// What an index is built of.
pub enum Prepared {
    Named(nndescent::Index),
    Custom(nndescent::Index, Items),
}

/// A graph and an index of it.
pub fn built(
    rows: View<'_>,
    kind: &Kind,
    options: &BuildOptions,
    settings: &IndexSettings,
    start: Option<nndescent::InitGraph<'_>>,
    watch: &Watch,
) -> Result<(Prepared, KnnGraph, BuildReport), Raised> {
    let index_options = settings.options()?;
    let builder = |metric| -> Result<_, Raised> {
        Ok(options.builder(metric, start, |progress| watch.note(progress))?.index_options(index_options))
    };
    match kind {
        Kind::Custom(callable) => {
            let items = Items::new(rows, callable)?;
            let built = builder(nndescent::Metric::Custom)?.index(&items.points()?)?;
            Ok((Prepared::Custom(built.index, items), built.graph, built.report))
        }
        Kind::Named(metric) if let Values::F64(values) = rows.values => {
            let wide = Wide::new(values, rows, metric)?;
            let mut built = builder(metric.clone())?.index(&wide.points()?)?;
            if let Some(center) = wide.center.columns() {
                built.index.set_center(center)?;
            }
            Ok((Prepared::Named(built.index), built.graph, built.report))
        }
        Kind::Named(metric) => {
            let built = builder(metric.clone())?.index(&rows.points()?)?;
            Ok((Prepared::Named(built.index), built.graph, built.report))
        }
    }
}

/// The index of a graph.
pub fn prepared(
    rows: View<'_>,
    kind: &Kind,
    settings: &IndexSettings,
    graph: &KnnGraph,
    watch: &Watch,
) -> Result<Prepared, Raised> {
    let options = settings.options()?;
    let note = |progress: &nndescent::Progress| watch.note(progress);
    match kind {
        Kind::Custom(callable) => {
            let items = Items::new(rows, callable)?;
            let index = options.index_with_progress(&items.points()?, &nndescent::Metric::Custom, graph, note)?;
            Ok(Prepared::Custom(index, items))
        }
        Kind::Named(metric) => {
            Ok(Prepared::Named(options.index_with_progress(&rows.points()?, metric, graph, note)?))
        }
    }
}
