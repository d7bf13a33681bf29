//! Kernels against the CPU, and faults planted in them.

mod mutation;
mod parity;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A text of the shaders, and what is to stand there instead.
#[derive(Clone)]
pub(super) struct Fault {
    right: &'static str,
    wrong: &'static str,
    /// Shaders with the fault in them.
    planted: Arc<AtomicUsize>,
}

impl Fault {
    fn new(right: &'static str, wrong: &'static str) -> Self {
        Self { right, wrong, planted: Arc::default() }
    }

    /// The text with the fault in it, where it has the place for it.
    pub(super) fn plant(&self, text: &str) -> String {
        if text.contains(self.right) {
            self.planted.fetch_add(1, Relaxed);
        }
        text.replacen(self.right, self.wrong, 1)
    }

    fn was_planted(&self) -> bool {
        self.planted.load(Relaxed) > 0
    }
}
