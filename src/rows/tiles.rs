//! Rows whose distances are computed in tiles of `R x 4`: the loops around those tiles, compiled once for each kind of
//! row and instruction set.

use crate::simd::{Level, Op, Simd, dispatch};

/// Rows that are compared four at a time with `R` others.
pub(crate) trait Tiles: Sync {
    /// A row that others are compared with.
    type Query<'a>: Copy
    where
        Self: 'a;
    /// One of the others.
    type Row<'a>: Copy
    where
        Self: 'a;
    fn row(&self, i: u32) -> Self::Row<'_>;
    fn tile<S: Simd, const R: usize>(&self, xs: [Self::Query<'_>; R], ys: [Self::Row<'_>; 4]) -> [[f32; 4]; R];
    /// Asks for the cache lines of a row.
    fn prefetch(&self, row: u32);
    /// Runs work on these tiles at `level`.
    fn dispatch<O: Op>(level: Level, op: O) -> O::Output {
        dispatch(level, op)
    }
}

/// Rows that are prefetched ahead of those computed, where they are scattered in memory.
pub(crate) const AHEAD: usize = 24;

/// Reduced distances of `R` rows to each of `others`, of which `ahead` are prefetched.
pub(crate) fn to_many<'a, T: Tiles + 'a, const R: usize>(
    level: Level,
    tiles: &'a T,
    rows: [T::Query<'a>; R],
    others: &'a [u32],
    ahead: usize,
    out: &'a mut [[f32; R]],
) {
    assert_eq!(others.len(), out.len());
    T::dispatch(level, ToMany { tiles, rows, others, ahead, out });
}

struct ToMany<'a, T: Tiles + 'a, const R: usize> {
    tiles: &'a T,
    rows: [T::Query<'a>; R],
    others: &'a [u32],
    ahead: usize,
    out: &'a mut [[f32; R]],
}

impl<T: Tiles, const R: usize> Op for ToMany<'_, T, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { tiles, rows, others, ahead, out } = self;
        for &other in &others[..ahead.min(others.len())] {
            tiles.prefetch(other);
        }
        for (at, out) in out.chunks_mut(4).enumerate() {
            let here = &others[4 * at..];
            if ahead > 0 {
                for &other in here.iter().skip(ahead).take(4) {
                    tiles.prefetch(other);
                }
            }
            let tile = tile::<S, T, R>(tiles, rows, rows_of(tiles, four_of(here)));
            for (j, out) in out.iter_mut().enumerate() {
                for (out, row) in out.iter_mut().zip(&tile) {
                    *out = row[j];
                }
            }
        }
    }
}

/// `R x 4` distances: in one tile, or row by row where four rows take more registers than there are.
#[inline(always)]
fn tile<S: Simd, T: Tiles, const R: usize>(tiles: &T, xs: [T::Query<'_>; R], ys: [T::Row<'_>; 4]) -> [[f32; 4]; R] {
    if R < 4 || S::MANY_REGISTERS {
        return tiles.tile::<S, R>(xs, ys);
    }
    let mut tile = [[0.0; 4]; R];
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

/// The first four of some ids, the last repeated where there are fewer.
#[inline(always)]
pub(crate) fn four_of(ids: &[u32]) -> [u32; 4] {
    match ids.first_chunk() {
        Some(four) => *four,
        None => {
            let last = ids.len() - 1;
            [ids[0], ids[last.min(1)], ids[last.min(2)], ids[last]]
        }
    }
}

/// Computes the distances of four rows to others.
type FourToMany<'a> = dyn FnMut([u32; 4], &[u32], &mut [[f32; 4]]) + 'a;

/// [`ReducedDistances::all_pairs`](super::ReducedDistances::all_pairs), four rows at a time.
pub(crate) fn all_pairs_by_fours(ids: &[u32], out: &mut [f32], four_to_many: &mut FourToMany) {
    let m = ids.len();
    assert_eq!(m * m, out.len());
    let mut found = vec![[0.0; 4]; m];
    for i in (0..m).step_by(4) {
        let found = &mut found[i..];
        four_to_many(four_of(&ids[i..]), &ids[i..], found);
        let few = 4.min(m - i);
        for a in 0..few {
            let row = &mut out[(i + a) * m + i..][..m - i];
            row.iter_mut().zip(&*found).for_each(|(out, four)| *out = four[a]);
        }
        for (j, four) in found.iter().enumerate() {
            out[(i + j) * m + i..][..few].copy_from_slice(&four[..few]);
        }
    }
}

/// [`ReducedDistances::block`](super::ReducedDistances::block), four rows at a time.
pub(crate) fn block_by_fours(rows: &[u32], first: u32, out: &mut [f32], four_to_many: &mut FourToMany) {
    let m = out.len() / rows.len();
    let others: Vec<u32> = (first..first + m as u32).collect();
    let mut found = vec![[0.0; 4]; m];
    for (few, out) in rows.chunks(4).zip(out.chunks_mut(4 * m)) {
        four_to_many(four_of(few), &others, &mut found);
        for (a, row) in out.chunks_exact_mut(m).enumerate() {
            row.iter_mut().zip(&found).for_each(|(out, four)| *out = four[a]);
        }
    }
}
