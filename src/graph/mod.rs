//! Neighbour graphs: the order of neighbours, the rows being built, and the finished graph. Knows ids and distances, not
//! points.

mod init;
pub(crate) mod locality;
pub(crate) mod order;
pub(crate) mod owned_rows;
pub(crate) mod reverse;
pub(crate) mod rows;

pub use init::InitGraph;

/// The id of an entry that is not known, in graphs that a user hands over (`init_graph`).
pub const UNKNOWN: u32 = u32::MAX;

/// A k-nearest-neighbour graph: `n` rows of `k` neighbours, each row ascending by (distance, id).
#[derive(Debug, Clone, PartialEq)]
pub struct KnnGraph {
    n: usize,
    k: usize,
    indices: Vec<u32>,
    distances: Vec<f32>,
}

impl KnnGraph {
    /// Takes over the arrays of a graph; no order is imposed.
    ///
    /// # Panics
    /// If either array is not `n * k` long.
    #[must_use]
    pub fn from_parts(n: usize, k: usize, indices: Vec<u32>, distances: Vec<f32>) -> Self {
        assert_eq!((indices.len(), distances.len()), (n * k, n * k), "{n} rows of {k}");
        Self { n, k, indices, distances }
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

    /// All ids, row after row (`n x k`).
    #[must_use]
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// All distances, row after row (`n x k`).
    #[must_use]
    pub fn distances(&self) -> &[f32] {
        &self.distances
    }

    /// Ids of row `i`, nearest first.
    #[must_use]
    pub fn neighbors(&self, i: usize) -> &[u32] {
        &self.indices[i * self.k..(i + 1) * self.k]
    }

    /// Distances of row `i`, ascending.
    #[must_use]
    pub fn row_distances(&self, i: usize) -> &[f32] {
        &self.distances[i * self.k..(i + 1) * self.k]
    }

    /// The arrays: ids and distances.
    #[must_use]
    pub fn into_parts(self) -> (Vec<u32>, Vec<f32>) {
        (self.indices, self.distances)
    }
}
