//! Data of many kinds under every metric that fits, searched in four ways, against distances by definition in f64.
//!
//! [`cases::CASES`] is the list, with the recall that each must reach. Larger, and at more seeds, if `NNDESCENT_FIELD`
//! is set; `--nocapture` shows every figure.

mod cases;
mod generators;
mod kinds;
mod oracle;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nndescent::{Algorithm, Index, KnnGraph, Metric, NnDescent, SearchOptions, exact};
use rayon::prelude::*;

use cases::{Bounds, CASES};
use generators::{Generator, Rows};
use kinds::{Kind, metric_of};
use oracle::{Mean, Oracle};

/// Queries of each sort.
const QUERIES: usize = 100;
/// Neighbours asked of an index.
const K: usize = 10;
/// How far distances of graphs, as a part of the true ones, may be from these.
const EXACT: f64 = 1e-6;
/// How much worse than an index made at once one may be that was changed.
const BEHIND: f64 = 0.01;

/// How neighbours are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Exact,
    Descent,
    Index,
    Changed,
}

const WAYS: [Way; 4] = [Way::Exact, Way::Descent, Way::Index, Way::Changed];

/// A set of points under a metric.
struct Problem {
    generator: Generator,
    kind: Kind,
    metric: Metric,
    bounds: Bounds,
    seed: u64,
    rows: Rows,
    held_out: Rows,
    /// What rows become by updates.
    fresh: Rows,
}

/// What came of a way: recalls with their bounds.
#[derive(Default)]
struct Found {
    recalls: Vec<(&'static str, f64, f64)>,
    /// What is wrong with rows.
    faults: Vec<String>,
    /// Whether the estimate's interval holds the recall; none if there is no estimate.
    is_covered: Option<bool>,
}

/// A way of a problem, and what came of it.
struct Outcome {
    of: String,
    found: Found,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (metric, rows) = (self.metric.name(), self.rows.len());
        write!(f, "{:?} {metric} {:?}, {rows} rows, seed {}", self.generator, self.kind, self.seed)
    }
}

impl Problem {
    fn all(times: usize, seeds: std::ops::RangeInclusive<u64>) -> Vec<Self> {
        let of = |case: &cases::Case, name: &str, seed: u64| {
            // Optimal transport takes its time.
            let share = if ["kantorovich", "sinkhorn"].contains(&name) { 3 } else { 1 };
            let n = case.generator.n() * if case.generator == Generator::TwoRows { 1 } else { times } / share;
            let drawn = case.kind.fit(case.generator.rows(n + n.div_ceil(10) + QUERIES, seed));
            let (rows, rest) = drawn.split_at(n);
            let (held_out, fresh) = rest.split_at(QUERIES);
            let metric = metric_of(name, &drawn);
            let [rows, held_out, fresh] = [rows, held_out, fresh].map(<[Vec<f32>]>::to_vec);
            let (generator, kind, bounds) = (case.generator, case.kind, case.bounds);
            Self { generator, kind, metric, bounds, seed, rows, held_out, fresh }
        };
        let names = CASES.iter().flat_map(|case| case.metrics.split_whitespace().map(move |name| (case, name)));
        names.flat_map(|(case, name)| seeds.clone().map(move |seed| of(case, name, seed))).collect()
    }

    /// Neighbours of a graph: 5 to 15, but no more than there are.
    fn k(&self) -> usize {
        (5 + self.generator as usize * 7 % 11).min(self.rows.len() - 1)
    }

    fn oracle(&self, queries: &[Vec<f32>], rows: &[Vec<f32>]) -> Oracle {
        let of = |rows| self.kind.defined(&self.metric, rows);
        Oracle::of_queries(&self.metric, &of(queries), &of(rows))
    }

