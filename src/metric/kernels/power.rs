//! Powers of f32 without branches.

/// x^p of x from 0 and p from 1, to some millionths: exp2(p log2 x) without branches, so that compilers vectorize it. 0
/// for subnormal x. The polynomials are from Cephes' `logf` and `exp2f`.
#[inline(always)]
pub(crate) fn power(x: f32, p: f32) -> f32 {
    let log2 = log2(x) * p;
    // Beyond these, the result is out of f32's range.
    let log2 = if log2 > 200.0 { 200.0 } else { log2 };
    let log2 = if log2 < -200.0 { -200.0 } else { log2 };
    if x < f32::MIN_POSITIVE { 0.0 } else { exp2(log2) }
}

#[inline(always)]
fn log2(x: f32) -> f32 {
    const ROOT_OF_HALF: i32 = 0x3f35_04f3;
    let bits = x.to_bits() as i32;
    let exponent = bits.wrapping_sub(ROOT_OF_HALF) >> 23;
    let m = f32::from_bits(bits.wrapping_sub(exponent << 23) as u32) - 1.0;
    let mut sum = 7.037_683_6e-2;
    for c in [
        -1.151_461e-1,
        1.167_699_87e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ] {
        sum = sum * m + c;
    }
    let ln = m + (sum * m - 0.5) * (m * m);
    exponent as f32 + ln * std::f32::consts::LOG2_E
}

/// For x from -252 to 254.
#[inline(always)]
fn exp2(x: f32) -> f32 {
    /// Adding it rounds to a whole number.
    const WHOLE: f32 = 12_582_912.0;
    let whole = x + WHOLE;
    let rest = x - (whole - WHOLE);
    let exponent = (whole.to_bits() as i32).wrapping_sub(WHOLE.to_bits() as i32);
    let mut sum = 1.535_336_2e-4;
    for c in [1.339_887_4e-3, 9.618_437e-3, 5.550_332_5e-2, 2.402_264_8e-1, 6.931_472e-1, 1.0] {
        sum = sum * rest + c;
    }
    // Two factors, neither of which leaves the range of normal numbers.
    let half = exponent >> 1;
    let scale = |exponent: i32| f32::from_bits(((exponent + 127) << 23) as u32);
    sum * scale(half) * scale(exponent - half)
}

#[cfg(test)]
mod tests {
    use super::power;

    #[test]
    fn powers_are_those_of_f64() {
        for p in [1.0f32, 1.1, 1.5, 2.5, 3.3, 7.0, 20.0] {
            for i in 1..4000 {
                let x = (i as f32 * 0.05 - 100.0).exp2();
                let (found, right) = (power(x, p), f64::from(x).powf(p.into()));
                // Of the root: distances are roots.
                let root = (f64::from(found) / right).powf(1.0 / f64::from(p));
                let in_range = right > 1e-37 && right < 3e38;
                assert!(!in_range || (root - 1.0).abs() < 5e-6, "{x}^{p}: {found}, not {right}");
                assert!(right < 3.5e38 || found == f32::INFINITY, "{x}^{p}: {found}");
            }
            assert_eq!([power(0.0, p), power(1e-40, p)], [0.0; 2]);
            assert_eq!((power(1.0, p), power(f32::INFINITY, p)), (1.0, f32::INFINITY));
        }
    }
}
