//! Progress of a loop that runs on all threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Tick;
use crate::error::BuildError;

/// Tells a [`Tick`] how much of a loop is done; once that fails, the rest of the loop is to be left out.
pub(crate) struct Steps<'a> {
    tick: Tick<'a>,
    total: usize,
    done: AtomicUsize,
    is_over: AtomicBool,
    error: Mutex<Option<BuildError>>,
}

impl<'a> Steps<'a> {
    pub(crate) fn new(tick: Tick<'a>, total: usize) -> Self {
        let (done, is_over, error) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(None));
        Self { tick, total, done, is_over, error }
    }

    /// Counts `count` steps that begin. False if they are to be left out.
    pub(crate) fn begin(&self, count: usize) -> bool {
        if self.is_over.load(Ordering::Relaxed) {
            return false;
        }
        let done = self.done.fetch_add(count, Ordering::Relaxed);
        match (self.tick)(done as f32 / self.total.max(1) as f32) {
            Ok(()) => true,
            Err(error) => {
                self.is_over.store(true, Ordering::Relaxed);
                *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                false
            }
        }
    }

    /// Whether steps are to be left out.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Fails with what ended the loop.
    pub(crate) fn end(self) -> Result<(), BuildError> {
        match self.error.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}
