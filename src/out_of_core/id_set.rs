//! Sets of rows, with the place of each among them in ascending order.

/// Some of `n` rows: a bit for each of the `n`, and how many are in the set before each word of bits.
pub(super) struct IdSet {
    words: Vec<u64>,
    before: Vec<u32>,
}

impl IdSet {
    /// The set of `ids`, below `n`, in any order and any number of times.
    pub(super) fn new(n: usize, ids: impl Iterator<Item = u32>) -> Self {
        let mut words = vec![0u64; n.div_ceil(64)];
        ids.for_each(|id| words[id as usize / 64] |= 1 << (id % 64));
        let mut sum = 0;
        let before = words.iter().map(|word| {
            sum += word.count_ones();
            sum - word.count_ones()
        });
        Self { before: before.collect(), words }
    }

    /// All of them, ascending.
    pub(super) fn ids(&self) -> Vec<u32> {
        let mut ids = Vec::with_capacity(self.before.last().map_or(0, |before| *before as usize + 64));
        for (at, &word) in self.words.iter().enumerate() {
            let mut left = word;
            while left != 0 {
                ids.push(64 * at as u32 + left.trailing_zeros());
                left &= left - 1;
            }
        }
        ids
    }

    /// The place of a row of the set in [`IdSet::ids`]; for others, that of the next one that is in it.
    #[inline]
    pub(super) fn place(&self, id: u32) -> usize {
        let smaller = self.words[id as usize / 64] & ((1 << (id % 64)) - 1);
        (self.before[id as usize / 64] + smaller.count_ones()) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_sorted_ids() {
        for ids in [vec![], vec![0], vec![63, 64, 199, 5, 64, 0, 128, 127], (0..200).rev().collect()] {
            let set = IdSet::new(200, ids.iter().copied());
            let mut sorted = ids.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(set.ids(), sorted);
            for (place, id) in sorted.iter().enumerate() {
                assert_eq!(set.place(*id), place, "{id}");
            }
        }
    }
}
