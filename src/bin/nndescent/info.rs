//! `nndescent info`: what a file holds, or what this machine is.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use nndescent::Index;
use nndescent::io::{ArrayInfo, describe, is_csr_file, read_sparse};
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::stdin::Input;
use crate::threads;

#[derive(clap::Args)]
pub struct Arguments {
    /// File to describe: a matrix, a graph or an index. Without one, this machine is described.
    input: Option<PathBuf>,
    /// Print one JSON object on stdout and nothing else.
    #[arg(long)]
    json: bool,
}

/// What is said of a file, in order.
type Fields = Vec<(&'static str, Value)>;

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let fields = match &arguments.input {
        Some(path) => {
            let input = Input::of(path)?;
            of_file(&input.path).map_err(|failure| input.named(failure))?
        }
        None => machine()?,
    };
    if arguments.json {
        let object: Map<String, Value> = fields.into_iter().map(|(name, value)| (name.into(), value)).collect();
        say!("{}", Value::Object(object));
        return Ok(());
    }
    let is_plain = fields.iter().any(|field| *field == ("kind", "arrays".into()));
    for (name, value) in fields.iter().filter(|(name, _)| !is_plain || *name == "arrays") {
        match value {
            Value::Null => {}
            Value::String(text) => say!("{name:<14} {text}"),
            Value::Array(arrays) if *name == "arrays" => arrays.iter().for_each(say_array),
            other => say!("{name:<14} {other}"),
        }
    }
    Ok(())
}

fn machine() -> Result<Fields, Failure> {
    let threads = threads::pool(None)?.current_num_threads();
    Ok(vec![
        ("version", env!("CARGO_PKG_VERSION").into()),
        ("instructions", nndescent::cpu::instructions()?.into()),
        ("threads", threads.into()),
    ])
}

fn of_file(path: &Path) -> Result<Fields, Failure> {
    if begins_as_index(path) {
        return index(path);
    }
    if is_csr_file(path) {
        let sparse = read_sparse(path)?;
        let (rows, dtype) = (sparse.matrix.view(), sparse.narrowed_from.unwrap_or("float32"));
        return Ok(vec![
            ("kind", "sparse".into()),
            ("n", rows.n().into()),
            ("dim", rows.dim().into()),
            ("entries", rows.nnz().into()),
            ("dtype", dtype.into()),
        ]);
    }
    let arrays = describe(path)?;
    let mut fields = match arrays.iter().find(|a| a.name == "indices").map(|a| &a.shape[..]) {
        Some(&[n, k]) => {
            let has_distances = arrays.iter().any(|a| a.name == "distances");
            vec![("kind", "graph".into()), ("n", n.into()), ("k", k.into()), ("distances", has_distances.into())]
        }
        _ => vec![("kind", "arrays".into())],
    };
    fields.push(("arrays", arrays.iter().map(array).collect()));
    Ok(fields)
}

fn begins_as_index(path: &Path) -> bool {
    let mut start = [0; 8];
    File::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok()) && start == *b"nndescnt"
}

fn array(array: &ArrayInfo) -> Value {
    json!({"name": array.name, "shape": array.shape, "dtype": array.dtype})
}

fn index(path: &Path) -> Result<Fields, Failure> {
    let version = Index::file_version(path)?;
    let index = Index::open(path)?;
    let checksums = Index::verify(path).map_or_else(|error| error.to_string(), |()| "ok".into());
    Ok(vec![
        ("kind", "index".into()),
        ("version", version.into()),
        ("n", index.len().into()),
        ("dim", index.dim().into()),
        ("dtype", index.value_type().into()),
        ("metric", index.metric().to_string().into()),
        ("quantization", index.quantization().to_string().into()),
        // As it was given: 0.1, not the f64 nearest to the f32.
        ("epsilon", index.epsilon().to_string().parse().map_or(Value::Null, |epsilon: f64| epsilon.into())),
        ("edges", index.n_edges().into()),
        ("max_degree", index.max_degree().into()),
        ("end_id", index.id_bound().into()),
        ("center", index.center().map_or(Value::Null, |center| center.to_vec().into())),
        ("bytes", index.memory().mapped.into()),
        ("checksums", checksums.into()),
    ])
}

/// One line, the name first if there is one.
fn say_array(array: &Value) {
    let text = |field: &str| array[field].as_str().unwrap_or_default().to_string();
    let shape: Vec<String> = array["shape"].as_array().into_iter().flatten().map(ToString::to_string).collect();
    let name = text("name");
    say!("{name}{}{} {}", if name.is_empty() { "" } else { ": " }, shape.join(" x "), text("dtype"));
}
