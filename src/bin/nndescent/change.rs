//! `nndescent add` and `nndescent remove`.

use std::path::PathBuf;

use nndescent::{Index, io};
use serde_json::json;

use crate::failure::Failure;
use crate::input::{DataArguments, pool};

#[derive(clap::Args)]
pub struct AddArguments {
    /// Index made by `nndescent index`; it is replaced when the change is complete.
    index: PathBuf,
    /// Matrix of the points to add; they get the next ids.
    points: PathBuf,
    #[command(flatten)]
    data: DataArguments,
    /// Replace the points of these ids instead of adding new ones: .npy of integers.
    #[arg(long)]
    replace: Option<PathBuf>,
    /// Threads [default: all cores]. The index does not depend on it.
    #[arg(long)]
    threads: Option<usize>,
    /// Print one JSON object on stdout and nothing else.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub struct RemoveArguments {
    /// Index made by `nndescent index`; it is replaced when the change is complete.
    index: PathBuf,
    /// Ids of the points to remove: .npy of integers.
    ids: PathBuf,
    /// Threads [default: all cores]. The index does not depend on it.
    #[arg(long)]
    threads: Option<usize>,
    /// Print one JSON object on stdout and nothing else.
    #[arg(long)]
    json: bool,
}

pub fn add(arguments: &AddArguments) -> Result<(), Failure> {
    let pool = pool(arguments.threads)?;
    let matrix = pool.install(|| arguments.data.read(&arguments.points))?;
    let points = matrix.points().map_err(|e| Failure::points(&arguments.points, &e))?;
    let ids = arguments.replace.as_deref().map(io::read_ids).transpose()?;
    let index = pool.install(|| -> Result<Index, Failure> {
        Index::verify(&arguments.index)?;
        let mut index = Index::open(&arguments.index)?;
        match &ids {
            Some(ids) => index.update(ids, &points)?,
            None => index.add(&points).map(|_| ())?,
        }
        index.save(&arguments.index).map_err(|e| Failure::saving(&e))?;
        Ok(index)
    })?;
    say(&index, arguments.json);
    Ok(())
}

pub fn remove(arguments: &RemoveArguments) -> Result<(), Failure> {
    let pool = pool(arguments.threads)?;
    let ids = io::read_ids(&arguments.ids)?;
    let index = pool.install(|| -> Result<Index, Failure> {
        Index::verify(&arguments.index)?;
        let mut index = Index::open(&arguments.index)?;
        index.remove(&ids)?;
        index.save(&arguments.index).map_err(|e| Failure::saving(&e))?;
        Ok(index)
    })?;
    say(&index, arguments.json);
    Ok(())
}

fn say(index: &Index, as_json: bool) {
    let (n, edges) = (index.len(), index.n_edges());
    if as_json {
        say!("{}", json!({"n": n, "edges": edges, "end_id": index.id_bound()}));
    } else {
        say!("{n} points, {edges} edges");
    }
}
