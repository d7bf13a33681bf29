//! Checks of what queries ask.

use rayon::prelude::*;

use crate::error::SearchError;
use crate::points::{Dense, Points, PointsKind};

use super::Index;
use super::options::SearchOptions;
use super::rows::element_type::{ElementType, RowForm};

pub(super) fn out_of_range(name: &'static str, value: impl ToString, range: &str) -> SearchError {
    SearchError::Parameter { name, value: value.to_string(), range: range.into() }
}

impl Index {
    /// The number of neighbours to search for among `n` points: `k`, or all of them if rows may be padded.
    pub(super) fn check_k(k: usize, n: usize, pad: bool) -> Result<usize, SearchError> {
        match k {
            0 => Err(out_of_range("k", 0, "at least 1")),
            k if k > n && !pad => Err(SearchError::TooManyNeighbors { k, n }),
            _ => Ok(k.min(n)),
        }
    }

    /// Whether rows of hits may be padded: also where there is nothing to find.
    pub(super) fn pads(&self, options: &SearchOptions) -> bool {
        options.pad || self.is_empty()
    }

    pub(super) fn check_epsilon(epsilon: f32) -> Result<(), SearchError> {
        let valid = epsilon > -1.0 && epsilon.is_finite();
        if valid { Ok(()) } else { Err(out_of_range("epsilon", epsilon, "finite and above -1")) }
    }

    /// Checks a row of values.
    pub(super) fn check_vector(&self, values: &[f32]) -> Result<(), SearchError> {
        if self.rows.given.form() != RowForm::Dense {
            return Err(SearchError::Type { found: "values", expected: self.rows.given.name() });
        }
        if values.len() != self.dim() {
            return Err(SearchError::Dimension { found: values.len(), expected: self.dim() });
        }
        if let Some(column) = values.iter().position(|v| !v.is_finite()) {
            return Err(SearchError::NotFinite { column, value: values[column] });
        }
        self.check_values(0, values)
    }

    /// Checks that queries are rows that the points can be compared with.
    pub(super) fn check_queries(&self, queries: &Points) -> Result<(), SearchError> {
        if queries.dim() != self.dim() {
            return Err(SearchError::Dimension { found: queries.dim(), expected: self.dim() });
        }
        if ElementType::of(queries).form() != self.rows.given.form() {
            return Err(SearchError::Type { found: queries.type_name(), expected: self.rows.given.name() });
        }
        if !self.rows.is_comparable(queries) {
            return Err(SearchError::OtherItems);
        }
        match queries.kind() {
            PointsKind::Dense(dense) => self.check_rows(&dense),
            PointsKind::Sparse(rows) => (0..rows.n()).try_for_each(|i| {
                let row = rows.row(i);
                self.check_values(i, row.values).map_err(|error| match error {
                    SearchError::Value { metric, query, column, value, range } => {
                        SearchError::Value { metric, query, column: row.indices[column] as usize, value, range }
                    }
                    other => other,
                })
            }),
            PointsKind::Bits(_) | PointsKind::Items(_) => Ok(()),
        }
    }

    fn check_rows(&self, queries: &Dense) -> Result<(), SearchError> {
        let room = || vec![0.0; queries.dim()];
        let checks = (0..queries.n()).into_par_iter().map_init(room, |row, i| {
            queries.widen_row(i, row);
            self.check_values(i, row)
        });
        checks.find_first(Result::is_err).unwrap_or(Ok(()))
    }

    /// Checks what the metric asks of the values of query `i`.
    fn check_values(&self, query: usize, values: &[f32]) -> Result<(), SearchError> {
        let metric = self.metric();
        match metric.first_wrong(values) {
            None => Ok(()),
            Some(column) => {
                let (value, range) = (values[column], metric.values_range());
                Err(SearchError::Value { metric: metric.name(), query, column, value, range })
            }
        }
    }
}
