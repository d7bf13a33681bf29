//! Dense rows of an index, transformed where the metric asks for it.

mod layout;
mod outside;
mod value_store;

use std::borrow::Cow;
use std::sync::Arc;

use crate::dataset::{Dataset, DenseTransform, Rows};
use crate::distances::direct::Query;
use crate::metric::{KernelMetric, Metric};
use crate::persist::{IndexFileError, Kind, Opened};
use crate::points::{Dense, Points};
use crate::rows::dense::codes::{self, CodedRows};
use crate::rows::dense::coding::Coding;
use crate::search::error::IndexError;
use crate::search::quantization::Quantization;
use crate::simd::Level;

use super::element_type::ElementType;
use super::sections::of_length;
use super::{IndexRows, PutMeta, QueryRow, SearchQuery};
use layout::{CompressedCopy, Layout, WorkingValues};
use value_store::ValueStore;

pub(super) use layout::DenseQuery;

/// Dense rows of an index.
pub(crate) struct DenseRows {
    metric: Metric,
    /// From points as they are given to rows as they are searched.
    transform: Arc<DenseTransform>,
    searched: WorkingValues,
    /// The points as they were given, where distances between transformed rows only approximate the metric's.
    originals: Option<ValueStore>,
}

impl DenseRows {
    /// The rows `order` of `searched`: `points`, transformed. Codes are tried on `groups` of points with their
    /// neighbours.
    pub(super) fn new<'g>(
        points: &Points,
        metric: &Metric,
        (searched, transform): (&Dense, &Arc<DenseTransform>),
        quantization: Quantization,
        order: &[u32],
        groups: impl Iterator<Item = &'g [u32]>,
    ) -> Self {
        let kernel = transform.kernel();
        let originals = points.as_dense().filter(|_| metric.is_proxied());
        Self {
            metric: metric.clone(),
            transform: Arc::clone(transform),
            searched: WorkingValues::new(searched, kernel, quantization, order, groups),
            originals: originals.map(|given| ValueStore::of_points(given, KernelMetric::EUCLIDEAN, order)),
        }
    }

    /// What searches traverse by.
    pub(super) fn quantization(&self) -> Quantization {
        self.searched.layout.quantization()
    }

    /// See [`WorkingValues::review_copy`].
    pub(super) fn review_copy(&mut self, old: &[Vec<u32>], all: &[Vec<u32>]) -> bool {
        self.searched.review_copy(old, all)
    }

    /// Whether searches can traverse by the values or by a copy.
    pub(super) fn has_copy(&self) -> bool {
        matches!(self.searched.layout, Layout::ValuesAndCopy(..))
    }

    /// True distances of the query, as it was given, to points as they were given.
    fn distances_of_originals(&self, originals: &ValueStore, query: &SearchQuery, others: &[u32], out: &mut Vec<f32>) {
        let mut row = vec![0.0; query.given.len()];
        out.clear();
        out.extend(others.iter().map(|&other| {
            originals.row(other, &mut row);
            self.metric.distance(&query.given, &row) as f32
        }));
    }
}

impl IndexRows for DenseRows {
    fn copy(&self) -> Self {
        let (metric, transform) = (self.metric.clone(), Arc::clone(&self.transform));
        Self { metric, transform, searched: self.searched.copy(), originals: self.originals.clone() }
    }

    fn set_query(&self, row: QueryRow, by_values: bool, query: &mut SearchQuery) -> bool {
        let QueryRow::Values(values) = row else { return false };
        let SearchQuery { dense, given, transformed, .. } = query;
        given.clear();
        if self.originals.is_some() {
            given.extend_from_slice(values);
        }
        if self.transform.is_none() {
            self.searched.set_query(values, by_values, dense);
            return true;
        }
        transformed.resize(self.searched.dim, 0.0);
        self.transform.apply(values, transformed);
        self.searched.set_query(transformed, by_values, dense);
        true
    }

    fn set_own_query(&self, row: u32, by_values: bool, query: &mut SearchQuery) {
        let SearchQuery { dense, given, transformed, .. } = query;
        transformed.resize(self.searched.dim, 0.0);
        self.searched.values(row, transformed);
        self.searched.set_query(transformed, by_values, dense);
        if let Some(originals) = &self.originals {
            given.resize(originals.dense().dim(), 0.0);
            originals.row(row, given);
        }
    }

