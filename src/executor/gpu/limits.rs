//! The limits of a device that layouts depend on.

use std::env;

use super::kind::AdapterKind;
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
    /// Whether every subgroup has so many, and these are 32.
    pub votes: bool,
    /// Whether kernels may exchange values within a subgroup.
    pub shuffles: bool,
    pub kind: AdapterKind,
    /// Whether kernels may load `f16`.
    pub native_f16: bool,
    /// Whether kernels can be timed.
    pub timestamps: bool,
    /// Side of the cooperative matrices that kernels may use, or the reason why not. None unless asked for.
    pub matrices: Option<Result<u32, &'static str>>,
}

/// Invocations in a subgroup on Apple's GPUs. wgpu reports the most that any Metal device may have.
const METAL_SUBGROUP: u32 = 32;

/// Whether `NNDESCENT_GPU_TRY` asks for cooperative matrices. They are off because they were slower where they were
/// measured (docs/gpu).
fn tries_matrices() -> bool {
    env::var("NNDESCENT_GPU_TRY").is_ok_and(|variant| variant == "matrices")
}

/// Whether a workgroup of 32 is one subgroup: offers to a row are then ranked by votes. No other width will do, nor one
/// that the driver may choose.
fn can_vote(least_subgroup: u32, largest_subgroup: u32) -> bool {
    (least_subgroup, largest_subgroup) == (32, 32)
}

impl DeviceLimits {
    /// The features that these limits take for granted, beside those of cooperative matrices.
    pub(super) fn features(&self) -> wgpu::Features {
        let used = [
            (self.native_f16, wgpu::Features::SHADER_F16),
            (self.shuffles, wgpu::Features::SUBGROUP),
            (self.timestamps, wgpu::Features::TIMESTAMP_QUERY),
        ];
        used.into_iter()
            .filter(|(is_used, _)| *is_used)
            .fold(wgpu::Features::empty(), |all, (_, feature)| all | feature)
    }

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
            subgroup: match info.backend {
                wgpu::Backend::Metal => METAL_SUBGROUP,
                _ => info.subgroup_max_size,
            },
            votes: can_vote(info.subgroup_min_size, info.subgroup_max_size),
            shuffles: adapter.features().contains(wgpu::Features::SUBGROUP),
            kind: AdapterKind::of(info.device_type),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn votes_need_subgroups_of_32() {
        assert!(can_vote(32, 32));
        for (least, largest) in [(8, 32), (32, 64), (4, 64), (64, 64), (16, 16), (8, 8), (0, 0)] {
            assert!(!can_vote(least, largest), "{least} to {largest}");
        }
    }
}
