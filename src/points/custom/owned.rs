//! Owned custom items with a distance: what an index keeps.

use std::fmt;
use std::sync::Arc;

use super::{GpuRows, Items, Kept, KeptItems};
use crate::points::{Bits, CsrMatrix, Dense, PointsError, SparseRow};

/// Items and a distance of two of them, for graphs and indexes. Both are shared: cloning copies neither.
///
/// ```
/// use nndescent::custom::Custom;
/// use nndescent::{Metric, NnDescent, Points, SearchOptions};
///
/// let words = (0..500).map(|i| format!("{:b}", i * 37 % 1009)).collect();
/// let words = Custom::items(words, |a: &String, b: &String| {
///     let columns = a.bytes().zip(b.bytes()).filter(|(x, y)| x != y).count();
///     (columns + a.len().abs_diff(b.len())) as f32
/// });
/// let index = NnDescent::new(Metric::Custom).index(&Points::items(&words)?)?.index;
/// let queries = words.others(vec!["1010101".into()]);
/// let hits = index.query(&Points::items(&queries)?, 3, &SearchOptions::new())?;
/// assert_eq!(hits.ids(0).len(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Custom<C, D> {
    collection: Arc<C>,
    distance: Arc<D>,
    reduced: Option<Reduced<C>>,
    wgsl: Option<&'static str>,
}

/// A cheaper value in the order of the distance, and the map from the distance to it.
struct Reduced<C> {
    between: Arc<ReducedBetween<C>>,
    of_distance: Arc<dyn Fn(f32) -> f32 + Send + Sync>,
}

/// Takes two collections, and the place of an item in each.
type ReducedBetween<C> = dyn Fn([&C; 2], [usize; 2]) -> f32 + Send + Sync;

impl<C> Clone for Reduced<C> {
    fn clone(&self) -> Self {
        Self { between: Arc::clone(&self.between), of_distance: Arc::clone(&self.of_distance) }
    }
}

/// What holds the items of a [`Custom`].
pub trait Collection<D>: Send + Sync + 'static {
    /// Number of items.
    fn n(&self) -> usize;
    /// The distance of item `a` of `self` and item `b` of `other`.
    fn distance(&self, distance: &D, a: usize, other: &Self, b: usize) -> f32;
    /// Columns of a row; 1 for items without columns.
    fn dim(&self) -> usize {
        1
    }
    /// The values, if they are dense rows.
    fn values(&self) -> Option<&[f32]> {
        None
    }
}

/// Owned dense rows.
#[derive(Debug, Clone, PartialEq)]
pub struct RowValues {
    values: Vec<f32>,
    dim: usize,
}

impl RowValues {
    fn new(values: Vec<f32>, dim: usize) -> Result<Self, PointsError> {
        let n = values.len().checked_div(dim).unwrap_or(values.len());
        Dense::new(&values, n, dim)?;
        Ok(Self { values, dim })
    }

    fn row(&self, i: usize) -> &[f32] {
        &self.values[i * self.dim..][..self.dim]
    }
}

/// Owned rows of packed bits.
#[derive(Debug, Clone, PartialEq)]
pub struct BitValues {
    bytes: Vec<u8>,
    dim: usize,
}

impl BitValues {
    fn new(bytes: Vec<u8>, dim: usize) -> Result<Self, PointsError> {
        let n = bytes.len().checked_div(dim.div_ceil(8)).unwrap_or(bytes.len());
        Bits::new(&bytes, n, dim)?;
        Ok(Self { bytes, dim })
    }

    fn row(&self, i: usize) -> &[u8] {
        let row_bytes = self.dim.div_ceil(8);
        &self.bytes[i * row_bytes..][..row_bytes]
    }
}

impl<D: Fn(&[u8], &[u8]) -> f32> Collection<D> for BitValues {
    fn n(&self) -> usize {
        self.bytes.len() / self.dim.div_ceil(8)
    }

    fn distance(&self, distance: &D, a: usize, other: &Self, b: usize) -> f32 {
        distance(self.row(a), other.row(b))
    }

    fn dim(&self) -> usize {
        self.dim
    }
}

