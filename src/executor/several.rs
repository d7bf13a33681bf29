//! Several executors, which build parts at the same time. What is not in parts is the first one's.

use super::{Executor, Session, Tick};
use crate::dataset::Problem;
use crate::error::BuildError;
use crate::graph::{InitGraph, KnnGraph};
use crate::params::Plan;
use crate::report::ExecutorInfo;

pub(crate) struct Executors {
    first: Box<dyn Executor>,
    others: Vec<Box<dyn Executor>>,
}

impl Executors {
    /// None if there are none.
    pub(crate) fn new(all: Vec<Box<dyn Executor>>) -> Option<Self> {
        let mut all = all.into_iter();
        Some(Self { first: all.next()?, others: all.collect() })
    }
}

impl Executor for Executors {
    fn open<'p>(
        &self,
        problem: &Problem<'p>,
        plan: &Plan,
        init_graph: Option<&InitGraph>,
        tick: Tick,
    ) -> Result<Box<dyn Session + 'p>, BuildError> {
        self.first.open(problem, plan, init_graph, tick)
    }

    fn most_rows(&self, problem: &Problem, plan: &Plan) -> Result<usize, BuildError> {
        let first = self.first.most_rows(problem, plan)?;
        self.others.iter().try_fold(first, |most, other| Ok(most.min(other.most_rows(problem, plan)?)))
    }

    fn exact(&self, problem: &Problem, plan: &Plan, tick: Tick) -> Result<(KnnGraph, ExecutorInfo), BuildError> {
        self.first.exact(problem, plan, tick)
    }

    fn further(&self) -> &[Box<dyn Executor>] {
        &self.others
    }
}
