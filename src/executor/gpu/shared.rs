//! What builds of one process share: the wgpu instance, its adapters, and the devices that are open.
//!
//! All are made once and kept. A process that has loaded and unloaded NVIDIA's driver about eight times no longer finds
//! it, as its thread-local storage is not given back; and opening a device and compiling for it takes tenths of a
//! second.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::device::Device;
use super::kind::AdapterKind;
use super::limits::DeviceLimits;
use crate::error::GpuError;

/// An adapter, and its device while that is open.
pub(super) struct Known {
    pub adapter: wgpu::Adapter,
    device: Mutex<Option<Arc<Device>>>,
}

impl Known {
    pub(super) fn new(adapter: wgpu::Adapter) -> Self {
        Self { adapter, device: Mutex::new(None) }
    }

    /// The shared device. One that was lost, or failed inside its driver, is replaced.
    pub(super) fn device(&self) -> Result<Arc<Device>, GpuError> {
        let mut open = self.device.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(device) = open.as_ref().filter(|device| device.is_usable()) {
            return Ok(Arc::clone(device));
        }
        *open = None;
        let device = Arc::new(Device::open(&self.adapter, DeviceLimits::of(&self.adapter))?);
        *open = Some(Arc::clone(&device));
        Ok(device)
    }

    /// The limits of its device, which need not be open.
    pub(super) fn limits(&self) -> DeviceLimits {
        let open = self.device.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map_or_else(|| DeviceLimits::of(&self.adapter), |device| device.limits)
    }
}

/// The adapters of this machine, hardware first. Looked for again as long as there are none.
pub(super) fn known() -> &'static [Known] {
    static KNOWN: OnceLock<Vec<Known>> = OnceLock::new();
    if let Some(known) = KNOWN.get() {
        return known;
    }
    static LOOKING: Mutex<()> = Mutex::new(());
    let _alone = LOOKING.lock().unwrap_or_else(PoisonError::into_inner);
    let found = if KNOWN.get().is_some() { Vec::new() } else { enumerate() };
    if found.is_empty() && KNOWN.get().is_none() {
        return &[];
    }
    KNOWN.get_or_init(|| found.into_iter().map(Known::new).collect())
}

fn enumerate() -> Vec<wgpu::Adapter> {
    static INSTANCE: OnceLock<(wgpu::Instance, wgpu::Backends)> = OnceLock::new();
    let (instance, backends) = INSTANCE.get_or_init(|| {
        let backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
        let backends = wgpu::Backends::from_env().unwrap_or(backends);
        let descriptor = wgpu::InstanceDescriptor {
            backends,
            // Validation layers are for debugging this crate: `WGPU_VALIDATION=1`.
            flags: wgpu::InstanceFlags::empty().with_env(),
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        };
        (without_windows(&descriptor).unwrap_or_else(|| wgpu::Instance::new(descriptor)), backends)
    });
    let mut found = pollster::block_on(instance.enumerate_adapters(*backends));
    found.sort_by_key(|adapter| {
        let info = adapter.get_info();
        preference(info.device_type, info.backend)
    });
    found
}

/// Hardware before software, and Vulkan before DX12 where a card has both.
fn preference(kind: wgpu::DeviceType, backend: wgpu::Backend) -> (AdapterKind, bool) {
    (AdapterKind::of(kind), backend == wgpu::Backend::Dx12)
}

/// A Vulkan instance that cannot show windows, where Vulkan is the only way to a GPU and wanted. For one that can, a
/// layer of Mesa's asks the display which GPU it prefers, and complains to stderr where there is no display.
#[cfg(all(unix, not(target_vendor = "apple")))]
fn without_windows(descriptor: &wgpu::InstanceDescriptor) -> Option<wgpu::Instance> {
    use wgpu::hal::{InstanceDescriptor, vulkan};
    const OF_DISPLAYS: [&str; 3] = ["VK_KHR_wayland_surface", "VK_KHR_xcb_surface", "VK_KHR_xlib_surface"];
    if !descriptor.backends.contains(wgpu::Backends::VULKAN) {
        return None;
    }
    let of_hal = InstanceDescriptor {
        name: "nndescent",
        flags: descriptor.flags,
        memory_budget_thresholds: descriptor.memory_budget_thresholds,
        backend_options: descriptor.backend_options.clone(),
        telemetry: None,
        display: None,
    };
    let leave_out: Box<vulkan::CreateInstanceCallback> =
        Box::new(|args| args.extensions.retain(|name| OF_DISPLAYS.iter().all(|of| name.to_bytes() != of.as_bytes())));
    // SAFETY: wgpu asks that no extension is left out, as it takes for granted those that it enabled. These are used
    // for surfaces on a display alone, and nothing here makes any: the instance is private to this module.
    let instance = unsafe { vulkan::Instance::init_with_callback(&of_hal, Some(leave_out)) };
    // SAFETY: the instance was just made, and nothing else holds it.
    instance.ok().map(|instance| unsafe { wgpu::Instance::from_hal::<wgpu::hal::api::Vulkan>(instance) })
}

#[cfg(not(all(unix, not(target_vendor = "apple"))))]
fn without_windows(_: &wgpu::InstanceDescriptor) -> Option<wgpu::Instance> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vulkan_comes_before_dx12_and_hardware_before_software() {
        use wgpu::{Backend, DeviceType};
        let mut found = [
            (DeviceType::Cpu, Backend::Vulkan),
            (DeviceType::IntegratedGpu, Backend::Dx12),
            (DeviceType::DiscreteGpu, Backend::Dx12),
            (DeviceType::IntegratedGpu, Backend::Vulkan),
            (DeviceType::DiscreteGpu, Backend::Vulkan),
        ];
        found.sort_by_key(|(kind, backend)| preference(*kind, *backend));
        let right = [
            (DeviceType::DiscreteGpu, Backend::Vulkan),
            (DeviceType::DiscreteGpu, Backend::Dx12),
            (DeviceType::IntegratedGpu, Backend::Vulkan),
            (DeviceType::IntegratedGpu, Backend::Dx12),
            (DeviceType::Cpu, Backend::Vulkan),
        ];
        assert_eq!(found, right);
    }
}
