//! The GPU executor: the only room that says `use wgpu`.
//!
//! Trees are the CPU's; rows and data live on the device. Every kernel lets a workgroup own a row, so there are no locks, no
//! buffers of proposals, and the same bytes on every run.

#[cfg(feature = "gpu")]
mod adapter;
#[cfg(feature = "gpu")]
mod data;
#[cfg(feature = "gpu")]
mod device;
#[cfg(feature = "gpu")]
mod executor;
#[cfg(feature = "gpu")]
mod layout;
#[cfg(feature = "gpu")]
mod matrices;
#[cfg(feature = "gpu")]
mod session;
#[cfg(feature = "gpu")]
mod shaders;
#[cfg(feature = "gpu")]
mod stage;
#[cfg(feature = "gpu")]
mod stored;
#[cfg(feature = "gpu")]
mod timer;

#[cfg(all(test, feature = "gpu"))]
mod faults;
#[cfg(all(test, feature = "gpu"))]
mod twins;

#[cfg(feature = "gpu")]
pub use adapter::{AdapterSummary, adapters};
#[cfg(feature = "gpu")]
pub(crate) use executor::{GpuExecutor, estimate_memory};
