//! Indexes after sequences of changes, against indexes of the same points made at once: on data that grows where it was
//! not before, at fixed seeds; at others, `NNDESCENT_FIELD` of them, if that is set.

use std::collections::BTreeMap;

use nndescent::{CsrMatrix, Index, IndexOptions, Metric, NnDescent, Points, Quantization, SearchOptions};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

const K: usize = 10;
const QUERIES: usize = 200;
/// Rows in a region that is asked about.
const FEWEST: usize = 100;

/// Where new rows lie.
#[derive(Debug, Clone, Copy)]
enum Growth {
    /// Moved by so many standard deviations.
    Shift(f32),
    /// Spread so many times as wide.
    Scale(f32),
    /// In groups of a few, far from each other.
    Islands,
    /// Like the others, but for one in two hundred, which are larger by far.
    Outliers,
    /// Each of a few rows many times.
    Copies,
    /// All near one place.
    Dense,
    /// The negatives of rows there were.
    Negatives,
}

const GROWTHS: [Growth; 9] = [
    Growth::Shift(3.0),
    Growth::Shift(100.0),
    Growth::Scale(300.0),
    Growth::Scale(0.001),
    Growth::Islands,
    Growth::Outliers,
    Growth::Copies,
    Growth::Dense,
    Growth::Negatives,
];

/// How rows are stored.
#[derive(Debug, Clone, Copy)]
enum Form {
    Dense(Quantization),
    Sparse,
    Bits,
}

fn forms() -> Vec<(Metric, Form)> {
    let all = [Quantization::None, Quantization::F16, Quantization::U8, Quantization::Auto];
    let by_dots = [Metric::Euclidean, Metric::Cosine, Metric::InnerProduct];
    let coded = by_dots.into_iter().flat_map(|metric| all.map(|q| (metric.clone(), Form::Dense(q))));
    coded
        .chain([
            (Metric::Manhattan, Form::Dense(Quantization::None)),
            (Metric::Manhattan, Form::Dense(Quantization::F16)),
            (Metric::Correlation, Form::Dense(Quantization::Auto)),
            (Metric::Cosine, Form::Sparse),
            (Metric::Euclidean, Form::Sparse),
            (Metric::BitJaccard, Form::Bits),
        ])
        .collect()
}

fn normal(rng: &mut StdRng) -> f32 {
    (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0
}

fn normals(rng: &mut StdRng, dim: usize) -> Vec<f32> {
    (0..dim).map(|_| normal(rng)).collect()
}

/// Data of one kind: rows there are at first, and new ones.
struct Source {
    rng: StdRng,
    dim: usize,
    centers: Vec<Vec<f32>>,
    growth: Growth,
    places: Vec<Vec<f32>>,
}

impl Source {
    fn new(seed: u64, dim: usize, growth: Growth) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let centers: Vec<Vec<f32>> = (0..10).map(|_| normals(&mut rng, dim)).collect();
        let places = (0..40).map(|_| normals(&mut rng, dim).iter().map(|v| v * 60.0).collect()).collect();
        Self { rng, dim, centers, growth, places }
    }

    fn around(&mut self, center: &[f32], spread: f32) -> Vec<f32> {
        center.iter().map(|c| c + spread * normal(&mut self.rng)).collect()
    }

    fn old(&mut self) -> Vec<f32> {
        let center = self.centers[self.rng.random_range(0..self.centers.len())].clone();
        self.around(&center, 0.7)
    }

    fn new_one(&mut self) -> Vec<f32> {
        let row = self.old();
        let place = self.places[self.rng.random_range(0..self.places.len())].clone();
        match self.growth {
            Growth::Shift(by) => row.iter().map(|v| v + by).collect(),
            Growth::Scale(by) => row.iter().map(|v| v * by).collect(),
            Growth::Islands => self.around(&place, 0.3),
            Growth::Outliers if self.rng.random_range(0..200) == 0 => row.iter().map(|v| v * 3e4).collect(),
            Growth::Outliers => row,
            Growth::Copies => place,
            Growth::Dense => self.around(&[1.5].repeat(self.dim), 0.02),
            Growth::Negatives => row.iter().map(|v| -v).collect(),
        }
    }

    fn rows(&mut self, n: usize, one: fn(&mut Self) -> Vec<f32>) -> Vec<Vec<f32>> {
        (0..n).map(|_| one(self)).collect()
    }
}

