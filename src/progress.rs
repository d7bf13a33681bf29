//! How far a build or an operation on an index is, and how it is cancelled.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Part of a build, or an operation on an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Phase {
    /// Trees and random neighbours.
    Init,
    /// Rounds of NN-Descent.
    Descent,
    /// Exact search over all pairs, in place of init and descent.
    Exact,
    /// Exact search for the sample of the recall estimate.
    Recall,
    /// Final distances and order.
    Finish,
    /// From the graph to a search index.
    Prepare,
    /// A batch of queries.
    Search,
    /// Points added to an index.
    Add,
    /// Searches that tune an index.
    Tune,
}

impl Phase {
    /// Its name, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Descent => "descent",
            Self::Exact => "exact",
            Self::Recall => "recall",
            Self::Finish => "finish",
            Self::Prepare => "prepare",
            Self::Search => "search",
            Self::Add => "add",
            Self::Tune => "tune",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How far a build, or an operation on an index, is.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Round of descent, from 1; 0 before, and outside builds.
    pub round: usize,
    /// Rounds that will be run at most.
    pub max_rounds: usize,
    /// Neighbours that changed in the last round that ended.
    pub updates: u64,
    /// Share of the phase (in descent, of the round) that is done, 0 to 1.
    pub fraction: f32,
}

/// Called as work goes on, from any thread; [`ControlFlow::Break`] cancels it.
pub(crate) type ProgressFn<'a> = Arc<dyn Fn(&Progress) -> ControlFlow<()> + Send + Sync + 'a>;
