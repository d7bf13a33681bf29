//! Dense rows as a search reads them: a compressed copy to find the way by, and the values to rank by.

use crate::distances::code_error::mean_error;
use crate::distances::direct::{DirectDistances, Query};
use crate::metric::{Form, KernelMetric};
use crate::parallel::for_rows;
use crate::points::{Dense, DenseValues, Element};
use crate::rows::dense::codes::{self, CodedQuery, CodedRows};
use crate::rows::dense::coding::Fit;
use crate::rows::{ReducedDistances, WorkingRows};
use crate::search::stored::Stored;
use crate::simd::Level;

use super::Quantization;

/// What a search finds its way by.
pub(crate) enum Traversal {
    /// The stored values.
    Values,
    /// Copies rounded to f16.
    Halves(Stored),
    /// u8 codes and integer dot products.
    Codes(CodedRows),
}

impl Traversal {
    /// In a word or two.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Values => "values",
            Self::Halves(_) => "f16",
            Self::Codes(_) => "u8 codes",
        }
    }
}

/// Dense rows of an index.
pub(crate) struct DenseRows {
    pub metric: KernelMetric,
    pub dim: usize,
    /// The type of the points as they were given, as numpy names it.
    pub given: &'static str,
    /// The values; none where the codes are the values.
    pub stored: Option<Stored>,
    pub traversal: Traversal,
    /// Whether searches find their way by the values although there is a compressed copy: what tuning may find cheaper.
    pub by_values: bool,
}

/// A query, in every form that it is compared in.
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

/// Adds rows to codes; how well the worst of them is coded.
fn push_codes(codes: &mut CodedRows, points: &Dense) -> Fit {
    let mut row = vec![0.0; points.dim()];
    let mut query = CodedQuery::default();
    let fit = |i: usize| {
        points.widen_row(i, &mut row);
        codes.push(&row);
        codes.encode(&row, &mut query)
    };
    (0..points.n()).map(fit).max().unwrap_or_default()
}

