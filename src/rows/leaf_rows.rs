//! The rows of a leaf's points, addressed by their places in the leaf.

use crate::graph::order::{Neighbor, fresh};
use crate::graph::owned_rows::OwnedRows;
use crate::graph::rows::bound;
use crate::simd::Simd;

/// Rows that one task owns.
pub(crate) struct LeafRows<'a> {
    pub leaf: &'a [u32],
    /// The ids that rows hold for the points.
    names: &'a [u32],
    owned: &'a OwnedRows<'a, Neighbor>,
}

// Inlined, because kernels compiled for an instruction set call them for every pair that is near.
impl<'a> LeafRows<'a> {
    /// # Safety
    /// No other task accesses the rows of these points, and the points are distinct.
    pub(crate) unsafe fn new(leaf: &'a [u32], owned: &'a OwnedRows<'a, Neighbor>) -> Self {
        Self { leaf, names: leaf, owned }
    }

    /// The same rows, whose points have the ids `names`.
    pub(crate) fn known_as(self, names: &'a [u32]) -> Self {
        assert_eq!(names.len(), self.leaf.len());
        Self { names, ..self }
    }

    /// The row of the `i`th point.
    #[inline(always)]
    pub(crate) fn row(&mut self, i: usize) -> &mut [Neighbor] {
        // SAFETY: the task owns the leaf's rows, and borrows one at a time.
        unsafe { self.owned.row(self.leaf[i]) }
    }

    /// The distance from which on nothing enters the row of the `i`th point.
    #[inline(always)]
    pub(crate) fn worst(&mut self, i: usize) -> f32 {
        bound(self.row(i))
    }

    /// Offers the `j`th point, at distance `d`, to the row of the `i`th, and returns that row's bound.
    #[inline(always)]
    pub(crate) fn offer<S: Simd>(&mut self, i: usize, j: usize, d: f32) -> f32 {
        let neighbor = fresh(d, self.names[j]);
        let row = self.row(i);
        S::insert(row, neighbor);
        bound(row)
    }
}
