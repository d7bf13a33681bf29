//! A neighbour graph as analyses take it: checked once, without self-loops.

use std::borrow::Cow;

use rayon::prelude::*;

use super::error::AnalysisError;
use crate::graph::{CsrGraph, KnnGraph, Neighbor};

/// A neighbour graph whose ids exist, whose rows are ascending, and where no row has itself or another twice.
///
/// A row's own id, which graphs of other libraries begin with, and places without a neighbour are left out: rows may
/// differ in length.
///
/// ```
/// use nndescent::analysis::CheckedGraph;
/// use nndescent::{Metric, Points, exact};
///
/// let points = Points::dense(&[0.0f32, 1.0, 3.0], 3, 1)?;
/// let with_itself = exact::graph(&points, &Metric::Euclidean, 2, true)?;
/// let graph = CheckedGraph::new(&with_itself)?;
/// assert_eq!((graph.ids(0), graph.distances(2)), (&[1][..], &[2.0][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct CheckedGraph<'a> {
    end: usize,
    /// Where every row begins, and where the last ends.
    starts: Vec<usize>,
    ids: Cow<'a, [u32]>,
    distances: Cow<'a, [f32]>,
}

impl<'a> CheckedGraph<'a> {
    /// Checks the graph of a set of points.
    ///
    /// # Errors
    /// Ids that are not rows, an id twice in a row, distances that are NaN or not ascending.
    ///
    /// # Complexity
    /// O(n · k · log k).
    pub fn new(graph: &'a KnnGraph) -> Result<Self, AnalysisError> {
        Self::checked(graph, graph.n(), true)
    }

    /// Checks what queries found among `n` points: a row for each query, ids below `n`. A row's number says nothing of
    /// its id, so nothing is left out as its own.
    ///
    /// # Errors
    /// Same as [`CheckedGraph::new`].
    pub fn of_queries(found: &'a KnnGraph, n: usize) -> Result<Self, AnalysisError> {
        Self::checked(found, n, false)
    }

    fn checked(graph: &'a KnnGraph, end: usize, drops_self: bool) -> Result<Self, AnalysisError> {
        let rows = (0..graph.n()).into_par_iter().with_min_len(1024);
        let lengths: Vec<usize> = rows
            .map_init(Vec::new, |sorted, i| checked_length(graph, i, end, drops_self, sorted))
            .collect::<Result<_, _>>()?;
        let mut starts = vec![0; graph.n() + 1];
        for (i, length) in lengths.into_iter().enumerate() {
            starts[i + 1] = starts[i] + length;
        }
        if starts[graph.n()] == graph.all_ids().len() {
            return Ok(Self { end, starts, ids: graph.all_ids().into(), distances: graph.all_distances().into() });
        }
        let own = |i: usize| if drops_self { i as u32 } else { KnnGraph::NO_NEIGHBOR };
        let kept = (0..graph.n()).flat_map(|i| graph.neighbors(i).filter(move |near| near.id != own(i)));
        let (ids, distances): (Vec<u32>, Vec<f32>) = kept.map(|near| (near.id, near.distance)).unzip();
        Ok(Self { end, starts, ids: ids.into(), distances: distances.into() })
    }

    /// Number of rows.
    #[must_use]
    pub fn n(&self) -> usize {
        self.starts.len() - 1
    }

    /// One more than the largest id that a row may hold: the number of points that were searched.
    #[must_use]
    pub fn id_bound(&self) -> usize {
        self.end
    }

    /// Neighbours of the longest row.
    #[must_use]
    pub fn k(&self) -> usize {
        self.starts.windows(2).map(|row| row[1] - row[0]).max().unwrap_or(0)
    }

    /// Ids of the neighbours of row `i`, nearest first.
    ///
    /// # Panics
    /// If there is no row `i`.
    #[must_use]
    pub fn ids(&self, i: usize) -> &[u32] {
        &self.ids[self.starts[i]..self.starts[i + 1]]
    }

    /// Their distances, ascending.
    ///
    /// # Panics
    /// If there is no row `i`.
    #[must_use]
    pub fn distances(&self, i: usize) -> &[f32] {
        &self.distances[self.starts[i]..self.starts[i + 1]]
    }

    /// The neighbours of row `i`, nearest first.
    ///
    /// # Panics
    /// If there is no row `i`.
    pub fn neighbors(&self, i: usize) -> impl Iterator<Item = Neighbor> {
        self.ids(i).iter().zip(self.distances(i)).map(|(&id, &distance)| Neighbor { id, distance })
    }