impl DenseRows {
    /// The rows `order` of `points`; `groups` are points with their neighbours, to try codes on.
    pub(crate) fn new<'g>(
        points: &Dense,
        metric: KernelMetric,
        quantization: Quantization,
        order: &[u32],
        groups: impl Iterator<Item = &'g [u32]>,
    ) -> Self {
        let (form, dim, level, given) = (metric.form(), points.dim(), Level::detect(), points.type_name());
        let bytes = if quantization == Quantization::None { None } else { points.whole_bytes() };
        let points = &bytes.as_ref().map_or(*points, |bytes| Dense::trusted(DenseValues::U8(bytes), points.n(), dim));
        let suits = codes::suits(points, form);
        let exact_codes = suits && codes::is_exact(points, form);
        let serve = |codes: &CodedRows| {
            let exact = DirectDistances::new(metric, points, points);
            mean_error(&exact, codes, groups) <= TOLERANCE
        };
        let codes = match quantization {
            Quantization::U8 | Quantization::Auto if suits => {
                let codes = CodedRows::new(points, form, level);
                let wanted = quantization == Quantization::U8 || exact_codes || serve(&codes);
                wanted.then_some(codes)
            }
            _ => None,
        };
        let needs_values = codes.is_none() || !exact_codes;
        let stored = needs_values.then(|| Stored::of_points(points, metric, order));
        let traversal = match (codes, &stored) {
            (Some(mut codes), _) => {
                codes.renumber(order);
                Traversal::Codes(codes)
            }
            (None, Some(stored))
                if quantization == Quantization::F16 && matches!(points.rows(), DenseValues::F32(_)) =>
            {
                Traversal::Halves(Stored::halves(&stored.dense(), metric))
            }
            _ => Traversal::Values,
        };
        Self { metric, dim, given, stored, traversal, by_values: false }
    }

    /// A reduced distance in the unit of the traversal, with room for its rounding.
    pub(crate) fn in_traversal(&self, reduced: f32, query: &DenseQuery) -> f32 {
        let room = TOLERANCE as f32 * reduced.abs();
        match &self.traversal {
            Traversal::Codes(codes) if query.fit != Fit::Outside => codes.unit() * (reduced + room),
            Traversal::Halves(_) if query.fit != Fit::Outside => reduced + room,
            _ => reduced,
        }
    }

    /// Whether the traversal's distances are rounded more than the values'.
    pub(crate) fn is_lossy(&self, query: &DenseQuery) -> bool {
        match &self.traversal {
            Traversal::Values => false,
            Traversal::Halves(_) => query.fit != Fit::Outside,
            Traversal::Codes(_) => query.fit == Fit::Rounded || self.stored.is_some() && query.fit == Fit::Exact,
        }
    }

    /// Reduced distances of the values, by codes where these are the values. After [`DenseRows::set_exact`].
    pub(crate) fn exact(&self, query: &DenseQuery, others: &[u32], out: &mut Vec<f32>) {
        match &self.traversal {
            Traversal::Codes(codes)
                if self.stored.is_none() && query.fit == Fit::Exact && self.metric.form() == Form::L2 =>
            {
                self.to_many(query, others, out);
                debug_assert_eq!(codes.unit(), 1.0);
            }
            _ => self.reduced(query, others, out),
        }
    }

    /// Makes `query` ready for a row of values.
    pub(crate) fn set_query(&self, values: &[f32], query: &mut DenseQuery) {
        query.values.clear();
        query.values.extend_from_slice(values);
        query.fit = match &self.traversal {
            Traversal::Codes(codes) => codes.encode(values, &mut query.coded),
            _ => Fit::Rounded,
        };
        if self.by_values && self.stored.is_some() {
            query.fit = Fit::Outside;
        }
        query.exact_is_set = false;
        if !matches!(&self.traversal, Traversal::Codes(_)) || query.fit == Fit::Outside {
            self.set_exact(query);
        }
    }

    /// Makes `query` ready to be compared with values.
    pub(crate) fn set_exact(&self, query: &mut DenseQuery) {
        let stored = match (&self.stored, &self.traversal) {
            (Some(stored), _) | (None, Traversal::Halves(stored)) => stored,
            _ => return,
        };
        if !query.exact_is_set {
            stored.compare(self.metric).set_query(&query.values, &mut query.exact);
            query.exact_is_set = true;
        }
    }

    /// Distances to find the way by, reduced, in a unit of the traversal's own.
    #[inline]
    pub(crate) fn to_many(&self, query: &DenseQuery, others: &[u32], out: &mut Vec<f32>) {
        match &self.traversal {
            Traversal::Codes(codes) if query.fit != Fit::Outside => {
                out.resize(others.len(), 0.0);
                codes.query_to_many(&query.coded, others, out);
            }
            Traversal::Halves(halves) if query.fit != Fit::Outside => {
                halves.compare(self.metric).reduced_from(&query.exact, others, out);
            }
            _ => self.reduced(query, others, out),
        }
    }

    /// Distances between rows, as [`DenseRows::to_many`] gives them.
    pub(crate) fn between(&self, row: u32, others: &[u32], room: &mut Query, out: &mut Vec<f32>) {
        let stored = match (&self.traversal, &self.stored) {
            (Traversal::Codes(codes), _) => {
                out.resize(others.len(), 0.0);
                codes.one_to_many(row, others, out);
                return;
            }
            (Traversal::Halves(halves), _) => halves,
            (Traversal::Values, Some(stored)) => stored,
            (Traversal::Values, None) => unreachable!("values are kept where nothing stands for them"),
        };
        let compare = stored.compare(self.metric);
        compare.set_base_query(row, room);
        compare.reduced_from(room, others, out);
    }

    /// Keeps the values as f32 from now on, where they were kept as bytes.
    fn widen(&mut self) {
        let n = match (&self.stored, &self.traversal) {
            (Some(stored), _) => stored.n(),
            (None, Traversal::Codes(codes)) => codes.n(),
            (None, _) => unreachable!("values are kept where nothing stands for them"),
        };
        let mut values = vec![0.0; n * self.dim];
        for_rows(&mut values, self.dim, 64, |row, to| self.values(row as u32, to));
        let dense = Dense::trusted(DenseValues::F32(&values), n, self.dim);
        let order: Vec<u32> = (0..n as u32).collect();
        let stored = Stored::of_points(&dense, self.metric, &order);
        if let Traversal::Codes(codes) = &mut self.traversal {
            // One scale for whole numbers does for others near them; angles get a scale for every row.
            *codes = CodedRows::new(&dense, self.metric.form(), Level::detect());
        }
        self.stored = Some(stored);
    }

    /// Adds rows of the type of these; what distances are multiplied with from now on, where codes had to be chosen anew.
    pub(crate) fn push(&mut self, points: &Dense) -> f32 {
        let before = self.unit();
        let whole = if self.are_bytes() { points.whole_bytes() } else { None };
        if self.given == f32::NAME && self.are_bytes() && whole.is_none() {
            self.widen();
        }
        let bytes = whole.as_ref().map(|bytes| Dense::trusted(DenseValues::U8(bytes), points.n(), self.dim));
        let points = bytes.as_ref().unwrap_or(points);
        if let Some(stored) = &mut self.stored {
            stored.push(points, self.metric);
        }
        match &mut self.traversal {
            Traversal::Values => {}
            Traversal::Halves(halves) => halves.push(&Stored::halves(points, self.metric).dense(), self.metric),
            Traversal::Codes(codes) => {
                if push_codes(codes, points) == Fit::Outside
                    && let Some(stored) = &self.stored
                {
                    *codes = CodedRows::new(&stored.dense(), self.metric.form(), Level::detect());
                }
            }
        }
        self.unit() / before
    }

    /// A distance of the traversal in the unit that `query` is compared in.
    pub(crate) fn in_unit_of(&self, distance: f32, query: &DenseQuery) -> f32 {
        if query.fit == Fit::Outside { distance / self.unit() } else { distance }
    }

    /// Bytes that a search reads of a row.
    pub(crate) fn bytes_of_row(&self) -> usize {
        let of = |stored: &Stored| stored.dim * stored.dense().value_size();
        match (&self.traversal, &self.stored) {
            (Traversal::Codes(_), Some(stored)) if self.by_values => of(stored),
            (Traversal::Codes(_), _) => codes::chunks_of_row(self.dim) * 64,
            (Traversal::Halves(halves), None) => of(halves),
            (Traversal::Halves(halves), Some(stored)) => of(if self.by_values { stored } else { halves }),
            (Traversal::Values, Some(stored)) => of(stored),
            (Traversal::Values, None) => unreachable!("values are kept where nothing stands for them"),
        }
    }

    /// Whether searches could find their way by the values or by a copy.
    pub(crate) fn has_a_choice(&self) -> bool {
        self.stored.is_some() && !matches!(self.traversal, Traversal::Values)
    }

    /// Whether values are kept as bytes.
    fn are_bytes(&self) -> bool {
        self.stored.as_ref().is_none_or(|stored| stored.dense().type_name() == u8::NAME)
    }

    /// What a reduced distance of values is multiplied with to be one of the traversal.
    fn unit(&self) -> f32 {
        match &self.traversal {
            Traversal::Codes(codes) => codes.unit(),
            _ => 1.0,
        }
    }

    /// Keeps the rows `order`, in that order.
    pub(crate) fn select(&mut self, order: &[u32]) {
        let metric = self.metric;
        if let Some(stored) = &mut self.stored {
            *stored = Stored::of_points(&stored.dense(), metric, order);
        }
        match &mut self.traversal {
            Traversal::Values => {}
            Traversal::Halves(halves) => *halves = Stored::of_points(&halves.dense(), metric, order),
            Traversal::Codes(codes) => codes.select(order),
        }
    }

    /// The values of a row, as they were given.
    pub(crate) fn values(&self, row: u32, out: &mut [f32]) {
        match (&self.stored, &self.traversal) {
            (Some(stored), _) | (None, Traversal::Halves(stored)) => stored.dense().widen_row(row as usize, out),
            (None, Traversal::Codes(codes)) => codes.decode(row, out),
            (None, Traversal::Values) => unreachable!("values are kept where nothing stands for them"),
        }
    }

    /// Reduced distances of the values.
    pub(crate) fn reduced(&self, query: &DenseQuery, others: &[u32], out: &mut Vec<f32>) {
        match (&self.stored, &self.traversal) {
            (Some(stored), _) => stored.compare(self.metric).reduced_from(&query.exact, others, out),
            (None, Traversal::Codes(codes)) => self.reduced_by_decoding(codes, query, others, out),
            (None, Traversal::Halves(halves)) => halves.compare(self.metric).reduced_from(&query.exact, others, out),
            (None, Traversal::Values) => unreachable!("values are kept where nothing stands for them"),
        }
    }

    /// Codes that are the values, turned back into values.
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
        DirectDistances::new(self.metric, &rows, &row).reduced(0, &places, out);
    }
}
