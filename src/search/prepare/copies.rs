//! Rows that are copies of each other.
//!
//! A row with many copies has no neighbours but these. Among its copies it therefore keeps edges to a few only, and a
//! tree of edges over all of them makes sure that who meets one meets all.

use std::collections::HashMap;

use crate::graph::KnnGraph;
use crate::graph::order::{Neighbor, id};
use crate::metric::Metric;
use crate::points::{Points, PointsKind};

use super::sets::Sets;

/// Copies among a row's neighbours.
const MOST: usize = 4;
/// Edges from a copy to others in the tree.
const FAN: usize = 8;

/// Points at distance 0 from each other, in classes.
pub(super) struct Copies {
    /// The class of each row; its own number if it is alone.
    class: Vec<u32>,
    /// Rows of the classes of more than one, ascending.
    members: Vec<Vec<u32>>,
}

impl Copies {
    /// From the graph's distances, and, as it may know only some of many copies, from the values of rows that have
    /// copies. `place` is the row of each point.
    pub(super) fn find(points: &Points, metric: &Metric, graph: &KnnGraph, place: &[u32]) -> Self {
        let n = graph.n();
        let mut sets = Sets::new(n);
        let mut alike: HashMap<Vec<u8>, u32> = HashMap::new();
        // An inner product of 0 is not the least.
        let ranks_copies_first = *metric != Metric::InnerProduct;
        for point in (0..n).filter(|_| ranks_copies_first) {
            let zero = graph.neighbors(point).take_while(|near| near.distance <= 0.0);
            let others: Vec<u32> = zero.map(|near| near.id).filter(|&id| id as usize != point).collect();
            let Some(&first) = others.first() else { continue };
            let same = key(points, point).map_or(first, |key| *alike.entry(key).or_insert(point as u32));
            for other in others.into_iter().chain([same]) {
                sets.join(place[point], place[other as usize]);
            }
        }
        let class: Vec<u32> = (0..n as u32).map(|row| sets.of(row)).collect();
        let mut members: HashMap<u32, Vec<u32>> = HashMap::new();
        for row in (0..n as u32).filter(|&row| class[row as usize] != row) {
            members.entry(class[row as usize]).or_insert_with_key(|&first| vec![first]).push(row);
        }
        Self { class, members: members.into_values().collect() }
    }

    /// Drops the copies of `row` but the first few from `neighbors`.
    pub(super) fn keep_few(&self, row: u32, neighbors: &mut Vec<Neighbor>) {
        if self.members.is_empty() {
            return;
        }
        let class = |row: u32| self.class[row as usize];
        let mut copies = 0;
        neighbors.retain(|&neighbor| {
            copies += usize::from(class(id(neighbor)) == class(row));
            copies <= MOST || class(id(neighbor)) != class(row)
        });
    }

    /// The rows that are the first of their class.
    pub(super) fn distinct(&self) -> Vec<u32> {
        (0..self.class.len() as u32).filter(|&row| self.class[row as usize] == row).collect()
    }

    /// Adds edges of a tree over each class, both ways.
    pub(super) fn link(&self, lists: &mut [Vec<u32>]) {
        for members in &self.members {
            for (at, &row) in members.iter().enumerate().skip(1) {
                let parent = members[(at - 1) / FAN];
                for (from, to) in [(parent, row), (row, parent)] {
                    let list = &mut lists[from as usize];
                    if !list.contains(&to) {
                        list.push(to);
                    }
                }
            }
        }
    }
}

/// What equal rows have in common; none of custom items.
fn key(points: &Points, i: usize) -> Option<Vec<u8>> {
    // No difference between the zeros.
    let bytes = |values: &[f32]| values.iter().flat_map(|v| (v + 0.0).to_bits().to_le_bytes()).collect::<Vec<u8>>();
    match points.kind() {
        PointsKind::Dense(dense) => {
            let mut row = vec![0.0; dense.dim()];
            dense.widen_row(i, &mut row);
            Some(bytes(&row))
        }
        PointsKind::Sparse(rows) => {
            let entries = rows.row(i).entries().filter(|entry| entry.1 != 0.0);
            Some(entries.flat_map(|(column, value)| [column, value.to_bits()]).flat_map(u32::to_le_bytes).collect())
        }
        PointsKind::Bits(bits) => Some(bits.row(i).to_vec()),
        PointsKind::Items(_) => None,
    }
}
