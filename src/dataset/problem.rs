//! What a build works on: points as kernels read them, and the distances that results hold.

use super::items::CheckedItems;
use super::sets::Sets;
use super::sparse::SparsePoints;
use crate::distances::TrueDistances;
use crate::distances::by_definition::DefinitionDistances;
use crate::metric::{KernelMetric, Metric};
use crate::points::{Dense, Points, PointsKind};
use crate::rows::ReducedDistances;
use crate::rows::dense::floats;
use crate::simd::Level;

/// Points, their metric, and how they are searched. Borrowed from a [`Dataset`](super::Dataset).
#[derive(Clone, Copy)]
pub(crate) struct Problem<'a> {
    pub points: Points<'a>,
    pub metric: &'a Metric,
    /// The points as they are searched.
    pub rows: Rows<'a>,
    pub searched: Searched,
    /// Whether the order of the distances that are searched by is only near the metric's.
    pub is_proxy: bool,
}

/// What became of dense points before they are searched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Searched {
    /// Nothing. Also of other kinds of points.
    AsGiven,
    Transformed {
        /// How far, in the norm of their kernel, rows are from the exact ones that they stand for.
        rounding: f64,
        /// What reduced distances are multiplied by, as the values were.
        unit: f64,
    },
}

impl Searched {
    pub(crate) fn rounding(self) -> f64 {
        match self {
            Self::AsGiven => 0.0,
            Self::Transformed { rounding, .. } => rounding,
        }
    }

    pub(crate) fn unit(self) -> f64 {
        match self {
            Self::AsGiven => 1.0,
            Self::Transformed { unit, .. } => unit,
        }
    }
}

/// The kinds of rows that are searched.
#[derive(Clone, Copy)]
pub(crate) enum Rows<'a> {
    /// Dense rows under a kernel; maybe transformed.
    Dense(Dense<'a>, KernelMetric),
    Sparse(&'a SparsePoints<'a>),
    /// Packed bits, or the non-zero columns of dense rows.
    Sets(&'a Sets<'a>),
    /// Custom items.
    Items(&'a CheckedItems<'a>),
}

impl<'a> Rows<'a> {
    /// A working copy: dense rows as floats (executors choose codes where these serve).
    pub(crate) fn working_copy(&self) -> Box<dyn ReducedDistances + 'a> {
        match self {
            Self::Dense(dense, direct) => floats::space(dense, direct.form(), Level::detect()),
            Self::Sparse(rows) => rows.working_copy(),
            Self::Sets(sets) => sets.working_copy(),
            Self::Items(items) => items.working_copy(),
        }
    }
}

impl<'a> Problem<'a> {
    /// Dense points under a metric with a kernel of its own.
    #[cfg(test)]
    pub(crate) fn of_dense(points: &Points<'a>, metric: &'a Metric) -> Self {
        let (dense, direct) = (points.as_dense().expect("dense points"), metric.direct().expect("a kernel"));
        Self {
            points: *points,
            metric,
            rows: Rows::Dense(*dense, direct),
            searched: Searched::AsGiven,
            is_proxy: false,
        }
    }

    /// Rows that are a part of others, searched as these are; their true distances are the kernel's.
    pub(crate) fn of_part(rows: Dense<'a>, direct: KernelMetric, metric: &'a Metric) -> Self {
        Self {
            points: rows.into(),
            metric,
            rows: Rows::Dense(rows, direct),
            searched: Searched::AsGiven,
            is_proxy: false,
        }
    }

    pub(crate) fn n(&self) -> usize {
        self.points.n()
    }

    /// The rows that are searched and their kernel, if they are dense.
    pub(crate) fn dense(&self) -> Option<(Dense<'a>, KernelMetric)> {
        match self.rows {
            Rows::Dense(dense, direct) => Some((dense, direct)),
            Rows::Sparse(_) | Rows::Sets(_) | Rows::Items(_) => None,
        }
    }

    /// The points as they were given and the metric's own kernel, if it has one for them.
    pub(crate) fn direct(&self) -> Option<(Dense<'a>, KernelMetric)> {
        self.dense().filter(|_| self.searched == Searched::AsGiven && self.metric.direct().is_some())
    }

    /// The first row without mass, under metrics whose proxy has no place for it that is near to the right one.
    pub(crate) fn misplaced(&self) -> Option<u32> {
        if !matches!(self.metric, Metric::JensenShannon | Metric::SymmetricKl) {
            return None;
        }
        let is_empty = |i: usize| match self.points.kind() {
            PointsKind::Dense(dense) => dense.is_zero_row(i),
            PointsKind::Sparse(rows) => rows.row(i).entries().next().is_none(),
            PointsKind::Bits(_) | PointsKind::Items(_) => false,
        };
        (0..self.n()).find(|&i| is_empty(i)).map(|i| i as u32)
    }

    /// The distances that results hold.
    pub(crate) fn true_distances(&self) -> Box<dyn TrueDistances + 'a> {
        match (self.rows, self.points) {
            (Rows::Dense(searched, _), points) => {
                let dense = points.as_dense().expect("only dense points are searched as such");
                Box::new(DefinitionDistances::new(self.metric, *dense, searched).in_unit(self.searched.unit()))
            }
            (Rows::Sparse(rows), _) => rows.true_distances(),
            (Rows::Sets(sets), _) => Box::new(sets.bit_rows()),
            (Rows::Items(items), _) => items.true_distances(),
        }
    }
}
