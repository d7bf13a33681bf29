//! Every operation of every level against the portable one. Values are whole numbers below 2^11 and quotients that are
//! powers of two, of which sums and products are exact in any order.

use half::f16;
use proptest::prelude::*;

use super::*;

/// What the operations make of some values.
#[derive(Debug, PartialEq, Default)]
struct Found {
    floats: Vec<[f32; LANES]>,
    sums: Vec<[f32; 4]>,
    whole: Vec<[i32; 4]>,
    bits: Vec<u32>,
}

/// All operations on `x` and `y`.
struct All<'a> {
    x: &'a [u8; BYTES],
    y: &'a [u8; BYTES],
}

impl Op for All<'_> {
    type Output = Found;

    #[inline(always)]
    fn run<S: Simd>(self) -> Found {
        let mut found = Found::default();
        let first = |bytes: &[u8; BYTES]| *bytes.first_chunk::<LANES>().expect("64 bytes");
        let (x, y) = (first(self.x), first(self.y));
        let signed = x.map(u8::cast_signed);
        let halves = y.map(|y| f16::from_f32(f32::from(y) / 4.0));
        let (a, b, c) = (S::load(&x), S::load(&signed), S::load(&halves));
        let d = S::load(&y.map(|y| f32::from(1u8 << (y % 8))));
        found.floats.extend([a, b, c, d, S::splat(x[0].into())].map(S::to_array));
        found.floats.extend([S::add(a, b), S::sub(a, b), S::div(b, d), S::max(b, c), S::min(b, c)].map(S::to_array));
        found
            .floats
            .extend([S::abs(b), S::mul_add(a, b, c), S::differ(a, S::load(&y)), S::differ(a, b)].map(S::to_array));
        found.bits.extend([S::at_most(a, b), S::at_most(b, c), S::at_most(a, S::load(&y))]);
        found.sums.push(S::sum4([a, b, c, d]));

        let words = |bytes: &[u8; BYTES]| bytes.as_chunks().0.iter().map(|&four| u32::from_le_bytes(four)).collect();
        let words = |bytes| S::words(Vec::try_into(words(bytes)).as_ref().expect("sixteen words"));
        let once = S::count_common(words(self.x), words(self.y), S::no_counts());
        let twice = S::count_common(words(self.x), S::word(0xf0f0_1234), once);
        found.bits.extend([S::total(once), S::total(twice)]);
        found.floats.extend([S::to_array(S::floats(once)), S::to_array(S::floats(twice))]);

        let (zero, sum) = (S::zero(), |bytes: &[u8; BYTES]| bytes.iter().map(|&byte| i32::from(byte)).sum::<i32>());
        let [xx, xy, yx, yy] = S::total4([
            S::dot_bytes(self.x, self.x, zero),
            S::dot_bytes(self.x, self.y, zero),
            S::dot_bytes(self.y, self.x, zero),
            S::dot_bytes(self.y, self.y, S::dot_bytes(self.y, self.y, zero)),
        ]);
        let (x, y) = (S::BIAS * sum(self.x), S::BIAS * sum(self.y));
        found.whole.push([xx + x, xy + y, yx + x, yy + 2 * y]);
        for width in [BYTES / 2, BYTES] {
            let columns = [&self.x[..width], &self.y[..width]].concat();
            found.whole.push(S::dot_nibbles(&columns, [self.x, self.y, self.y, self.x].map(|plane| &plane[..width])));
        }
        let (long, plane) = ([self.x, self.y, self.x].map(|x| &x[..]).concat(), [&self.y[..], &self.x[..32]].concat());
        found.whole.push(S::dot_nibbles(&long, [&plane; 4]));
        let apart = S::differences(self.x, self.y, zero);
        found.whole.push(S::total4([
            apart,
            S::differences(self.y, self.x, apart),
            zero,
            S::dot_bytes(self.x, &[0; BYTES], zero),
        ]));
        found
    }
}

fn check(x: &[u8; BYTES], y: &[u8; BYTES]) {
    let expected = All { x, y }.run::<Portable>();
    let products =
        |a: &[u8; BYTES], b: &[u8; BYTES]| a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum::<i32>();
    assert_eq!(expected.whole[0], [products(x, x), products(x, y), products(x, y), 2 * products(y, y)]);
    for level in Level::available() {
        assert_eq!(dispatch(level, All { x, y }), expected, "{level:?}");
        assert_eq!(dispatch_bytes(level, All { x, y }), expected, "{level:?}, bytes");
        assert_eq!(dispatch_counting(level, All { x, y }), expected, "{level:?}, counting");
        assert_eq!(dispatch_scalar(level, All { x, y }), expected, "{level:?}, scalar");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_level_computes_what_the_portable_one_does(x: [u8; BYTES], y: [u8; BYTES]) {
        check(&x, &y);
    }
}

#[test]
fn sums_of_the_largest_products_are_exact() {
    check(&[255; BYTES], &[255; BYTES]);
    check(&[128; BYTES], &[255; BYTES]);
    check(&[127; BYTES], &[0; BYTES]);
}
