//! Many rows against many: some are interleaved into lines, one for each column, so that a column of another row is
//! multiplied with all of them at once.
//!
//! Sums run over ascending columns, one after the other. So the bits of a distance depend neither on which row comes
//! first nor on the rows around it: a pair that meets in the leaves of several trees has one distance. Equal rows are
//! at distance 0 (but for the rounding of angles).

use super::gather::{PREFETCH, SparseQuery, prefetch_row};
use super::kernels::with_terms;
use super::{Number, SparseRows, Table};
use crate::metric::kernels::sparse::{Lanes, Mark, SparseTerms};
use crate::simd::{LANES, Level, Op, Simd, dispatch};

/// A column of [`LANES`] rows.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([f32; LANES]);

/// Lines of one column: as many times [`LANES`] rows are computed at once.
const LINES: usize = 2;
const NO_LINES: [Line; LINES] = [Line([0.0; LANES]); LINES];
/// Rows side by side.
const WIDTH: usize = LINES * LANES;

/// Working memory of this module.
#[derive(Default)]
pub(super) struct Panel {
    /// By number of a column: 0, or what is known of it. All zero between calls.
    places: Vec<u32>,
    xs: Local,
    ys: Local,
    /// [`LINES`] for each place, and more. All zero between calls.
    lines: Vec<[Line; LINES]>,
}

/// Rows with the columns that matter to a call alone, numbered anew.
#[derive(Default)]
struct Local {
    bounds: Vec<u32>,
    places: Vec<u32>,
    values: Vec<f32>,
    marks: Vec<Mark>,
}

impl Local {
    fn clear(&mut self) {
        self.bounds.clear();
        self.bounds.push(0);
        self.places.clear();
        self.values.clear();
        self.marks.clear();
    }

    fn len(&self) -> usize {
        self.marks.len()
    }

    #[inline(always)]
    fn row(&self, i: usize) -> (&[u32], &[f32]) {
        let range = self.bounds[i] as usize..self.bounds[i + 1] as usize;
        (&self.places[range.clone()], &self.values[range])
    }

    /// Appends a row: its columns whose places are at least `least`, as places less `least`.
    fn push<I: Number>(&mut self, table: Table<I>, row: u32, places: &[u32], least: u32) {
        let head = table.heads[row as usize];
        let (numbers, values) = table.entries(head);
        let mut at = self.places.len();
        self.places.resize(at + numbers.len(), 0);
        self.values.resize(at + numbers.len(), 1.0);
        for (i, number) in numbers.iter().enumerate() {
            let place = places[number.get() as usize];
            // Written in any case, and overwritten if it does not count: no branches.
            self.places[at] = place.wrapping_sub(least);
            self.values[at] = if values.is_empty() { 1.0 } else { values[i] };
            at += usize::from(place >= least);
        }
        self.places.truncate(at);
        self.values.truncate(at);
        self.bounds.push(at as u32);
        self.marks.push(head.mark());
    }
}

/// A column of this place is in one row only.
const ONCE: u32 = 1;
/// Places of columns in more rows are numbered from here.
const SHARED: u32 = 2;

/// All pairs of `ids`.
pub(super) fn all_pairs<I: Number>(space: &SparseRows, table: Table<I>, ids: &[u32], out: &mut [f32]) {
    assert_eq!(ids.len() * ids.len(), out.len());
    if !space.kernel.is_sum() {
        return one_by_one(space, ids, ids, out);
    }
    space.pool.with(|scratch| {
        let Panel { places, xs, lines, .. } = &mut scratch.panel;
        places.resize(space.columns.len().max(places.len()), 0);
        let mut used = SHARED;
        for_columns(table, ids, |column| {
            // No branches, because which of the three cases it is cannot be predicted.
            let place = places[column];
            let second = place == ONCE;
            places[column] = if second { used } else { place.max(ONCE) };
            used += u32::from(second);
        });
        xs.clear();
        ids.iter().for_each(|&id| xs.push(table, id, places, SHARED));
        for_columns(table, ids, |column| places[column] = 0);
        lines.resize(lines.len().max((used - SHARED) as usize), NO_LINES);
        let symmetric = true;
        run(space, Products { kernel: (), xs, ys: xs, lines, symmetric, out });
    });
    mirror(out, ids.len());
}

/// Distances of each of `rows` to the rows from `first` on.
pub(super) fn block<I: Number>(space: &SparseRows, table: Table<I>, rows: &[u32], first: u32, out: &mut [f32]) {
    if rows.is_empty() {
        return;
    }
    let others: Vec<u32> = (first..).take(out.len() / rows.len()).collect();
    if space.is_precise || !space.kernel.is_sum() {
        return one_by_one(space, rows, &others, out);
    }
    space.pool.with(|scratch| {
        let Panel { places, xs, ys, lines } = &mut scratch.panel;
        places.resize(space.columns.len().max(places.len()), 0);
        let mut used = 1;
        for_columns(table, rows, |column| {
            if places[column] == 0 {
                places[column] = used;
                used += 1;
            }
        });
        xs.clear();
        rows.iter().for_each(|&row| xs.push(table, row, places, 1));
        ys.clear();
        others.iter().for_each(|&row| ys.push(table, row, places, 1));
        for_columns(table, rows, |column| places[column] = 0);
        lines.resize(lines.len().max((used - 1) as usize), NO_LINES);
        let symmetric = false;
        run(space, Products { kernel: (), xs, ys, lines, symmetric, out });
    });
}

