//! A whole build: all pieces, one after another, in a folder that is removed at the end.

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::OutOfCoreError;
use super::folder::{Folder, check_output, remove_file};
use super::merge::{open_graph, rounds_done};
use super::partition::planned;
use super::plan::{Plan, plan_path};
use super::refine::is_refined;
use super::{
    PartSize, Stage, Watch, build_part, check, estimate_recall, merge, merge_refined, partition, refine_part,
    write_graph,
};
use crate::builder::NnDescent;
use crate::error::BuildError;
use crate::io::{MatrixFile, PrecisionLoss};
use crate::progress::Progress;
use crate::recall::RecallEstimate;

/// Memory unless [`OutOfCore::memory_limit`] is called.
const MEMORY: u64 = 4 << 30;
/// With one, rows never meet neighbours across a border: docs/SCALE.md, "Overlap".
const OVERLAP: usize = 2;
/// docs/SCALE.md, "Refining".
const ROUNDS: usize = 1;
/// Rows of the recall estimate.
const RECALL_SAMPLE: usize = 256;

/// Called as a build goes on, from any thread.
type StepFn<'a> = Arc<dyn Fn(&Step) -> ControlFlow<()> + Send + Sync + 'a>;

/// Builds the graph of a matrix in a file without ever holding it in memory.
///
/// ```no_run
/// use nndescent::out_of_core::OutOfCore;
/// use nndescent::{Metric, NnDescent};
///
/// let builder = NnDescent::new(Metric::Cosine).n_neighbors(15);
/// let report = OutOfCore::new(&builder).memory_limit(2 << 30).graph("huge.npy", "graph.npz")?;
/// println!("recall {:?}", report.recall);
/// # Ok::<(), nndescent::out_of_core::OutOfCoreError>(())
/// ```
#[derive(Clone)]
pub struct OutOfCore<'a> {
    builder: NnDescent<'a>,
    size: PartSize,
    memory: u64,
    overlap: usize,
    rounds: usize,
    scratch: Option<PathBuf>,
    resume: bool,
    progress: Option<StepFn<'a>>,
}

/// How far a build is.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// What is being done.
    pub stage: Stage,
    /// Parts that are done in this stage: being built, or refined in this round.
    pub part: usize,
    /// Number of parts.
    pub parts: usize,
    /// Share of the whole build that is done, 0 to 1.
    pub fraction: f32,
    /// Estimated time left, once that can be told.
    pub remaining: Option<Duration>,
}

/// What a build did.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct OutOfCoreReport {
    /// Rows.
    pub n: usize,
    /// Columns.
    pub dim: usize,
    /// Neighbours of every row.
    pub k: usize,
    /// Parts that the rows were divided into.
    pub parts: usize,
    /// Rows of the largest.
    pub largest_part: u64,
    /// Parts that every row was in.
    pub overlap: usize,
    /// Parts that were found built, in a build that was resumed.
    pub resumed: usize,
    /// Rows that found nearer neighbours in each round of refining.
    pub refined: Vec<u64>,
    /// Time of every stage.
    pub times: Vec<(Stage, Duration)>,
    /// Distances evaluated in the builds of parts.
    pub distances_evaluated: u64,
    /// Estimated recall, unless switched off.
    pub recall: Option<RecallEstimate>,
    /// What the values of the input lost when they became f32; none if they are of a type that points have.
    pub precision_loss: Option<PrecisionLoss>,
}

impl<'a> OutOfCore<'a> {
    /// A build with the settings of a builder. Its `include_self`, `target_recall`, `part_rows` and `init_graph` have
    /// to be left alone, and its progress is not called: see [`OutOfCore::progress`].
    #[must_use]
    pub fn new(builder: &NnDescent<'a>) -> Self {
        Self {
            builder: builder.clone(),
            size: PartSize::Memory(MEMORY),
            memory: MEMORY,
            overlap: OVERLAP,
            rounds: ROUNDS,
            scratch: None,
            resume: false,
            progress: None,
        }
    }

