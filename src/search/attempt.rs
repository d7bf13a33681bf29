//! Changes that happen as a whole or not at all.

use std::sync::Arc;

use crate::storage::Storage;

use super::Index;
use super::adjacency::Adjacency;
use super::error::IndexError;
use super::prepare::entries::Entries;
use super::rows::{IndexRows, SearchRows};

/// An index under change, and what it was before: put back unless the change succeeds, after a panic too.
struct Attempt<'i> {
    index: &'i mut Index,
    before: Option<Before>,
}

/// What an index was. Arrays are shared with the index until it changes its own.
struct Before {
    /// Rows that a change may drop before it fails; else only rows behind these were added, which are cut off again.
    rows: Option<Arc<SearchRows>>,
    n_rows: usize,
    graph: Adjacency,
    order: Storage<u32>,
    entries: Entries,
    nearest: f32,
    /// Of `nearest`.
    unit: f32,
    removed: Storage<u64>,
    n_removed: usize,
    id_bound: u32,
}

impl Before {
    fn of(index: &Index, keeps_rows: bool) -> Self {
        Self {
            rows: keeps_rows.then(|| Arc::clone(&index.rows)),
            n_rows: index.rows.n(),
            graph: index.graph.clone(),
            order: index.order.clone(),
            entries: index.entries.clone(),
            nearest: index.nearest,
            unit: index.rows.unit(),
            removed: index.removed.clone(),
            n_removed: index.n_removed,
            id_bound: index.id_bound,
        }
    }

    fn restore(self, index: &mut Index) {
        match self.rows {
            Some(rows) => index.rows = rows,
            None if index.rows.n() > self.n_rows => {
                let kept: Vec<u32> = (0..self.n_rows as u32).collect();
                Arc::make_mut(&mut index.rows).select(&kept);
            }
            None => {}
        }
        (index.graph, index.order, index.entries) = (self.graph, self.order, self.entries);
        (index.nearest, index.id_bound) = (self.nearest * (index.rows.unit() / self.unit), self.id_bound);
        (index.removed, index.n_removed) = (self.removed, self.n_removed);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            before.restore(self.index);
        }
    }
}

impl Index {
    /// Makes a change; if it fails or panics, the index is as it was. `keeps_rows`: it may fail after rows were
    /// dropped, which are therefore copied; those of custom distances always are, as they cost little and may fail at
    /// any time.
    pub(super) fn attempt<R>(
        &mut self,
        keeps_rows: bool,
        change: impl FnOnce(&mut Self) -> Result<R, IndexError>,
    ) -> Result<R, IndexError> {
        self.check_parts()?;
        let before = Before::of(self, keeps_rows || self.rows.are_items());
        let mut attempt = Attempt { index: self, before: Some(before) };
        attempt.index.rows.take_wrong_pair();
        let result = change(attempt.index)?;
        attempt.index.check_distances()?;
        attempt.before = None;
        Ok(result)
    }

    /// Fails if parts do not fit together, as in a damaged file that was not verified.
    pub(super) fn check_parts(&self) -> Result<(), IndexError> {
        if !self.graph.is_mapped() {
            return Ok(());
        }
        if let Some(id) = self.order.iter().copied().max().filter(|&id| id >= self.id_bound) {
            return Err(IndexError::Damaged { what: format!("a point {id}, but ids end at {}", self.id_bound) });
        }
        self.graph.check().map_err(|what| IndexError::Damaged { what })
    }
}
