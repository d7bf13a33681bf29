//! Points that shared a leaf: their distance was computed and offered to both, so that no round need compute it again.

use crate::rng::{below, hash};
use crate::rows::permute_rows;

/// The leaf of every row in every tree.
pub(crate) struct LeafMates {
    /// Trees for which there is room.
    stride: usize,
    trees: usize,
    leaves: Vec<u16>,
}

/// In place of a leaf, for trees that are not grown; and what differs from it.
const NO_LEAF: u16 = u16::MAX;
const NEITHER: u16 = NO_LEAF - 1;
/// Leaves that are compared at once.
const LANES: usize = 8;
/// Trees that are remembered: a cache line of leaves. Later ones have little that is new.
const MOST_TREES: usize = 32;
/// Rows whose candidates [`LeafMates::share_met`] looks at.
const SAMPLE: usize = 64;

impl LeafMates {
    /// Room for `trees` trees over `n` rows.
    pub(crate) fn new(n: usize, trees: usize) -> Self {
        let stride = trees.min(MOST_TREES).next_multiple_of(LANES);
        Self { stride, trees: 0, leaves: vec![NO_LEAF; n * stride] }
    }

    /// Adds a tree, if there is room: leaf `l` is `ids[bounds[l]..bounds[l + 1]]`.
    pub(crate) fn add(&mut self, ids: &[u32], bounds: &[u32]) {
        if self.trees == self.stride || bounds.len() > usize::from(NEITHER) {
            return;
        }
        for (leaf, ends) in bounds.windows(2).enumerate() {
            for &row in &ids[ends[0] as usize..ends[1] as usize] {
                self.leaves[row as usize * self.stride + self.trees] = leaf as u16;
            }
        }
        self.trees += 1;
    }

    /// Puts row `order[i]` in place `i`.
    pub(crate) fn renumber(&mut self, order: &[u32]) {
        permute_rows(&mut self.leaves, self.stride, order);
    }

    /// Moves those of `others` that shared no leaf with `row` to the front, in their order. Returns how many they are.
    pub(crate) fn retain_strangers(&self, row: u32, others: &mut [u32]) -> usize {
        let mut own = [NEITHER; MOST_TREES];
        own.iter_mut().zip(self.of(row)).for_each(|(own, &leaf)| *own = if leaf == NO_LEAF { NEITHER } else { leaf });
        let (own, _) = own.as_chunks::<LANES>();
        let mut count = 0;
        for at in 0..others.len() {
            let other = others[at];
            let (leaves, _) = self.of(other).as_chunks::<LANES>();
            let met = leaves.iter().zip(own).fold(false, |met, (a, b)| met | shares_one(a, b));
            others[count] = other;
            count += usize::from(!met);
        }
        count
    }

    /// The rows, of `n`, that [`LeafMates::share_met`] looks at.
    pub(crate) fn sampled(n: usize, seed: u64) -> impl Iterator<Item = u32> {
        (0..SAMPLE as u64).map(move |draw| below(hash(seed, MET, 0, draw), n) as u32)
    }

    /// The share of the neighbours of neighbours that shared a leaf with the row, over some of `n` rows. The nearer to
    /// 1, the less is left for further trees and for rounds. `neighbors` tells those of a row.
    pub(crate) fn share_met<I: Iterator<Item = u32>>(&self, n: usize, seed: u64, neighbors: impl Fn(u32) -> I) -> f64 {
        let (mut all, mut strangers) = (0, 0);
        for row in Self::sampled(n, seed) {
            let mut others: Vec<u32> = neighbors(row).flat_map(&neighbors).collect();
            others.sort_unstable();
            others.dedup();
            others.retain(|&other| other != row && !neighbors(row).any(|near| near == other));
            all += others.len();
            strangers += self.retain_strangers(row, &mut others);
        }
        1.0 - strangers as f64 / all.max(1) as f64
    }

    fn of(&self, row: u32) -> &[u16] {
        &self.leaves[row as usize * self.stride..][..self.stride]
    }
}

/// Whether two rows have the same leaf in one of some trees.
fn shares_one(a: &[u16; LANES], b: &[u16; LANES]) -> bool {
    let mut equal = 0;
    for i in 0..LANES {
        equal |= u16::from(a[i] == b[i]);
    }
    equal != 0
}

/// Stream of random numbers for the sample.
const MET: u64 = 0x3e7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_in_one_leaf_have_met() {
        let mut mates = LeafMates::new(6, 2);
        let mut all = [0, 1, 2, 3, 4, 5];
        assert_eq!(mates.retain_strangers(3, &mut all), 6, "before the first tree");
        mates.add(&[0, 2, 4, 1, 3, 5], &[0, 3, 6]);
        mates.add(&[5, 1, 0, 2, 3, 4], &[0, 2, 3, 6]);
        let strangers = |mates: &LeafMates, row: u32| {
            let mut others: Vec<u32> = (0..6).filter(|&other| other != row).collect();
            let few = mates.retain_strangers(row, &mut others);
            others.truncate(few);
            others
        };
        assert_eq!(strangers(&mates, 0), [1, 3, 5]);
        assert_eq!(strangers(&mates, 3), [0]);
        assert_eq!(strangers(&mates, 5), [0, 2, 4]);
        mates.renumber(&[5, 4, 3, 2, 1, 0]);
        assert_eq!(strangers(&mates, 0), [1, 3, 5]);
        assert_eq!(strangers(&mates, 2), [5]);
    }
}
