//! Sequences of changes and queries: ids that were removed do not come back, rows are found by their own values, and
//! nothing panics.
#![no_main]

use std::collections::BTreeMap;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use nndescent::{CsrMatrix, Index, IndexOptions, Metric, NnDescent, Points, Quantization, SearchOptions};

#[derive(Debug, Arbitrary)]
struct Sequence {
    form: Form,
    metric: u8,
    /// Values are multiplied by ten to the power of this.
    size: i8,
    dim: u8,
    rows: Vec<i8>,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Form {
    Dense,
    Halves,
    Codes,
    Sparse,
    Bits,
}

#[derive(Debug, Arbitrary)]
enum Step {
    Add(Vec<i8>),
    /// Ids from one on become these rows.
    Update(u8, Vec<i8>),
    /// Ids from one on, so many.
    Remove(u8, u8),
    Query(Vec<i8>),
    Compact,
    SaveAndOpen,
}

const DENSE: [Metric; 7] = [
    Metric::Euclidean,
    Metric::Cosine,
    Metric::InnerProduct,
    Metric::Manhattan,
    Metric::Correlation,
    Metric::Canberra,
    Metric::TrueAngular,
];
const BITS: [Metric; 3] = [Metric::BitHamming, Metric::BitJaccard, Metric::Dice];

/// Rows of an index that is changed, by id.
struct State {
    form: Form,
    dim: usize,
    scale: f32,
    index: Index,
    held: BTreeMap<u32, Vec<i8>>,
}

/// Runs `work` on whole rows of these values.
fn with_points<R>(form: Form, dim: usize, scale: f32, values: &[i8], work: impl FnOnce(&Points) -> R) -> R {
    let n = values.len() / dim;
    let floats: Vec<f32> = values[..n * dim].iter().map(|&v| f32::from(v) * scale).collect();
    match form {
        Form::Dense | Form::Halves | Form::Codes => work(&Points::dense(&floats, n, dim).unwrap()),
        Form::Sparse => work(&CsrMatrix::from_dense(&floats, n, dim).unwrap().view().into()),
        Form::Bits => {
            let bytes: Vec<u8> = values[..n * dim].iter().map(|&v| v as u8).collect();
            work(&Points::bits(&bytes, n, 8 * dim).unwrap())
        }
    }
}

impl State {
    fn new(sequence: &Sequence) -> Option<Self> {
        let (form, dim) = (sequence.form, usize::from(sequence.dim % 12) + 1);
        let scale = 10f32.powi((sequence.size % 30).into());
        let metrics: &[Metric] = if let Form::Bits = form { &BITS } else { &DENSE };
        let metric = metrics[usize::from(sequence.metric) % metrics.len()].clone();
        let quantization = match form {
            Form::Halves => Quantization::F16,
            Form::Codes => Quantization::U8,
            _ => Quantization::None,
        };
        let options = IndexOptions::new().prefer_quantization(quantization);
        let builder = NnDescent::new(metric).n_neighbors(4).recall_sample(0).index_options(options);
        let rows = &sequence.rows[..];
        if rows.len() < 5 * dim {
            return None;
        }
        let index = with_points(form, dim, scale, rows, |points| builder.index(points)).ok()?.index;
        let held = (0..).zip(rows.chunks_exact(dim).map(<[i8]>::to_vec)).collect();
        Some(Self { form, dim, scale, index, held })
    }

    fn step(&mut self, step: &Step) {
        let (form, dim, scale) = (self.form, self.dim, self.scale);
        let some = |first: u8, count: usize| -> Vec<u32> {
            let ids: Vec<u32> = self.held.keys().copied().collect();
            let first = usize::from(first) % ids.len().max(1);
            ids.into_iter().skip(first).take(count).collect()
        };
        match step {
            Step::Add(rows) => {
                if let Ok(ids) = with_points(form, dim, scale, rows, |points| self.index.add(points)) {
                    self.held.extend(ids.zip(rows.chunks_exact(dim).map(<[i8]>::to_vec)));
                }
            }
            Step::Update(first, rows) => {
                let ids = some(*first, rows.len() / dim);
                let rows = &rows[..ids.len() * dim];
                if with_points(form, dim, scale, rows, |points| self.index.update(&ids, points)).is_ok() {
                    self.held.extend(ids.into_iter().zip(rows.chunks_exact(dim).map(<[i8]>::to_vec)));
                }
            }
            Step::Remove(first, count) => {
                let ids = some(*first, usize::from(*count));
                if self.index.remove(&ids).is_ok() {
                    ids.iter().for_each(|id| drop(self.held.remove(id)));
                }
            }
            Step::Query(rows) => self.query(rows),
            Step::Compact => drop(self.index.compact()),
            Step::SaveAndOpen => {
                let mut file = Vec::new();
                self.index.write_to(&mut file).unwrap();
                self.index = Index::read_from(&file[..]).unwrap();
            }
        }
        assert_eq!(self.index.len(), self.held.len());
    }

    fn query(&self, rows: &[i8]) {
        let k = 5.min(self.held.len());
        let found = with_points(self.form, self.dim, self.scale, rows, |points| {
            self.index.query(points, k, &SearchOptions::new())
        });
        let Ok(found) = found else { return };
        for i in 0..found.n() {
            let mut ids = found.ids(i).to_vec();
            assert!(ids.iter().all(|id| self.held.contains_key(id)), "{ids:?}");
            assert!(found.distances(i).is_sorted(), "{:?}", found.distances(i));
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), k);
        }
    }
}

fuzz_target!(|sequence: Sequence| {
    let Some(mut state) = State::new(&sequence) else { return };
    for step in sequence.steps.iter().take(20) {
        state.step(step);
    }
    let rows: Vec<i8> = state.held.values().flatten().copied().collect();
    state.query(&rows);
});
