//! Executors run the parallel work of a build: an executor opens a session on the points, and the session owns the rows
//! of the graph.
//!
//! State stays with the session between rounds; only counters come back. Merging is a set function (a row keeps the
//! best distinct ids by distance, then id), so that the result depends neither on threads nor on the order of arrival.

pub(crate) mod arrange;
pub(crate) mod cpu;
pub(crate) mod device_work;
pub(crate) mod finish;
pub(crate) mod gpu;
pub(crate) mod proof;
pub(crate) mod several;
pub(crate) mod steps;

use self::device_work::DeviceWork;
use crate::dataset::Problem;
use crate::distances::TrueDistances;
use crate::error::BuildError;
use crate::graph::{InitGraph, KnnGraph};
use crate::params::Plan;
use crate::report::{ExecutorInfo, RoundStats};

/// Called with the share done of a phase (0 to 1); an error ends the build.
pub(crate) type Tick<'a> = &'a (dyn Fn(f32) -> Result<(), BuildError> + Sync);

/// Makes sessions.
pub(crate) trait Executor: Sync {
    /// Brings the points to the device and fills every row: trees, `init_graph`, random neighbours.
    fn open<'p>(
        &self,
        problem: &Problem<'p>,
        plan: &Plan,
        init_graph: Option<&InitGraph>,
        tick: Tick,
    ) -> Result<Box<dyn Session + 'p>, BuildError>;

    /// The most rows that the device takes at once; the builder builds more in parts.
    fn most_rows(&self, _problem: &Problem, _plan: &Plan) -> Result<usize, BuildError> {
        Ok(usize::MAX)
    }

    /// Others that build parts at the same time.
    fn further(&self) -> &[Box<dyn Executor>] {
        &[]
    }

    /// The exact graph of a plan, and what it was found on.
    fn exact(&self, problem: &Problem, plan: &Plan, tick: Tick) -> Result<(KnnGraph, ExecutorInfo), BuildError>;
}

/// A graph being built.
pub(crate) trait Session {
    /// Distances evaluated before the first round.
    fn init_distances(&self) -> u64;
    /// What runs, for the report.
    fn info(&self) -> ExecutorInfo;
    /// What a device does; the end of the session adds to it.
    fn device_work(&self) -> DeviceWork {
        DeviceWork::default()
    }
    /// The plan as the session follows it.
    fn plan(&self) -> &Plan;
    /// One round of NN-Descent over all rows.
    fn round(&mut self, tick: Tick) -> Result<RoundStats, BuildError>;
    /// Continues from the present rows with a larger plan: longer rows, more candidates, more trees.
    fn widen(&mut self, plan: &Plan, tick: Tick) -> Result<(), BuildError>;
    /// The rows of these points so far, to estimate recall.
    fn peek(&self, points: &[u32]) -> Result<KnnGraph, BuildError>;
    /// The exact rows of these points, themselves left out, if the session holds what tells them. `truth` is that of
    /// its problem.
    fn exact_rows(
        &self,
        _truth: &dyn TrueDistances,
        _points: &[usize],
        _tick: Tick,
    ) -> Result<Option<KnnGraph>, BuildError> {
        Ok(None)
    }
    /// The finished graph.
    fn finish(self: Box<Self>, tick: Tick) -> Result<KnnGraph, BuildError>;
}
