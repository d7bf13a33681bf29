//! Rows that are equal: found before a build, and given to each other after it.
//!
//! Where many rows have copies, NN-Descent works on one of each, and rows are expanded at the end. So a row with `k`
//! copies is given `k` copies, and a heap of equal rows fills neither leaves nor the rows beside it.

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use crate::graph::order::nearest_first;
use crate::graph::owned_rows::OwnedRows;
use crate::graph::{InitGraph, KnnGraph};
use crate::metric::Metric;
use crate::parallel::{for_indices, gathered};
use crate::points::{Bits, CsrMatrix, Dense, Element, Points, PointsKind, with_rows};

/// Groups of equal rows.
pub(super) struct Copies {
    /// The group of each row.
    group: Vec<u32>,
    /// Where each group's rows begin in `rows`.
    starts: Vec<u32>,
    /// The rows, group by group, ascending in each.
    rows: Vec<u32>,
}

/// From this share of copies on, a build works on distinct rows: below, copying these costs more.
const MANY: usize = 20;

impl Copies {
    /// None if all rows are distinct, or cannot be compared: custom items.
    pub(super) fn of(points: &Points, metric: &Metric) -> Option<Self> {
        let reader = RowBytes { points: *points, are_sets: metric.is_of_sets() };
        if matches!(points.kind(), PointsKind::Items(_)) {
            return None;
        }
        let hash = |bytes: &mut Vec<u8>, i: u32| (xxh3_64(reader.of(i as usize, bytes)), i);
        let mut hashed: Vec<(u64, u32)> = (0..points.n() as u32).into_par_iter().map_init(Vec::new, hash).collect();
        hashed.par_sort_unstable();
        let mut first: Vec<u32> = (0..points.n() as u32).collect();
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for same in hashed.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
            let bytes = reader.of(same[0].1 as usize, &mut x);
            // Different rows of the same hash stay by themselves.
            for &(_, row) in same.iter().filter(|(_, row)| reader.of(*row as usize, &mut y) == bytes) {
                first[row as usize] = same[0].1;
            }
        }
        let copies = Self::of_first(&first);
        (copies.n_distinct() < points.n()).then_some(copies)
    }

    /// From the first row that each row is equal to.
    fn of_first(first: &[u32]) -> Self {
        let mut group = vec![0; first.len()];
        let mut sizes = Vec::new();
        for (row, &of) in first.iter().enumerate() {
            group[row] = if of as usize == row { sizes.len() as u32 } else { group[of as usize] };
            if of as usize == row {
                sizes.push(0u32);
            }
            sizes[group[row] as usize] += 1;
        }
        let mut starts = vec![0; sizes.len() + 1];
        for (g, size) in sizes.iter().enumerate() {
            starts[g + 1] = starts[g] + size;
        }
        let (mut next, mut rows) = (starts.clone(), vec![0; first.len()]);
        for (row, &g) in group.iter().enumerate() {
            rows[next[g as usize] as usize] = row as u32;
            next[g as usize] += 1;
        }
        Self { group, starts, rows }
    }

    pub(super) fn n(&self) -> usize {
        self.group.len()
    }

    pub(super) fn n_distinct(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether a build should work on distinct rows.
    pub(super) fn are_many(&self) -> bool {
        (self.n() - self.n_distinct()) * MANY >= self.n()
    }

    fn members(&self, group: u32) -> &[u32] {
        &self.rows[self.starts[group as usize] as usize..self.starts[group as usize + 1] as usize]
    }

    /// One row of each group.
    fn distinct(&self) -> Vec<u32> {
        (0..self.n_distinct() as u32).map(|g| self.members(g)[0]).collect()
    }

    /// Calls `run` with one point of each group.
    pub(super) fn with_distinct<R>(&self, points: &Points, run: impl FnOnce(&Points) -> R) -> R {
        let distinct = self.distinct();
        match points.kind() {
            PointsKind::Dense(dense) => with_rows!(dense.rows(), x => {
                let values = gathered(x, dense.dim(), &distinct);
                run(&Dense::trusted(Element::rows(&values), distinct.len(), dense.dim()).into())
            }),
            PointsKind::Bits(bits) => {
                let bytes = gathered(bits.bytes(), bits.row_bytes(), &distinct);
                run(&PointsKind::Bits(Bits::trusted(&bytes, distinct.len(), bits.dim())).into())
            }
            PointsKind::Sparse(rows) => {
                let mut matrix = CsrMatrix::empty(rows.dim());
                distinct.iter().for_each(|&row| matrix.push_row(rows.row(row as usize).entries()));
                run(&matrix.view().into())
            }
            PointsKind::Items(_) => run(points),
        }
    }

    /// A graph to start from, of groups: the rows of their first rows.
    pub(super) fn of_init_graph(&self, graph: &InitGraph) -> Vec<u32> {
        let group = |&id: &u32| self.group.get(id as usize).copied().unwrap_or(KnnGraph::NO_NEIGHBOR);
        let row = |(g, row): (usize, u32)| {
            let others = move |id: u32| if id as usize == g { KnnGraph::NO_NEIGHBOR } else { id };
            graph.row(row as usize).iter().map(group).map(others).collect::<Vec<u32>>()
        };
        self.distinct().into_iter().enumerate().flat_map(|(g, of)| row((g, of))).collect()
    }

    /// The graph of all rows, with `others` neighbours each, from one of distinct rows; `to_self` is the distance of a
    /// row to its copies. A row begins with itself if `include_self`.
    pub(super) fn expanded(
        &self,
        distinct: &KnnGraph,
        others: usize,
        include_self: bool,
        to_self: &(dyn Fn(usize) -> f32 + Sync),
    ) -> KnnGraph {
        let neighbors = |i: usize, found: &mut Vec<(f32, u32)>| {
            let group = self.group[i];
            // Of rows at one distance, no more than these can be among the nearest.
            let first = |g: u32| self.members(g).iter().copied().filter(move |&row| row as usize != i).take(others);
            found.extend(first(group).map(|row| (to_self(i), row)));
            for near in distinct.neighbors(group as usize) {
                found.extend(first(near.id).map(|row| (near.distance, row)));
            }
        };
        graph_of(self.n(), others, include_self, &neighbors, to_self)
    }

    /// The same graph, every row given its copies.
    pub(super) fn added_to(
        &self,
        graph: &KnnGraph,
        others: usize,
        include_self: bool,
        to_self: &(dyn Fn(usize) -> f32 + Sync),
    ) -> KnnGraph {
        let neighbors = |i: usize, found: &mut Vec<(f32, u32)>| {
            let copies = self.members(self.group[i]);
            let is_copy = |id: u32| copies.len() > 1 && self.group[id as usize] == self.group[i];
            let known = graph.neighbors(i).filter(|near| near.id as usize != i && !is_copy(near.id));
            found.extend(known.map(|near| (near.distance, near.id)));
            let copies = copies.iter().copied().filter(|&row| row as usize != i).take(others);
            found.extend(copies.map(|row| (to_self(i), row)));
        };
        graph_of(self.n(), others, include_self, &neighbors, to_self)
    }
}

