//! A neighbour graph that follows the changes of an index.

use std::collections::BTreeSet;

use crate::error::{BuildError, SearchError};
use crate::graph::{KnnGraph, Neighbor};

use super::error::IndexError;
use super::options::SearchOptions;
use super::{Hits, Index};

/// A point is near to more points than are near to it: how many more are searched for, to be offered the point.
const WIDER: usize = 3;

impl Index {
    /// Brings a graph of the points, such as [`Indexed::graph`](crate::Indexed::graph), up to date after changes: rows
    /// are appended for points that were added, rows of removed points are emptied (all [`KnnGraph::NO_NEIGHBOR`]), and
    /// rows that held removed or replaced points find others. `replaced` are the ids given to [`Index::update`] since.
    /// Row `i` is the point with id `i`; points are not among their own neighbours.
    ///
    /// ```
    /// use nndescent::{Metric, NnDescent, Points};
    ///
    /// let data: Vec<f32> = (0..500 * 8).map(|i| ((i * 37) % 101) as f32).collect();
    /// let indexed = NnDescent::new(Metric::Euclidean).index(&Points::dense(&data[..400 * 8], 400, 8)?)?;
    /// let (mut index, mut graph) = (indexed.index, indexed.graph);
    /// index.add(&Points::dense(&data[400 * 8..], 100, 8)?)?;
    /// index.remove(&[7])?;
    /// index.update_graph(&mut graph, &[])?;
    /// assert_eq!(graph.n(), 500);
    /// assert_eq!((graph.neighbors(7).count(), graph.neighbors(8).count()), (0, graph.k()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A graph of more rows than the index has ids, an id that no point has, a custom distance that is not finite.
    ///
    /// # Complexity
    /// A search for every row that changed, at twice the index's epsilon, and a pass over the graph.
    pub fn update_graph(&self, graph: &mut KnnGraph, replaced: &[u32]) -> Result<(), IndexError> {
        let (n, bound, k) = (graph.n(), self.id_bound(), graph.k());
        self.check_parts()?;
        if n > bound {
            return Err(IndexError::GraphRows { found: n, bound });
        }
        self.rows_of_ids(replaced).map_err(|id| IndexError::UnknownId { id, bound })?;
        let mut present = vec![false; bound];
        self.present_rows().for_each(|row| present[self.order[row as usize] as usize] = true);
        let new: BTreeSet<u32> = (n as u32..bound as u32).chain(replaced.iter().copied()).collect();
        let gone = |id: u32| !present.get(id as usize).is_some_and(|&present| present) || new.contains(&id);
        let holds_gone = |i: u32| graph.ids(i as usize).iter().any(|&id| id != KnnGraph::NO_NEIGHBOR && gone(id));
        let stale = (0..bound as u32).filter(|&i| present[i as usize] && (new.contains(&i) || holds_gone(i)));
        let stale: Vec<u32> = stale.collect();
        let options = SearchOptions::new().epsilon(2.0 * self.epsilon().max(0.0)).pad(true).counters(false);
        let hits = self.query_ids(&stale, WIDER * k, &options).map_err(|error| not_found(error, bound))?;
        *graph = self.merged(graph, &present, &new, (&stale, &hits));
        Ok(())
    }

    /// The graph with the rows of `stale` points replaced by the nearest that they found; those of them that are `new`
    /// are also offered to the rows that they found.
    fn merged(
        &self,
        graph: &KnnGraph,
        present: &[bool],
        new: &BTreeSet<u32>,
        (stale, hits): (&[u32], &Hits),
    ) -> KnnGraph {
        let (bound, k) = (present.len(), graph.k());
        let mut rows: Vec<Vec<Neighbor>> = vec![Vec::new(); bound];
        for i in (0..graph.n()).filter(|&i| present[i]) {
            rows[i] = graph.neighbors(i).collect();
        }
        for (i, &id) in stale.iter().enumerate() {
            rows[id as usize] = hits.neighbors(i).take(k).collect();
        }
        for (i, &id) in stale.iter().enumerate().filter(|(_, id)| new.contains(id)) {
            for found in hits.neighbors(i) {
                offer(&mut rows[found.id as usize], Neighbor { id, distance: found.distance }, k);
            }
        }
        let mut ids = vec![KnnGraph::NO_NEIGHBOR; bound * k];
        let mut distances = vec![f32::INFINITY; bound * k];
        for (i, row) in rows.iter().enumerate() {
            for (at, neighbor) in row.iter().enumerate() {
                ids[i * k + at] = neighbor.id;
                distances[i * k + at] = neighbor.distance;
            }
        }
        KnnGraph::new(bound, k, ids, distances)
    }
}

/// Puts a neighbour in its place in a row of at most `k`, unless it is there.
fn offer(row: &mut Vec<Neighbor>, neighbor: Neighbor, k: usize) {
    if row.iter().any(|other| other.id == neighbor.id) {
        return;
    }
    let at = row.partition_point(|other| Neighbor::nearest_first(other, &neighbor).is_lt());
    row.insert(at, neighbor);
    row.truncate(k);
}

fn not_found(error: SearchError, bound: usize) -> IndexError {
    match error {
        SearchError::UnknownId { id, .. } => IndexError::UnknownId { id, bound },
        SearchError::QueryDistance { query: a, item: b, reason } | SearchError::CustomDistance { a, b, reason } => {
            BuildError::CustomDistance { a, b, reason }.into()
        }
        other => {
            IndexError::Parameter { name: "graph", value: other.to_string(), range: "a graph of the index".into() }
        }
    }
}