impl<T: Send + Sync + 'static, D: Fn(&T, &T) -> f32> Collection<D> for Vec<T> {
    fn n(&self) -> usize {
        self.len()
    }

    fn distance(&self, distance: &D, a: usize, other: &Self, b: usize) -> f32 {
        distance(&self[a], &other[b])
    }
}

impl<D: Fn(&[f32], &[f32]) -> f32> Collection<D> for RowValues {
    fn n(&self) -> usize {
        self.values.len() / self.dim
    }

    fn distance(&self, distance: &D, a: usize, other: &Self, b: usize) -> f32 {
        distance(self.row(a), other.row(b))
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn values(&self) -> Option<&[f32]> {
        Some(&self.values)
    }
}

impl<D: Fn(SparseRow, SparseRow) -> f32> Collection<D> for CsrMatrix {
    fn n(&self) -> usize {
        self.view().n()
    }

    fn distance(&self, distance: &D, a: usize, other: &Self, b: usize) -> f32 {
        distance(self.view().row(a), other.view().row(b))
    }

    fn dim(&self) -> usize {
        self.view().dim()
    }
}

impl<T, D> Custom<Vec<T>, D>
where
    T: Send + Sync + 'static,
    D: Fn(&T, &T) -> f32 + Send + Sync + 'static,
{
    /// Items of any type, compared by a function of two of them.
    pub fn items(items: Vec<T>, distance: D) -> Self {
        Self::new(items, distance)
    }
}

impl<D> Custom<RowValues, D>
where
    D: Fn(&[f32], &[f32]) -> f32 + Send + Sync + 'static,
{
    /// Rows of `dim` values, compared by a function of two of them.
    ///
    /// # Errors
    /// Same as [`Points::dense`](crate::Points::dense).
    pub fn rows(values: Vec<f32>, dim: usize, distance: D) -> Result<Self, PointsError> {
        Ok(Self::new(RowValues::new(values, dim)?, distance))
    }
}

impl<D> Custom<CsrMatrix, D>
where
    D: Fn(SparseRow, SparseRow) -> f32 + Send + Sync + 'static,
{
    /// Sparse rows, compared by a function of two of them.
    pub fn sparse(rows: CsrMatrix, distance: D) -> Self {
        Self::new(rows, distance)
    }
}

impl<D> Custom<BitValues, D>
where
    D: Fn(&[u8], &[u8]) -> f32 + Send + Sync + 'static,
{
    /// Rows of `dim` packed bits (`dim.div_ceil(8)` bytes each), compared by a function of the bytes of two of them.
    ///
    /// # Errors
    /// Same as [`Points::bits`](crate::Points::bits).
    pub fn bits(bytes: Vec<u8>, dim: usize, distance: D) -> Result<Self, PointsError> {
        Ok(Self::new(BitValues::new(bytes, dim)?, distance))
    }
}

impl<C, D> Custom<C, D> {
    fn new(collection: C, distance: D) -> Self {
        Self { collection: Arc::new(collection), distance: Arc::new(distance), reduced: None, wgsl: None }
    }

    fn reduced_by(
        mut self,
        between: impl Fn([&C; 2], [usize; 2]) -> f32 + Send + Sync + 'static,
        of_distance: impl Fn(f32) -> f32 + Send + Sync + 'static,
    ) -> Self {
        self.reduced = Some(Reduced { between: Arc::new(between), of_distance: Arc::new(of_distance) });
        self
    }

    fn with(&self, collection: C) -> Self {
        Self { collection: Arc::new(collection), ..self.clone() }
    }

    /// The items.
    #[must_use]
    pub fn collection(&self) -> &C {
        &self.collection
    }
}

impl<T, D> Custom<Vec<T>, D> {
    /// Other items under the same distance: queries, or items to add.
    #[must_use]
    pub fn others(&self, items: Vec<T>) -> Self {
        self.with(items)
    }
}

impl<T: 'static, D> Custom<Vec<T>, D> {
    /// A cheaper value in the same order as the distance (its square, where it is a root), which searches compare by,
    /// and the map from a distance to it, for radius queries. Distances are then computed only of what is returned.
    #[must_use]
    pub fn with_reduced(
        self,
        reduced: impl Fn(&T, &T) -> f32 + Send + Sync + 'static,
        of_distance: impl Fn(f32) -> f32 + Send + Sync + 'static,
    ) -> Self {
        self.reduced_by(move |[x, y], [a, b]| reduced(&x[a], &y[b]), of_distance)
    }
}

