//! From a neighbour graph to a search graph.
//!
//! As PyNNDescent's `prepare`: rows are diversified, edges get their reverses, degrees are pruned. Departures: reverse
//! neighbours are diversified together with forward ones, and every row is made reachable.

mod connect;
mod copies;
mod cover;
pub(super) mod diversify;
pub(super) mod entries;

use rayon::prelude::*;

use crate::distances::direct::Query;
use crate::graph::KnnGraph;
use crate::graph::locality::{breadth_first_groups, places};
use crate::graph::order::{EMPTY, Neighbor, distance, fresh, id};
use crate::graph::reverse::ReverseEdges;
use crate::graph::rows::RowTable;
use crate::metric::Metric;
use crate::points::Points;
use crate::search::adjacency::Adjacency;
use crate::search::error::IndexError;
use crate::search::options::{DiversifyMethod, IndexPlan, SLACK};
use crate::search::rows::{IndexRows, SearchRows};
use crate::search::ticker::Ticker;

use copies::Copies;
use diversify::{Diversify, DiversifyScratch, hub_factors};

/// Neighbours followed when rows are put in order.
const FOLLOWED: usize = 8;

/// One in so many of a row's edges leads back to it for certain, where nothing is pruned.
const LED_BACK: f32 = 4.0;

/// The parts of an index.
pub(super) struct Prepared {
    pub rows: SearchRows,
    pub graph: Adjacency,
    /// The point of each row.
    pub order: Vec<u32>,
    /// The rows that are no copies of those before them.
    pub distinct: Vec<u32>,
    /// The smallest reduced distance between neighbours.
    pub nearest: f32,
}

/// Passes over all rows, for progress.
pub(super) const PASSES: usize = 3;

/// Puts rows in an order that keeps neighbours together, and selects the edges that a search needs.
pub(super) fn prepare(
    points: &Points,
    metric: &Metric,
    graph: &KnnGraph,
    plan: &IndexPlan,
    ticker: &Ticker,
) -> Result<Prepared, IndexError> {
    let go_on = || if ticker.is_cancelled() { Err(IndexError::Cancelled) } else { Ok(()) };
    let n = points.n();
    let near = |row: u32| {
        let known = graph.ids(row as usize).iter().copied().filter(|&p| p != KnnGraph::NO_NEIGHBOR);
        known.take(FOLLOWED)
    };
    let order = breadth_first_groups(n, near);
    let groups = groups(graph);
    let rows = SearchRows::new(points, metric, plan.quantization, &order, groups.iter().map(|g| &g[..]))?;
    let place = places(&order);
    let copies = Copies::find(points, metric, graph, &place);
    let forward = forward_edges(&rows, graph, (&order, &place), ticker);
    go_on()?;
    let nearest = forward.slots.par_iter().filter(|s| **s != EMPTY).min().map_or(0.0, |&s| distance(s));
    let reverse = ReverseEdges::collect(&forward, forward.width);
    let factors = match plan.method {
        DiversifyMethod::Standard => Vec::new(),
        DiversifyMethod::DegreeAware { aggressiveness } => {
            let degree = |row: usize| forward.row(row).iter().filter(|s| **s != EMPTY).count() + reverse.of(row).len();
            let degrees: Vec<u32> = (0..n).map(|row| degree(row) as u32).collect();
            hub_factors(&degrees, plan.max_degree, aggressiveness)
        }
    };
    let diversify = Diversify { probability: plan.diversify_prob, slack: SLACK, seed: plan.seed, factors: &factors };
    let kept = diversified(&rows, (&forward, &reverse, &copies), &diversify, plan.max_degree, ticker);
    go_on()?;
    drop((forward, reverse));
    let mut lists = with_reverses(&rows, &kept, &diversify, ticker);
    go_on()?;
    // Who prunes less asks for accuracy: no row is left to searches that come from far.
    let most = (plan.max_degree as f32 * (1.0 - plan.diversify_prob) / LED_BACK) as usize;
    lead_back(&kept, most, &mut lists);
    copies.link(&mut lists);
    let too_many = IndexError::TooManyEdges { n, max_degree: plan.max_degree };
    let graph = Adjacency::of_lists(lists.iter().map(|list| &list[..])).ok_or(too_many)?;
    Ok(Prepared { rows, graph, order, distinct: copies.distinct(), nearest })
}

