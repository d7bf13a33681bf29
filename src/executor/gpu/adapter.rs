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
    /// Why it is left out; `None` if it can be used.
    pub left_out: Option<&'static str>,
    /// The kernel variants that would run, one for each kind of rows. Bytes are multiplied as integers under metrics of
    /// dot products, and widened to f32 under the others.
    pub variants: Vec<&'static str>,
}

impl fmt::Display for AdapterSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({}, {})", self.index, self.name, self.backend, self.kind)?;
        self.left_out.map_or(Ok(()), |why| write!(f, ", left out: {why}"))
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
        left_out: left_out(info.backend, adapter.features()),
        timestamps: adapter.features().contains(wgpu::Features::TIMESTAMP_QUERY),
        variants: variants(
            adapter.features().contains(wgpu::Features::SHADER_F16),
            DeviceLimits::of(adapter).matrices.and_then(Result::ok).unwrap_or_default(),
        ),
        name: info.name,
    }
}

/// The kind of the adapter that `selector` names, if there is one that can be used.
pub(crate) fn kind_of(selector: &GpuSelector) -> Option<AdapterKind> {
    select(selector).ok().map(|known| AdapterKind::of(known.adapter.get_info().device_type))
}

/// Why an adapter cannot be used. DX12 with the compiler that Windows brings (FXC) has shader model 5.1, and no
/// subgroups; it refuses barriers in loops whose number of turns it does not know.
fn left_out(backend: wgpu::Backend, features: wgpu::Features) -> Option<&'static str> {
    let needs_dxc = backend == wgpu::Backend::Dx12 && !features.contains(wgpu::Features::SUBGROUP);
    needs_dxc.then_some("DX12 needs shader model 6: put dxcompiler.dll beside the program, or install a Vulkan driver")
}

/// The adapter that `selector` names. Where any GPU will do, `WGPU_ADAPTER_NAME` decides.
pub(super) fn select(selector: &GpuSelector) -> Result<&'static Known, GpuError> {
    let summaries = adapters();
    let from_env = std::env::var("WGPU_ADAPTER_NAME").ok().filter(|name| !name.is_empty());
    let selector = match (selector, from_env) {
        (GpuSelector::Any, Some(name)) => &GpuSelector::Named(name),
        _ => selector,
    };
    let none = || GpuError::NoAdapter {
        wanted: selector.to_string(),
        found: summaries.iter().map(ToString::to_string).collect(),
    };
    let chosen = choose(selector, &summaries).ok_or_else(none)?;
    if let Some(why) = summaries[chosen].left_out {
        return Err(GpuError::NoDevice { adapter: summaries[chosen].name.clone(), reason: why.into() });
    }
    known().get(chosen).ok_or_else(none)
}

/// The first adapter that matches, one that can be used if there is such. Software counts as a GPU only if it is named.
fn choose(selector: &GpuSelector, adapters: &[AdapterSummary]) -> Option<usize> {
    let wanted = |adapter: &AdapterSummary| match selector {
        GpuSelector::Any => adapter.kind != AdapterKind::Software,
        GpuSelector::Index(index) => adapter.index == *index,
        GpuSelector::Named(name) => {
            let name = name.to_lowercase();
            adapter.backend == name || adapter.name.to_lowercase().contains(&name)
        }
    };
    let usable = |adapter: &AdapterSummary| adapter.left_out.is_none() && wanted(adapter);
    let left_out = |adapter: &AdapterSummary| *selector != GpuSelector::Any && wanted(adapter);
    adapters.iter().position(usable).or_else(|| adapters.iter().position(left_out))
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
            left_out: None,
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

    /// A card that has both is used through Vulkan; where only the old DX12 finds it, it is named with the reason.
    #[test]
    fn dx12_without_dxc_is_left_out() {
        use wgpu::{Backend, Features};
        assert_eq!(left_out(Backend::Dx12, Features::SUBGROUP), None);
        assert_eq!(left_out(Backend::Vulkan, Features::empty()), None);
        let why = left_out(Backend::Dx12, Features::SHADER_F16);
        assert!(why.is_some_and(|why| why.contains("dxcompiler.dll")), "{why:?}");
        let old = AdapterSummary { left_out: why, ..adapter(0, "Radeon", AdapterKind::Discrete) };
        let both = [old.clone(), adapter(1, "Radeon", AdapterKind::Discrete)];
        assert_eq!(choose(&GpuSelector::Named("radeon".into()), &both), Some(1));
        assert_eq!(choose(&GpuSelector::Any, &both[..1]), None);
        assert_eq!(choose(&GpuSelector::Named("radeon".into()), &both[..1]), Some(0), "to say why");
        assert!(old.to_string().ends_with("or install a Vulkan driver"), "{old}");
    }
}
