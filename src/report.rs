//! What a build did: the executor, times, rounds, estimated recall, and every setting as used.
//!
//! All types print themselves, and are `serde::Serialize` with the feature `serde`.
//!
//! ```
//! use nndescent::{Metric, NnDescent, Points};
//!
//! let data: Vec<f32> = (0..500 * 8).map(|i| ((i * 37) % 101) as f32).collect();
//! let built = NnDescent::new(Metric::Euclidean).graph(&Points::dense(&data, 500, 8)?)?;
//! let report = &built.report;
//! println!("{} on {} in {:?}", report.algorithm, report.executor, report.times.build());
//! if let Some(recall) = report.recall {
//!     println!("recall {:.3} [{:.3}, {:.3}]", recall.estimate, recall.low, recall.high);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::time::Duration;

use crate::error::GpuError;
use crate::metric::Metric;
use crate::params::Algorithm;
use crate::recall::RecallEstimate;

pub use crate::progress::Phase;

/// What happened in a build.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct BuildReport {
    /// What ran: NN-Descent or exact search.
    pub algorithm: Algorithm,
    /// On what.
    pub executor: ExecutorInfo,
    /// Why this algorithm and this executor were chosen, where `Auto` chose.
    pub reasons: Vec<Reason>,
    /// Wall time by phase.
    pub times: PhaseTimes,
    /// Seconds that the build, without the estimate of recall, was predicted to take on the CPU: what `Auto` chooses
    /// by.
    pub predicted_seconds: f64,
    /// Every round of descent.
    pub rounds: Vec<RoundStats>,
    /// Distances evaluated in init and descent, or in exact search.
    pub distances_evaluated: u64,
    /// Why the rounds ended.
    pub stop: StopReason,
    /// Estimated recall, unless switched off. Exact search has 1.
    pub recall: Option<RecallEstimate>,
    /// Outcome of `target_recall`.
    pub target: Option<TargetOutcome>,
    /// What every kernel of a GPU did, where [`NnDescent::time_kernels`](crate::NnDescent::time_kernels) asked for it.
    pub kernels: Vec<KernelTime>,
    /// What a build with a GPU is made of, in the order of [`DevicePhase`]. Empty on the CPU and for exact search.
    pub device_phases: Vec<DevicePhaseTime>,
    /// Every setting as used.
    pub settings: Settings,
}

/// What a build ran on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum ExecutorInfo {
    /// The CPU.
    Cpu {
        /// Threads of the pool.
        threads: usize,
        /// What was compared, by which instructions: `byte codes, AVX-512 VNNI`.
        rows: String,
    },
    /// A GPU.
    Gpu {
        /// Its name, backend and driver.
        adapter: String,
        /// What was compared, and how it was loaded: `u8 rows (dot4U8Packed)`.
        rows: String,
        /// Whether cooperative matrices computed the distances within leaves.
        matrices: Matrices,
        /// Buffer bindings that the points are spread over.
        bindings: usize,
        /// Rows held at once by exact search, where the device does not hold all.
        rows_at_once: Option<usize>,
    },
    /// Parts, built one after another and merged.
    Parts {
        /// Number of parts.
        parts: usize,
        /// Rows of the largest.
        max_rows: usize,
        /// What they were built on.
        built_on: Box<ExecutorInfo>,
        /// What they were merged and refined on.
        merged_on: Box<ExecutorInfo>,
    },
}

/// Whether a GPU's cooperative matrices were used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Matrices {
    /// There is no kernel with matrices for these rows, or it was not asked for.
    NotApplicable,
    /// Square matrices with sides of this length.
    Used(u32),
    /// They were not used, for this reason.
    Rejected(String),
}

impl ExecutorInfo {
    /// Whether a GPU did the work, or built the parts.
    #[must_use]
    pub fn is_gpu(&self) -> bool {
        match self {
            Self::Cpu { .. } => false,
            Self::Gpu { .. } => true,
            Self::Parts { built_on, .. } => built_on.is_gpu(),
        }
    }
}

impl ExecutorInfo {
    /// What several did together: the first, with the names of all GPUs. None of none.
    pub(crate) fn together(all: Vec<Self>) -> Option<Self> {
        all.into_iter().reduce(|mut together, next| {
            if let (Self::Gpu { adapter, .. }, Self::Gpu { adapter: other, .. }) = (&mut together, next) {
                *adapter = format!("{adapter} + {other}");
            }
            together
        })
    }
}

impl fmt::Display for ExecutorInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu { threads, rows } => write!(f, "cpu: {threads} threads, {rows}"),
            Self::Gpu { adapter, rows, matrices, bindings, rows_at_once } => {
                write!(f, "gpu: {adapter}, {rows}")?;
                match matrices {
                    Matrices::NotApplicable => {}
                    Matrices::Used(side) => write!(f, ", pairs by matrices of {side} x {side}")?,
                    Matrices::Rejected(why) => write!(f, ", no matrices: {why}")?,
                }
                if *bindings > 1 {
                    write!(f, " over {bindings} bindings")?;
                }
                rows_at_once.map_or(Ok(()), |rows| write!(f, ", {rows} rows at a time"))
            }
            Self::Parts { parts, max_rows, built_on, merged_on } => {
                write!(f, "{built_on}, in {parts} parts of at most {max_rows} rows; merged on {merged_on}")
            }
        }
    }
}

