//! Dense rows as a search reads them: values to rank by and, mostly, a compressed copy to traverse the graph by.

use half::f16;

use crate::distances::code_error::mean_error;
use crate::distances::direct::{DirectDistances, Query};
use crate::metric::{Form, KernelMetric};
use crate::parallel::for_rows;
use crate::points::{Dense, DenseValues};
use crate::rows::dense::codes::{self, CodedQuery, CodedRows};
use crate::rows::dense::coding::Fit;
use crate::rows::{ReducedDistances, WorkingRows};
use crate::search::quantization::Quantization;
use crate::search::rows::element_type::ElementType;
use crate::simd::Level;

use super::outside::Outside;
use super::value_store::ValueStore;

/// What is kept of the rows.
pub(crate) enum Layout {
    /// Values, which searches traverse and rank by.
    Values(ValueStore),
    /// Values to rank by, and a copy to traverse by.
    ValuesAndCopy(ValueStore, CompressedCopy),
    /// u8 codes from which the values can be had exactly.
    CodesAreValues(CodedRows),
}

/// A smaller copy of the rows.
pub(crate) enum CompressedCopy {
    /// Values rounded to f16.
    Halves(ValueStore),
    /// u8 codes and integer dot products.
    Codes(CodedRows),
}

/// Dense rows, maybe transformed, under a kernel.
pub(crate) struct WorkingValues {
    pub kernel: KernelMetric,
    pub dim: usize,
    /// The type of the rows as they were given, or transformed.
    pub given: ElementType,
    pub layout: Layout,
    /// Rows that were added although the copy cannot hold them.
    pub outside: Outside,
}

/// A query in every form that it is compared in.
#[derive(Default)]
pub(crate) struct DenseQuery {
    values: Vec<f32>,
    exact: Query,
    exact_is_set: bool,
    coded: CodedQuery,
    fit: Fit,
}

/// Largest mean relative error of a near neighbour's coded reduced distance with which reranking still finds them:
/// docs/PERFORMANCE.md, "Quantization".
const TOLERANCE: f64 = 0.03;

/// If more than one in so many rows are outside the copy, it is made anew or dropped.
const MOST_OUTSIDE: usize = 16;
/// Smaller values lose digits as f16.
const LEAST_HALF: f32 = 1.0 / 16384.0;

/// Adds rows to codes; which of them codes cannot hold.
fn push_codes(codes: &mut CodedRows, points: &Dense) -> Vec<u32> {
    let (mut row, n) = (vec![0.0; points.dim()], codes.n() as u32);
    let mut query = CodedQuery::default();
    let mut is_outside = |i: &u32| {
        points.widen_row(*i as usize, &mut row);
        codes.push(&row);
        codes.encode(&row, &mut query) == Fit::Outside
    };
    let outside: Vec<u32> = (0..points.n() as u32).filter(|i| is_outside(i)).collect();
    outside.into_iter().map(|i| n + i).collect()
}

/// Adds rows to halves; which of them halves cannot hold.
fn push_halves(halves: &mut ValueStore, points: &Dense, kernel: KernelMetric) -> Vec<u32> {
    let (mut row, n) = (vec![0.0; points.dim()], halves.n() as u32);
    let mut is_outside = |i: &u32| {
        points.widen_row(*i as usize, &mut row);
        let largest = row.iter().fold(0.0f32, |largest, v| largest.max(v.abs()));
        largest > f32::from(f16::MAX) || (largest > 0.0 && largest < LEAST_HALF)
    };
    let outside: Vec<u32> = (0..points.n() as u32).filter(|i| is_outside(i)).collect();
    halves.push(&ValueStore::halves(points, kernel).dense(), kernel);
    outside.into_iter().map(|i| n + i).collect()
}

impl Layout {
    fn values(&self) -> Option<&ValueStore> {
        match self {
            Self::Values(values) | Self::ValuesAndCopy(values, _) => Some(values),
            Self::CodesAreValues(_) => None,
        }
    }

    fn codes(&self) -> Option<&CodedRows> {
        match self {
            Self::CodesAreValues(codes) | Self::ValuesAndCopy(_, CompressedCopy::Codes(codes)) => Some(codes),
            Self::Values(_) | Self::ValuesAndCopy(_, CompressedCopy::Halves(_)) => None,
        }
    }

