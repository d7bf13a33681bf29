//! Clusters as components of dense rows: DBSCAN, and what differs from it by its edges only.

use super::Clustering;
use super::similarity::edges_of_at_least;
use crate::analysis::checked_graph::CheckedGraph;
use crate::analysis::components::Edge;
use crate::analysis::edges::edges_within;
use crate::analysis::error::{AnalysisError, check_parameter};
use crate::graph::CsrGraph;
use crate::graph::disjoint_sets::DisjointSets;

/// DBSCAN (Ester, Kriegel, Sander and Xu 1996): rows with at least `min_samples` rows within `eps`, themselves
/// included, are core rows; core rows within `eps` of each other are in one cluster; other rows within `eps` of a core
/// row are on the border of its cluster, or, if of several, of the one with the smallest number; all else is noise.
/// `eps` and `min_samples` are scikit-learn's, and so are the labels where the graph holds all neighbours within `eps`.
///
/// Two rows are neighbours if either holds the other. What lies within `eps` but beyond the `k` nearest of both is not
/// seen: whether a row is core is certain with `min_samples - 1` neighbours, but a dense cluster may fall into several
/// where `k` is small.
///
/// Clusters are numbered by their first core rows.
///
/// ```
/// use nndescent::analysis::CheckedGraph;
/// use nndescent::analysis::cluster::dbscan;
/// use nndescent::{Metric, Points, exact};
///
/// let points = Points::dense(&[0.0f32, 0.1, 0.2, 5.0, 5.1, 5.2, 9.0], 7, 1)?;
/// let graph = exact::graph(&points, &Metric::Euclidean, 3, false)?;
/// let found = dbscan(&CheckedGraph::new(&graph)?, 0.15, 2)?;
/// assert_eq!(found.labels(), [0, 0, 0, 1, 1, 1, -1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// `eps` that is negative or NaN; `min_samples` that is zero or more than a row and its neighbours; a graph of queries;
/// a distance below zero.
///
/// # Complexity
/// O(n · k²) comparisons of ids, and close to O(n · k) else.
pub fn dbscan(graph: &CheckedGraph, eps: f32, min_samples: usize) -> Result<Clustering, AnalysisError> {
    check_parameter("eps", eps, eps >= 0.0, "0 and more")?;
    let most = graph.k() + 1;
    let range = format!("1 to {most}, a row and its neighbours");
    check_parameter("min_samples", min_samples, (1..=most).contains(&min_samples), range)?;
    graph.check_among_themselves()?;
    graph.check_not_negative()?;
    Ok(clusters_of_dense(graph.n(), &edges_within(graph, eps), min_samples))
}

/// DBSCAN by shared neighbours (Ertöz, Steinbach and Kumar 2003): rows at least `least_overlap` alike are neighbours,
/// and rows with `min_samples` of them, themselves included, are core rows; see [`dbscan`]. `similarity` is that of
/// [`SharedNeighbors`](crate::analysis::SharedNeighbors), or any symmetric matrix.
///
/// DBSCAN on a full matrix of distances `c - similarity`, where pairs without an edge have similarity 0, gives the same
/// labels: `least_overlap` is `c - eps`.
///
/// # Errors
/// A `least_overlap` that is not above 0, as all pairs would be neighbours; `min_samples` zero; a matrix that is not
/// symmetric, or damaged.
///
/// # Complexity
/// O(entries · log k).
pub fn snn_dbscan(similarity: &CsrGraph, least_overlap: f32, min_samples: usize) -> Result<Clustering, AnalysisError> {
    check_parameter("min_samples", min_samples, min_samples > 0, "1 and more")?;
    let edges = edges_of_at_least(similarity, least_overlap)?;
    Ok(clusters_of_dense(similarity.n(), &edges, min_samples))
}

/// Clusters of Jarvis and Patrick (1973): rows that are among each other's nearest and share at least `least_overlap`
/// of them are in one cluster. `similarity` is that of [`SharedNeighbors`](crate::analysis::SharedNeighbors), whose
/// edges are such pairs. Rows without any are noise; in the paper each is a cluster.
///
/// # Errors
/// Same as [`snn_dbscan`].
///
/// # Complexity
/// O(entries · log k).
pub fn jarvis_patrick(similarity: &CsrGraph, least_overlap: f32) -> Result<Clustering, AnalysisError> {
    snn_dbscan(similarity, least_overlap, 2)
}

/// The clusters of rows with at least `min_samples` neighbours, themselves included; each edge is given once.
fn clusters_of_dense(n: usize, edges: &[Edge], min_samples: usize) -> Clustering {
    let mut within = vec![1usize; n];
    let mut sets = DisjointSets::new(n);
    edges.iter().flat_map(|edge| [edge.from, edge.to]).for_each(|row| within[row as usize] += 1);
    let is_core = |row: u32| within[row as usize] >= min_samples;
    edges.iter().filter(|edge| is_core(edge.from) && is_core(edge.to)).for_each(|edge| sets.join(edge.from, edge.to));
    // A set is known by its least row, and so are the clusters.
    let of_row = |row: u32| is_core(row).then(|| sets.of(row));
    let mut clusters: Vec<Option<u32>> = (0..n as u32).map(of_row).collect();
    for edge in edges.iter().filter(|edge| is_core(edge.from) != is_core(edge.to)) {
        let (core, border) = if is_core(edge.from) { (edge.from, edge.to) } else { (edge.to, edge.from) };
        let reached = clusters[core as usize];
        let lowest = &mut clusters[border as usize];
        *lowest = lowest.map_or(reached, |other| reached.map(|row| row.min(other)));
    }
    Clustering::of_groups(&clusters)
}
