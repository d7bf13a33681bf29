//! A neighbour as users see it.

/// See [`super::KnnGraph::NO_NEIGHBOR`].
pub(super) const NO_NEIGHBOR: u32 = u32::MAX;

/// A point and its distance from the row or query whose neighbour it is.
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
