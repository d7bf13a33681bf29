//! Numbers of files, as f64.

use half::f16;

/// A number in a file.
pub(super) trait Number: Copy + Sync {
    /// The nearest f64.
    fn wide(self) -> f64;

    /// What is left after subtracting `center`, in f64.
    fn minus(self, center: f64) -> f64 {
        self.wide() - center
    }
}

macro_rules! numbers {
    ($($type:ty: $wide:expr),*) => {
        $(impl Number for $type {
            fn wide(self) -> f64 {
                $wide(self)
            }
        })*
    };
}

numbers!(f32: f64::from, f16: f64::from, u8: f64::from, i8: f64::from, f64: std::convert::identity);

macro_rules! long_integers {
    ($($type:ty),*) => {
        $(impl Number for $type {
            fn wide(self) -> f64 {
                self as f64
            }

            /// The whole part in integers: nanoseconds of unix time need more digits than f64 has.
            fn minus(self, center: f64) -> f64 {
                (i128::from(self) - center.trunc() as i128) as f64 - center.fract()
            }
        })*
    };
}

long_integers!(i64, u64);
