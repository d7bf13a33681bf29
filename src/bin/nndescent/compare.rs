//! `nndescent recall` and `nndescent info`.

use std::path::PathBuf;

use nndescent::io::{describe, read_graph};
use nndescent::recall as measure;

use crate::failure::Failure;

#[derive(clap::Args)]
pub struct RecallArguments {
    /// Graph found: .npz with `indices` and `distances`.
    found: PathBuf,
    /// Truth: the same, or an .ivecs file.
    truth: PathBuf,
    /// Neighbours to compare; those of the shorter rows unless given.
    #[arg(short)]
    k: Option<usize>,
}

/// By distance (ties are hits) where both files hold distances, else by id.
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
    /// File to look at.
    input: PathBuf,
}

pub fn info(arguments: &InfoArguments) -> Result<(), Failure> {
    for array in describe(&arguments.input)? {
        let shape: Vec<String> = array.shape.iter().map(ToString::to_string).collect();
        say!("{}{}{} {}", array.name, if array.name.is_empty() { "" } else { ": " }, shape.join(" x "), array.dtype);
    }
    Ok(())
}
