//! From a neighbour graph to a search graph.
//!
//! As PyNNDescent's `prepare`: rows are diversified, edges get their reverses, degrees are pruned. Departures: reverse
//! neighbours are diversified together with forward ones, and every row is made reachable.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rayon::prelude::*;

use crate::graph::locality::breadth_first_groups;
use crate::graph::order::{EMPTY, Neighbor, distance, fresh, id};
use crate::graph::rows::RowTable;
use crate::graph::{KnnGraph, UNKNOWN};
use crate::metric::Metric;
use crate::points::Dense;
use crate::search::adjacency::Adjacency;
use crate::search::diversify::{Diversify, Room, hub_factors};
use crate::search::rows::SearchRows;
use crate::space::recompute::Query;

use super::DiversifyMethod;
use super::options::{PreparePlan, SLACK};

/// Neighbours followed to bring rows into an order.
const FOLLOWED: usize = 8;

/// What an index is made of.
pub(crate) struct Prepared {
    pub rows: SearchRows,
    pub graph: Adjacency,
    /// The point that each row is.
    pub order: Vec<u32>,
    /// The smallest reduced distance between neighbours, in the traversal's unit.
    pub nearest: f32,
}

/// Rows in an order that keeps neighbours together, and the edges that a search needs; none if these are too many.
pub(crate) fn prepare(points: &Dense, metric: Metric, graph: &KnnGraph, plan: &PreparePlan) -> Option<Prepared> {
    let n = points.n();
    let near = |row: u32| {
        let known = graph.neighbors(row as usize).iter().copied().filter(|&p| p != UNKNOWN);
        known.take(FOLLOWED)
    };
    let order = breadth_first_groups(n, near);
    let groups = groups(graph);
    let rows = SearchRows::new(points, metric, plan.quantization, &order, groups.iter().map(|g| &g[..]));
    let forward = forward_edges(&rows, graph, &order);
    let nearest = forward.slots.par_iter().filter(|s| **s != EMPTY).min().map_or(0.0, |&s| distance(s));
    let reverse = Reverse::of(&forward);
    let factors = match plan.method {
        DiversifyMethod::Standard => Vec::new(),
        DiversifyMethod::DegreeAware { aggressiveness } => {
            let degree =
                |row: usize| forward.row(row).iter().filter(|s| **s != EMPTY).count() + reverse.of_row(row).len();
            let degrees: Vec<u32> = (0..n).map(|row| degree(row) as u32).collect();
            hub_factors(&degrees, plan.max_degree, aggressiveness)
        }
    };
    let diversify = Diversify { probability: plan.diversify_prob, slack: SLACK, seed: plan.seed, factors: &factors };
    let kept = diversified(&rows, &forward, &reverse, &diversify, plan.max_degree);
    drop((forward, reverse));
    let lists = with_reverses(&rows, &kept, &diversify);
    let graph = Adjacency::of_lists(lists.iter().map(|list| &list[..]))?;
    Some(Prepared { rows, graph, order, nearest })
}

/// Points with their neighbours, spread over the graph.
fn groups(graph: &KnnGraph) -> Vec<Vec<u32>> {
    const GROUPS: usize = 200;
    let step = graph.n().div_ceil(GROUPS);
    let group = |i: usize| {
        let others = graph.neighbors(i).iter().copied().filter(|&p| p != UNKNOWN && p as usize != i);
        std::iter::once(i as u32).chain(others).collect()
    };
    (0..graph.n()).step_by(step).map(group).collect()
}

/// The graph's edges between rows in working order, with the distances that the search will see.
fn forward_edges(rows: &SearchRows, graph: &KnnGraph, order: &[u32]) -> RowTable {
    let mut place = vec![0u32; order.len()];
    order.iter().enumerate().for_each(|(at, &point)| place[point as usize] = at as u32);
    let mut edges = RowTable::new(graph.n(), graph.k());
    edges.slots.par_chunks_mut(graph.k()).enumerate().with_min_len(64).for_each_init(
        || (Vec::new(), Vec::new(), Query::default()),
        |(ids, distances, room), (row, slots)| {
            let known = graph.neighbors(order[row] as usize).iter().filter(|p| **p != UNKNOWN);
            ids.clear();
            ids.extend(known.map(|&p| place[p as usize]).filter(|&p| p as usize != row));
            rows.between(row as u32, ids, room, distances);
            for (slot, (&id, &d)) in slots.iter_mut().zip(ids.iter().zip(distances.iter())) {
                *slot = fresh(d, id);
            }
            slots.sort_unstable();
        },
    );
    edges
}

