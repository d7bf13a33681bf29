//! Points added, replaced and removed.
//!
//! New rows find their neighbours by searching, and get edges both ways, pruned like all others (`link.rs`). Removed
//! rows stay in the graph as tombstones until they are a fifth of all: then rows that led to them take over their
//! neighbours, and they are dropped (`tombstones.rs`). What fails leaves the index as it was (`attempt.rs`).

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use crate::error::BuildError;
use crate::points::{MAX_POINTS, Points, PointsError};
use crate::progress::{Phase, Progress};

use super::Index;
use super::error::IndexError;
use super::rows::element_type::ElementType;
use super::rows::{IndexRows, SearchRows};
use super::ticker::{Ticker, Watcher};

/// Rows by which a compressed copy is judged.
const GROUPS: usize = 200;

impl Index {
    /// Adds points; the ids that they get, the next ones. Indexes cloned from this one before stay as they were.
    ///
    /// ```
    /// use nndescent::{Metric, NnDescent, Points};
    ///
    /// let data: Vec<f32> = (0..500 * 8).map(|i| ((i * 37) % 101) as f32).collect();
    /// let mut index = NnDescent::new(Metric::Euclidean).index(&Points::dense(&data[..400 * 8], 400, 8)?)?.index;
    /// let snapshot = index.clone(); // shares the data
    /// assert_eq!(index.add(&Points::dense(&data[400 * 8..], 100, 8)?)?, 400..500);
    /// index.remove(&[0, 1, 2])?;
    /// assert_eq!((index.len(), snapshot.len()), (497, 400));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Points of another type or width than those of the index, more than [`Points::MAX_ROWS`] in all, a custom
    /// distance that is not finite: the index then holds what it held.
    ///
    /// # Complexity
    /// A search and some hundred distances a point, and one pass over the graph in all: add many at once. The first
    /// change while a clone exists copies what it changes.
    pub fn add(&mut self, points: &Points) -> Result<Range<u32>, IndexError> {
        self.add_watched(points, None)
    }

    /// The same; `progress` is called after every 512 points, and can end it.
    ///
    /// # Errors
    /// Same as [`Index::add`]; [`IndexError::Cancelled`]: the index then holds what it held.
    pub fn add_with_progress(
        &mut self,
        points: &Points,
        progress: impl Fn(&Progress) -> ControlFlow<()> + Send + Sync,
    ) -> Result<Range<u32>, IndexError> {
        self.add_watched(points, Some(&progress))
    }

    fn add_watched(&mut self, points: &Points, progress: Option<&Watcher>) -> Result<Range<u32>, IndexError> {
        let bound = self.id_bound() + points.n();
        if bound > MAX_POINTS {
            return Err(PointsError::TooMany { n: bound }.into());
        }
        let new = self.id_bound..bound as u32;
        let points = &self.metric().points_as_taken(points);
        self.check_like(points)?;
        self.attempt(false, |index| {
            index.id_bound = new.end;
            index.append(points, &new.clone().collect::<Vec<u32>>(), progress)
        })?;
        Ok(new)
    }

    /// Replaces the points `ids` by others, one row of `points` for each.
    ///
    /// # Errors
    /// Points of another type or width, an id that no point has, an id twice, another number of ids than points, a
    /// custom distance that is not finite: the index is then as it was.
    pub fn update(&mut self, ids: &[u32], points: &Points) -> Result<(), IndexError> {
        let points = &self.metric().points_as_taken(points);
        self.check_like(points)?;
        if ids.len() != points.n() {
            return Err(IndexError::IdCount { found: ids.len(), expected: points.n() });
        }
        let rows = self.distinct_rows(ids)?;
        // Rows are dropped before others can fail.
        let keeps_rows = self.are_many_tombstones(rows.len());
        self.attempt(keeps_rows, |index| {
            index.mark_removed(&rows);
            index.drop_tombstones_if_many()?;
            index.append(points, ids, None)
        })
    }

