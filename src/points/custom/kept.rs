//! Custom items that an index can keep, and compare with others of their type.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::Items;

/// [`Items`] that an index can keep, and whose queries are other items of the same type: [`Custom`](super::Custom), or
/// a type of your own that is cheap to clone.
pub trait KeptItems: Items + Send + 'static {
    /// The distance of item `a` of `self` and item `b` of `other`; the same as [`Items::distance`] where both are one.
    fn distance_to(&self, a: usize, other: &Self, b: usize) -> f32;

    /// A cheaper value in the same order, which searches compare by; the same as [`Items::reduced`] where both are one.
    /// Default: the distance. Implement [`KeptItems::to_reduced`] with it.
    fn reduced_to(&self, a: usize, other: &Self, b: usize) -> f32 {
        self.distance_to(a, other, b)
    }

    /// The reduced value of a distance, for radius queries.
    fn to_reduced(&self, distance: f32) -> f32 {
        distance
    }

    /// Whether items of `other` can be compared with these, such as rows of the same number of columns. Default: yes.
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

    /// Why a distance failed: [`Items::failure`].
    pub(crate) fn failure(&self) -> Option<String> {
        self.0.failure_of_any()
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

/// [`KeptItems`] whose type is checked when they are compared.
trait AnyItems: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn count(&self) -> usize;
    fn is_like(&self, other: &dyn AnyItems) -> bool;
    fn distance_to_any(&self, a: usize, other: &dyn AnyItems, b: usize) -> f32;
    fn reduced_to_any(&self, a: usize, other: &dyn AnyItems, b: usize) -> f32;
    fn reduced_of(&self, distance: f32) -> f32;
    fn failure_of_any(&self) -> Option<String>;
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

    fn failure_of_any(&self) -> Option<String> {
        self.failure()
    }
}
