//! Values wider than f32: narrowed with a centre, and refined.

use nndescent::io::{Center, WideMatrix};
use nndescent::{Metric, NnDescent, PointsError};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const N: usize = 800;
const K: usize = 8;

/// Distances from row `i` to all rows by f64, its own infinite.
fn truth(metric: &Metric, x: &[f64], dim: usize, i: usize) -> Vec<f64> {
    let row = |j: usize| &x[j * dim..(j + 1) * dim];
    let sizes = |j: usize| row(i).iter().zip(row(j)).map(|(a, b)| (a - b).abs());
    let weights = [0.5, 2.0, 4.0];
    let mut all: Vec<f64> = (0..x.len() / dim)
        .map(|j| match metric {
            Metric::Euclidean => sizes(j).map(|d| d * d).sum::<f64>().sqrt(),
            Metric::SqEuclidean => sizes(j).map(|d| d * d).sum::<f64>(),
            Metric::Manhattan => sizes(j).sum(),
            Metric::Chebyshev => sizes(j).fold(0.0, f64::max),
            Metric::Minkowski { p } => sizes(j).map(|d| d.powf((*p).into())).sum::<f64>().powf(1.0 / f64::from(*p)),
            Metric::StandardizedEuclidean { .. } => sizes(j).zip(weights).map(|(d, w)| d * d / w).sum::<f64>().sqrt(),
            Metric::WeightedMinkowski { p, .. } => {
                sizes(j).zip(weights).map(|(d, w)| w * d.powf((*p).into())).sum::<f64>().powf(1.0 / f64::from(*p))
            }
            Metric::Mahalanobis { .. } => sizes(j).zip(weights).map(|(d, w)| d * d * w).sum::<f64>().sqrt(),
            Metric::Correlation => {
                let mean = |r: &[f64]| r.iter().sum::<f64>() / dim as f64;
                let (a, b) = (mean(row(i)), mean(row(j)));
                let pairs = || row(i).iter().zip(row(j)).map(|(x, y)| (x - a, y - b));
                let (xx, yy) =
                    (pairs().map(|p| p.0 * p.0).sum::<f64>().sqrt(), pairs().map(|p| p.1 * p.1).sum::<f64>().sqrt());
                pairs().map(|(x, y)| (x / xx - y / yy).powi(2)).sum::<f64>() / 2.0
            }
            _ => unreachable!(),
        })
        .collect();
    all[i] = f64::INFINITY;
    all
}

/// Recall and the largest relative error of distances of the exact graph of wide values.
fn exact(metric: &Metric, x: &[f64], dim: usize) -> (f64, f64) {
    let wide = WideMatrix::new(x.to_vec(), x.len() / dim, dim).unwrap();
    let center = wide.center(metric);
    let matrix = wide.narrowed(&center).unwrap();
    let points = matrix.points().unwrap();
    let found = nndescent::exact::graph(&points, metric, WideMatrix::candidates(K), false).unwrap();
    let refined = wide.refined(None, &center, metric, &found, K).unwrap();
    let settled = wide.settled(None, &matrix, &center, metric, refined).unwrap();
    assert!(settled.doubtful.is_empty(), "{metric}: {} rows in doubt", settled.doubtful.len());
    let (mut hits, mut worst) = (0, 0.0f64);
    for i in 0..wide.n() {
        let all = truth(metric, x, dim, i);
        let mut sorted = all.clone();
        sorted.sort_by(f64::total_cmp);
        let ids = settled.graph.ids(i);
        assert!((1..K).all(|at| !ids[..at].contains(&ids[at])), "{metric}, row {i}: {ids:?}");
        for (&id, &distance) in ids.iter().zip(settled.graph.distances(i)) {
            let own = all[id as usize];
            hits += usize::from(own <= sorted[K - 1] * (1.0 + 1e-9));
            worst = worst.max((f64::from(distance) - own).abs() / own.max(1e-30));
        }
    }
    (hits as f64 / (wide.n() * K) as f64, worst)
}

fn metrics() -> Vec<Metric> {
    vec![
        Metric::Euclidean,
        Metric::SqEuclidean,
        Metric::Manhattan,
        Metric::Chebyshev,
        Metric::Minkowski { p: 3.0 },
        Metric::StandardizedEuclidean { variances: [0.5, 2.0, 4.0].into() },
        Metric::WeightedMinkowski { weights: [0.5, 2.0, 4.0].into(), p: 2.0 },
        Metric::Mahalanobis { inverse_covariance: [0.5, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 4.0].into() },
    ]
}

