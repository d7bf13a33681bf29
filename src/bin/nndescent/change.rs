//! `nndescent add` and `nndescent remove`.

use std::path::{Path, PathBuf};

use nndescent::{Index, io};
use serde_json::json;

use crate::failure::Failure;
use crate::input::{DataArguments, Use};
use crate::interrupt;
use crate::output;
use crate::threads::pool;

#[derive(clap::Args)]
pub struct AddArguments {
    /// Index made by `nndescent index`; it is replaced when the change is complete.
    index: PathBuf,
    /// Matrix of the points to add; they get the next ids.
    points: PathBuf,
    #[command(flatten)]
    data: DataArguments,
    /// Replace these points instead of adding new ones: .npy of their ids, or of bool with an entry for every id.
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
    /// The points to remove: .npy of their ids, or of bool with an entry for every id.
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
    let index = pool.install(|| {
        change(&arguments.index, |index| {
            let data = arguments.data.read(&arguments.points, Use::Add(index))?;
            let points = data.points().map_err(|e| Failure::points(&arguments.points, &e))?;
            match &arguments.replace {
                Some(ids) => index.update(&io::read_selection(ids, index.id_bound())?, &points)?,
                None => index.add(&points).map(|_| ())?,
            }
            Ok(())
        })
    })?;
    say(&index, arguments.json);
    Ok(())
}

pub fn remove(arguments: &RemoveArguments) -> Result<(), Failure> {
    let pool = pool(arguments.threads)?;
    let index = pool.install(|| {
        change(&arguments.index, |index| {
            index.remove(&io::read_selection(&arguments.ids, index.id_bound())?)?;
            Ok(())
        })
    })?;
    say(&index, arguments.json);
    Ok(())
}

/// Opens, changes and saves an index, while nobody else does.
fn change(path: &Path, change: impl FnOnce(&mut Index) -> Result<(), Failure>) -> Result<Index, Failure> {
    interrupt::clean(output::folder(path));
    let lock = Index::lock(path)?;
    Index::verify(path)?;
    let mut index = Index::open(path)?;
    change(&mut index)?;
    lock.save(&index).map_err(|e| Failure::saving(&e))?;
    Ok(index)
}

fn say(index: &Index, as_json: bool) {
    let (n, edges) = (index.len(), index.n_edges());
    if as_json {
        say!("{}", json!({"n": n, "edges": edges, "end_id": index.id_bound()}));
    } else {
        say!("{n} points, {edges} edges");
    }
}
