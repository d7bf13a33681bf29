//! Which points may be found.

use std::collections::BTreeMap;

use super::searcher::Allowed;
use super::{Index, IndexError};

/// As the user says it, by ids.
pub(super) enum Filter<'a> {
    Mask(&'a [bool]),
    Closure(&'a (dyn Fn(u32) -> bool + Sync)),
    Labels { labels: &'a [u32], wanted: &'a [u32] },
}

/// As a search needs it, by rows.
pub(super) enum Rows<'a> {
    /// For all queries alike.
    Same(Set),
    /// By the label of each query.
    ByLabel { sets: BTreeMap<u32, Set>, wanted: &'a [u32] },
}

/// Rows that are allowed.
pub(super) enum Set {
    Many { bits: Vec<u64>, count: usize },
    Few(Vec<u32>),
}

impl Filter<'_> {
    pub(super) fn rows(&self, index: &Index, k: usize, queries: usize) -> Result<Rows<'_>, IndexError> {
        match self {
            Self::Mask(mask) => {
                check_length(mask.len(), index.end_id())?;
                same(index, k, |id| mask.get(id as usize).is_some_and(|&allowed| allowed))
            }
            Self::Closure(allowed) => same(index, k, allowed),
            Self::Labels { labels, wanted } => {
                check_length(labels.len(), index.end_id())?;
                if wanted.len() != queries {
                    return Err(IndexError::LabelCount { found: wanted.len(), expected: queries });
                }
                by_label(index, k, labels, wanted)
            }
        }
    }
}

fn check_length(found: usize, expected: usize) -> Result<(), IndexError> {
    if found == expected { Ok(()) } else { Err(IndexError::FilterLength { found, expected }) }
}

fn same<'a>(index: &Index, k: usize, allowed: impl Fn(u32) -> bool) -> Result<Rows<'a>, IndexError> {
    let rows: Vec<u32> = index.present_rows().filter(|&row| allowed(index.order[row as usize])).collect();
    if rows.is_empty() {
        return Err(IndexError::NothingAllowed { n: index.n() });
    }
    Ok(Rows::Same(Set::new(index, k, rows)))
}

fn by_label<'a>(index: &Index, k: usize, labels: &[u32], wanted: &'a [u32]) -> Result<Rows<'a>, IndexError> {
    let mut rows: BTreeMap<u32, Vec<u32>> = wanted.iter().map(|&label| (label, Vec::new())).collect();
    for row in index.present_rows() {
        let label = labels.get(index.order[row as usize] as usize);
        if let Some(rows) = label.and_then(|label| rows.get_mut(label)) {
            rows.push(row);
        }
    }
    if let Some((&label, _)) = rows.iter().find(|(_, rows)| rows.is_empty()) {
        return Err(IndexError::NoSuchLabel { label });
    }
    let sets = rows.into_iter().map(|(label, rows)| (label, Set::new(index, k, rows))).collect();
    Ok(Rows::ByLabel { sets, wanted })
}

/// A search of the graph passes about n / allowed rows for each of the k that it may find; comparing with all allowed costs
/// as many distances as there are. They cost the same where allowed² is about this times k n: docs/PERFORMANCE.md, "Filters".
const EVEN: usize = 32;

impl Set {
    fn new(index: &Index, k: usize, rows: Vec<u32>) -> Self {
        let n = index.graph.n();
        if rows.len().saturating_mul(rows.len()) <= EVEN.saturating_mul(k).saturating_mul(n) {
            return Self::Few(rows);
        }
        let mut bits = vec![0u64; n.div_ceil(64)];
        rows.iter().for_each(|&row| bits[row as usize / 64] |= 1 << (row % 64));
        Self::Many { bits, count: rows.len() }
    }
}

impl Rows<'_> {
    pub(super) fn of_query(&self, i: usize) -> Allowed<'_> {
        let set = match self {
            Self::Same(set) => set,
            Self::ByLabel { sets, wanted } => &sets[&wanted[i]],
        };
        match set {
            Set::Many { bits, count } => Allowed::Many { bits, count: *count },
            Set::Few(rows) => Allowed::Few(rows),
        }
    }
}
