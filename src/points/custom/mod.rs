//! Custom items and distances: strings, sets, or rows under a metric that this crate does not have.
//!
//! [`Custom`] holds items and a distance, for graphs and indexes. [`items()`] and [`rows()`] borrow a slice instead,
//! for graphs only. For full control (distances of many items at once, WGSL, errors of your own) implement [`Items`],
//! and [`KeptItems`] for indexes.

mod kept;
mod owned;

use std::fmt;

use super::{Dense, PointsError};

pub use kept::{Kept, KeptItems};
pub use owned::{BitValues, Collection, Custom, RowValues};

/// Items of any kind, compared by a custom distance.
///
/// Searches call [`Items::reduced_to_many`] from several threads at once; results hold [`Items::distance_to_many`].
/// Distances must be finite and symmetric. Trees split items by which of two pivots is nearer, which works for any
/// distance that is small between similar items; for others, build with [`n_trees(0)`](crate::NnDescent::n_trees).
///
/// ```
/// use nndescent::{Metric, NnDescent, Points, custom};
///
/// let words: Vec<String> = (0..200).map(|i| format!("{:b}", i * 37 % 1009)).collect();
/// let differing = |a: &String, b: &String| {
///     let columns = a.bytes().zip(b.bytes()).filter(|(x, y)| x != y).count();
///     (columns + a.len().abs_diff(b.len())) as f32
/// };
/// let words = custom::items(&words, differing);
/// let built = NnDescent::new(Metric::Custom).n_neighbors(5).graph(&Points::items(&words)?)?;
/// assert_eq!(built.graph.ids(0).len(), 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Items: Sync {
    /// Number of items.
    fn n(&self) -> usize;

    /// The distance of items `a` and `b`, both below `n`.
    fn distance(&self, a: usize, b: usize) -> f32;

    /// Distances of item `a` to each of `others`. Implement it where many at once are cheaper than one by one.
    fn distance_to_many(&self, a: usize, others: &[u32], out: &mut [f32]) {
        for (out, &other) in out.iter_mut().zip(others) {
            *out = self.distance(a, other as usize);
        }
    }

    /// A cheaper value in the same order (the square, where the distance is a root). Default: the distance.
    fn reduced(&self, a: usize, b: usize) -> f32 {
        self.distance(a, b)
    }

    /// Reduced distances of item `a` to each of `others`. Implement it where many at once are cheaper than one by one.
    fn reduced_to_many(&self, a: usize, others: &[u32], out: &mut [f32]) {
        for (out, &other) in out.iter_mut().zip(others) {
            *out = self.reduced(a, other as usize);
        }
    }

    /// Why a distance failed: a distance that cannot be computed is returned as NaN, and this message becomes part of
    /// the error that the build or search ends with. Default: none.
    fn failure(&self) -> Option<String> {
        None
    }

    /// Whether reduced distances are negative dot products, so that trees bring their pivots to one length before they
    /// compare with them. Default: no.
    fn splits_by_direction(&self) -> bool {
        false
    }

    /// The items as rows of values, and WGSL that computes their reduced distances on a GPU. Default: none, and items
    /// are compared on the CPU only.
    fn on_gpu(&self) -> Option<GpuRows<'_>> {
        None
    }

    /// What an index keeps of these items, and compares queries with: `Some(Kept::new(self.clone()))` for items that
    /// are cheap to clone (behind an [`Arc`](std::sync::Arc)) and implement [`KeptItems`]. Called for every query.
    /// Default: none, and these items can have graphs only, no index.
    fn keep(&self) -> Option<Kept> {
        None
    }
}

/// Items as a GPU compares them.
#[derive(Debug, Clone, Copy)]
pub struct GpuRows<'a> {
    /// `n x dim` values, row after row.
    pub values: &'a [f32],
    /// Values of a row.
    pub dim: usize,
    /// WGSL of `struct Acc`, `fn start() -> Acc`, `fn step(acc: Acc, x: vec4<f32>, y: vec4<f32>) -> Acc`, which is
    /// called with four values of two rows at a time (zeros beyond their end must change nothing), and `fn finish(acc:
    /// Acc) -> f32`: the reduced distance. It is compiled with checks of bounds and loops, and distances of 16 rows are
    /// compared with the CPU's.
    pub wgsl: &'static str,
}

/// A slice and a distance of two of its items: [`items()`].
struct Slice<'a, T, D> {
    items: &'a [T],
    distance: D,
}

impl<T: Sync, D: Fn(&T, &T) -> f32 + Sync> Items for Slice<'_, T, D> {
    fn n(&self) -> usize {
        self.items.len()
    }

    fn distance(&self, a: usize, b: usize) -> f32 {
        (self.distance)(&self.items[a], &self.items[b])
    }
}

/// The items of a slice, compared by a function of two of them, for graphs. For an index use [`Custom::items`].
pub fn items<'a, T: Sync>(items: &'a [T], distance: impl Fn(&T, &T) -> f32 + Sync + 'a) -> impl Items + 'a {
    Slice { items, distance }
}

/// Borrowed rows under a distance of two of them: [`rows()`].
pub struct Rows<'a, D> {
    values: &'a [f32],
    dim: usize,
    distance: D,
    wgsl: Option<&'static str>,
}

impl<D> Rows<'_, D> {
    /// The distance in WGSL as well, as described at [`GpuRows::wgsl`]: what [`Device::Gpu`](crate::Device::Gpu) needs.
    #[must_use]
    pub fn wgsl(mut self, wgsl: &'static str) -> Self {
        self.wgsl = Some(wgsl);
        self
    }
}

impl<D> fmt::Debug for Rows<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("dim", &self.dim).finish_non_exhaustive()
    }
}

impl<D: Fn(&[f32], &[f32]) -> f32 + Sync> Items for Rows<'_, D> {
    fn n(&self) -> usize {
        self.values.len() / self.dim
    }

    fn distance(&self, a: usize, b: usize) -> f32 {
        let row = |i: usize| &self.values[i * self.dim..][..self.dim];
        (self.distance)(row(a), row(b))
    }

    fn on_gpu(&self) -> Option<GpuRows<'_>> {
        self.wgsl.map(|wgsl| GpuRows { values: self.values, dim: self.dim, wgsl })
    }
}

/// Rows of `dim` values, compared by a function of two of them, for graphs. For an index use [`Custom::rows`].
///
/// # Errors
/// Same as [`Points::dense`](crate::Points::dense).
pub fn rows<'a, D>(values: &'a [f32], dim: usize, distance: D) -> Result<Rows<'a, D>, PointsError>
where
    D: Fn(&[f32], &[f32]) -> f32 + Sync + 'a,
{
    let n = values.len().checked_div(dim).unwrap_or(values.len());
    Dense::new(values, n, dim)?;
    Ok(Rows { values, dim, distance, wgsl: None })
}

/// Borrowed [`Items`] that print themselves.
#[derive(Clone, Copy)]
pub(crate) struct ItemsRef<'a>(pub(crate) &'a dyn Items);

impl fmt::Debug for ItemsRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} items", self.0.n())
    }
}