/// Some points with their neighbours, from all over the graph.
fn groups(graph: &KnnGraph) -> Vec<Vec<u32>> {
    const GROUPS: usize = 200;
    let step = graph.n().div_ceil(GROUPS);
    let group = |i: usize| {
        let others = graph.ids(i).iter().copied().filter(|&p| p != KnnGraph::NO_NEIGHBOR && p as usize != i);
        std::iter::once(i as u32).chain(others).collect()
    };
    (0..graph.n()).step_by(step).map(group).collect()
}

/// The graph's edges between rows in the new order, with reduced distances.
fn forward_edges(rows: &SearchRows, graph: &KnnGraph, (order, place): (&[u32], &[u32]), ticker: &Ticker) -> RowTable {
    let mut edges = RowTable::new(graph.n(), graph.k());
    edges.slots.par_chunks_mut(graph.k()).enumerate().with_min_len(64).for_each_init(
        || (Vec::new(), Vec::new(), Query::default()),
        |(ids, distances, room), (row, slots)| {
            if !ticker.advance(1) {
                return;
            }
            let known = graph.ids(order[row] as usize).iter().filter(|p| **p != KnnGraph::NO_NEIGHBOR);
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

/// Every row's neighbours and reverse neighbours, diversified.
fn diversified(
    rows: &SearchRows,
    (forward, reverse, copies): (&RowTable, &ReverseEdges, &Copies),
    diversify: &Diversify,
    max_degree: usize,
    ticker: &Ticker,
) -> RowTable {
    let mut kept = RowTable::new(forward.n(), max_degree);
    kept.slots.par_chunks_mut(max_degree).enumerate().with_min_len(16).for_each_init(
        || (Vec::new(), Vec::new(), DiversifyScratch::default()),
        |(candidates, back, scratch), (row, slots)| {
            if !ticker.advance(1) {
                return;
            }
            back.clear();
            back.extend(reverse.of(row));
            back.sort_unstable();
            copies.keep_few(row as u32, back);
            both_ways(forward.row(row), back.iter().copied().take(forward.width), candidates);
            copies.keep_few(row as u32, candidates);
            diversify.prune(rows, row as u32, candidates, max_degree, scratch);
            slots[..candidates.len()].copy_from_slice(candidates);
        },
    );
    kept
}

/// Edges both ways, pruned where there are too many.
fn with_reverses(rows: &SearchRows, kept: &RowTable, diversify: &Diversify, ticker: &Ticker) -> Vec<Vec<u32>> {
    let reverse = ReverseEdges::collect(kept, kept.width);
    let all = (0..kept.n()).into_par_iter().with_min_len(16);
    let edges = all.map_init(
        || (Vec::new(), DiversifyScratch::default()),
        |(candidates, scratch), row| {
            if !ticker.advance(1) {
                return Vec::new();
            }
            both_ways(kept.row(row), reverse.of(row), candidates);
            if candidates.len() > kept.width {
                diversify.prune(rows, row as u32, candidates, kept.width, scratch);
            }
            candidates.iter().map(|&c| id(c)).collect()
        },
    );
    edges.collect()
}

/// Sees to it that the nearest `most` neighbours of every row lead back to it, however many are nearer to them.
fn lead_back(kept: &RowTable, most: usize, lists: &mut [Vec<u32>]) {
    for row in 0..kept.n() {
        for &near in kept.row(row).iter().take(most).filter(|near| **near != EMPTY) {
            let list = &mut lists[id(near) as usize];
            if !list.contains(&(row as u32)) {
                list.push(row as u32);
            }
        }
    }
}

/// A row's neighbours and reverse neighbours, each once, ascending.
fn both_ways(row: &[Neighbor], back: impl Iterator<Item = Neighbor>, candidates: &mut Vec<Neighbor>) {
    candidates.clear();
    candidates.extend(row.iter().filter(|s| **s != EMPTY));
    candidates.extend(back);
    candidates.sort_unstable();
    candidates.dedup_by_key(|c| id(*c));
}
