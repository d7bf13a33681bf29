//! A neighbour as users see it.

/// See [`super::KnnGraph::NO_NEIGHBOR`].
pub(super) const NO_NEIGHBOR: u32 = u32::MAX;

/// A point and its distance from the row or query whose neighbour it is.
///
/// ```
/// use nndescent::{Metric, Neighbor, NnDescent, Points};
///
/// let data: Vec<f32> = (0..300 * 4).map(|i| ((i * 37) % 101) as f32).collect();
/// let graph = NnDescent::new(Metric::Euclidean).n_neighbors(5).graph(&Points::dense(&data, 300, 4)?)?.graph;
/// let nearest: Option<Neighbor> = graph.neighbors(7).next();
/// assert!(nearest.is_some_and(|neighbor| neighbor.id != 7 && neighbor.distance >= 0.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbor {
    /// Id of the point.
    pub id: u32,
    /// True distance.
    pub distance: f32,
}

impl Neighbor {
    /// The order of (distance, id).
    pub(crate) fn nearest_first(a: &Self, b: &Self) -> std::cmp::Ordering {
        a.distance.total_cmp(&b.distance).then(a.id.cmp(&b.id))
    }
}

/// Ids and distances of a row as neighbours, without the places where there is none.
pub(crate) fn known(ids: &[u32], distances: &[f32]) -> impl Iterator<Item = Neighbor> {
    let neighbors = ids.iter().zip(distances).map(|(&id, &distance)| Neighbor { id, distance });
    neighbors.filter(|neighbor| neighbor.id != NO_NEIGHBOR)
}