/// Why `Auto` chose an algorithm or a device.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Reason {
    /// The estimated time of exact search relative to that of NN-Descent decided the algorithm.
    EstimatedCost {
        /// Exact search's time divided by NN-Descent's.
        exact_to_nndescent: f64,
    },
    /// A GPU was asked for by name, which runs NN-Descent unless exact search is asked for, or estimated to cost little
    /// more there.
    NamedGpu,
    /// Exact search was estimated to cost less than widening the build once more to reach the target recall.
    CheaperThanWidening {
        /// The target.
        target_recall: f32,
    },
    /// NN-Descent was asked for, but rows are so long that exact search is faster.
    LongRows {
        /// Neighbours of a row.
        n_neighbors: usize,
        /// Rows.
        n: usize,
    },
    /// Many rows are equal: NN-Descent worked on one of each.
    Copies {
        /// Rows.
        rows: usize,
        /// Distinct ones.
        distinct: usize,
    },
    /// The job is too small for a GPU to pay off.
    TooSmallForGpu {
        /// Estimated seconds on the CPU.
        cpu_seconds: f64,
    },
    /// A GPU was estimated to take longer, or not to be faster by enough.
    SlowerOnGpu {
        /// Estimated seconds on the CPU.
        cpu_seconds: f64,
        /// Estimated seconds on the GPU.
        gpu_seconds: f64,
    },
    /// A GPU was estimated to be faster, and decided the algorithm.
    FasterOnGpu {
        /// Estimated seconds on the CPU.
        cpu_seconds: f64,
        /// Estimated seconds on the GPU.
        gpu_seconds: f64,
    },
    /// There is no hardware GPU.
    NoHardwareGpu,
    /// This crate was compiled without the feature `gpu`.
    WithoutGpuFeature,
    /// The GPU failed, and the CPU built the graph instead.
    GpuFailed(#[cfg_attr(feature = "serde", serde(serialize_with = "as_text"))] GpuError),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EstimatedCost { exact_to_nndescent: ratio } => {
                write!(f, "auto: exact search is estimated to take {ratio:.2} of the time of nndescent")
            }
            Self::NamedGpu => f.write_str("auto: nndescent, since a GPU was asked for by name"),
            Self::CheaperThanWidening { target_recall } => {
                write!(f, "auto: exact search costs less than widening the build once more to reach {target_recall}")
            }
            Self::LongRows { n_neighbors, n } => {
                write!(f, "exact search, which is faster where rows hold {n_neighbors} of {n} points")
            }
            Self::Copies { rows, distinct } => {
                write!(f, "{distinct} of {rows} rows are distinct, and nndescent worked on these")
            }
            Self::TooSmallForGpu { cpu_seconds } => {
                write!(f, "about {cpu_seconds:.2} s on the CPU: too little for a GPU")
            }
            Self::SlowerOnGpu { cpu_seconds, gpu_seconds } => {
                write!(f, "about {cpu_seconds:.2} s on the CPU and {gpu_seconds:.2} s on the GPU")
            }
            Self::FasterOnGpu { cpu_seconds, gpu_seconds } => {
                write!(f, "auto: about {gpu_seconds:.2} s on the GPU and {cpu_seconds:.2} s on the CPU")
            }
            Self::NoHardwareGpu => f.write_str("no hardware GPU"),
            Self::WithoutGpuFeature => GpuError::NotCompiled.fmt(f),
            Self::GpuFailed(error) => write!(f, "the GPU failed: {error}"),
        }
    }
}

/// Wall time of a build's phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PhaseTimes {
    /// Points into working order, trees, random neighbours.
    pub init: Duration,
    /// Rounds, or exact search.
    pub descent: Duration,
    /// Final distances and order.
    pub finish: Duration,
    /// The recall estimate; not part of the build.
    pub recall: Duration,
}

impl PhaseTimes {
    /// Of the build itself: all but the recall estimate.
    #[must_use]
    pub fn build(&self) -> Duration {
        self.init + self.descent + self.finish
    }
}

/// What one round of descent did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RoundStats {
    /// Neighbours that entered a row.
    pub updates: u64,
    /// Distances evaluated.
    pub distances: u64,
    /// Wall time.
    pub elapsed: Duration,
    /// Time that kernels ran on a device, by its own clock, where
    /// [`NnDescent::time_kernels`](crate::NnDescent::time_kernels) asked for it and the device has one.
    pub device: Option<Duration>,
    /// Traffic with a device; none on the CPU.
    pub traffic: Option<Traffic>,
}

/// What a round asked of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Traffic {
    /// Command buffers submitted.
    pub submissions: u64,
    /// Workgroup grids dispatched.
    pub dispatches: u64,
    /// Bytes read back.
    pub read_bytes: u64,
}

