//! `nndescent graph --memory`, and its pieces: `partition`, `graph --part`, `merge` and `refine`.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Once;

use nndescent::io::{Center, PrecisionLoss};
use nndescent::out_of_core::{self, OutOfCore, OutOfCoreReport, PartSize, Plan, Stage};
use nndescent::{NnDescent, Progress};
use serde_json::{Value, json};

use crate::beyond_memory::bytes;
use crate::failure::Failure;
use crate::graph::{Arguments, BuildArguments, build_report, extend, recall_json, say_recall};
use crate::input::{narrowing_json, say_narrowing};
use crate::interrupt;
use crate::memory::peak_bytes;
use crate::output;
use crate::progress::Bar;
use crate::threads::pool;

#[derive(clap::Args)]
pub struct PartitionArguments {
    #[command(flatten)]
    build: BuildArguments,
    /// Memory that the build of a part may take: 4GiB, 512MiB, 2GB or bytes.
    #[arg(long, value_parser = bytes, default_value = "4GiB")]
    memory: u64,
    /// Parts that every row is in.
    #[arg(long, default_value_t = 2)]
    overlap: usize,
    /// Print one JSON object on stdout and nothing else.
    #[arg(long)]
    json: bool,
    /// Folder for the plan and the rows of every part.
    #[arg(short, long)]
    output: PathBuf,
}

#[derive(clap::Args)]
pub struct MergeArguments {
    /// Folder that `partition` wrote, with the graphs of all parts.
    folder: PathBuf,
    /// Memory that merging may take.
    #[arg(long, value_parser = bytes, default_value = "1GiB")]
    memory: u64,
    /// Threads [default: all cores]. The result does not depend on it.
    #[arg(long)]
    threads: Option<usize>,
    /// Also write the graph: .npz with `indices` and `distances`.
    #[arg(short, long)]
    output: Option<PathBuf>,
}

#[derive(clap::Args)]
pub struct RefineArguments {
    #[command(flatten)]
    merge: MergeArguments,
    /// Rounds across parts.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Refine the rows of one part, from 0, and do not merge: for several workers.
    #[arg(long, conflicts_with_all = ["rounds", "output", "merge_parts"])]
    part: Option<usize>,
    /// Merge what `refine --part` found for all parts, in place of refining.
    #[arg(long, conflicts_with = "rounds")]
    merge_parts: bool,
    /// Rows whose exact neighbours are searched to estimate recall; 0 for no estimate.
    #[arg(long, default_value_t = 256)]
    recall_sample: usize,
}

/// `graph --memory`.
pub fn graph(arguments: &Arguments) -> Result<(), Failure> {
    let (build, beyond, output) = (&arguments.build, &arguments.beyond, arguments.output()?);
    if output::is_stream(output) {
        return Err(Failure::Argument("a graph that is written in pieces needs a file as its output".into()));
    }
    if arguments.include_self {
        return Err(Failure::Argument("--include-self does not apply to builds beyond memory".into()));
    }
    interrupt::end_by_itself();
    let mut whole = OutOfCore::new(&build.builder()?).resume(beyond.resume);
    if let Some(memory) = beyond.memory {
        whole = whole.memory_limit(memory);
    }
    if let Some(rows) = build.part_rows() {
        whole = whole.part_rows(rows);
    }
    if let Some(parts) = beyond.overlap {
        whole = whole.overlap(parts);
    }
    if let Some(rounds) = beyond.refine_rounds {
        whole = whole.refine_rounds(rounds);
    }
    if let Some(scratch) = &beyond.scratch {
        whole = whole.scratch(scratch);
    }
    let folder = whole.working_folder(output);
    interrupt::clean(folder.clone());
    let (bar, said) = (Bar::new(!arguments.json), Once::new());
    let whole = whole.progress(|step| {
        // Before the long part of the build.
        if step.stage != Stage::Partition
            && !said.is_completed()
            && let Ok(plan) = Plan::open(&folder)
        {
            said.call_once(|| bar.aside(|| say_loss(&build.input, plan.precision_loss())));
        }
        bar.show_step(step);
        interrupt::go_on()
    });
    let report = build.pool()?.install(|| whole.graph(&build.input, output));
    bar.done();
    let report = report?;
    said.call_once(|| say_loss(&build.input, report.precision_loss.as_ref()));
    if arguments.json {
        say!("{}", to_json(&report, &build.input, output));
    } else {
        summarize(&report, output);
    }
    Ok(())
}