    fn is_lossy(&self, query: &SearchQuery) -> bool {
        self.originals.is_some() || self.searched.is_lossy(&query.dense)
    }

    fn is_proxied(&self) -> bool {
        self.originals.is_some()
    }

    fn in_traversal(&self, radius: f32, query: &SearchQuery) -> f32 {
        let direct = self.metric.to_direct(radius.into());
        let reduced = self.transform.unit() * self.searched.kernel.to_reduced(direct, self.searched.dim);
        self.searched.in_traversal(reduced as f32, &query.dense)
    }

    fn in_unit_of(&self, distance: f32, query: &SearchQuery) -> f32 {
        self.searched.in_unit_of(distance, &query.dense)
    }

    fn distances(&self, query: &mut SearchQuery, others: &[u32], out: &mut Vec<f32>) {
        if let Some(originals) = &self.originals {
            self.distances_of_originals(originals, query, others, out);
            return;
        }
        self.searched.set_exact(&mut query.dense);
        let mut reduced = Vec::with_capacity(others.len());
        self.searched.exact(&query.dense, others, &mut reduced);
        let (kernel, dim, unit) = (self.searched.kernel, self.searched.dim, self.transform.unit());
        let to_true = |d: f64| self.metric.of_direct(kernel.to_true(d / unit, dim)) as f32;
        out.clear();
        out.extend(reduced.into_iter().map(to_true));
    }

    #[inline]
    fn to_many(&self, query: &SearchQuery, others: &[u32], out: &mut Vec<f32>) {
        self.searched.to_many(&query.dense, others, out);
    }

    fn between(&self, row: u32, others: &[u32], room: &mut Query, out: &mut Vec<f32>) {
        self.searched.between(row, others, room, out);
    }

    fn n(&self) -> usize {
        self.searched.n()
    }

    fn unit(&self) -> f32 {
        self.searched.unit()
    }

    fn push(&mut self, points: &Points) -> Result<(), IndexError> {
        let dataset = Dataset::with_transform(points, &self.metric, Some(&self.transform))?;
        let Rows::Dense(dense, _) = dataset.problem().rows else {
            return Err(IndexError::Type { found: points.type_name(), expected: self.searched.given.name() });
        };
        if let (Some(originals), Some(given)) = (&mut self.originals, points.as_dense()) {
            originals.push(given, KernelMetric::EUCLIDEAN);
        }
        self.searched.push(&dense);
        Ok(())
    }

    fn select(&mut self, order: &[u32]) {
        if let Some(originals) = &mut self.originals {
            originals.select(order, KernelMetric::EUCLIDEAN);
        }
        self.searched.select(order);
    }

    fn values(&self, row: u32) -> Option<Vec<f32>> {
        let store = |dim: usize| vec![0.0; dim];
        if let Some(originals) = &self.originals {
            let mut values = store(originals.dense().dim());
            originals.row(row, &mut values);
            return Some(values);
        }
        let mut values = store(self.searched.dim);
        self.searched.values(row, &mut values);
        if self.transform.is_none() { Some(values) } else { self.transform.restored(&values) }
    }

    fn bytes_of_row(&self, by_values: bool) -> usize {
        self.searched.bytes_of_row(by_values)
    }

