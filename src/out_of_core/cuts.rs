//! Where parts are: a centre for each, found on a sample, and how far rows are from them.
//!
//! Centres are means of the sample's rows (Lloyd's algorithm), as long as these come nearer to their rows: under
//! metrics for which means say nothing, centres stay rows of the sample. A price is then added to the distance of every
//! centre, so that parts hold about equally many rows. Rows that are far from all others are left out: each would have
//! a centre of its own.

use std::borrow::Cow;

use crate::dataset::Dataset;
use crate::error::BuildError;
use crate::exact;
use crate::graph::KnnGraph;
use crate::metric::Metric;
use crate::parallel;
use crate::points::Points;
use crate::rng::stratified_sample;

/// Rows that one task compares with the centres.
const GRAIN: usize = 256;
/// Steps of Lloyd's algorithm at most.
const STEPS: usize = 12;
/// Steps in which prices are found.
const PRICE_STEPS: usize = 100;
/// What is left of a step at the next.
const PRICE_DECAY: f32 = 0.95;
/// Rows of the sample that prices are found on: so many, and so many for each part.
const PRICED_ROWS: usize = 1 << 14;
const PRICED_ROWS_OF_PART: usize = 256;
/// Rows of the sample that tell which are far from all others.
const REFERENCES: usize = 16;
/// Far is this many times as far as nine of ten rows are.
const FAR: f32 = 10.0;
/// Streams of random numbers for the first centres, for the rows of prices, and for those that tell what is far.
const CENTERS: u64 = 0x0c07;
const PRICED: u64 = 0x0c08;
const FARTHEST: u64 = 0x0c09;

/// The centres of parts.
pub(super) struct Cuts {
    dim: usize,
    metric: Metric,
    pub centers: Vec<f32>,
    /// Added to the distances of every centre.
    prices: Vec<f32>,
}

impl Cuts {
    /// `parts` centres for rows like those of a sample of `dim` columns, each of which is in `overlap` parts.
    pub(super) fn new(
        sample: &[f32],
        dim: usize,
        (parts, overlap): (usize, usize),
        metric: &Metric,
        seed: u64,
    ) -> Result<Self, BuildError> {
        // Products are not nearest to the centre, but to the longest row: directions are what near rows share.
        let metric = match metric {
            Metric::Dot | Metric::InnerProduct => Metric::Cosine,
            other => other.clone(),
        };
        let sample = &*without_far_rows(sample, dim, parts, &metric, seed)?;
        let n = sample.len() / dim;
        let first = stratified_sample(seed, CENTERS, n, parts);
        let centers = gathered(sample, dim, first);
        let mut cuts = Self { dim, metric, centers, prices: vec![0.0; parts] };
        let mut cost = f64::INFINITY;
        for _ in 0..STEPS {
            let near = cuts.nearest(sample)?;
            let (moved, now) = (cuts.means(sample, &near), total(&near));
            if now >= cost {
                break;
            }
            cost = now;
            let before = std::mem::replace(&mut cuts.centers, moved);
            if total(&cuts.nearest(sample)?) >= now {
                cuts.centers = before;
                break;
            }
        }
        let priced = n.min(PRICED_ROWS.max(PRICED_ROWS_OF_PART * parts));
        let priced = stratified_sample(seed, PRICED, n, priced);
        cuts.set_prices(&cuts.distances(&gathered(sample, dim, priced))?, overlap);
        Ok(cuts)
    }

    /// Number of parts.
    pub(super) fn parts(&self) -> usize {
        self.prices.len()
    }

    /// Distances with prices, rows x parts.
    pub(super) fn distances(&self, rows: &[f32]) -> Result<Vec<f32>, BuildError> {
        let parts = self.parts();
        let joined = [&self.centers, rows].concat();
        let dataset = Dataset::new(&Points::dense(&joined, joined.len() / self.dim, self.dim)?, &self.metric)?;
        let (truth, all) = (dataset.problem().true_distances(), Vec::from_iter(0..parts as u32));
        let mut out = vec![0.0; rows.len() / self.dim * parts];
        parallel::for_rows(&mut out, parts, GRAIN, |i, out| {
            let mut distances = Vec::with_capacity(parts);
            truth.distances(parts + i, &all, &mut distances);
            for ((out, distance), price) in out.iter_mut().zip(&distances).zip(&self.prices) {
                *out = *distance as f32 + price;
            }
        });
        Ok(out)
    }

    /// The nearest part of every row, and its distance.
    fn nearest(&self, rows: &[f32]) -> Result<Vec<(u32, f32)>, BuildError> {
        let (ids, distances) = query(&self.centers, rows, self.dim, &self.metric, 1)?.into_parts();
        Ok(ids.into_iter().zip(distances).collect())
    }

