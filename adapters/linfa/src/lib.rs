//! [`nndescent`] as a nearest-neighbour algorithm of linfa: give [`NnDescentSearch`] to whatever takes a
//! [`linfa_nn::NearestNeighbour`], such as DBSCAN or OPTICS.
//!
//! Searches are approximate: nearly all neighbours are found, not surely all. Points are narrowed to f32 for the
//! search; what is returned is ranked, and ranges are checked, by linfa's own distance.
//!
//! ```
//! use linfa_nn::{NearestNeighbour, distance::L2Dist};
//! use nndescent_linfa::NnDescentSearch;
//!
//! let points = ndarray::Array2::from_shape_fn((500, 4), |(i, j)| ((i * 37 + j * 11) % 101) as f64);
//! let index = NnDescentSearch::default().from_batch(&points, L2Dist)?;
//! let nearest = index.k_nearest(points.row(7), 5).unwrap();
//! assert_eq!(nearest[0].1, 7);
//! # Ok::<(), linfa_nn::BuildError>(())
//! ```

use linfa::Float;
use linfa_nn::distance::Distance;
use linfa_nn::{BuildError, LinearSearch, NearestNeighbour, NearestNeighbourIndex, NnError};
use ndarray::{Array1, ArrayBase, ArrayView1, ArrayView2, Data, Ix2};
use nndescent::index::SearchScratch;
use nndescent::{Index, Metric, NnDescent, Points, SearchOptions};

/// Builds indexes with NN-Descent.
///
/// Distances are recognised by what they compute: linfa's `L1Dist`, `L2Dist`, `LInfDist` and `LpDist`, and others that
/// are the same. For any other distance, for fewer points than [`NnDescentSearch::FEWEST`], and for values that are not
/// finite in f32, linfa's linear search is used.
#[derive(Debug, Clone, PartialEq)]
pub struct NnDescentSearch {
    /// How far searches look: 0 to about 0.5. Default 0.2.
    pub epsilon: f32,
    /// Neighbours of the graph under the index. Default 30.
    pub n_neighbors: usize,
    /// Seed of all randomness. Default 0.
    pub seed: u64,
}

impl Default for NnDescentSearch {
    fn default() -> Self {
        Self { epsilon: 0.2, n_neighbors: 30, seed: 0 }
    }
}

impl NnDescentSearch {
    /// Linear search is as fast for fewer points than this.
    pub const FEWEST: usize = 256;
}

impl NearestNeighbour for NnDescentSearch {
    fn from_batch_with_leaf_size<'a, F: Float, DT: Data<Elem = F>, D: 'a + Distance<F>>(
        &self,
        batch: &'a ArrayBase<DT, Ix2>,
        leaf_size: usize,
        dist_fn: D,
    ) -> Result<Box<dyn 'a + Send + Sync + NearestNeighbourIndex<F>>, BuildError> {
        if batch.ncols() == 0 {
            return Err(BuildError::ZeroDimension);
        }
        if leaf_size == 0 {
            return Err(BuildError::EmptyLeaf);
        }
        let index =
            metric_of(&dist_fn).filter(|_| batch.nrows() >= Self::FEWEST).and_then(|m| self.build(batch.view(), m));
        match index {
            Some(index) => Ok(Box::new(Searched { index, points: batch.view(), dist_fn, epsilon: self.epsilon })),
            None => LinearSearch.from_batch_with_leaf_size(batch, leaf_size, dist_fn),
        }
    }
}

impl NnDescentSearch {
    fn build<F: Float>(&self, batch: ArrayView2<F>, metric: Metric) -> Option<Index> {
        let (n, dim) = batch.dim();
        let values: Vec<f32> = batch.iter().map(narrow).collect();
        let points = Points::dense(&values, n, dim).ok()?;
        let builder =
            NnDescent::new(metric).n_neighbors(self.n_neighbors.clamp(1, n - 1)).seed(self.seed).recall_sample(0);
        builder.index(&points).map(|built| built.index).ok()
    }
}

fn narrow<F: Float>(value: &F) -> f32 {
    value.to_f32().unwrap_or(f32::NAN)
}