    /// Removes points. Their ids are not given out again. An index without points finds nothing, and can be added to.
    ///
    /// # Errors
    /// An id that no point has, an id twice: the index is then as it was.
    pub fn remove(&mut self, ids: &[u32]) -> Result<(), IndexError> {
        let rows = self.distinct_rows(ids)?;
        self.attempt(false, |index| {
            index.mark_removed(&rows);
            index.drop_tombstones_if_many()
        })
    }

    /// Drops what queries do not need: removed points, and the gaps that changed rows left.
    ///
    /// # Errors
    /// [`IndexError::TooManyEdges`].
    pub fn compact(&mut self) -> Result<(), IndexError> {
        self.attempt(false, Self::drop_tombstones)
    }

    fn check_like(&self, points: &Points) -> Result<(), IndexError> {
        if points.dim() != self.dim() {
            return Err(IndexError::Dimension { found: points.dim(), expected: self.dim() });
        }
        let (found, expected) = (ElementType::of(points), self.rows.given);
        if found != expected {
            return Err(IndexError::Type { found: found.name(), expected: expected.name() });
        }
        if self.rows.is_comparable(points) { Ok(()) } else { Err(IndexError::OtherItems) }
    }

    /// Fails if a custom distance turned out, since the last call, not to be finite.
    pub(super) fn check_distances(&self) -> Result<(), IndexError> {
        match self.wrong_items() {
            Some((a, b)) => Err(BuildError::CustomDistance { a, b, reason: self.rows.failure() }.into()),
            None => Ok(()),
        }
    }

    fn distinct_rows(&self, ids: &[u32]) -> Result<Vec<u32>, IndexError> {
        let unknown = |id| IndexError::UnknownId { id, bound: self.id_bound() };
        let mut rows = self.rows_of_ids(ids).map_err(unknown)?;
        rows.sort_unstable();
        match rows.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(IndexError::IdTwice { id: self.order[pair[0] as usize] }),
            None => Ok(rows),
        }
    }

    /// Adds rows with these ids.
    fn append(&mut self, points: &Points, ids: &[u32], progress: Option<&Watcher>) -> Result<(), IndexError> {
        if ids.is_empty() {
            return Ok(());
        }
        let first = self.graph.n();
        let new = first as u32..(first + ids.len()) as u32;
        self.change_rows(|rows| rows.push(points))?;
        self.order.edit(|order| order.extend_from_slice(ids));
        let before = (self.graph.clone(), self.entries.clone(), self.nearest, self.rows.unit());
        self.graph.grow(ids.len());
        self.link_all(new.clone(), &Ticker::new(progress, Phase::Add, ids.len()))?;
        let groups = [first, new.end as usize].map(|n| self.groups(n));
        let did_harm = self.change_rows(|rows| Ok(rows.review_copy(&groups[0], &groups[1])))?;
        if !did_harm {
            return Ok(());
        }
        // Once more, by the values.
        let unit;
        (self.graph, self.entries, self.nearest, unit) = before;
        self.nearest *= self.rows.unit() / unit;
        self.graph.grow(ids.len());
        self.link_all(new, &Ticker::new(progress, Phase::Add, ids.len()))
    }

    /// Changes the rows, and with them the unit of what is known of their distances.
    fn change_rows<R>(
        &mut self,
        change: impl FnOnce(&mut SearchRows) -> Result<R, IndexError>,
    ) -> Result<R, IndexError> {
        let before = self.rows.unit();
        let result = change(Arc::make_mut(&mut self.rows))?;
        self.nearest *= self.rows.unit() / before;
        Ok(result)
    }

    /// Some of the first `n` rows with their neighbours, from all over the index.
    fn groups(&self, n: usize) -> Vec<Vec<u32>> {
        let group = |row: u32| {
            let neighbors = self.graph.neighbors(row).iter().copied().filter(|&to| (to as usize) < n);
            std::iter::once(row).chain(neighbors).collect()
        };
        (0..n as u32).step_by(n.div_ceil(GROUPS).max(1)).map(group).collect()
    }
}
