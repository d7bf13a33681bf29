//! What can go wrong on a device.

use thiserror::Error;

/// Why a GPU did not build a graph.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GpuError {
    /// This build of the crate has no GPU executor.
    #[error("this build has no GPU executor (feature `gpu`)")]
    NotCompiled,
    /// No adapter answers to what was asked for.
    #[error("no GPU adapter for `{wanted}`; {}", found_text(found))]
    NoAdapter {
        /// What was asked for.
        wanted: String,
        /// The adapters there are.
        found: Vec<String>,
    },
    /// The adapter would not open a device.
    #[error("{adapter} opens no device: {reason}")]
    NoDevice {
        /// The adapter.
        adapter: String,
        /// What the driver says.
        reason: String,
    },
    /// The adapter has too little of something.
    #[error("{adapter} allows {limit} = {value}, at least {least} is needed")]
    Limit {
        /// The adapter.
        adapter: String,
        /// Name of the limit.
        limit: &'static str,
        /// Its value.
        value: u64,
        /// What is needed.
        least: u64,
    },
    /// Something is larger than the device allows.
    #[error("{what} needs {}, but this device allows {}: use `Device::Cpu`", size(*bytes), size(*limit))]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its bytes.
        bytes: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// Something that only the CPU does.
    #[error("metric `{metric}` on these rows does not run on a GPU: use `Device::Cpu`")]
    Unsupported {
        /// Name of the metric.
        metric: String,
    },
    /// The device ran out of memory.
    #[error("the device ran out of memory in {during} (this build needs about {})", size(*bytes))]
    OutOfMemory {
        /// What was being done.
        during: &'static str,
        /// Bytes of the whole build.
        bytes: u64,
    },
    /// The device was lost.
    #[error("the device was lost in {during}: {reason}")]
    Lost {
        /// What was being done.
        during: &'static str,
        /// What the driver says.
        reason: String,
    },
    /// The driver computes something else than the CPU.
    #[error("{adapter} computes {got} where {expected} is right: its driver cannot be used")]
    WrongResult {
        /// The adapter.
        adapter: String,
        /// The device's result.
        got: String,
        /// The CPU's.
        expected: String,
    },
    /// A mistake of this crate or of the driver.
    #[error("{during} failed on the device: {reason}")]
    Failed {
        /// What was being done.
        during: &'static str,
        /// What wgpu says.
        reason: String,
    },
}

fn found_text(found: &[String]) -> String {
    if found.is_empty() {
        "there is none (is a Vulkan, Metal or DX12 driver installed?)".into()
    } else {
        format!("there is {}", found.join(", "))
    }
}

fn size(bytes: u64) -> String {
    if bytes < 1 << 20 { format!("{bytes} bytes") } else { format!("{} MiB", bytes.div_ceil(1 << 20)) }
}