/// Appends candidates of a row, among which its nearest are, each once and without the row itself.
type Neighbors<'a> = dyn Fn(usize, &mut Vec<(f32, u32)>) + Sync + 'a;

fn graph_of(
    n: usize,
    others: usize,
    include_self: bool,
    neighbors: &Neighbors,
    to_self: &(dyn Fn(usize) -> f32 + Sync),
) -> KnnGraph {
    let k = others + usize::from(include_self);
    let (mut ids, mut distances) = (vec![KnnGraph::NO_NEIGHBOR; n * k], vec![f32::INFINITY; n * k]);
    let (to_ids, to_distances) = (OwnedRows::new(&mut ids, k), OwnedRows::new(&mut distances, k));
    for_indices(n, 64, Vec::new, |found: &mut Vec<(f32, u32)>, i| {
        found.clear();
        neighbors(i, found);
        found.sort_unstable_by(nearest_first);
        found.truncate(others);
        // SAFETY: every row is taken once.
        let (ids, distances) = unsafe { (to_ids.row(i as u32), to_distances.row(i as u32)) };
        let own = include_self.then(|| (to_self(i), i as u32));
        let row = own.into_iter().chain(found.iter().copied());
        for ((id, distance), neighbor) in ids.iter_mut().zip(distances).zip(row) {
            (*distance, *id) = neighbor;
        }
    });
    KnnGraph::new(n, k, ids, distances)
}

