//! Final distances by definition, in f64: for metrics that are searched on transformed rows.

use crate::metric::Metric;
use crate::points::Dense;
use crate::problem::Truth;

/// True distances between points, as they were given.
pub(crate) struct ByDefinition<'a> {
    metric: &'a Metric,
    points: Dense<'a>,
}

impl<'a> ByDefinition<'a> {
    pub(crate) fn new(metric: &'a Metric, points: Dense<'a>) -> Self {
        Self { metric, points }
    }

    fn row(&self, i: usize) -> Vec<f32> {
        let mut row = vec![0.0; self.points.dim()];
        self.points.widen_row(i, &mut row);
        row
    }
}

impl Truth for ByDefinition<'_> {
    fn distances(&self, i: usize, others: &[u32], out: &mut Vec<f32>) {
        let (x, mut y) = (self.row(i), vec![0.0; self.points.dim()]);
        out.clear();
        out.extend(others.iter().map(|&other| {
            self.points.widen_row(other as usize, &mut y);
            self.metric.distance(&x, &y) as f32
        }));
    }

    fn to_self(&self, _: usize) -> f32 {
        0.0
    }
}
