//! Indexes of data in many small groups, of copies, and of norms that differ much.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use nndescent::custom::Custom;
use nndescent::{Index, IndexOptions, Metric, NnDescent, Points, Quantization, SearchOptions};

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
        (2000, 20, 8, 0.05, 15),
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

/// Whether a query by radius finds exactly the rows that the metric's definition puts within it.
fn check_radius(index: &Index, data: &[f32], queries: &[f32], dim: usize, radius: f32, options: &SearchOptions) {
    let asked = Points::dense(queries, queries.len() / dim, dim).unwrap();
    let hits = index.query_radius(&asked, radius, options).unwrap();
    for (i, query) in queries.chunks(dim).enumerate() {
        let within = |row: &[f32]| index.metric().distance(query, row) as f32 <= radius;
        let truth: Vec<u32> = (0..).zip(data.chunks(dim)).filter(|row| within(row.1)).map(|row| row.0).collect();
        let mut found = hits.ids(i).to_vec();
        found.sort_unstable();
        let count = (found.len(), truth.len());
        assert!(found == truth, "{:?}, radius {radius}, query {i}: {count:?} found, expected", index.metric());
    }
}

/// `n` rows of which each is one of `count`.
fn copies_of(rows: &[Vec<f32>], n: usize, seed: u64) -> Vec<f32> {
    shuffled((0..n).map(|i| rows[i % rows.len()].clone()).collect(), seed)
}

#[test]
fn a_radius_of_zero_finds_all_copies() {
    let mut rng = StdRng::seed_from_u64(3);
    let few_valued: Vec<Vec<f32>> = (0..40)
        .map(|i| (0..6).map(|c| if c == i % 6 { 1.0 } else { rng.random_range(0..3) as f32 }).collect())
        .collect();
    let line: Vec<Vec<f32>> = (0..30).map(|i| vec![i as f32 * 0.7]).collect();
    let wide: Vec<Vec<f32>> = (0..25).map(|_| (0..60).map(|_| normal(&mut rng)).collect()).collect();
    for (rows, n, metrics) in [
        (&line, 3000, &[Metric::Euclidean, Metric::Manhattan][..]),
        (&few_valued, 2400, &[Metric::Euclidean, Metric::Jaccard, Metric::Hamming, Metric::Correlation]),
        (&wide, 2500, &[Metric::Euclidean, Metric::Cosine, Metric::TrueAngular, Metric::Canberra]),
    ] {
        let data = copies_of(rows, n, 4);
        for metric in metrics {
            for n_neighbors in [5, 30] {
                let index = index_of(&data, rows[0].len(), metric, n_neighbors);
                let distinct: Vec<f32> = rows.iter().take(25).flatten().copied().collect();
                check_radius(&index, &data, &distinct, rows[0].len(), 0.0, &SearchOptions::new());
            }
        }
    }
}

/// 5,000 copies of one row among others: all are found, and the others as ever.
#[test]
fn a_heap_of_copies_hides_nothing() {
    let dim = 16;
    for share in [50, 90] {
        let mut rng = StdRng::seed_from_u64(share);
        let heap: Vec<f32> = (0..dim).map(|_| 0.1 * normal(&mut rng)).collect();
        let others = 5000 * (100 - share as usize) / share as usize;
        let mut rows = vec![heap.clone(); 5000];
        rows.extend((0..others).map(|_| (0..dim).map(|_| normal(&mut rng)).collect::<Vec<f32>>()));
        let queries: Vec<f32> = rows[5000..].iter().step_by(others / 150).flatten().map(|v| v + 0.01).collect();
        let data = shuffled(rows, 9);
        for metric in [Metric::Euclidean, Metric::Cosine] {
            let index = index_of(&data, dim, &metric, 15);
            check_radius(&index, &data, &heap, dim, 0.0, &SearchOptions::new());
            let (right, lost) = recall(&index, &data, &queries, dim, 10);
            assert!(right >= 0.985 && lost == 0.0, "{metric}, {share} %: recall {right}, {lost} lost");
            for k in [1, 10, 300, 5000] {
                let hits = index.query(&Points::dense(&heap, 1, dim).unwrap(), k, &SearchOptions::new()).unwrap();
                assert!(hits.distances(0).iter().all(|&d| d == 0.0), "{metric}, {share} %, {k} of 5,000 copies");
            }
        }
    }
}

#[test]
fn copies_of_items_are_found() {
    let words: Vec<String> = (0..2000).map(|i| format!("{:0>6}", (i * 7919) % 40)).collect();
    let differing = |a: &String, b: &String| a.bytes().zip(b.bytes()).filter(|(a, b)| a != b).count() as f32;
    let asked = vec!["000003".to_owned(), "000039".to_owned()];
    let items = Custom::items(words.clone(), differing);
    let index = NnDescent::new(Metric::Custom).n_neighbors(10).index(&Points::items(&items).unwrap()).unwrap().index;
    let queries = items.others(asked.clone());
    let hits = index.query_radius(&Points::items(&queries).unwrap(), 0.0, &SearchOptions::new()).unwrap();
    for (i, word) in asked.iter().enumerate() {
        assert_eq!(hits.ids(i).len(), words.iter().filter(|other| *other == word).count());
        assert!(hits.ids(i).iter().all(|&id| words[id as usize] == *word));
    }
}

