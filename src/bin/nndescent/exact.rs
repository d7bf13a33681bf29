//! `nndescent exact`.

use std::path::PathBuf;
use std::time::Instant;

use nndescent::io::write_graph;
use nndescent::{KnnGraph, exact};
use serde_json::json;

use crate::failure::Failure;
use crate::input::{DataArguments, MetricArguments, check_writable, pool};
use crate::memory::peak_bytes;

#[derive(clap::Args)]
pub struct Arguments {
    /// Matrix to search in.
    base: PathBuf,
    /// Matrix of queries [default: the rows of BASE, each without itself].
    queries: Option<PathBuf>,
    #[command(flatten)]
    data: DataArguments,
    /// Array of the queries to read from an .npz or HDF5 file.
    #[arg(long)]
    query_array: Option<String>,
    /// Neighbours of every row.
    #[arg(short, long)]
    k: usize,
    #[command(flatten)]
    metric: MetricArguments,
    /// Begin every row with its own point, as one of the k (without QUERIES).
    #[arg(long, conflicts_with = "queries")]
    include_self: bool,
    /// Threads [default: all cores].
    #[arg(long)]
    threads: Option<usize>,
    /// Print one JSON object on stdout and nothing else.
    #[arg(long)]
    json: bool,
    /// Output: .npz with `indices` (uint32) and `distances` (float32).
    #[arg(short, long)]
    output: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    check_writable(&arguments.output, "npz")?;
    let pool = pool(arguments.threads)?;
    let start = Instant::now();
    let (found, load) = pool.install(|| search(arguments, start))?;
    let build = start.elapsed().as_secs_f64() - load;
    write_graph(&arguments.output, &found).map_err(Failure::output)?;
    if arguments.json {
        let seconds = json!({"load": load, "build": build});
        say!("{}", json!({"rows": found.n(), "k": found.k(), "seconds": seconds, "peak_memory_bytes": peak_bytes()}));
    } else {
        say!("{} rows, {} neighbours each in {build:.3} s -> {}", found.n(), found.k(), arguments.output.display());
    }
    Ok(())
}

fn search(arguments: &Arguments, start: Instant) -> Result<(KnnGraph, f64), Failure> {
    let metric = arguments.metric.metric()?;
    let matrix = arguments.data.read(&arguments.base)?;
    let base = matrix.points().map_err(|e| Failure::points(&arguments.base, &e))?;
    let Some(path) = &arguments.queries else {
        let load = start.elapsed().as_secs_f64();
        return Ok((exact::graph(&base, &metric, arguments.k, arguments.include_self)?, load));
    };
    let queries = arguments.data.with_array(arguments.query_array.as_deref()).read(path)?;
    let queries = queries.points().map_err(|e| Failure::points(path, &e))?;
    let load = start.elapsed().as_secs_f64();
    Ok((exact::query(&base, &queries, &metric, arguments.k)?, load))
}