/// Runs `use_points` with rows as they are stored.
fn with_points<R>(rows: &[Vec<f32>], form: Form, use_points: impl FnOnce(&Points) -> R) -> R {
    let (n, dim) = (rows.len(), rows[0].len());
    let values: Vec<f32> = rows.iter().flatten().copied().collect();
    match form {
        Form::Dense(_) => use_points(&Points::dense(&values, n, dim).unwrap()),
        Form::Sparse => use_points(&CsrMatrix::from_dense(&values, n, dim).unwrap().view().into()),
        Form::Bits => {
            let bytes: Vec<u8> = rows.iter().flat_map(|row| row.chunks(8).map(byte_of)).collect();
            use_points(&Points::bits(&bytes, n, dim).unwrap())
        }
    }
}

fn byte_of(bits: &[f32]) -> u8 {
    bits.iter().enumerate().map(|(i, v)| u8::from(*v > 0.0) << i).sum()
}

/// A row as the form can hold it: few columns, or zeros and ones.
fn fitted(mut row: Vec<f32>, form: Form) -> Vec<f32> {
    match form {
        Form::Dense(_) => {}
        Form::Sparse => row.iter_mut().filter(|v| v.abs() < 1.0).for_each(|v| *v = 0.0),
        Form::Bits => row.iter_mut().for_each(|v| *v = f32::from(*v > 0.5)),
    }
    row
}

/// How many of the `K` nearest of each query are found, by distance.
fn found(index: &Index, ids: &[u32], rows: &[Vec<f32>], queries: &[Vec<f32>], form: Form) -> Vec<f64> {
    let hits = with_points(queries, form, |points| index.query(points, K, &SearchOptions::new()).unwrap());
    let place: BTreeMap<u32, usize> = ids.iter().zip(0..).map(|(&id, at)| (id, at)).collect();
    let of_query = |(i, query): (usize, &Vec<f32>)| {
        let distances: Vec<f64> = rows.iter().map(|row| index.metric().distance(query, row)).collect();
        let mut sorted = distances.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let farthest = sorted[K - 1] + 1e-6 * sorted[K - 1].abs() + 1e-7;
        let mut found: Vec<u32> = hits.ids(i).to_vec();
        found.sort_unstable();
        found.dedup();
        found.iter().filter(|id| distances[place[id]] <= farthest).count() as f64 / K as f64
    };
    queries.iter().enumerate().map(of_query).collect()
}

/// The mean, and its standard error.
fn mean(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n / n).sqrt())
}

/// A row, and whether it is of the new region.
type Row = (Vec<f32>, bool);

/// An index, and what it should hold.
struct Changed {
    index: Index,
    held: BTreeMap<u32, Row>,
}

impl Changed {
    fn add(&mut self, (rows, is_new): (Vec<Vec<f32>>, bool), form: Form) {
        let ids = with_points(&rows, form, |points| self.index.add(points).unwrap());
        assert_eq!(ids.len(), rows.len());
        self.held.extend(ids.zip(rows.into_iter().map(|row| (row, is_new))));
    }

    fn some(&self, source: &mut Source, count: usize) -> Vec<u32> {
        let mut ids: Vec<u32> = self.held.keys().copied().collect();
        ids.shuffle(&mut source.rng);
        ids.truncate(count);
        ids
    }

    fn update(&mut self, ids: &[u32], rows: Vec<Vec<f32>>, form: Form) {
        with_points(&rows, form, |points| self.index.update(ids, points).unwrap());
        self.held.extend(ids.iter().copied().zip(rows.into_iter().map(|row| (row, true))));
    }

    fn remove(&mut self, ids: &[u32]) {
        self.index.remove(ids).unwrap();
        ids.iter().for_each(|id| drop(self.held.remove(id)));
    }
}

/// How much less is found in the old and in the new region than by an index made at once; what says so.
struct Outcome {
    worst: f64,
    says: String,
}

