//! Which rows may be found: filters by ids, evaluated.

use std::collections::BTreeMap;

use crate::error::SearchError;
use crate::rng::stratified_sample;

use super::Index;
use super::filter::Filter;

/// Which rows one query may find.
#[derive(Clone, Copy)]
pub(super) enum Eligible<'a> {
    /// All but those removed.
    All,
    /// So many rows that searching the graph is cheaper than comparing with each. `bits` has one for every row.
    Many { bits: &'a [u64], count: usize },
    /// The rows of ids that the closure allows, probably many: it is asked about rows as they are met.
    Asked(&'a (dyn Fn(u32) -> bool + Send + Sync)),
    /// These rows, ascending: so few that comparing with each is cheaper.
    Few(&'a [u32]),
}

/// Which rows the queries of a batch may find.
pub(super) enum EligibleRows<'a> {
    All,
    /// For all queries alike.
    Same(RowSet),
    /// By asking, for a single query.
    Asked(&'a (dyn Fn(u32) -> bool + Send + Sync)),
    /// By the label of each query.
    ByLabel {
        sets: BTreeMap<u32, RowSet>,
        wanted: &'a [u32],
    },
}

/// Rows that may be found.
pub(super) enum RowSet {
    Many { bits: Vec<u64>, count: usize },
    Few(Vec<u32>),
}

/// A filter and what it is evaluated for.
#[derive(Clone, Copy)]
pub(super) struct Evaluation {
    /// Neighbours wanted.
    pub k: usize,
    pub queries: usize,
    /// Whether a query may find nothing.
    pub pad: bool,
    /// Whether queries are compared with every row that they may find.
    pub exact: bool,
}

/// Rows that are asked about to tell whether a closure allows many.
const ASKED: usize = 256;
/// In so small an index, a closure is asked about every point.
const SMALL: usize = 2048;

impl<'a> EligibleRows<'a> {
    /// Evaluates a filter for a batch.
    pub(super) fn of_batch(
        index: &Index,
        filter: Option<&'a Filter<'a>>,
        evaluation: Evaluation,
    ) -> Result<Self, SearchError> {
        match filter {
            None if evaluation.exact => same(index, evaluation, |_| true),
            None => Ok(Self::All),
            Some(Filter::Mask(mask)) => {
                check_length(mask.len(), index.id_bound())?;
                same(index, evaluation, |id| mask.get(id as usize).is_some_and(|&allowed| allowed))
            }
            Some(Filter::Closure(allowed)) => same(index, evaluation, &**allowed),
            Some(Filter::Labels { labels, wanted }) => {
                check_length(labels.len(), index.id_bound())?;
                if wanted.len() != evaluation.queries {
                    return Err(SearchError::LabelCount { found: wanted.len(), expected: evaluation.queries });
                }
                by_label(index, evaluation, labels, wanted)
            }
        }
    }

    /// Evaluates a filter for one query: a closure that allows many points is asked only about those that are met.
    pub(super) fn of_one(
        index: &Index,
        filter: Option<&'a Filter<'a>>,
        (k, pad, exact): (usize, bool, bool),
    ) -> Result<Self, SearchError> {
        if let Some(Filter::Closure(allowed)) = filter
            && index.len() > SMALL
            && !exact
        {
            let n = index.graph.n();
            let sample = stratified_sample(0, 0xf17, n, ASKED).filter(|&row| allowed(index.order[row]));
            if !asking_all_is_cheaper(sample.count() * n / ASKED, k, n) {
                return Ok(Self::Asked(&**allowed));
            }
        }
        Self::of_batch(index, filter, Evaluation { k, queries: 1, pad, exact })
    }

    pub(super) fn of_query(&self, i: usize) -> Eligible<'_> {
        let set = match self {
            Self::All => return Eligible::All,
            Self::Asked(allowed) => return Eligible::Asked(*allowed),
            Self::Same(set) => set,
            Self::ByLabel { sets, wanted } => &sets[&wanted[i]],
        };
        match set {
            RowSet::Many { bits, count } => Eligible::Many { bits, count: *count },
            RowSet::Few(rows) => Eligible::Few(rows),
        }
    }
}

fn check_length(found: usize, expected: usize) -> Result<(), SearchError> {
    if found == expected { Ok(()) } else { Err(SearchError::FilterLength { found, expected }) }
}

fn same<'a>(
    index: &Index,
    evaluation: Evaluation,
    allowed: impl Fn(u32) -> bool,
) -> Result<EligibleRows<'a>, SearchError> {
    let rows: Vec<u32> = index.present_rows().filter(|&row| allowed(index.order[row as usize])).collect();
    if rows.is_empty() && !evaluation.pad {
        return Err(SearchError::NothingAllowed { n: index.len() });
    }
    Ok(EligibleRows::Same(RowSet::new(index, evaluation, rows)))
}

fn by_label<'a>(
    index: &Index,
    evaluation: Evaluation,
    labels: &[u32],
    wanted: &'a [u32],
) -> Result<EligibleRows<'a>, SearchError> {
    let mut rows: BTreeMap<u32, Vec<u32>> = wanted.iter().map(|&label| (label, Vec::new())).collect();
    for row in index.present_rows() {
        let label = labels.get(index.order[row as usize] as usize);
        if let Some(rows) = label.and_then(|label| rows.get_mut(label)) {
            rows.push(row);
        }
    }
    if let Some((&label, _)) = rows.iter().find(|(_, rows)| rows.is_empty())
        && !evaluation.pad
    {
        return Err(SearchError::NoSuchLabel { label });
    }
    let sets = rows.into_iter().map(|(label, rows)| (label, RowSet::new(index, evaluation, rows))).collect();
    Ok(EligibleRows::ByLabel { sets, wanted })
}

/// A search of the graph passes about n / eligible rows for each of the k that it may find; comparing with all eligible
/// rows costs as many distances as there are. They cost the same where eligible² is about this times k n:
/// docs/PERFORMANCE.md, "Filters".
const EVEN: usize = 32;

/// Whether comparing with each of so many eligible rows is cheaper than searching the graph.
fn few_are_cheaper(eligible: usize, k: usize, n: usize) -> bool {
    eligible.saturating_mul(eligible) <= EVEN.saturating_mul(k).saturating_mul(n)
}

/// Whether asking about each of `n` rows, and comparing with the eligible ones, is cheaper than searching the graph and
/// asking about the rows that are met: docs/PERFORMANCE.md, "Filters".
fn asking_all_is_cheaper(eligible: usize, k: usize, n: usize) -> bool {
    eligible.saturating_mul(n + eligible) <= EVEN.saturating_mul(k).saturating_mul(n)
}

impl RowSet {
    fn new(index: &Index, evaluation: Evaluation, rows: Vec<u32>) -> Self {
        let n = index.graph.n();
        if evaluation.exact || few_are_cheaper(rows.len(), evaluation.k, n) {
            return Self::Few(rows);
        }
        let mut bits = vec![0u64; n.div_ceil(64)];
        rows.iter().for_each(|&row| bits[row as usize / 64] |= 1 << (row % 64));
        Self::Many { bits, count: rows.len() }
    }
}