    /// The nearest `k` neighbours of every row.
    ///
    /// # Errors
    /// `k` zero, or more than the neighbours of a row.
    pub fn truncated(&self, k: usize) -> Result<CheckedGraph<'static>, AnalysisError> {
        self.check_k(k)?;
        let starts = (0..=self.n()).map(|i| i * k).collect();
        let ids = (0..self.n()).flat_map(|i| &self.ids(i)[..k]).copied().collect::<Vec<u32>>().into();
        let distances = (0..self.n()).flat_map(|i| &self.distances(i)[..k]).copied().collect::<Vec<f32>>().into();
        Ok(CheckedGraph { end: self.end, starts, ids, distances })
    }

    /// The graph as a sparse matrix of distances; zeros are stored.
    #[must_use]
    pub fn to_csr(&self) -> CsrGraph {
        CsrGraph::of_rows(self.map(|i| self.neighbors(i).map(|near| (near.id, near.distance)).collect()))
    }

    /// What `of_row` makes of every row, on all threads.
    pub(super) fn map<T: Send>(&self, of_row: impl Fn(usize) -> T + Send + Sync) -> Vec<T> {
        (0..self.n()).into_par_iter().with_min_len(256).map(of_row).collect()
    }

    /// The same with what `init` makes for a thread.
    pub(super) fn map_init<S: Send, T: Send>(
        &self,
        init: impl Fn() -> S + Send + Sync,
        of_row: impl Fn(&mut S, usize) -> T + Send + Sync,
    ) -> Vec<T> {
        (0..self.n()).into_par_iter().with_min_len(256).map_init(init, of_row).collect()
    }

    /// Fails unless `k` is at least 1 and every row has as many neighbours.
    pub(super) fn check_k(&self, k: usize) -> Result<(), AnalysisError> {
        super::error::check_parameter("k", k, k > 0, "1 and more")?;
        let short = (0..self.n()).find(|&i| self.ids(i).len() < k);
        short.map_or(Ok(()), |row| Err(AnalysisError::TooFewNeighbors { row, found: self.ids(row).len(), k }))
    }

    /// Fails unless the rows are the points that were searched.
    pub(super) fn check_among_themselves(&self) -> Result<(), AnalysisError> {
        if self.n() == self.end {
            return Ok(());
        }
        Err(AnalysisError::Rows { what: "graph of a set of points", found: self.n(), expected: self.end })
    }

    /// Fails if a distance is below zero.
    pub(super) fn check_not_negative(&self) -> Result<(), AnalysisError> {
        let negative = |&row: &usize| self.distances(row).first().is_some_and(|&first| first < 0.0);
        let row = (0..self.n()).find(negative);
        row.map_or(Ok(()), |row| Err(AnalysisError::Negative { row, distance: self.distances(row)[0] }))
    }
}

/// How many neighbours row `i` has, once it has been checked; `sorted` is memory for that.
fn checked_length(
    graph: &KnnGraph,
    row: usize,
    end: usize,
    drops_self: bool,
    sorted: &mut Vec<u32>,
) -> Result<usize, AnalysisError> {
    let (ids, distances) = (graph.ids(row), graph.distances(row));
    let known = ids.iter().position(|&id| id == KnnGraph::NO_NEIGHBOR).unwrap_or(ids.len());
    if let Some(after) = ids[known..].iter().position(|&id| id != KnnGraph::NO_NEIGHBOR) {
        return Err(AnalysisError::Unsorted { row, column: known + after });
    }
    let (ids, distances) = (&ids[..known], &distances[..known]);
    if let Some(column) = distances.iter().position(|d| d.is_nan()) {
        return Err(AnalysisError::Distance { row, column });
    }
    if let Some(column) = distances.windows(2).position(|pair| pair[0] > pair[1]) {
        return Err(AnalysisError::Unsorted { row, column: column + 1 });
    }
    sorted.clear();
    sorted.extend_from_slice(ids);
    sorted.sort_unstable();
    if let Some(&id) = sorted.last().filter(|id| **id as usize >= end) {
        return Err(AnalysisError::Id { row, id, end });
    }
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(AnalysisError::Duplicate { row, id: pair[0] });
    }
    let has_self = drops_self && sorted.binary_search(&(row as u32)).is_ok();
    Ok(known - usize::from(has_self))
}
