//! Errors of a device.

use thiserror::Error;

/// The reason why a GPU did not build a graph.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GpuError {
    /// This build of the crate has no GPU executor.
    #[error("this build has no GPU executor (feature `gpu`)")]
    NotCompiled,
    /// No adapter matches the selector.
    #[error("no GPU adapter for `{wanted}`; {}", found_text(found))]
    NoAdapter {
        /// The selector.
        wanted: String,
        /// The adapters that were found.
        found: Vec<String>,
    },
    /// The driver did not open a device.
    #[error("{adapter} opens no device: {reason}")]
    NoDevice {
        /// The adapter.
        adapter: String,
        /// The driver's message.
        reason: String,
    },
    /// A limit of the adapter is too low.
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
    /// A buffer or binding would be larger than the device allows.
    #[error("{what} needs {}, but this device allows {}: use `Device::Cpu`", size(*bytes), size(*limit))]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its bytes.
        bytes: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// A metric or a kind of rows that only the CPU supports.
    #[error("metric `{metric}` on these rows does not run on a GPU: use `Device::Cpu`")]
    Unsupported {
        /// Name of the metric.
        metric: String,
    },
    /// The device ran out of memory.
    #[error("the device ran out of memory in {during} (this build needs about {})", size(*bytes))]
    OutOfMemory {
        /// The operation.
        during: &'static str,
        /// Bytes that the whole build needs.
        bytes: u64,
    },
    /// The device was lost.
    #[error("the device was lost in {during}: {reason}")]
    Lost {
        /// The operation.
        during: &'static str,
        /// The driver's message.
        reason: String,
    },
    /// The device's rows differ from the CPU's.
    #[error("{adapter} computes {got} in row {row} ({kernel}) where {expected} is right: its driver cannot be used")]
    WrongResult {
        /// The adapter.
        adapter: String,
        /// The kernel that computed the row.
        kernel: &'static str,
        /// The row.
        row: usize,
        /// The device's result.
        got: String,
        /// The CPU's.
        expected: String,
    },
    /// A distance on the device is NaN or infinite.
    #[error("{adapter} computes a distance that is not finite, of row {row}{} in {during}", and_column(*column))]
    NotFinite {
        /// The adapter.
        adapter: String,
        /// The operation.
        during: &'static str,
        /// The first row with such a distance.
        row: usize,
        /// The row that the distance leads to, where it is found again.
        column: Option<usize>,
    },
    /// An error in this crate or in the driver.
    #[error("{during} failed on the device: {reason}")]
    Failed {
        /// The operation.
        during: &'static str,
        /// The message of wgpu.
        reason: String,
    },
}

fn and_column(column: Option<usize>) -> String {
    column.map_or(String::new(), |column| format!(" and row {column}"))
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
