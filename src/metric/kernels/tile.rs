//! Tiles of distances between dense rows: every load serves several pairs.

use super::Accumulate;
use crate::points::Element;
use crate::simd::{LANES, Simd};

/// The tail of a row, padded with zeros.
#[inline(always)]
fn padded<E: Element>(tail: &[E]) -> [E; LANES] {
    let mut full = [E::zeroed(); LANES];
    full[..tail.len()].copy_from_slice(tail);
    full
}

/// Reduced distances of `R` rows to four others, each load serving several pairs. All rows are equally long.
///
/// Loops rather than closures over arrays, which are not always inlined into code compiled for an instruction set.
#[inline(always)]
pub(crate) fn tile<S: Simd, X: Element, Y: Element, K: Accumulate, const R: usize>(
    kernel: K,
    xs: [&[X]; R],
    ys: [&[Y]; 4],
) -> [[f32; 4]; R] {
    let dim = ys[0].len();
    let chunks = dim / LANES;
    let mut acc = [[kernel.start::<S>(); 4]; R];
    for c in 0..chunks {
        step_all::<S, K, R>(kernel, &mut acc, load_chunk::<S, X, R>(&xs, c), load_chunk::<S, Y, 4>(&ys, c));
    }
    if dim > chunks * LANES {
        step_all::<S, K, R>(kernel, &mut acc, load_tail::<S, X, R>(&xs, chunks), load_tail::<S, Y, 4>(&ys, chunks));
    }
    let mut out = [[0.0; 4]; R];
    for i in 0..R {
        out[i] = kernel.finish::<S>(acc[i]);
    }
    out
}

/// A step of every pair. A function, as a closure that is called twice is not inlined, and then neither are its
/// instructions.
#[inline(always)]
fn step_all<S: Simd, K: Accumulate, const R: usize>(
    kernel: K,
    acc: &mut [[K::Acc<S>; 4]; R],
    x: [S::F; R],
    y: [S::F; 4],
) {
    for i in 0..R {
        for j in 0..4 {
            acc[i][j] = kernel.step::<S>(acc[i][j], x[i], y[j]);
        }
    }
}

/// Chunk `c` of every row.
#[inline(always)]
fn load_chunk<S: Simd, E: Element, const R: usize>(rows: &[&[E]; R], c: usize) -> [S::F; R] {
    let mut out = [S::splat(0.0); R];
    for i in 0..R {
        out[i] = S::load(rows[i][c * LANES..].first_chunk().expect("rows are equally long"));
    }
    out
}

/// The values after the last whole chunk of every row.
#[inline(always)]
fn load_tail<S: Simd, E: Element, const R: usize>(rows: &[&[E]; R], chunks: usize) -> [S::F; R] {
    let mut out = [S::splat(0.0); R];
    for i in 0..R {
        out[i] = S::load(&padded(&rows[i][chunks * LANES..]));
    }
    out
}
