//! Edges between clusters, which a graph of the nearest neighbours may not hold.

use super::Clustering;
use crate::analysis::components::{ConnectError, Edge, check_index, sampled};
use crate::search::{Index, SearchOptions};

/// Edges between every cluster and the rows nearest to it: from up to 64 of its rows to the nearest outside of it, and
/// from these back to the nearest inside.
///
/// Where a cluster has many more rows than a graph has neighbours, few edges of the graph leave it, and rarely the
/// shortest. They are found by searching `index`, which holds the points under ids 0 to n - 1.
///
/// # Errors
/// An index of other points, by number; errors of searches.
///
/// # Complexity
/// 128 searches a cluster, each of which reads n labels once.
pub fn bridges(index: &Index, clusters: &Clustering) -> Result<Vec<Edge>, ConnectError> {
    let labels = clusters.labels();
    check_index(index, labels.len())?;
    let mut members = vec![Vec::new(); clusters.n_clusters()];
    for (row, &label) in labels.iter().enumerate().filter(|(_, label)| **label != Clustering::NOISE) {
        members[label as usize].push(row as u32);
    }
    let mut edges = Vec::new();
    for (label, members) in members.iter().enumerate().filter(|(_, members)| members.len() < labels.len()) {
        let is_inside = |id: u32| labels[id as usize] == label as i32;
        let outside = nearest(index, &sampled(members), &|id| !is_inside(id), &mut edges)?;
        nearest(index, &outside, &is_inside, &mut edges)?;
    }
    Ok(edges)
}

/// The nearest allowed row of each of some, which become edges.
fn nearest(
    index: &Index,
    rows: &[u32],
    allowed: &(impl Fn(u32) -> bool + Send + Sync),
    edges: &mut Vec<Edge>,
) -> Result<Vec<u32>, ConnectError> {
    let hits = index.query_ids(rows, 1, &SearchOptions::new().filter(allowed))?;
    let edge = |(at, &from): (usize, &u32)| Edge { from, to: hits.ids(at)[0], distance: hits.distances(at)[0] };
    let found: Vec<Edge> = rows.iter().enumerate().map(edge).collect();
    edges.extend_from_slice(&found);
    let mut reached: Vec<u32> = found.into_iter().map(|edge| edge.to).collect();
    reached.sort_unstable();
    reached.dedup();
    Ok(reached)
}
