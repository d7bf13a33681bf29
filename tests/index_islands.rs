//! Indexes of data in many small groups, and of copies.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use nndescent::{Index, Metric, NnDescent, Points, SearchOptions};

fn normal(rng: &mut StdRng) -> f32 {
    (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0
}

/// Groups of `size` points (0: 5 to 40) around centers of unit spread, shuffled.
fn groups(count: usize, size: usize, dim: usize, tight: f32, seed: u64) -> Vec<f32> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut rows: Vec<Vec<f32>> = Vec::new();
    for _ in 0..count {
        let center: Vec<f32> = (0..dim).map(|_| normal(&mut rng)).collect();
        let size = if size == 0 { rng.random_range(5..=40) } else { size };
        for _ in 0..size {
            rows.push(center.iter().map(|c| c + tight * normal(&mut rng)).collect());
        }
    }
    shuffled(rows, seed)
}

fn shuffled(mut rows: Vec<Vec<f32>>, seed: u64) -> Vec<f32> {
    let mut rng = StdRng::seed_from_u64(seed ^ 77);
    for at in (1..rows.len()).rev() {
        rows.swap(at, rng.random_range(0..=at));
    }
    rows.concat()
}

/// Recall@`k` of `queries` by distance, by the metric's definition, and the share of queries that found nothing right.
fn recall(index: &Index, data: &[f32], queries: &[f32], dim: usize, k: usize) -> (f64, f64) {
    let asked = Points::dense(queries, queries.len() / dim, dim).unwrap();
    let hits = index.query(&asked, k, &SearchOptions::new()).unwrap();
    let (mut right, mut lost) = (0, 0);
    for (i, query) in queries.chunks(dim).enumerate() {
        let truth: Vec<f64> = data.chunks(dim).map(|row| index.metric().distance(query, row)).collect();
        let mut sorted = truth.clone();
        sorted.sort_by(f64::total_cmp);
        let bound = sorted[k - 1] + 1e-6 * sorted[k - 1].abs() + 1e-9;
        let of_row = hits.ids(i).iter().filter(|&&id| truth[id as usize] <= bound).count();
        right += of_row;
        lost += usize::from(of_row == 0);
    }
    let n = hits.n() as f64;
    (right as f64 / (n * k as f64), lost as f64 / n)
}

/// Every so many rows, as they are and moved a little.
fn own_and_near(data: &[f32], dim: usize, count: usize, by: f32) -> [Vec<f32>; 2] {
    let step = (data.len() / dim / count).max(1);
    let own: Vec<f32> = data.chunks(dim).step_by(step).flatten().copied().collect();
    let mut rng = StdRng::seed_from_u64(5);
    let near = own.iter().map(|v| v + by * normal(&mut rng)).collect();
    [own, near]
}

fn index_of(data: &[f32], dim: usize, metric: &Metric, n_neighbors: usize) -> Index {
    let points = Points::dense(data, data.len() / dim, dim).unwrap();
    NnDescent::new(metric.clone()).n_neighbors(n_neighbors).recall_sample(0).index(&points).unwrap().index
}

#[test]
fn rows_of_many_small_groups_are_found() {
    for (count, size, dim, tight, n_neighbors) in [
        (600, 0, 4, 1e-3, 30),
        (1000, 12, 16, 1e-3, 30),
        (1000, 12, 64, 1e-3, 30),
        (600, 0, 16, 0.1, 30),
        (500, 20, 32, 0.1, 5),
        (500, 20, 32, 1e-3, 50),
        (1500, 5, 16, 1e-4, 15),
    ] {
        let data = groups(count, size, dim, tight, 1);
        for metric in [Metric::Euclidean, Metric::Cosine] {
            let index = index_of(&data, dim, &metric, n_neighbors);
            for queries in own_and_near(&data, dim, 150, 0.02) {
                let (recall, lost) = recall(&index, &data, &queries, dim, 10);
                let case = format!("{count} groups of {size}, {dim} columns, {tight}, {n_neighbors} by {metric}");
                assert!(recall >= 0.99 && lost <= 0.004, "{case}: recall {recall}, {lost} lost");
            }
        }
    }
}
