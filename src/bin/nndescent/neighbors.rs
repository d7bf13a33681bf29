//! The graph that an analysis begins with: read from a file, or built of a matrix.

use std::time::Instant;

use nndescent::analysis::{AnalysisError, CheckedGraph};
use nndescent::{BuildReport, KnnGraph};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::graph::{BuildArguments, build_report, extend, summarize_build};
use crate::input::Data;
use crate::stdin::Input;

/// A graph, and what it was built of and how, unless it was read.
pub struct Neighbors {
    pub graph: KnnGraph,
    pub data: Option<Data>,
    report: Option<BuildReport>,
    has_distances: bool,
    /// Neighbours of a row asked for.
    k: Option<usize>,
    input: String,
    /// Seconds to read or build it.
    seconds: f64,
}

impl Neighbors {
    /// Reads the graph that the input is, or builds that of the matrix it is.
    pub fn of(arguments: &BuildArguments, bar: bool) -> Result<Self, Failure> {
        let start = Instant::now();
        let file = Input::of(&arguments.input)?;
        let read = arguments.read_graph(&file).map_err(|failure| file.named(failure))?;
        let (graph, has_distances, data, report) = match read {
            Some((graph, has_distances)) => (graph, has_distances, None, None),
            None => {
                let job = arguments.load_from(&file)?;
                let (built, _) = job.graph(false, bar)?;
                (built.graph, true, Some(job.data), Some(built.report))
            }
        };
        let (input, seconds) = (file.name(), start.elapsed().as_secs_f64());
        Ok(Self { graph, data, report, has_distances, k: arguments.k(), input, seconds })
    }

    /// The graph as analyses take it, with as many neighbours of a row as were asked for. `needs_distances`: whether
    /// ids alone would not do.
    pub fn checked(&self, needs_distances: bool) -> Result<CheckedGraph<'_>, Failure> {
        let wrong = |what: String| Failure::Input(format!("{}: {what}", self.input));
        if needs_distances && !self.has_distances {
            return Err(wrong("a graph without `distances`, which this needs".into()));
        }
        let graph = CheckedGraph::new(&self.graph).map_err(|e| wrong(e.to_string()))?;
        match self.k {
            _ if graph.n() == 0 => Err(wrong("a graph without rows".into())),
            Some(k) if k < graph.k() => Ok(graph.truncated(k)?),
            Some(k) if k > graph.k() => {
                let held = graph.k();
                Err(Failure::Argument(format!("-k {k}: the graph has {held} neighbours in a row at most")))
            }
            _ => Ok(graph),
        }
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
            AnalysisError::TooFewNeighbors { .. } => {
                Self::Argument(format!("{error}: ask for fewer, or build the graph with a larger -k"))
            }
            AnalysisError::Parameter { .. } => Self::Argument(error.to_string()),
            _ => Self::Input(error.to_string()),
        }
    }
}
