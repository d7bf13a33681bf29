//! Which rows a search has seen.

/// One bit per row; only set bits are cleared.
#[derive(Default)]
pub(crate) struct Visited {
    words: Vec<u64>,
    n: u32,
    seen: Vec<u32>,
}

impl Visited {
    /// Forgets everything, and makes room for `n` rows.
    pub(crate) fn reset(&mut self, n: usize) {
        for row in self.seen.drain(..) {
            self.words[row as usize / 64] = 0;
        }
        self.words.resize(n.div_ceil(64), 0);
        self.n = n as u32;
    }

    /// Marks `rows`; adds to `new` those that were not marked before, in their order. Rows that do not exist count as
    /// seen.
    #[inline(always)]
    pub(crate) fn mark(&mut self, rows: &[u32], new: &mut Vec<u32>) {
        let first = new.len();
        let mut count = first;
        new.resize(first + rows.len(), 0);
        for &row in rows {
            let Some(word) = self.words.get_mut(row as usize / 64).filter(|_| row < self.n) else { continue };
            let bit = 1u64 << (row % 64);
            // Always written, kept if new: no branch to mispredict.
            new[count] = row;
            count += usize::from(*word & bit == 0);
            *word |= bit;
        }
        new.truncate(count);
        self.seen.extend_from_slice(&new[first..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_new_once() {
        let (mut visited, mut new) = (Visited::default(), Vec::new());
        for _ in 0..3 {
            visited.reset(100);
            new.clear();
            visited.mark(&[5, 99, 5, 100, 128, u32::MAX, 0], &mut new);
            assert_eq!(new, [5, 99, 0]);
            visited.mark(&[99, 1], &mut new);
            assert_eq!(new, [5, 99, 0, 1]);
        }
    }
}
