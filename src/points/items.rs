//! Whatever a user can tell the distance of.

use std::fmt;

use super::Kept;

/// Items of any kind, compared by the user's own distance: strings, sets, rows under a metric that this crate does not have.
///
/// Search asks for [`Items::reduced_to_many`] from several threads at once; results hold [`Items::distance`]. Both must be
/// finite, and the same both ways. Trees split items by which of two they are nearer to, so they work for any distance that
/// is small between like items; where one is not, build with [`crate::NnDescent::n_trees`] 0.
///
/// ```
/// use nndescent::{Metric, NnDescent, Points, items};
///
/// let words: Vec<String> = (0..200).map(|i| format!("{:b}", i * 37 % 1009)).collect();
/// let differing = |a: &String, b: &String| {
///     let columns = a.bytes().zip(b.bytes()).filter(|(x, y)| x != y).count();
///     (columns + a.len().abs_diff(b.len())) as f32
/// };
/// let words = items(&words, differing);
/// let built = NnDescent::new(Metric::Custom).n_neighbors(5).graph(&Points::items(&words)?)?;
/// assert_eq!(built.graph.ids(0).len(), 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Items: Sync {
    /// Number of items.
    fn n(&self) -> usize;

    /// The distance of items `a` and `b`, both below `n`.
    fn distance(&self, a: usize, b: usize) -> f32;

    /// A cheaper number of the same order (the square, say, where the distance is a root). Default: the distance.
    fn reduced(&self, a: usize, b: usize) -> f32 {
        self.distance(a, b)
    }

    /// Reduced distances of item `a` to each of `others`: to be written where many at once are cheaper than one by one.
    fn reduced_to_many(&self, a: usize, others: &[u32], out: &mut [f32]) {
        for (out, &other) in out.iter_mut().zip(others) {
            *out = self.reduced(a, other as usize);
        }
    }

    /// Whether reduced distances are negative dot products, so that trees are to bring their pivots to one length before they
    /// compare them. Default: no.
    fn splits_by_direction(&self) -> bool {
        false
    }

    /// What lets a GPU compute reduced distances: the items as rows of values, and WGSL for two of them. Default: nothing, and
    /// the items are only searched on the CPU.
    fn on_gpu(&self) -> Option<GpuRows<'_>> {
        None
    }

    /// What an index keeps of these items, and compares queries with: `Some(Kept::new(self.clone()))`, where they are cheap to
    /// clone (behind an [`Arc`](std::sync::Arc)) and [`KeptItems`](crate::KeptItems). Called for every query. Default: nothing,
    /// and there can be graphs of these items only, no index.
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
    /// WGSL of `struct Acc`, `fn start() -> Acc`, `fn step(acc: Acc, x: vec4<f32>, y: vec4<f32>) -> Acc`, which is called with four
    /// values of two rows at a time (zeros beyond their end must change nothing), and `fn finish(acc: Acc) -> f32`: the reduced
    /// distance. As in `shaders/shared/metrics`. Before a build, distances of 16 rows are compared with the CPU's.
    pub wgsl: &'static str,
}

/// A slice under a distance of two of its items: [`items`].
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

/// The items of a slice, compared by a function of two of them: for graphs. An index keeps [`own_items`](crate::own_items).
pub fn items<'a, T: Sync>(items: &'a [T], distance: impl Fn(&T, &T) -> f32 + Sync + 'a) -> impl Items + 'a {
    Slice { items, distance }
}

/// Rows of a matrix under a distance of two of them: [`row_items`].
struct RowItems<'a, D> {
    values: &'a [f32],
    dim: usize,
    distance: D,
    wgsl: Option<&'static str>,
}

impl<D: Fn(&[f32], &[f32]) -> f32 + Sync> Items for RowItems<'_, D> {
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

/// Rows of `dim` values, compared by a function of two of them: for graphs. An index keeps
/// [`own_rows`](crate::own_rows). Values beyond the last whole row are left out.
///
/// # Panics
/// If `dim` is zero.
pub fn row_items<'a>(
    values: &'a [f32],
    dim: usize,
    distance: impl Fn(&[f32], &[f32]) -> f32 + Sync + 'a,
) -> impl Items + 'a {
    assert!(dim > 0, "rows of 0 columns");
    RowItems { values: &values[..values.len() / dim * dim], dim, distance, wgsl: None }
}

/// The same with the distance in WGSL, too, as [`GpuRows::wgsl`] has it: what [`crate::Device::Gpu`] needs.
///
/// # Panics
/// If `dim` is zero.
pub fn row_items_with_wgsl<'a>(
    values: &'a [f32],
    dim: usize,
    distance: impl Fn(&[f32], &[f32]) -> f32 + Sync + 'a,
    wgsl: &'static str,
) -> impl Items + 'a {
    assert!(dim > 0, "rows of 0 columns");
    RowItems { values: &values[..values.len() / dim * dim], dim, distance, wgsl: Some(wgsl) }
}

/// Borrowed [`Items`], to be shown.
#[derive(Clone, Copy)]
pub struct ItemsRef<'a>(pub(crate) &'a dyn Items);

impl fmt::Debug for ItemsRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} items", self.0.n())
    }
}
