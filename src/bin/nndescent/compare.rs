//! `nndescent recall`.

use std::path::{Path, PathBuf};

use nndescent::io::{describe, read_graph};
use nndescent::recall as measure;

use crate::failure::Failure;

#[derive(clap::Args)]
pub struct RecallArguments {
    /// Graph to judge: .npz with `indices` and `distances`.
    found: PathBuf,
    /// True graph: .npz or .ivecs.
    truth: PathBuf,
    /// Neighbours to compare [default: as many as both graphs have].
    #[arg(short)]
    k: Option<usize>,
}

/// Compares by distance, so that ties are hits, if both files hold distances; otherwise by id.
pub fn recall(arguments: &RecallArguments) -> Result<(), Failure> {
    let (found, truth) = (read_graph(&arguments.found)?, read_graph(&arguments.truth)?);
    let k = arguments.k.unwrap_or(found.k().min(truth.k()));
    let (by, value) = if has_distances(&arguments.found)? && has_distances(&arguments.truth)? {
        ("distance", measure::recall(&found, &truth, k))
    } else {
        ("id", measure::recall_by_id(&found, &truth, k))
    };
    say!("recall@{k} {:.6} (by {by}, {} rows)", value.map_err(|e| Failure::Argument(e.to_string()))?, found.n());
    Ok(())
}

/// Whether the file of a graph holds distances: `.ivecs` and some `.npz` hold ids alone.
fn has_distances(path: &Path) -> Result<bool, Failure> {
    Ok(describe(path)?.iter().any(|array| array.name == "distances"))
}
