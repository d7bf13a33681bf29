//! Makes every row reachable from the entries.

use crate::graph::order::id;
use crate::metric::Metric;
use crate::search::Index;
use crate::search::beam::BeamScratch;
use crate::search::rows::IndexRows;

use crate::graph::disjoint_sets::DisjointSets;

/// Edges from an entry to entries of other parts.
const BRIDGES: usize = 4;
/// No part, or no row.
const NONE: u32 = u32::MAX;

/// The part that each row was found to be in, and which of these belong together.
struct Parts {
    of: Vec<u32>,
    joined: DisjointSets,
    open: Vec<u32>,
}

impl Parts {
    fn is_reached(&self, row: u32) -> bool {
        self.of.get(row as usize).is_none_or(|&part| part != NONE)
    }
}

impl Index {
    /// Leads to every row. A row that only leads to reachable ones gets edges back from there; one of each part that
    /// leads nowhere becomes an entry. Then entries of parts that no edge connects are linked with the nearest of other
    /// parts, for searches for more neighbours than a part has.
    pub(in crate::search) fn connect(&mut self) {
        let n = self.graph.n();
        if *self.metric() == Metric::InnerProduct {
            self.entries = self.entries.with_largest(&self.rows);
        }
        let mut parts = Parts { of: vec![NONE; n], joined: DisjointSets::new(0), open: Vec::new() };
        let entries = self.entries.rows.to_vec();
        entries.iter().for_each(|&entry| self.reach(entry, &mut parts));
        let (mut before, mut islands) = (vec![NONE; n], Vec::new());
        for row in 0..n as u32 {
            if parts.is_reached(row) {
                continue;
            }
            match self.way_out(row, &parts, &mut before) {
                Some(mut end) => {
                    while end != row {
                        let from = end;
                        end = before[from as usize];
                        self.lead(from, end);
                    }
                }
                None => islands.push(row),
            }
            self.reach(row, &mut parts);
        }
        if !islands.is_empty() {
            self.entries = self.entries.with(&self.rows, &islands, self.entries.grouping());
        }
        self.bridge(&mut parts);
        // Searches that begin with the nearest few entries reach what the others lead to.
        let entries = self.entries.rows.to_vec();
        for (&from, &to) in entries.iter().zip(entries.iter().cycle().skip(1)).filter(|(from, to)| from != to) {
            self.lead(from, to);
        }
    }

    /// The first reached row on the ways from `row`, if there is one; `before` each row on that way is another.
    fn way_out(&self, row: u32, parts: &Parts, before: &mut [u32]) -> Option<u32> {
        let mut open = vec![row];
        before[row as usize] = row;
        let mut at = 0;
        while let Some(&from) = open.get(at) {
            for &to in self.graph.neighbors(from) {
                let Some(unseen) = before.get_mut(to as usize) else { continue };
                if parts.is_reached(to) {
                    *unseen = from;
                    return Some(to);
                }
                if *unseen == NONE {
                    *unseen = from;
                    open.push(to);
                }
            }
            at += 1;
        }
        None
    }

    /// Adds an edge unless it exists.
    fn lead(&mut self, from: u32, to: u32) {
        let mut list = self.graph.neighbors(from).to_vec();
        if !list.contains(&to) {
            list.push(to);
            self.graph.set(from, &list);
        }
    }

    /// Marks the rows that can be reached from `start`: a part of its own, joined with those that it leads to.
    fn reach(&self, start: u32, parts: &mut Parts) {
        if parts.is_reached(start) {
            return;
        }
        let part = parts.joined.add();
        parts.of[start as usize] = part;
        parts.open.push(start);
        while let Some(row) = parts.open.pop() {
            for &next in self.graph.neighbors(row) {
                match parts.of.get_mut(next as usize) {
                    Some(of) if *of == NONE => {
                        *of = part;
                        parts.open.push(next);
                    }
                    Some(of) if *of != part => parts.joined.join(*of, part),
                    _ => {}
                }
            }
        }
    }

    /// Links entries with the nearest of other parts.
    fn bridge(&mut self, parts: &mut Parts) {
        let part: Vec<u32> = parts.of.iter().map(|&of| if of == NONE { of } else { parts.joined.of(of) }).collect();
        let entries = self.entries.rows.to_vec();
        if entries.iter().all(|&entry| part[entry as usize] == part[entries[0] as usize]) {
            return;
        }
        let mut scratch = BeamScratch::default();
        for entry in entries {
            self.rows.set_own_query(entry, self.by_values, &mut scratch.query);
            let near = self.search_graph().starts(&mut scratch).rows;
            let other = |&row: &u32| part.get(row as usize).is_some_and(|&of| of != part[entry as usize]);
            near.map(id).iter().copied().filter(other).take(BRIDGES).for_each(|to| self.lead(entry, to));
        }
    }
}
