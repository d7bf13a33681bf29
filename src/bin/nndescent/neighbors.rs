//! The graph that an analysis begins with: read from a file, or built of a matrix.

use std::time::Instant;

use nndescent::analysis::{AnalysisError, CheckedGraph};
use nndescent::{BuildReport, KnnGraph};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::graph::{BuildArguments, build_report, extend, summarize_build};
use crate::input::Data;

/// A graph, and what it was built of and how, unless it was read.
pub struct Neighbors {
    pub graph: KnnGraph,
    pub data: Option<Data>,
    report: Option<BuildReport>,
    input: String,
    /// Seconds to read or build it.
    seconds: f64,
}

impl Neighbors {
    /// Reads the graph that the input is, or builds that of the matrix it is.
    pub fn of(arguments: &BuildArguments, bar: bool) -> Result<Self, Failure> {
        let (start, input) = (Instant::now(), arguments.input.display().to_string());
        let (graph, data, report) = match arguments.read_graph()? {
            Some(graph) => (graph, None, None),
            None => {
                let job = arguments.load()?;
                let (built, _) = job.graph(false, bar)?;
                (built.graph, Some(job.data), Some(built.report))
            }
        };
        Ok(Self { graph, data, report, input, seconds: start.elapsed().as_secs_f64() })
    }

    /// The graph as analyses take it.
    pub fn checked(&self) -> Result<CheckedGraph<'_>, Failure> {
        CheckedGraph::new(&self.graph).map_err(|e| Failure::Input(format!("{}: {e}", self.input)))
    }

    /// Says how it was built.
    pub fn summarize(&self) {
        match &self.report {
            Some(report) => summarize_build(report),
            None => say!("{}: a graph of {} rows, {} neighbours each", self.input, self.graph.n(), self.graph.k()),
        }
    }

    /// The same for a report in JSON.
    pub fn report(&self) -> Value {
        let mut report = self.report.as_ref().map_or_else(|| json!({}), build_report);
        let more =
            json!({"input": self.input, "n": self.graph.n(), "k": self.graph.k(), "graph_seconds": self.seconds});
        extend(&mut report, more);
        report
    }
}

impl From<AnalysisError> for Failure {
    fn from(error: AnalysisError) -> Self {
        match error {
            AnalysisError::Parameter { .. } | AnalysisError::TooFewNeighbors { .. } => {
                Self::Argument(error.to_string())
            }
            _ => Self::Input(error.to_string()),
        }
    }
}