/// Changes an index as the seed says, and compares it with a new one.
fn compare(growth: Growth, metric: &Metric, form: Form, seed: u64) -> Outcome {
    let dim = if seed.is_multiple_of(3) { 16 } else { 64 };
    let mut source = Source::new(seed, dim, growth);
    let fit = |rows: Vec<Vec<f32>>| -> Vec<Vec<f32>> { rows.into_iter().map(|row| fitted(row, form)).collect() };
    let quantization = if let Form::Dense(quantization) = form { quantization } else { Quantization::Auto };
    let options = IndexOptions::new().prefer_quantization(quantization);
    let builder = NnDescent::new(metric.clone()).recall_sample(0).index_options(options);
    let n = source.rng.random_range(200..1000);
    let base = fit(source.rows(n, Source::old));
    let index = with_points(&base, form, |points| builder.index(points).unwrap().index);
    let mut changed = Changed { index, held: (0..).zip(base.into_iter().map(|row| (row, false))).collect() };
    let mut done = Vec::new();
    for _ in 0..source.rng.random_range(1..5) {
        let step = source.rng.random_range(0..6);
        let count = source.rng.random_range(1..700).min(changed.held.len());
        done.push((step, count));
        match step {
            0 => changed.add((fit(source.rows(count, Source::new_one)), true), form),
            1 => (0..3).for_each(|_| changed.add((fit(source.rows(count / 20 + 1, Source::new_one)), true), form)),
            2 => changed.add((fit(source.rows(count, Source::old)), false), form),
            3 | 4 => {
                let ids = changed.some(&mut source, if step == 3 { count } else { usize::MAX });
                changed.update(&ids, fit(source.rows(ids.len(), Source::new_one)), form);
            }
            _ => {
                let ids = changed.some(&mut source, count.min(changed.held.len() - 2 * K));
                changed.remove(&ids);
            }
        }
    }
    let are_new: Vec<bool> = changed.held.values().map(|row| row.1).collect();
    let (ids, rows): (Vec<u32>, Vec<Vec<f32>>) = changed.held.into_iter().map(|(id, row)| (id, row.0)).unzip();
    assert_eq!(changed.index.ids(), ids);
    let rebuilt = with_points(&rows, form, |points| builder.index(points).unwrap().index);
    let in_order: Vec<u32> = (0..ids.len() as u32).collect();
    let mut outcome = Outcome { worst: 0.0, says: format!("{growth:?}, {metric}, {form:?}, seed {seed}") };
    for (is_new, one) in [(false, Source::old as fn(&mut Source) -> Vec<f32>), (true, Source::new_one)] {
        if are_new.iter().filter(|new| **new == is_new).count() < FEWEST {
            continue;
        }
        let queries = fit(source.rows(QUERIES, one));
        let found_now = found(&changed.index, &ids, &rows, &queries, form);
        let expected = found(&rebuilt, &in_order, &rows, &queries, form);
        let less: Vec<f64> = expected.iter().zip(&found_now).map(|(a, b)| a - b).collect();
        let (less, error) = mean(&less);
        let region = if is_new { "new" } else { "old" };
        outcome.says += &format!("; {region}: {:.3}, at once {:.3}", mean(&found_now).0, mean(&expected).0);
        // Chance differs from query to query.
        outcome.worst = outcome.worst.max(less - 2.0 * error);
    }
    outcome.says += &format!("; after {done:?} to {n} of {dim} columns; {:?}", changed.index);
    outcome
}

#[test]
fn sequences_of_changes_are_as_good_as_a_rebuild() {
    let forms = forms();
    for (i, growth) in GROWTHS.into_iter().enumerate() {
        for at in [i, i + 5] {
            let (metric, form) = &forms[at % forms.len()];
            let outcome = compare(growth, metric, *form, i as u64);
            assert!(outcome.worst <= 0.01, "{}", outcome.says);
        }
    }
}

#[test]
fn random_sequences_of_changes_are_as_good_as_a_rebuild() {
    let rounds = std::env::var("NNDESCENT_FIELD").map_or(0, |rounds| rounds.parse().unwrap_or(1));
    let mut failures = Vec::new();
    for _ in 0..rounds {
        for growth in GROWTHS {
            for (metric, form) in forms() {
                let outcome = compare(growth, &metric, form, rand::random::<u64>() >> 16);
                println!("{}", outcome.says);
                if outcome.worst > 0.01 {
                    failures.push(outcome.says);
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}
