//! The order in which the edges of a spanning tree join rows.

use crate::analysis::components::Edge;
use crate::graph::disjoint_sets::DisjointSets;

/// A binary tree. Nodes below `n` are rows, node `n + m` is the `m`-th merge, and the last is the root.
pub(super) struct Dendrogram {
    n: usize,
    merges: Vec<Merge>,
}

/// Two nodes that become one.
pub(super) struct Merge {
    pub(super) children: [u32; 2],
    pub(super) distance: f32,
    /// Rows below it.
    size: u32,
}

impl Dendrogram {
    /// Of a spanning tree, whose edges are ascending.
    pub(super) fn of(n: usize, tree: &[Edge]) -> Self {
        let mut dendrogram = Self { n, merges: Vec::with_capacity(tree.len()) };
        let mut sets = DisjointSets::new(n);
        let mut node_of_set: Vec<u32> = (0..n as u32).collect();
        for edge in tree {
            let (a, b) = (sets.of(edge.from), sets.of(edge.to));
            let children = [node_of_set[a as usize], node_of_set[b as usize]];
            let size = children.iter().map(|&child| dendrogram.size(child)).sum();
            sets.join(a, b);
            node_of_set[sets.of(a) as usize] = (n + dendrogram.merges.len()) as u32;
            dendrogram.merges.push(Merge { children, distance: edge.distance, size });
        }
        dendrogram
    }

    /// Number of rows.
    pub(super) fn n(&self) -> usize {
        self.n
    }

    /// The node of all rows; none if there are none.
    pub(super) fn root(&self) -> Option<u32> {
        (self.n + self.merges.len()).checked_sub(1).map(|root| root as u32)
    }

    /// The merge of a node; none of a row.
    pub(super) fn merge(&self, node: u32) -> Option<&Merge> {
        (node as usize).checked_sub(self.n).map(|at| &self.merges[at])
    }

    /// Rows below a node.
    pub(super) fn size(&self, node: u32) -> u32 {
        self.merge(node).map_or(1, |merge| merge.size)
    }

    /// The rows below a node.
    pub(super) fn rows(&self, node: u32) -> impl Iterator<Item = u32> {
        let mut open = vec![node];
        std::iter::from_fn(move || {
            loop {
                let node = open.pop()?;
                match self.merge(node) {
                    Some(merge) => open.extend(merge.children),
                    None => return Some(node),
                }
            }
        })
    }
}
