//! The settings of a build, and the checked plan made of them: every default with its reason.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::error::BuildError;
use crate::metric::Metric;
use crate::points::Points;

/// How the graph is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Algorithm {
    /// Exact search where it is estimated to take at most twice as long as NN-Descent on the device that runs it, since
    /// it misses no neighbour; else NN-Descent. On GPUs whose speed is not known, as in software, NN-Descent.
    #[default]
    Auto,
    /// Random-projection trees and NN-Descent; exact search where rows hold a quarter of all points or more.
    NnDescent,
    /// Every pair of points.
    Exact,
}

/// Where the graph is found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Device {
    /// A hardware GPU where the CPU is estimated to take 2 seconds or more, and the GPU at most 0.7 of that; else the
    /// CPU. If the GPU fails, the CPU takes over. The report says which, and why.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// This GPU. If it cannot be used, that is an error; no other device takes over.
    Gpu(GpuSelector),
    /// These GPUs. What one of them holds is built on the first; what has to be built in parts
    /// ([`part_rows`](crate::NnDescent::part_rows) decides, or the smallest of their memories) is built on all of them
    /// at the same time, a part on each. The graph is the same as on one of them, if they compute the same distances.
    Gpus(Vec<GpuSelector>),
}

impl Device {
    /// Whether GPUs were asked for.
    pub(crate) fn is_gpu(&self) -> bool {
        matches!(self, Self::Gpu(_) | Self::Gpus(_))
    }
}

/// Which GPU.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum GpuSelector {
    /// The first that is not software, or what `WGPU_ADAPTER_NAME` says.
    #[default]
    Any,
    /// A place in the list of [`adapters`](crate::gpu::adapters).
    Index(usize),
    /// A backend (`vulkan`, `metal`, `dx12`) or any part of an adapter's name, case-insensitive. Software adapters can
    /// be named, too.
    Named(String),
}

impl fmt::Display for GpuSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("gpu"),
            Self::Index(index) => write!(f, "{index}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// Why a name could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseChoiceError {
    /// No algorithm of that name.
    #[error("unknown algorithm `{0}`: auto, nndescent or exact")]
    Algorithm(String),
    /// No quantization of that name.
    #[error("unknown quantization `{0}`: auto, none, f16 or u8")]
    Quantization(String),
}

/// `Display` and `FromStr` of an enum by the names of its variants, whatever their case.
macro_rules! names {
    ($of:ident, $unknown:path, $($variant:ident => $name:literal),+) => {
        impl std::str::FromStr for $of {
            type Err = $crate::params::ParseChoiceError;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                match name.to_lowercase().as_str() {
                    $($name => Ok(Self::$variant),)+
                    _ => Err($unknown(name.into())),
                }
            }
        }

        impl std::fmt::Display for $of {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $(Self::$variant => $name,)+ })
            }
        }
    };
}
pub(crate) use names;

names!(Algorithm, ParseChoiceError::Algorithm, Auto => "auto", NnDescent => "nndescent", Exact => "exact");

/// `auto`, `cpu`, `gpu`, a number, numbers with commas between them, a backend or any part of an adapter's name.
impl FromStr for Device {
    type Err = std::convert::Infallible;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name.to_lowercase().as_str() {
            "auto" => Self::Auto,
            "cpu" => Self::Cpu,
            "gpu" => Self::Gpu(GpuSelector::Any),
            other => match other.split(',').map(|index| index.trim().parse()).collect::<Result<Vec<usize>, _>>() {
                Ok(indices) if indices.len() > 1 => Self::Gpus(indices.into_iter().map(GpuSelector::Index).collect()),
                Ok(indices) => Self::Gpu(GpuSelector::Index(indices[0])),
                Err(_) => Self::Gpu(GpuSelector::Named(name.into())),
            },
        })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu(selector) => selector.fmt(f),
            Self::Gpus(selectors) => {
                f.write_str(&selectors.iter().map(ToString::to_string).collect::<Vec<String>>().join(","))
            }
        }
    }
}