/// Reads rows as bytes that are the same where the rows are.
struct RowBytes<'a> {
    points: Points<'a>,
    /// Whether only the columns that are not zero count.
    are_sets: bool,
}

impl RowBytes<'_> {
    fn of<'b>(&'b self, row: usize, bytes: &'b mut Vec<u8>) -> &'b [u8] {
        bytes.clear();
        match self.points.kind() {
            PointsKind::Bits(bits) => return bits.row(row),
            PointsKind::Items(_) => {}
            PointsKind::Sparse(rows) => {
                for (column, value) in rows.row(row).entries() {
                    bytes.extend_from_slice(&column.to_le_bytes());
                    bytes.extend_from_slice(&if self.are_sets { [1; 4] } else { value.to_le_bytes() });
                }
            }
            PointsKind::Dense(dense) => with_rows!(dense.rows(), x => {
                let values = &x[row * dense.dim()..][..dense.dim()];
                if self.are_sets {
                    bytes.extend(values.iter().map(|v| u8::from(v.to_f32() != 0.0)));
                } else if has_two_zeros(values) {
                    values.iter().for_each(|v| bytes.extend_from_slice(&(v.to_f32() + 0.0).to_le_bytes()));
                } else {
                    return bytemuck::cast_slice(values);
                }
            }),
        }
        bytes
    }
}

/// Whether zeros of both signs, which are equal, may differ as bytes.
fn has_two_zeros<E: Element>(values: &[E]) -> bool {
    let is_narrow = size_of::<E>() < size_of::<f32>();
    E::FLOATING && (is_narrow || values.iter().any(|v| v.to_f32().to_bits() == (-0.0f32).to_bits()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(points: &Points, metric: &Metric) -> Vec<Vec<u32>> {
        let copies = Copies::of(points, metric).unwrap();
        (0..copies.n_distinct() as u32).map(|g| copies.members(g).to_vec()).collect()
    }

    #[test]
    fn equal_rows_are_grouped() {
        let values = [1.0f32, 0.0, 2.0, 0.5, 1.0, -0.0, 2.0, 0.5, 3.0, 0.0];
        let points = Points::dense(&values, 5, 2).unwrap();
        assert_eq!(groups(&points, &Metric::Euclidean), [vec![0, 2], vec![1, 3], vec![4]]);
        assert_eq!(groups(&points, &Metric::Jaccard), [vec![0, 2, 4], vec![1, 3]]);
        assert!(Copies::of(&Points::dense(&values[..4], 2, 2).unwrap(), &Metric::Euclidean).is_none());
        let sparse = Points::csr(3, &[0, 1, 3, 4, 4], &[1, 0, 1, 1], &[2.0, 0.0, 2.0, 3.0]).unwrap();
        assert_eq!(groups(&sparse, &Metric::Cosine), [vec![0, 1], vec![2], vec![3]]);
        assert_eq!(groups(&sparse, &Metric::Jaccard), [vec![0, 1, 2], vec![3]]);
        let bits = Points::bits(&[3, 1, 3], 3, 7).unwrap();
        assert_eq!(groups(&bits, &Metric::Jaccard), [vec![0, 2], vec![1]]);
    }

    #[test]
    fn rows_are_expanded() {
        let copies = Copies::of_first(&[0, 1, 0, 1, 4, 0]);
        let distinct = KnnGraph::new(3, 2, vec![1, 2, 0, 2, 0, 1], vec![1.0, 4.0, 1.0, 3.0, 4.0, 5.0]);
        let graph = copies.expanded(&distinct, 3, true, &|_| 0.0);
        assert_eq!(graph.ids(0), [0, 2, 5, 1]);
        assert_eq!((graph.ids(3), graph.distances(3)), (&[3, 1, 0, 2][..], &[0.0, 0.0, 1.0, 1.0][..]));
        assert_eq!(graph.ids(4), [4, 0, 2, 5]);
        let poor = KnnGraph::new(6, 2, vec![1, 4, 0, 4, 5, 1, 0, 4, 0, 2, 1, 4], vec![1.0; 12]);
        let graph = copies.added_to(&poor, 2, false, &|_| 0.0);
        assert_eq!([graph.ids(0), graph.ids(1), graph.ids(4)], [[2, 5], [3, 0], [0, 2]]);
    }
}
