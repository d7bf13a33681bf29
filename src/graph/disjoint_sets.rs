//! Disjoint sets of numbers.

/// Sets of the numbers below `n`, each alone at first; a set is known by its least number.
pub(crate) struct DisjointSets(Vec<u32>);

impl DisjointSets {
    pub(crate) fn new(n: usize) -> Self {
        Self((0..n as u32).collect())
    }

    /// The set that `i` is in.
    pub(crate) fn of(&mut self, mut i: u32) -> u32 {
        while self.0[i as usize] != i {
            // Halving the path keeps it short.
            self.0[i as usize] = self.0[self.0[i as usize] as usize];
            i = self.0[i as usize];
        }
        i
    }

    /// Adds a number, alone.
    pub(crate) fn add(&mut self) -> u32 {
        self.0.push(self.0.len() as u32);
        self.0.len() as u32 - 1
    }

    /// Makes one set of the two that `a` and `b` are in.
    pub(crate) fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.of(a), self.of(b));
        self.0[a.max(b) as usize] = a.min(b);
    }
}