/// What the user set; `None` is the default, which [`Plan`] resolves once the points are known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params {
    pub n_neighbors: Option<usize>,
    pub n_trees: Option<usize>,
    pub leaf_size: Option<usize>,
    pub max_candidates: Option<usize>,
    pub n_iters: Option<usize>,
    pub delta: Option<f32>,
    pub seed: u64,
    pub include_self: bool,
    pub algorithm: Algorithm,
    pub device: Device,
    pub target_recall: Option<f32>,
    pub recall_sample: Option<usize>,
    pub part_rows: Option<usize>,
    pub time_kernels: bool,
    pub pipeline_cache: Option<bool>,
}

/// Every parameter of a build, checked against the points.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub metric: Metric,
    /// Neighbours in a finished row, the point itself included if asked.
    pub n_neighbors: usize,
    /// Neighbours in a row while it is built, the point itself never among them.
    pub width: usize,
    pub n_trees: usize,
    /// Trees more where these have left much to find: none if their number was asked for.
    pub more_trees: usize,
    pub leaf_size: usize,
    /// Neighbours that a row contributes to a local join, with half as many reverse neighbours.
    pub max_candidates: usize,
    pub n_iters: usize,
    pub delta: f32,
    pub seed: u64,
    pub include_self: bool,
    pub target_recall: Option<f32>,
    pub recall_sample: usize,
    /// Most rows that are built at once.
    pub part_rows: Option<usize>,
    /// Whether more trees are grown on hard data; and whether the CPU ends trees early on easy data, and leaves out
    /// pairs that were compared before. Devices do neither of the last two.
    pub adaptive: bool,
    /// Whether the kernels of a GPU are timed for the report.
    pub time_kernels: bool,
    /// Whether compiled kernels are kept on disk.
    pub pipeline_cache: bool,
}

/// The default of PyNNDescent, UMAP and scanpy.
const N_NEIGHBORS: usize = 15;
/// Neighbours of the graph under an index: PyNNDescent's default.
pub(crate) const INDEX_NEIGHBORS: usize = 30;
/// One tree more for every ten neighbours: docs/PERFORMANCE.md, "Trees".
fn n_trees(others: usize) -> usize {
    (5 + others / 10).clamp(6, 12)
}
/// On hard data they save as much of the rounds as they cost: docs/PERFORMANCE.md, "Easy and hard data".
const MORE_TREES: usize = 4;
/// Trees and leaves of bits are cheap, and leave few neighbours for the rounds to find: docs/PERFORMANCE.md, "Bits".
const MORE_TREES_OF_BITS: usize = 4;
const BIT_LEAF_SIZE: usize = 256;
/// Nineteen of twenty neighbours suffice to find the twentieth, but short lists find little: docs/PERFORMANCE.md,
/// "Candidates".
fn max_candidates(others: usize) -> usize {
    (others * 19 / 20).clamp(24, 60)
}
/// docs/PERFORMANCE.md, "Trees".
const LEAF_SIZE: usize = 128;
/// All pairs of a leaf are held at once.
const MAX_LEAF_SIZE: usize = 1 << 14;
/// `delta` ends rounds long before, unless the data has no structure.
const N_ITERS: usize = 12;
/// PyNNDescent's default: the last round changes fewer than one neighbour in a thousand.
const DELTA: f32 = 0.001;
/// Rows of the recall estimate: an interval of 0.965 to 0.988 around 0.982 at k = 15.
const RECALL_SAMPLE: usize = 256;
/// Neighbours kept where searches compare by a proxy whose order is only close to the metric's: docs/PERFORMANCE.md,
/// "Proxies".
pub(crate) fn proxied_width(metric: &Metric, wanted: usize) -> usize {
    match metric {
        Metric::Kantorovich { .. } | Metric::Sinkhorn { .. } => 3 * wanted + 20,
        Metric::SymmetricKl => 2 * wanted + 10,
        _ => wanted + wanted / 2 + 10,
    }
}

/// Rows hold at least this many neighbours while they are built: short rows join too few.
const MIN_WIDTH: usize = 20;
/// Counts of a neighbourhood are 16 bits wide.
const MAX_CANDIDATES: usize = 10_000;

