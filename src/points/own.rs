//! Items that an index can keep, and compare with others of their kind.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::{CsrMatrix, Dense, GpuRows, Items, PointsError, SparseRow};

/// [`Items`] that an index can keep, and whose queries are other items of the same type: what [`own_items`], [`own_rows`] and
/// [`own_sparse_rows`] make, or a type of the user's that is cheap to clone.
pub trait KeptItems: Items + Send + 'static {
    /// The distance of item `a` of these and item `b` of `other`: [`Items::distance`], where these are one.
    fn distance_to(&self, a: usize, other: &Self, b: usize) -> f32;

    /// A cheaper number of the same order, which searches go by: [`Items::reduced`], where these are one. Results hold distances.
    /// Default: the distance. [`KeptItems::to_reduced`] goes with it.
    fn reduced_to(&self, a: usize, other: &Self, b: usize) -> f32 {
        self.distance_to(a, other, b)
    }

    /// The reduced distance of a distance: what queries by radius go by.
    fn to_reduced(&self, distance: f32) -> f32 {
        distance
    }

    /// Whether items of `other` can be compared with these: rows of as many columns, say. Default: yes.
    fn is_comparable(&self, _other: &Self) -> bool {
        true
    }
}

/// Items as an index keeps them: what [`Items::keep`] gives.
#[derive(Clone)]
pub struct Kept(Arc<dyn AnyItems>);

impl Kept {
    /// Keeps these.
    #[must_use]
    pub fn new(items: impl KeptItems) -> Self {
        Self(Arc::new(items))
    }

    pub(crate) fn n(&self) -> usize {
        self.0.count()
    }

    /// Whether items of `other` can be compared with these.
    pub(crate) fn is_comparable(&self, other: &Self) -> bool {
        self.0.is_like(&*other.0)
    }

    /// The distance of item `a` of these and item `b` of `other`; NaN if they cannot be compared.
    pub(crate) fn distance(&self, a: usize, other: &Self, b: usize) -> f32 {
        self.0.distance_to_any(a, &*other.0, b)
    }

    /// Their reduced distance; NaN if they cannot be compared.
    pub(crate) fn reduced(&self, a: usize, other: &Self, b: usize) -> f32 {
        self.0.reduced_to_any(a, &*other.0, b)
    }

    /// The reduced distance of a distance.
    pub(crate) fn to_reduced(&self, distance: f32) -> f32 {
        self.0.reduced_of(distance)
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} items", self.n())
    }
}

/// [`KeptItems`] of a type that is found out when they are compared.
trait AnyItems: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn count(&self) -> usize;
    fn is_like(&self, other: &dyn AnyItems) -> bool;
    fn distance_to_any(&self, a: usize, other: &dyn AnyItems, b: usize) -> f32;
    fn reduced_to_any(&self, a: usize, other: &dyn AnyItems, b: usize) -> f32;
    fn reduced_of(&self, distance: f32) -> f32;
}

impl<I: KeptItems> AnyItems for I {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn count(&self) -> usize {
        self.n()
    }

    fn is_like(&self, other: &dyn AnyItems) -> bool {
        other.as_any().downcast_ref().is_some_and(|other| self.is_comparable(other))
    }

    fn distance_to_any(&self, a: usize, other: &dyn AnyItems, b: usize) -> f32 {
        other.as_any().downcast_ref().map_or(f32::NAN, |other| self.distance_to(a, other, b))
    }

    fn reduced_to_any(&self, a: usize, other: &dyn AnyItems, b: usize) -> f32 {
        other.as_any().downcast_ref().map_or(f32::NAN, |other| self.reduced_to(a, other, b))
    }

    fn reduced_of(&self, distance: f32) -> f32 {
        self.to_reduced(distance)
    }
}

/// Items and a distance of two of them, both shared: cloning copies neither. Made by [`own_items`], [`own_rows`] and
/// [`own_sparse_rows`].
pub struct Own<C, D> {
    collection: Arc<C>,
    distance: Arc<D>,
    reduced: Option<Reduced<C>>,
    wgsl: Option<&'static str>,
}

/// A cheaper number of the distance's order, and from the distance to it.
struct Reduced<C> {
    between: Arc<ReducedBetween<C>>,
    of_distance: Arc<dyn Fn(f32) -> f32 + Send + Sync>,
}

/// Of two collections, and an item of each.
type ReducedBetween<C> = dyn Fn([&C; 2], [usize; 2]) -> f32 + Send + Sync;

impl<C> Clone for Reduced<C> {
    fn clone(&self) -> Self {
        Self { between: Arc::clone(&self.between), of_distance: Arc::clone(&self.of_distance) }
    }
}

/// What the items of [`Own`] lie in.
pub trait Collection<D>: Send + Sync + 'static {
    /// Number of items.
    fn n(&self) -> usize;
    /// The distance of item `a` of these and item `b` of `other`.
    fn distance(&self, distance: &D, a: usize, other: &Self, b: usize) -> f32;
    /// Columns of a row; 1 for items without.
    fn dim(&self) -> usize {
        1
    }
    /// The values, if they are dense rows.
    fn values(&self) -> Option<&[f32]> {
        None
    }
}

