//! The GPU executor, the only room that uses `wgpu`.
//!
//! Trees grow on the CPU; rows and data stay on the device. In every kernel a workgroup or an invocation owns a row, so
//! there are no locks and no buffers of proposals, and every run gives the same bytes.

#[cfg(feature = "gpu")]
mod adapter;
#[cfg(feature = "gpu")]
mod bindings;
#[cfg(feature = "gpu")]
mod blocks;
#[cfg(feature = "gpu")]
pub(crate) mod cost;
#[cfg(feature = "gpu")]
mod device;
#[cfg(feature = "gpu")]
mod device_rows;
#[cfg(feature = "gpu")]
mod disk_cache;
#[cfg(feature = "gpu")]
mod encoding;
#[cfg(feature = "gpu")]
mod executor;
#[cfg(feature = "gpu")]
mod kernels;
#[cfg(feature = "gpu")]
mod kind;
#[cfg(feature = "gpu")]
mod layout;
#[cfg(feature = "gpu")]
mod limits;
#[cfg(feature = "gpu")]
mod matrices;
#[cfg(feature = "gpu")]
mod pieces;
#[cfg(feature = "gpu")]
mod pipelines;
#[cfg(feature = "gpu")]
mod pool;
#[cfg(feature = "gpu")]
mod resources;
#[cfg(feature = "gpu")]
mod session;
#[cfg(feature = "gpu")]
mod shared;
#[cfg(feature = "gpu")]
mod sizes;
#[cfg(feature = "gpu")]
mod source;
#[cfg(feature = "gpu")]
mod table;
#[cfg(feature = "gpu")]
mod tile;
#[cfg(feature = "gpu")]
mod timer;
#[cfg(feature = "gpu")]
mod transfer;

#[cfg(all(test, feature = "gpu"))]
mod tests;

#[cfg(feature = "gpu")]
pub(crate) use adapter::kind_of;
#[cfg(feature = "gpu")]
pub use adapter::{AdapterSummary, adapters};
#[cfg(feature = "gpu")]
pub(crate) use executor::{GpuExecutor, estimate_memory};
#[cfg(feature = "gpu")]
pub use kind::AdapterKind;
