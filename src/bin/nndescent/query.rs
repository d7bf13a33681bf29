//! `nndescent query`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use nndescent::index::{QueryStats, SearchScratch};
use nndescent::{Index, KnnGraph, Points, SearchOptions, io};
use serde_json::json;

use crate::failure::Failure;
use crate::graph::extend;
use crate::input::{DataArguments, Use};
use crate::memory::peak_bytes;
use crate::output;
use crate::threads::pool;
use crate::tuned::Tuned;

#[derive(clap::Args)]
pub struct Arguments {
    /// Index made by `nndescent index`.
    index: PathBuf,
    /// Matrix of queries.
    queries: PathBuf,
    #[command(flatten)]
    data: DataArguments,
    /// Neighbours of every query.
    #[arg(short, long, default_value_t = 10)]
    k: usize,
    /// How much farther than the k-th nearest so far a point may be and still be expanded [default: as tuned, or 0.1].
    #[arg(long, conflicts_with = "target_recall", allow_negative_numbers = true)]
    epsilon: Option<f32>,
    /// First find the epsilon that reaches this recall on points of the index. Exit code 6 if none does.
    #[arg(long)]
    target_recall: Option<f32>,
    /// The points that may be found: .npy of their ids, or of bool with an entry for every id.
    #[arg(long)]
    filter: Option<PathBuf>,
    /// Fail unless the index has this metric.
    #[arg(long)]
    metric: Option<String>,
    /// First check the whole index file.
    #[arg(long)]
    verify: bool,
    /// Answer one query after the other by one thread, as a service would, rather than in a batch.
    #[arg(long, conflicts_with_all = ["filter", "threads"])]
    one_by_one: bool,
    /// Answer the queries so many times, and report the fastest: what a warm index does.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Threads [default: all cores]. The answers do not depend on it.
    #[arg(long)]
    threads: Option<usize>,
    /// Print one JSON object on stdout and nothing else.
    #[arg(long)]
    json: bool,
    /// Output: .npz with `indices` (uint32) and `distances` (float32).
    #[arg(short, long)]
    output: PathBuf,
}

/// From this many queries on, the index is read into memory first.
const MANY: usize = 1000;
/// Sample of `--target-recall`.
const TUNE_SAMPLE: usize = 500;

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let inputs = [&arguments.index, &arguments.queries].into_iter().chain(&arguments.filter);
    output::check(&arguments.output, "npz", inputs.map(PathBuf::as_path))?;
    let pool = pool(arguments.threads)?;

    let start = Instant::now();
    if arguments.verify {
        pool.install(|| Index::verify(&arguments.index))?;
    }
    let mut index = Index::open(&arguments.index)?;
    check_metric(arguments, &index)?;
    let mut open = start.elapsed().as_secs_f64();
    let data = pool.install(|| arguments.data.read(&arguments.queries, Use::Query(&index)))?;
    let queries = data.points().map_err(|e| Failure::points(&arguments.queries, &e))?;
    let start = Instant::now();
    if queries.n() >= MANY {
        pool.install(|| index.prefault());
    }
    open += start.elapsed().as_secs_f64();

    let start = Instant::now();
    let tune = |target| {
        let tuning = pool.install(|| index.tune(target, arguments.k, TUNE_SAMPLE))?;
        Ok::<Tuned, Failure>(Tuned { target, k: arguments.k, tuning })
    };
    let tuned = arguments.target_recall.map(tune).transpose()?;
    let tune = start.elapsed().as_secs_f64();
    let mask = arguments.filter.as_deref().map(|path| read_mask(path, index.id_bound())).transpose()?;

    let epsilon = arguments.epsilon.unwrap_or(index.epsilon());
    let options = SearchOptions::new().epsilon(epsilon);
    let options = match &mask {
        Some(mask) => options.filter_mask(mask),
        None => options,
    };
    let answer = || {
        let start = Instant::now();
        let (found, stats) = if arguments.one_by_one {
            one_by_one(&index, &queries, arguments.k, &options)?
        } else {
            let hits = pool.install(|| index.query(&queries, arguments.k, &options))?;
            let stats = hits.total();
            (hits.into_graph(), stats)
        };
        Ok::<_, Failure>((found, stats, start.elapsed().as_secs_f64()))
    };
    let (found, stats, mut query) = answer()?;
    for _ in 1..arguments.repeat {
        query = query.min(answer()?.2);
    }

    let start = Instant::now();
    let count = queries.n();
    output::write_graph(&arguments.output, &found)?;
    let write = start.elapsed().as_secs_f64();

    let per_second = count as f64 / query;
    let per_query = stats.distances as f64 / count as f64;
    if arguments.json {
        let mut report = json!({
            "queries": count,
            "k": arguments.k,
            "epsilon": epsilon,
            "seconds": {"open": open, "tune": tune, "query": query, "write": write},
            "queries_per_second": per_second,
            "distances_per_query": per_query,
            "hops_per_query": stats.hops as f64 / count as f64,
            "peak_memory_bytes": peak_bytes(),
            "tuning": tuned.map(|tuned| tuned.json()),
        });
        extend(&mut report, data.narrowing());
        say!("{report}");
    } else {
        say!("{count} queries, {} neighbours each, {}", arguments.k, arguments.output.display());
        say!("epsilon {epsilon}: {query:.3} s, {per_second:.0} a second, {per_query:.0} distances each");
        tuned.iter().for_each(|tuned| say!("{}", tuned.line()));
    }
    tuned.map_or(Ok(()), |tuned| tuned.check())
}

fn one_by_one(
    index: &Index,
    queries: &Points,
    k: usize,
    options: &SearchOptions,
) -> Result<(KnnGraph, QueryStats), Failure> {
    let (mut indices, mut distances) = (Vec::new(), Vec::new());
    let mut scratch = SearchScratch::new();
    let mut total = QueryStats::default();
    for i in 0..queries.n() {
        let found = index.nearest_to_row(&mut scratch, queries, i, k, options)?;
        indices.extend(found.iter().map(|neighbor| neighbor.id));
        distances.extend(found.iter().map(|neighbor| neighbor.distance));
        let stats = scratch.stats();
        total.distances += stats.distances;
        total.hops += stats.hops;
    }
    Ok((graph_of(queries, k, indices, distances)?, total))
}

fn check_metric(arguments: &Arguments, index: &Index) -> Result<(), Failure> {
    let Some(name) = &arguments.metric else { return Ok(()) };
    if index.metric().is_named(name) {
        return Ok(());
    }
    Err(Failure::Input(format!("{}: an index by {}, not {name}", arguments.index.display(), index.metric())))
}

/// One entry per id below `end`, true for those that the file selects.
fn read_mask(path: &Path, end: usize) -> Result<Vec<bool>, Failure> {
    let mut mask = vec![false; end];
    for id in io::read_selection(path, end)? {
        let wrong = || Failure::Input(format!("{}: id {id}, but the index has ids below {end}", path.display()));
        *mask.get_mut(id as usize).ok_or_else(wrong)? = true;
    }
    Ok(mask)
}

fn graph_of(queries: &Points, k: usize, ids: Vec<u32>, distances: Vec<f32>) -> Result<KnnGraph, Failure> {
    KnnGraph::from_parts(queries.n(), k, ids, distances).map_err(|e| Failure::Other(e.to_string()))
}