    /// What searches traverse by, in a word or two.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Values(_) => "values",
            Self::ValuesAndCopy(_, CompressedCopy::Halves(_)) => "f16",
            Self::ValuesAndCopy(_, CompressedCopy::Codes(_)) | Self::CodesAreValues(_) => "u8 codes",
        }
    }

    pub(crate) fn quantization(&self) -> Quantization {
        match self {
            Self::Values(_) => Quantization::None,
            Self::ValuesAndCopy(_, CompressedCopy::Halves(_)) => Quantization::F16,
            Self::ValuesAndCopy(_, CompressedCopy::Codes(_)) | Self::CodesAreValues(_) => Quantization::U8,
        }
    }
}

impl WorkingValues {
    /// The rows `order` of `points`. Codes are tried on `groups` of points with their neighbours.
    pub(crate) fn new<'g>(
        points: &Dense,
        kernel: KernelMetric,
        quantization: Quantization,
        order: &[u32],
        groups: impl Iterator<Item = &'g [u32]>,
    ) -> Self {
        let (form, dim, level, given) = (kernel.form(), points.dim(), Level::detect(), ElementType::of_dense(points));
        let bytes = if quantization == Quantization::None { None } else { points.whole_bytes() };
        let points = &bytes.as_ref().map_or(*points, |bytes| Dense::trusted(DenseValues::U8(bytes), points.n(), dim));
        let suits = codes::suits(points, form);
        let exact_codes = suits && codes::is_exact(points, form);
        let serve = |codes: &CodedRows| {
            let exact = DirectDistances::new(kernel, points, points);
            mean_error(&exact, codes, groups) <= TOLERANCE
        };
        let codes = match quantization {
            Quantization::U8 | Quantization::Auto if suits => {
                let mut codes = CodedRows::new(points, form, level);
                let wanted = quantization == Quantization::U8 || exact_codes || serve(&codes);
                wanted.then(|| {
                    codes.renumber(order);
                    codes
                })
            }
            _ => None,
        };
        let values = || ValueStore::of_points(points, kernel, order);
        let layout = match codes {
            Some(codes) if exact_codes => Layout::CodesAreValues(codes),
            Some(codes) => Layout::ValuesAndCopy(values(), CompressedCopy::Codes(codes)),
            None if quantization == Quantization::F16 && matches!(points.rows(), DenseValues::F32(_)) => {
                let values = values();
                let halves = ValueStore::halves(&values.dense(), kernel);
                Layout::ValuesAndCopy(values, CompressedCopy::Halves(halves))
            }
            None => Layout::Values(values()),
        };
        Self { kernel, dim, given, layout, outside: Outside::default() }
    }

    /// A copy that shares nothing which a change would write to.
    pub(crate) fn copy(&self) -> Self {
        let layout = match &self.layout {
            Layout::Values(values) => Layout::Values(values.clone()),
            Layout::CodesAreValues(codes) => Layout::CodesAreValues(codes.copy()),
            Layout::ValuesAndCopy(values, copy) => {
                let copy = match copy {
                    CompressedCopy::Halves(halves) => CompressedCopy::Halves(halves.clone()),
                    CompressedCopy::Codes(codes) => CompressedCopy::Codes(codes.copy()),
                };
                Layout::ValuesAndCopy(values.clone(), copy)
            }
        };
        Self { layout, outside: self.outside.clone(), ..*self }
    }

    /// A reduced distance in the unit of the traversal, with room for its rounding.
    pub(crate) fn in_traversal(&self, reduced: f32, query: &DenseQuery) -> f32 {
        let room = TOLERANCE as f32 * reduced.abs();
        match &self.layout {
            _ if query.fit == Fit::Outside => reduced,
            Layout::Values(_) => reduced,
            Layout::ValuesAndCopy(_, CompressedCopy::Halves(_)) => reduced + room,
            Layout::ValuesAndCopy(_, CompressedCopy::Codes(codes)) | Layout::CodesAreValues(codes) => {
                codes.unit() * (reduced + room)
            }
        }
    }

    /// Whether reduced distances are less exact than the values'.
    pub(crate) fn is_lossy(&self, query: &DenseQuery) -> bool {
        match &self.layout {
            Layout::Values(_) => false,
            Layout::ValuesAndCopy(..) => query.fit != Fit::Outside,
            Layout::CodesAreValues(_) => query.fit == Fit::Rounded,
        }
    }

    /// Reduced distances of the values, by codes where these are the values. After [`WorkingValues::set_exact`].
    pub(crate) fn exact(&self, query: &DenseQuery, others: &[u32], out: &mut Vec<f64>) {
        let mut found = Vec::new();
        match &self.layout {
            Layout::CodesAreValues(codes) => {
                if query.fit == Fit::Exact && self.kernel.form() == Form::L2 {
                    self.to_many(query, others, &mut found);
                    debug_assert_eq!(codes.unit(), 1.0);
                } else {
                    self.reduced(query, others, &mut found);
                }
                out.clear();
                out.extend(found.into_iter().map(f64::from));
            }
            Layout::Values(values) | Layout::ValuesAndCopy(values, _) => {
                values.compare(self.kernel).precise_from(&query.exact, others, out);
            }
        }
    }

    /// Makes `query` ready for a row of values. `by_values`: to traverse by the values although there is a copy.
    pub(crate) fn set_query(&self, values: &[f32], by_values: bool, query: &mut DenseQuery) {
        query.values.clear();
        query.values.extend_from_slice(values);
        query.fit = self.layout.codes().map_or(Fit::Rounded, |codes| codes.encode(values, &mut query.coded));
        if by_values && self.layout.values().is_some() {
            query.fit = Fit::Outside;
        }
        query.exact_is_set = false;
        if self.layout.codes().is_none() || query.fit == Fit::Outside || self.outside.count() > 0 {
            self.set_exact(query);
        }
    }

    /// Makes `query` ready to be compared with values.
    pub(crate) fn set_exact(&self, query: &mut DenseQuery) {
        if let Some(values) = self.layout.values()
            && !query.exact_is_set
        {
            values.compare(self.kernel).set_query(&query.values, &mut query.exact);
            query.exact_is_set = true;
        }
    }

    /// Reduced distances to traverse by, in a unit of the traversal's own.
    #[inline]
    pub(crate) fn to_many(&self, query: &DenseQuery, others: &[u32], out: &mut Vec<f32>) {
        match &self.layout {
            Layout::ValuesAndCopy(_, CompressedCopy::Codes(codes)) | Layout::CodesAreValues(codes)
                if query.fit != Fit::Outside =>
            {
                out.resize(others.len(), 0.0);
                codes.query_to_many(&query.coded, others, out);
                self.correct(&query.exact, others, out);
            }
            Layout::ValuesAndCopy(_, CompressedCopy::Halves(halves)) if query.fit != Fit::Outside => {
                halves.compare(self.kernel).reduced_from(&query.exact, others, out);
                self.correct(&query.exact, others, out);
            }
            _ => self.reduced(query, others, out),
        }
    }

    /// Corrects distances of the traversal to rows outside the copy.
    #[inline]
    fn correct(&self, exact: &Query, others: &[u32], out: &mut [f32]) {
        self.outside.correct(others, out, |rows, out| self.by_values(exact, rows, out));
    }

    /// Distances of values in the unit of the traversal.
    fn by_values(&self, exact: &Query, others: &[u32], out: &mut Vec<f32>) {
        let unit = self.unit();
        if let Some(values) = self.layout.values() {
            values.compare(self.kernel).reduced_from(exact, others, out);
            out.iter_mut().for_each(|d| *d *= unit);
        }
    }

    /// Distances between rows, as [`WorkingValues::to_many`] gives them.
    pub(crate) fn between(&self, row: u32, others: &[u32], room: &mut Query, out: &mut Vec<f32>) {
        match (&self.layout, self.layout.values()) {
            (_, Some(values)) if self.outside.has(row) => {
                values.compare(self.kernel).set_base_query(row, room);
                self.by_values(room, others, out);
            }
            (Layout::ValuesAndCopy(_, CompressedCopy::Codes(codes)) | Layout::CodesAreValues(codes), values) => {
                out.resize(others.len(), 0.0);
                codes.one_to_many(row, others, out);
                self.outside.correct(others, out, |rows, out| {
                    values.iter().for_each(|values| values.compare(self.kernel).set_base_query(row, room));
                    self.by_values(room, rows, out);
                });
            }
            (Layout::Values(values), _) => between_values(values, self.kernel, (row, others), room, out),
            (Layout::ValuesAndCopy(values, CompressedCopy::Halves(halves)), _) => {
                between_values(halves, self.kernel, (row, others), room, out);
                self.outside.correct(others, out, |rows, out| {
                    between_values(values, self.kernel, (row, rows), room, out);
                });
            }
        }
    }

    pub(crate) fn n(&self) -> usize {
        match &self.layout {
            Layout::Values(values) | Layout::ValuesAndCopy(values, _) => values.n(),
            Layout::CodesAreValues(codes) => codes.n(),
        }
    }

    /// Keeps the values as f32 from now on, where they were kept as bytes.
    fn widen(&mut self) {
        let n = self.n();
        let mut values = vec![0.0; n * self.dim];
        for_rows(&mut values, self.dim, 64, |row, to| self.values(row as u32, to));
        let dense = Dense::trusted(DenseValues::F32(&values), n, self.dim);
        let order: Vec<u32> = (0..n as u32).collect();
        let values = ValueStore::of_points(&dense, self.kernel, &order);
        self.layout = if self.layout.codes().is_some() {
            // One scale for whole numbers does for others near them; angles get a scale for every row.
            let codes = CodedRows::new(&dense, self.kernel.form(), Level::detect());
            Layout::ValuesAndCopy(values, CompressedCopy::Codes(codes))
        } else {
            Layout::Values(values)
        };
    }

    /// Adds rows of the same type.
    pub(crate) fn push(&mut self, points: &Dense) {
        let whole = if self.are_bytes() { points.whole_bytes() } else { None };
        if self.given == ElementType::F32 && self.are_bytes() && whole.is_none() {
            self.widen();
        }
        let bytes = whole.as_ref().map(|bytes| Dense::trusted(DenseValues::U8(bytes), points.n(), self.dim));
        let points = bytes.as_ref().unwrap_or(points);
        let kernel = self.kernel;
        match &mut self.layout {
            Layout::Values(values) => values.push(points, kernel),
            Layout::CodesAreValues(codes) => {
                push_codes(codes, points);
            }
            Layout::ValuesAndCopy(values, copy) => {
                values.push(points, kernel);
                let outside = match copy {
                    CompressedCopy::Halves(halves) => push_halves(halves, points, kernel),
                    CompressedCopy::Codes(codes) => push_codes(codes, points),
                };
                self.outside.add(&outside);
            }
        }
    }

    /// Makes the copy anew, or drops it, where too many rows are outside it or its distances are no longer near enough
    /// to those of the values. `old` and `all` are rows with their neighbours, before rows were added and now. True if
    /// rows were compared by a copy that did not serve.
    pub(crate) fn review_copy(&mut self, old: &[Vec<u32>], all: &[Vec<u32>]) -> bool {
        let Layout::ValuesAndCopy(values, copy) = &self.layout else { return false };
        let (kernel, outside, exact) = (self.kernel, &self.outside, values.compare(self.kernel));
        let is_outgrown = outside.count() * MOST_OUTSIDE > values.n();
        let serve = |codes: &CodedRows, groups: &[Vec<u32>], outside: &Outside| {
            let within = |group: &&Vec<u32>| !group.is_empty() && !group.iter().any(|&row| outside.has(row));
            let groups: Vec<&[u32]> = groups.iter().filter(within).map(|group| &group[..]).collect();
            groups.is_empty() || mean_error(&exact, codes, groups.into_iter()) <= TOLERANCE
        };
        let (anew, serves) = match copy {
            CompressedCopy::Halves(_) => (None, true),
            CompressedCopy::Codes(codes) => {
                // Codes that did not serve before were asked for.
                let is_asked_for = !serve(codes, old, outside);
                let coded = || CodedRows::new(&values.dense(), kernel.form(), Level::detect());
                let anew = is_outgrown.then(coded);
                let anew = anew.filter(|anew| is_asked_for || serve(anew, all, &Outside::default()));
                (anew, is_asked_for || serve(codes, all, outside))
            }
        };
        match (anew, &mut self.layout) {
            (Some(anew), Layout::ValuesAndCopy(_, copy)) => {
                *copy = CompressedCopy::Codes(anew);
                self.outside = Outside::default();
            }
            _ if is_outgrown || !serves => self.drop_copy(),
            _ => {}
        }
        !serves
    }

    /// Searches go by the values from now on.
    fn drop_copy(&mut self) {
        if let Layout::ValuesAndCopy(values, _) = &self.layout {
            self.layout = Layout::Values(values.clone());
            self.outside = Outside::default();
        }
    }

    /// A distance of the traversal in the unit that `query` is compared in.
    pub(crate) fn in_unit_of(&self, distance: f32, query: &DenseQuery) -> f32 {
        if query.fit == Fit::Outside { distance / self.unit() } else { distance }
    }

    /// Bytes that a search reads of a row.
    pub(crate) fn bytes_of_row(&self, by_values: bool) -> usize {
        match &self.layout {
            Layout::ValuesAndCopy(values, _) if by_values => values.bytes_of_row(),
            Layout::Values(values) | Layout::ValuesAndCopy(_, CompressedCopy::Halves(values)) => values.bytes_of_row(),
            Layout::ValuesAndCopy(_, CompressedCopy::Codes(_)) | Layout::CodesAreValues(_) => {
                codes::chunks_of_row(self.dim) * 64
            }
        }
    }

    /// Whether values are kept as bytes.
    fn are_bytes(&self) -> bool {
        self.layout.values().is_none_or(|values| values.element_type() == ElementType::U8)
    }

    /// What a reduced distance of values is multiplied with to be one of the traversal.
    pub(crate) fn unit(&self) -> f32 {
        self.layout.codes().map_or(1.0, CodedRows::unit)
    }

    /// Keeps the rows `order`, in that order.
    pub(crate) fn select(&mut self, order: &[u32]) {
        let kernel = self.kernel;
        self.outside.select(order);
        match &mut self.layout {
            Layout::Values(values) => values.select(order, kernel),
            Layout::CodesAreValues(codes) => codes.select(order),
            Layout::ValuesAndCopy(values, copy) => {
                values.select(order, kernel);
                match copy {
                    CompressedCopy::Halves(halves) => halves.select(order, kernel),
                    CompressedCopy::Codes(codes) => codes.select(order),
                }
            }
        }
    }

    /// The values of a row, as they were given.
    pub(crate) fn values(&self, row: u32, out: &mut [f32]) {
        match &self.layout {
            Layout::Values(values) | Layout::ValuesAndCopy(values, _) => values.row(row, out),
            Layout::CodesAreValues(codes) => codes.decode(row, out),
        }
    }

    /// Reduced distances of the values.
    fn reduced(&self, query: &DenseQuery, others: &[u32], out: &mut Vec<f32>) {
        match &self.layout {
            Layout::Values(values) | Layout::ValuesAndCopy(values, _) => {
                values.compare(self.kernel).reduced_from(&query.exact, others, out);
            }
            Layout::CodesAreValues(codes) => self.reduced_by_decoding(codes, query, others, out),
        }
    }

    /// Reduced distances of values that codes are turned back into.
    fn reduced_by_decoding(&self, codes: &CodedRows, query: &DenseQuery, others: &[u32], out: &mut Vec<f32>) {
        let mut values = vec![0.0; others.len() * self.dim];
        for (row, &other) in values.chunks_exact_mut(self.dim).zip(others) {
            codes.decode(other, row);
        }
        out.clear();
        if others.is_empty() {
            return;
        }
        let rows = Dense::trusted(DenseValues::F32(&values), others.len(), self.dim);
        let row = Dense::trusted(DenseValues::F32(&query.values), 1, self.dim);
        let places: Vec<u32> = (0..others.len() as u32).collect();
        DirectDistances::new(self.kernel, &rows, &row).reduced(0, &places, out);
    }
}

fn between_values(
    values: &ValueStore,
    kernel: KernelMetric,
    (row, others): (u32, &[u32]),
    room: &mut Query,
    out: &mut Vec<f32>,
) {
    let compare = values.compare(kernel);
    compare.set_base_query(row, room);
    compare.reduced_from(room, others, out);
}
