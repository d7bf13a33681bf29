//! Points added, replaced and removed.
//!
//! New rows find their neighbours by searching, and get edges both ways, pruned like all others. Removed rows stay in
//! the graph as tombstones (FreshDiskANN; Singh et al. 2021) until they are a fifth of all: then rows that led to them
//! take over their neighbours, and they are dropped.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use rayon::prelude::*;

use crate::distances::direct::Query;
use crate::error::BuildError;
use crate::graph::KnnGraph;
use crate::graph::order::{Neighbor, fresh, id};
use crate::points::{MAX_POINTS, Points, PointsError};
use crate::progress::{Phase, Progress};

use super::Index;
use super::adjacency::Adjacency;
use super::beam::{BeamParams, BeamScratch};
use super::error::IndexError;
use super::options::SLACK;
use super::prepare::diversify::{Diversify, DiversifyScratch};
use super::prepare::entries::Entries;
use super::rows::IndexRows;
use super::rows::element_type::ElementType;
use super::ticker::{Ticker, Watcher};

/// Rows added to the graph at once. The rows of a batch do not find each other by searching: all are compared.
const BATCH: usize = 512;
/// Epsilon of the searches for the neighbours of new rows.
const EPSILON: f32 = 0.2;
/// How edges are chosen after changes, whatever the index was made with.
const DIVERSIFY: Diversify = Diversify { probability: 1.0, slack: SLACK, seed: 0, factors: &[] };
/// One in so many rows may be a tombstone before all are dropped.
const MOST_REMOVED: usize = 5;

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
        self.append(points, &new.clone().collect::<Vec<u32>>(), progress)?;
        self.id_bound = bound as u32;
        Ok(bound as u32 - points.n() as u32..bound as u32)
    }

    /// Replaces the points `ids` by others, one row of `points` for each.
    ///
    /// # Errors
    /// Points of another type or width, an id that no point has, an id twice, another number of ids than points.
    pub fn update(&mut self, ids: &[u32], points: &Points) -> Result<(), IndexError> {
        let points = &self.metric().points_as_taken(points);
        self.check_like(points)?;
        if ids.len() != points.n() {
            return Err(IndexError::IdCount { found: ids.len(), expected: points.n() });
        }
        let rows = self.distinct_rows(ids)?;
        self.append(points, ids, None)?;
        self.mark_removed(&rows);
        self.drop_tombstones_if_many()
    }

    /// Removes points. Their ids are not given out again.
    ///
    /// # Errors
    /// An id that no point has, an id twice, all points: the index is then as it was.
    pub fn remove(&mut self, ids: &[u32]) -> Result<(), IndexError> {
        let rows = self.distinct_rows(ids)?;
        if rows.len() == self.len() {
            return Err(IndexError::NothingLeft { n: self.len() });
        }
        self.mark_removed(&rows);
        self.drop_tombstones_if_many()
    }

    /// Drops what queries do not need: removed points, and the gaps that changed rows left.
    ///
    /// # Errors
    /// [`IndexError::TooManyEdges`].
    pub fn compact(&mut self) -> Result<(), IndexError> {
        self.drop_tombstones()
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

    /// Adds rows with these ids; drops them again if a distance is not finite, or if it is cancelled.
    fn append(&mut self, points: &Points, ids: &[u32], progress: Option<&Watcher>) -> Result<(), IndexError> {
        if ids.is_empty() {
            return Ok(());
        }
        let first = self.graph.n() as u32;
        self.rows.take_wrong_pair();
        let unit = Arc::make_mut(&mut self.rows).push(points)?;
        self.nearest *= unit;
        let linked = self.link_all(ids, &Ticker::new(progress, Phase::Add, ids.len()));
        linked.and_then(|()| self.check_distances()).or_else(|error| {
            // Rows that are not linked yet are dropped with the others.
            let n = first + ids.len() as u32;
            self.order.edit(|order| order.resize(n as usize, 0));
            (self.graph.n() as u32..n).for_each(|_| self.graph.push());
            self.mark_removed(&(first..n).collect::<Vec<u32>>());
            self.drop_tombstones()?;
            Err(error)
        })
    }

    fn link_all(&mut self, ids: &[u32], ticker: &Ticker) -> Result<(), IndexError> {
        for batch in ids.chunks(BATCH) {
            let first = self.order.len() as u32;
            self.order.edit(|order| order.extend_from_slice(batch));
            for _ in batch {
                self.graph.push();
            }
            self.link(first..self.order.len() as u32)?;
            if !ticker.advance(batch.len()) {
                return Err(IndexError::Cancelled);
            }
        }
        if self.entries.are_few_for(self.graph.n()) {
            self.entries = Entries::choose(&self.rows, self.graph.n());
        }
        self.connect();
        Ok(())
    }

    /// Links new rows: edges from them, and back.
    fn link(&mut self, new: Range<u32>) -> Result<(), IndexError> {
        let lists: Vec<Vec<Neighbor>> = new
            .clone()
            .into_par_iter()
            .map_init(Linker::default, |linker, row| {
                linker.find(self, row, new.clone());
                DIVERSIFY.prune(&self.rows, row, &mut linker.found, self.max_degree, &mut linker.diversify);
                linker.found.clone()
            })
            .collect();
        let mut back: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (row, list) in new.clone().zip(&lists) {
            self.set(row, list)?;
            list.iter().for_each(|&to| back.entry(id(to)).or_default().push(row));
        }
        let merged: Vec<(u32, Vec<Neighbor>)> = back
            .into_par_iter()
            .map_init(Linker::default, |linker, (row, more)| {
                linker.rank(self, row, self.graph.neighbors(row).iter().copied().chain(more));
                if linker.found.len() > self.max_degree {
                    DIVERSIFY.prune(&self.rows, row, &mut linker.found, self.max_degree, &mut linker.diversify);
                }
                (row, linker.found.clone())
            })
            .collect();
        merged.iter().try_for_each(|(row, list)| self.set(*row, list))
    }

    fn set(&mut self, row: u32, list: &[Neighbor]) -> Result<(), IndexError> {
        let ids: Vec<u32> = list.iter().map(|&n| id(n)).collect();
        let too_many = IndexError::TooManyEdges { n: self.graph.n(), max_degree: self.max_degree };
        self.graph.set(row, &ids).then_some(()).ok_or(too_many)
    }

    fn mark_removed(&mut self, rows: &[u32]) {
        let words = self.graph.n().div_ceil(64);
        self.removed.edit(|bits| {
            bits.resize(words, 0);
            rows.iter().for_each(|&row| bits[row as usize / 64] |= 1 << (row % 64));
        });
        self.n_removed += rows.len();
    }

    fn drop_tombstones_if_many(&mut self) -> Result<(), IndexError> {
        if self.n_removed * MOST_REMOVED > self.graph.n() { self.drop_tombstones() } else { Ok(()) }
    }

    /// Rows that led to removed ones take over their neighbours; the removed ones are dropped.
    fn drop_tombstones(&mut self) -> Result<(), IndexError> {
        let kept: Vec<u32> = self.present_rows().collect();
        let mut place = vec![KnnGraph::NO_NEIGHBOR; self.graph.n()];
        kept.iter().enumerate().for_each(|(at, &row)| place[row as usize] = at as u32);
        let lists: Vec<Vec<u32>> = kept
            .par_iter()
            .with_min_len(16)
            .map_init(Linker::default, |linker, &row| {
                let edges = self.graph.neighbors(row);
                if edges.iter().any(|&to| self.is_removed(to)) {
                    linker.bypass(self, row);
                    DIVERSIFY.prune(&self.rows, row, &mut linker.found, self.max_degree, &mut linker.diversify);
                    return linker.found.iter().map(|&n| place[id(n) as usize]).collect();
                }
                edges.iter().filter_map(|&to| place.get(to as usize).copied()).collect()
            })
            .collect();
        let too_many = IndexError::TooManyEdges { n: kept.len(), max_degree: self.max_degree };
        self.graph = Adjacency::of_lists(lists.iter().map(|list| &list[..])).ok_or(too_many)?;
        Arc::make_mut(&mut self.rows).select(&kept);
        self.order = kept.iter().map(|&row| self.order[row as usize]).collect::<Vec<u32>>().into();
        self.entries = Entries::choose(&self.rows, kept.len());
        self.removed = Vec::new().into();
        self.n_removed = 0;
        self.connect();
        Ok(())
    }
}