/// Dense rows that [`own_rows`] are made of.
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

/// Items that an index can keep, compared by a function of two of them.
///
/// ```
/// use nndescent::{Metric, NnDescent, Points, own_items};
///
/// let words = (0..500).map(|i| format!("{:b}", i * 37 % 1009)).collect();
/// let words = own_items(words, |a: &String, b: &String| {
///     let columns = a.bytes().zip(b.bytes()).filter(|(x, y)| x != y).count();
///     (columns + a.len().abs_diff(b.len())) as f32
/// });
/// let index = NnDescent::new(Metric::Custom).index(&Points::items(&words)?)?.index;
/// let queries = words.others(vec!["1010101".into()]);
/// let hits = index.query(&Points::items(&queries)?, 3).run()?;
/// assert_eq!(hits.ids(0).len(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn own_items<T, D>(items: Vec<T>, distance: D) -> Own<Vec<T>, D>
where
    T: Send + Sync + 'static,
    D: Fn(&T, &T) -> f32 + Send + Sync + 'static,
{
    Own::new(items, distance)
}

/// Rows of `dim` values that an index can keep, compared by a function of two of them.
///
/// # Errors
/// Those of [`Points::dense`](super::Points::dense).
pub fn own_rows<D>(values: Vec<f32>, dim: usize, distance: D) -> Result<Own<RowValues, D>, PointsError>
where
    D: Fn(&[f32], &[f32]) -> f32 + Send + Sync + 'static,
{
    Ok(Own::new(RowValues::new(values, dim)?, distance))
}

/// Sparse rows that an index can keep, compared by a function of two of them.
pub fn own_sparse_rows<D>(rows: CsrMatrix, distance: D) -> Own<CsrMatrix, D>
where
    D: Fn(SparseRow, SparseRow) -> f32 + Send + Sync + 'static,
{
    Own::new(rows, distance)
}

impl<C, D> Own<C, D> {
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

    /// What the items lie in.
    #[must_use]
    pub fn collection(&self) -> &C {
        &self.collection
    }
}

impl<T, D> Own<Vec<T>, D> {
    /// Other items under the same distance: queries, items to be added.
    #[must_use]
    pub fn others(&self, items: Vec<T>) -> Self {
        self.with(items)
    }
}

impl<T: 'static, D> Own<Vec<T>, D> {
    /// A cheaper number of the same order as the distance, which searches go by, and what it is of a distance (queries by radius
    /// ask): the square, say, where the distance is a root. Distances are then computed only of what is returned.
    #[must_use]
    pub fn with_reduced(
        self,
        reduced: impl Fn(&T, &T) -> f32 + Send + Sync + 'static,
        of_distance: impl Fn(f32) -> f32 + Send + Sync + 'static,
    ) -> Self {
        self.reduced_by(move |[x, y], [a, b]| reduced(&x[a], &y[b]), of_distance)
    }
}

impl<D> Own<RowValues, D> {
    /// As for [`own_items`].
    #[must_use]
    pub fn with_reduced(
        self,
        reduced: impl Fn(&[f32], &[f32]) -> f32 + Send + Sync + 'static,
        of_distance: impl Fn(f32) -> f32 + Send + Sync + 'static,
    ) -> Self {
        self.reduced_by(move |[x, y], [a, b]| reduced(x.row(a), y.row(b)), of_distance)
    }

    /// Other rows of as many columns under the same distance: queries, rows to be added.
    ///
    /// # Errors
    /// Those of [`Points::dense`](super::Points::dense).
    pub fn others(&self, values: Vec<f32>) -> Result<Self, PointsError> {
        Ok(self.with(RowValues::new(values, self.collection.dim)?))
    }

    /// The distance in WGSL, too, as [`GpuRows::wgsl`] has it: what building on a GPU needs.
    #[must_use]
    pub fn wgsl(mut self, wgsl: &'static str) -> Self {
        self.wgsl = Some(wgsl);
        self
    }
}

impl<D> Own<CsrMatrix, D> {
    /// As for [`own_items`].
    #[must_use]
    pub fn with_reduced(
        self,
        reduced: impl Fn(SparseRow, SparseRow) -> f32 + Send + Sync + 'static,
        of_distance: impl Fn(f32) -> f32 + Send + Sync + 'static,
    ) -> Self {
        self.reduced_by(move |[x, y], [a, b]| reduced(x.view().row(a), y.view().row(b)), of_distance)
    }

    /// Other rows under the same distance: queries, rows to be added.
    #[must_use]
    pub fn others(&self, rows: CsrMatrix) -> Self {
        self.with(rows)
    }
}

impl<C, D> Clone for Own<C, D> {
    fn clone(&self) -> Self {
        let (collection, distance) = (Arc::clone(&self.collection), Arc::clone(&self.distance));
        Self { collection, distance, reduced: self.reduced.clone(), wgsl: self.wgsl }
    }
}

impl<C, D> fmt::Debug for Own<C, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Own").finish_non_exhaustive()
    }
}

impl<C: Collection<D>, D: Send + Sync + 'static> Items for Own<C, D> {
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

impl<C: Collection<D>, D: Send + Sync + 'static> KeptItems for Own<C, D> {
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
