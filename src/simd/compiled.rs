//! What the levels share that are compiled for more than the baseline of the target.

#[cfg(target_arch = "aarch64")]
pub(super) use std::arch::is_aarch64_feature_detected as is_detected;
#[cfg(target_arch = "x86_64")]
pub(super) use std::arch::is_x86_feature_detected as is_detected;

/// An intrinsic call that is sound because its level's `run` is the only way to it.
macro_rules! at_level {
    ($e:expr) => {
        // SAFETY: `dispatch` runs a level only where its features are present; pointers come from references to arrays
        // of the size that is read.
        unsafe { $e }
    };
}
pub(super) use at_level;

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
            $(super::compiled::is_detected!($feature))&&+
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
