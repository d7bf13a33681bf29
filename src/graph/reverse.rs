//! Reverse edges.
//!
//! They are sorted twice by counting, first into groups of rows, then within a group, so that no threads race for a
//! place and what is written lies in cache.

use std::ops::Range;

use super::order::{EMPTY, Neighbor, id};
use super::rows::RowTable;
use crate::parallel::{for_each, map};

/// Ranges of holders that are read at the same time.
const PARTS: usize = 32;
/// Groups of rows that edges are sorted into at once.
const GROUPS: usize = 32;

/// The rows that have some rows as neighbours: (distance, id of that row, flag), in no particular order.
pub(crate) struct ReverseEdges {
    /// The logarithm of the number of rows in a group.
    shift: u32,
    groups: Vec<ReverseGroup>,
}

/// The reverse edges of a group of rows.
pub(crate) struct ReverseGroup {
    starts: Vec<u32>,
    edges: Vec<Neighbor>,
}

/// Reverse edges of some groups of rows, sorted by group.
pub(crate) struct ReverseParts<'a> {
    groups: Range<usize>,
    /// The logarithm of the number of rows in a group, and the number of all rows.
    shift: u32,
    n: usize,
    parts: Vec<Part<'a>>,
}

/// Edges of a range of holders, sorted by group.
struct Part<'a> {
    starts: [u32; GROUPS + 2],
    /// The row of the group that an edge leads to.
    rows: &'a mut [u32],
    edges: &'a mut [Neighbor],
}

impl ReverseEdges {
    /// From the first `forward` places of every row.
    pub(crate) fn collect(rows: &RowTable, forward: usize) -> Self {
        let mut all = Vec::new();
        let shift = sort_by_group(rows, forward, 1, |parts| {
            let first = parts.groups().start;
            all.extend(map(parts.groups().len(), 1, || (), |(), at| parts.group(first + at)));
        });
        Self { shift, groups: all }
    }

    /// The reverse edges of row `i`.
    pub(crate) fn of(&self, i: usize) -> impl ExactSizeIterator<Item = Neighbor> {
        self.groups[i >> self.shift].of(i & ((1 << self.shift) - 1))
    }
}

impl ReverseGroup {
    /// The reverse edges of row `i` of the group.
    pub(crate) fn of(&self, i: usize) -> impl ExactSizeIterator<Item = Neighbor> {
        self.edges[self.starts[i] as usize..self.starts[i + 1] as usize].iter().copied()
    }
}

/// Sorts the reverse edges of the first `forward` places of every row into groups of rows, those of at most a `share`th
/// of all rows at a time, and gives them to `run`. Returns the logarithm of the number of rows in a group.
pub(crate) fn sort_by_group(rows: &RowTable, forward: usize, share: usize, mut run: impl FnMut(&ReverseParts)) -> u32 {
    let n = rows.n();
    let shift = (n / (GROUPS * share)).max(1).ilog2();
    let groups = n.div_ceil(1 << shift);
    let per_part = n.div_ceil(PARTS);
    let holders = |part: usize| (part * per_part).min(n)..((part + 1) * per_part).min(n);
    let counts: Vec<Vec<u32>> = map(
        PARTS,
        1,
        || (),
        |(), part| {
            let mut counts = vec![0; groups + 1];
            for &s in holders(part).flat_map(|holder| &rows.row(holder)[..forward]) {
                counts[group_of(s, shift).min(groups)] += 1;
            }
            counts
        },
    );
    let held = |first: usize| first..groups.min(first + GROUPS);
    // Room for the edges to the groups held, and a place in every part for edges that lead elsewhere.
    let room = |first: usize, counts: &[u32]| 1 + counts[held(first)].iter().sum::<u32>() as usize;
    let firsts = || (0..groups).step_by(GROUPS);
    let most = firsts().map(|first| counts.iter().map(|counts| room(first, counts)).sum()).max().unwrap_or(0);
    let (mut targets, mut edges) = (vec![0; most], vec![0; most]);
    for first in firsts() {
        let (mut targets, mut edges) = (&mut targets[..], &mut edges[..]);
        let mut parts: Vec<Part> = Vec::with_capacity(PARTS);
        for counts in &counts {
            let room = room(first, counts);
            let (rows, later_rows) = targets.split_at_mut(room);
            let (here, later) = edges.split_at_mut(room);
            parts.push(Part::empty(&counts[held(first)], rows, here));
            (targets, edges) = (later_rows, later);
        }
        for_each(parts.iter_mut().enumerate().collect(), |(at, part)| {
            part.fill(rows, forward, (holders(at), shift), held(first));
        });
        run(&ReverseParts { groups: held(first), shift, n, parts });
    }
    shift
}

/// The group of the row that an edge leads to; beyond all groups for empty slots.
#[inline(always)]
fn group_of(s: Neighbor, shift: u32) -> usize {
    if s == EMPTY { usize::MAX } else { (id(s) >> shift) as usize }
}

impl<'a> Part<'a> {
    /// With room for `counts` edges of every group.
    fn empty(counts: &[u32], rows: &'a mut [u32], edges: &'a mut [Neighbor]) -> Self {
        let mut starts = [0; GROUPS + 2];
        for group in 0..=GROUPS {
            starts[group + 1] = starts[group] + counts.get(group).copied().unwrap_or(0);
        }
        Self { starts, rows, edges }
    }

    /// Takes the edges of `holders` to the groups `held`. Without branches, because whether an edge leads to one of
    /// them cannot be predicted.
    fn fill(&mut self, rows: &RowTable, forward: usize, (holders, shift): (Range<usize>, u32), held: Range<usize>) {
        let mut next = self.starts;
        for holder in holders {
            for &s in &rows.row(holder)[..forward] {
                let group = group_of(s, shift).wrapping_sub(held.start);
                let group = if group < held.len() { group } else { GROUPS };
                let edge = next[group] as usize;
                self.rows[edge] = id(s) & ((1 << shift) - 1);
                self.edges[edge] = s >> 32 << 32 | (holder as u64) << 1 | s & 1;
                next[group] += u32::from(group < GROUPS);
            }
        }
    }

    /// The edges of one of its groups.
    fn of_group(&self, group: usize) -> impl Iterator<Item = (u32, Neighbor)> {
        let range = self.starts[group] as usize..self.starts[group + 1] as usize;
        self.rows[range.clone()].iter().copied().zip(self.edges[range].iter().copied())
    }
}

impl ReverseParts<'_> {
    pub(crate) fn groups(&self) -> Range<usize> {
        self.groups.clone()
    }

    /// The rows of a group.
    pub(crate) fn rows(&self, group: usize) -> Range<usize> {
        group << self.shift..((group + 1) << self.shift).min(self.n)
    }

    /// The edges of a group.
    pub(crate) fn group(&self, group: usize) -> ReverseGroup {
        let rows = self.rows(group).len();
        let edges_to_group = || self.parts.iter().flat_map(|part| part.of_group(group - self.groups.start));
        let mut starts = vec![0; rows + 1];
        edges_to_group().for_each(|(row, _)| starts[row as usize + 1] += 1);
        for row in 0..rows {
            starts[row + 1] += starts[row];
        }
        let (mut next, mut edges) = (starts.clone(), vec![0; starts[rows] as usize]);
        for (row, edge) in edges_to_group() {
            edges[next[row as usize] as usize] = edge;
            next[row as usize] += 1;
        }
        ReverseGroup { starts, edges }
    }
}
