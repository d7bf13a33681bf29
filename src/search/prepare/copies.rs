//! Rows that are copies of each other.
//!
//! A row with many copies has no neighbours but these. Among its copies it therefore keeps edges to a few only, and a
//! tree of edges over all of them makes sure that who meets one meets all.

use std::collections::HashMap;

use crate::graph::KnnGraph;
use crate::graph::order::{Neighbor, id};
use crate::metric::Metric;
use crate::points::{Points, PointsKind};

use crate::graph::disjoint_sets::DisjointSets;

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
        let (mut sets, mut known) = (DisjointSets::new(n), vec![0; n]);
        let mut alike: HashMap<Vec<u8>, u32> = HashMap::new();
        // An inner product of 0 is not the least.
        let ranks_copies_first = *metric != Metric::InnerProduct;
        for point in (0..n).filter(|_| ranks_copies_first) {
            let zero = graph.neighbors(point).take_while(|near| near.distance <= 0.0);
            for other in zero.map(|near| near.id).filter(|&id| id as usize != point) {
                sets.join(place[point], place[other as usize]);
                known[place[point] as usize] += 1;
            }
            if known[place[point] as usize] > 0
                && let Some(key) = key(points, point)
            {
                sets.join(place[point], place[*alike.entry(key).or_insert(point as u32) as usize]);
            }
        }
        let mut classes: HashMap<u32, Vec<u32>> = HashMap::new();
        for row in (0..n as u32).filter(|&row| known[row as usize] > 0) {
            classes.entry(sets.of(row)).or_default().push(row);
        }
        let members: Vec<Vec<u32>> = classes.into_values().filter(|rows| are_copies(rows, &known, graph.k())).collect();
        let mut class: Vec<u32> = (0..n as u32).collect();
        members.iter().for_each(|rows| rows.iter().for_each(|&row| class[row as usize] = rows[0]));
        Self { class, members }
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

/// Whether rows of a class know each other. They do not where a distance of 0 is no equality: an empty row may be at
/// distance 0 from all others, and these not from each other.
fn are_copies(rows: &[u32], known: &[usize], k: usize) -> bool {
    let expected = (rows.len() - 1).min(k.saturating_sub(1));
    let few = rows.iter().filter(|&&row| known[row as usize] * 2 < expected).count();
    rows.len() > 1 && few * 10 <= rows.len()
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
