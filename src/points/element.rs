//! The number types a dense matrix may hold.

use half::f16;

use super::DenseValues;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for half::f16 {}
    impl Sealed for u8 {}
    impl Sealed for i8 {}
}

/// A number type of dense rows: `f32`, [`half::f16`], `u8` or `i8`.
pub trait Element: Copy + Send + Sync + bytemuck::Pod + sealed::Sealed + 'static {
    /// Name as numpy has it.
    #[doc(hidden)]
    const NAME: &'static str;
    /// Whether values can be NaN or infinite.
    #[doc(hidden)]
    const FLOATING: bool;
    /// Neither NaN nor infinite.
    #[doc(hidden)]
    fn is_finite(self) -> bool;
    /// The value, exactly (NaN stays NaN).
    #[doc(hidden)]
    fn to_f32(self) -> f32;
    /// The value of a finite number, exactly, without branches, so that loops vectorise.
    #[doc(hidden)]
    fn widen(self) -> f32;
    /// The slice with its type remembered at run time.
    #[doc(hidden)]
    fn rows(data: &[Self]) -> DenseValues<'_>;
}

macro_rules! element {
    ($t:ty, $name:literal, $floating:literal, $rows:ident, $x:ident => $finite:expr, $exact:expr, $widen:expr) => {
        impl Element for $t {
            const NAME: &'static str = $name;
            const FLOATING: bool = $floating;
            #[inline(always)]
            fn is_finite(self) -> bool {
                let $x = self;
                $finite
            }
            #[inline(always)]
            fn to_f32(self) -> f32 {
                let $x = self;
                $exact
            }
            #[inline(always)]
            fn widen(self) -> f32 {
                let $x = self;
                $widen
            }
            fn rows(data: &[Self]) -> DenseValues<'_> {
                DenseValues::$rows(data)
            }
        }
    };
}

element!(f32, "float32", true, F32, x => f32::is_finite(x), x, x);
element!(f16, "float16", true, F16, x => f16::is_finite(x), f16::to_f32(x), widen_f16(x));
element!(u8, "uint8", false, U8, x => { let _ = x; true }, f32::from(x), f32::from(x));
element!(i8, "int8", false, I8, x => { let _ = x; true }, f32::from(x), f32::from(x));

/// f16 to f32 by shifting the bits into place and rescaling by 2^112, which is exact for every finite value, subnormals
/// included.
#[inline(always)]
fn widen_f16(x: f16) -> f32 {
    let bits = u32::from(x.to_bits());
    let magnitude = f32::from_bits((bits & 0x7fff) << 13) * f32::from_bits(0x7780_0000);
    f32::from_bits(magnitude.to_bits() | (bits & 0x8000) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_f16_widens_exactly() {
        for x in (0..=u16::MAX).map(f16::from_bits).filter(|x| x.is_finite()) {
            assert_eq!(x.widen().to_bits(), x.to_f32().to_bits(), "{:#x}", x.to_bits());
        }
    }
}
