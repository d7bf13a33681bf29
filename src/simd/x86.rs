//! What the x86-64 levels share.

use std::arch::x86_64::{__m128i, _mm_setr_epi8};

use super::compiled::at_level;

/// The number of bits in each of the numbers below sixteen.
#[inline(always)]
pub(super) fn ones_of_nibbles() -> __m128i {
    at_level!(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4))
}
