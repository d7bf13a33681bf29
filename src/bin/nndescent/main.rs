//! The `nndescent` command: k-nearest-neighbour graphs of matrices in files.

#[macro_use]
mod output;

#[cfg(feature = "gpu")]
mod bench;
mod change;
mod compare;
#[cfg(feature = "gpu")]
mod devices;
mod exact;
mod failure;
#[cfg(feature = "gpu")]
mod generate;
mod graph;
mod index;
mod input;
mod memory;
mod metric;
mod progress;
mod query;
mod refine;
mod threads;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

#[derive(Parser)]
#[command(version, about, after_help = failure::EXIT_CODES)]
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
    /// Recall of a graph against the truth.
    Recall(compare::RecallArguments),
    /// Build the same graph on the CPU and on a GPU, and compare them phase by phase.
    #[cfg(feature = "gpu")]
    Bench(bench::Arguments),
    /// List the GPUs of this machine and what they can run.
    #[cfg(feature = "gpu")]
    Devices(devices::Arguments),
    /// List the arrays of a file.
    Info(compare::InfoArguments),
    /// List all metrics, their aliases, and where they can be used.
    Metrics,
}

/// Logs to stderr: warnings, and with `-v` what the library says of itself; or what `RUST_LOG` asks for.
fn log(verbose: u8) {
    let level = ["warn", "nndescent=info", "nndescent=debug"][usize::from(verbose.min(2))];
    let asked = std::env::var("RUST_LOG").ok().and_then(|targets| targets.parse().ok());
    let targets: Targets = asked.unwrap_or_else(|| level.parse().expect("levels that exist"));
    let to_stderr = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(to_stderr).with(targets).init();
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    log(cli.verbose);
    let outcome = match cli.command {
        Command::Graph(arguments) => graph::run(&arguments),
        Command::Exact(arguments) => exact::run(&arguments),
        Command::Index(arguments) => index::run(&arguments),
        Command::Query(arguments) => query::run(&arguments),
        Command::Add(arguments) => change::add(&arguments),
        Command::Remove(arguments) => change::remove(&arguments),
        Command::Recall(arguments) => compare::recall(&arguments),
        #[cfg(feature = "gpu")]
        Command::Bench(arguments) => bench::run(&arguments),
        #[cfg(feature = "gpu")]
        Command::Devices(arguments) => devices::run(&arguments),
        Command::Info(arguments) => compare::info(&arguments),
        Command::Metrics => {
            say!("{}", nndescent::Metric::table().trim_end());
            Ok(())
        }
    };
    match outcome.and_then(|()| output::finish()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("nndescent: {failure}");
            failure.code()
        }
    }
}