#[test]
fn a_radius_reaches_over_groups() {
    for (count, size, dim, tight, radii) in
        [(300, 30, 3, 1e-3, [0.5, 1.0, 2.0]), (40, 200, 8, 0.02, [0.2, 3.0, 4.5]), (400, 8, 6, 0.01, [0.2, 1.5, 3.0])]
    {
        let data = groups(count, size, dim, tight, 2);
        let [own, _] = own_and_near(&data, dim, 12, 0.0);
        for n_neighbors in [5, 30] {
            for quantization in [Quantization::Auto, Quantization::F16] {
                let options = IndexOptions::new().quantization(quantization);
                let builder = NnDescent::new(Metric::Euclidean).n_neighbors(n_neighbors).index_options(options);
                let index = builder.index(&Points::dense(&data, data.len() / dim, dim).unwrap()).unwrap().index;
                for radius in radii {
                    check_radius(&index, &data, &own, dim, radius, &SearchOptions::new());
                    check_radius(&index, &data, &own, dim, radius, &SearchOptions::new().exact(true));
                }
            }
        }
    }
}

#[test]
fn exact_searches_miss_nothing() {
    let mut rng = StdRng::seed_from_u64(8);
    let (dim, n) = (60, 3000);
    let data: Vec<f32> = (0..n * dim).map(|_| normal(&mut rng)).collect();
    let (queries, exact) = (&data[..30 * dim], SearchOptions::new().exact(true));
    for metric in [Metric::Euclidean, Metric::InnerProduct, Metric::Canberra] {
        let mut index = index_of(&data, dim, &metric, 5);
        let asked = Points::dense(queries, 30, dim).unwrap();
        let hits = index.query(&asked, 10, &exact).unwrap();
        let ids: Vec<u32> = (0..30).collect();
        let others = index.query_ids(&ids, 9, &exact).unwrap();
        let even = index.query(&asked, 10, &exact.clone().filter(|id| id % 2 == 0)).unwrap();
        for i in 0..30 {
            let order = |allowed: &dyn Fn(u32) -> bool, k: usize| {
                let row = |j: u32| &data[j as usize * dim..][..dim];
                let distance = |j: u32| metric.distance(row(i as u32), row(j));
                let mut all: Vec<(f64, u32)> =
                    (0..n as u32).filter(|&j| allowed(j)).map(|j| (distance(j), j)).collect();
                all.sort_by(|a, b| a.0.total_cmp(&b.0));
                all[..k].iter().map(|near| near.1).collect::<Vec<u32>>()
            };
            assert_eq!(hits.ids(i), order(&|_| true, 10), "{metric}");
            assert_eq!(others.ids(i), order(&|j| j != i as u32, 9), "{metric}");
            assert_eq!(even.ids(i), order(&|j| j % 2 == 0, 10), "{metric}");
        }
        assert!(hits.stats().iter().all(|stats| stats.distances == n as u64));
        index.remove(&[hits.ids(0)[0]]).unwrap();
        assert_eq!(index.query(&asked, 9, &exact).unwrap().ids(0), &hits.ids(0)[1..]);
    }
}

/// A few rows of large norm are the nearest of most queries: searches find them, and do not go through all rows.
#[test]
fn inner_products_of_uneven_norms_are_searched_like_others() {
    let (dim, count) = (32, 5000);
    for spread in [0.0, 0.5, 1.0] {
        let mut rng = StdRng::seed_from_u64(12);
        let all = groups(60, 90, dim, 0.4, 12);
        let rows = all.chunks(dim).map(|row| {
            let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt();
            let wanted = (spread * normal(&mut rng)).exp();
            row.iter().map(|v| v / norm * wanted).collect::<Vec<f32>>()
        });
        let data = rows.take(count).collect::<Vec<_>>().concat();
        let queries: Vec<f32> = all[count * dim..].chunks(dim).take(100).flatten().copied().collect();
        let index = index_of(&data, dim, &Metric::InnerProduct, 30);
        let (right, _) = recall(&index, &data, &queries, dim, 10);
        assert!(right >= 0.97, "spread {spread}: recall {right}");
        let asked = Points::dense(&queries, 100, dim).unwrap();
        let distances = index.query(&asked, 10, &SearchOptions::new()).unwrap().total().distances / 100;
        assert!(distances < count as u64 / 2, "spread {spread}: {distances} distances a query");
    }
}
