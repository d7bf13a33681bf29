//! Distances from sums against definitions.

use super::*;
use crate::dataset::Dataset;
use crate::points::Points;

/// Rows that are equal and nearly equal, multiples, one-hot, tiny, huge and zero.
fn rows(dim: usize) -> Vec<f32> {
    let value = |i: usize, j: usize| match i {
        0 => 0.0,
        1 => f32::from(u8::from(j == dim / 2)),
        2 | 3 => ((j * 7 + 3) % 11) as f32 + 1.0,
        4 => (((j * 7 + 3) % 11) as f32 + 1.0) * 2.0,
        5 => ((j * 7 + 3) % 11) as f32 + if j == 0 { 1.000_01 } else { 1.0 },
        6 => 1e-20 * ((j * 5 + 1) % 7) as f32,
        7 => 1e15 * ((j * 3 + 2) % 5) as f32,
        _ => ((i * j + j * j) % 13) as f32 - if i.is_multiple_of(2) { 3.0 } else { 0.0 },
    };
    (0..12 * dim).map(|at| value(at / dim, at % dim)).collect()
}

#[test]
fn angles_of_bytes_are_those_of_their_values() {
    let dim = 45;
    let bytes: Vec<u8> = rows(dim).iter().map(|v| v.abs().min(255.0) as u8).collect();
    let signed: Vec<i8> = rows(dim).iter().map(|v| v.clamp(-128.0, 127.0) as i8).collect();
    let wide: [Vec<f32>; 2] = [bytes.iter().map(|&v| v.into()).collect(), signed.iter().map(|&v| v.into()).collect()];
    let given = [Points::dense(&bytes, 12, dim).unwrap(), Points::dense(&signed, 12, dim).unwrap()];
    for (points, wide) in given.iter().zip(&wide) {
        let prepared = Dataset::new(points, &Metric::Cosine).unwrap();
        let truth = prepared.problem().true_distances();
        for i in 0..12 {
            let mut found = Vec::new();
            truth.distances(i, &(0..12).collect::<Vec<u32>>(), &mut found);
            for (j, &d) in found.iter().enumerate() {
                let right = Metric::Cosine.distance(&wide[i * dim..][..dim], &wide[j * dim..][..dim]);
                assert!((d - right).abs() <= 1e-9 * right + 1e-15, "{d}, not {right}, {i} {j}");
            }
        }
    }
}

#[test]
fn sums_agree_with_definitions() {
    for dim in [1, 7, 16, 45, 100] {
        let column: std::sync::Arc<[f32]> = (0..dim).map(|j| 0.5 + j as f32 / 10.0).collect();
        let steps = |at: usize| (at / dim).abs_diff(at % dim) as i32;
        let inverse = (0..dim * dim).map(|at| 0.5f32.powi(steps(at))).collect();
        for metric in [
            Metric::Euclidean,
            Metric::SqEuclidean,
            Metric::Cosine,
            Metric::Correlation,
            Metric::Dot,
            Metric::InnerProduct,
            Metric::Manhattan,
            Metric::Chebyshev,
            Metric::Hamming,
            Metric::Canberra,
            Metric::BrayCurtis,
            Metric::TsSs,
            Metric::Minkowski { p: 3.0 },
            Metric::Minkowski { p: 1.5 },
            Metric::Minkowski { p: 7.5 },
            Metric::Minkowski { p: 40.0 },
            Metric::TrueAngular,
            Metric::Spearman,
            Metric::Hellinger,
            Metric::JensenShannon,
            Metric::SymmetricKl,
            Metric::Wasserstein1d { p: 1.0 },
            Metric::Wasserstein1d { p: 2.0 },
            Metric::CircularKantorovich { p: 1.0 },
            Metric::CircularKantorovich { p: 3.0 },
            Metric::StandardizedEuclidean { variances: column.clone() },
            Metric::WeightedMinkowski { weights: column.clone(), p: 3.0 },
            Metric::WeightedMinkowski { weights: column.clone(), p: 2.5 },
            Metric::Mahalanobis { inverse_covariance: inverse },
        ] {
            let mut values = rows(dim);
            let most = 0.9 * metric.largest_value(dim).unwrap_or(f64::INFINITY) as f32;
            values.iter_mut().for_each(|v| *v = v.clamp(-most, most));
            if metric.first_wrong(&values).is_some() {
                values.iter_mut().for_each(|v| *v = v.abs());
            }
            let points = Points::dense(&values, 12, dim).unwrap();
            let prepared = Dataset::new(&points, &metric).unwrap();
            let truth = prepared.problem().true_distances();
            let row = |i: usize| &values[i * dim..(i + 1) * dim];
            for i in 0..12 {
                let mut found = Vec::new();
                truth.distances(i, &(0..12).collect::<Vec<u32>>(), &mut found);
                for (j, &d) in found.iter().enumerate() {
                    let right = metric.distance(row(i), row(j));
                    // The angle of rows of very different lengths is the arc cosine of what cancels.
                    let within = if metric == Metric::TsSs { 1e-6 } else { 1e-9 };
                    let near = d == right || (d - right).abs() <= within * right.abs();
                    assert!(near, "{metric} of {dim}: {d}, not {right}, {i} {j}");
                }
            }
        }
    }
}