    /// Bytes that the process may take at its peak, if it takes little else. Default 4 GiB.
    #[must_use]
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        if let PartSize::Memory(_) = self.size {
            self.size = PartSize::Memory(bytes);
        }
        self
    }

    /// Rows of a part at most. Default: as many as can be built within the limit of memory.
    #[must_use]
    pub fn part_rows(mut self, rows: usize) -> Self {
        self.size = PartSize::Rows(rows);
        self
    }

    /// Parts that every row is in, 1 to 8. Default 2. Costs as much again for each more.
    #[must_use]
    pub fn overlap(mut self, parts: usize) -> Self {
        self.overlap = parts;
        self
    }

    /// Rounds of refining across parts. Default 1.
    #[must_use]
    pub fn refine_rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    /// The folder in which working files get a folder of their own, named after the output. Default: that of the
    /// output. If there is none, it is made, in a folder that there has to be, and removed again with them.
    #[must_use]
    pub fn scratch(mut self, folder: impl Into<PathBuf>) -> Self {
        self.scratch = Some(folder.into());
        self
    }

    /// Whether to go on with what a build of the same input, settings and output has left when it was killed; parts
    /// that were built are not built again. Working files are then kept if the build fails, too. Default no: what is
    /// left is removed, also after errors.
    #[must_use]
    pub fn resume(mut self, resume: bool) -> Self {
        self.resume = resume;
        self
    }

    /// Called as the build goes on, from any thread; [`ControlFlow::Break`] ends it with
    /// [`OutOfCoreError::Cancelled`].
    #[must_use]
    pub fn progress(mut self, progress: impl Fn(&Step) -> ControlFlow<()> + Send + Sync + 'a) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    /// The folder of working files of a build with this output.
    #[must_use]
    pub fn working_folder(&self, output: impl AsRef<Path>) -> PathBuf {
        let output = output.as_ref();
        let mut name = output.file_name().unwrap_or_default().to_os_string();
        name.push(".parts");
        let beside = || output.parent().unwrap_or(Path::new("")).to_path_buf();
        self.scratch.clone().unwrap_or_else(beside).join(name)
    }

    /// Builds the graph of the matrix in `input` and writes it to `output`, a `.npz`.
    ///
    /// # Errors
    /// [`OutOfCoreError`]: an input that cannot be read or used, settings that do not suit it, a limit that is too
    /// small, no folder for the output, no room or permission for working files, what is left of another build where it
    /// is to be resumed.
    ///
    /// # Complexity
    /// That of `overlap` builds in memory, about. Reads the input three times and writes it `overlap` times, beside
    /// the graph.
    pub fn graph(&self, input: impl AsRef<Path>, output: impl AsRef<Path>) -> Result<OutOfCoreReport, OutOfCoreError> {
        let (input, output) = (input.as_ref(), output.as_ref());
        check_output(output)?;
        let folder = Folder::open(self.working_folder(output), self.scratch.as_deref())?;
        let start = Instant::now();
        let course = Course { options: self, folder: &folder.path, start, times: Vec::new(), begun_at: 0.0 };
        let done = course.run(input, output);
        if (done.is_ok() || !self.resume)
            && let Err(error) = folder.remove()
        {
            tracing::warn!(%error, "working files are left");
        }
        done
    }
}

impl fmt::Debug for OutOfCore<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutOfCore")
            .field("builder", &self.builder)
            .field("size", &self.size)
            .field("overlap", &self.overlap)
            .field("rounds", &self.rounds)
            .field("scratch", &self.scratch)
            .field("resume", &self.resume)
            .finish_non_exhaustive()
    }
}

/// A build on its way.
struct Course<'o, 'a> {
    options: &'o OutOfCore<'a>,
    folder: &'o Path,
    start: Instant,
    times: Vec<(Stage, Duration)>,
    /// The share that was done before.
    begun_at: f32,
}

impl Course<'_, '_> {
    fn run(mut self, input: &Path, output: &Path) -> Result<OutOfCoreReport, OutOfCoreError> {
        let memory = self.options.memory;
        let plan = self.plan(input)?;
        let (resumed, distances_evaluated) = self.build_parts(&plan)?;
        if rounds_done(&plan).is_none() {
            self.timed(Stage::Merge, plan.parts(), |watch| merge(&plan, memory, watch))?;
        }
        for part in 0..plan.parts() {
            remove_file(&plan.graph_path(part))?;
        }
        let refined = self.refine(&plan)?;
        let (_, params, _) = self.options.builder.parts();
        let recall = match params.recall_sample.unwrap_or(RECALL_SAMPLE) {
            0 => None,
            rows => Some(self.timed(Stage::Recall, plan.parts(), |watch| estimate_recall(&plan, rows, memory, watch))?),
        };
        self.timed(Stage::Write, plan.parts(), |watch| write_graph(&plan, output, watch))?;
        Ok(OutOfCoreReport {
            n: plan.n(),
            dim: plan.dim(),
            k: plan.k(),
            parts: plan.parts(),
            largest_part: plan.part_sizes().iter().copied().max().unwrap_or(0),
            overlap: plan.overlap(),
            resumed,
            refined,
            times: self.times,
            distances_evaluated,
            recall,
            precision_loss: plan.loss,
        })
    }

    /// The plan that is there, if the build is resumed; else a new one.
    fn plan(&mut self, input: &Path) -> Result<Plan, OutOfCoreError> {
        let OutOfCore { builder, size, overlap, .. } = self.options;
        if self.options.resume && plan_path(self.folder).exists() {
            let plan = Plan::open(self.folder)?;
            let wanted = planned(&MatrixFile::open(input)?, self.folder, builder, *size, *overlap)?;
            for ((name, found), (_, expected)) in plan.identity.entries().into_iter().zip(wanted.identity.entries()) {
                if found != expected {
                    let path = plan_path(self.folder);
                    return Err(OutOfCoreError::Disagrees { path, name: name.into(), found, expected });
                }
            }
            return Ok(plan.with_input(input));
        }
        let folder = self.folder;
        self.timed(Stage::Partition, 0, |watch| partition(input, folder, builder, *size, *overlap, watch))
    }

