//! The limits of a device that layouts depend on.

use std::env;

use super::matrices;

/// Limits and features of a device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct DeviceLimits {
    /// Bytes of one storage binding.
    pub binding: u64,
    /// Bytes of one buffer.
    pub buffer: u64,
    /// Storage bindings of a kernel.
    pub bindings: u32,
    /// Bytes of workgroup memory.
    pub workgroup: u32,
    /// Workgroups of a dispatch in one dimension.
    pub groups: u32,
    /// Invocations in the largest subgroup.
    pub subgroup: u32,
    /// Whether kernels may load `f16`.
    pub native_f16: bool,
    /// Whether kernels can be timed.
    pub timestamps: bool,
    /// Side of the cooperative matrices that kernels may use, or the reason why not. None unless asked for.
    pub matrices: Option<Result<u32, &'static str>>,
}

/// Whether `NNDESCENT_GPU_TRY` asks for cooperative matrices. They are off because they were slower where they were
/// measured (docs/gpu).
fn tries_matrices() -> bool {
    env::var("NNDESCENT_GPU_TRY").is_ok_and(|variant| variant == "matrices")
}

impl DeviceLimits {
    pub(super) fn of(adapter: &wgpu::Adapter) -> Self {
        let (limits, info) = (adapter.limits(), adapter.get_info());
        Self {
            native_f16: adapter.features().contains(wgpu::Features::SHADER_F16),
            timestamps: adapter.features().contains(wgpu::Features::TIMESTAMP_QUERY),
            matrices: tries_matrices().then(|| matrices::offered(adapter)),
            binding: limits.max_storage_buffer_binding_size,
            buffer: limits.max_buffer_size,
            bindings: limits.max_storage_buffers_per_shader_stage,
            workgroup: limits.max_compute_workgroup_storage_size,
            groups: limits.max_compute_workgroups_per_dimension,
            subgroup: info.subgroup_max_size,
        }
    }
}
