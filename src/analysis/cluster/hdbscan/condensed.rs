//! The tree of clusters of at least some size, and where rows drop out of it.

use super::dendrogram::Dendrogram;

/// Clusters, parents before children, the first of all rows. Levels are inverse distances: zero at infinity, growing
/// towards the ends of the tree.
pub(super) struct CondensedTree {
    pub(super) clusters: Vec<Cluster>,
    /// Where every row drops out.
    pub(super) exits: Vec<Exit>,
}

pub(super) struct Cluster {
    /// The cluster that it split from; the first's is itself.
    pub(super) parent: u32,
    /// Level at which it split off.
    pub(super) birth: f64,
    pub(super) size: u32,
}

#[derive(Clone, Copy)]
pub(super) struct Exit {
    /// The cluster that the row was in last.
    pub(super) cluster: u32,
    /// Level at which it left.
    pub(super) level: f64,
}

impl CondensedTree {
    /// Clusters of at least `min_size` rows.
    pub(super) fn of(dendrogram: &Dendrogram, min_size: usize) -> Self {
        let root = Cluster { parent: 0, birth: 0.0, size: dendrogram.n() as u32 };
        let exits = vec![Exit { cluster: 0, level: 0.0 }; dendrogram.n()];
        let mut tree = Self { clusters: vec![root], exits };
        let mut open: Vec<(u32, u32)> = dendrogram.root().map(|root| (root, 0)).into_iter().collect();
        while let Some((node, cluster)) = open.pop() {
            let Some(merge) = dendrogram.merge(node) else { continue };
            let level = 1.0 / f64::from(merge.distance.abs());
            let is_large = merge.children.map(|child| dendrogram.size(child) as usize >= min_size);
            let splits = is_large == [true, true];
            for (child, is_large) in merge.children.into_iter().zip(is_large) {
                if splits && level.is_finite() {
                    tree.clusters.push(Cluster { parent: cluster, birth: level, size: dendrogram.size(child) });
                    open.push((child, tree.clusters.len() as u32 - 1));
                } else if is_large && !splits {
                    open.push((child, cluster));
                } else {
                    let leave = |row: u32| tree.exits[row as usize] = Exit { cluster, level };
                    dendrogram.rows(child).for_each(leave);
                }
            }
        }
        tree
    }

    /// How long every cluster lasts: the sum over its rows of the levels from its birth to where they leave it.
    pub(super) fn stabilities(&self) -> Vec<f64> {
        let mut stabilities = vec![0.0; self.clusters.len()];
        let birth = |cluster: u32| self.clusters[cluster as usize].birth;
        for exit in &self.exits {
            stabilities[exit.cluster as usize] += exit.level - birth(exit.cluster);
        }
        for child in &self.clusters[1..] {
            stabilities[child.parent as usize] += (child.birth - birth(child.parent)) * f64::from(child.size);
        }
        stabilities
    }

    /// The highest level at which something leaves each cluster.
    pub(super) fn deaths(&self) -> Vec<f64> {
        let mut deaths = vec![0.0f64; self.clusters.len()];
        let exits = self.exits.iter().map(|exit| (exit.cluster, exit.level));
        for (cluster, level) in exits.chain(self.clusters[1..].iter().map(|child| (child.parent, child.birth))) {
            deaths[cluster as usize] = deaths[cluster as usize].max(level);
        }
        deaths
    }
}