    fn builder(&self) -> NnDescent<'static> {
        NnDescent::new(self.metric.clone()).n_neighbors(self.k())
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let truth = Oracle::of_graph(&self.metric, &self.kind.defined(&self.metric, &self.rows));
        let outcome = |way: Way| {
            let found = catch_unwind(AssertUnwindSafe(|| match way {
                Way::Exact => self.exact(&truth),
                Way::Descent => self.descent(&truth),
                Way::Index => self.index(),
                Way::Changed => self.changed(),
            }));
            let panicked =
                |_| Found { faults: vec!["a panic, or a call that was refused".to_owned()], ..Found::default() };
            Outcome { of: format!("{self}, {way:?}"), found: found.unwrap_or_else(panicked) }
        };
        // Two rows cannot be divided.
        let ways = WAYS.into_iter().filter(|way| *way != Way::Changed || self.generator != Generator::TwoRows);
        ways.map(outcome).collect()
    }

    fn exact(&self, truth: &Oracle) -> Found {
        let (k, metric) = (self.k(), &self.metric);
        let [graph, by_builder] = self.kind.points(&self.rows, |points| {
            let built = self.builder().algorithm(Algorithm::Exact).graph(points).unwrap();
            [exact::graph(points, metric, k, false).unwrap(), built.graph]
        });
        let hits = self.kind.points(&self.rows, |base| {
            self.kind.points(&self.held_out, |queries| exact::query(base, queries, metric, k).unwrap())
        });
        let mut found = Found::default();
        if graph != by_builder {
            found.faults.push("exact::graph and Algorithm::Exact differ".to_owned());
        }
        found.add("graph", (truth, EXACT), &graph, 1.0);
        found.add("queries", (&self.oracle(&self.held_out, &self.rows), EXACT), &hits, 1.0);
        found
    }

    fn descent(&self, truth: &Oracle) -> Found {
        let builder = self.builder().algorithm(Algorithm::NnDescent);
        let built = self.kind.points(&self.rows, |points| builder.graph(points).unwrap());
        let mut found = Found::default();
        found.add("graph", (truth, EXACT), &built.graph, self.bounds.descent);
        let recall = found.recalls[0].1;
        // Sums of shares round.
        let holds = |low: f64, high: f64| (low - 1e-9..=high + 1e-9).contains(&recall);
        found.is_covered = built.report.recall.map(|estimate| holds(estimate.low, estimate.high));
        found
    }

    fn index(&self) -> Found {
        let index = self.index_of(&self.rows);
        let own: Rows = self.rows.iter().step_by(self.rows.len().div_ceil(QUERIES)).cloned().collect();
        let sorts = [("own rows", &own, self.bounds.own), ("held out", &self.held_out, self.bounds.held_out)];
        let mut found = Found::default();
        for (name, queries, bound) in sorts {
            let truth = self.oracle(queries, &self.rows);
            found.add(name, (&truth, self.tolerance()), &self.query(&index, queries), bound);
        }
        found
    }

    /// An index of half of the rows that gets the others, loses a tenth, and has a tenth renewed; against one made of
    /// the same rows at once.
    fn changed(&self) -> Found {
        let (half, tenth) = (self.rows.len().div_ceil(2), self.rows.len() / 10);
        let mut index = self.index_of(&self.rows[..half]);
        self.kind.points(&self.rows[half..], |points| index.add(points).unwrap());
        let gone: Vec<u32> = (0..self.rows.len() as u32).step_by(10).take(tenth).collect();
        let renewed: Vec<u32> = (5..self.rows.len() as u32).step_by(10).take(tenth).collect();
        let mut rows: Vec<Option<Vec<f32>>> = self.rows.iter().cloned().map(Some).collect();
        if tenth > 0 {
            index.remove(&gone).unwrap();
            self.kind.points(&self.fresh[..renewed.len()], |points| index.update(&renewed, points).unwrap());
        }
        gone.iter().for_each(|&id| rows[id as usize] = None);
        renewed.iter().zip(&self.fresh).for_each(|(&id, row)| rows[id as usize] = Some(row.clone()));
        let ids: Vec<u32> = (0..).zip(&rows).filter(|(_, row)| row.is_some()).map(|(id, _)| id).collect();
        let rows: Rows = rows.into_iter().flatten().collect();
        assert_eq!(index.len(), rows.len());
        let queries: Rows = rows.iter().step_by(rows.len().div_ceil(QUERIES)).chain(&self.held_out).cloned().collect();
        let truth = self.oracle(&queries, &rows);
        let place = |id: u32| ids.binary_search(&id).expect("an id of the index");
        let hits = self.query(&index, &queries);
        let faults = truth.check(&hits, self.tolerance(), place).err().into_iter().collect();
        let now = truth.recall(&hits, place);
        let at_once = truth.recall(&self.query(&self.index_of(&rows), &queries), in_order);
        let behind = Mean::of(&at_once.iter().zip(&now).map(|(a, b)| a - b).collect::<Vec<_>>());
        // Chance differs from query to query: two standard errors.
        let bound = Mean::of(&at_once).mean - BEHIND - self.allowance() - 2.0 * behind.error;
        Found { recalls: vec![("after changes", Mean::of(&now).mean, bound)], faults, is_covered: None }
    }

    fn tolerance(&self) -> f64 {
        cases::tolerance(self.metric.name(), self.kind)
    }

    fn allowance(&self) -> f64 {
        cases::allowance(self.generator, self.metric.name())
    }

    fn index_of(&self, rows: &[Vec<f32>]) -> Index {
        let builder = NnDescent::new(self.metric.clone()).recall_sample(0);
        self.kind.points(rows, |points| builder.index(points).unwrap().index)
    }

    fn query(&self, index: &Index, queries: &[Vec<f32>]) -> KnnGraph {
        let (k, options) = (K.min(index.len()), SearchOptions::new());
        self.kind.points(queries, |points| index.query(points, k, &options).unwrap().into_graph())
    }
}