/// The metric that computes what a distance does, on a few pairs of points.
fn metric_of<F: Float>(distance: &impl Distance<F>) -> Option<Metric> {
    let pairs = [
        ([3.0, 4.0, 0.0], [0.0, 0.0, 0.0]),
        ([1.5, -2.0, 7.0], [0.25, 3.0, -1.0]),
        ([-4.0, 9.0, 0.5], [6.0, 2.0, 2.5]),
    ];
    let measured = |x: &[f64; 3], y: &[f64; 3]| {
        let array = |v: &[f64; 3]| v.iter().map(|&v| F::cast(v)).collect::<Array1<F>>();
        distance.distance(array(x).view(), array(y).view()).to_f64().unwrap_or(f64::NAN)
    };
    // Of (1, 1, 0) and the origin the minkowski distance is 2^(1/p).
    let p = 1.0 / measured(&[1.0, 1.0, 0.0], &[0.0; 3]).log2();
    let minkowski = (p.is_finite() && p >= 1.0).then_some(Metric::Minkowski { p: p as f32 });
    let candidates = [Some(Metric::Euclidean), Some(Metric::Manhattan), Some(Metric::Chebyshev), minkowski];
    candidates.into_iter().flatten().find(|metric| {
        pairs.iter().all(|(x, y)| {
            let expected = metric.distance(&x.map(|v| v as f32), &y.map(|v| v as f32));
            (measured(x, y) - expected).abs() <= 1e-5 * expected
        })
    })
}

struct Searched<'a, F: Float, D> {
    index: Index,
    points: ArrayView2<'a, F>,
    dist_fn: D,
    epsilon: f32,
}

impl<F: Float, D: Distance<F>> Searched<'_, F, D> {
    fn query(&self, point: ArrayView1<F>) -> Result<Vec<f32>, NnError> {
        if point.len() == self.index.dim() {
            Ok(point.iter().map(narrow).collect())
        } else {
            Err(NnError::WrongDimension)
        }
    }

    /// Points by linfa's own distance, ascending.
    fn ranked(&self, query: ArrayView1<F>, ids: impl Iterator<Item = u32>) -> Vec<(F, usize)> {
        let ids = ids.map(|id| id as usize);
        let mut found: Vec<(F, usize)> =
            ids.map(|id| (self.dist_fn.distance(query.view(), self.points.row(id)), id)).collect();
        found.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        found
    }
}

impl<F: Float, D: Distance<F>> NearestNeighbourIndex<F> for Searched<'_, F, D> {
    fn k_nearest(&self, point: ArrayView1<'_, F>, k: usize) -> Result<Vec<(ArrayView1<'_, F>, usize)>, NnError> {
        let query = self.query(point)?;
        let k = k.min(self.index.len());
        if k == 0 {
            return Ok(Vec::new());
        }
        let (mut scratch, options) = (SearchScratch::new(), SearchOptions::new().epsilon(self.epsilon));
        let ids: Vec<u32> = match self.index.nearest_with(&mut scratch, &query, k, &options) {
            Ok(found) => found.iter().map(|neighbor| neighbor.id).collect(),
            // Queries beyond the range of f32 are compared with every point.
            Err(_) => (0..self.index.len() as u32).collect(),
        };
        let found = self.ranked(point, ids.into_iter());
        Ok(found.into_iter().take(k).map(|(_, id)| (self.points.row(id), id)).collect())
    }

    fn within_range(&self, point: ArrayView1<'_, F>, range: F) -> Result<Vec<(ArrayView1<'_, F>, usize)>, NnError> {
        let query = self.query(point)?;
        // A little more, so that narrowing to f32 drops nothing at the rim.
        let radius = narrow(&range) * (1.0 + 1e-5);
        let options = SearchOptions::new().epsilon(self.epsilon);
        let hits = Points::dense(&query, 1, query.len()).ok();
        let hits = hits.and_then(|query| self.index.query_radius(&query, radius, &options).ok());
        let ids = hits.map_or_else(|| (0..self.index.len() as u32).collect(), |hits| hits.all_ids().to_vec());
        let found = self.ranked(point, ids.into_iter());
        Ok(found.into_iter().filter(|f| f.0 <= range).map(|(_, id)| (self.points.row(id), id)).collect())
    }
}
