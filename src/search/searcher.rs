//! One query after another, with room that is used again.

use crate::graph::order::{Neighbor, distance, fresh, id, nearest_first};
use crate::params::proxied_width;
use crate::points::{Points, PointsKind};

use super::beam::{QueryStats, Reach, Scratch, Starts};
use super::rows::QueryRow;
use super::{Index, IndexError};
use crate::error::BuildError;

/// Answers one query at a time; a thread keeps one. Made by [`Index::searcher`].
pub struct Searcher<'a> {
    index: &'a Index,
    scratch: Scratch,
    /// Where the search for the query begins, once known.
    starts: Option<Starts>,
    rows: Vec<u32>,
    distances: Vec<f32>,
    best: Vec<Neighbor>,
    found: Vec<(f32, u32)>,
}

/// Which rows may be found.
#[derive(Clone, Copy)]
pub(super) enum Allowed<'a> {
    /// All but those removed.
    All,
    /// These, ascending; so many that a search of the graph is cheaper than comparing with each. `bits` has one for every row.
    Many { bits: &'a [u64], count: usize },
    /// These, so few that comparing with each is cheaper.
    Few(&'a [u32]),
}

/// How far to look for what.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub k: usize,
    pub epsilon: f32,
    pub allowed: Allowed<'a>,
    /// A row not to be found.
    pub except: Option<u32>,
    /// Whether that row is not to be passed through either.
    pub held_out: bool,
}

/// Rows ranked anew beyond the k that are wanted: docs/PERFORMANCE.md, "Quantization".
fn width(k: usize) -> usize {
    k + (k / 2).max(8)
}

/// Rows compared at once by exact search.
const BLOCK: usize = 1024;

pub(super) fn has_bit(bits: &[u64], row: u32) -> bool {
    bits.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
}

impl Index {
    /// For queries one at a time: see [`Searcher::nearest`].
    #[must_use]
    pub fn searcher(&self) -> Searcher<'_> {
        Searcher {
            index: self,
            scratch: Scratch::default(),
            starts: None,
            rows: Vec::new(),
            distances: Vec::new(),
            best: Vec::new(),
            found: Vec::new(),
        }
    }
}