/// Memory for finding one row's neighbours after another's.
#[derive(Default)]
struct Linker {
    beam: BeamScratch,
    diversify: DiversifyScratch,
    query: Query,
    ids: Vec<u32>,
    distances: Vec<f32>,
    found: Vec<Neighbor>,
}

impl Linker {
    /// Finds the rows near `row`: by searching, and among the `new` ones by comparing with each.
    fn find(&mut self, index: &Index, row: u32, new: Range<u32>) {
        index.rows.set_own_query(row, index.by_values, &mut self.beam.query);
        let present = |row: u32| !index.is_removed(row);
        let params = BeamParams {
            k: index.max_degree.min(index.len()),
            width: index.max_degree,
            epsilon: EPSILON,
            eligible: Some(&present),
            ..BeamParams::default()
        };
        let starts = index.search_graph().starts(&mut self.beam);
        self.ids.clear();
        self.ids.extend(index.search_graph().search(&starts, params, &mut self.beam).iter().map(|&n| id(n)));
        self.ids.extend(new.filter(|&other| other != row));
        let ids = std::mem::take(&mut self.ids);
        self.rank(index, row, ids.iter().copied());
        self.ids = ids;
        // The nearest, whichever found them.
        self.found.truncate(2 * index.max_degree);
    }

    /// Finds the present neighbours of `row`, and those of its removed neighbours.
    fn bypass(&mut self, index: &Index, row: u32) {
        let edges = index.graph.neighbors(row);
        let behind = edges.iter().filter(|&&to| index.is_removed(to)).flat_map(|&to| index.graph.neighbors(to));
        let near: Vec<u32> = edges.iter().chain(behind).copied().filter(|&to| !index.is_removed(to)).collect();
        self.rank(index, row, near.into_iter());
    }

    /// Sorts `others`, each once and without `row`, by their distance from it.
    fn rank(&mut self, index: &Index, row: u32, others: impl Iterator<Item = u32>) {
        let mut ids: Vec<u32> = others.filter(|&other| other != row && (other as usize) < index.graph.n()).collect();
        ids.sort_unstable();
        ids.dedup();
        index.rows.between(row, &ids, &mut self.query, &mut self.distances);
        self.found.clear();
        self.found.extend(ids.iter().zip(&self.distances).map(|(&other, &d)| fresh(d, other)));
        self.found.sort_unstable();
    }
}
