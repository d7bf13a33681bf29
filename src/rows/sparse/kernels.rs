//! What sparse rows are compared by: a kernel of their values, or a metric of the sets of their columns.

use crate::metric::kernels::sparse::{Mark, Ops, SparseTerms, Sums};
use crate::metric::{Form, SetMetric};

/// How sparse rows are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum SparseKernel {
    Values(Form),
    Sets(SetMetric),
}

impl SparseKernel {
    /// Whether distances are sums over columns in common.
    pub(super) fn is_sum(self) -> bool {
        self != Self::Values(Form::Chebyshev)
    }

    /// Whether values matter.
    pub(super) fn has_values(self) -> bool {
        matches!(self, Self::Values(_))
    }
}

/// Metrics of sets, for rows of `dim` columns.
#[derive(Clone, Copy)]
pub(super) struct Sets {
    pub metric: SetMetric,
    pub dim: u32,
}

impl SparseTerms for Sets {
    const VALUES: bool = false;
    #[inline(always)]
    fn step<O: Ops>(self, sums: Sums<O>, x: O::F, _y: O::F) -> Sums<O> {
        [O::add(sums[0], x), sums[1]]
    }
    #[inline(always)]
    fn finish(self, sums: [f32; 2], x: Mark, y: Mark) -> f32 {
        let (both, x, y) = (sums[0] as u32, x.size as u32, y.size as u32);
        // A row and itself, in a panel, are without the columns that no other row has.
        let dim = self.dim.max(x + y - both);
        self.metric.distance(both, x, y, dim)
    }
}

/// Runs `$run` with `$k` bound to the [`SparseTerms`] of a [`SparseKernel`] over `$dim` columns, or `$chebyshev`.
macro_rules! with_terms {
    ($kernel:expr, $dim:expr, $k:ident => $run:expr, chebyshev => $chebyshev:expr) => {
        match $kernel {
            $crate::rows::sparse::SparseKernel::Values(form) => {
                $crate::metric::kernels::with_sparse_terms!(form, $k => $run, chebyshev => $chebyshev)
            }
            $crate::rows::sparse::SparseKernel::Sets(metric) => {
                let $k = $crate::rows::sparse::kernels::Sets { metric, dim: $dim as u32 };
                $run
            }
        }
    };
}
pub(super) use with_terms;