fn seconds(report: &OutOfCoreReport, stage: Stage) -> f64 {
    report.times.iter().filter(|(other, _)| *other == stage).map(|(_, time)| time.as_secs_f64()).sum()
}

fn to_json(r: &OutOfCoreReport, input: &Path, output: &Path) -> Value {
    let times: serde_json::Map<String, Value> =
        Stage::ALL.iter().map(|stage| (stage.name().into(), seconds(r, *stage).into())).collect();
    let mut report = json!({
        "n": r.n, "dim": r.dim, "k": r.k, "parts": r.parts, "largest_part": r.largest_part, "overlap": r.overlap,
        "resumed": r.resumed, "refined_rows": r.refined, "seconds": times,
        "distances_evaluated": r.distances_evaluated, "recall": r.recall.map(recall_json),
        "peak_memory_bytes": peak_bytes(), "input": input.display().to_string(),
        "output": output.display().to_string(),
    });
    extend(&mut report, loss_json(r.precision_loss.as_ref()));
    report
}

fn summarize(r: &OutOfCoreReport, output: &Path) {
    say!("{} x {} -> {} neighbours each, {}", r.n, r.dim, r.k, output.display());
    let resumed = if r.resumed > 0 { format!(", {} of them found built", r.resumed) } else { String::new() };
    say!("{} parts of at most {} rows, every row in {}{resumed}", r.parts, r.largest_part, r.overlap);
    let times: Vec<String> = Stage::ALL.iter().map(|stage| format!("{stage} {:.3}", seconds(r, *stage))).collect();
    let all: f64 = Stage::ALL.iter().map(|stage| seconds(r, *stage)).sum();
    say!("{all:.3} s ({}), {:.1} million distances in parts", times.join(", "), r.distances_evaluated as f64 / 1e6);
    for (round, rows) in r.refined.iter().enumerate() {
        say!("round {} across parts: {rows} rows found nearer neighbours", round + 1);
    }
    if let Some(e) = r.recall {
        say_recall(e);
    }
}

/// Says on stderr what the values of a file lost when they became float32.
fn say_loss(input: &Path, loss: Option<&PrecisionLoss>) {
    let Some(loss) = loss else { return };
    let name = input.display().to_string();
    say_narrowing(&name, Some(&loss.dtype), Some(&loss.largest), "float32", &Center::None);
    if loss.is_coarse() {
        let (worst, spread) = (loss.coarsest, loss.spread);
        tell!(
            "nndescent: {name}: float32 holds column {} too coarsely to tell neighbours apart: values such as {} in row {} \
             are off by {:.1e}, where the standard deviation is {spread:.1e}; write the file without what they have in \
             common",
            worst.column,
            worst.value,
            worst.row,
            worst.error
        );
    }
}

/// The fields of a report that say what was lost.
fn loss_json(loss: Option<&PrecisionLoss>) -> Value {
    let worst = loss.map(|loss| narrowing_json(&loss.largest));
    json!({"narrowed_from": loss.map(|loss| &loss.dtype), "narrowing": worst})
}

/// Shows the share of a piece that is done.
fn shown(name: &'static str, wanted: bool) -> (Bar, impl Fn(&Bar, f32) -> ControlFlow<()>) {
    interrupt::end_by_itself();
    let show = move |bar: &Bar, fraction: f32| {
        bar.show_share(name, fraction);
        interrupt::go_on()
    };
    (Bar::new(wanted), show)
}

