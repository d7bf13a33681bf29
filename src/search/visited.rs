//! Which rows a search has seen.

/// A bit a row, cleared by undoing what was set.
#[derive(Default)]
pub(crate) struct Visited {
    words: Vec<u64>,
    touched: Vec<u32>,
}

impl Visited {
    /// Nothing seen, of `n` rows.
    pub(crate) fn reset(&mut self, n: usize) {
        for at in self.touched.drain(..) {
            self.words[at as usize] = 0;
        }
        self.words.resize(n.div_ceil(64), 0);
    }

    /// Marks a row; true the first time. Rows that do not exist count as seen.
    #[inline(always)]
    pub(crate) fn first_time(&mut self, row: u32) -> bool {
        let (at, bit) = (row / 64, 1u64 << (row % 64));
        let Some(word) = self.words.get_mut(at as usize) else { return false };
        let seen = *word & bit != 0;
        if *word == 0 {
            self.touched.push(at);
        }
        *word |= bit;
        !seen
    }
}