    fn describe(&self) -> &'static str {
        self.searched.layout.name()
    }

    fn prefault(&self) {
        match &self.searched.layout {
            Layout::Values(_) => {}
            Layout::ValuesAndCopy(_, CompressedCopy::Halves(halves)) => halves.prefault(),
            Layout::ValuesAndCopy(_, CompressedCopy::Codes(codes)) | Layout::CodesAreValues(codes) => codes.prefault(),
        }
        // What a search found is ranked by the values.
        if let Layout::Values(values) | Layout::ValuesAndCopy(values, _) = &self.searched.layout {
            values.prefault();
        }
    }

    fn add_memory(&self, add: &mut dyn FnMut(usize, bool)) {
        if let Layout::Values(values) | Layout::ValuesAndCopy(values, _) = &self.searched.layout {
            values.add_memory(add);
        }
        self.originals.iter().for_each(|originals| originals.add_memory(add));
        add(size_of_val(self.searched.outside.bits()), false);
        match &self.searched.layout {
            Layout::Values(_) => {}
            Layout::ValuesAndCopy(_, CompressedCopy::Halves(halves)) => halves.add_memory(add),
            Layout::ValuesAndCopy(_, CompressedCopy::Codes(codes)) | Layout::CodesAreValues(codes) => {
                let (chunks, stats, _) = codes.parts();
                add(size_of_val(chunks) + size_of_val(stats), codes.is_mapped());
            }
        }
    }

    fn put_meta(&self, by_values: bool, put: PutMeta) {
        put("searched", &self.searched.given.name());
        put("factor", &self.transform.numbers().0);
        put("by_values", &u8::from(by_values));
        let values = match &self.searched.layout {
            Layout::Values(values) | Layout::ValuesAndCopy(values, _) => values.element_type().name(),
            Layout::CodesAreValues(_) => NO_VALUES,
        };
        put("values", &values);
        // Readers that know nothing of rows outside the copy must not take it for the whole.
        let within = if self.searched.outside.count() > 0 { WITHIN } else { "" };
        match &self.searched.layout {
            Layout::Values(_) => put("traversal", &BY_VALUES),
            Layout::ValuesAndCopy(_, CompressedCopy::Halves(_)) => put("traversal", &format!("{BY_HALVES}{within}")),
            Layout::ValuesAndCopy(_, CompressedCopy::Codes(codes)) | Layout::CodesAreValues(codes) => {
                put("traversal", &format!("{BY_CODES}{within}"));
                let numbers = codes.parts().2.to_numbers();
                CODING.into_iter().zip(numbers).for_each(|(key, number)| put(key, &number));
            }
        }
    }

    fn sections(&self) -> Vec<(Kind, Cow<'_, [u8]>)> {
        let mut sections = Vec::new();
        let mut add = |kind: Kind, bytes| sections.push((kind, Cow::Borrowed(bytes)));
        if let Layout::Values(values) | Layout::ValuesAndCopy(values, _) = &self.searched.layout {
            let (values, directions) = values.bytes();
            add(VALUES, values);
            add(DIRECTIONS, directions);
        }
        match &self.searched.layout {
            Layout::Values(_) => {}
            Layout::ValuesAndCopy(_, CompressedCopy::Halves(halves)) => {
                let (values, directions) = halves.bytes();
                add(HALVES, values);
                add(HALF_DIRECTIONS, directions);
            }
            Layout::ValuesAndCopy(_, CompressedCopy::Codes(codes)) | Layout::CodesAreValues(codes) => {
                let (chunks, stats, _) = codes.parts();
                add(CODES, bytemuck::cast_slice(chunks));
                add(STATS, bytemuck::cast_slice(stats));
            }
        }
        if let Some(originals) = &self.originals {
            add(ORIGINALS, originals.bytes().0);
        }
        if self.searched.outside.count() > 0 {
            add(OUTSIDE, bytemuck::cast_slice(self.searched.outside.bits()));
        }
        let origin = self.transform.numbers().1;
        if !origin.is_empty() {
            add(ORIGIN, bytemuck::cast_slice(origin));
        }
        sections
    }
}

const VALUES: Kind = Kind(6, "the points");
const DIRECTIONS: Kind = Kind(7, "the points' lengths");
const CODES: Kind = Kind(8, "the points' codes");
const STATS: Kind = Kind(9, "the sums of codes");
const HALVES: Kind = Kind(10, "the points in f16");
const HALF_DIRECTIONS: Kind = Kind(11, "the lengths of points in f16");
const ORIGINALS: Kind = Kind(16, "the points as they were given");
const ORIGIN: Kind = Kind(21, "the origin of transformed points");
const OUTSIDE: Kind = Kind(20, "the points outside the compressed copy");
pub(super) const SECTIONS: [Kind; 9] =
    [VALUES, DIRECTIONS, CODES, STATS, HALVES, HALF_DIRECTIONS, ORIGINALS, OUTSIDE, ORIGIN];

/// `values` in files where codes are the values.
const NO_VALUES: &str = "none";
/// `traversal` in files.
const BY_VALUES: &str = "values";
const BY_HALVES: &str = "float16";
const BY_CODES: &str = "codes";
/// Added to these where rows are outside the copy.
const WITHIN: &str = "-within";
/// The keys of [`Coding::to_numbers`] in files.
const CODING: [&str; 5] = ["code_offset", "code_zero", "code_scale", "code_scale_per_row", "code_centered"];

