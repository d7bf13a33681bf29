//! Neighbour graphs: the order of neighbours, the rows being built, and the finished graph. Knows ids and distances,
//! not points.

pub(crate) mod disjoint_sets;
mod export;
mod init;
pub(crate) mod locality;
mod neighbor;
pub(crate) mod order;
pub(crate) mod owned_rows;
pub(crate) mod reverse;
pub(crate) mod rows;

use std::fmt;

pub use export::CsrGraph;
pub use init::InitGraph;
pub use neighbor::Neighbor;
pub(crate) use neighbor::known;

/// Arrays of another length than a graph of `n` rows of `k` neighbours has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{ids} ids and {distances} distances do not make {n} rows of {k} neighbours")]
#[non_exhaustive]
pub struct GraphShapeError {
    /// Rows given.
    pub n: usize,
    /// Neighbours of a row given.
    pub k: usize,
    /// Ids given.
    pub ids: usize,
    /// Distances given.
    pub distances: usize,
}

/// A k-nearest-neighbour graph: `n` rows of `k` neighbours, each row ascending by (distance, id).
#[derive(Clone, PartialEq)]
pub struct KnnGraph {
    n: usize,
    k: usize,
    ids: Vec<u32>,
    distances: Vec<f32>,
}

impl KnnGraph {
    /// The id of an unknown entry: in rows that have fewer than `k` neighbours, and in graphs given as
    /// [`init_graph`](crate::NnDescent::init_graph).
    pub const NO_NEIGHBOR: u32 = neighbor::NO_NEIGHBOR;

    /// A graph of `n` rows of `k` ids and distances, row after row. Nothing is sorted or checked but the lengths: rows
    /// should be ascending, with [`KnnGraph::NO_NEIGHBOR`] and an infinite distance where there is no neighbour.
    ///
    /// # Errors
    /// Either array is not `n * k` long.
    pub fn from_parts(n: usize, k: usize, ids: Vec<u32>, distances: Vec<f32>) -> Result<Self, GraphShapeError> {
        let fits = |len| n.checked_mul(k) == Some(len);
        if fits(ids.len()) && fits(distances.len()) {
            return Ok(Self { n, k, ids, distances });
        }
        Err(GraphShapeError { n, k, ids: ids.len(), distances: distances.len() })
    }

    /// A graph of arrays that are `n * k` long.
    pub(crate) fn new(n: usize, k: usize, ids: Vec<u32>, distances: Vec<f32>) -> Self {
        debug_assert_eq!((ids.len(), distances.len()), (n * k, n * k), "{n} rows of {k}");
        Self { n, k, ids, distances }
    }

    /// Number of rows.
    #[must_use]
    pub fn n(&self) -> usize {
        self.n
    }

    /// Neighbours in a row.
    #[must_use]
    pub fn k(&self) -> usize {
        self.k
    }

    /// Ids of row `i`, nearest first; [`KnnGraph::NO_NEIGHBOR`] where there is none.
    ///
    /// # Panics
    /// If there is no row `i`.
    #[must_use]
    pub fn ids(&self, i: usize) -> &[u32] {
        &self.ids[i * self.k..(i + 1) * self.k]
    }

    /// Distances of row `i`, ascending; infinite where there is no neighbour.
    ///
    /// # Panics
    /// If there is no row `i`.
    #[must_use]
    pub fn distances(&self, i: usize) -> &[f32] {
        &self.distances[i * self.k..(i + 1) * self.k]
    }

    /// The neighbours of row `i`, nearest first, without the places where there is none.
    ///
    /// # Panics
    /// If there is no row `i`.
    pub fn neighbors(&self, i: usize) -> impl Iterator<Item = Neighbor> {
        neighbor::known(self.ids(i), self.distances(i))
    }

    /// All ids, row after row (`n x k`).
    #[must_use]
    pub fn all_ids(&self) -> &[u32] {
        &self.ids
    }

    /// All distances, row after row (`n x k`).
    #[must_use]
    pub fn all_distances(&self) -> &[f32] {
        &self.distances
    }

    /// The arrays: ids and distances.
    #[must_use]
    pub fn into_parts(self) -> (Vec<u32>, Vec<f32>) {
        (self.ids, self.distances)
    }
}

impl fmt::Debug for KnnGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnnGraph").field("n", &self.n).field("k", &self.k).finish_non_exhaustive()
    }
}