/// `partition`.
pub fn partition(arguments: &PartitionArguments) -> Result<(), Failure> {
    let build = &arguments.build;
    let size = build.part_rows().map_or(PartSize::Memory(arguments.memory), PartSize::Rows);
    let builder = build.builder()?;
    let (bar, show) = shown("partition", !arguments.json);
    let watch = |fraction: f32| show(&bar, fraction);
    let divide = || out_of_core::partition(&build.input, &arguments.output, &builder, size, arguments.overlap, &watch);
    let plan = build.pool()?.install(divide);
    bar.done();
    let plan = plan?;
    say_loss(&build.input, plan.precision_loss());
    let sizes = plan.part_sizes();
    if arguments.json {
        let mut report = json!({
            "n": plan.n(), "dim": plan.dim(), "k": plan.k(), "parts": plan.parts(), "overlap": plan.overlap(),
            "part_sizes": sizes, "peak_memory_bytes": peak_bytes(), "output": arguments.output.display().to_string(),
        });
        extend(&mut report, loss_json(plan.precision_loss()));
        say!("{report}");
    } else {
        let (least, most) = (sizes.iter().min().unwrap_or(&0), sizes.iter().max().unwrap_or(&0));
        say!(
            "{} x {} -> {} parts of {least} to {most} rows, every row in {}, {}",
            plan.n(),
            plan.dim(),
            plan.parts(),
            plan.overlap(),
            arguments.output.display()
        );
    }
    Ok(())
}

/// `graph --part`.
pub fn build_part(arguments: &Arguments) -> Result<(), Failure> {
    let (build, part) = (&arguments.build, arguments.beyond.part.unwrap_or(0));
    let plan = Plan::open(&build.input)?;
    interrupt::clean(build.input.clone());
    let bar = Bar::new(!arguments.json);
    let builder: NnDescent =
        plan.builder().device(build.device().clone()).progress(|progress: &Progress| bar.show(progress));
    let built = build.pool()?.install(|| out_of_core::build_part(&plan, part, &builder));
    bar.done();
    let (built, rows) = (built?, plan.part_sizes()[part]);
    if arguments.json {
        say!("{}", json!({"part": part, "rows": rows, "build": built.as_ref().map(build_report)}));
    } else {
        say!("part {part} of {}: {rows} rows", plan.parts());
        if let Some(report) = &built {
            crate::graph::summarize_build(report);
        }
    }
    Ok(())
}

/// `merge`.
pub fn merge(arguments: &MergeArguments) -> Result<(), Failure> {
    let plan = checked(arguments)?;
    let (bar, show) = shown("merge", true);
    let watch = |fraction: f32| show(&bar, fraction);
    pool(arguments.threads)?.install(|| {
        out_of_core::merge(&plan, arguments.memory, &watch)?;
        write(&plan, arguments.output.as_deref(), &watch)
    })?;
    bar.done();
    say!("{} rows of {} parts merged", plan.n(), plan.parts());
    Ok(())
}

/// `refine`.
pub fn refine(arguments: &RefineArguments) -> Result<(), Failure> {
    let plan = checked(&arguments.merge)?;
    let memory = arguments.merge.memory;
    let (bar, show) = shown("refine", true);
    let watch = |fraction: f32| show(&bar, fraction);
    let done = pool(arguments.merge.threads)?.install(|| {
        if let Some(part) = arguments.part {
            let rows = out_of_core::refine_part(&plan, part, memory, &watch)?;
            return Ok::<_, Failure>((vec![rows], None));
        }
        let mut rows = Vec::new();
        if arguments.merge_parts {
            out_of_core::merge_refined(&plan, memory, &watch)?;
        } else {
            for _ in 0..arguments.rounds {
                rows.push(out_of_core::refine(&plan, memory, &watch)?);
            }
        }
        let recall = match arguments.recall_sample {
            0 => None,
            sample => Some(out_of_core::estimate_recall(&plan, sample, memory, &watch)?),
        };
        write(&plan, arguments.merge.output.as_deref(), &watch)?;
        Ok((rows, recall))
    });
    bar.done();
    let (rows, recall) = done?;
    rows.iter().for_each(|rows| say!("{rows} rows found nearer neighbours across parts"));
    recall.into_iter().for_each(say_recall);
    Ok(())
}

/// The plan in a folder, once it is known that the output can be written.
fn checked(arguments: &MergeArguments) -> Result<Plan, Failure> {
    if let Some(output) = &arguments.output {
        if output::is_stream(output) {
            return Err(Failure::Argument("a graph that is written in pieces needs a file as its output".into()));
        }
        output::check(output, "npz", std::iter::empty())?;
    }
    interrupt::clean(arguments.folder.clone());
    Ok(Plan::open(&arguments.folder)?)
}

fn write(plan: &Plan, output: Option<&Path>, watch: out_of_core::Watch) -> Result<(), Failure> {
    match output {
        Some(output) => Ok(out_of_core::write_graph(plan, output, watch)?),
        None => Ok(()),
    }
}
