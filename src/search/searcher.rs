//! The search for one query.

use crate::error::SearchError;
use crate::graph::Neighbor;
use crate::graph::order::{self, distance, fresh, id};
use crate::params::proxied_width;
use crate::points::{Points, PointsKind};

use super::Index;
use super::beam::{BeamParams, BeamScratch, Starts};
use super::eligible::{Eligible, EligibleRows};
use super::hits::QueryStats;
use super::options::SearchOptions;
use super::rows::{IndexRows, QueryRow, SearchQuery};

/// Memory for one search after another, of any index: a thread keeps one, and searches allocate nothing once it has
/// grown.
///
/// ```
/// use nndescent::index::SearchScratch;
/// use nndescent::{Metric, NnDescent, Points, SearchOptions};
///
/// let data: Vec<f32> = (0..500 * 8).map(|i| ((i * 37) % 101) as f32).collect();
/// let index = NnDescent::new(Metric::Euclidean).index(&Points::dense(&data, 500, 8)?)?.index;
/// let (mut scratch, options) = (SearchScratch::new(), SearchOptions::new().epsilon(0.2));
/// for vector in data.chunks(8).take(20) {
///     let found = index.nearest_with(&mut scratch, vector, 3, &options)?;
///     assert_eq!(found[0].distance, 0.0);
/// }
/// assert!(scratch.stats().distances > 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct SearchScratch {
    beam: BeamScratch,
    /// Where the search for the query begins, once known.
    starts: Option<Starts>,
    rows: Vec<u32>,
    distances: Vec<f32>,
    best: Vec<order::Neighbor>,
    found: Vec<Neighbor>,
}

impl SearchScratch {
    /// Empty.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the last query cost.
    #[must_use]
    pub fn stats(&self) -> QueryStats {
        self.beam.stats
    }

    /// What was found last.
    pub(super) fn found(&self) -> &[Neighbor] {
        &self.found
    }

    /// Keeps what was found within the true distance `radius`; what the query cost.
    pub(super) fn keep_within(&mut self, radius: f32) -> QueryStats {
        self.found.retain(|neighbor| neighbor.distance <= radius);
        self.stats()
    }
}

impl std::fmt::Debug for SearchScratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SearchScratch").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// What is searched for, and how far.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub k: usize,
    pub epsilon: f32,
    pub eligible: Eligible<'a>,
    /// A row not to be found.
    pub except: Option<u32>,
    /// Whether that row is not to be passed through either.
    pub held_out: bool,
}

/// Rows reranked for `k` that are wanted: docs/PERFORMANCE.md, "Quantization".
fn reranked(k: usize) -> usize {
    k + (k / 2).max(8)
}

/// A search for fewer looks as far as one for so many: with one alone it would stop at the first row that is nearer
/// than its neighbours.
pub(super) const NEAR: usize = 8;

/// Distances that a search of the graph may evaluate, and a quarter as many as there are rows: more, in the order of a
/// search, cost about as much as comparing with all rows in their order.
const BUDGET: u64 = 2048;

/// Rows compared at once by exact search.
const BLOCK: usize = 1024;

pub(super) fn has_bit(bits: &[u64], row: u32) -> bool {
    bits.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
}

fn is_eligible(index: &Index, request: Request, row: u32) -> bool {
    let among = match request.eligible {
        Eligible::All => true,
        Eligible::Many { bits, .. } => has_bit(bits, row),
        Eligible::Asked(allowed) => allowed(index.order[row as usize]),
        Eligible::Few(rows) => rows.binary_search(&row).is_ok(),
    };
    among && Some(row) != request.except && !index.is_removed(row)
}

impl Index {
    /// The `k` points nearest to a vector, nearest first; with what [`Index::tune`] found, if it was called.
    ///
    /// # Errors
    /// A vector of another width than the points or with a value that is not finite, an index of other than dense rows,
    /// `k` zero or more than there are points.
    ///
    /// # Complexity
    /// A few hundred distances on most data.
    pub fn nearest(&self, vector: &[f32], k: usize) -> Result<Vec<Neighbor>, SearchError> {
        let mut scratch = SearchScratch::default();
        self.nearest_with(&mut scratch, vector, k, &SearchOptions::default())?;
        Ok(scratch.found)
    }

