//! Custom items in working order, whose distances are checked as they are computed.

use crate::distances::TrueDistances;
use crate::error::BuildError;
use crate::first_non_finite::FirstNonFinite;
#[cfg(feature = "gpu")]
use crate::points::{Dense, DenseValues, GpuRows};
use crate::points::{Items, Kept};
use crate::rows::{ReducedDistances, WorkingRows};

/// Items, and the least pair whose distance was not finite, if there was one.
pub(crate) struct CheckedItems<'a> {
    items: &'a dyn Items,
    wrong: FirstNonFinite,
}

impl<'a> CheckedItems<'a> {
    pub(crate) fn new(items: &'a dyn Items) -> Self {
        Self { items, wrong: FirstNonFinite::default() }
    }

    /// Non-finite distances count as largest, and the least such pair is remembered, whatever the order of threads.
    fn note(&self, a: u32, others: &[u32], out: &mut [f32]) {
        for (d, &b) in out.iter_mut().zip(others).filter(|(d, _)| !d.is_finite()) {
            *d = f32::MAX;
            self.wrong.note(a, b);
        }
    }
}

impl<'a> CheckedItems<'a> {
    pub(super) fn working_copy(&self) -> Box<dyn ReducedDistances + '_> {
        Box::new(ItemRows { items: self, order: (0..self.items.n() as u32).collect() })
    }

    /// Bytes of the working copy.
    pub(crate) fn bytes(&self) -> u64 {
        4 * self.items.n() as u64
    }

    pub(super) fn true_distances(&self) -> Box<dyn TrueDistances + '_> {
        Box::new(ItemRows { items: self, order: Vec::new() })
    }

    /// The items as an index keeps them, if they can be kept.
    pub(crate) fn kept(&self) -> Option<Kept> {
        self.items.keep().filter(|kept| kept.n() == self.items.n())
    }

    /// Dense rows and the WGSL of a custom metric on them, if it brings any.
    #[cfg(feature = "gpu")]
    pub(crate) fn on_gpu(&self) -> Option<(Dense<'a>, &'static str)> {
        let GpuRows { values, dim, wgsl } = self.items.on_gpu()?;
        let n = self.items.n();
        let fits = dim > 0 && n.checked_mul(dim) == Some(values.len());
        fits.then(|| (Dense::trusted(DenseValues::F32(values), n, dim), wgsl))
    }

    /// Fails if a distance was not finite.
    pub(super) fn check(&self) -> Result<(), BuildError> {
        match self.wrong.get() {
            Some((a, b)) => {
                let reason = self.items.failure();
                Err(BuildError::CustomDistance { a: a as usize, b: b as usize, reason })
            }
            None => Ok(()),
        }
    }
}

/// Items and their working order.
struct ItemRows<'a> {
    items: &'a CheckedItems<'a>,
    /// The item at each place.
    order: Vec<u32>,
}

impl ItemRows<'_> {
    /// The item at a place.
    fn item(&self, place: u32) -> u32 {
        self.order[place as usize]
    }
}

impl WorkingRows for ItemRows<'_> {
    fn n(&self) -> usize {
        self.order.len()
    }

    fn renumber(&mut self, order: &[u32]) {
        self.order = order.iter().map(|&at| self.item(at)).collect();
    }

    fn describe(&self) -> String {
        "items".into()
    }

    fn splits_by_direction(&self) -> bool {
        self.items.items.splits_by_direction()
    }
}

impl ReducedDistances for ItemRows<'_> {
    fn one_to_many(&self, row: u32, others: &[u32], out: &mut [f32]) {
        let others: Vec<u32> = others.iter().map(|&other| self.item(other)).collect();
        let item = self.item(row);
        self.items.items.reduced_to_many(item as usize, &others, out);
        self.items.note(item, &others, out);
    }
}

impl TrueDistances for ItemRows<'_> {
    fn distances(&self, i: usize, others: &[u32], out: &mut Vec<f64>) {
        let mut found = vec![0.0; others.len()];
        self.items.items.distance_to_many(i, others, &mut found);
        self.items.note(i as u32, others, &mut found);
        out.clear();
        out.extend(found.into_iter().map(f64::from));
    }

    fn to_self(&self, i: usize) -> f32 {
        self.items.items.distance(i, i)
    }
}
