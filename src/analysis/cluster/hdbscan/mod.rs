//! HDBSCAN over a neighbour graph.

mod condensed;
mod dendrogram;
mod selection;
mod spanning_tree;

pub use spanning_tree::{core_distances, minimum_spanning_tree, mutual_reachability};

use super::{Clustering, bridges};
use crate::analysis::checked_graph::CheckedGraph;
use crate::analysis::components::{ConnectError, Edge, connect};
use crate::analysis::error::{AnalysisError, check_parameter};
use crate::search::Index;
use condensed::CondensedTree;
use dendrogram::Dendrogram;

/// Which clusters of the tree are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ClusterSelection {
    /// Those that together last longest (excess of mass): `eom` in scikit-learn.
    #[default]
    ExcessOfMass,
    /// The smallest, at the ends of the tree.
    Leaf,
}

/// HDBSCAN (Campello, Moulavi and Sander 2013) with the minimum spanning tree of a neighbour graph in place of that of
/// all pairs.
///
/// Distances become mutual reachability distances; their minimum spanning tree is cut from the farthest edge down;
/// parts of fewer than `min_cluster_size` rows drop out of their clusters, and of the clusters that are left those that
/// last longest are taken. The parameters are scikit-learn's, and so are the labels where the graph holds the edges of
/// the tree of all pairs. A graph of 15 to 30 neighbours lacks some between large clusters, which
/// [`Hdbscan::run_with_index`] finds. Where edges of the tree have equal distances, the order of ids decides, and rows
/// at the brim of a cluster may differ.
///
/// What the graph does not connect is at infinite distance, so that no cluster spans two components of it; edges that
/// connect them can be given. Rows that are all equal make no clusters of their own: splits at distance zero, which
/// would depend on the order of ids alone, are none.
///
/// ```
/// use nndescent::analysis::CheckedGraph;
/// use nndescent::analysis::cluster::Hdbscan;
/// use nndescent::{Metric, Points, exact};
///
/// let data: Vec<f32> = (0..40).map(|i| (i / 20 * 100 + i % 20) as f32 + 0.01 * (i * i % 7) as f32).collect();
/// let graph = exact::graph(&Points::dense(&data, 40, 1)?, &Metric::Euclidean, 5, false)?;
/// let found = Hdbscan::new(5).run(&CheckedGraph::new(&graph)?, &[])?;
/// assert_eq!(found.clustering.sizes(), [20, 20]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hdbscan {
    min_cluster_size: usize,
    min_samples: Option<usize>,
    selection: ClusterSelection,
    epsilon: f64,
    allow_single_cluster: bool,
}

/// Clusters found by [`Hdbscan`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HdbscanClustering {
    /// The cluster of every row.
    pub clustering: Clustering,
    /// How firmly every row is in its cluster: 1 at its densest, 0 for noise.
    pub probabilities: Vec<f32>,
}

impl Hdbscan {
    /// Clusters of at least `min_cluster_size` rows: 2 and more; scikit-learn's default is 5.
    #[must_use]
    pub fn new(min_cluster_size: usize) -> Self {
        Self {
            min_cluster_size,
            min_samples: None,
            selection: ClusterSelection::ExcessOfMass,
            epsilon: 0.0,
            allow_single_cluster: false,
        }
    }

    /// The core distance of a row is that of its `min_samples`-th neighbour, where it counts as its own first: 1 and
    /// more [default: `min_cluster_size`].
    #[must_use]
    pub fn min_samples(self, min_samples: usize) -> Self {
        Self { min_samples: Some(min_samples), ..self }
    }

    /// Which clusters of the tree are taken [default: excess of mass].
    #[must_use]
    pub fn selection(self, selection: ClusterSelection) -> Self {
        Self { selection, ..self }
    }

    /// Clusters that split off at a distance below this are not taken, but what they split from [default: 0].
    #[must_use]
    pub fn cluster_selection_epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// Whether all rows may be one cluster [default: false].
    #[must_use]
    pub fn allow_single_cluster(self, allow: bool) -> Self {
        Self { allow_single_cluster: allow, ..self }
    }

    /// The clusters of a graph, with `connectors`, further edges between its rows, for graphs that are not connected.
    ///
    /// # Errors
    /// A parameter out of range, fewer than `min_samples - 1` neighbours in a row, a distance below zero, a connector
    /// to no row, a graph of queries.
    ///
    /// # Complexity
    /// O(e · log e) for the `e = n · k` edges.
    pub fn run(&self, graph: &CheckedGraph, connectors: &[Edge]) -> Result<HdbscanClustering, AnalysisError> {
        let size = self.min_cluster_size;
        check_parameter("min_cluster_size", size, size >= 2, "2 and more")?;
        check_parameter("cluster_selection_epsilon", self.epsilon, self.epsilon >= 0.0, "0 and more")?;
        let core = core_distances(graph, self.min_samples.unwrap_or(size))?;
        let edges = mutual_reachability(graph, &core, connectors)?;
        let tree = minimum_spanning_tree(graph.n(), edges)?;
        let condensed = CondensedTree::of(&Dendrogram::of(graph.n(), &tree), size);
        Ok(selection::labelled(&condensed, self))
    }

    /// Same as [`Hdbscan::run`], with edges between the components of the graph ([`connect`]) and from the smallest
    /// clusters ([`bridges`]), found by searching an index of the same points. Labels come nearer to those of the tree
    /// of all pairs where clusters have many more rows than the graph has neighbours.
    ///
    /// # Errors
    /// Same as [`Hdbscan::run`] and [`bridges`].
    ///
    /// # Complexity
    /// That of [`Hdbscan::run`], twice, of [`connect`] and of [`bridges`].
    pub fn run_with_index(&self, graph: &CheckedGraph, index: &Index) -> Result<HdbscanClustering, ConnectError> {
        let mut connectors = connect(index, graph)?;
        let leaves = Self { selection: ClusterSelection::Leaf, epsilon: 0.0, ..*self };
        let leaves = leaves.run(graph, &connectors)?;
        connectors.extend(bridges(index, &leaves.clustering)?);
        Ok(self.run(graph, &connectors)?)
    }
}