    /// The means of the rows that are nearest to each centre.
    fn means(&self, sample: &[f32], near: &[(u32, f32)]) -> Vec<f32> {
        let (dim, parts) = (self.dim, self.parts());
        let (mut sums, mut counts) = (vec![0f64; parts * dim], vec![0u32; parts]);
        for (row, &(part, _)) in sample.chunks_exact(dim).zip(near) {
            counts[part as usize] += 1;
            let sums = &mut sums[part as usize * dim..][..dim];
            sums.iter_mut().zip(row).for_each(|(sum, &v)| *sum += f64::from(v));
        }
        let mut means = self.centers.clone();
        for (part, count) in counts.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            let place = part * dim..(part + 1) * dim;
            means[place.clone()]
                .iter_mut()
                .zip(&sums[place])
                .for_each(|(to, sum)| *to = (sum / f64::from(count)) as f32);
        }
        means
    }

    /// Prices by which the largest part is as small as can be: those of full parts rise, step by step.
    fn set_prices(&mut self, distances: &[f32], overlap: usize) {
        let parts = self.parts();
        let rows = distances.chunks_exact(parts);
        let wanted = (rows.len() * overlap) as f32 / parts as f32;
        let gap = mean_gap(distances, parts);
        let mut prices = vec![0f32; parts];
        let mut best = (u64::MAX, prices.clone());
        let mut row = vec![0f32; parts];
        let mut rate = 2.0 * gap;
        for _ in 0..PRICE_STEPS {
            let mut loads = vec![0u64; parts];
            for distances in distances.chunks_exact(parts) {
                row.iter_mut().zip(distances).zip(&prices).for_each(|((to, d), price)| *to = d + price);
                choose(&row, overlap, &mut loads, u64::MAX, &mut |_| ());
            }
            let largest = loads.iter().copied().max().unwrap_or(0);
            if largest < best.0 {
                best = (largest, prices.clone());
            }
            for (price, load) in prices.iter_mut().zip(&loads) {
                *price += rate * (*load as f32 / wanted - 1.0).clamp(-1.0, 1.0);
            }
            rate *= PRICE_DECAY;
        }
        self.prices = best.1;
    }
}

/// Some rows of a sample, one after the other.
fn gathered(sample: &[f32], dim: usize, rows: impl Iterator<Item = usize>) -> Vec<f32> {
    parallel::gathered(sample, dim, &rows.map(|row| row as u32).collect::<Vec<_>>())
}

/// The `k` of some base rows that are nearest to every row.
fn query(base: &[f32], rows: &[f32], dim: usize, metric: &Metric, k: usize) -> Result<KnnGraph, BuildError> {
    let [base, rows] = [base, rows].map(|values| Points::dense(values, values.len() / dim, dim));
    exact::query(&base?, &rows?, metric, k)
}

/// A sample without the rows that are far from all others, unless that leaves fewer than `least`. How far a row is, is
/// the median of its distances to a few rows: those of these that are far themselves do not matter.
fn without_far_rows<'a>(
    sample: &'a [f32],
    dim: usize,
    least: usize,
    metric: &Metric,
    seed: u64,
) -> Result<Cow<'a, [f32]>, BuildError> {
    let n = sample.len() / dim;
    let count = REFERENCES.min(n);
    let references = gathered(sample, dim, stratified_sample(seed, FARTHEST, n, count));
    let found = query(&references, sample, dim, metric, count)?;
    let away: Vec<f32> = (0..n).map(|i| found.distances(i)[count / 2]).collect();
    let mut sorted = away.clone();
    sorted.sort_unstable_by(f32::total_cmp);
    let most = FAR * sorted[n * 9 / 10];
    let near: Vec<usize> = (0..n).filter(|i| away[*i] <= most).collect();
    // Distances may be below zero, all of them.
    if near.len() == n || near.len() < least.max(n / 2) {
        return Ok(Cow::Borrowed(sample));
    }
    Ok(Cow::Owned(gathered(sample, dim, near.into_iter())))
}

fn total(near: &[(u32, f32)]) -> f64 {
    near.iter().map(|(_, distance)| f64::from(*distance)).sum()
}

/// How much farther the second centre is than the first, on average.
fn mean_gap(distances: &[f32], parts: usize) -> f32 {
    let gap = |row: &[f32]| {
        let least = |from: &[f32]| from.iter().copied().fold(f32::INFINITY, f32::min);
        let first = least(row);
        let second = row.iter().copied().filter(|d| *d > first).fold(f32::INFINITY, f32::min);
        if second.is_finite() { f64::from(second - first) } else { 0.0 }
    };
    let rows = distances.chunks_exact(parts);
    let count = rows.len().max(1);
    (rows.map(gap).sum::<f64>() / count as f64) as f32
}

