//! Who does the work: an executor opens a session on the points, the session owns the rows of the graph being built.
//!
//! State stays with the session between rounds; only counters come back. Merging is a set function (a row keeps the best
//! distinct ids by distance, then id), so neither threads nor order of arrival can show in the result.

pub(crate) mod arrange;
pub(crate) mod cpu;
pub(crate) mod finish;
pub(crate) mod gpu;

use crate::dataset::Problem;
use crate::error::BuildError;
use crate::graph::KnnGraph;
use crate::params::Plan;

/// What one round of descent did.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RoundStats {
    /// Neighbours that entered a row.
    pub updates: u64,
    /// Distances evaluated.
    pub distances: u64,
    /// Wall time.
    pub seconds: f64,
    /// What went to a device and back; none on the CPU.
    pub traffic: Option<Traffic>,
}

/// What a round asked of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Command buffers submitted.
    pub submissions: u64,
    /// Workgroup grids dispatched.
    pub dispatches: u64,
    /// Bytes read back.
    pub read_bytes: u64,
}

/// What a kernel did on a device in a whole build.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct KernelTime {
    /// Its name.
    pub kernel: &'static str,
    /// Workgroup grids dispatched.
    pub dispatches: u64,
    /// Seconds on the device, by its own clock.
    pub seconds: f64,
    /// Distances evaluated; each takes about three operations a column.
    pub distances: u64,
    /// Bytes of points that workgroups read for them, were nothing cached.
    pub bytes: u64,
}

/// Called with the share done of a phase (0 to 1); an error ends the build.
pub(crate) type Tick<'a> = &'a (dyn Fn(f32) -> Result<(), BuildError> + Sync);

/// Makes sessions.
pub(crate) trait Executor {
    /// Brings the points to where the work is done and fills every row: trees, `init_graph`, random neighbours.
    fn open<'p>(
        &self,
        problem: &Problem<'p>,
        plan: &Plan,
        init_graph: Option<&KnnGraph>,
        tick: Tick,
    ) -> Result<Box<dyn Session + 'p>, BuildError>;

    /// The most rows that fit where the work is done; more are built in [`crate::builder::partition`].
    fn most_rows(&self, _problem: &Problem, _plan: &Plan) -> Result<usize, BuildError> {
        Ok(usize::MAX)
    }

    /// The exact graph of a plan, and what found it on what: for the report.
    fn exact(&self, problem: &Problem, plan: &Plan, tick: Tick) -> Result<(KnnGraph, String), BuildError>;
}

/// A graph being built.
pub(crate) trait Session {
    /// Distances evaluated before the first round.
    fn init_distances(&self) -> u64;
    /// What runs, on what: for the report.
    fn describe(&self) -> String;
    /// What the kernels did, where they are timed.
    fn kernel_times(&self) -> Vec<KernelTime> {
        Vec::new()
    }
    /// The plan as the session follows it.
    fn plan(&self) -> &Plan;
    /// One round of NN-Descent over all rows.
    fn round(&mut self, tick: Tick) -> Result<RoundStats, BuildError>;
    /// Starts over from the present rows with a larger plan: longer rows, more candidates, more trees.
    fn widen(&mut self, plan: &Plan, tick: Tick) -> Result<(), BuildError>;
    /// The graph so far, for an estimate of its recall: rows of these points only.
    fn peek(&self, points: &[u32]) -> Result<KnnGraph, BuildError>;
    /// The finished graph.
    fn finish(self: Box<Self>, tick: Tick) -> Result<KnnGraph, BuildError>;
}
