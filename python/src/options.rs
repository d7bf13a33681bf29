//! Options of builds and of indexes, as dictionaries of Python.

use std::ops::ControlFlow;

use nndescent::index::DiversifyMethod;
use nndescent::{Algorithm, Device, IndexOptions, InitGraph, NnDescent, Progress, Quantization};
use numpy::{PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::errors::{DeviceError, Raised};
use crate::pools::is_forked;

/// Settings of a build; those that are None keep the crate's defaults.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct BuildOptions {
    pub n_neighbors: usize,
    n_trees: Option<usize>,
    leaf_size: Option<usize>,
    max_candidates: Option<usize>,
    n_iters: Option<usize>,
    delta: Option<f32>,
    seed: u64,
    algorithm: String,
    device: String,
    pub include_self: bool,
    target_recall: Option<f32>,
    recall_sample: Option<usize>,
}

/// Sets what was given.
fn set<'a, T>(builder: NnDescent<'a>, value: Option<T>, set: fn(NnDescent<'a>, T) -> NnDescent<'a>) -> NnDescent<'a> {
    match value {
        Some(value) => set(builder, value),
        None => builder,
    }
}

impl BuildOptions {
    /// Whether exact search is asked for.
    pub fn is_exact(&self) -> bool {
        self.algorithm.eq_ignore_ascii_case("exact")
    }

    /// The device; in a forked process the CPU only.
    fn device(&self) -> Result<Device, Raised> {
        let Ok(device): Result<Device, _> = self.device.parse();
        match device {
            Device::Auto if is_forked() => Ok(Device::Cpu),
            Device::Gpu(_) | Device::Gpus(_) if is_forked() => Err(DeviceError::new_err(format!(
                "device = {:?}: a forked process cannot use a GPU, a spawned one can",
                self.device
            ))
            .into()),
            device => Ok(device),
        }
    }

    /// The builder for `metric`.
    pub fn builder<'a>(
        &self,
        metric: nndescent::Metric,
        init_graph: Option<InitGraph<'a>>,
        progress: impl Fn(&Progress) -> ControlFlow<()> + Send + Sync + 'a,
    ) -> Result<NnDescent<'a>, Raised> {
        Ok(set(self.plain(metric)?.progress(progress), init_graph, NnDescent::init_graph))
    }

    /// The builder without progress, from nothing.
    pub fn plain<'a>(&self, metric: nndescent::Metric) -> Result<NnDescent<'a>, Raised> {
        let algorithm: Algorithm = self.algorithm.parse()?;
        let builder = NnDescent::new(metric)
            .n_neighbors(self.n_neighbors)
            .seed(self.seed)
            .algorithm(algorithm)
            .device(self.device()?)
            .include_self(self.include_self);
        let builder = set(builder, self.n_trees, NnDescent::n_trees);
        let builder = set(builder, self.leaf_size, NnDescent::leaf_size);
        let builder = set(builder, self.max_candidates, NnDescent::max_candidates);
        let builder = set(builder, self.n_iters, NnDescent::n_iters);
        let builder = set(builder, self.delta, NnDescent::delta);
        let builder = set(builder, self.target_recall, NnDescent::target_recall);
        Ok(set(builder, self.recall_sample, NnDescent::recall_sample))
    }
}

/// Ids to start a build from, 0xffffffff where one is missing.
pub fn init_graph<'a>(ids: Option<&'a PyReadonlyArray2<'_, u32>>) -> PyResult<Option<InitGraph<'a>>> {
    let Some(ids) = ids else { return Ok(None) };
    Ok(Some(InitGraph::from((ids.shape()[0], ids.shape()[1], ids.as_slice()?))))
}

/// Settings of an index.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct IndexSettings {
    diversify_prob: f32,
    pruning_degree_multiplier: f32,
    /// None: standard.
    degree_prune_aggressiveness: Option<f32>,
    /// auto, none, f16 or u8.
    quantization: String,
    /// Whether a quantization that is not possible is an error.
    require_quantization: bool,
    seed: u64,
}

impl IndexSettings {
    pub fn options(&self) -> Result<IndexOptions, Raised> {
        let quantization: Quantization = self.quantization.parse()?;
        let method = match self.degree_prune_aggressiveness {
            Some(aggressiveness) => DiversifyMethod::DegreeAware { aggressiveness },
            None => DiversifyMethod::Standard,
        };
        let options = IndexOptions::new()
            .diversify_prob(self.diversify_prob)
            .pruning_degree_multiplier(self.pruning_degree_multiplier)
            .diversify_method(method)
            .seed(self.seed);
        Ok(match self.require_quantization {
            true => options.quantization(quantization),
            false => options.prefer_quantization(quantization),
        })
    }
}
