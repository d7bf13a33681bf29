//! What the x86-64 levels share.

use std::arch::x86_64::{__m128i, _mm_setr_epi8};

/// An intrinsic call that is sound because its level's `run` is the only way to it.
macro_rules! at_level {
    ($e:expr) => {
        // SAFETY: `dispatch` runs a level only where its features are present; pointers come from references to arrays
        // of the size that is read.
        unsafe { $e }
    };
}
pub(super) use at_level;

/// The number of bits in each of the numbers below sixteen.
#[inline(always)]
pub(super) fn ones_of_nibbles() -> __m128i {
    at_level!(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4))
}

/// Whether two types are the same: how `load` chooses by element type.
#[inline(always)]
pub(super) fn same<A: 'static, B: 'static>() -> bool {
    std::any::TypeId::of::<A>() == std::any::TypeId::of::<B>()
}

/// Two functions of one list of features: `$available` asks the machine for them, `$run` is compiled with them.
macro_rules! level {
    ($available:ident, $run:ident::<$simd:ty>: $($feature:tt),+ $(,)?) => {
        /// Whether the machine has the features of the level.
        pub(super) fn $available() -> bool {
            $(is_x86_feature_detected!($feature))&&+
        }

        /// Runs `op` compiled for the level.
        ///
        /// # Safety
        /// The machine has the features of the level.
        $(#[target_feature(enable = $feature)])+
        pub(super) unsafe fn $run<O: Op>(op: O) -> O::Output {
            op.run::<$simd>()
        }
    };
}
pub(super) use level;
