//! Points as the CPU executor holds them: rows in working order, and reduced distances between them.

pub(crate) mod bits;
pub(crate) mod dense;
pub(crate) mod leaf_rows;
mod permute;
pub(crate) mod sparse;

pub(crate) use permute::permute_rows;

use crate::simd::{Level, Op, Simd, dispatch};

/// Rows in working order, besides their distances.
pub(crate) trait WorkingRows: Send + Sync {
    fn n(&self) -> usize;
    /// Puts row `order[i]` in place `i`.
    fn renumber(&mut self, order: &[u32]);
    /// What is held, for the report: `u8 x 784`.
    fn describe(&self) -> String;
    /// Whether distances are -x·y, so that a tree's pivots have to be brought to one length before they are compared.
    fn splits_by_direction(&self) -> bool;
    /// Keys that bring like rows together when rows are sorted by them, where distances to pivots tell little; others for every
    /// seed. None where pivots serve, for tree `tree`.
    fn sort_keys(&self, _tree: u64, _seed: u64) -> Option<Vec<u64>> {
        None
    }
    /// The rows as bits, where sketches of these tell which pairs may be near.
    fn sketched(&self) -> Option<&bits::BitRows> {
        None
    }
    /// Whether reduced distances are the form's true ones, to the last bit.
    fn is_exact(&self) -> bool {
        false
    }
}

/// Points whose pairs of rows have a reduced distance. Calls are per row or per block, so that dispatch costs nothing.
pub(crate) trait ReducedDistances: WorkingRows {
    /// Reduced distances of `row` to each of `others`.
    fn one_to_many(&self, row: u32, others: &[u32], out: &mut [f32]);
    /// Reduced distances of two rows to each of `others`.
    fn two_to_many(&self, rows: [u32; 2], others: &[u32], out: &mut [[f32; 2]]) {
        let mut to = vec![0.0; others.len()];
        for (side, row) in rows.into_iter().enumerate() {
            self.one_to_many(row, others, &mut to);
            out.iter_mut().zip(&to).for_each(|(out, &d)| out[side] = d);
        }
    }
    /// Reduced distances between all of `ids`: a symmetric `m x m` matrix. The diagonal is not meaningful.
    fn all_pairs(&self, ids: &[u32], out: &mut [f32]) {
        let m = ids.len();
        for i in 0..m {
            let (above, rest) = out.split_at_mut((i + 1) * m);
            let row = &mut above[i * m + i + 1..];
            self.one_to_many(ids[i], &ids[i + 1..], row);
            for (j, &d) in row.iter().enumerate() {
                rest[j * m + i] = d;
            }
        }
    }
    /// Reduced distances of each of `rows` to the rows `first..first + m`, `m` being `out.len() / rows.len()`: one row of `out`
    /// for each of `rows`.
    fn block(&self, rows: &[u32], first: u32, out: &mut [f32]) {
        let m = out.len() / rows.len();
        let others: Vec<u32> = (first..first + m as u32).collect();
        for (&row, out) in rows.iter().zip(out.chunks_exact_mut(m)) {
            self.one_to_many(row, &others, out);
        }
    }
}

/// A space whose distances come in tiles of `R x 4`: what such spaces differ in. The rest is [`ReducedDistances`]'s, below.
pub(crate) trait Tiles: WorkingRows {
    /// A row as kernels read it: one of this space's, or a query.
    type Row<'a>: Copy
    where
        Self: 'a;
    fn row(&self, i: u32) -> Self::Row<'_>;
    fn tile<S: Simd, const R: usize>(&self, xs: [Self::Row<'_>; R], ys: [Self::Row<'_>; 4]) -> [[f32; 4]; R];
    /// The instructions that tiles are computed with.
    fn level(&self) -> Level;
    /// Asks for the cache lines of a row.
    fn prefetch(&self, row: u32);
    /// Runs work on these tiles at `level`.
    fn dispatch<O: Op>(level: Level, op: O) -> O::Output {
        dispatch(level, op)
    }
}

impl<T: Tiles> ReducedDistances for T {
    fn one_to_many(&self, row: u32, others: &[u32], out: &mut [f32]) {
        to_many(self.level(), self, [self.row(row)], others, out.as_chunks_mut().0);
    }

    fn two_to_many(&self, rows: [u32; 2], others: &[u32], out: &mut [[f32; 2]]) {
        to_many(self.level(), self, rows.map(|row| self.row(row)), others, out);
    }

    fn all_pairs(&self, ids: &[u32], out: &mut [f32]) {
        assert_eq!(ids.len() * ids.len(), out.len());
        T::dispatch(self.level(), AllPairs { tiles: self, ids, out });
    }

    fn block(&self, rows: &[u32], first: u32, out: &mut [f32]) {
        T::dispatch(self.level(), Block { tiles: self, rows, first, out });
    }
}

/// Rows ahead that are asked for while four are computed.
const PREFETCH: usize = 24;