/// Every row's neighbours and the rows whose neighbour it is, diversified.
fn diversified(
    rows: &SearchRows,
    forward: &RowTable,
    reverse: &Reverse,
    diversify: &Diversify,
    max_degree: usize,
) -> RowTable {
    let mut kept = RowTable::new(forward.slots.len() / forward.width, max_degree);
    kept.slots.par_chunks_mut(max_degree).enumerate().with_min_len(16).for_each_init(
        || (Vec::new(), Room::default()),
        |(candidates, room), (row, slots)| {
            candidates.clear();
            candidates.extend(forward.row(row).iter().filter(|s| **s != EMPTY));
            candidates.extend(reverse.of_row(row).iter().take(forward.width));
            candidates.sort_unstable();
            candidates.dedup_by_key(|c| id(*c));
            diversify.prune(rows, row as u32, candidates, max_degree, room);
            slots[..candidates.len()].copy_from_slice(candidates);
        },
    );
    kept
}

/// Edges both ways, the most useful where there are too many.
fn with_reverses(rows: &SearchRows, kept: &RowTable, diversify: &Diversify) -> Vec<Vec<u32>> {
    let reverse = Reverse::of(kept);
    let all = (0..kept.slots.len() / kept.width).into_par_iter().with_min_len(16);
    let edges = all.map_init(
        || (Vec::new(), Room::default()),
        |(candidates, room), row| {
            candidates.clear();
            candidates.extend(kept.row(row).iter().filter(|s| **s != EMPTY));
            candidates.extend(reverse.of_row(row));
            candidates.sort_unstable();
            candidates.dedup_by_key(|c| id(*c));
            if candidates.len() > kept.width {
                diversify.prune(rows, row as u32, candidates, kept.width, room);
            }
            candidates.iter().map(|&c| id(c)).collect()
        },
    );
    edges.collect()
}

/// For every row the rows that it is a neighbour of, ascending.
struct Reverse {
    ends: Vec<u32>,
    edges: Vec<Neighbor>,
}

impl Reverse {
    fn of(table: &RowTable) -> Self {
        let n = table.slots.len() / table.width;
        let known = |row: &[Neighbor]| row.iter().copied().take_while(|s| *s != EMPTY).collect::<Vec<_>>();
        let counts: Vec<AtomicU32> = (0..n).map(|_| AtomicU32::new(0)).collect();
        table.slots.par_chunks(table.width).for_each(|row| {
            row.iter().take_while(|s| **s != EMPTY).for_each(|&s| {
                counts[id(s) as usize].fetch_add(1, Ordering::Relaxed);
            });
        });
        let mut total = 0;
        let ends: Vec<u32> = counts
            .iter()
            .map(|count| {
                let first = total;
                total += count.swap(first, Ordering::Relaxed);
                total
            })
            .collect();
        let edges: Vec<AtomicU64> = (0..total).map(|_| AtomicU64::new(0)).collect();
        table.slots.par_chunks(table.width).enumerate().for_each(|(from, row)| {
            for slot in known(row) {
                let at = counts[id(slot) as usize].fetch_add(1, Ordering::Relaxed);
                edges[at as usize].store(fresh(distance(slot), from as u32), Ordering::Relaxed);
            }
        });
        let mut reverse = Self { ends, edges: edges.into_iter().map(AtomicU64::into_inner).collect() };
        reverse.sort();
        reverse
    }

    /// Edges were placed by whoever came first.
    fn sort(&mut self) {
        let mut rest = &mut self.edges[..];
        let mut first = 0;
        let mut rows = Vec::with_capacity(self.ends.len());
        for &end in &self.ends {
            rows.extend(rest.split_off_mut(..(end - first) as usize));
            first = end;
        }
        rows.into_par_iter().with_min_len(256).for_each(<[Neighbor]>::sort_unstable);
    }

    fn of_row(&self, row: usize) -> &[Neighbor] {
        let first = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.edges[first as usize..self.ends[row] as usize]
    }
}
