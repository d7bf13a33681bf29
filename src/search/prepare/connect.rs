//! Makes every row reachable from the entries.

use crate::graph::order::id;
use crate::search::Index;
use crate::search::beam::{BeamParams, BeamScratch};
use crate::search::rows::IndexRows;

/// Candidates for the edge to an unreachable row.
const FOUND: usize = 8;

impl Index {
    /// Links the entries in a ring, because a search begins with only the nearest few; then gives every unreachable row
    /// an edge from a reachable row near it.
    pub(in crate::search) fn connect(&mut self) {
        let entries = self.entries.rows.to_vec();
        for (&from, &to) in entries.iter().zip(entries.iter().cycle().skip(1)).filter(|(from, to)| from != to) {
            self.lead(from, to);
        }
        let mut reached = vec![false; self.graph.n()];
        self.reach(&entries, &mut reached);
        let mut scratch = BeamScratch::default();
        for row in 0..self.graph.n() as u32 {
            if reached[row as usize] {
                continue;
            }
            self.rows.set_own_query(row, self.by_values, &mut scratch.query);
            let params = BeamParams { k: FOUND, width: FOUND, epsilon: 0.1, ..BeamParams::default() };
            let starts = self.search_graph().starts(&mut scratch);
            let found = self.search_graph().search(&starts, params, &mut scratch);
            // Whatever a search finds is reachable. The row with the fewest edges gets the new one.
            let from = found.iter().take(FOUND).map(|&f| id(f)).min_by_key(|&f| self.graph.neighbors(f).len());
            if let Some(from) = from {
                self.lead(from, row);
            }
            self.reach(&[row], &mut reached);
        }
    }

    /// Adds an edge unless it exists.
    fn lead(&mut self, from: u32, to: u32) {
        let mut list = self.graph.neighbors(from).to_vec();
        if !list.contains(&to) {
            list.push(to);
            self.graph.set(from, &list);
        }
    }

    /// Marks the rows that can be reached from `starts`.
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
