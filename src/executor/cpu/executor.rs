//! The executor that runs everything on the CPU.

use super::exact_graph;
use super::session::CpuSession;
use crate::dataset::Problem;
use crate::error::BuildError;
use crate::executor::{Executor, Session, Tick};
use crate::graph::{InitGraph, KnnGraph};
use crate::params::Plan;
use crate::report::ExecutorInfo;
use crate::simd::Level;

/// Runs everything on the CPU, in the rayon pool it is called from.
pub(crate) struct CpuExecutor;

impl Executor for CpuExecutor {
    fn open<'p>(
        &self,
        problem: &Problem<'p>,
        plan: &Plan,
        init_graph: Option<&InitGraph>,
        tick: Tick,
    ) -> Result<Box<dyn Session + 'p>, BuildError> {
        Ok(Box::new(CpuSession::open(problem, plan, init_graph, tick)?))
    }

    fn exact(&self, problem: &Problem, plan: &Plan, tick: Tick) -> Result<(KnnGraph, ExecutorInfo), BuildError> {
        Ok((exact_graph::graph_of(problem, plan, tick)?, super::info(Level::detect().name())))
    }
}