impl Plan {
    pub(crate) fn new(metric: &Metric, params: &Params, points: &Points) -> Result<Self, BuildError> {
        points.check_not_empty()?;
        let metric = metric.clone().checked()?;
        let n = points.n();
        let n_neighbors = params.n_neighbors.unwrap_or(N_NEIGHBORS);
        let own = usize::from(params.include_self);
        let most = n - 1 + own;
        if n_neighbors == 0 {
            return Err(out_of_range("n_neighbors", 0, "at least 1"));
        }
        if n_neighbors > most {
            return Err(BuildError::TooManyNeighbors { k: n_neighbors, n, most, include_self: params.include_self });
        }
        let others = n_neighbors - own;
        let (trees, leaf_size, candidates) = if metric.compares_bits(points) {
            (n_trees(others) + MORE_TREES_OF_BITS, BIT_LEAF_SIZE, max_candidates(others) / 2)
        } else {
            (n_trees(others), LEAF_SIZE, max_candidates(others))
        };
        let plan = Self {
            n_neighbors,
            width: if metric.is_proxied() { proxied_width(&metric, others) } else { others.max(MIN_WIDTH) }.min(n - 1),
            n_trees: params.n_trees.unwrap_or(trees),
            more_trees: if params.n_trees.is_none() { MORE_TREES } else { 0 },
            leaf_size: params.leaf_size.unwrap_or(leaf_size.max(2 * others).min(MAX_LEAF_SIZE)),
            max_candidates: params.max_candidates.unwrap_or(candidates),
            n_iters: params.n_iters.unwrap_or(N_ITERS),
            delta: params.delta.unwrap_or(DELTA),
            seed: params.seed,
            include_self: params.include_self,
            target_recall: params.target_recall,
            recall_sample: params.recall_sample.unwrap_or(RECALL_SAMPLE).min(n),
            part_rows: params.part_rows,
            adaptive: true,
            time_kernels: params.time_kernels,
            pipeline_cache: params.pipeline_cache.unwrap_or(true),
            metric,
        };
        plan.check()?;
        Ok(plan)
    }

    fn check(&self) -> Result<(), BuildError> {
        if self.leaf_size < 2 || self.leaf_size > MAX_LEAF_SIZE {
            return Err(out_of_range("leaf_size", self.leaf_size, "2 to 16384"));
        }
        if self.max_candidates == 0 || self.max_candidates > MAX_CANDIDATES {
            return Err(out_of_range("max_candidates", self.max_candidates, "1 to 10000"));
        }
        if self.n_trees > 1000 {
            return Err(out_of_range("n_trees", self.n_trees, "at most 1000"));
        }
        let least = self.least_part();
        if let Some(rows) = self.part_rows.filter(|rows| *rows < least) {
            return Err(out_of_range("part_rows", rows, &format!("at least {least} (four leaves, and four rows)")));
        }
        if !(0.0..=1.0).contains(&self.delta) {
            return Err(out_of_range("delta", self.delta, "0 to 1"));
        }
        match self.target_recall {
            Some(t) if !(t > 0.0 && t < 1.0) => Err(out_of_range("target_recall", t, "above 0 and below 1")),
            Some(_) if self.recall_sample == 0 => {
                Err(out_of_range("recall_sample", 0, "above 0 where target_recall is set"))
            }
            _ => Ok(()),
        }
    }

    /// Rows of the smallest part worth building: most rows of a smaller one lie at its border.
    pub(crate) fn least_part(&self) -> usize {
        4 * self.leaf_size.max(self.width)
    }

    /// Neighbours in a finished row that are other points.
    pub(crate) fn others(&self) -> usize {
        self.n_neighbors - usize::from(self.include_self)
    }
}

fn out_of_range(name: &'static str, value: impl fmt::Display, range: &str) -> BuildError {
    BuildError::Parameter { name, value: value.to_string(), range: range.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_names() {
        let of = |name: &str| name.parse::<Device>().unwrap();
        let index = GpuSelector::Index;
        assert_eq!(of("0,1"), Device::Gpus(vec![index(0), index(1)]));
        assert_eq!(of("2"), Device::Gpu(index(2)));
        // A name with a comma.
        let name = "llvmpipe (LLVM 15.0.6, 256 bits)";
        assert_eq!(of(name), Device::Gpu(GpuSelector::Named(name.into())));
        for name in ["auto", "cpu", "gpu", "1", "0,1", "vulkan"] {
            assert_eq!(of(name).to_string(), name);
        }
    }
}
