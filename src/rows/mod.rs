//! Points as the CPU executor and indexes hold them: rows in working order, and reduced distances between them.
//!
//! A kind of rows is a folder. Dense rows are floats or u8 codes, sparse rows are compared by column look-ups, and bits
//! by the number of columns that two rows share. All implement [`ReducedDistances`]: one row to many, and all pairs of
//! a leaf. Codes and sketches come with a bound on their error, so that rejecting by them never drops a true neighbour.

pub(crate) mod bits;
pub(crate) mod dense;
pub(crate) mod error_bound;
pub(crate) mod leaf_rows;
pub(crate) mod offer;
mod permute;
pub(crate) mod sparse;
pub(crate) mod tiles;

use self::dense::code_error_bound::CodeErrorBound;
#[cfg(feature = "gpu")]
use self::dense::codes::CodedRows;
use self::error_bound::ErrorBound;
use self::leaf_rows::LeafRows;
use self::offer::offer;
pub(crate) use self::permute::permute_rows;

/// What a distance between two rows costs, beside finding out that it was computed before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DistanceCost {
    /// Less than to look up the leaves that rows share.
    Little,
    /// Less than to visit all pairs of former rounds.
    More,
    Much,
}

/// Rows in working order, apart from their distances.
pub(crate) trait WorkingRows: Send + Sync {
    fn n(&self) -> usize;
    /// Puts row `order[i]` in place `i`.
    fn renumber(&mut self, order: &[u32]);
    /// Lays rows out for single rows that are compared with many, as in rounds.
    fn begin_rounds(&mut self) {}
    /// Lays rows out for all pairs of leaves.
    fn begin_trees(&mut self) {}
    /// What is held, for the report.
    fn describe(&self) -> String;
    /// Whether distances are -x·y, so that a tree's pivots have to be brought to the same length before they are
    /// compared.
    fn splits_by_direction(&self) -> bool;
    /// Sort keys that bring similar rows together, for rows that pivots separate badly; different ones for every seed.
    /// None if tree `tree` splits by pivots.
    fn sort_keys(&self, _tree: u64, _seed: u64) -> Option<Vec<u64>> {
        None
    }
    /// The rows as codes, if they are held as such.
    #[cfg(feature = "gpu")]
    fn codes(&self) -> Option<&CodedRows> {
        None
    }
    /// What a distance costs.
    fn distance_cost(&self) -> DistanceCost {
        DistanceCost::Much
    }
    /// Whether reduced distances are the metric's exact ones, up to the rounding of f32, and not of codes.
    fn is_exact(&self) -> bool {
        false
    }
    /// Whether reduced distances are the metric's own, and whole numbers: exact as far as f32 holds these.
    fn has_whole_distances(&self) -> bool {
        false
    }
}

/// Reduced distances between rows. Calls are per row or per block, so that dynamic dispatch costs nothing.
pub(crate) trait ReducedDistances: WorkingRows {
    /// Reduced distances of `row` to each of `others`.
    fn one_to_many(&self, row: u32, others: &[u32], out: &mut [f32]);
    /// How far the distances of [`ReducedDistances::one_to_many`] from `row` can be from exact ones. None if they are
    /// exact, up to the rounding of f32.
    fn error_bound(&self, _row: u32) -> Option<ErrorBound> {
        None
    }
    /// How far distances can be from those of the `dim` values that rows are codes of. None if they are no such codes,
    /// or this is not known.
    fn code_error_bound(&self, _dim: usize) -> Option<CodeErrorBound> {
        None
    }
    /// The same, but what is beyond `bound` may be told as infinitely far: where codes come with a look that costs less
    /// than a distance, most of the others are.
    fn one_to_near(&self, row: u32, others: &[u32], _bound: f32, out: &mut [f32]) {
        self.one_to_many(row, others, out);
    }
    /// Reduced distances of two rows to each of `others`.
    fn two_to_many(&self, rows: [u32; 2], others: &[u32], out: &mut [[f32; 2]]) {
        two_by_rows(rows, others, out, |row, others, out| self.one_to_many(row, others, out));
    }
    /// Reduced distances between all of `ids`: a symmetric `m x m` matrix. The diagonal has no meaning.
    fn all_pairs(&self, ids: &[u32], out: &mut [f32]) {
        all_pairs_by_rows(ids, out, &mut |i, others, out| self.one_to_many(ids[i], others, out));
    }
    /// Offers all points of a leaf to each other's rows. `distances` is working memory.
    fn join_leaf(&self, rows: &mut LeafRows, distances: &mut Vec<f32>) {
        let (leaf, m) = (rows.leaf, rows.leaf.len());
        distances.resize(m * m, 0.0);
        self.all_pairs(leaf, distances);
        for (i, to_others) in distances.chunks_exact(m).enumerate() {
            offer(rows.row(i), leaf, to_others, i);
        }
    }
    /// Reduced distances of each of `rows` to the rows `first..first + m`, `m` being `out.len() / rows.len()`: one row
    /// of `out` for each of `rows`.
    fn block(&self, rows: &[u32], first: u32, out: &mut [f32]) {
        let m = out.len() / rows.len();
        let others: Vec<u32> = (first..first + m as u32).collect();
        for (&row, out) in rows.iter().zip(out.chunks_exact_mut(m)) {
            self.one_to_many(row, &others, out);
        }
    }
}

/// [`ReducedDistances::two_to_many`] by the distances of one row after the other.
pub(crate) fn two_by_rows(
    rows: [u32; 2],
    others: &[u32],
    out: &mut [[f32; 2]],
    mut one_to_many: impl FnMut(u32, &[u32], &mut [f32]),
) {
    let mut to = vec![0.0; others.len()];
    for (side, row) in rows.into_iter().enumerate() {
        one_to_many(row, others, &mut to);
        out.iter_mut().zip(&to).for_each(|(out, &d)| out[side] = d);
    }
}

/// Distances of the `i`th of some rows to others.
type OneToMany<'a> = dyn FnMut(usize, &[u32], &mut [f32]) + 'a;

/// [`ReducedDistances::all_pairs`] by the distances of the `i`th to those after it.
pub(crate) fn all_pairs_by_rows(ids: &[u32], out: &mut [f32], one_to_many: &mut OneToMany) {
    let m = ids.len();
    for i in 0..m {
        let (above, rest) = out.split_at_mut((i + 1) * m);
        let row = &mut above[i * m + i + 1..];
        one_to_many(i, &ids[i + 1..], row);
        for (j, &d) in row.iter().enumerate() {
            rest[j * m + i] = d;
        }
    }
}

#[cfg(test)]
mod tests;
