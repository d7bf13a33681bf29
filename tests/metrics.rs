//! The definitions of all metrics against scipy and scikit-learn: tests/fixtures/metrics.py made the expected
//! distances.

use std::sync::Arc;

use nndescent::{Metric, MetricArgument};
use serde_json::Value;

const FIXTURE: &str = include_str!("fixtures/metrics.json");

/// A metric with arguments, and pairs of rows with their distance.
struct Case {
    name: String,
    arguments: Vec<(String, MetricArgument)>,
    pairs: Vec<(Vec<f32>, Vec<f32>, f64)>,
}

impl Case {
    fn parse(case: &Value) -> Self {
        let pair = |pair: &Value| (row(&pair[0]), row(&pair[1]), pair[2].as_f64().unwrap_or(f64::INFINITY));
        let arguments = case["arguments"].as_object().unwrap();
        Self {
            name: case["metric"].as_str().unwrap().into(),
            arguments: arguments.iter().map(|(name, value)| (name.clone(), argument(value))).collect(),
            pairs: case["pairs"].as_array().unwrap().iter().map(pair).collect(),
        }
    }

    fn metric(&self, name: &str) -> Metric {
        let arguments: Vec<_> = self.arguments.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        Metric::parse_with(name, &arguments).unwrap()
    }
}

fn cases() -> Vec<Case> {
    let fixture: Value = serde_json::from_str(FIXTURE).unwrap();
    fixture.as_array().unwrap().iter().map(Case::parse).collect()
}

fn number(value: &Value) -> f32 {
    value.as_f64().unwrap() as f32
}

fn row(values: &Value) -> Vec<f32> {
    values.as_array().unwrap().iter().map(number).collect()
}

fn argument(value: &Value) -> MetricArgument {
    if value.is_array() { MetricArgument::Values(Arc::from(row(value))) } else { MetricArgument::Number(number(value)) }
}

/// To 1e-5 of the distance; to 1e-7 where it is near 0 and values of the rows are not.
fn agrees(found: f64, expected: f64, x: &[f32], y: &[f32]) -> bool {
    let near_zero = if x.iter().chain(y).any(|v| v.abs() > 1e-3) { 1e-7 } else { 0.0 };
    found == expected || (found - expected).abs() <= f64::max(1e-5 * expected.abs(), near_zero)
}

#[test]
fn distances_are_those_of_scipy() {
    for case in cases() {
        let metric = case.metric(&case.name);
        for (x, y, expected) in &case.pairs {
            let found = metric.distance(x, y);
            assert!(agrees(found, *expected, x, y), "{metric}: {found}, not {expected}, between {x:?} and {y:?}");
        }
    }
}

#[test]
fn exchanging_rows_gives_the_same_bits() {
    for case in cases() {
        let metric = case.metric(&case.name);
        for (x, y, _) in &case.pairs {
            let (there, back) = (metric.distance(x, y), metric.distance(y, x));
            assert_eq!(there.to_bits(), back.to_bits(), "{metric}: {there} and {back}, {x:?} and {y:?}");
        }
    }
}

#[test]
fn every_name_is_compared() {
    let cases = cases();
    for names in Metric::names() {
        let case = cases.iter().find(|case| case.name == names[0]);
        let case = case.unwrap_or_else(|| panic!("no expected distances for {}", names[0]));
        for name in names {
            assert_eq!(case.metric(name), case.metric(names[0]), "{name}");
        }
    }
}

/// |i-j| between the bins of rows of `dim` columns.
fn line(dim: usize) -> Vec<f32> {
    (0..dim * dim).map(|at| (at / dim).abs_diff(at % dim) as f32).collect()
}

/// Rows of few values, so that partial sums tie.
fn few_valued(dim: usize, seed: usize) -> Vec<f32> {
    (0..dim).map(|at| ((at + seed) * (at + 7 * seed + 3) % 11 % 4) as f32).collect()
}

