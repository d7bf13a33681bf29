//! Counter-based randomness: a hash of seed and place of use, without state, so that no result depends on the order of
//! calls.

/// 64 well-mixed bits of four numbers (splitmix64's finaliser, Steele, Lea and Flood 2014, over a running sum).
#[inline]
pub(crate) fn hash(seed: u64, stream: u64, row: u64, slot: u64) -> u64 {
    mix(mix(mix(seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_add(stream)).wrapping_add(row))
        .wrapping_add(slot.wrapping_mul(0xd1b5_4a32_d192_ed03))
        .rotate_left(17)
        .wrapping_mul(0x2545_f491_4f6c_dd1d)
        ^ mix(slot ^ row.rotate_left(32))
}

#[inline]
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A number below `n` from 64 random bits.
#[inline]
pub(crate) fn below(bits: u64, n: usize) -> usize {
    ((u128::from(bits) * n as u128) >> 64) as usize
}

/// One number below `n` from each of `count` (at most `n`) equal ranges: distinct, ascending, evenly spread.
pub(crate) fn stratified_sample(seed: u64, stream: u64, n: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |s| {
        let (from, to) = (s * n / count, (s + 1) * n / count);
        from + below(hash(seed, stream, s as u64, 0), to - from)
    })
}