/// Rows of a new index have their places as ids.
fn in_order(id: u32) -> usize {
    id as usize
}

impl Found {
    /// Adds the recall of rows whose ids are their places, and what is wrong with them.
    fn add(&mut self, name: &'static str, (truth, tolerance): (&Oracle, f64), found: &KnnGraph, bound: f64) {
        self.faults.extend(truth.check(found, tolerance, in_order).err());
        self.recalls.push((name, Mean::of(&truth.recall(found, in_order)).mean, bound));
    }
}

impl Outcome {
    /// What fell short, if anything.
    fn fault(&self) -> Option<String> {
        let short = self.found.recalls.iter().filter(|(_, recall, bound)| *recall < bound - 1e-9).map(says);
        let all: Vec<String> = self.found.faults.iter().cloned().chain(short).collect();
        (!all.is_empty()).then(|| format!("{}: {}", self.of, all.join(", ")))
    }
}

fn says(&(name, recall, bound): &(&str, f64, f64)) -> String {
    format!("{name} {recall:.4}, at least {bound:.4}")
}

#[test]
fn every_case_holds_its_bound() {
    let is_large = std::env::var_os("NNDESCENT_FIELD").is_some();
    let problems = if is_large { Problem::all(4, 1..=3) } else { Problem::all(1, 1..=1) };
    let outcomes: Vec<Outcome> = problems.par_iter().flat_map_iter(Problem::outcomes).collect();
    for Outcome { of, found } in &outcomes {
        println!("{of}: {}", found.recalls.iter().map(says).collect::<Vec<_>>().join(", "));
    }
    assert!(outcomes.len() >= 400, "{} combinations", outcomes.len());
    let faults: Vec<String> = outcomes.iter().filter_map(Outcome::fault).collect();
    assert!(faults.is_empty(), "{} of {} fell short:\n{}", faults.len(), outcomes.len(), faults.join("\n"));
    intervals_cover(&outcomes);
}

/// Intervals of 95 % may miss one case in twenty.
fn intervals_cover(outcomes: &[Outcome]) {
    let missed = outcomes.iter().filter(|outcome| outcome.found.is_covered == Some(false));
    let missed: Vec<&str> = missed.map(|outcome| outcome.of.as_str()).collect();
    let estimates = outcomes.iter().filter(|outcome| outcome.found.is_covered.is_some()).count();
    assert!(missed.len() * 20 <= estimates, "{} of {estimates} intervals miss:\n{}", missed.len(), missed.join("\n"));
}
