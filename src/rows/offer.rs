//! Offers of many neighbours to one row.

use crate::graph::order::fresh;
use crate::graph::rows::bound;
use crate::simd::{LANES, Level, Op, Simd, dispatch};

/// Puts all of `others` that are near enough into `row`, leaving out the one at `own`. Returns how many went in.
pub(crate) fn offer(row: &mut [u64], others: &[u32], distances: &[f32], own: usize) -> u64 {
    dispatch(Level::detect(), Offer { row, others, distances, own })
}

struct Offer<'a> {
    row: &'a mut [u64],
    others: &'a [u32],
    distances: &'a [f32],
    own: usize,
}

impl Op for Offer<'_> {
    type Output = u64;

    #[inline(always)]
    fn run<S: Simd>(self) -> u64 {
        let Self { row, others, distances, own } = self;
        let mut worst = bound(row);
        let mut inserted = 0;
        for (block, few) in distances.chunks(LANES).enumerate() {
            let first = block * LANES;
            let mut near = at_most::<S>(few, worst);
            if near == 0 {
                continue;
            }
            if own.wrapping_sub(first) < LANES {
                near &= !(1 << (own - first));
            }
            while near != 0 {
                let j = first + near.trailing_zeros() as usize;
                inserted += u64::from(S::insert(row, fresh(distances[j], others[j])));
                near &= near - 1;
            }
            worst = bound(row);
        }
        inserted
    }
}

/// A bit for each of at most [`LANES`] distances that is no more than `worst`.
#[inline(always)]
fn at_most<S: Simd>(distances: &[f32], worst: f32) -> u32 {
    match distances.first_chunk::<LANES>() {
        Some(all) => S::at_most(S::load(all), S::splat(worst)),
        None => distances.iter().rev().fold(0, |bits, &d| bits << 1 | u32::from(d <= worst)),
    }
}
