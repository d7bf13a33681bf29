//! Rows of packed bits, compared by how many they have in common.

pub(crate) mod join;
mod near_pairs;
mod sketch;
pub(crate) mod sketch_blocks;
mod threshold;

use std::sync::OnceLock;

use crate::metric::SetMetric;
use crate::parallel::{self, fold_rows};
use crate::points::{Bits, Dense};
use crate::rng::{hash, stratified_sample};
use crate::rows::tiles::{AHEAD, Tiles, all_pairs_by_fours, to_many};
use crate::rows::{DistanceCost, ReducedDistances, WorkingRows};
use crate::simd::{Level, Op, Simd, dispatch_counting, prefetch};
use crate::storage::Storage;

/// Bits of a step: the widest vectors, and a cache line.
const WORDS: usize = 8;

/// Words of sketches, at least, where all pairs are compared: most are far, so that reading sketches is what takes
/// time.
const NARROWEST: usize = 10;

/// Rows that tell how frequent bits are.
const SAMPLE: usize = 4096;

/// Rows as words, each padded with zeros to whole cache lines, and their numbers of bits.
pub(crate) struct BitRows {
    pub words: Storage<[u64; WORDS]>,
    pub counts: Storage<u32>,
    stride: usize,
    dim: u32,
    metric: SetMetric,
    level: Level,
    /// How many rows of a sample have each bit.
    frequencies: OnceLock<Vec<u32>>,
}

/// A row to search for.
#[derive(Debug, Clone, Default)]
pub(crate) struct BitQuery {
    words: Vec<[u64; WORDS]>,
    count: u32,
}

/// A row as kernels read it.
#[derive(Clone, Copy)]
pub(crate) struct BitRow<'a> {
    words: &'a [[u64; WORDS]],
    count: u32,
}

/// Steps of a row of `dim` bits.
pub(crate) fn stride(dim: usize) -> usize {
    dim.div_ceil(64 * WORDS)
}

impl BitRows {
    /// The bits as they are.
    pub(crate) fn of_bits(bits: &Bits, metric: SetMetric) -> Self {
        Self::filled(bits.n(), bits.dim(), metric, |i, words: &mut [[u64; WORDS]]| {
            put_bits(bits.row(i), words);
        })
    }

    /// A bit for every column that is not zero.
    pub(crate) fn of_columns(points: &Dense, metric: SetMetric) -> Self {
        Self::filled(points.n(), points.dim(), metric, |i, words: &mut [[u64; WORDS]]| {
            let mut row = vec![0.0; points.dim()];
            points.widen_row(i, &mut row);
            put_columns(&row, words);
        })
    }

    fn filled(n: usize, dim: usize, metric: SetMetric, fill: impl Fn(usize, &mut [[u64; WORDS]]) + Sync) -> Self {
        let stride = stride(dim);
        let mut words = vec![[0u64; WORDS]; n * stride];
        let fill = |counts: &mut Vec<u32>, i: usize, row: &mut [[u64; WORDS]]| {
            fill(i, row);
            counts.push(count(row));
        };
        let counts = fold_rows(&mut words, stride, 64, Vec::new, fill).concat();
        Self::of_parts(words.into(), counts.into(), dim, metric)
    }

    /// Words and counts that were made before, of rows of `dim` bits.
    pub(crate) fn of_parts(words: Storage<[u64; WORDS]>, counts: Storage<u32>, dim: usize, metric: SetMetric) -> Self {
        Self {
            words,
            counts,
            stride: stride(dim),
            dim: dim as u32,
            metric,
            level: Level::detect(),
            frequencies: OnceLock::new(),
        }
    }

    /// Makes `query` a row of bits.
    pub(crate) fn set_query(&self, row: &[u8], query: &mut BitQuery) {
        self.set(query, |words| put_bits(row, words));
    }

    /// Makes `query` the set of the columns that are not zero.
    pub(crate) fn set_query_of_columns(&self, row: &[f32], query: &mut BitQuery) {
        self.set(query, |words| put_columns(row, words));
    }

    /// Makes `query` one of these rows.
    pub(crate) fn set_own_query(&self, row: u32, query: &mut BitQuery) {
        self.set(query, |words| words.copy_from_slice(self.row(row).words));
    }

    fn set(&self, query: &mut BitQuery, put: impl FnOnce(&mut [[u64; WORDS]])) {
        query.words.clear();
        query.words.resize(self.stride, [0; WORDS]);
        put(&mut query.words);
        query.count = count(&query.words);
    }

