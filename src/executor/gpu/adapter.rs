//! Which adapters there are, and which one is meant.

use std::fmt;

use super::matrices;
use super::stored::variants;
use crate::error::GpuError;
use crate::params::GpuSelector;

/// A GPU (or a software stand-in) that wgpu can use.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AdapterSummary {
    /// Its place in the list: `Device::Gpu(GpuSelector::Index(..))`.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: &'static str,
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
    /// The variants of kernels that would run, by the kind of rows. Bytes are multiplied as integers under metrics of dot products,
    /// and widened to f32 under the others.
    pub variants: Vec<&'static str>,
}

impl fmt::Display for AdapterSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({}, {})", self.index, self.name, self.backend, self.kind)
    }
}

/// The adapters of this machine, hardware first. Honours `WGPU_BACKEND`. Loads the drivers: some tenths of a second.
#[must_use]
pub fn adapters() -> Vec<AdapterSummary> {
    enumerate().iter().enumerate().map(|(index, adapter)| summary(index, adapter)).collect()
}

pub(super) fn enumerate() -> Vec<wgpu::Adapter> {
    let backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    let backends = wgpu::Backends::from_env().unwrap_or(backends);
    let descriptor = wgpu::InstanceDescriptor {
        backends,
        // Validation layers are for debugging this crate: `WGPU_VALIDATION=1`.
        flags: wgpu::InstanceFlags::empty().with_env(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    };
    let mut found = pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(backends));
    found.sort_by_key(|adapter| rank(adapter.get_info().device_type));
    found
}

fn rank(kind: wgpu::DeviceType) -> u8 {
    match kind {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

fn kind_name(kind: wgpu::DeviceType) -> &'static str {
    ["discrete", "integrated", "virtual", "other", "software"][usize::from(rank(kind))]
}

fn summary(index: usize, adapter: &wgpu::Adapter) -> AdapterSummary {
    let (info, limits) = (adapter.get_info(), adapter.limits());
    AdapterSummary {
        index,
        backend: info.backend.to_str().to_owned(),
        kind: kind_name(info.device_type),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        max_binding_bytes: limits.max_storage_buffer_binding_size,
        max_buffer_bytes: limits.max_buffer_size,
        workgroup_bytes: limits.max_compute_workgroup_storage_size,
        subgroups: (info.subgroup_min_size, info.subgroup_max_size),
        timestamps: adapter.features().contains(wgpu::Features::TIMESTAMP_QUERY),
        variants: variants(
            adapter.features().contains(wgpu::Features::SHADER_F16),
            matrices::offered(adapter).unwrap_or_default(),
        ),
        name: info.name,
    }
}

/// The adapter that `selector` means. `WGPU_ADAPTER_NAME` decides where any GPU will do.
pub(super) fn select(selector: &GpuSelector) -> Result<wgpu::Adapter, GpuError> {
    let mut found = enumerate();
    let summaries: Vec<AdapterSummary> = found.iter().enumerate().map(|(i, a)| summary(i, a)).collect();
    let from_env = std::env::var("WGPU_ADAPTER_NAME").ok().filter(|name| !name.is_empty());
    let selector = match (selector, from_env) {
        (GpuSelector::Any, Some(name)) => &GpuSelector::Named(name),
        _ => selector,
    };
    let index = choose(selector, &summaries).ok_or_else(|| GpuError::NoAdapter {
        wanted: selector.to_string(),
        found: summaries.iter().map(ToString::to_string).collect(),
    })?;
    Ok(found.swap_remove(index))
}

/// The first adapter that is meant. Any GPU: software is none unless named.
fn choose(selector: &GpuSelector, adapters: &[AdapterSummary]) -> Option<usize> {
    let wanted = |adapter: &AdapterSummary| match selector {
        GpuSelector::Any => adapter.kind != "software",
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

    fn adapter(index: usize, name: &str, kind: &'static str) -> AdapterSummary {
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
        let all = [adapter(0, "NVIDIA H200", "discrete"), adapter(1, "llvmpipe (LLVM 15.0.6, 256 bits)", "software")];
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
