//! Builds of matrices that do not fit in memory, and the pieces that they are made of (feature `io`).
//!
//! [`OutOfCore`] builds the graph of a file within a limit of memory. It drives four pieces, which any scheduler can
//! drive as well, since all they share is a folder:
//!
//! 1. [`partition`]: a sample gives the centres of parts; every row goes to the `overlap` parts whose centres are
//!    nearest, and the rows of each part to a file of its own.
//! 2. [`build_part`]: an ordinary build of the rows of a part. Parts are built in any order, by any number of
//!    processes.
//! 3. [`merge`]: every row keeps the nearest of what its parts found, by (distance, id).
//! 4. [`refine`]: rows are compared with neighbours of their neighbours that share no part with them.
//!
//! [`write_graph`] then writes the graph, [`estimate_recall`] estimates its recall. Each piece is a function of files:
//! the same seed gives the same bytes for any number of workers. Files have versions and checksums; they appear under
//! their names when they are whole, and a file of another plan (another input, seed, k or metric) is an error.
//!
//! ```
//! use nndescent::out_of_core::{PartSize, build_part, merge, partition, refine, write_graph};
//! use nndescent::{Metric, NnDescent};
//! use std::ops::ControlFlow;
//!
//! # let folder = std::env::temp_dir().join(format!("nndescent-pieces-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let (input, output) = (folder.join("x.fbin"), folder.join("graph.npz"));
//! # let mut file = [2000u32, 4].map(u32::to_le_bytes).concat();
//! # (0..2000 * 4).for_each(|i| file.extend(((i * 37 % 1009) as f32).to_le_bytes()));
//! # std::fs::write(&input, file)?;
//! # let work = folder.join("work");
//! let builder = NnDescent::new(Metric::Euclidean).n_neighbors(10).seed(7);
//! let watch = |_: f32| ControlFlow::Continue(()); // called with the share that is done
//! let plan = partition(&input, &work, &builder, PartSize::Rows(800), 2, &watch)?;
//! for part in 0..plan.parts() {
//!     build_part(&plan, part, &plan.builder())?; // anywhere: Plan::open(folder) is all it takes
//! }
//! merge(&plan, 1 << 30, &watch)?; // within a gibibyte
//! refine(&plan, 1 << 30, &watch)?;
//! write_graph(&plan, &output, &watch)?;
//! assert_eq!(nndescent::io::read_graph(&output)?.n(), 2000);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! docs/SCALE.md has what a build costs, and the formats of the files.

mod build;
mod cuts;
mod error;
mod estimate;
mod file;
mod folder;
mod id_set;
mod loss;
mod memory;
mod merge;
mod partition;
mod plan;
mod refine;
#[cfg(test)]
mod tests;
mod whole;

use std::fmt;
use std::ops::ControlFlow;

pub use build::{build_part, read_part};
pub use error::OutOfCoreError;
pub use estimate::estimate_recall;
pub use merge::{merge, write_graph};
pub use partition::{PartSize, partition};
pub use plan::Plan;
pub use refine::{merge_refined, refine, refine_part};
pub use whole::{OutOfCore, OutOfCoreReport, Step};

/// Called with the share of a piece that is done, 0 to 1; [`ControlFlow::Break`] ends it with
/// [`OutOfCoreError::Cancelled`].
pub type Watch<'a> = &'a (dyn Fn(f32) -> ControlFlow<()> + Sync);

/// What a build beyond memory is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Stage {
    /// Rows are divided.
    Partition,
    /// Graphs of parts are built.
    Parts,
    /// They are merged.
    Merge,
    /// A round across parts.
    Refine,
    /// Exact search for the estimate of recall.
    Recall,
    /// The graph is written.
    Write,
}

impl Stage {
    /// All of them, in their order.
    pub const ALL: [Self; 6] = [Self::Partition, Self::Parts, Self::Merge, Self::Refine, Self::Recall, Self::Write];

    /// Its name, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Partition => "partition",
            Self::Parts => "parts",
            Self::Merge => "merge",
            Self::Refine => "refine",
            Self::Recall => "recall",
            Self::Write => "write",
        }
    }

    /// About the share of a build's time that it takes.
    fn share(self) -> f32 {
        match self {
            Self::Partition => 0.07,
            Self::Parts => 0.75,
            Self::Merge | Self::Recall | Self::Write => 0.02,
            Self::Refine => 0.12,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Says how far a stage is; fails if it is to end.
fn check(watch: Watch, stage: Stage, fraction: f32) -> Result<(), OutOfCoreError> {
    match watch(fraction) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(OutOfCoreError::Cancelled { stage }),
    }
}