    /// Builds the parts that have not been built: how many had been, and distances evaluated.
    fn build_parts(&mut self, plan: &Plan) -> Result<(usize, u64), OutOfCoreError> {
        let is_merged = rounds_done(plan).is_some();
        let mut missing = Vec::new();
        for part in (0..plan.parts()).filter(|_| !is_merged) {
            match open_graph(plan, &plan.graph_path(part), part, 0) {
                Ok(_) => {}
                // What cannot be built again is an error, rather than that its rows are missing.
                Err(error) if plan.graph_path(part).exists() && !plan.rows_path(part).exists() => return Err(error),
                Err(_) => missing.push(part),
            }
        }
        let resumed = plan.parts() - missing.len();
        self.begun_at = self.begun_at.max(self.before(Stage::Parts) + self.share_of_parts(resumed, plan));
        let start = Instant::now();
        let mut distances = 0;
        for (at, part) in missing.into_iter().enumerate() {
            let done = resumed + at;
            check(
                &|f| self.tell(Stage::Parts, done, plan.parts(), f),
                Stage::Parts,
                done as f32 / plan.parts() as f32,
            )?;
            let within = |progress: &Progress| {
                let share = (done as f32 + within_part(progress)) / plan.parts() as f32;
                self.tell(Stage::Parts, done, plan.parts(), share)
            };
            let built = match build_part(plan, part, &self.options.builder.clone().progress(within)) {
                Err(OutOfCoreError::Part { source: BuildError::Cancelled { .. }, .. }) => {
                    return Err(OutOfCoreError::Cancelled { stage: Stage::Parts });
                }
                built => built?,
            };
            distances += built.map_or(0, |report| report.distances_evaluated);
            remove_file(&plan.rows_path(part))?;
        }
        self.times.push((Stage::Parts, start.elapsed()));
        Ok((resumed, distances))
    }

    /// Rounds that are not done: how many rows changed in each.
    fn refine(&mut self, plan: &Plan) -> Result<Vec<u64>, OutOfCoreError> {
        let rounds = if plan.parts() > 1 { self.options.rounds } else { 0 };
        let memory = self.options.memory;
        let mut changed = Vec::new();
        for round in rounds_done(plan).unwrap_or(0)..rounds {
            let all = self.timed(Stage::Refine, plan.parts(), |watch| {
                let (parts, mut all) = (plan.parts() as f32, 0);
                for part in (0..plan.parts()).filter(|part| !is_refined(plan, round + 1, *part)) {
                    let share = |f: f32| watch((round as f32 + 0.9 * (part as f32 + f) / parts) / rounds as f32);
                    all += refine_part(plan, part, memory, &share)?;
                }
                let share = |f: f32| watch((round as f32 + 0.9 + 0.1 * f) / rounds as f32);
                merge_refined(plan, memory, &share)?;
                Ok(all)
            })?;
            changed.push(all);
        }
        Ok(changed)
    }

    fn timed<T>(
        &mut self,
        stage: Stage,
        parts: usize,
        work: impl FnOnce(Watch) -> Result<T, OutOfCoreError>,
    ) -> Result<T, OutOfCoreError> {
        let start = Instant::now();
        let done = work(&|fraction| self.tell(stage, 0, parts, fraction))?;
        self.times.push((stage, start.elapsed()));
        Ok(done)
    }

    /// Tells how far the build is; `fraction` is that of a stage.
    fn tell(&self, stage: Stage, part: usize, parts: usize, fraction: f32) -> ControlFlow<()> {
        let Some(progress) = &self.options.progress else { return ControlFlow::Continue(()) };
        let fraction = (self.before(stage) + stage.share() * fraction).clamp(0.0, 1.0);
        let done = fraction - self.begun_at;
        let remaining = (done > 0.02).then(|| self.start.elapsed().mul_f32(((1.0 - fraction) / done).clamp(0.0, 1e6)));
        progress(&Step { stage, part, parts, fraction, remaining })
    }

    /// The share of a build before a stage.
    fn before(&self, stage: Stage) -> f32 {
        Stage::ALL.iter().take_while(|other| **other != stage).map(|other| other.share()).sum()
    }

    fn share_of_parts(&self, done: usize, plan: &Plan) -> f32 {
        Stage::Parts.share() * done as f32 / plan.parts() as f32
    }
}

/// About the share of a part's build that is done.
fn within_part(progress: &Progress) -> f32 {
    use crate::progress::Phase;
    match progress.phase {
        Phase::Init => 0.4 * progress.fraction,
        Phase::Descent => {
            0.4 + 0.5 * (progress.round as f32 - 1.0 + progress.fraction) / progress.max_rounds.max(1) as f32
        }
        Phase::Exact => progress.fraction,
        _ => 0.95,
    }
}
