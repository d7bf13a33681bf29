//! The parts that a graph falls into, and edges that connect them.

use std::cmp::Ordering;

use super::checked_graph::CheckedGraph;
use super::error::AnalysisError;
use crate::error::SearchError;
use crate::graph::disjoint_sets::DisjointSets;
use crate::rng::stratified_sample;
use crate::search::{Hits, Index, SearchOptions};

/// Points of a component that are searched for when it is connected: all of a smaller one.
const SAMPLE: usize = 64;

/// The connected components of a graph, edges taken both ways.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Components {
    /// The component of every row, numbered from 0 by their first rows.
    pub labels: Vec<u32>,
    /// Number of components.
    pub count: usize,
}

/// An edge between two points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    /// One point.
    pub from: u32,
    /// The other.
    pub to: u32,
    /// Their distance.
    pub distance: f32,
}

/// Why components cannot be connected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The graph is not one of the index's points.
    #[error(transparent)]
    Analysis(#[from] AnalysisError),
    /// A search failed.
    #[error(transparent)]
    Search(#[from] SearchError),
}

/// The connected components of a graph.
///
/// # Complexity
/// O(edges).
#[must_use]
pub fn components(graph: &CheckedGraph) -> Components {
    numbered(&mut joined(graph), graph.n())
}

/// The rows of a graph, those of an edge in one set.
fn joined(graph: &CheckedGraph) -> DisjointSets {
    let mut sets = DisjointSets::new(graph.n());
    (0..graph.n()).for_each(|i| graph.ids(i).iter().for_each(|&id| sets.join(i as u32, id)));
    sets
}

fn numbered(sets: &mut DisjointSets, n: usize) -> Components {
    let mut number = vec![u32::MAX; n];
    let mut count = 0;
    let label = |row: u32| {
        // A set's name is its least row, which comes first.
        let name = sets.of(row) as usize;
        if number[name] == u32::MAX {
            number[name] = count;
            count += 1;
        }
        number[name]
    };
    let labels = (0..n as u32).map(label).collect();
    Components { labels, count: count as usize }
}

/// Edges that connect the components of a graph, as few as can be: as in Borůvka's algorithm, every component but the
/// largest gets its shortest edge to another, until there is one.
///
/// Edges are found by searching `index`, which holds the points of the graph under ids 0 to n - 1, for up to 64 points
/// of a component: where components are larger, or the search misses, a shorter edge may exist.
///
/// # Errors
/// An index of other points than the graph's, by number; errors of searches.
///
/// # Complexity
/// 64 searches a component, in O(log(components)) rounds; each reads n labels.
pub fn connect(index: &Index, graph: &CheckedGraph) -> Result<Vec<Edge>, ConnectError> {
    check_index(index, graph.n())?;
    let mut sets = joined(graph);
    let mut edges = Vec::new();
    loop {
        let parts = numbered(&mut sets, graph.n());
        if parts.count <= 1 {
            return Ok(edges);
        }
        let members = members(&parts.labels, parts.count);
        let largest = (0..parts.count).max_by_key(|&part| (members[part].len(), std::cmp::Reverse(part)));
        for part in (0..parts.count).filter(|&part| Some(part) != largest) {
            let edge = shortest_way_out(index, &members[part], &parts.labels)?;
            // Two components may have chosen the same edge, or a circle of equal ones.
            if sets.of(edge.from) != sets.of(edge.to) {
                sets.join(edge.from, edge.to);
                edges.push(edge);
            }
        }
    }
}

/// Fails unless an index holds `n` points under ids 0 to n - 1.
pub(super) fn check_index(index: &Index, n: usize) -> Result<(), AnalysisError> {
    if index.len() == n && index.id_bound() == n {
        return Ok(());
    }
    Err(AnalysisError::Rows { what: "points of the index", found: index.len(), expected: n })
}

/// Some of the members of a part: `most`, or all of a smaller one.
pub(super) fn sampled(members: &[u32], most: usize) -> impl Iterator<Item = u32> {
    stratified_sample(0, 0xc02, members.len(), most.min(members.len())).map(|at| members[at])
}

/// The rows with each label below `count`, ascending.
pub(super) fn members(labels: &[u32], count: usize) -> Vec<Vec<u32>> {
    let mut members = vec![Vec::new(); count];
    labels.iter().zip(0..).for_each(|(&label, row)| members[label as usize].push(row));
    members
}

/// Edges from rows to the nearest that searches for them found.
pub(super) fn edges_to_nearest(rows: &[u32], hits: &Hits) -> impl Iterator<Item = Edge> {
    let edge = |(at, &from): (usize, &u32)| Edge { from, to: hits.ids(at)[0], distance: hits.distances(at)[0] };
    rows.iter().enumerate().map(edge)
}

/// The shortest edge found from some of a component's members to other components.
fn shortest_way_out(index: &Index, members: &[u32], labels: &[u32]) -> Result<Edge, SearchError> {
    let own = labels[members[0] as usize];
    let sample: Vec<u32> = sampled(members, SAMPLE).collect();
    let elsewhere = SearchOptions::new().filter(|id| labels[id as usize] != own);
    let hits = index.query_ids(&sample, 1, &elsewhere)?;
    let by_length = |a: &Edge, b: &Edge| -> Ordering {
        a.distance.total_cmp(&b.distance).then((a.from, a.to).cmp(&(b.from, b.to)))
    };
    Ok(edges_to_nearest(&sample, &hits).min_by(by_length).expect("a component has members"))
}
