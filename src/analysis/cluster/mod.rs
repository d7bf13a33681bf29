//! Clusters of rows, by what a neighbour graph or a matrix of shared neighbours holds.
//!
//! Labels are numbers from 0, and -1 for noise: rows that are in no cluster. Clusters are numbered by their first rows,
//! those of [`dbscan`] and [`snn_dbscan`] by their first core rows, as in scikit-learn.

mod dense;
mod hdbscan;
mod similarity;

pub use dense::{dbscan, jarvis_patrick, snn_dbscan};
pub use hdbscan::{
    ClusterSelection, Hdbscan, HdbscanClustering, core_distances, minimum_spanning_tree, mutual_reachability,
};

/// The cluster of every row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clustering {
    labels: Vec<i32>,
    sizes: Vec<usize>,
}

impl Clustering {
    /// The label of rows in no cluster.
    pub const NOISE: i32 = -1;

    /// Of groups that are known by one of their rows; none for noise. Clusters are numbered in the order of these rows.
    fn of_groups(groups: &[Option<u32>]) -> Self {
        let mut sizes_by_row = vec![0usize; groups.len()];
        groups.iter().flatten().for_each(|&row| sizes_by_row[row as usize] += 1);
        let mut numbers = vec![Self::NOISE; groups.len()];
        let mut sizes = Vec::new();
        for (number, &size) in numbers.iter_mut().zip(&sizes_by_row).filter(|(_, size)| **size > 0) {
            *number = sizes.len() as i32;
            sizes.push(size);
        }
        let label = |group: &Option<u32>| group.map_or(Self::NOISE, |row| numbers[row as usize]);
        Self { labels: groups.iter().map(label).collect(), sizes }
    }

    /// The label of every row.
    #[must_use]
    pub fn labels(&self) -> &[i32] {
        &self.labels
    }

    /// The label of every row, without a copy.
    #[must_use]
    pub fn into_labels(self) -> Vec<i32> {
        self.labels
    }

    /// Rows in every cluster.
    #[must_use]
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// Number of clusters.
    #[must_use]
    pub fn n_clusters(&self) -> usize {
        self.sizes.len()
    }

    /// Rows in no cluster.
    #[must_use]
    pub fn n_noise(&self) -> usize {
        self.labels.len() - self.sizes.iter().sum::<usize>()
    }
}