#[test]
fn transport_along_a_line_is_the_difference_of_cumulative_sums() {
    for dim in [2, 10, 60] {
        let exact = Metric::Kantorovich { cost: line(dim).into() };
        let regularized = Metric::Sinkhorn { cost: line(dim).into(), regularization: 0.01 };
        for seed in 1..10 {
            let (x, y) = (few_valued(dim, seed), few_valued(dim, seed + 1));
            let expected = Metric::Wasserstein1d { p: 1.0 }.distance(&x, &y);
            let found = exact.distance(&x, &y);
            assert!((found - expected).abs() <= 1e-12 * expected.max(1.0), "{dim} columns: {found}, not {expected}");
            // Ten thousand iterations do not end here: they stay near the exact transport that they start at.
            let found = regularized.distance(&x, &y);
            assert!((found - expected).abs() <= 1e-2 * expected.max(1.0), "{dim} columns: {found}, not {expected}");
            assert_eq!(exact.distance(&x, &x), 0.0);
        }
    }
}

#[test]
fn costs_that_forbid_a_move_leave_the_others_exact() {
    let dim = 40;
    let forbidding = |cost: f32| if cost > 2.0 { 1e30 } else { cost };
    let cost: Vec<f32> = line(dim).into_iter().map(forbidding).collect();
    let row = |seed| few_valued(dim, seed).into_iter().map(|v| 1000.0 + v).collect::<Vec<_>>();
    let (x, y) = (row(1), row(2));
    let expected = Metric::Wasserstein1d { p: 1.0 }.distance(&x, &y);
    let found = Metric::Kantorovich { cost: cost.into() }.distance(&x, &y);
    assert!((found - expected).abs() <= 1e-12, "{found}, not {expected}");
}

/// What is written above a variant of `Metric`, in one line.
fn docstring(source: &str, variant: &str) -> String {
    let is_variant = |line: &&str| *line == format!("    {variant},") || *line == format!("    {variant} {{");
    let before = source.lines().take_while(|line| !is_variant(line)).collect::<Vec<&str>>();
    let lines = before.into_iter().rev().take_while(|line| line.starts_with("    ///")).collect::<Vec<&str>>();
    let words = |line: &&str| line.trim_start_matches("    ///").trim().to_string();
    lines.iter().rev().map(words).collect::<Vec<String>>().join(" ")
}

/// The sentence that begins with `start`, without it.
fn sentence<'a>(doc: &'a str, start: &str) -> Option<&'a str> {
    let rest = &doc[doc.find(start)? + start.len()..];
    rest.split(". ").next()
}

#[test]
fn docstrings_say_what_the_code_does() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/metric/mod.rs");
    let source = std::fs::read_to_string(path).unwrap();
    let mut told = 0;
    for case in cases() {
        let metric = case.metric(&case.name);
        let variant: String = format!("{metric:?}").chars().take_while(|c| c.is_alphanumeric()).collect();
        let (doc, support) = (docstring(&source, &variant), metric.support());
        let named = |kinds: &[(&'static str, bool)]| {
            kinds.iter().filter(|kind| kind.1).map(|kind| kind.0).collect::<Vec<&str>>().join(", ")
        };
        let trees = if support.angular_trees { "angle" } else { "distance" };
        let rows = named(&[("dense", true), ("sparse", support.sparse), ("bits", support.bits)]);
        let end = format!("Rows: {rows}. Trees: by {trees}.");
        assert!(doc.ends_with(&end), "{variant}: `{doc}` should end with `{end}`");
        assert_eq!(doc.contains("Searched by a proxy"), support.proxy, "{variant}: {doc}");
        assert!(sentence(&doc, "Source: ").is_some_and(|source| !source.is_empty()), "{variant}: {doc}");
        let zero = sentence(&doc, "Zero rows: ").unwrap_or_else(|| panic!("{variant}: {doc}"));
        let parts: Vec<Option<f64>> = zero.split(", ").map(|part| part.split(' ').next()?.parse().ok()).collect();
        let expected = match (&parts[..], zero.ends_with("to all rows")) {
            ([all], true) => [*all, *all],
            ([own, others], _) => [*own, *others],
            _ => [None, None],
        };
        for (x, y, _) in &case.pairs {
            let zeros = vec![0.0; x.len()];
            told += usize::from(expected[0].is_some());
            let found = metric.distance(&zeros, &zeros);
            assert!(expected[0].is_none_or(|expected| found == expected), "{variant}: {found}, {zero}");
            for row in [x, y].into_iter().filter(|row| row.iter().any(|v| *v != row[0])) {
                let found = metric.distance(&zeros, row);
                let near = |expected: f64| (found - expected).abs() < 1e-12;
                assert!(expected[1].is_none_or(near), "{variant}: {found}, {zero}, {row:?}");
            }
        }
    }
    assert!(told > 400, "{told} zero rows were compared");
}
