//! The integration tests, in one program: it is linked once.

mod common {
    pub mod checks;
    #[cfg(feature = "io")]
    pub mod data;
    #[cfg(feature = "io")]
    pub mod files;
    pub mod indexes;
    pub mod points;
}

mod analysis;
#[cfg(feature = "io")]
mod analysis_clusters;
mod architecture;
mod auto_traits;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
mod cli_analysis;
#[cfg(feature = "cli")]
mod cli_clusters;
#[cfg(feature = "cli")]
mod cli_files;
#[cfg(feature = "cli")]
mod cli_out_of_core;
#[cfg(feature = "cli")]
mod cli_out_of_core_cases;
mod field;
mod golden;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(feature = "gpu")]
mod gpu_recall;
mod graph;
mod index;
mod index_changes;
mod index_files;
mod index_islands;
mod index_sequences;
mod index_use;
#[cfg(feature = "io")]
mod io;
mod metrics;
mod metrics_graph;
#[cfg(feature = "ndarray")]
mod ndarray;
#[cfg(feature = "io")]
mod out_of_core;
#[cfg(feature = "io")]
mod out_of_core_cases;
mod own_index;
mod parts;
mod precision;
mod sparse;
#[cfg(feature = "sprs")]
mod sprs;
#[cfg(feature = "io")]
mod wide;
