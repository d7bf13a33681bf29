//! Reverse edges.

use std::ops::Range;

use super::order::{EMPTY, Neighbor, id};
use super::rows::RowTable;
use crate::parallel::map;

/// Ranges of holders that are read at the same time.
const PARTS: usize = 32;
/// The most groups of rows that edges are sorted into first.
const GROUPS: usize = 32;

/// For a range of rows, the rows that have them as neighbours: (distance, id of that row, flag), in the order of these.
pub(crate) struct ReverseEdges {
    /// The first of those rows.
    first: usize,
    /// The logarithm of the number of rows in a group.
    shift: u32,
    groups: Vec<Group>,
}

/// The reverse edges of a group of rows.
struct Group {
    starts: Vec<u32>,
    edges: Vec<Neighbor>,
}

/// Edges of a range of holders, sorted by group.
struct Part {
    starts: [u32; GROUPS + 2],
    /// The row of the group that an edge leads to.
    rows: Vec<u32>,
    edges: Vec<Neighbor>,
}

impl ReverseEdges {
    /// From the first `forward` places of every row, for the rows `held`.
    ///
    /// Edges are sorted twice by counting, first into groups of rows, then within groups, so that no threads race for a
    /// place and what is written lies in cache.
    pub(crate) fn collect(rows: &RowTable, forward: usize, held: Range<usize>) -> Self {
        let shift = held.len().div_ceil(GROUPS).next_power_of_two().trailing_zeros();
        let per_part = rows.n().div_ceil(PARTS);
        let parts: Vec<Part> = map(
            PARTS,
            1,
            || (),
            |(), part| {
                let holders = (part * per_part).min(rows.n())..((part + 1) * per_part).min(rows.n());
                Part::new(rows, forward, holders, &held, shift)
            },
        );
        let group = |group: usize| {
            let rows = (held.len() - (group << shift)).min(1 << shift);
            Group::new(&parts, group, rows)
        };
        let groups = map(held.len().div_ceil(1 << shift), 1, || (), |(), at| group(at));
        Self { first: held.start, shift, groups }
    }

    /// The reverse edges of row `i` of the range.
    pub(crate) fn of(&self, i: usize) -> impl ExactSizeIterator<Item = Neighbor> {
        let i = i - self.first;
        let (group, row) = (&self.groups[i >> self.shift], i & ((1 << self.shift) - 1));
        group.edges[group.starts[row] as usize..group.starts[row + 1] as usize].iter().copied()
    }
}

impl Part {
    /// Without branches, because whether a neighbour's row is held cannot be predicted.
    fn new(rows: &RowTable, forward: usize, holders: Range<usize>, held: &Range<usize>, shift: u32) -> Self {
        // The group of a neighbour's row, and the row in it; the group after the last for rows that are not held.
        let place = |s: Neighbor| {
            let at = (id(s) as usize).wrapping_sub(held.start);
            let group = if (at < held.len()) & (s != EMPTY) { at >> shift } else { GROUPS };
            (group, (at & ((1 << shift) - 1)) as u32)
        };
        let mut starts = [0; GROUPS + 2];
        for holder in holders.clone() {
            rows.row(holder)[..forward].iter().for_each(|&s| starts[place(s).0 + 1] += 1);
        }
        for group in 0..GROUPS {
            starts[group + 1] += starts[group];
        }
        let total = starts[GROUPS] as usize;
        // One place more, for edges that lead elsewhere.
        let (mut targets, mut edges) = (vec![0; total + 1], vec![0; total + 1]);
        let mut next = starts;
        for holder in holders {
            for &s in &rows.row(holder)[..forward] {
                let (group, row) = place(s);
                let edge = next[group] as usize;
                targets[edge] = row;
                edges[edge] = s >> 32 << 32 | (holder as u64) << 1 | s & 1;
                next[group] += u32::from(group < GROUPS);
            }
        }
        Self { starts, rows: targets, edges }
    }

    fn of_group(&self, group: usize) -> impl Iterator<Item = (u32, Neighbor)> {
        let range = self.starts[group] as usize..self.starts[group + 1] as usize;
        self.rows[range.clone()].iter().copied().zip(self.edges[range].iter().copied())
    }
}

impl Group {
    fn new(parts: &[Part], group: usize, rows: usize) -> Self {
        let mut starts = vec![0; rows + 1];
        for part in parts {
            part.of_group(group).for_each(|(row, _)| starts[row as usize + 1] += 1);
        }
        for row in 0..rows {
            starts[row + 1] += starts[row];
        }
        let (mut next, mut edges) = (starts.clone(), vec![0; starts[rows] as usize]);
        for (row, edge) in parts.iter().flat_map(|part| part.of_group(group)) {
            edges[next[row as usize] as usize] = edge;
            next[row as usize] += 1;
        }
        Self { starts, edges }
    }
}
