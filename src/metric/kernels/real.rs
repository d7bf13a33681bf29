//! Numbers that formulas are written for once.

use std::ops::{Add, Div, Mul, Sub};

/// f32 or f64.
pub(crate) trait Real:
    Copy + PartialEq + From<f32> + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    fn of_count(count: usize) -> Self;
    fn sqrt(self) -> Self;
    fn powf(self, exponent: Self) -> Self;
}

macro_rules! real {
    ($real:ident) => {
        impl Real for $real {
            fn of_count(count: usize) -> Self {
                count as Self
            }
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            fn powf(self, exponent: Self) -> Self {
                self.powf(exponent)
            }
        }
    };
}
real!(f32);
real!(f64);