impl<D> Custom<RowValues, D> {
    /// Same as for items.
    #[must_use]
    pub fn with_reduced(
        self,
        reduced: impl Fn(&[f32], &[f32]) -> f32 + Send + Sync + 'static,
        of_distance: impl Fn(f32) -> f32 + Send + Sync + 'static,
    ) -> Self {
        self.reduced_by(move |[x, y], [a, b]| reduced(x.row(a), y.row(b)), of_distance)
    }

    /// Other rows of the same number of columns under the same distance: queries, or rows to add.
    ///
    /// # Errors
    /// Same as [`Points::dense`](crate::Points::dense).
    pub fn others(&self, values: Vec<f32>) -> Result<Self, PointsError> {
        Ok(self.with(RowValues::new(values, self.collection.dim)?))
    }

    /// The distance in WGSL as well, as described at [`GpuRows::wgsl`]: what building on a GPU needs.
    #[must_use]
    pub fn wgsl(mut self, wgsl: &'static str) -> Self {
        self.wgsl = Some(wgsl);
        self
    }
}

impl<D> Custom<BitValues, D> {
    /// Other rows of the same number of bits under the same distance: queries, or rows to add.
    ///
    /// # Errors
    /// Same as [`Points::bits`](crate::Points::bits).
    pub fn others(&self, bytes: Vec<u8>) -> Result<Self, PointsError> {
        Ok(self.with(BitValues::new(bytes, self.collection.dim)?))
    }
}

impl<D> Custom<CsrMatrix, D> {
    /// Same as for items.
    #[must_use]
    pub fn with_reduced(
        self,
        reduced: impl Fn(SparseRow, SparseRow) -> f32 + Send + Sync + 'static,
        of_distance: impl Fn(f32) -> f32 + Send + Sync + 'static,
    ) -> Self {
        self.reduced_by(move |[x, y], [a, b]| reduced(x.view().row(a), y.view().row(b)), of_distance)
    }

    /// Other rows under the same distance: queries, or rows to add.
    #[must_use]
    pub fn others(&self, rows: CsrMatrix) -> Self {
        self.with(rows)
    }
}

impl<C, D> Clone for Custom<C, D> {
    fn clone(&self) -> Self {
        let (collection, distance) = (Arc::clone(&self.collection), Arc::clone(&self.distance));
        Self { collection, distance, reduced: self.reduced.clone(), wgsl: self.wgsl }
    }
}

impl<C, D> fmt::Debug for Custom<C, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Custom").finish_non_exhaustive()
    }
}

impl<C: Collection<D>, D: Send + Sync + 'static> Items for Custom<C, D> {
    fn n(&self) -> usize {
        self.collection.n()
    }

    fn distance(&self, a: usize, b: usize) -> f32 {
        self.distance_to(a, self, b)
    }

    fn reduced(&self, a: usize, b: usize) -> f32 {
        self.reduced_to(a, self, b)
    }

    fn on_gpu(&self) -> Option<GpuRows<'_>> {
        let (values, dim) = (self.collection.values()?, self.collection.dim());
        self.wgsl.map(|wgsl| GpuRows { values, dim, wgsl })
    }

    fn keep(&self) -> Option<Kept> {
        Some(Kept::new(self.clone()))
    }
}

impl<C: Collection<D>, D: Send + Sync + 'static> KeptItems for Custom<C, D> {
    fn distance_to(&self, a: usize, other: &Self, b: usize) -> f32 {
        self.collection.distance(&self.distance, a, &other.collection, b)
    }

    fn reduced_to(&self, a: usize, other: &Self, b: usize) -> f32 {
        match &self.reduced {
            Some(reduced) => (reduced.between)([&self.collection, &other.collection], [a, b]),
            None => self.distance_to(a, other, b),
        }
    }

    fn to_reduced(&self, distance: f32) -> f32 {
        self.reduced.as_ref().map_or(distance, |reduced| (reduced.of_distance)(distance))
    }

    fn is_comparable(&self, other: &Self) -> bool {
        self.collection.dim() == other.collection.dim()
    }
}