/// Calls `f` with every column of every one of `rows`.
fn for_columns<I: Number>(table: Table<I>, rows: &[u32], mut f: impl FnMut(usize)) {
    for (i, &row) in rows.iter().enumerate() {
        if let Some(&ahead) = rows.get(i + PREFETCH) {
            prefetch_row(table, ahead);
        }
        table.entries(table.heads[row as usize]).0.iter().for_each(|n| f(n.get() as usize));
    }
}

/// For the kernel that is not a sum.
fn one_by_one(space: &SparseRows, rows: &[u32], others: &[u32], out: &mut [f32]) {
    space.pool.with(|scratch| {
        let query: &mut SparseQuery = &mut scratch.query;
        for (&row, out) in rows.iter().zip(out.chunks_exact_mut(others.len())) {
            space.scatter(row, query);
            space.query_to_many(query, others, out);
            query.clear();
        }
    });
}

/// The lower triangle of an `m x m` matrix, copied to the upper.
fn mirror(out: &mut [f32], m: usize) {
    for i in 0..m {
        for j in 0..i {
            out[j * m + i] = out[i * m + j];
        }
    }
}

struct Products<'a, K> {
    kernel: K,
    xs: &'a Local,
    ys: &'a Local,
    lines: &'a mut [[Line; LINES]],
    /// `out` is `xs` times `ys`; if they are the same rows, the lower triangle (and more) of it.
    symmetric: bool,
    out: &'a mut [f32],
}

fn run(space: &SparseRows, products: Products<()>) {
    fn go<K: SparseTerms>(level: Level, kernel: K, products: Products<()>) {
        let Products { xs, ys, lines, symmetric, out, .. } = products;
        dispatch(level, Products { kernel, xs, ys, lines, symmetric, out });
    }
    with_terms!(space.kernel, space.dim, kernel => go(space.level, kernel, products), chebyshev => unreachable!("no sum"));
}

impl<K: SparseTerms> Op for Products<'_, K> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { kernel, xs, ys, lines, symmetric, out } = self;
        let m = ys.len();
        for first in (0..xs.len()).step_by(WIDTH) {
            let here = first..xs.len().min(first + WIDTH);
            let mut marks = [Mark::default(); WIDTH];
            marks[..here.len()].copy_from_slice(&xs.marks[here.clone()]);
            for (lane, i) in here.clone().enumerate() {
                let (places, values) = xs.row(i);
                for (&place, &value) in places.iter().zip(values) {
                    lines[place as usize][lane / LANES].0[lane % LANES] = value;
                }
            }
            for j in if symmetric { first } else { 0 }..m {
                let (places, values) = ys.row(j);
                let sums = sums::<S, K>(kernel, lines, places, values);
                let found = finish(kernel, &sums, &marks, ys.marks[j]);
                if symmetric {
                    out[j * m + first..][..here.len()].copy_from_slice(&found[..here.len()]);
                } else {
                    here.clone().zip(found).for_each(|(i, d)| out[i * m + j] = d);
                }
            }
            for i in here {
                xs.row(i).0.iter().for_each(|&place| lines[place as usize] = NO_LINES);
            }
        }
    }
}

/// The sums of a row with all rows side by side.
#[inline(always)]
fn sums<S: Simd, K: SparseTerms>(
    kernel: K,
    lines: &[[Line; LINES]],
    places: &[u32],
    values: &[f32],
) -> [[[f32; LANES]; 2]; LINES] {
    let mut sums = [[S::splat(0.0); 2]; LINES];
    for (&place, &value) in places.iter().zip(values) {
        let (lines, value) = (&lines[place as usize], S::splat(value));
        for l in 0..LINES {
            sums[l] = kernel.step::<Lanes<S>>(sums[l], S::load(&lines[l].0), value);
        }
    }
    let mut out = [[[0.0; LANES]; 2]; LINES];
    for l in 0..LINES {
        out[l] = [S::to_array(sums[l][0]), S::to_array(sums[l][1])];
    }
    out
}

#[inline(always)]
fn finish<K: SparseTerms>(kernel: K, sums: &[[[f32; LANES]; 2]; LINES], xs: &[Mark; WIDTH], y: Mark) -> [f32; WIDTH] {
    let mut out = [0.0; WIDTH];
    for (i, out) in out.iter_mut().enumerate() {
        let [a, b] = &sums[i / LANES];
        *out = kernel.finish([a[i % LANES], b[i % LANES]], xs[i], y);
    }
    out
}
