//! Every row reachable from the entries.

use crate::graph::order::id;

use super::Index;
use super::beam::{Reach, Scratch};

/// Rows that a search finds for one that no edge leads to.
const FOUND: usize = 8;

impl Index {
    /// Links the entries in a ring, for a search begins with the nearest few alone; then gives every row that cannot be reached
    /// from them an edge from one that can, near it.
    pub(super) fn connect(&mut self) {
        let entries = self.entries.rows.to_vec();
        for (&from, &to) in entries.iter().zip(entries.iter().cycle().skip(1)).filter(|(from, to)| from != to) {
            self.lead(from, to);
        }
        let mut reached = vec![false; self.graph.n()];
        self.reach(&entries, &mut reached);
        let mut scratch = Scratch::default();
        for row in 0..self.graph.n() as u32 {
            if reached[row as usize] {
                continue;
            }
            self.rows.set_own_query(row, &mut scratch.query);
            let reach = Reach { k: FOUND, width: FOUND, epsilon: 0.1, ..Reach::default() };
            // What a search finds has been reached; the one with the fewest edges is to lead on.
            let found = {
                let starts = self.field().starts(&mut scratch);
                self.field().search(&starts, reach, &mut scratch).iter()
            }
            .take(FOUND)
            .map(|&f| id(f));
            let from = found.min_by_key(|&f| self.graph.neighbors(f).len());
            if let Some(from) = from {
                self.lead(from, row);
            }
            self.reach(&[row], &mut reached);
        }
    }

    /// Adds an edge, unless it is there.
    fn lead(&mut self, from: u32, to: u32) {
        let mut list = self.graph.neighbors(from).to_vec();
        if !list.contains(&to) {
            list.push(to);
            self.graph.set(from, &list);
        }
    }

    /// Marks what can be reached from `starts`.
    fn reach(&self, starts: &[u32], reached: &mut [bool]) {
        let mut open: Vec<u32> = Vec::new();
        let mut mark = |row: u32, open: &mut Vec<u32>| {
            if let Some(mark) = reached.get_mut(row as usize)
                && !*mark
            {
                *mark = true;
                open.push(row);
            }
        };
        starts.iter().for_each(|&row| mark(row, &mut open));
        while let Some(row) = open.pop() {
            self.graph.neighbors(row).iter().for_each(|&next| mark(next, &mut open));
        }
    }
}