impl DenseRows {
    /// The `n` rows of a file, of `dim` columns as they were given.
    pub(super) fn of_file(
        file: &Opened,
        metric: &Metric,
        given: ElementType,
        (n, dim): (usize, usize),
    ) -> Result<Self, IndexFileError> {
        let transform = transform_of(file, metric, dim)?;
        let (kernel, columns) = (transform.kernel(), transform.columns());
        let searched = match file.meta::<String>("searched") {
            Ok(name) => type_named(file, &name)?,
            Err(_) => given,
        };
        let layout = layout_of(file, kernel, (n, columns))?;
        let originals = if metric.is_proxied() {
            let sections = (ORIGINALS, DIRECTIONS);
            Some(ValueStore::of_file(file, sections, given, KernelMetric::EUCLIDEAN, (n, dim))?)
        } else {
            None
        };
        let outside = file.section::<u64>(OUTSIDE)?.unwrap_or_else(|| Vec::new().into());
        if outside.len() > n.div_ceil(64) {
            return Err(file.inconsistent(format!("{}: {} words for {n} rows", OUTSIDE.1, outside.len())));
        }
        let searched = WorkingValues { kernel, dim: columns, given: searched, layout, outside: outside.into() };
        Ok(Self { metric: metric.clone(), transform: Arc::new(transform), searched, originals })
    }
}

fn transform_of(file: &Opened, metric: &Metric, dim: usize) -> Result<DenseTransform, IndexFileError> {
    let inconsistent = |reason: String| file.inconsistent(reason);
    let factor = file.meta::<f64>("factor").unwrap_or(1.0);
    if !(factor.is_finite() && factor > 0.0) {
        return Err(inconsistent(format!("a factor of {factor}")));
    }
    let origin: Vec<f64> = match file.section::<f64>(ORIGIN)? {
        Some(origin) => origin.to_vec(),
        None => Vec::new(),
    };
    let transform = DenseTransform::of_numbers(metric, dim, factor, origin).map_err(|e| inconsistent(e.to_string()))?;
    let (found, expected) = (transform.numbers().1.len(), transform.columns());
    if found == 0 || found == expected {
        Ok(transform)
    } else {
        Err(inconsistent(format!("an origin of {found} columns")))
    }
}

fn type_named(file: &Opened, name: &str) -> Result<ElementType, IndexFileError> {
    ElementType::named(name).ok_or_else(|| file.inconsistent(format!("points of type `{name}`")))
}

fn layout_of(file: &Opened, kernel: KernelMetric, shape: (usize, usize)) -> Result<Layout, IndexFileError> {
    let store = |sections, element_type| ValueStore::of_file(file, sections, element_type, kernel, shape);
    let values = match &*file.meta::<String>("values")? {
        NO_VALUES => None,
        name => Some(store((VALUES, DIRECTIONS), type_named(file, name)?)?),
    };
    let traversal = file.meta::<String>("traversal")?;
    match (traversal.strip_suffix(WITHIN).unwrap_or(&traversal), values) {
        (BY_VALUES, Some(values)) => Ok(Layout::Values(values)),
        (BY_HALVES, Some(values)) => {
            let halves = store((HALVES, HALF_DIRECTIONS), ElementType::F16)?;
            Ok(Layout::ValuesAndCopy(values, CompressedCopy::Halves(halves)))
        }
        (BY_CODES, values) => {
            let (n, columns) = shape;
            let mut numbers = [0.0; CODING.len()];
            for (number, key) in numbers.iter_mut().zip(CODING) {
                *number = file.meta(key)?;
            }
            let stats = of_length(file, STATS, n)?;
            let chunks = of_length(file, CODES, n.saturating_mul(codes::chunks_of_row(columns)))?;
            let coding = Coding::of_numbers(numbers);
            let codes = CodedRows::of_parts(chunks, stats, coding, (kernel.form(), columns), Level::detect());
            Ok(match values {
                Some(values) => Layout::ValuesAndCopy(values, CompressedCopy::Codes(codes)),
                None => Layout::CodesAreValues(codes),
            })
        }
        (other, _) => Err(file.inconsistent(format!("traversal by `{other}`"))),
    }
}