    /// The same with options, and without allocating: many queries, one after another, share `scratch`.
    ///
    /// # Errors
    /// Same as [`Index::nearest`]; an epsilon of -1 or less, a filter of the wrong length or that allows nothing.
    pub fn nearest_with<'s>(
        &self,
        scratch: &'s mut SearchScratch,
        vector: &[f32],
        k: usize,
        options: &SearchOptions,
    ) -> Result<&'s [Neighbor], SearchError> {
        self.check_vector(vector)?;
        self.answer(scratch, QueryRow::Values(vector), k, options)?;
        Ok(&scratch.found)
    }

    /// The `k` points nearest to row `i` of `queries`, which are of the kind that the index holds: dense, sparse, bits
    /// or items.
    ///
    /// # Errors
    /// Same as [`Index::nearest_with`]; queries of another kind than the points, a custom distance that is not finite.
    ///
    /// # Panics
    /// If there is no row `i`.
    pub fn nearest_to_row<'s>(
        &self,
        scratch: &'s mut SearchScratch,
        queries: &Points,
        i: usize,
        k: usize,
        options: &SearchOptions,
    ) -> Result<&'s [Neighbor], SearchError> {
        let queries = &self.metric().points_as_taken(queries);
        if let PointsKind::Dense(dense) = queries.kind() {
            let mut values = vec![0.0; dense.dim()];
            dense.widen_row(i, &mut values);
            return self.nearest_with(scratch, &values, k, options);
        }
        self.check_queries(queries)?;
        self.answer(scratch, queries.query_row(i, &mut Vec::new()), k, options)?;
        match self.wrong_item(scratch) {
            Some(item) => Err(SearchError::QueryDistance { query: i, item: item as usize, reason: queries.failure() }),
            None => Ok(&scratch.found),
        }
    }

    fn answer(
        &self,
        scratch: &mut SearchScratch,
        row: QueryRow,
        k: usize,
        options: &SearchOptions,
    ) -> Result<(), SearchError> {
        let pad = self.pads(options);
        let k = Self::check_k(k, self.len(), pad)?;
        let epsilon = options.epsilon.unwrap_or(self.epsilon());
        Self::check_epsilon(epsilon)?;
        let rows = EligibleRows::of_one(self, options.filter.as_ref(), (k, pad, options.exact))?;
        let mut searcher = Searcher { index: self, scratch };
        searcher.set_query(row)?;
        searcher.answer(Request { k, epsilon, eligible: rows.of_query(0), except: None, held_out: false });
        Ok(())
    }

    /// An item whose distance from the query turned out not to be finite.
    pub(super) fn wrong_item(&self, scratch: &SearchScratch) -> Option<u32> {
        scratch.beam.query.wrong_row().map(|row| self.order[row as usize])
    }
}

/// An index, and the memory to search it.
pub(super) struct Searcher<'i, 's> {
    pub index: &'i Index,
    pub scratch: &'s mut SearchScratch,
}

impl Searcher<'_, '_> {
    /// Makes a row as it is given the query.
    pub(super) fn set_query(&mut self, row: QueryRow) -> Result<(), SearchError> {
        let index = self.index;
        if !index.rows.set_query(row, index.by_values, &mut self.scratch.beam.query) {
            return Err(SearchError::Type { found: "rows of another kind", expected: index.rows.given.name() });
        }
        self.begin();
        Ok(())
    }

    /// The query as rows are compared with it.
    pub(super) fn query(&self) -> &SearchQuery {
        &self.scratch.beam.query
    }

    /// Makes a row of the index the query.
    pub(super) fn set_own_query(&mut self, row: u32) {
        self.index.rows.set_own_query(row, self.index.by_values, &mut self.scratch.beam.query);
        self.begin();
    }

    fn begin(&mut self) {
        self.scratch.beam.stats = QueryStats::default();
        self.scratch.starts = None;
    }

    /// Where the search for the query begins.
    pub(super) fn starts(&mut self) -> Starts {
        let graph = self.index.search_graph();
        let SearchScratch { starts, beam, .. } = &mut *self.scratch;
        *starts.get_or_insert_with(|| graph.starts(beam))
    }

    /// Says where the search begins, as [`Searcher::starts`] found for the same query, and what that cost.
    pub(super) fn begin_at(&mut self, starts: Starts) {
        self.scratch.starts = Some(starts);
        self.scratch.beam.stats.distances += u64::from(starts.evaluated);
    }

