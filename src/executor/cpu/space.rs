//! Points as the CPU executor holds them: rows in working order, and reduced distances between them.

use crate::metric::simd::{Level, Op, Simd, dispatch};

/// Points whose pairs of rows have a reduced distance. Calls are per row or per block, so that dispatch costs nothing.
pub(crate) trait Space: Send + Sync {
    fn n(&self) -> usize;
    /// Reduced distances of `row` to each of `others`.
    fn one_to_many(&self, row: u32, others: &[u32], out: &mut [f32]);
    /// Reduced distances between all of `ids`: a symmetric `m x m` matrix. The diagonal is not meaningful.
    fn all_pairs(&self, ids: &[u32], out: &mut [f32]);
    /// Puts row `order[i]` in place `i`.
    fn renumber(&mut self, order: &[u32]);
    /// What is held, for the report: `u8 x 784`.
    fn describe(&self) -> String;
    /// Whether distances are -x·y, so that a tree's pivots have to be brought to one length before they are compared.
    fn splits_by_direction(&self) -> bool;
}

/// The computation that spaces differ in: a tile of `R x 4` reduced distances.
pub(crate) trait Tiles: Send + Sync {
    fn tile<S: Simd, const R: usize>(&self, xs: [u32; R], ys: [u32; 4]) -> [[f32; 4]; R];
    /// Asks for the cache lines of a row.
    fn prefetch<S: Simd>(&self, row: u32);
}

/// Rows ahead that are asked for while four are computed.
const PREFETCH: usize = 4;

pub(crate) fn one_to_many<T: Tiles>(level: Level, tiles: &T, row: u32, others: &[u32], out: &mut [f32]) {
    assert_eq!(others.len(), out.len());
    dispatch(level, OneToMany { tiles, row, others, out });
}

pub(crate) fn all_pairs<T: Tiles>(level: Level, tiles: &T, ids: &[u32], out: &mut [f32]) {
    assert_eq!(ids.len() * ids.len(), out.len());
    dispatch(level, AllPairs { tiles, ids, out });
}

struct OneToMany<'a, T> {
    tiles: &'a T,
    row: u32,
    others: &'a [u32],
    out: &'a mut [f32],
}

impl<T: Tiles> Op for OneToMany<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { tiles, row, others, out } = self;
        for &ahead in others.iter().take(PREFETCH) {
            tiles.prefetch::<S>(ahead);
        }
        let (groups, rest) = others.as_chunks::<4>();
        for (g, ys) in groups.iter().enumerate() {
            for &ahead in others[4 * g + 4..].iter().take(PREFETCH) {
                tiles.prefetch::<S>(ahead);
            }
            out[4 * g..4 * g + 4].copy_from_slice(&tiles.tile::<S, 1>([row], *ys)[0]);
        }
        if let Some(ys) = four_of(rest) {
            let at = 4 * groups.len();
            out[at..].copy_from_slice(&tiles.tile::<S, 1>([row], ys)[0][..rest.len()]);
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
                let tile = if S::MANY_REGISTERS {
                    tiles.tile::<S, 4>(xs, ys)
                } else {
                    xs.map(|x| tiles.tile::<S, 1>([x], ys)[0])
                };
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

/// The first four ids, the last repeated where there are fewer; none of none.
#[inline(always)]
fn four_of(ids: &[u32]) -> Option<[u32; 4]> {
    let last = ids.len().checked_sub(1)?;
    Some(std::array::from_fn(|i| ids[i.min(last)]))
}

/// Moves rows of `stride` values so that row `order[i]` stands at `i`, in place, cycle by cycle.
pub(crate) fn permute_rows<V: Copy>(rows: &mut [V], stride: usize, order: &[u32]) {
    let mut done = vec![false; order.len()];
    let mut held = Vec::with_capacity(stride);
    for start in 0..order.len() {
        if done[start] {
            continue;
        }
        held.clear();
        held.extend_from_slice(&rows[start * stride..(start + 1) * stride]);
        let mut at = start;
        loop {
            done[at] = true;
            let from = order[at] as usize;
            if from == start {
                rows[at * stride..(at + 1) * stride].copy_from_slice(&held);
                break;
            }
            rows.copy_within(from * stride..(from + 1) * stride, at * stride);
            at = from;
        }
    }
}