    /// Distances of a query to `others`, in place of what `out` held.
    pub(crate) fn query_to_many(&self, query: &BitQuery, others: &[u32], out: &mut Vec<f32>) {
        out.resize(others.len(), 0.0);
        let row = BitRow { words: &query.words, count: query.count };
        to_many(self.level, self, [row], others, AHEAD, out.as_chunks_mut().0);
    }

    /// Adds rows of the same width.
    pub(crate) fn push(&mut self, more: &Self) {
        self.frequencies.take();
        self.words.edit(|words| words.extend_from_slice(&more.words));
        self.counts.edit(|counts| counts.extend_from_slice(&more.counts));
    }

    /// Keeps the rows `order`, in that order.
    pub(crate) fn select(&mut self, order: &[u32]) {
        self.frequencies.take();
        let words: Vec<[u64; WORDS]> = order.iter().flat_map(|&row| self.row(row).words).copied().collect();
        self.counts = order.iter().map(|&row| self.counts[row as usize]).collect::<Vec<u32>>().into();
        self.words = words.into();
    }

    /// The metric of sets.
    pub(crate) fn metric(&self) -> SetMetric {
        self.metric
    }

    /// Bits of a row.
    pub(crate) fn dim(&self) -> u32 {
        self.dim
    }

    /// The words of a row.
    #[cfg(feature = "gpu")]
    pub(crate) fn words_of(&self, row: usize) -> &[[u64; WORDS]] {
        &self.words[row * self.stride..][..self.stride]
    }

    /// How many bits two rows have in common.
    #[inline(always)]
    pub(super) fn in_common<S: Simd>(&self, i: u32, j: u32) -> u32 {
        let (x, y) = (self.row(i), self.row(j));
        let mut both = S::no_counts();
        for (x, y) in x.words.iter().zip(y.words) {
            both = S::count_common(S::words(bytemuck::cast_ref(x)), S::words(bytemuck::cast_ref(y)), both);
        }
        S::total(both)
    }

    /// The instructions that rows are compared with.
    pub(super) fn level(&self) -> Level {
        self.level
    }

    /// Words of 32 bits of a row.
    pub(super) fn words_of_row(&self) -> usize {
        self.stride * 2 * WORDS
    }

    /// Calls `visit` with each bit that row `i` has.
    pub(super) fn ones(&self, i: usize, mut visit: impl FnMut(usize)) {
        for (at, &word) in self.row(i as u32).words.as_flattened().iter().enumerate() {
            let mut left = word;
            while left != 0 {
                visit(64 * at + left.trailing_zeros() as usize);
                left &= left - 1;
            }
        }
    }

    /// How many rows of a sample have each bit.
    pub(super) fn frequencies(&self) -> &[u32] {
        self.frequencies.get_or_init(|| {
            let mut frequencies = vec![0; self.dim as usize];
            let n = self.counts.len();
            for i in stratified_sample(0, 0, n, n.min(SAMPLE)) {
                self.ones(i, |bit| frequencies[bit] += 1);
            }
            frequencies
        })
    }

    /// Bits drawn without replacement, those that tell rows apart best with the greatest chance: in proportion to the
    /// variance, p(1 - p). Efraimidis and Spirakis (2006): the least of exponential variables.
    fn drawn_bits(&self, seed: u64) -> Vec<u32> {
        let sample = self.counts.len().min(SAMPLE) as f64;
        let arrival = |(bit, &count): (usize, &u32)| {
            let p = f64::from(count) / sample;
            let uniform = (hash(seed, 0, bit as u64, 0) >> 11) as f64 / (1u64 << 53) as f64;
            (-(1.0 - uniform).ln() / (p * (1.0 - p)).max(1e-9), bit as u32)
        };
        let mut arrivals: Vec<(f64, u32)> = self.frequencies().iter().enumerate().map(arrival).collect();
        arrivals.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        arrivals.into_iter().take(64).map(|(_, bit)| bit).collect()
    }

    /// Bytes that a search reads of a row.
    pub(crate) fn bytes_of_row(&self) -> usize {
        self.stride * 8 * WORDS
    }

    /// Bytes that rows of `dim` bits take.
    pub(crate) fn bytes(n: usize, dim: usize) -> u64 {
        (n * (stride(dim) * 8 * WORDS + 4)) as u64
    }