impl Searcher<'_> {
    /// The `k` points nearest to a row of values, as (true distance, id), ascending. `epsilon` as in
    /// [`QueryBuilder::epsilon`](super::QueryBuilder::epsilon).
    ///
    /// # Errors
    /// A row of another width than the points, or with a value that is not finite; `k` zero or more than there are points; an
    /// epsilon below zero.
    pub fn nearest(&mut self, values: &[f32], k: usize, epsilon: f32) -> Result<&[(f32, u32)], IndexError> {
        self.index.check_k(k)?;
        self.index.check_epsilon(epsilon)?;
        if matches!(self.index.rows.given, "bits" | "sparse" | "items") {
            return Err(IndexError::Type { found: "values", expected: self.index.rows.given });
        }
        if values.len() != self.index.dim() {
            return Err(IndexError::Dimension { found: values.len(), expected: self.index.dim() });
        }
        if let Some(column) = values.iter().position(|v| !v.is_finite()) {
            return Err(IndexError::NotFinite { column, value: values[column] });
        }
        let metric = self.index.metric();
        if let Some(column) = metric.first_wrong(values) {
            let (value, range) = (values[column], metric.values_range());
            return Err(BuildError::Value { metric: metric.name(), row: 0, column, value, range }.into());
        }
        self.set_query(QueryRow::Values(values));
        self.answer(Wanted { k, epsilon, allowed: Allowed::All, except: None, held_out: false });
        Ok(&self.found)
    }

    /// The `k` points nearest to row `i` of `queries`, of whatever kind the index holds; else as [`Searcher::nearest`].
    ///
    /// # Errors
    /// Those of [`Searcher::nearest`], queries of another kind than the points, a distance of the user's own that is no number.
    ///
    /// # Panics
    /// If there is no row `i`.
    pub fn nearest_to(
        &mut self,
        queries: &Points,
        i: usize,
        k: usize,
        epsilon: f32,
    ) -> Result<&[(f32, u32)], IndexError> {
        let queries = &self.index.metric().points_as_taken(queries);
        if let PointsKind::Dense(dense) = queries.kind() {
            let mut values = vec![0.0; dense.dim()];
            dense.widen_row(i, &mut values);
            return self.nearest(&values, k, epsilon);
        }
        self.index.check_k(k)?;
        self.index.check_epsilon(epsilon)?;
        self.index.check_queries(queries)?;
        self.set_query(queries.query_row(i, &mut Vec::new()));
        self.answer(Wanted { k, epsilon, allowed: Allowed::All, except: None, held_out: false });
        match self.wrong_item() {
            Some(item) => Err(BuildError::QueryDistance { query: i, item: item as usize, reason: None }.into()),
            None => Ok(&self.found),
        }
    }

    /// An item whose distance from the query turned out to be no number.
    pub(super) fn wrong_item(&self) -> Option<u32> {
        self.scratch.query.wrong_row().map(|row| self.index.order[row as usize])
    }

    /// What the last query cost.
    #[must_use]
    pub fn stats(&self) -> QueryStats {
        self.scratch.stats
    }

    pub(super) fn set_query(&mut self, row: QueryRow) {
        self.index.rows.set_query(row, &mut self.scratch.query);
        self.begin();
    }

    /// Makes a row of the index the query.
    pub(super) fn set_own_query(&mut self, row: u32) {
        self.index.rows.set_own_query(row, &mut self.scratch.query);
        self.begin();
    }

    fn begin(&mut self) {
        self.scratch.stats = QueryStats::default();
        self.starts = None;
    }

    /// Where the search for the query begins.
    pub(super) fn starts(&mut self) -> Starts {
        let (field, scratch) = (self.index.field(), &mut self.scratch);
        *self.starts.get_or_insert_with(|| field.starts(scratch))
    }

    /// Says where the search begins, as [`Searcher::starts`] found for the same query, and what that cost.
    pub(super) fn begin_at(&mut self, starts: Starts) {
        self.starts = Some(starts);
        self.scratch.stats.distances += u64::from(starts.evaluated);
    }

    /// What was found last.
    pub(super) fn found(&self) -> &[(f32, u32)] {
        &self.found
    }

    /// Finds the nearest of the allowed rows, as many as are wanted if there are as many.
    pub(super) fn answer(&mut self, wanted: Wanted) -> QueryStats {
        let possible = match wanted.allowed {
            Allowed::Few(rows) => {
                self.scan(rows.iter().copied(), wanted);
                return self.scratch.stats;
            }
            Allowed::Many { count, .. } => count,
            Allowed::All => self.index.n(),
        };
        self.search(wanted);
        let missing = wanted.except.is_some() as usize;
        if self.found.len() < wanted.k.min(possible - missing.min(possible)) {
            // Only where the graph leads to fewer rows than there are: a damaged file, very few rows.
            let index = self.index;
            self.scan((0..index.graph.n() as u32).filter(|&row| is_allowed(index, wanted, row)), wanted);
        }
        self.scratch.stats
    }

    fn search(&mut self, wanted: Wanted) {
        let index = self.index;
        let all = matches!(wanted.allowed, Allowed::All) && wanted.except.is_none() && index.n_removed == 0;
        let allowed = move |row: u32| is_allowed(index, wanted, row);
        let k = wanted.k.max(NEAR.min(index.n()));
        let reach = Reach {
            k,
            width: match index.rows.is_proxied() {
                true => proxied_width(index.metric(), k),
                false if index.rows.is_lossy(&self.scratch.query) => width(k),
                false => k,
            },
            epsilon: wanted.epsilon,
            everywhere: matches!(wanted.allowed, Allowed::Many { .. }),
            blocked: wanted.except.filter(|_| wanted.held_out),
            allowed: if all { None } else { Some(&allowed) },
            ..Reach::default()
        };
        let starts = self.starts();
        let found = index.field().search(&starts, reach, &mut self.scratch);
        self.rows.clear();
        self.rows.extend(found.iter().take(reach.width).map(|&f: &Neighbor| id(f)));
        self.rank();
        self.found.truncate(wanted.k);
    }

    /// The rows found by their true distances, as points.
    fn rank(&mut self) {
        let index = self.index;
        index.rows.distances(&mut self.scratch.query, &self.rows, &mut self.distances);
        let point = |(&row, &d): (&u32, &f32)| (d, index.order[row as usize]);
        self.found.clear();
        self.found.extend(self.rows.iter().zip(&self.distances).map(point));
        self.found.sort_unstable_by(nearest_first);
    }

    /// Compares with every one of `rows`.
    fn scan(&mut self, rows: impl Iterator<Item = u32>, wanted: Wanted) {
        let index = self.index;
        let mut rows = rows.filter(|&row| Some(row) != wanted.except).peekable();
        self.best.clear();
        while rows.peek().is_some() {
            self.rows.clear();
            self.rows.extend(rows.by_ref().take(BLOCK));
            index.rows.distances(&mut self.scratch.query, &self.rows, &mut self.distances);
            self.scratch.stats.distances += self.rows.len() as u64;
            // Ties by point, as everywhere.
            let found = self.rows.iter().zip(&self.distances).map(|(&row, &d)| fresh(d, index.order[row as usize]));
            self.best.extend(found);
            if self.best.len() > wanted.k {
                self.best.select_nth_unstable(wanted.k - 1);
                self.best.truncate(wanted.k);
            }
        }
        self.best.sort_unstable();
        self.found.clear();
        self.found.extend(self.best.iter().map(|&f| (distance(f), id(f))));
    }

    /// All points within the true distance `radius`, ascending.
    pub(super) fn within(&mut self, radius: f32, epsilon: f32) -> QueryStats {
        let index = self.index;
        if index.rows.is_proxied() {
            return self.within_by_proxy(radius, epsilon);
        }
        let allowed = move |row: u32| !index.is_removed(row);
        let reach = Reach {
            k: NEAR.min(index.n()),
            width: NEAR,
            epsilon,
            radius: index.rows.in_traversal(radius, &self.scratch.query),
            allowed: (index.n_removed > 0).then_some(&allowed),
            ..Reach::default()
        };
        let starts = self.starts();
        let found = index.field().search(&starts, reach, &mut self.scratch);
        self.rows.clear();
        self.rows.extend(found.iter().map(|&f: &Neighbor| id(f)));
        self.rank();
        self.found.retain(|&(d, _)| d <= radius);
        self.scratch.stats
    }

    /// The same where a radius means nothing to what searches go by: twice as many neighbours are looked for, and ranked, until
    /// the farthest of them is beyond the radius. So what is found is what a query for so many neighbours finds.
    fn within_by_proxy(&mut self, radius: f32, epsilon: f32) -> QueryStats {
        let (index, n) = (self.index, self.index.n());
        let wanted = |k| Wanted { k, epsilon, allowed: Allowed::All, except: None, held_out: false };
        let mut k = NEAR;
        while proxied_width(index.metric(), k) < n {
            self.answer(wanted(k));
            if self.found.last().is_some_and(|&(d, _)| d > radius) {
                break;
            }
            k *= 2;
        }
        if proxied_width(index.metric(), k) >= n {
            self.scan(index.present_rows(), wanted(n));
        }
        self.found.retain(|&(d, _)| d <= radius);
        self.scratch.stats
    }
}

/// A search for fewer looks as far as one for so many: with one alone it would stop at the first row that is nearer than its
/// neighbours.
const NEAR: usize = 8;

fn is_allowed(index: &Index, wanted: Wanted, row: u32) -> bool {
    let among = match wanted.allowed {
        Allowed::All => true,
        Allowed::Many { bits, .. } => has_bit(bits, row),
        Allowed::Few(rows) => rows.binary_search(&row).is_ok(),
    };
    among && Some(row) != wanted.except && !index.is_removed(row)
}
