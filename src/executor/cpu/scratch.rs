//! Working memory, one per thread, kept between calls.

use std::sync::Mutex;

/// What a thread needs to collect and evaluate candidates.
#[derive(Default)]
pub(crate) struct Scratch {
    pub ids: Vec<u32>,
    pub distances: Vec<f32>,
    /// One bit per point; all zero between uses.
    pub seen: Vec<u64>,
}

/// Scratch for every thread of the current rayon pool.
pub(crate) struct ScratchPool {
    slots: Vec<Mutex<Scratch>>,
}

impl ScratchPool {
    pub(crate) fn new() -> Self {
        Self { slots: (0..=rayon::current_num_threads()).map(|_| Mutex::default()).collect() }
    }

    /// Lends the thread's scratch. Not reentrant.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Scratch) -> R) -> R {
        let slot = rayon::current_thread_index().map_or(0, |i| i + 1).min(self.slots.len() - 1);
        f(&mut self.slots[slot].lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}
