//! Keys by which like sparse rows are sorted together.
//!
//! Broder, "On the resemblance and containment of documents" (1997): the least hash of two sets is that of the same
//! member with the probability of their Jaccard similarity. Members with larger values are drawn sooner, by exponential
//! clocks (Efraimidis and Spirakis 2006).

use super::Number;
use crate::rng::hash;

/// Bits of the key for each of three draws: the first decides most.
const BITS: [u32; 3] = [24, 20, 20];

/// Three members of a row, drawn the same way for all rows, as one number.
pub(super) fn min_hashes<I: Number>(numbers: &[I], values: Option<&[f32]>, seed: u64) -> u64 {
    BITS.into_iter().enumerate().fold(0, |key, (draw, bits)| {
        let clock = |(at, number): (usize, &I)| {
            let random = hash(seed, draw as u64, number.get().into(), 0);
            let weight = values.map_or(1.0, |values| values[at].abs());
            // -ln of a number above 0 and at most 1.
            let rate = -(((random >> 40) + 1) as f32 / (1 << 24) as f32).ln();
            (rate / weight, random)
        };
        let first = numbers.iter().enumerate().map(clock).min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        key << bits | first.map_or(0, |(_, random)| random >> (64 - bits))
    })
}
