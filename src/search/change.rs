//! Points added, replaced and removed.
//!
//! New rows find their neighbours by searching, and get edges both ways, pruned like all others. Removed rows stay on the way
//! (FreshDiskANN's tombstones; Singh et al. 2021) until they are a fifth of all: then rows that led to them take over their
//! neighbours, and they go.

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;

use crate::distances::direct::Query;
use crate::graph::KnnGraph;
use crate::graph::order::{Neighbor, fresh, id};
use crate::points::{MAX_POINTS, Points, PointsError};

use super::beam::{Reach, Scratch};
use super::diversify::{Diversify, Room};
use super::entries::Entries;
use super::options::SLACK;
use super::{Index, IndexError};

/// Rows added between two looks at the graph: those of one batch are compared with each other one by one.
const BATCH: usize = 512;
/// How widely new rows look for neighbours.
const EPSILON: f32 = 0.2;
/// How edges are chosen after changes, whatever the index was made with.
const DIVERSIFY: Diversify = Diversify { probability: 1.0, slack: SLACK, seed: 0, factors: &[] };
/// One in so many rows may be removed before they are cleared away.
const MOST_REMOVED: usize = 5;

impl Index {
    /// Adds points; the ids that they get, the next ones. The index can be searched before and after.
    ///
    /// # Errors
    /// Points of another type or width than those of the index, more than [`MAX_POINTS`] in all, a distance of the user's own that
    /// is no number: the index then holds what it held.
    ///
    /// # Complexity
    /// A search and some hundred distances a point, and one pass over the graph in all: add many at once.
    pub fn add(&mut self, points: &Points) -> Result<Range<u32>, IndexError> {
        let end = self.end_id() + points.n();
        if end > MAX_POINTS {
            return Err(PointsError::TooMany { n: end }.into());
        }
        let ids: Vec<u32> = (self.end_id..end as u32).collect();
        let points = &self.metric().points_as_taken(points);
        self.check_like(points)?;
        self.append(points, &ids)?;
        self.end_id = end as u32;
        Ok(end as u32 - points.n() as u32..end as u32)
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
        self.append(points, ids)?;
        self.mark_removed(&rows);
        self.clear_away_if_many()
    }

    /// Removes points. Their ids are not given out again.
    ///
    /// # Errors
    /// An id that no point has, an id twice, all points: the index is then as it was.
    pub fn remove(&mut self, ids: &[u32]) -> Result<(), IndexError> {
        let rows = self.distinct_rows(ids)?;
        if rows.len() == self.n() {
            return Err(IndexError::NothingLeft { n: self.n() });
        }
        self.mark_removed(&rows);
        self.clear_away_if_many()
    }

    /// Drops what queries do not need: removed points, and the room left by changed rows.
    ///
    /// # Errors
    /// [`IndexError::TooManyEdges`].
    pub fn compress(&mut self) -> Result<(), IndexError> {
        self.clear_away()
    }

    fn check_like(&self, points: &Points) -> Result<(), IndexError> {
        self.check_dim(points)?;
        let (found, expected) = (points.type_name(), self.rows.given);
        if found != expected {
            return Err(IndexError::Type { found, expected });
        }
        if self.rows.is_comparable(points) { Ok(()) } else { Err(IndexError::OtherItems) }
    }

