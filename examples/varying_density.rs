//! One outlier among groups of very different density: which score ranks it first, as columns become many?
//!
//! 1,000 rows in 1 to 20 groups of random size, centre and spread, and one row that lies at twice the maximum of the
//! first column and at the mean of all others. Prints the rank of that row, 1 for the most outlying, and draws it.
//!
//! ```text
//! cargo run --release --no-default-features --example varying_density [REPEATS [ranks.svg]]
//! ```

use std::fmt::Write as _;

use nndescent::analysis::CheckedGraph;
use nndescent::analysis::outliers::{Score, scores};
use nndescent::{Metric, Points, exact};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const ROWS: usize = 1000;
const K: usize = 30;
/// Columns and groups.
const SETS: [(usize, usize); 10] =
    [(20, 1), (100, 5), (250, 10), (400, 15), (450, 20), (500, 20), (750, 20), (1000, 20), (2000, 20), (3000, 20)];

fn normal(rng: &mut StdRng) -> f32 {
    // Box and Muller.
    let (u, v): (f32, f32) = (rng.random_range(f32::MIN_POSITIVE..1.0), rng.random());
    (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos()
}

/// The rows, the outlier last.
fn rows(columns: usize, groups: usize, seed: u64) -> Vec<f32> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut rows = Vec::with_capacity(ROWS * columns);
    for group in 0..groups {
        let left = ROWS - 1 - rows.len() / columns;
        let size = if group + 1 == groups { left } else { rng.random_range(1..=(left / (groups - group)).max(1)) };
        let centre: Vec<f32> = (0..columns).map(|_| rng.random_range(0.0..10.0)).collect();
        let spread = rng.random_range(0.1..2.0);
        rows.extend((0..size).flat_map(|_| centre.iter().map(|c| c + spread * normal(&mut rng)).collect::<Vec<f32>>()));
    }
    let count = (rows.len() / columns) as f32;
    let column = |c: usize| rows.iter().skip(c).step_by(columns).copied();
    let outlier: Vec<f32> = (0..columns)
        .map(|c| if c == 0 { 2.0 * column(0).fold(f32::MIN, f32::max) } else { column(c).sum::<f32>() / count })
        .collect();
    rows.extend(outlier);
    rows
}

/// The rank of the last of these scores, from 1; ties count against it.
fn rank_of_last(scores: &[f64]) -> usize {
    let last = scores[scores.len() - 1];
    scores.iter().filter(|&&score| score >= last).count()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let repeats: u64 = std::env::args().nth(1).map_or(Ok(5), |count| count.parse())?;
    let kinds = [("kNN", Score::Mean), ("LOF", Score::Lof), ("SNN", Score::Snn)];
    let metrics = [Metric::Euclidean, Metric::Manhattan];
    println!("Rank of the outlier (median of {repeats} seeds, worst in brackets), k = {K}, {ROWS} rows\n");
    print!("| columns | groups |");
    for metric in &metrics {
        kinds.iter().for_each(|(name, _)| print!(" {name}, {metric} |"));
    }
    println!("\n|---|---|{}", "---|".repeat(metrics.len() * kinds.len()));
    let mut medians = Vec::new();
    for (columns, groups) in SETS {
        let mut ranks = vec![Vec::new(); metrics.len() * kinds.len()];
        for seed in 0..repeats {
            let values = rows(columns, groups, seed);
            let points = Points::dense(&values, ROWS, columns)?;
            for (m, metric) in metrics.iter().enumerate() {
                let graph = exact::graph(&points, metric, K, false)?;
                let graph = CheckedGraph::new(&graph)?;
                for (s, (_, score)) in kinds.iter().enumerate() {
                    ranks[m * kinds.len() + s].push(rank_of_last(&scores(&graph, *score, K)?));
                }
            }
        }
        print!("| {columns} | {groups} |");
        for ranks in &mut ranks {
            ranks.sort_unstable();
            print!(" {} ({}) |", ranks[ranks.len() / 2], ranks[ranks.len() - 1]);
        }
        println!();
        medians.push(ranks.iter().map(|ranks| ranks[ranks.len() / 2]).collect::<Vec<usize>>());
    }
    if let Some(path) = std::env::args().nth(2) {
        let names: Vec<String> =
            metrics.iter().flat_map(|metric| kinds.iter().map(move |(name, _)| format!("{name}, {metric}"))).collect();
        std::fs::write(path, svg(&medians, &names))?;
    }
    Ok(())
}

/// A line for each score: median ranks, on a logarithmic scale, over the sets.
fn svg(medians: &[Vec<usize>], names: &[String]) -> String {
    const COLOURS: [&str; 3] = ["#1f77b4", "#ff7f0e", "#2ca02c"];
    let x = |set: usize| 60 + 60 * set;
    let y = |rank: f64| 360.0 - 110.0 * rank.log10();
    let mut text =
        String::from("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"860\" height=\"400\" font-size=\"13\">\n");
    text += "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
    let mut put = |line: std::fmt::Arguments| writeln!(text, "{line}").expect("writes to memory");
    for rank in [1, 10, 100, 1000] {
        let at = y(f64::from(rank));
        put(format_args!("<path d=\"M60 {at}H600\" stroke=\"#ddd\"/><text x=\"20\" y=\"{at}\">{rank}</text>"));
    }
    for (set, (columns, _)) in SETS.iter().enumerate() {
        put(format_args!("<text x=\"{}\" y=\"382\" text-anchor=\"middle\">{columns}</text>", x(set)));
    }
    for (line, name) in names.iter().enumerate() {
        let (colour, dash) = (COLOURS[line % 3], if line < 3 { "none" } else { "5 4" });
        let at = medians.iter().enumerate().map(|(set, ranks)| format!("{},{:.1}", x(set), y(ranks[line] as f64)));
        let at: Vec<String> = at.collect();
        let style = format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\"");
        put(format_args!("<polyline points=\"{}\" {style}/>", at.join(" ")));
        let legend = 40 + 22 * line;
        put(format_args!("<path d=\"M630 {legend}h30\" {style}/><text x=\"668\" y=\"{}\">{name}</text>", legend + 4));
    }
    text + "</svg>\n"
}
