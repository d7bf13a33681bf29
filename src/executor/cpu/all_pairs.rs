//! Exact graphs by comparing all pairs, where sketches rule most of them out. Some trees fill the rows first, so that
//! there are bounds. Then every two chunks of points are compared; pairs of chunks that are compared at the same time
//! share no chunk.

use std::ops::Range;

use super::regroup::rename;
use super::session::CpuSession;
use crate::dataset::{Problem, Rows};
use crate::error::BuildError;
use crate::executor::Tick;
use crate::graph::KnnGraph;
use crate::graph::order::{Neighbor, distance, id};
use crate::graph::owned_rows::OwnedRows;
use crate::graph::rows::RowTable;
use crate::parallel::{for_indices, map_ranges};
use crate::params::Plan;
use crate::rows::WorkingRows;
use crate::rows::bits::join::SketchedRows;
use crate::rows::bits::sketch_blocks::{BLOCK, BitBlocks};
use crate::rows::leaf_rows::LeafRows;

/// More would cost what they save.
const TREES: usize = 4;
/// Points of a chunk: the sketches and rows of two stay in the cache of a core. Whole blocks; fewer where there would
/// be too few chunks for all threads.
const CHUNK: usize = 1024;
const SMALL_CHUNK: usize = 128;

/// The exact graph of a plan with at least one neighbour a row, without the rows themselves. None if sketches rule
/// nothing out.
pub(crate) fn graph(problem: &Problem, plan: &Plan, tick: Tick) -> Result<Option<KnnGraph>, BuildError> {
    let sets = match problem.rows {
        Rows::Sets(sets) if sets.sketched_pair_cost().is_some() => sets,
        _ => return Ok(None),
    };
    let plan = Plan { width: plan.others(), n_trees: TREES, ..plan.clone() };
    let (order, mut rows) = CpuSession::open(problem, &plan, None, &|_| tick(0.0))?.into_rows();
    let mut bits = SketchedRows::new(sets.bit_rows());
    bits.renumber(&order);
    // Rows hold points from here on, so that of equally distant ones the smaller is kept.
    rename(&mut rows, &order);
    join_all(&bits, &order, &mut rows, tick)?;
    let (points, distances) = in_points_order(&order, &rows);
    Ok(Some(KnnGraph::new(problem.n(), plan.others(), points, distances)))
}

/// Offers all points to each other.
fn join_all(bits: &SketchedRows, order: &[u32], rows: &mut RowTable, tick: Tick) -> Result<(), BuildError> {
    let places: Vec<u32> = (0..rows.n() as u32).collect();
    // All chunks but the last are whole blocks.
    let chunk = (rows.n() / (4 * rayon::current_num_threads())).clamp(SMALL_CHUNK, CHUNK).next_multiple_of(BLOCK);
    let owned = OwnedRows::new(&mut rows.slots, rows.width);
    let join = |blocks: &BitBlocks, split: Option<usize>| {
        let names: Vec<u32> = blocks.ids.iter().map(|&place| order[place as usize]).collect();
        // SAFETY: no two tasks that run at the same time have a chunk in common.
        let rows = unsafe { LeafRows::new(&blocks.ids, &owned) };
        bits.join_blocks(blocks, split, &mut rows.known_as(&names));
    };
    let blocks = |range: Range<usize>| bits.blocks(&places[range]);
    let chunks: Vec<BitBlocks> = map_ranges(places.len(), chunk, blocks);
    for_indices(chunks.len(), 1, || (), |(), i| join(&chunks[i], None));
    let turns = turns(chunks.len());
    for (turn, pairs) in turns.iter().enumerate() {
        tick(turn as f32 / turns.len() as f32)?;
        for_indices(
            pairs.len(),
            1,
            || (),
            |(), i| {
                let (left, right) = pairs[i];
                join(&chunks[left].followed_by(&chunks[right]), Some(chunk));
            },
        );
    }
    tick(1.0)
}

/// All pairs of `count` chunks, the lesser first, in turns in which each chunk occurs at most once: a round-robin
/// tournament by the circle method.
fn turns(count: usize) -> Vec<Vec<(usize, usize)>> {
    // The last place is fixed. If the number of chunks is odd it is empty, and its opponent rests.
    let places = count.next_multiple_of(2);
    let last = places.saturating_sub(1);
    let turn = |turn: usize| {
        let meet = |i: usize| {
            let (a, b) = ((turn + i) % last, if i == 0 { last } else { (turn + last - i) % last });
            (a.min(b), a.max(b))
        };
        (0..places / 2).map(meet).filter(|pair| pair.1 < count).collect()
    };
    (0..last).map(turn).collect()
}

/// Neighbours and distances, row by row in the order of the points.
fn in_points_order(order: &[u32], rows: &RowTable) -> (Vec<u32>, Vec<f32>) {
    let (mut points, mut distances) = (vec![0u32; rows.slots.len()], vec![0f32; rows.slots.len()]);
    let (to_points, to_distances) =
        (OwnedRows::new(&mut points, rows.width), OwnedRows::new(&mut distances, rows.width));
    for_indices(
        order.len(),
        64,
        || (),
        |(), i| {
            let (point, row) = (order[i], rows.row(i));
            // SAFETY: `order` is a permutation, so every point's row is taken once.
            let (points, distances) = unsafe { (to_points.row(point), to_distances.row(point)) };
            let put = |(i, &slot): (usize, &Neighbor)| (points[i], distances[i]) = (id(slot), distance(slot));
            row.iter().enumerate().for_each(put);
        },
    );
    (points, distances)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_pairs_meet_once_and_no_chunk_twice_in_a_turn() {
        for count in 0..20 {
            let turns = turns(count);
            for turn in &turns {
                let mut met: Vec<usize> = turn.iter().flat_map(|&(a, b)| [a, b]).collect();
                met.sort_unstable();
                met.dedup();
                assert_eq!(met.len(), 2 * turn.len(), "{turn:?}");
            }
            let mut pairs: Vec<(usize, usize)> = turns.concat();
            pairs.sort_unstable();
            let mut all: Vec<(usize, usize)> = (0..count).flat_map(|b| (0..b).map(move |a| (a, b))).collect();
            all.sort_unstable();
            assert_eq!(pairs, all, "{count}");
        }
    }
}
