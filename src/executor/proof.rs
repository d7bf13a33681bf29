//! Proof of exact search: whether the nearest by computed distances are the nearest by definition.

use crate::distances::TrueDistances;
use crate::graph::order::{EMPTY, Neighbor, distance, id};
use crate::rows::error_bound::ErrorBound;

/// Neighbours kept beyond k, so that most rows are certain.
pub(crate) const SLACK: usize = 8;
/// Rows longer than this are sorted once rather than kept in order.
pub(crate) const LONG: usize = 256;

/// Rows of `k` neighbours that are searched together: sorted ones hold the whole base of `n`.
pub(crate) fn rows_at_once(k: usize, n: usize) -> usize {
    const HELD: usize = 1 << 22;
    if k < LONG { usize::MAX } else { (HELD / n).max(1) }
}

/// What is known of a row once the nearest by computed distances have been ranked by definition.
pub(crate) enum Proof {
    /// Its `k` nearest, ascending.
    Certain(Vec<(f64, u32)>),
    /// Rows at no more than this computed distance may be among them.
    InDoubt(f64),
}

impl Proof {
    /// Of the `k` nearest to point `query`; `kept` are the nearest by computed distances, ascending. `bound` is that of
    /// these distances; none if no row was left out, or if they are exact.
    pub(crate) fn of(
        truth: &dyn TrueDistances,
        (query, k): (usize, usize),
        kept: &[Neighbor],
        bound: Option<ErrorBound>,
    ) -> Self {
        let ids: Vec<u32> = kept.iter().filter(|slot| **slot != EMPTY).map(|&slot| id(slot)).collect();
        let found = truth.ranked(query, &ids, k);
        let Some(bound) = bound else { return Self::Certain(found) };
        let kth = match k.checked_sub(1).map(|last| found.get(last)) {
            None => return Self::Certain(found),
            // Too few have a distance that f32 holds.
            Some(None) => return Self::InDoubt(f64::INFINITY),
            Some(Some(kth)) => truth.to_reduced(kth.0),
        };
        if bound.is_certain(kth, distance(kept[kept.len() - 1])) {
            Self::Certain(found)
        } else {
            Self::InDoubt(bound.most_computed(kth))
        }
    }
}
