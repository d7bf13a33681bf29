//! A user's items in working order.

use crate::dataset::problem::AnyRows;
use crate::distances::TrueDistances;
use crate::first_non_finite::FirstNonFinite;
#[cfg(feature = "gpu")]
use crate::points::{Dense, GpuRows, Rows};
use crate::points::{Items, Kept};
use crate::rows::{ReducedDistances, WorkingRows};

/// Items, and a pair whose distance is no number, if one was met.
pub(crate) struct CheckedItems<'a> {
    items: &'a dyn Items,
    wrong: FirstNonFinite,
}

impl<'a> CheckedItems<'a> {
    pub(crate) fn new(items: &'a dyn Items) -> Self {
        Self { items, wrong: FirstNonFinite::default() }
    }

    /// Distances that are no numbers count as largest, and are remembered: the least pair, whatever the order of threads.
    fn watch(&self, a: u32, others: &[u32], out: &mut [f32]) {
        for (d, &b) in out.iter_mut().zip(others).filter(|(d, _)| !d.is_finite()) {
            *d = f32::MAX;
            self.wrong.note(a, b);
        }
    }
}

impl AnyRows for CheckedItems<'_> {
    fn space(&self) -> Box<dyn ReducedDistances + '_> {
        Box::new(ItemRows { watched: self, order: (0..self.items.n() as u32).collect() })
    }

    fn bytes(&self) -> u64 {
        4 * self.items.n() as u64
    }

    fn cost(&self) -> f64 {
        // Unknown; more than a hundred columns take.
        100.0
    }

    fn truth(&self) -> Box<dyn TrueDistances + '_> {
        Box::new(ItemRows { watched: self, order: Vec::new() })
    }

    fn kept(&self) -> Option<Kept> {
        self.items.keep().filter(|kept| kept.n() == self.items.n())
    }

    #[cfg(feature = "gpu")]
    fn on_gpu(&self) -> Option<(Dense<'_>, &'static str)> {
        let GpuRows { values, dim, wgsl } = self.items.on_gpu()?;
        let n = self.items.n();
        (dim > 0 && n.checked_mul(dim) == Some(values.len())).then(|| (Dense::trusted(Rows::F32(values), n, dim), wgsl))
    }

    fn wrong_pair(&self) -> Option<(usize, usize)> {
        self.wrong.get().map(|(a, b)| (a as usize, b as usize))
    }
}

/// Items, and the order that they are worked on in.
struct ItemRows<'a> {
    watched: &'a CheckedItems<'a>,
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
        self.watched.items.splits_by_direction()
    }
}

impl ReducedDistances for ItemRows<'_> {
    fn one_to_many(&self, row: u32, others: &[u32], out: &mut [f32]) {
        let others: Vec<u32> = others.iter().map(|&other| self.item(other)).collect();
        let item = self.item(row);
        self.watched.items.reduced_to_many(item as usize, &others, out);
        self.watched.watch(item, &others, out);
    }
}

impl TrueDistances for ItemRows<'_> {
    fn distances(&self, i: usize, others: &[u32], out: &mut Vec<f32>) {
        out.clear();
        out.extend(others.iter().map(|&other| self.watched.items.distance(i, other as usize)));
        self.watched.watch(i as u32, others, out);
    }

    fn to_self(&self, i: usize) -> f32 {
        self.watched.items.distance(i, i)
    }
}
