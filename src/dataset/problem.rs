//! What a build works on: points as kernels read them, and the distances that results hold.

use crate::distances::TrueDistances;
use crate::distances::by_definition::DefinitionDistances;
use crate::distances::direct::DirectDistances;
use crate::metric::{KernelMetric, Metric};
use crate::points::{Dense, Kept, Points};
use crate::rows::ReducedDistances;
use crate::rows::bits::BitRows;
use crate::search::SparseStore;

/// Points, their metric, and how they are searched. Borrowed from a [`crate::dataset::Prepared`].
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
    Dense(Dense<'a>, KernelMetric),
    /// Anything else.
    Rows(&'a dyn AnyRows),
}

/// Rows of a kind of their own: sparse, bits, or whatever a user compares.
pub(crate) trait AnyRows: Sync {
    /// A copy to work on.
    fn space(&self) -> Box<dyn ReducedDistances + '_>;
    /// Bytes of that copy.
    fn bytes(&self) -> u64;
    /// Nanoseconds of a distance, roughly: for the choice of `Algorithm::Auto`.
    fn cost(&self) -> f64;
    /// Nanoseconds of one of the n² pairs of exact search, roughly, where most pairs can be passed over; they cannot be unless the
    /// working copy is [`crate::rows::WorkingRows::sketched`].
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
    fn truth(&self) -> Box<dyn TrueDistances + '_>;
}

impl<'a> Problem<'a> {
    /// Dense points under a metric with a kernel of its own.
    #[cfg(test)]
    pub(crate) fn of_dense(points: &Points<'a>, metric: &'a Metric) -> Self {
        let (dense, direct) = (points.as_dense().expect("dense points"), metric.direct().expect("a kernel"));
        Self { points: *points, metric, searched: Searched::Dense(*dense, direct), is_proxy: false }
    }

    /// Rows that are a part of others, searched as these are; their true distances are the kernel's.
    pub(crate) fn of_part(rows: Dense<'a>, direct: KernelMetric, metric: &'a Metric) -> Self {
        Self { points: Points::Dense(rows), metric, searched: Searched::Dense(rows, direct), is_proxy: false }
    }

    pub(crate) fn n(&self) -> usize {
        self.points.n()
    }

    /// The rows that are searched and their kernel, if they are dense.
    pub(crate) fn dense(&self) -> Option<(Dense<'a>, KernelMetric)> {
        match self.searched {
            Searched::Dense(dense, direct) => Some((dense, direct)),
            Searched::Rows(_) => None,
        }
    }

    /// The points as they were given and the metric's own kernel, if it has one for them.
    pub(crate) fn direct(&self) -> Option<(Dense<'a>, KernelMetric)> {
        self.dense().filter(|_| self.metric.direct().is_some())
    }

    pub(crate) fn truth(&self) -> Box<dyn TrueDistances + 'a> {
        match (self.searched, self.direct(), self.points) {
            (_, Some((dense, direct)), _) => Box::new(DirectDistances::new(direct, &dense, &dense)),
            (Searched::Rows(rows), ..) => rows.truth(),
            (Searched::Dense(searched, _), None, points) => {
                let dense = points.as_dense().expect("only dense points are searched as such");
                Box::new(DefinitionDistances::new(self.metric, *dense, searched))
            }
        }
    }
}
