//! Which clusters are taken, and the rows in them.

use super::condensed::{CondensedTree, Exit};
use super::{ClusterSelection, Hdbscan, HdbscanClustering};
use crate::analysis::cluster::Clustering;

/// The cluster of all rows.
const ROOT: u32 = 0;

/// Takes clusters, and tells for every row which it is in and how firmly.
pub(super) fn labelled(tree: &CondensedTree, options: &Hdbscan) -> HdbscanClustering {
    let taken = taken(tree, options);
    let deaths = tree.deaths();
    let single = taken.iter().filter(|&&is_taken| is_taken).count() == 1;
    let least = if options.epsilon > 0.0 { 1.0 / options.epsilon } else { deaths[ROOT as usize] };
    let homes = innermost(tree, &taken);
    let home = |exit: &Exit| {
        let home = homes[exit.cluster as usize]?;
        (home != ROOT || (single && exit.level >= least)).then_some(home)
    };
    let of_row: Vec<Option<u32>> = tree.exits.iter().map(home).collect();
    let probability = |(exit, home): (&Exit, &Option<u32>)| {
        home.map_or(0.0, |home| match deaths[home as usize] {
            death if death == 0.0 || exit.level.is_infinite() => 1.0,
            death => (exit.level.min(death) / death) as f32,
        })
    };
    let probabilities = tree.exits.iter().zip(&of_row).map(probability).collect();
    HdbscanClustering { clustering: Clustering::of_groups(&by_first_rows(&of_row, tree.clusters.len())), probabilities }
}

/// The first row of every row's cluster.
fn by_first_rows(of_row: &[Option<u32>], n_clusters: usize) -> Vec<Option<u32>> {
    let mut firsts = vec![None; n_clusters];
    let first = |(row, cluster): (usize, &Option<u32>)| cluster.map(|c| *firsts[c as usize].get_or_insert(row as u32));
    of_row.iter().enumerate().map(first).collect()
}

/// The nearest cluster that is taken, of every cluster and those it split from.
fn innermost(tree: &CondensedTree, taken: &[bool]) -> Vec<Option<u32>> {
    let mut homes = vec![None; taken.len()];
    for (i, cluster) in tree.clusters.iter().enumerate() {
        homes[i] = if taken[i] { Some(i as u32) } else { homes[cluster.parent as usize] };
    }
    homes
}

fn taken(tree: &CondensedTree, options: &Hdbscan) -> Vec<bool> {
    let first = match options.selection {
        ClusterSelection::ExcessOfMass => most_stable(tree, options.allow_single_cluster),
        ClusterSelection::Leaf => leaves(tree),
    };
    if options.epsilon == 0.0 || first[ROOT as usize] {
        return first;
    }
    let mut taken = vec![false; first.len()];
    for cluster in (0..first.len()).filter(|&i| first[i]) {
        taken[widened(tree, cluster as u32, options) as usize] = true;
    }
    taken
}

/// Clusters that last longer than what splits from them.
fn most_stable(tree: &CondensedTree, allow_root: bool) -> Vec<bool> {
    let stabilities = tree.stabilities();
    let mut below = vec![0.0; stabilities.len()];
    let mut lasts = vec![false; stabilities.len()];
    for (i, cluster) in tree.clusters.iter().enumerate().rev() {
        lasts[i] = below[i] <= stabilities[i] && (i != ROOT as usize || allow_root);
        if i != ROOT as usize {
            below[cluster.parent as usize] += if lasts[i] { stabilities[i] } else { below[i] };
        }
    }
    let mut is_inside = vec![false; lasts.len()];
    for (i, cluster) in tree.clusters.iter().enumerate().skip(1) {
        let parent = cluster.parent as usize;
        is_inside[i] = is_inside[parent] || lasts[parent];
    }
    lasts.iter().zip(is_inside).map(|(&lasts, is_inside)| lasts && !is_inside).collect()
}

/// Clusters that nothing splits from, but for that of all rows.
fn leaves(tree: &CondensedTree) -> Vec<bool> {
    let mut is_leaf = vec![true; tree.clusters.len()];
    tree.clusters.iter().for_each(|cluster| is_leaf[cluster.parent as usize] = false);
    is_leaf
}

/// The cluster itself if it split off at `epsilon` or farther; else the nearest of those it split from that did.
fn widened(tree: &CondensedTree, mut cluster: u32, options: &Hdbscan) -> u32 {
    let distance = |cluster: u32| 1.0 / tree.clusters[cluster as usize].birth;
    if distance(cluster) >= options.epsilon {
        return cluster;
    }
    loop {
        let parent = tree.clusters[cluster as usize].parent;
        if parent == ROOT {
            return if options.allow_single_cluster { ROOT } else { cluster };
        }
        if distance(parent) > options.epsilon {
            return parent;
        }
        cluster = parent;
    }
}
