//! The `nndescent` command: k-nearest-neighbour graphs of matrices in files.

#[macro_use]
mod output;

#[cfg(feature = "gpu")]
mod bench;
mod beyond_memory;
mod change;
mod cluster;
mod compare;
#[cfg(feature = "gpu")]
mod devices;
mod doping;
mod exact;
mod export;
mod failure;
#[cfg(feature = "gpu")]
mod generate;
mod graph;
mod index;
mod info;
mod input;
mod interrupt;
mod memory;
mod metric;
mod neighbors;
mod out_of_core;
mod outliers;
mod plot;
mod progress;
mod query;
mod refine;
mod stdin;
mod threads;
mod tuned;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use failure::Failure;

#[global_allocator]
static ALLOCATOR: memory::Allocator = memory::Allocator;

#[derive(Parser)]
#[command(version, about, after_help = failure::AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Log to stderr; given twice, every round.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    /// Build the k-nearest-neighbour graph of a matrix.
    Graph(graph::Arguments),
    /// Divide the rows of a matrix into parts, each of which can be built by itself, on any machine.
    ///
    /// Then `graph --part` builds a part, `merge` merges all of them, and `refine` compares rows across parts. `graph
    /// --memory` does all of it.
    Partition(out_of_core::PartitionArguments),
    /// Merge the graphs of all parts.
    Merge(out_of_core::MergeArguments),
    /// Compare rows across parts that were merged.
    Refine(out_of_core::RefineArguments),
    /// Exact neighbours of every row of BASE, or in BASE of every row of QUERIES.
    Exact(exact::Arguments),
    /// Build a search index of a matrix.
    Index(index::Arguments),
    /// Nearest points of an index to every row of QUERIES.
    Query(query::Arguments),
    /// Add points to an index, or replace some.
    Add(change::AddArguments),
    /// Remove points from an index.
    Remove(change::RemoveArguments),
    /// Outlier scores of the rows of a matrix, or of a graph: .npz of `indices` and `distances`, as `graph` writes.
    ///
    /// Of a graph, -k takes the nearest of each row [default: all], and options of builds do not apply.
    Outliers(outliers::Arguments),
    /// Clusters of the rows of a matrix, or of a graph: .npz of `indices` and `distances`, as `graph` writes.
    ///
    /// Of a graph, -k takes the nearest of each row [default: all], and options of builds do not apply.
    Cluster(cluster::Arguments),
    /// Tell which outlier score and metric find outliers made of a matrix's own rows.
    Doping(doping::Arguments),
    /// Write a graph, or that of a matrix, as other programs read it, and describe it.
    ///
    /// A graph is an .npz of `indices` and `distances`, as `graph` writes: of it, -k takes the nearest of each row
    /// [default: all], and options of builds do not apply.
    Export(export::Arguments),
    /// Recall of a graph against the truth.
    Recall(compare::RecallArguments),
    /// Build the same graph on the CPU and on a GPU, and compare them phase by phase.
    #[cfg(feature = "gpu")]
    Bench(bench::Arguments),
    /// List the GPUs of this machine and what they can run.
    #[cfg(feature = "gpu")]
    Devices(devices::Arguments),
    /// Describe a file: the arrays in it, a graph, an index; or this machine.
    Info(info::Arguments),
    /// List all metrics, their aliases, and where they can be used.
    Metrics,
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, in roff.
    Man,
}

/// The manual: a page on the command, and one on each of its own.
fn man(out: &mut Vec<u8>) -> std::io::Result<()> {
    let command = Cli::command();
    clap_mangen::Man::new(command.clone()).render(out)?;
    for of in command.get_subcommands().filter(|of| !of.is_hide_set()) {
        let name: &'static str = format!("nndescent-{}", of.get_name()).leak();
        clap_mangen::Man::new(of.clone().name(name)).render(out)?;
    }
    Ok(())
}

/// Prints what `write` writes.
fn print_whole(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> Result<(), Failure> {
    let mut text = Vec::new();
    write(&mut text).map_err(|e| Failure::Other(e.to_string()))?;
    say!("{}", String::from_utf8_lossy(&text).trim_end());
    Ok(())
}

/// Logs to stderr: warnings, and with `-v` what the library says of itself; or what `RUST_LOG` asks for.
fn log(verbose: u8) {
    let level = ["warn", "nndescent=info", "nndescent=debug"][usize::from(verbose.min(2))];
    let asked = std::env::var("RUST_LOG").ok().and_then(|targets| targets.parse().ok());
    let targets: Targets = asked.unwrap_or_else(|| level.parse().expect("levels that exist"));
    let to_stderr = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(to_stderr).with(targets).init();
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Graph(arguments) if arguments.beyond.part.is_some() => out_of_core::build_part(&arguments),
        Command::Graph(arguments) if arguments.beyond.is_asked_for() => out_of_core::graph(&arguments),
        Command::Graph(arguments) => graph::run(&arguments),
        Command::Partition(arguments) => out_of_core::partition(&arguments),
        Command::Merge(arguments) => out_of_core::merge(&arguments),
        Command::Refine(arguments) => out_of_core::refine(&arguments),
        Command::Exact(arguments) => exact::run(&arguments),
        Command::Index(arguments) => index::run(&arguments),
        Command::Query(arguments) => query::run(&arguments),
        Command::Add(arguments) => change::add(&arguments),
        Command::Remove(arguments) => change::remove(&arguments),
        Command::Outliers(arguments) => outliers::run(&arguments),
        Command::Cluster(arguments) => cluster::run(&arguments),
        Command::Doping(arguments) => doping::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Recall(arguments) => compare::recall(&arguments),
        #[cfg(feature = "gpu")]
        Command::Bench(arguments) => bench::run(&arguments),
        #[cfg(feature = "gpu")]
        Command::Devices(arguments) => devices::run(&arguments),
        Command::Info(arguments) => info::run(&arguments),
        Command::Completions { shell } => print_whole(|out| {
            clap_complete::generate(shell, &mut Cli::command(), "nndescent", out);
            Ok(())
        }),
        Command::Man => print_whole(man),
        Command::Metrics => {
            say!("{}", nndescent::Metric::table().trim_end());
            Ok(())
        }
    }
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.print().is_ok() { error.exit_code() } else { 4 };
            return ExitCode::from(code as u8);
        }
    };
    log(cli.verbose);
    interrupt::watch();
    let outcome = nndescent::cpu::instructions().map_err(Failure::from).and_then(|_| run(cli.command));
    match outcome.and_then(|()| output::finish()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tell!("nndescent: {failure}");
            failure.code()
        }
    }
}
