//! `nndescent info`: what a file holds.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use nndescent::io::{ArrayInfo, describe, is_csr_file, read_sparse};
use nndescent::Index;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::graph::extend;
use crate::stdin::Input;

#[derive(clap::Args)]
pub struct Arguments {
    /// File to describe: a matrix, a graph or an index.
    input: PathBuf,
    /// Print one JSON object on stdout and nothing else.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let input = Input::of(&arguments.input)?;
    let description = of_file(&input.path).map_err(|failure| input.named(failure))?;
    if arguments.json {
        say!("{description}");
        return Ok(());
    }
    match description["arrays"].as_array() {
        Some(arrays) if description["kind"] == "arrays" => arrays.iter().for_each(say_array),
        _ => say_fields(&description),
    }
    Ok(())
}

fn of_file(path: &Path) -> Result<Value, Failure> {
    if begins_as_index(path) {
        return index(path);
    }
    if is_csr_file(path) {
        let sparse = read_sparse(path)?;
        let rows = sparse.matrix.view();
        let dtype = sparse.narrowed_from.unwrap_or("float32");
        return Ok(json!({"kind": "sparse", "n": rows.n(), "dim": rows.dim(), "entries": rows.nnz(), "dtype": dtype}));
    }
    let arrays = describe(path)?;
    let listed = json!({"arrays": arrays.iter().map(array).collect::<Vec<Value>>()});
    let mut description = match arrays.iter().find(|a| a.name == "indices").map(|a| (&a.shape[..], a)) {
        Some((&[n, k], _)) => {
            let has_distances = arrays.iter().any(|a| a.name == "distances");
            json!({"kind": "graph", "n": n, "k": k, "distances": has_distances})
        }
        _ => json!({"kind": "arrays"}),
    };
    extend(&mut description, listed);
    Ok(description)
}

fn begins_as_index(path: &Path) -> bool {
    let mut start = [0; 8];
    File::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok()) && start == *b"nndescnt"
}

fn array(array: &ArrayInfo) -> Value {
    json!({"name": array.name, "shape": array.shape, "dtype": array.dtype})
}

fn index(path: &Path) -> Result<Value, Failure> {
    let version = Index::file_version(path)?;
    let index = Index::open(path)?;
    let checksums = Index::verify(path).map_or_else(|error| error.to_string(), |()| "ok".into());
    Ok(json!({
        "kind": "index",
        "version": version,
        "n": index.len(),
        "dim": index.dim(),
        "dtype": index.value_type(),
        "metric": index.metric().to_string(),
        "quantization": index.quantization().to_string(),
        "epsilon": index.epsilon(),
        "edges": index.n_edges(),
        "end_id": index.id_bound(),
        "center": index.center(),
        "bytes": index.memory().mapped,
        "checksums": checksums,
    }))
}

fn say_array(array: &Value) {
    let text = |field: &str| array[field].as_str().unwrap_or_default().to_string();
    let (name, shape) = (text("name"), shape(array));
    say!("{name}{}{shape} {}", if name.is_empty() { "" } else { ": " }, text("dtype"));
}

fn shape(array: &Value) -> String {
    let shape: Vec<String> = array["shape"].as_array().into_iter().flatten().map(ToString::to_string).collect();
    shape.join(" x ")
}

/// One line for each field that says something.
fn say_fields(description: &Value) {
    for (name, value) in description.as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
                Value::String(text) => say!("{name:<16} {text}"),
            Value::Array(arrays) if name == "arrays" => {
                for array in arrays {
                    let dtype = array["dtype"].as_str().unwrap_or_default();
                    say!("{:<16} {} {dtype}", array["name"].as_str().unwrap_or_default(), shape(array));
                }
            }
            other => say!("{name:<16} {other}"),
        }
    }
}