    /// Finds the nearest of the eligible rows, as many as are wanted if there are as many.
    pub(super) fn answer(&mut self, request: Request) -> QueryStats {
        let possible = match request.eligible {
            Eligible::Few(rows) => {
                self.scan(rows.iter().copied(), f32::INFINITY, request);
                return self.scratch.beam.stats;
            }
            Eligible::Many { count, .. } => count,
            Eligible::All | Eligible::Asked(_) => self.index.len(),
        };
        if possible == 0 {
            self.scan(std::iter::empty(), f32::INFINITY, request);
            return self.scratch.beam.stats;
        }
        self.search(request);
        let missing = request.except.is_some() as usize;
        if self.scratch.beam.gave_up || self.scratch.found.len() < request.k.min(possible - missing.min(possible)) {
            // Where so much was within reach that comparing with all costs less; and where the graph leads to fewer
            // rows than there are (a damaged file, very few rows), or a closure allows few.
            let index = self.index;
            let rows = (0..index.graph.n() as u32).filter(|&row| is_eligible(index, request, row));
            self.scan(rows, f32::INFINITY, request);
        }
        self.scratch.beam.stats
    }

    fn search(&mut self, request: Request) {
        let index = self.index;
        let k = request.k.max(NEAR.min(index.len()));
        let width = match index.rows.is_proxied() {
            true => proxied_width(index.metric(), k),
            false if index.rows.is_lossy(&self.scratch.beam.query) => reranked(k),
            false => k,
        };
        let budget = BUDGET + index.graph.n() as u64 / 4;
        self.traverse(request, BeamParams { k, width, budget, ..BeamParams::default() });
        self.scratch.found.truncate(request.k);
    }

    /// Searches the graph as `params` say, and ranks what it finds.
    pub(super) fn traverse(&mut self, request: Request, params: BeamParams) {
        let index = self.index;
        let all = matches!(request.eligible, Eligible::All) && request.except.is_none() && index.n_removed == 0;
        let eligible = move |row: u32| is_eligible(index, request, row);
        let params = BeamParams {
            epsilon: request.epsilon,
            everywhere: matches!(request.eligible, Eligible::Many { .. } | Eligible::Asked(_)),
            blocked: request.except.filter(|_| request.held_out),
            eligible: if all { None } else { Some(&eligible) },
            ..params
        };
        let starts = self.starts();
        let scratch = &mut *self.scratch;
        let found = index.search_graph().search(&starts, params, &mut scratch.beam);
        // All within a radius are results; else the nearest few.
        let most = if params.radius > f32::NEG_INFINITY { found.len() } else { params.width };
        scratch.rows.clear();
        scratch.rows.extend(found.iter().take(most).map(|&f| id(f)));
        self.rank();
    }

    /// The rows found by their true distances, as points.
    fn rank(&mut self) {
        let index = self.index;
        let SearchScratch { beam, rows, distances, found, .. } = &mut *self.scratch;
        index.rows.distances(&mut beam.query, rows, distances);
        let neighbor = |(&row, &distance): (&u32, &f32)| Neighbor { id: index.order[row as usize], distance };
        found.clear();
        found.extend(rows.iter().zip(distances.iter()).map(neighbor));
        found.sort_unstable_by(Neighbor::nearest_first);
    }

    /// Compares with every one of `rows`: finds those within the true distance `radius`, at most as many as are wanted.
    pub(super) fn scan(&mut self, rows: impl Iterator<Item = u32>, radius: f32, request: Request) {
        let index = self.index;
        let SearchScratch { beam, rows: block, distances, best, found, .. } = &mut *self.scratch;
        let mut rows = rows.filter(|&row| Some(row) != request.except).peekable();
        best.clear();
        while rows.peek().is_some() {
            block.clear();
            block.extend(rows.by_ref().take(BLOCK));
            index.rows.distances(&mut beam.query, block, distances);
            beam.stats.distances += block.len() as u64;
            // Ties by point, as everywhere.
            let within = block.iter().zip(distances.iter()).filter(|compared| *compared.1 <= radius);
            best.extend(within.map(|(&row, &d)| fresh(d, index.order[row as usize])));
            if best.len() > request.k {
                best.select_nth_unstable(request.k - 1);
                best.truncate(request.k);
            }
        }
        best.sort_unstable();
        found.clear();
        found.extend(best.iter().map(|&f| Neighbor { id: id(f), distance: distance(f) }));
    }

    /// The rows that may be found, all of them.
    pub(super) fn eligible_rows(&self, request: Request) -> impl Iterator<Item = u32> {
        let index = self.index;
        (0..index.graph.n() as u32).filter(move |&row| is_eligible(index, request, row))
    }
}
