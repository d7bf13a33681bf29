//! Completes rows: from an initial graph, and with random points where trees left gaps.

use crate::graph::order::{EMPTY, id};
use crate::graph::rows::RowTable;
use crate::parallel::fold_rows;
use crate::rng::{below, hash};
use crate::rows::ReducedDistances;
use crate::rows::offer::offer;

/// Offers every row the points that `known` gives for it. Returns the number of distances evaluated.
pub(crate) fn fill_known(
    space: &dyn ReducedDistances,
    rows: &mut RowTable,
    known: impl Fn(usize, &mut Vec<u32>) + Sync,
) -> u64 {
    let width = rows.width;
    let fill = |count: &mut u64, i: usize, row: &mut [u64]| {
        let mut ids = Vec::new();
        known(i, &mut ids);
        ids.retain(|&p| p as usize != i);
        let mut distances = vec![0.0; ids.len()];
        space.one_to_many(i as u32, &ids, &mut distances);
        offer(row, &ids, &distances, usize::MAX);
        *count += ids.len() as u64;
    };
    fold_rows(&mut rows.slots, width, 64, || 0, fill).iter().sum()
}

/// Fills the empty slots of every row with distinct random points. Rows must not be longer than there are other points.
pub(crate) fn fill_random(space: &dyn ReducedDistances, rows: &mut RowTable, seed: u64) -> u64 {
    let n = space.n();
    let width = rows.width;
    let fill = |count: &mut u64, i: usize, row: &mut [u64]| {
        let missing = row.iter().filter(|s| **s == EMPTY).count();
        if missing == 0 {
            return;
        }
        let ids = draw(i, row, missing, n, seed);
        let mut distances = vec![0.0; ids.len()];
        space.one_to_many(i as u32, &ids, &mut distances);
        offer(row, &ids, &distances, usize::MAX);
        *count += ids.len() as u64;
    };
    fold_rows(&mut rows.slots, width, 64, || 0, fill).iter().sum()
}

/// `missing` points that are neither `i` nor in its row: drawn at random, or after many vain draws (few points) taken
/// in order.
fn draw(i: usize, row: &[u64], missing: usize, n: usize, seed: u64) -> Vec<u32> {
    let mut taken: Vec<u32> = row.iter().filter(|s| **s != EMPTY).map(|s| id(*s)).collect();
    taken.push(i as u32);
    let known = taken.len();
    let random = (0..4 * missing as u64).map(|slot| below(hash(seed, FILL, i as u64, slot), n) as u32);
    let first = below(hash(seed, FILL, i as u64, u64::MAX), n);
    let counted = (0..n).map(|step| ((first + step) % n) as u32);
    for p in random.chain(counted) {
        if taken.len() == known + missing {
            break;
        }
        if !taken.contains(&p) {
            taken.push(p);
        }
    }
    taken.split_off(known)
}

/// Stream of random numbers for filling.
const FILL: u64 = 0xf111;
