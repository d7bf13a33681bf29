//! Edges between clusters, which a graph of the nearest neighbours may not hold.

use super::Clustering;
use crate::analysis::components::{ConnectError, Edge, check_index, edges_to_nearest, members, sampled};
use crate::search::{Index, SearchOptions};

/// Rows of a cluster that edges start from at most; fewer where clusters are many, so that all together have so many.
const STARTS: usize = 64;
const ALL_STARTS: usize = 1 << 14;
/// Rows of a cluster that edges lead to at most.
const TARGETS: usize = 4096;

/// Edges between every cluster and others near it: from up to 64 of its rows to the nearest of another cluster, or of
/// the noise, and from these back to the nearest of its own.
///
/// Where a cluster has many more rows than a graph has neighbours, few edges of the graph leave it, and rarely the
/// shortest. `index` holds the points under ids 0 to n - 1. Of clusters of more than 4,096 rows, so many are looked at.
///
/// # Errors
/// An index of other points, by number; errors of searches.
///
/// # Complexity
/// O(n), and 33,000 comparisons with up to 4,096 rows for up to 8,192 clusters.
pub fn bridges(index: &Index, clusters: &Clustering) -> Result<Vec<Edge>, ConnectError> {
    let (labels, n_clusters) = (clusters.labels(), clusters.n_clusters());
    check_index(index, labels.len())?;
    if labels.len() < 2 {
        return Ok(vec![]);
    }
    // Noise is a group as well: the last.
    let groups: Vec<u32> = labels.iter().map(|&label| u32::try_from(label).unwrap_or(n_clusters as u32)).collect();
    let members = members(&groups, n_clusters + 1);
    let per_group = (ALL_STARTS / members.len()).clamp(2, STARTS);
    let starts: Vec<u32> = members.iter().flat_map(|rows| sampled(rows, per_group)).collect();
    let mut targets = vec![u32::MAX; labels.len()];
    members.iter().flat_map(|rows| sampled(rows, TARGETS)).for_each(|row| targets[row as usize] = groups[row as usize]);

    let mut edges = nearest(index, &targets, &nearest_elsewhere(index, &starts, per_group, &groups)?)?;
    let mut back: Vec<(u32, u32)> = edges.iter().map(|edge| (edge.to, groups[edge.from as usize])).collect();
    back.sort_unstable();
    back.dedup();
    edges.extend(nearest(index, &targets, &back)?);
    Ok(edges)
}

/// Each of some rows with the group of the nearest of them that is in another.
fn nearest_elsewhere(
    index: &Index,
    rows: &[u32],
    per_group: usize,
    groups: &[u32],
) -> Result<Vec<(u32, u32)>, ConnectError> {
    let mut is_row = vec![false; groups.len()];
    rows.iter().for_each(|&row| is_row[row as usize] = true);
    // The row's own group may fill all places but the last.
    let k = per_group.min(groups.len() - 1);
    let hits = index.query_ids(rows, k, &SearchOptions::new().filter_mask(&is_row).pad(true))?;
    let elsewhere = |(at, &row): (usize, &u32)| {
        let others = hits.ids(at).iter().filter_map(|&id| groups.get(id as usize));
        others.copied().find(|&group| group != groups[row as usize]).map(|group| (row, group))
    };
    Ok(rows.iter().enumerate().filter_map(elsewhere).collect())
}

/// Edges from rows to the nearest of the targets with a label.
fn nearest(index: &Index, targets: &[u32], wanted: &[(u32, u32)]) -> Result<Vec<Edge>, ConnectError> {
    let (rows, labels): (Vec<u32>, Vec<u32>) = wanted.iter().copied().unzip();
    let hits = index.query_ids(&rows, 1, &SearchOptions::new().filter_labels(targets, &labels).exact(true))?;
    Ok(edges_to_nearest(&rows, &hits).collect())
}