    fn distinct_rows(&self, ids: &[u32]) -> Result<Vec<u32>, IndexError> {
        let mut rows = self.rows_of_ids(ids)?;
        rows.sort_unstable();
        match rows.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(IndexError::IdTwice { id: self.order[pair[0] as usize] }),
            None => Ok(rows),
        }
    }

    /// Adds rows with these ids; they are gone again where one's distance from another is no number.
    fn append(&mut self, points: &Points, ids: &[u32]) -> Result<(), IndexError> {
        let first = self.graph.n() as u32;
        self.rows.take_wrong_pair();
        self.append_unchecked(points, ids)?;
        self.check_distances().or_else(|error| {
            self.mark_removed(&(first..self.graph.n() as u32).collect::<Vec<u32>>());
            self.clear_away()?;
            Err(error)
        })
    }

    fn append_unchecked(&mut self, points: &Points, ids: &[u32]) -> Result<(), IndexError> {
        let unit = self.rows.push(points)?;
        self.nearest *= unit;
        for batch in ids.chunks(BATCH) {
            let first = self.order.len() as u32;
            self.order.edit(|order| order.extend_from_slice(batch));
            for _ in batch {
                self.graph.push();
            }
            self.link(first..self.order.len() as u32)?;
        }
        if self.entries.are_few_for(self.graph.n()) {
            self.entries = Entries::choose(&self.rows, self.graph.n());
        }
        self.connect();
        Ok(())
    }

    /// Gives new rows their edges, and others edges to them.
    fn link(&mut self, new: Range<u32>) -> Result<(), IndexError> {
        let lists: Vec<Vec<Neighbor>> = new
            .clone()
            .into_par_iter()
            .map_init(Linker::default, |linker, row| {
                linker.find(self, row, new.clone());
                DIVERSIFY.prune(&self.rows, row, &mut linker.found, self.max_degree, &mut linker.room);
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
                    DIVERSIFY.prune(&self.rows, row, &mut linker.found, self.max_degree, &mut linker.room);
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

    fn clear_away_if_many(&mut self) -> Result<(), IndexError> {
        if self.n_removed * MOST_REMOVED > self.graph.n() { self.clear_away() } else { Ok(()) }
    }

    /// Rows that led to removed ones take over their neighbours; the removed ones go.
    fn clear_away(&mut self) -> Result<(), IndexError> {
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
                    DIVERSIFY.prune(&self.rows, row, &mut linker.found, self.max_degree, &mut linker.room);
                    return linker.found.iter().map(|&n| place[id(n) as usize]).collect();
                }
                edges.iter().filter_map(|&to| place.get(to as usize).copied()).collect()
            })
            .collect();
        let too_many = IndexError::TooManyEdges { n: kept.len(), max_degree: self.max_degree };
        self.graph = super::Adjacency::of_lists(lists.iter().map(|list| &list[..])).ok_or(too_many)?;
        self.rows.select(&kept);
        self.order = kept.iter().map(|&row| self.order[row as usize]).collect::<Vec<u32>>().into();
        self.entries = Entries::choose(&self.rows, kept.len());
        self.removed = Vec::new().into();
        self.n_removed = 0;
        self.connect();
        Ok(())
    }
}

/// Room for finding one row's neighbours after another's.
#[derive(Default)]
struct Linker {
    scratch: Scratch,
    room: Room,
    query: Query,
    ids: Vec<u32>,
    distances: Vec<f32>,
    found: Vec<Neighbor>,
}

impl Linker {
    /// The rows near `row`, by searching, and among the `new` ones by comparing with each.
    fn find(&mut self, index: &Index, row: u32, new: Range<u32>) {
        index.rows.set_own_query(row, &mut self.scratch.query);
        let present = |row: u32| !index.is_removed(row);
        let reach = Reach {
            k: index.max_degree.min(index.n()),
            width: index.max_degree,
            epsilon: EPSILON,
            allowed: Some(&present),
            ..Reach::default()
        };
        let starts = index.field().starts(&mut self.scratch);
        self.ids.clear();
        self.ids.extend(index.field().search(&starts, reach, &mut self.scratch).iter().map(|&n| id(n)));
        self.ids.extend(new.filter(|&other| other != row));
        let ids = std::mem::take(&mut self.ids);
        self.rank(index, row, ids.iter().copied());
        self.ids = ids;
        // Comparing with all of a batch must not crowd out what the search found: the nearest of both.
        self.found.truncate(2 * index.max_degree);
    }

    /// The present rows that `row` leads to, and those that its removed neighbours lead to.
    fn bypass(&mut self, index: &Index, row: u32) {
        let edges = index.graph.neighbors(row);
        let behind = edges.iter().filter(|&&to| index.is_removed(to)).flat_map(|&to| index.graph.neighbors(to));
        let near: Vec<u32> = edges.iter().chain(behind).copied().filter(|&to| !index.is_removed(to)).collect();
        self.rank(index, row, near.into_iter());
    }

    /// `others`, each once and without `row`, by their distance from it.
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
