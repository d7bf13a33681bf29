//! Staging buffers, which are kept and mapped again: pinning the memory of a new one takes longer than a copy through
//! it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Bytes of a piece of a transfer.
pub(super) const PIECE: u64 = 4 << 20;

/// Bytes of the staging buffers for small reads.
const SMALL: u64 = 64 << 10;

/// Staging buffers kept for the next transfer.
const KEPT: usize = 32;

/// Bytes that can be on their way at once.
pub(super) const MOST_STAGED: usize = KEPT * PIECE as usize;

/// A staging buffer.
pub(super) struct Staging {
    pub buffer: wgpu::Buffer,
    /// The submission that last used it; none if it is new, and mapped if it is for writing.
    pub in_use: Option<wgpu::SubmissionIndex>,
}

/// The staging buffers of one direction.
pub(super) struct StagingPool {
    usage: wgpu::BufferUsages,
    /// Those that no transfer holds.
    idle: Mutex<VecDeque<Staging>>,
}

impl StagingPool {
    pub(super) fn for_writing() -> Self {
        Self { usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC, idle: Mutex::default() }
    }

    pub(super) fn for_reading() -> Self {
        Self { usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST, idle: Mutex::default() }
    }

    /// The buffer of at least `bytes` that has been idle for longest, or a new one: if there is none, or if the device
    /// still uses it and few are kept.
    pub(super) fn take(&self, device: &wgpu::Device, bytes: u64) -> Staging {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |s: &Staging| s.buffer.size() >= bytes && (bytes > SMALL || s.buffer.size() == SMALL);
        let first = idle.iter().position(fits).filter(|&at| idle.len() >= KEPT || is_done(device, &idle[at]));
        if let Some(staging) = first.and_then(|at| idle.remove(at)) {
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

/// Whether the device has done what it uses a buffer for.
fn is_done(device: &wgpu::Device, staging: &Staging) -> bool {
    let Some(submission) = staging.in_use.clone() else { return true };
    let now = Some(Duration::ZERO);
    device.poll(wgpu::PollType::Wait { submission_index: Some(submission), timeout: now }).is_ok()
}