/// Reduced distances of `R` rows to each of `others`.
pub(crate) fn to_many<'a, T: Tiles + 'a, const R: usize>(
    level: Level,
    tiles: &'a T,
    rows: [T::Row<'a>; R],
    others: &'a [u32],
    out: &'a mut [[f32; R]],
) {
    assert_eq!(others.len(), out.len());
    T::dispatch(level, ToMany { tiles, rows, others, out });
}

struct ToMany<'a, T: Tiles + 'a, const R: usize> {
    tiles: &'a T,
    rows: [T::Row<'a>; R],
    others: &'a [u32],
    out: &'a mut [[f32; R]],
}

impl<T: Tiles, const R: usize> Op for ToMany<'_, T, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { tiles, rows, others, out } = self;
        for &ahead in others.iter().take(PREFETCH) {
            tiles.prefetch(ahead);
        }
        for at in (0..others.len()).step_by(4) {
            for &ahead in others[at..].iter().skip(PREFETCH).take(4) {
                tiles.prefetch(ahead);
            }
            let ys = rows_of(tiles, four_of(&others[at..]).unwrap_or_default());
            let tile = tiles.tile::<S, R>(rows, ys);
            for (j, out) in out[at..].iter_mut().take(4).enumerate() {
                for (out, row) in out.iter_mut().zip(&tile) {
                    *out = row[j];
                }
            }
        }
    }
}

struct AllPairs<'a, T> {
    tiles: &'a T,
    ids: &'a [u32],
    out: &'a mut [f32],
}

impl<T: Tiles> Op for AllPairs<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { tiles, ids, out } = self;
        let m = ids.len();
        for i in (0..m).step_by(4) {
            let xs = four_of(&ids[i..m.min(i + 4)]).unwrap_or_default();
            for j in (i..m).step_by(4) {
                let ys = four_of(&ids[j..m.min(j + 4)]).unwrap_or_default();
                let tile = square::<S, T>(tiles, xs, ys);
                for (a, row) in tile.iter().enumerate().take(m - i) {
                    for (b, &d) in row.iter().enumerate().take(m - j) {
                        out[(i + a) * m + j + b] = d;
                        out[(j + b) * m + i + a] = d;
                    }
                }
            }
        }
    }
}

/// 4 x 4 distances, in one tile if the registers allow.
#[inline(always)]
fn square<S: Simd, T: Tiles>(tiles: &T, xs: [u32; 4], ys: [u32; 4]) -> [[f32; 4]; 4] {
    let (xs, ys) = (rows_of(tiles, xs), rows_of(tiles, ys));
    if S::MANY_REGISTERS {
        return tiles.tile::<S, 4>(xs, ys);
    }
    let mut tile = [[0.0; 4]; 4];
    for (row, &x) in tile.iter_mut().zip(&xs) {
        *row = tiles.tile::<S, 1>([x], ys)[0];
    }
    tile
}

/// A loop, because closures over arrays are not always inlined into code compiled for an instruction set.
#[inline(always)]
fn rows_of<T: Tiles>(tiles: &T, ids: [u32; 4]) -> [T::Row<'_>; 4] {
    let mut rows = [tiles.row(ids[0]); 4];
    for j in 1..4 {
        rows[j] = tiles.row(ids[j]);
    }
    rows
}

struct Block<'a, T> {
    tiles: &'a T,
    rows: &'a [u32],
    first: u32,
    out: &'a mut [f32],
}

impl<T: Tiles> Op for Block<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { tiles, rows, first, out } = self;
        let m = out.len() / rows.len();
        for i in (0..rows.len()).step_by(4) {
            let xs = four_of(&rows[i..]).unwrap_or_default();
            for j in (0..m).step_by(4) {
                let last = m as u32 - 1;
                let mut ys = [first; 4];
                for (l, y) in ys.iter_mut().enumerate() {
                    *y += last.min((j + l) as u32);
                }
                let tile = square::<S, T>(tiles, xs, ys);
                for (a, row) in tile.iter().enumerate().take(rows.len() - i) {
                    let few = 4.min(m - j);
                    out[(i + a) * m + j..][..few].copy_from_slice(&row[..few]);
                }
            }
        }
    }
}

/// The first four ids, the last repeated where there are fewer; none of none.
#[inline(always)]
fn four_of(ids: &[u32]) -> Option<[u32; 4]> {
    let last = ids.len().checked_sub(1)?;
    let mut four = [ids[last]; 4];
    four[..last.min(3) + 1].copy_from_slice(&ids[..last.min(3) + 1]);
    Some(four)
}

#[cfg(test)]
mod tests {
    use half::f16;
    use proptest::prelude::*;

    use super::dense::{byte_differences, bytes, floats};
    use super::*;
    use crate::metric::{Form, KernelMetric, Metric};
    use crate::points::Points;