/// A part of a build with a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum DevicePhase {
    /// The points are put in the order of a first tree, on the CPU.
    Arrange,
    /// Device and buffers are opened and kernels compiled, beside `Arrange`.
    Prepare,
    /// The rows of the graph begin empty, on the device.
    EmptyRows,
    /// The points go to the device.
    Upload,
    /// Trees grow on the CPU, beside `Join`.
    Trees,
    /// Leaves go to the device, which joins them.
    Join,
    /// Rows are completed: by a graph handed over, and by random points.
    Fill,
    /// A few rows are compared with the CPU's.
    Check,
    /// Rounds of descent; each is in [`BuildReport::rounds`].
    Rounds,
    /// What the host does within `Rounds`, while the device works: values as given go to the device, where rounds
    /// compare codes, and memory is made for the finished graph. What is left of the first follows after them.
    BesideRounds,
    /// Final distances on the device.
    Recompute,
    /// Rows come back.
    ReadBack,
    /// Final distances or ranks on the CPU.
    Finish,
}

impl fmt::Display for DevicePhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Arrange => "arrange",
            Self::Prepare => "prepare",
            Self::EmptyRows => "empty rows",
            Self::Upload => "upload",
            Self::Trees => "trees",
            Self::Join => "join",
            Self::Fill => "fill",
            Self::Check => "check",
            Self::Rounds => "rounds",
            Self::BesideRounds => "beside rounds",
            Self::Recompute => "recompute",
            Self::ReadBack => "read back",
            Self::Finish => "finish",
        })
    }
}

/// What a part of a build with a GPU took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DevicePhaseTime {
    /// Which part.
    pub phase: DevicePhase,
    /// Wall time.
    pub elapsed: Duration,
    /// How much of it the host waited for the device; the mean over its threads where all take part.
    pub waited: Duration,
    /// Time that kernels ran on the device, by its own clock, where
    /// [`NnDescent::time_kernels`](crate::NnDescent::time_kernels) asked for it and the device has one. None for parts
    /// without kernels.
    pub device: Option<Duration>,
}

/// What a kernel did on a device in a whole build.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct KernelTime {
    /// Its name.
    pub kernel: &'static str,
    /// Workgroup grids dispatched.
    pub dispatches: u64,
    /// Time on the device, by its own clock.
    pub elapsed: Duration,
    /// Distances evaluated; each takes about three operations a column.
    pub distances: u64,
    /// Bytes of points that workgroups read for them if nothing is cached.
    pub bytes: u64,
}

/// Why the rounds ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum StopReason {
    /// A round changed at most `delta` of all neighbours.
    Converged,
    /// `n_iters` rounds were run.
    MaxRounds,
    /// There were no rounds: the search was exact.
    Exact,
}

/// Outcome of `target_recall`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TargetOutcome {
    /// The target.
    pub target: f32,
    /// Whether the lower end of the estimate's interval reached it.
    pub reached: bool,
    /// How often the build was widened on the way.
    pub widened: usize,
}

/// Every setting of a build as used, defaults resolved.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Settings {
    /// The metric.
    #[cfg_attr(feature = "serde", serde(serialize_with = "as_text"))]
    pub metric: Metric,
    /// Neighbours in a finished row.
    pub n_neighbors: usize,
    /// Random-projection trees.
    pub n_trees: usize,
    /// Most points in a leaf.
    pub leaf_size: usize,
    /// Neighbours that a row brings to a join.
    pub max_candidates: usize,
    /// Neighbours in a row while it is built.
    pub working_neighbors: usize,
    /// Most rounds.
    pub n_iters: usize,
    /// Share of changed neighbours below which rounds end.
    pub delta: f32,
    /// Seed of all randomness.
    pub seed: u64,
    /// Whether rows begin with their own point.
    pub include_self: bool,
    /// Target of the recall estimate.
    pub target_recall: Option<f32>,
    /// Rows sampled for the recall estimate.
    pub recall_sample: usize,
    /// Most rows built at once.
    pub part_rows: Option<usize>,
}

impl Settings {
    /// Names and values, in words.
    #[must_use]
    pub fn entries(&self) -> Vec<(&'static str, String)> {
        vec![
            ("metric", self.metric.to_string()),
            ("n_neighbors", self.n_neighbors.to_string()),
            ("n_trees", self.n_trees.to_string()),
            ("leaf_size", self.leaf_size.to_string()),
            ("max_candidates", self.max_candidates.to_string()),
            ("working_neighbors", self.working_neighbors.to_string()),
            ("n_iters", self.n_iters.to_string()),
            ("delta", self.delta.to_string()),
            ("seed", self.seed.to_string()),
            ("include_self", self.include_self.to_string()),
            ("target_recall", self.target_recall.map_or("none".into(), |t| t.to_string())),
            ("recall_sample", self.recall_sample.to_string()),
            ("part_rows", self.part_rows.map_or("all".into(), |rows| rows.to_string())),
        ]
    }
}

/// Serializes a value as it prints itself.
#[cfg(feature = "serde")]
fn as_text<T: fmt::Display, S: serde::Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
