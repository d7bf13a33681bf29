//! The first pair, in order of rows, whose distance is not finite, whichever thread finds one first.

use std::sync::atomic::{AtomicU64, Ordering};

/// `a << 32 | b` of the least pair noted, or [`NONE`].
#[derive(Debug)]
pub(crate) struct FirstNonFinite(AtomicU64);

/// No pair.
const NONE: u64 = u64::MAX;

impl Default for FirstNonFinite {
    fn default() -> Self {
        Self(AtomicU64::new(NONE))
    }
}

impl FirstNonFinite {
    pub(crate) fn note(&self, a: u32, b: u32) {
        self.0.fetch_min(u64::from(a) << 32 | u64::from(b), Ordering::Relaxed);
    }

    /// The least pair noted.
    pub(crate) fn get(&self) -> Option<(u32, u32)> {
        let pair = self.0.load(Ordering::Relaxed);
        (pair != NONE).then_some(((pair >> 32) as u32, pair as u32))
    }

    /// The same; it is then forgotten.
    pub(crate) fn take(&self) -> Option<(u32, u32)> {
        let pair = self.get();
        self.0.store(NONE, Ordering::Relaxed);
        pair
    }
}