    /// Nanoseconds of one of n² pairs of rows of `dim` bits, of which `mean` are set, where sketches are compared:
    /// about eight bits of a sketch for a bit that is set. docs/PERFORMANCE.md, "Bits".
    pub(crate) fn pair_cost(dim: usize, mean: f64) -> f64 {
        let words = (8.0 * mean / 32.0).max(NARROWEST as f64).min((stride(dim) * 2 * WORDS) as f64);
        0.3 + 0.02 * words
    }

    /// Nanoseconds of a distance of rows of `dim` bits, roughly.
    pub(crate) fn cost(dim: usize) -> f64 {
        2.0 + 1.5 * stride(dim) as f64
    }
}

fn put_bits(row: &[u8], words: &mut [[u64; WORDS]]) {
    let bytes: &mut [u8] = bytemuck::cast_slice_mut(words);
    bytes[..row.len()].copy_from_slice(row);
}

fn put_columns(row: &[f32], words: &mut [[u64; WORDS]]) {
    for (word, columns) in words.as_flattened_mut().iter_mut().zip(row.chunks(64)) {
        *word = columns.iter().rev().fold(0, |word, v| word << 1 | u64::from(*v != 0.0));
    }
}

fn count(words: &[[u64; WORDS]]) -> u32 {
    words.as_flattened().iter().map(|word| word.count_ones()).sum()
}

impl WorkingRows for BitRows {
    fn n(&self) -> usize {
        self.counts.len()
    }

    fn is_exact(&self) -> bool {
        true
    }

    fn sort_keys(&self, _tree: u64, seed: u64) -> Option<Vec<u64>> {
        let bits = self.drawn_bits(seed);
        let key = |(): &mut (), i: usize| {
            let words = self.row(i as u32).words.as_flattened();
            bits.iter().fold(0, |key, &bit| key << 1 | words[bit as usize / 64] >> (bit % 64) & 1)
        };
        Some(parallel::map(self.n(), 256, || (), key))
    }

    fn distance_cost(&self) -> DistanceCost {
        DistanceCost::Little
    }

    fn renumber(&mut self, order: &[u32]) {
        self.words.edit(|words| super::permute_rows(words, self.stride, order));
        self.counts.edit(|counts| super::permute_rows(counts, 1, order));
    }

    fn describe(&self) -> String {
        format!("rows of {} bits, {}", self.dim, self.level.name())
    }

    fn splits_by_direction(&self) -> bool {
        false
    }
}

impl ReducedDistances for BitRows {
    fn one_to_many(&self, row: u32, others: &[u32], out: &mut [f32]) {
        to_many(self.level, self, [self.row(row)], others, AHEAD, out.as_chunks_mut().0);
    }

    fn all_pairs(&self, ids: &[u32], out: &mut [f32]) {
        all_pairs_by_fours(ids, out, &mut |rows, others, out| {
            to_many(self.level, self, rows.map(|row| self.row(row)), others, 0, out);
        });
    }
}

impl Tiles for BitRows {
    type Query<'a> = BitRow<'a>;
    type Row<'a> = BitRow<'a>;

    #[inline(always)]
    fn row(&self, i: u32) -> BitRow<'_> {
        let words = &self.words[i as usize * self.stride..][..self.stride];
        BitRow { words, count: self.counts[i as usize] }
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize>(&self, xs: [BitRow<'_>; R], ys: [BitRow<'_>; 4]) -> [[f32; 4]; R] {
        let mut both = [[[0u64; WORDS]; 4]; R];
        for step in 0..self.stride {
            for i in 0..R {
                for j in 0..4 {
                    let (x, y) = (&xs[i].words[step], &ys[j].words[step]);
                    for w in 0..WORDS {
                        both[i][j][w] += u64::from((x[w] & y[w]).count_ones());
                    }
                }
            }
        }
        let mut out = [[0.0; 4]; R];
        for i in 0..R {
            for j in 0..4 {
                let both = both[i][j].iter().sum::<u64>() as u32;
                out[i][j] = self.metric.distance(both, xs[i].count, ys[j].count, self.dim);
            }
        }
        out
    }

    fn dispatch<O: Op>(level: Level, op: O) -> O::Output {
        dispatch_counting(level, op)
    }

    #[inline(always)]
    fn prefetch(&self, row: u32) {
        self.row(row).words.iter().for_each(prefetch);
    }
}
