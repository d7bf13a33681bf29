//! How far an operation is, and whether to go on.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::progress::{Phase, Progress};

/// Is told how far an operation is, from any of its threads; [`ControlFlow::Break`] ends it.
pub(crate) type Watcher<'a> = dyn Fn(&Progress) -> ControlFlow<()> + Send + Sync + 'a;

/// Counts what is done, tells a watcher, and remembers its wish to stop.
pub(super) struct Ticker<'a> {
    watcher: Option<&'a Watcher<'a>>,
    phase: Phase,
    total: usize,
    done: AtomicUsize,
    cancelled: AtomicBool,
}

/// Calls of the watcher, at most.
const CALLS: usize = 200;

impl<'a> Ticker<'a> {
    pub(super) fn new(watcher: Option<&'a Watcher<'a>>, phase: Phase, total: usize) -> Self {
        Self { watcher, phase, total, done: AtomicUsize::new(0), cancelled: AtomicBool::new(false) }
    }

    /// Counts `units` more; false if the operation is to stop.
    #[inline]
    pub(super) fn advance(&self, units: usize) -> bool {
        let Some(watcher) = self.watcher else { return true };
        if self.is_cancelled() {
            return false;
        }
        let before = self.done.fetch_add(units, Ordering::Relaxed);
        let (step, done) = (self.total.div_ceil(CALLS).max(1), before + units);
        if done / step == before / step && done < self.total {
            return true;
        }
        let fraction = (done as f32 / self.total.max(1) as f32).min(1.0);
        let told = watcher(&Progress { phase: self.phase, round: 0, max_rounds: 0, updates: 0, fraction });
        self.cancelled.fetch_or(told.is_break(), Ordering::Relaxed);
        told.is_continue()
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}