/// Passes on up to `overlap` parts of a row: the nearest that hold fewer than `most` rows; of parts at the same
/// distance, those that hold the fewest.
pub(super) fn choose(row: &[f32], overlap: usize, loads: &mut [u64], most: u64, chosen: &mut dyn FnMut(usize)) {
    let mut best = [0; MOST_OVERLAP];
    let mut count = 0;
    for part in 0..row.len() {
        // Nearly all parts of a row end here.
        if count == overlap && row[part] > row[best[count - 1]] || loads[part] >= most {
            continue;
        }
        let is_before = |&&other: &&usize| {
            row[other].total_cmp(&row[part]).then(loads[other].cmp(&loads[part])).then(other.cmp(&part)).is_lt()
        };
        let place = best[..count].iter().take_while(is_before).count();
        if place < overlap {
            count = overlap.min(count + 1);
            best[place..count].rotate_right(1);
            best[place] = part;
        }
    }
    for &part in &best[..count] {
        loads[part] += 1;
        chosen(part);
    }
}

/// Parts that a row may be in.
pub(super) const MOST_OVERLAP: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::hash;

    fn rows(n: usize, dim: usize) -> Vec<f32> {
        // A quarter of the rows in each of two small groups, the rest spread.
        let value = |i: usize, j: usize| {
            let noise = (hash(1, 2, i as u64, j as u64) % 1000) as f32 / 1000.0;
            match i % 4 {
                0 => noise * 0.1,
                1 => 5.0 + noise * 0.1,
                _ => noise * 10.0,
            }
        };
        (0..n * dim).map(|at| value(at / dim, at % dim)).collect()
    }

    #[test]
    fn parts_hold_about_equally_many_rows() {
        let (n, dim, parts) = (6000, 6, 9);
        let sample = rows(n, dim);
        for metric in [Metric::Euclidean, Metric::Cosine, Metric::InnerProduct, Metric::Hamming] {
            let cuts = Cuts::new(&sample, dim, (parts, 2), &metric, 0).unwrap();
            let mut loads = vec![0; parts];
            for row in cuts.distances(&sample).unwrap().chunks_exact(parts) {
                choose(row, 2, &mut loads, u64::MAX, &mut |_| ());
            }
            assert_eq!(loads.iter().sum::<u64>(), 2 * n as u64);
            let most = *loads.iter().max().unwrap() as f64 * parts as f64 / (2 * n) as f64;
            assert!(most < 1.3, "{metric}: {loads:?}");
        }
    }

    #[test]
    fn rows_far_from_all_others_have_no_centre() {
        let (n, dim, parts) = (6000, 6, 9);
        let without = Cuts::new(&rows(n, dim), dim, (parts, 2), &Metric::Euclidean, 0).unwrap();
        let mut sample = rows(n, dim);
        sample[77 * dim] = 1e6;
        sample[4711 * dim..][..dim].fill(-3e4);
        let with = Cuts::new(&sample, dim, (parts, 2), &Metric::Euclidean, 0).unwrap();
        assert!(with.centers.iter().all(|v| (0.0..10.0).contains(v)), "{:?}", with.centers);
        let most = |prices: &[f32]| prices.iter().fold(0.0f32, |most, price| most.max(price.abs()));
        assert!(most(&with.prices) < 2.0 * most(&without.prices), "{:?} {:?}", with.prices, without.prices);
        // Groups that lie far apart are no such rows.
        let mut sample = rows(n, dim);
        (0..n).step_by(5).for_each(|i| sample[i * dim] = 1e6);
        assert_eq!(without_far_rows(&sample, dim, parts, &Metric::Euclidean, 0).unwrap().len(), n * dim);
    }

    #[test]
    fn full_parts_are_passed_over_and_ties_go_to_the_emptiest() {
        let mut loads = vec![3, 1, 0, 0];
        let mut chosen = Vec::new();
        choose(&[0.0, 1.0, 2.0, 2.0], 3, &mut loads, 3, &mut |part| chosen.push(part));
        assert_eq!((chosen, loads), (vec![1, 2, 3], vec![3, 2, 1, 1]));
        let mut loads = vec![0; 3];
        (0..30).for_each(|_| choose(&[1.0; 3], 2, &mut loads, 100, &mut |_| ()));
        assert_eq!(loads, [20; 3]);
    }
}
