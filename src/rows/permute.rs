//! Rows moved into another order, in place.

use crate::graph::owned_rows::OwnedRows;
use crate::parallel::for_indices;

/// Rows of a piece of a cycle, which one task moves.
const PIECE: usize = 4096;

/// A stretch of a cycle: the rows that `order` names one after another from `start` on.
struct Piece {
    start: u32,
    rows: usize,
    /// The piece that begins where this one ends.
    next: usize,
}

/// Moves rows of `stride` values so that row `order[i]` stands at `i`, cycle by cycle; long cycles in pieces, by all
/// threads.
pub(crate) fn permute_rows<V: Copy + Send + Sync>(rows: &mut [V], stride: usize, order: &[u32]) {
    let mut done = vec![false; order.len()];
    let mut pieces = Vec::new();
    for start in 0..order.len() as u32 {
        if done[start as usize] {
            continue;
        }
        let first = pieces.len();
        let length = cut_cycle(order, start, &mut done, &mut pieces);
        if length <= PIECE {
            pieces.truncate(first);
            permute_cycle(rows, stride, order, start);
        }
    }
    // The last row of a piece is the first of the next, which may have moved already when it is needed.
    let first_row = |piece: &Piece| rows[piece.start as usize * stride..][..stride].iter().copied();
    let held: Vec<V> = pieces.iter().flat_map(first_row).collect();
    let owned = OwnedRows::new(rows, stride);
    for_indices(
        pieces.len(),
        1,
        || (),
        |(), i| {
            let piece = &pieces[i];
            let mut at = piece.start;
            for _ in 1..piece.rows {
                let from = order[at as usize];
                // SAFETY: both rows are of this piece, no row is of two, and they differ, as a cycle of one row has no
                // piece.
                let (to, row) = unsafe { (owned.row(at), owned.row(from)) };
                to.copy_from_slice(row);
                at = from;
            }
            // SAFETY: as above.
            unsafe { owned.row(at) }.copy_from_slice(&held[piece.next * stride..][..stride]);
        },
    );
}

/// Marks the rows of the cycle from `start` on as done, and adds its pieces; its length.
fn cut_cycle(order: &[u32], start: u32, done: &mut [bool], pieces: &mut Vec<Piece>) -> usize {
    let (first, mut at, mut length) = (pieces.len(), start, 0);
    loop {
        if length % PIECE == 0 {
            pieces.push(Piece { start: at, rows: 0, next: pieces.len() + 1 });
        }
        let piece = pieces.last_mut().expect("one was pushed");
        piece.rows += 1;
        done[at as usize] = true;
        length += 1;
        at = order[at as usize];
        if at == start {
            piece.next = first;
            return length;
        }
    }
}

fn permute_cycle<V: Copy>(rows: &mut [V], stride: usize, order: &[u32], start: u32) {
    if order[start as usize] == start {
        return;
    }
    let row = |at: u32| at as usize * stride..(at as usize + 1) * stride;
    let held = rows[row(start)].to_vec();
    let mut at = start;
    while order[at as usize] != start {
        let from = order[at as usize];
        rows.copy_within(row(from), at as usize * stride);
        at = from;
    }
    rows[row(at)].copy_from_slice(&held);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::hash;

    #[test]
    fn rows_move_to_their_places() {
        let order = [3u32, 0, 2, 4, 1];
        let mut rows: Vec<u32> = (0..10).collect();
        permute_rows(&mut rows, 2, &order);
        assert_eq!(rows, [6, 7, 0, 1, 4, 5, 8, 9, 2, 3]);
    }

    #[test]
    fn rows_are_where_the_order_has_them() {
        for n in [1, 2, 700, PIECE, PIECE + 1, 3 * PIECE + 5, 50_000] {
            for stride in [1, 3] {
                let mut random: Vec<u32> = (0..n as u32).collect();
                random.sort_by_key(|&i| hash(1, 2, u64::from(i), n as u64));
                let turned = (0..n as u32).map(|i| (i + 1) % n as u32).collect();
                let swapped = (0..n as u32).map(|i| if (i ^ 1) < n as u32 { i ^ 1 } else { i }).collect();
                for order in [random, turned, swapped, (0..n as u32).collect::<Vec<u32>>()] {
                    let mut rows: Vec<u64> = (0..(n * stride) as u64).collect();
                    permute_rows(&mut rows, stride, &order);
                    let from = |at: usize| order[at / stride] as u64 * stride as u64 + (at % stride) as u64;
                    assert!(rows.iter().enumerate().all(|(at, &value)| value == from(at)), "{n} rows");
                }
            }
        }
    }
}
