//! Seconds that analyses of a graph take, as rows of a table (numbers of points, 10,000 by default):
//! `cargo run --release --no-default-features --example analysis_costs -- 10000 100000 1000000`.

use std::error::Error;
use std::time::Instant;

use nndescent::analysis::cluster::{Hdbscan, dbscan, jarvis_patrick, snn_dbscan};
use nndescent::analysis::outliers::{Score, scores};
use nndescent::analysis::{CheckedGraph, FuzzySet, SharedNeighbors, Symmetry, components, in_degrees};
use nndescent::{Metric, NnDescent, Points};

const K: usize = 15;
const DIM: usize = 16;

fn main() -> Result<(), Box<dyn Error>> {
    let sizes: Vec<usize> = std::env::args().skip(1).map(|word| word.parse()).collect::<Result<_, _>>()?;
    for n in if sizes.is_empty() { vec![10_000] } else { sizes } {
        costs(n)?;
    }
    Ok(())
}

/// Blobs of twelve spreads around a hundred centres.
fn blobs(n: usize) -> Vec<f32> {
    let mut state = 1u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let centres: Vec<f32> = (0..100 * DIM).map(|_| 20.0 * uniform()).collect();
    let mut value = |i: usize| {
        let (row, column) = (i / DIM, i % DIM);
        let spread = 0.5 + 0.25 * (row % 12) as f32;
        centres[row % 100 * DIM + column] + spread * (0..4).map(|_| uniform()).sum::<f32>()
    };
    (0..n * DIM).map(&mut value).collect()
}

/// Runs `work`, and prints what it took.
fn timed<T, E>(what: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let start = Instant::now();
    let done = work()?;
    println!("  {what:<28} {:9.3} s", start.elapsed().as_secs_f64());
    Ok(done)
}

fn costs(n: usize) -> Result<(), Box<dyn Error>> {
    let data = blobs(n);
    let points = Points::dense(&data, n, DIM)?;
    println!("{n} rows of {DIM} columns, k = {K}");
    let build = NnDescent::new(Metric::Euclidean).n_neighbors(K).recall_sample(0);
    let graph = timed("graph", || build.graph(&points))?.graph;
    let graph = timed("CheckedGraph", || CheckedGraph::new(&graph))?;
    let similarity = timed("SharedNeighbors", || SharedNeighbors::new(K).similarity(&graph))?;
    timed("components", || Ok::<_, Box<dyn Error>>(components(&graph)))?;
    timed("in_degrees", || Ok::<_, Box<dyn Error>>(in_degrees(&graph, None)))?;
    timed("symmetrized", || Ok::<_, Box<dyn Error>>(graph.to_csr().symmetrized(Symmetry::Union)))?;
    timed("FuzzySet", || FuzzySet::default().weights(&graph))?;
    let all = [Score::Mean, Score::Snn, Score::Lof, Score::SimplifiedLof, Score::Loop { lambda: 3.0 }];
    for score in all {
        timed(&format!("Score::{score:?}"), || scores(&graph, score, K))?;
    }
    timed("dbscan", || dbscan(&graph, graph.distances(6)[K - 1], 5))?;
    timed("jarvis_patrick", || jarvis_patrick(&similarity, 4.0))?;
    timed("snn_dbscan", || snn_dbscan(&similarity, 4.0, 5))?;
    let found = timed("Hdbscan", || Hdbscan::new(15).run(&graph, &[]))?;
    println!("  {} clusters, {} rows of noise", found.clustering.n_clusters(), found.clustering.n_noise());
    Ok(())
}
