//! Sets of an index: packed bits, or the columns of dense rows that are not zero.

use std::borrow::Cow;

use crate::dataset::{Dataset, Rows, Sets};
use crate::distances::direct::Query;
use crate::metric::Metric;
use crate::persist::{IndexFileError, Kind, Opened};
use crate::points::Points;
use crate::rows::ReducedDistances;
use crate::rows::WorkingRows;
use crate::rows::bits::{self, BitRows};
use crate::search::error::IndexError;

use super::sections::of_length;
use super::{IndexRows, PutMeta, QueryRow, SearchQuery};

/// Rows of bits under a metric of sets.
pub(crate) struct SetRows {
    metric: Metric,
    rows: BitRows,
}

impl SetRows {
    /// The rows `order` of these sets.
    pub(super) fn of_sets(sets: &Sets, metric: &Metric, order: &[u32]) -> Self {
        let mut rows = sets.bit_rows();
        rows.renumber(order);
        Self { metric: metric.clone(), rows }
    }
}

impl IndexRows for SetRows {
    fn copy(&self) -> Self {
        let BitRows { words, counts, .. } = &self.rows;
        let (dim, set_metric) = (self.rows.dim() as usize, self.rows.metric());
        Self { metric: self.metric.clone(), rows: BitRows::of_parts(words.clone(), counts.clone(), dim, set_metric) }
    }

    fn set_query(&self, row: QueryRow, _: bool, query: &mut SearchQuery) -> bool {
        match row {
            QueryRow::Bits(row) => self.rows.set_query(row, &mut query.bits),
            QueryRow::Values(values) => self.rows.set_query_of_columns(values, &mut query.bits),
            QueryRow::Sparse(_) | QueryRow::Item(..) => return false,
        }
        true
    }

    fn set_own_query(&self, row: u32, _: bool, query: &mut SearchQuery) {
        self.rows.set_own_query(row, &mut query.bits);
    }

    fn distances(&self, query: &mut SearchQuery, others: &[u32], out: &mut Vec<f32>) {
        self.rows.query_to_many(&query.bits, others, out);
    }

    fn to_many(&self, query: &SearchQuery, others: &[u32], out: &mut Vec<f32>) {
        self.rows.query_to_many(&query.bits, others, out);
    }

    fn between(&self, row: u32, others: &[u32], _: &mut Query, out: &mut Vec<f32>) {
        out.resize(others.len(), 0.0);
        self.rows.one_to_many(row, others, out);
    }

    fn n(&self) -> usize {
        self.rows.n()
    }

    fn push(&mut self, points: &Points) -> Result<(), IndexError> {
        let dataset = Dataset::new(points, &self.metric)?;
        let Rows::Sets(sets) = dataset.problem().rows else {
            return Err(IndexError::Type { found: points.type_name(), expected: "bits" });
        };
        self.rows.push(&sets.bit_rows());
        Ok(())
    }

    fn select(&mut self, order: &[u32]) {
        self.rows.select(order);
    }

    fn values(&self, row: u32) -> Option<Vec<f32>> {
        let stride = bits::stride(self.rows.dim() as usize);
        let words = self.rows.words[row as usize * stride..][..stride].as_flattened();
        let bit = |i: usize| words[i / 64] >> (i % 64) & 1;
        Some((0..self.rows.dim() as usize).map(|i| bit(i) as f32).collect())
    }

    fn bytes_of_row(&self, _: bool) -> usize {
        self.rows.bytes_of_row()
    }

    fn describe(&self) -> &'static str {
        "bits"
    }

    fn prefault(&self) {
        self.rows.words.prefault();
    }

    fn add_memory(&self, add: &mut dyn FnMut(usize, bool)) {
        add(size_of_val(&self.rows.words[..]), self.rows.words.is_mapped());
        add(size_of_val(&self.rows.counts[..]), self.rows.counts.is_mapped());
    }

    fn put_meta(&self, _: bool, _: PutMeta) {}

    fn sections(&self) -> Vec<(Kind, Cow<'_, [u8]>)> {
        let bytes = |kind, bytes| (kind, Cow::Borrowed(bytes));
        vec![
            bytes(WORDS, bytemuck::cast_slice(&self.rows.words)),
            bytes(BIT_COUNTS, bytemuck::cast_slice(&self.rows.counts)),
        ]
    }
}

const WORDS: Kind = Kind(13, "the points' bits");
const BIT_COUNTS: Kind = Kind(14, "the counts of the points' bits");
pub(super) const SECTIONS: [Kind; 2] = [WORDS, BIT_COUNTS];

impl SetRows {
    /// The `n` rows of a file, of `dim` bits.
    pub(super) fn of_file(file: &Opened, metric: &Metric, (n, dim): (usize, usize)) -> Result<Self, IndexFileError> {
        let set_metric = metric.as_sets();
        let set_metric = set_metric.ok_or_else(|| file.inconsistent(format!("bits under `{}`", metric.name())))?;
        let words = of_length(file, WORDS, n.saturating_mul(bits::stride(dim)))?;
        let rows = BitRows::of_parts(words, of_length(file, BIT_COUNTS, n)?, dim, set_metric);
        Ok(Self { metric: metric.clone(), rows })
    }
}
