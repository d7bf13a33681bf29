//! Working memory, lent to one call at a time.

use std::sync::{Mutex, PoisonError};

use super::gather::SparseQuery;
use super::panel::Panel;

/// What a call needs. All that is looked up by column is empty between calls.
#[derive(Default)]
pub(super) struct Scratch {
    pub query: SparseQuery,
    pub distances: Vec<f32>,
    pub panel: Panel,
}

/// Scratch for every thread.
pub(super) struct Pool {
    slots: Vec<Mutex<Scratch>>,
}

impl Default for Pool {
    fn default() -> Self {
        let machine = std::thread::available_parallelism().map_or(1, usize::from);
        Self { slots: (0..=rayon::current_num_threads().max(machine)).map(|_| Mutex::default()).collect() }
    }
}

impl Pool {
    /// Lends the thread's scratch. Not reentrant.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut Scratch) -> R) -> R {
        let slot = rayon::current_thread_index().map_or(0, |i| i + 1) % self.slots.len();
        let mut scratch = self.slots[slot].lock().unwrap_or_else(|poisoned| {
            // A call that ended early left entries behind.
            let mut scratch = PoisonError::into_inner(poisoned);
            *scratch = Scratch::default();
            self.slots[slot].clear_poison();
            scratch
        });
        f(&mut scratch)
    }
}
