//! Staging buffers, which are kept and mapped again: pinning the memory of a new one takes longer than a copy through
//! it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Bytes of a piece of a transfer.
pub(super) const PIECE: u64 = 4 << 20;

/// Bytes of the staging buffers for small reads.
const SMALL: u64 = 64 << 10;

/// Staging buffers kept for the next transfer.
const KEPT: usize = 32;

/// A staging buffer.
pub(super) struct Staging {
    pub buffer: wgpu::Buffer,
    /// The submission that last used it; none if it is new, and mapped if it is for writing.
    pub in_use: Option<wgpu::SubmissionIndex>,
}

/// The staging buffers of one direction that no transfer holds.
pub(super) struct StagingPool {
    usage: wgpu::BufferUsages,
    idle: Mutex<VecDeque<Staging>>,
}

impl StagingPool {
    pub(super) fn for_writing() -> Self {
        Self { usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC, idle: Mutex::default() }
    }

    pub(super) fn for_reading() -> Self {
        Self { usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST, idle: Mutex::default() }
    }

    /// The buffer of at least `bytes` that has been idle for longest, or a new one.
    pub(super) fn take(&self, device: &wgpu::Device, bytes: u64) -> Staging {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |s: &Staging| s.buffer.size() >= bytes && (bytes > SMALL || s.buffer.size() == SMALL);
        if let Some(staging) = idle.iter().position(fits).and_then(|at| idle.remove(at)) {
            return staging;
        }
        drop(idle);
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("staging"),
            size: if bytes <= SMALL { SMALL } else { bytes.next_multiple_of(8).max(PIECE) },
            usage: self.usage,
            mapped_at_creation: self.usage.contains(wgpu::BufferUsages::MAP_WRITE),
        });
        Staging { buffer, in_use: None }
    }

    /// Takes back a buffer that is not mapped.
    pub(super) fn put_back(&self, staging: Staging) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push_back(staging);
        }
    }
}