#[test]
fn metrics_that_can_be_shifted_lose_nothing_far_from_the_origin() {
    let mut rng = StdRng::seed_from_u64(15);
    let mut uniform = |low: f64, width: f64| low + width * rng.random::<f64>();
    // A map grid with one place whose coordinates are missing; a scan line; unix time with a value.
    let mut map: Vec<f64> =
        (0..N).flat_map(|_| [uniform(5e5, 200.0), uniform(4.5e6, 200.0), uniform(100.0, 5.0)]).collect();
    map[3 * 77..3 * 78].fill(0.0);
    let line: Vec<f64> = (0..N).flat_map(|i| [5e5 + i as f64 * 0.05, 4.5e6, uniform(-0.01, 0.02)]).collect();
    let times: Vec<f64> = (0..N).flat_map(|_| [uniform(1.7e9, 86_400.0), uniform(0.0, 60.0), 1.0]).collect();
    for metric in metrics() {
        for (name, x) in [("map", &map), ("line", &line), ("times", &times)] {
            let (recall, error) = exact(&metric, x, 3);
            assert!(recall == 1.0 && error < 1e-6, "{name}, {metric}: recall {recall}, error {error:.1e}");
        }
    }
}

#[test]
fn correlation_is_centred_by_rows() {
    let mut rng = StdRng::seed_from_u64(16);
    let x: Vec<f64> = (0..N)
        .flat_map(|_| {
            let base = 1e8 * rng.random::<f64>();
            (0..6).map(|_| base + rng.random::<f64>()).collect::<Vec<f64>>()
        })
        .collect();
    let wide = WideMatrix::new(x.clone(), N, 6).unwrap();
    assert_eq!(wide.center(&Metric::Correlation), Center::Rows);
    let (recall, error) = exact(&Metric::Correlation, &x, 6);
    assert!(recall == 1.0 && error < 1e-5, "recall {recall}, error {error:.1e}");
}

#[test]
fn a_centre_is_subtracted_only_where_it_helps() {
    let center = |x: &[f64], dim: usize, metric: &Metric| {
        WideMatrix::new(x.to_vec(), x.len() / dim, dim).unwrap().center(metric)
    };
    let grid: Vec<f64> = (0..300).flat_map(|i| [1.7e9 + f64::from(i) * 0.1, f64::from(i) * 0.1]).collect();
    let Center::Columns(columns) = center(&grid, 2, &Metric::Euclidean) else { panic!("no centre") };
    assert!((columns[0] - 1.7e9 - 15.0).abs() < 1.0 && columns[1] == 0.0, "{columns:?}");
    for metric in [Metric::Cosine, Metric::Hamming, Metric::Canberra, Metric::InnerProduct] {
        assert_eq!(center(&grid, 2, &metric), Center::None, "{metric}");
    }
    let whole: Vec<f64> = (0..300).map(f64::from).collect();
    assert_eq!(center(&whole, 2, &Metric::Euclidean), Center::None, "f32 holds it");
    let wide = WideMatrix::new(grid, 300, 2).unwrap();
    let worst = wide.narrowed(&Center::None).unwrap().narrowing.unwrap();
    assert!(worst.error > 25.0 && worst.column == 0 && worst.value >= 1.7e9, "{worst:?}");
    let other = wide.narrowed(&Center::Columns(vec![1.0; 3])).unwrap_err();
    assert_eq!(other, PointsError::OtherColumns { dim: 2, expected: 3 });
}

#[test]
fn nn_descent_on_a_map_finds_what_it_finds_at_the_origin() {
    let mut rng = StdRng::seed_from_u64(17);
    let x: Vec<f64> = (0..2000).flat_map(|_| [5e5 + rng.random::<f64>(), 4.5e6 + rng.random::<f64>()]).collect();
    let wide = WideMatrix::new(x.clone(), 2000, 2).unwrap();
    let center = wide.center(&Metric::Euclidean);
    let matrix = wide.narrowed(&center).unwrap();
    let builder = NnDescent::new(Metric::Euclidean).n_neighbors(WideMatrix::candidates(K));
    let built = builder.algorithm(nndescent::Algorithm::NnDescent).graph(&matrix.points().unwrap()).unwrap();
    let graph = wide.refined(None, &center, &Metric::Euclidean, &built.graph, K).unwrap().graph;
    let mut hits = 0;
    for i in (0..2000).step_by(10) {
        let all = truth(&Metric::Euclidean, &x, 2, i);
        let mut sorted = all.clone();
        sorted.sort_by(f64::total_cmp);
        hits += graph.ids(i).iter().filter(|&&id| all[id as usize] <= sorted[K - 1]).count();
    }
    assert!(hits >= 200 * K - 2, "{hits} of {}", 200 * K);
}
