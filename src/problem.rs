//! What a build works on: points as kernels read them, and the distances that results hold.

use crate::graph::order::nearest_first;
use crate::metric::{Direct, Metric};
use crate::points::{Dense, Kept, Points};
use crate::search::SparseStore;
use crate::space::Space;
use crate::space::bit_rows::BitRows;
use crate::space::by_definition::ByDefinition;
use crate::space::recompute::Recompute;

/// Points, their metric, and how they are searched. Borrowed from a [`crate::prepared::Prepared`].
#[derive(Clone, Copy)]
pub(crate) struct Problem<'a> {
    pub points: Points<'a>,
    pub metric: &'a Metric,
    pub searched: Searched<'a>,
    /// Whether the order of the distances that are searched by is only near the metric's.
    pub is_proxy: bool,
}

/// Points as they are searched.
#[derive(Clone, Copy)]
pub(crate) enum Searched<'a> {
    /// Dense rows under a kernel; maybe transformed.
    Dense(Dense<'a>, Direct),
    /// Anything else.
    Rows(&'a dyn AnyRows),
}

/// Rows of a kind of their own: sparse, bits, or whatever a user compares.
pub(crate) trait AnyRows: Sync {
    /// A copy to work on.
    fn space(&self) -> Box<dyn Space + '_>;
    /// Bytes of that copy.
    fn bytes(&self) -> u64;
    /// Nanoseconds of a distance, roughly: for the choice of `Algorithm::Auto`.
    fn cost(&self) -> f64;
    /// Nanoseconds of one of the n² pairs of exact search, roughly, where most pairs can be passed over; they cannot be unless the
    /// working copy is [`crate::space::WorkingRows::sketched`].
    fn pair_cost(&self) -> Option<f64> {
        None
    }
    /// The copy that an index keeps, where it can keep one.
    fn bits(&self) -> Option<BitRows> {
        None
    }
    /// The copy that an index keeps, where it can keep one.
    fn sparse(&self) -> Option<SparseStore> {
        None
    }
    /// The copy that an index keeps, where it can keep one.
    fn kept(&self) -> Option<Kept> {
        None
    }
    /// Bytes that were made of the points, to be searched.
    fn own_bytes(&self) -> u64 {
        0
    }
    /// Dense rows and the WGSL of a user's own metric on them.
    #[cfg(feature = "gpu")]
    fn on_gpu(&self) -> Option<(Dense<'_>, &'static str)> {
        None
    }
    /// A pair of points whose distance turned out to be no number.
    fn wrong_pair(&self) -> Option<(usize, usize)> {
        None
    }
    /// Distances as results hold them.
    fn truth(&self) -> Box<dyn Truth + '_>;
}

/// The distances that results hold.
pub(crate) trait Truth: Send + Sync {
    /// True distances of point `i` to `others`, in place of what `out` held.
    fn distances(&self, i: usize, others: &[u32], out: &mut Vec<f32>);
    /// The true distance of a point to itself.
    fn to_self(&self, i: usize) -> f32;
    /// The points as they are searched, in their own order, if they are held anyway.
    fn space(&self) -> Option<&dyn Space> {
        None
    }

    /// Points `ids` by their true distances from point `i`, ascending, in place of what `found` held.
    fn rank(&self, i: usize, ids: &[u32], distances: &mut Vec<f32>, found: &mut Vec<(f32, u32)>) {
        self.distances(i, ids, distances);
        found.clear();
        found.extend(distances.iter().copied().zip(ids.iter().copied()));
        found.sort_unstable_by(nearest_first);
    }
}

/// The distances that rows are searched by, where these are true and 0 from a row to itself.
pub(crate) struct BySpace<'a>(pub &'a dyn Space);

impl Truth for BySpace<'_> {
    fn distances(&self, i: usize, others: &[u32], out: &mut Vec<f32>) {
        out.resize(others.len(), 0.0);
        self.0.one_to_many(i as u32, others, out);
    }

    fn to_self(&self, _: usize) -> f32 {
        0.0
    }

    fn space(&self) -> Option<&dyn Space> {
        Some(self.0)
    }
}

/// Counts are whole numbers: the distances that are searched by are true.
impl Truth for BitRows {
    fn distances(&self, i: usize, others: &[u32], out: &mut Vec<f32>) {
        BySpace(self).distances(i, others, out);
    }

    fn to_self(&self, i: usize) -> f32 {
        BySpace(self).to_self(i)
    }

    fn space(&self) -> Option<&dyn Space> {
        Some(self)
    }
}

impl<'a> Problem<'a> {
    /// Dense points under a metric with a kernel of its own.
    #[cfg(test)]
    pub(crate) fn of_dense(points: &Points<'a>, metric: &'a Metric) -> Self {
        let (dense, direct) = (points.as_dense().expect("dense points"), metric.direct().expect("a kernel"));
        Self { points: *points, metric, searched: Searched::Dense(*dense, direct), is_proxy: false }
    }

    /// Rows that are a part of others, searched as these are; their true distances are the kernel's.
    pub(crate) fn of_part(rows: Dense<'a>, direct: Direct, metric: &'a Metric) -> Self {
        Self { points: Points::Dense(rows), metric, searched: Searched::Dense(rows, direct), is_proxy: false }
    }

    pub(crate) fn n(&self) -> usize {
        self.points.n()
    }

    /// The rows that are searched and their kernel, if they are dense.
    pub(crate) fn dense(&self) -> Option<(Dense<'a>, Direct)> {
        match self.searched {
            Searched::Dense(dense, direct) => Some((dense, direct)),
            Searched::Rows(_) => None,
        }
    }

    /// The points as they were given and the metric's own kernel, if it has one for them.
    pub(crate) fn direct(&self) -> Option<(Dense<'a>, Direct)> {
        self.dense().filter(|_| self.metric.direct().is_some())
    }

    pub(crate) fn truth(&self) -> Box<dyn Truth + 'a> {
        match (self.searched, self.direct(), self.points) {
            (_, Some((dense, direct)), _) => Box::new(Recompute::new(direct, &dense, &dense)),
            (Searched::Rows(rows), ..) => rows.truth(),
            (Searched::Dense(searched, _), None, points) => {
                let dense = points.as_dense().expect("only dense points are searched as such");
                Box::new(ByDefinition::new(self.metric, *dense, searched))
            }
        }
    }
}

impl Truth for Recompute<'_> {
    fn distances(&self, i: usize, others: &[u32], out: &mut Vec<f32>) {
        Recompute::distances(self, i, others, out);
    }

    fn to_self(&self, i: usize) -> f32 {
        Recompute::to_self(self, i)
    }
}
