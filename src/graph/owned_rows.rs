//! Rows owned by tasks according to the structure of the work rather than by ranges.

use std::marker::PhantomData;

/// A table of rows of `width` values, each of which may be taken by one task at a time.
pub(crate) struct OwnedRows<'a, T> {
    values: *mut T,
    rows: usize,
    width: usize,
    table: PhantomData<&'a mut [T]>,
}

// SAFETY: rows are only reached through `row`, whose callers guarantee that no two of them share one.
unsafe impl<T: Send> Sync for OwnedRows<'_, T> {}

impl<'a, T> OwnedRows<'a, T> {
    pub(crate) fn new(table: &'a mut [T], width: usize) -> Self {
        Self { values: table.as_mut_ptr(), rows: table.len() / width, width, table: PhantomData }
    }

    /// # Safety
    /// No other reference to row `i` lives.
    #[expect(clippy::mut_from_ref, reason = "the caller owns the row")]
    pub(crate) unsafe fn row(&self, i: u32) -> &mut [T] {
        assert!((i as usize) < self.rows);
        // SAFETY: the row is within the table, and the caller guarantees exclusive access to it.
        unsafe { std::slice::from_raw_parts_mut(self.values.add(i as usize * self.width), self.width) }
    }
}
