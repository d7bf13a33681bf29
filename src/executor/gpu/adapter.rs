//! The adapters of this machine, and selection among them.

use std::fmt;

use super::encoding::variants;
use super::kind::AdapterKind;
use super::limits::DeviceLimits;
use super::shared::{Known, known};
use crate::error::GpuError;
use crate::params::GpuSelector;

/// A GPU, or a software renderer, that wgpu can use.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AdapterSummary {
    /// Its place in the list: `Device::Gpu(GpuSelector::Index(..))`.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// Discrete, integrated, software and so on.
    pub kind: AdapterKind,
    /// The driver and its version.
    pub driver: String,
    /// Bytes of the largest storage binding.
    pub max_binding_bytes: u64,
    /// Bytes of the largest buffer.
    pub max_buffer_bytes: u64,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Smallest and largest subgroup.
    pub subgroups: (u32, u32),
    /// Whether kernels can be timed: [`NnDescent::time_kernels`](crate::NnDescent::time_kernels).
    pub timestamps: bool,
    /// The kernel variants that would run, one for each kind of rows. Bytes are multiplied as integers under metrics of
    /// dot products, and widened to f32 under the others.
    pub variants: Vec<&'static str>,
}

impl fmt::Display for AdapterSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({}, {})", self.index, self.name, self.backend, self.kind)
    }
}

/// The adapters of this machine, hardware first. Honours `WGPU_BACKEND`. The first call loads the drivers, which takes
/// some tenths of a second; they stay loaded.
#[must_use]
pub fn adapters() -> Vec<AdapterSummary> {
    known().iter().enumerate().map(|(index, known)| summary(index, &known.adapter)).collect()
}

fn summary(index: usize, adapter: &wgpu::Adapter) -> AdapterSummary {
    let (info, limits) = (adapter.get_info(), adapter.limits());
    AdapterSummary {
        index,
        backend: info.backend.to_str().to_owned(),
        kind: AdapterKind::of(info.device_type),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        max_binding_bytes: limits.max_storage_buffer_binding_size,
        max_buffer_bytes: limits.max_buffer_size,
        workgroup_bytes: limits.max_compute_workgroup_storage_size,
        subgroups: (info.subgroup_min_size, info.subgroup_max_size),
        timestamps: adapter.features().contains(wgpu::Features::TIMESTAMP_QUERY),
        variants: variants(
            adapter.features().contains(wgpu::Features::SHADER_F16),
            DeviceLimits::of(adapter).matrices.and_then(Result::ok).unwrap_or_default(),
        ),
        name: info.name,
    }
}

/// The adapter that `selector` names. Where any GPU will do, `WGPU_ADAPTER_NAME` decides.
pub(super) fn select(selector: &GpuSelector) -> Result<&'static Known, GpuError> {
    let summaries = adapters();
    let from_env = std::env::var("WGPU_ADAPTER_NAME").ok().filter(|name| !name.is_empty());
    let selector = match (selector, from_env) {
        (GpuSelector::Any, Some(name)) => &GpuSelector::Named(name),
        _ => selector,
    };
    choose(selector, &summaries).and_then(|index| known().get(index)).ok_or_else(|| GpuError::NoAdapter {
        wanted: selector.to_string(),
        found: summaries.iter().map(ToString::to_string).collect(),
    })
}

/// The first adapter that matches. Software counts as a GPU only if it is named.
fn choose(selector: &GpuSelector, adapters: &[AdapterSummary]) -> Option<usize> {
    let wanted = |adapter: &AdapterSummary| match selector {
        GpuSelector::Any => adapter.kind != AdapterKind::Software,
        GpuSelector::Index(index) => adapter.index == *index,
        GpuSelector::Named(name) => {
            let name = name.to_lowercase();
            adapter.backend == name || adapter.name.to_lowercase().contains(&name)
        }
    };
    adapters.iter().position(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(index: usize, name: &str, kind: AdapterKind) -> AdapterSummary {
        AdapterSummary {
            index,
            name: name.into(),
            backend: "vulkan".into(),
            kind,
            driver: String::new(),
            max_binding_bytes: 0,
            max_buffer_bytes: 0,
            workgroup_bytes: 0,
            subgroups: (0, 0),
            timestamps: false,
            variants: Vec::new(),
        }
    }

    #[test]
    fn adapters_are_chosen_by_index_backend_or_part_of_the_name() {
        let all = [
            adapter(0, "NVIDIA H200", AdapterKind::Discrete),
            adapter(1, "llvmpipe (LLVM 15.0.6, 256 bits)", AdapterKind::Software),
        ];
        let named = |name: &str| choose(&GpuSelector::Named(name.into()), &all);
        assert_eq!(named("LLVMPIPE"), Some(1));
        assert_eq!(named("h200"), Some(0));
        assert_eq!(named("vulkan"), Some(0));
        assert_eq!(named("radeon"), None);
        assert_eq!(choose(&GpuSelector::Index(1), &all), Some(1));
        assert_eq!(choose(&GpuSelector::Index(2), &all), None);
        assert_eq!(choose(&GpuSelector::Any, &all), Some(0));
        assert_eq!(choose(&GpuSelector::Any, &all[1..]), None, "software is not a GPU unless named");
    }
}
