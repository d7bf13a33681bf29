//! `nndescent index`.

use std::path::PathBuf;
use std::time::Instant;

use nndescent::{IndexOptions, Indexed, Quantization};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::graph::{BuildArguments, Job, build_report, extend, parse, phase_seconds, summarize_build};
use crate::output;
use crate::tuned::Tuned;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    build: BuildArguments,
    /// Probability that an edge is pruned where a nearer neighbour leads to the same point.
    #[arg(long, default_value_t = 1.0)]
    diversify_prob: f32,
    /// Upper bound on the edges of a point, as a multiple of the graph's neighbours.
    #[arg(long, default_value_t = 1.5)]
    pruning_degree_multiplier: f32,
    /// Values that searches traverse by, before reranking: auto, none, f16 or u8.
    #[arg(long, default_value = "auto", value_parser = parse::<Quantization>)]
    quantization: Quantization,
    /// Find the smallest epsilon that reaches this recall@10 on points of the index, and store it. Exit code 6 if none
    /// does.
    #[arg(long)]
    tune: Option<f32>,
    /// Print one JSON object on stdout and nothing else.
    #[arg(long)]
    json: bool,
    /// Output: .nnd.
    #[arg(short, long)]
    output: PathBuf,
}

/// Neighbours and sample of `--tune`.
const TUNE_K: usize = 10;
const TUNE_SAMPLE: usize = 500;

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    output::check(&arguments.output, "nnd", arguments.build.inputs().iter().map(PathBuf::as_path))?;
    let options = IndexOptions::new()
        .diversify_prob(arguments.diversify_prob)
        .pruning_degree_multiplier(arguments.pruning_degree_multiplier)
        .quantization(arguments.quantization);
    let job = arguments.build.load()?;
    let mut tuned = None;
    let indexed = job.run(!arguments.json, |builder, points| {
        let mut indexed = builder.index_options(options).index(points)?;
        if let Some(center) = job.data.center() {
            indexed.index.set_center(center)?;
        }
        if let Some(target) = arguments.tune {
            let k = TUNE_K.min(indexed.index.len() - 1);
            tuned = Some(Tuned { target, k, tuning: indexed.index.tune(target, k, TUNE_SAMPLE)? });
        }
        Ok(indexed)
    })?;

    let start = Instant::now();
    output::save(&arguments.output, &indexed.index)?;
    let write = start.elapsed().as_secs_f64();
    if arguments.json {
        let mut report = report(arguments, &indexed, &job, write);
        extend(&mut report, json!({"tuning": tuned.map(|tuned| tuned.json())}));
        say!("{report}");
    } else {
        let index = &indexed.index;
        say!("{} x {}, {} -> {}", index.len(), index.dim(), index.metric(), arguments.output.display());
        summarize_build(&indexed.report);
        let (seconds, edges) = (indexed.prepare_time.as_secs_f64(), index.n_edges());
        say!("prepared in {seconds:.3} s: {edges} edges, searched by {}", index.quantization());
        tuned.iter().for_each(|tuned| say!("{}", tuned.line()));
    }
    tuned.map_or(Ok(()), |tuned| tuned.check())
}

fn report(arguments: &Arguments, indexed: &Indexed, job: &Job, write: f64) -> Value {
    let index = &indexed.index;
    let [build, init, descent, finish, recall] = phase_seconds(&indexed.report);
    let memory = index.memory();
    let mut report = build_report(&indexed.report);
    let more = json!({
        "n": index.len(),
        "dim": index.dim(),
        "edges": index.n_edges(),
        "epsilon": index.epsilon(),
        "index_bytes": {"owned": memory.owned, "mapped": memory.mapped, "rows": memory.rows, "graph": memory.graph},
        "seconds": {
            "load": job.load, "build": build, "init": init, "descent": descent, "finish": finish, "recall": recall,
            "prepare": indexed.prepare_time.as_secs_f64(), "write": write,
        },
        "input": arguments.build.input.display().to_string(),
        "output": arguments.output.display().to_string(),
    });
    extend(&mut report, more);
    extend(&mut report, job.data.narrowing());
    report
}