    /// The true distances of a space's reduced ones, all pairs, by both of its ways.
    fn check_space(points: &Points, wide: &[f32], metric: KernelMetric, space: &dyn ReducedDistances, tolerance: f64) {
        let (n, dim) = (points.n(), points.dim());
        let ids: Vec<u32> = (0..n as u32).collect();
        let mut all = vec![f32::NAN; n * n];
        space.all_pairs(&ids, &mut all);
        let row = |i: usize| &wide[i * dim..(i + 1) * dim];
        let mut block = vec![f32::NAN; n * (n - 1)];
        space.block(&ids, 1, &mut block);
        for i in 0..n {
            let mut to_all = vec![f32::NAN; n];
            space.one_to_many(i as u32, &ids, &mut to_all);
            for j in (0..n).filter(|&j| j != i) {
                let truth = Metric::from(metric).distance(row(i), row(j));
                let size = row(i).iter().chain(row(j)).map(|v| f64::from(v.abs())).fold(1.0, f64::max);
                let size = match metric.form() {
                    Form::Inner => size * size * dim as f64,
                    Form::TsSs => (size * size * dim as f64).powi(2),
                    _ => size,
                };
                for found in [all[i * n + j], to_all[j]].map(|d| f64::from(metric.to_true(d, dim))) {
                    // Both infinite where x + y is zero, in braycurtis.
                    if found == truth {
                        continue;
                    }
                    // The angle of parallel rows has half the digits: with cosines wrong by 16 epsilon, 0.002 of the 0.17 that
                    // ts-ss adds to it, in both of its factors.
                    let factor = if metric.form() == Form::TsSs { 250.0 } else { 1.0 };
                    let bound = factor * tolerance * truth.abs().max(1e-3 * size);
                    assert!((found - truth).abs() <= bound, "{metric:?} {i} {j}: {found} instead of {truth}");
                }
                assert_eq!(all[i * n + j].to_bits(), all[j * n + i].to_bits(), "{metric:?} is symmetric");
                assert!(
                    j == 0 || block[i * (n - 1) + j - 1].to_bits() == all[i * n + j].to_bits(),
                    "{metric:?} {i} {j}"
                );
            }
        }
    }

    fn check_levels<E: crate::points::Element>(values: &[E], n: usize, dim: usize, tolerance: f64) {
        let points = Points::dense(values, n, dim).unwrap();
        let wide: Vec<f32> = values.iter().map(|v| v.to_f32()).collect();
        for level in Level::available() {
            for metric in KernelMetric::all() {
                let space = floats::space(points.as_dense().unwrap(), metric.form(), level);
                check_space(&points, &wide, metric, &*space, tolerance);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn kernels_agree_with_the_oracle(
            n in 2usize..11, dim in 1usize..70, values in prop::collection::vec(-8.0f32..8.0, 70 * 11),
        ) {
            // Whole numbers too, so that columns are equal now and then, and a zero row.
            let mut values: Vec<f32> = values[..n * dim].iter().map(|v| if *v > 0.0 { v.round() } else { *v }).collect();
            values[..dim].fill(0.0);
            check_levels(&values, n, dim, 1e-4);
            let halves: Vec<f16> = values.iter().map(|&v| f16::from_f32(v)).collect();
            check_levels(&halves, n, dim, 1e-4);
            let bytes: Vec<u8> = values.iter().map(|v| v.abs() as u8).collect();
            check_levels(&bytes, n, dim, 1e-4);
            let signed: Vec<i8> = values.iter().map(|&v| v as i8).collect();
            check_levels(&signed, n, dim, 1e-4);
        }

        #[test]
        fn byte_codes_of_bytes_are_exact(
            n in 2usize..9, dim in 48usize..200, values in prop::collection::vec(0u8..=255, 200 * 9), signed: bool,
        ) {
            let mut values = values[..n * dim].to_vec();
            values[..dim].fill(0);
            let signed_values: Vec<i8> = values.iter().map(|v| v.cast_signed()).collect();
            let wide: Vec<f32> = if signed {
                signed_values.iter().map(|&v| f32::from(v)).collect()
            } else {
                values.iter().map(|&v| f32::from(v)).collect()
            };
            let points = if signed { Points::dense(&signed_values, n, dim) } else { Points::dense(&values, n, dim) }.unwrap();
            for level in Level::available() {
                let (space, is_exact) = byte_differences::space(points.as_dense().unwrap(), level);
                prop_assert!(is_exact);
                check_space(&points, &wide, KernelMetric::MANHATTAN, &*space, 1e-6);
                for metric in KernelMetric::all().into_iter().filter(|m| bytes::is_exact(points.as_dense().unwrap(), m.form())) {
                    if bytes::suits(points.as_dense().unwrap(), metric.form()) {
                        let space = bytes::space(points.as_dense().unwrap(), metric.form(), level);
                        check_space(&points, &wide, metric, &*space, 1e-4);
                    }
                }
            }
        }
    }

    #[test]
    fn byte_codes_of_floats_are_near() {
        let (n, dim) = (12, 100);
        let values: Vec<f32> = (0..n * dim).map(|i| ((i * 7919 % 1000) as f32 / 500.0 - 1.0) * 3.0).collect();
        let points = Points::dense(&values, n, dim).unwrap();
        for level in Level::available() {
            for metric in [KernelMetric::COSINE, KernelMetric::CORRELATION] {
                let space = bytes::space(points.as_dense().unwrap(), metric.form(), level);
                check_space(&points, &values, metric, &*space, 0.02);
            }
        }
    }
}
