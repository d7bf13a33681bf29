//! `nndescent recall` and `nndescent info`.

use std::path::PathBuf;

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
    let known = |g: &nndescent::KnnGraph| g.all_distances().iter().any(|d| *d != 0.0);
    let (by, value) = if known(&found) && known(&truth) {
        ("distance", measure::recall(&found, &truth, k))
    } else {
        ("id", measure::recall_by_id(&found, &truth, k))
    };
    say!("recall@{k} {:.6} (by {by}, {} rows)", value.map_err(|e| Failure::Argument(e.to_string()))?, found.n());
    Ok(())
}

#[derive(clap::Args)]
pub struct InfoArguments {
    /// File to describe.
    input: PathBuf,
}

pub fn info(arguments: &InfoArguments) -> Result<(), Failure> {
    for array in describe(&arguments.input)? {
        let shape: Vec<String> = array.shape.iter().map(ToString::to_string).collect();
        say!("{}{}{} {}", array.name, if array.name.is_empty() { "" } else { ": " }, shape.join(" x "), array.dtype);
    }
    Ok(())
}
