//! `nndescent exact`.

use std::path::PathBuf;
use std::time::Instant;

use nndescent::{BuildError, KnnGraph, Metric, exact, io};
use serde_json::json;

use crate::failure::Failure;
use crate::graph::extend;
use crate::input::{Data, DataArguments, Use};
use crate::memory::peak_bytes;
use crate::metric::MetricArguments;
use crate::output;
use crate::refine::{Refining, refined};
use crate::threads::pool;

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
    let inputs: Vec<PathBuf> =
        [&arguments.base].into_iter().chain(&arguments.queries).cloned().chain(arguments.metric.files()).collect();
    output::check(&arguments.output, "npz", inputs.iter().map(PathBuf::as_path))?;
    let pool = pool(arguments.threads)?;
    let start = Instant::now();
    let (found, base, load) = pool.install(|| search(arguments, start))?;
    let build = start.elapsed().as_secs_f64() - load;
    output::write_graph(&arguments.output, &found)?;
    if arguments.json {
        let seconds = json!({"load": load, "build": build});
        let mut report =
            json!({"rows": found.n(), "k": found.k(), "seconds": seconds, "peak_memory_bytes": peak_bytes()});
        extend(&mut report, base.narrowing());
        say!("{report}");
    } else {
        say!("{} rows, {} neighbours each in {build:.3} s -> {}", found.n(), found.k(), arguments.output.display());
    }
    Ok(())
}

/// The neighbours, the base, and the seconds that reading took.
fn search(arguments: &Arguments, start: Instant) -> Result<(KnnGraph, Data, f64), Failure> {
    let metric = arguments.metric.metric()?;
    let base = arguments.data.read(&arguments.base, Use::Build(&metric))?;
    let Some(path) = &arguments.queries else {
        let load = start.elapsed().as_secs_f64();
        let points = base.points().map_err(|e| Failure::points(&arguments.base, &e))?;
        let most = (points.n() + usize::from(arguments.include_self)).saturating_sub(1);
        let graph = |k| exact::graph(&points, &metric, k, arguments.include_self);
        let found = search_in(&base, None, &metric, (arguments.k, most), graph)?;
        return Ok((found, base, load));
    };
    let queries = arguments.data.with_array(arguments.query_array.as_deref()).read(path, Use::QueriesOf(&base))?;
    let (base, queries) = if base.dtype() == queries.dtype() {
        (base, queries)
    } else {
        let refused = |path, error| Failure::points(path, &error);
        (base.widened().map_err(|e| refused(&arguments.base, e))?, queries.widened().map_err(|e| refused(path, e))?)
    };
    let mut base = base;
    if let (Data::Dense(base), Data::Dense(queries)) = (&mut base, &queries)
        && queries.is_lossy()
        && base.wide.is_none()
    {
        base.wide = Some(io::read_wide(&arguments.base, arguments.data.array())?);
    }
    let load = start.elapsed().as_secs_f64();
    let points = base.points().map_err(|e| Failure::points(&arguments.base, &e))?;
    let asked = queries.points().map_err(|e| Failure::points(path, &e))?;
    let query = |k| exact::query(&points, &asked, &metric, k);
    let found = search_in(&base, Some(&queries), &metric, (arguments.k, points.n()), query)?;
    Ok((found, base, load))
}

/// Searches for `k` neighbours of `most` by `search`, and refines what it finds if values were narrowed.
fn search_in(
    base: &Data,
    queries: Option<&Data>,
    metric: &Metric,
    (k, most): (usize, usize),
    search: impl Fn(usize) -> Result<KnnGraph, BuildError>,
) -> Result<KnnGraph, Failure> {
    let Data::Dense(base) = base else { return Ok(search(k)?) };
    let queries = match queries {
        Some(Data::Dense(queries)) => queries.wide.as_ref().map(|wide| (wide, &queries.matrix)),
        _ => None,
    };
    let Some(refining) = Refining::of(base, (k, most), true) else { return Ok(search(k)?) };
    refined(base, queries, metric, search(refining.candidates)?, refining)
}
