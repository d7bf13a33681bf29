//! The Python package's native module: the crate's functions on numpy arrays, without the GIL.
//!
//! Nothing here decides anything: conventions of Python libraries are kept in `nndescent_rs/*.py`, algorithms in the
//! crate.

mod analysis;
mod arrays;
mod build;
mod devices;
mod errors;
mod index;
mod items;
mod metric;
mod narrow;
mod options;
mod out_of_core;
mod pools;
mod prepared;
mod report;
mod rows;
mod run;
mod search;

#[pyo3::pymodule]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::analysis::{
        combined_scores, components, dbscan, hdbscan, in_degrees, merged, outlier_scores, outlier_scores_of_new,
        outlier_threshold, recall, shared_neighbor_clusters, shared_neighbors, sparse_matrix, subspace_outlier_degrees,
        umap_weights,
    };
    #[pymodule_export]
    use crate::build::{exact_query, graph};
    #[pymodule_export]
    use crate::devices::{devices, instructions};
    #[pymodule_export]
    use crate::errors::DeviceError;
    #[pymodule_export]
    use crate::index::Index;
    #[pymodule_export]
    use crate::metric::Metric;
    #[pymodule_export]
    use crate::narrow::narrowed;

    #[pymodule_export]
    use crate::out_of_core::{Plan, graph_of_file};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::pools::is_forked(); // remembers this process
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
