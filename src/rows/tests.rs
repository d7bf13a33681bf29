//! Kernels of dense rows against the definitions of their metrics, at every level.

use half::f16;
use proptest::prelude::*;

use super::dense::codes::{self, CodedRows};
use super::dense::{byte_differences, floats};
use super::*;
use crate::metric::{Form, KernelMetric, Metric};
use crate::points::Points;
use crate::simd::Level;

/// Compares the distances of all pairs, by every method of `space`, with the definition.
fn check_space(points: &Points, wide: &[f32], metric: KernelMetric, space: &dyn ReducedDistances, tolerance: f64) {
    let (n, dim) = (points.n(), points.dim());
    let ids: Vec<u32> = (0..n as u32).collect();
    let mut all = vec![f32::NAN; n * n];
    space.all_pairs(&ids, &mut all);
    let row = |i: usize| &wide[i * dim..(i + 1) * dim];
    let mut block = vec![f32::NAN; n * (n - 1)];
    space.block(&ids, 1, &mut block);
    for i in 0..n {
        let mut to_all = vec![f32::NAN; n];
        space.one_to_many(i as u32, &ids, &mut to_all);
        for j in (0..n).filter(|&j| j != i) {
            let truth = Metric::from(metric).distance(row(i), row(j));
            let size = row(i).iter().chain(row(j)).map(|v| f64::from(v.abs())).fold(1.0, f64::max);
            let size = match metric.form() {
                Form::Inner => size * size * dim as f64,
                Form::TsSs => (size * size * dim as f64).powi(2),
                _ => size,
            };
            for found in [all[i * n + j], to_all[j]].map(|d| f64::from(metric.to_true(d, dim))) {
                // Both infinite where x + y is zero, in braycurtis.
                if found == truth {
                    continue;
                }
                // The angle of parallel rows has half the digits: with cosines wrong by 16 epsilon, 0.002 of the 0.17
                // that ts-ss adds to it, in both of its factors.
                let factor = if metric.form() == Form::TsSs { 250.0 } else { 1.0 };
                let bound = factor * tolerance * truth.abs().max(1e-3 * size);
                assert!((found - truth).abs() <= bound, "{metric:?} {i} {j}: {found} instead of {truth}");
            }
            assert_eq!(all[i * n + j].to_bits(), all[j * n + i].to_bits(), "{metric:?} is symmetric");
            assert!(j == 0 || block[i * (n - 1) + j - 1].to_bits() == all[i * n + j].to_bits(), "{metric:?} {i} {j}");
        }
    }
}

fn check_levels<E: crate::points::Element>(values: &[E], n: usize, dim: usize, tolerance: f64) {
    let points = Points::dense(values, n, dim).unwrap();
    let wide: Vec<f32> = values.iter().map(|v| v.to_f32()).collect();
    for level in Level::available() {
        for metric in KernelMetric::all() {
            let space = floats::space(points.as_dense().unwrap(), metric.form(), level);
            check_space(&points, &wide, metric, &*space, tolerance);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn kernels_agree_with_the_oracle(
        n in 2usize..11, dim in 1usize..70, values in prop::collection::vec(-8.0f32..8.0, 70 * 11),
    ) {
        // Whole numbers too, so that columns are equal now and then, and a zero row.
        let mut values: Vec<f32> = values[..n * dim].iter().map(|v| if *v > 0.0 { v.round() } else { *v }).collect();
        values[..dim].fill(0.0);
        check_levels(&values, n, dim, 1e-4);
        let halves: Vec<f16> = values.iter().map(|&v| f16::from_f32(v)).collect();
        check_levels(&halves, n, dim, 1e-4);
        let bytes: Vec<u8> = values.iter().map(|v| v.abs() as u8).collect();
        check_levels(&bytes, n, dim, 1e-4);
        let signed: Vec<i8> = values.iter().map(|&v| v as i8).collect();
        check_levels(&signed, n, dim, 1e-4);
    }

    #[test]
    fn byte_codes_of_bytes_are_exact(
        n in 2usize..9, dim in 48usize..200, values in prop::collection::vec(0u8..=255, 200 * 9), signed: bool,
    ) {
        let mut values = values[..n * dim].to_vec();
        values[..dim].fill(0);
        let signed_values: Vec<i8> = values.iter().map(|v| v.cast_signed()).collect();
        let wide: Vec<f32> = if signed {
            signed_values.iter().map(|&v| f32::from(v)).collect()
        } else {
            values.iter().map(|&v| f32::from(v)).collect()
        };
        let points = if signed { Points::dense(&signed_values, n, dim) } else { Points::dense(&values, n, dim) }.unwrap();
        for level in Level::available() {
            let (space, is_exact) = byte_differences::space(points.as_dense().unwrap(), level);
            prop_assert!(is_exact);
            check_space(&points, &wide, KernelMetric::MANHATTAN, &*space, 1e-6);
            for metric in KernelMetric::all().into_iter().filter(|m| codes::is_exact(points.as_dense().unwrap(), m.form())) {
                if codes::suits(points.as_dense().unwrap(), metric.form()) {
                    let space = CodedRows::new(points.as_dense().unwrap(), metric.form(), level);
                    check_space(&points, &wide, metric, &space, 1e-4);
                }
            }
        }
    }
}

#[test]
fn byte_codes_of_floats_are_near() {
    let (n, dim) = (12, 100);
    let values: Vec<f32> = (0..n * dim).map(|i| ((i * 7919 % 1000) as f32 / 500.0 - 1.0) * 3.0).collect();
    let points = Points::dense(&values, n, dim).unwrap();
    for level in Level::available() {
        for metric in [KernelMetric::COSINE, KernelMetric::CORRELATION] {
            let space = CodedRows::new(points.as_dense().unwrap(), metric.form(), level);
            check_space(&points, &values, metric, &space, 0.02);
        }
    }
}

/// The reduced distance of two rows, by definition.
fn reduced(metric: &Metric, x: &[f32], y: &[f32]) -> f64 {
    let distance = metric.distance(x, y);
    if *metric == Metric::Euclidean { distance * distance } else { distance }
}

#[test]
fn codes_are_as_near_as_their_bound_says() {
    type Value = fn(f32) -> f32;
    let (n, dim) = (60, 70);
    let kinds: [(&str, Value); 6] = [
        ("both signs", |v| v - 0.5),
        ("positive", |v| v),
        ("far from the origin", |v| 3e5 + v),
        ("too small for a scale of f32", |v| (v - 0.5) * 1e-37),
        ("whole bytes", |v| (v * 255.0).round()),
        ("of any size", |v| (v - 0.5) * (40.0 * v).exp2()),
    ];
    for (name, value) in kinds {
        let draw = |i: usize| (crate::rng::hash(3, 4, i as u64, 0) >> 40) as f32 / (1u64 << 24) as f32;
        // The first row is zero, and some rows are near to others.
        let of = |i: usize| if i % 3 == 1 { draw(i) * 0.05 + draw(i - 1) * 0.95 } else { draw(i) };
        let values: Vec<f32> = (0..n * dim).map(|i| if i < dim { 0.0 } else { value(of(i)) }).collect();
        let points = Points::dense(&values, n, dim).unwrap();
        let row = |i: usize| &values[i * dim..(i + 1) * dim];
        for metric in [Metric::Euclidean, Metric::Cosine, Metric::Correlation] {
            let form = metric.direct().unwrap().form();
            let coded = CodedRows::new(points.as_dense().unwrap(), form, Level::detect());
            let Some(bound) = coded.code_error_bound(dim) else {
                assert_eq!((name, &metric), ("too small for a scale of f32", &Metric::Euclidean));
                continue;
            };
            let ids: Vec<u32> = (0..n as u32).collect();
            let mut to = vec![0.0; n];
            for i in 0..n as u32 {
                coded.one_to_many(i, &ids, &mut to);
                for (j, &found) in to.iter().enumerate().filter(|(j, _)| *j != i as usize) {
                    let truth = reduced(&metric, row(i as usize), row(j));
                    let range = [bound.true_at_least(i, found), bound.true_at_most(i, found)].map(f64::from);
                    assert!(range[0] <= truth * 1.000001, "{name}, {metric}: {truth} is not in {range:?}");
                    assert!(truth <= range[1] * 1.000001, "{name}, {metric}: {truth} is not in {range:?}");
                    let most = bound.coded_at_most(i, truth);
                    assert!(found <= most, "{name}, {metric}: {found} by codes at {truth}, not {most} at most");
                }
            }
        }
    }
}

/// Rows of which neighbours lie near: offsets from one of a few centres.
fn clustered(n: usize, dim: usize, low: f32) -> Vec<f32> {
    let draw = |i: usize, column: usize, stream: u64| {
        let bits = crate::rng::hash(7, stream, i as u64, column as u64);
        (bits >> 40) as f32 / (1u64 << 24) as f32
    };
    let value = |i: usize, column: usize| {
        let (centre, offset) = (draw(i % 5, column, 1), draw(i, column, 2));
        low + 120.0 * centre + 60.0 * offset
    };
    (0..n * dim).map(|at| value(at / dim, at % dim)).collect()
}

#[test]
fn rows_in_planes_are_the_same_and_a_look_rejects_what_is_far() {
    let (n, metrics) = (300, [KernelMetric::EUCLIDEAN, KernelMetric::COSINE, KernelMetric::CORRELATION]);
    for (dim, low) in [(250, 0.0), (320, -90.0), (449, 10.0)] {
        let values = clustered(n, dim, low);
        let points = Points::dense(&values, n, dim).unwrap();
        for (level, metric) in Level::available().into_iter().flat_map(|level| metrics.map(|metric| (level, metric))) {
            let mut space = CodedRows::new(points.as_dense().unwrap(), metric.form(), level);
            let ids: Vec<u32> = (0..n as u32).collect();
            let (mut before, mut after) = (vec![0.0; n * n], vec![0.0; n * n]);
            space.all_pairs(&ids, &mut before);
            space.begin_rounds();
            space.all_pairs(&ids, &mut after);
            assert_eq!(before, after, "{metric:?} {dim} {}", level.name());
            let (mut far, mut rejected, mut lost) = (0, 0, 0);
            for (i, truth) in before.chunks_exact(n).enumerate() {
                let mut found = vec![0.0; n];
                space.one_to_many(i as u32, &ids, &mut found);
                found[i] = truth[i];
                assert_eq!(found, truth);
                let mut sorted = truth.to_vec();
                sorted.sort_unstable_by(f32::total_cmp);
                let bound = sorted[20];
                space.one_to_near(i as u32, &ids, bound, &mut found);
                for (j, (&found, &truth)) in found.iter().zip(truth).enumerate().filter(|(j, _)| *j != i) {
                    assert!(found == truth || found == f32::INFINITY, "{i} {j}: {found}, not {truth}");
                    far += usize::from(truth > 2.0 * bound);
                    rejected += usize::from(truth > 2.0 * bound && found == f32::INFINITY);
                    lost += usize::from(truth <= bound && found == f32::INFINITY);
                }
            }
            assert!(lost * 1000 <= n * 20, "{metric:?} {dim} {}: {lost} lost", level.name());
            let has_looks = level.looks_at_nibbles();
            assert!(far > 0 && rejected == if has_looks { far } else { 0 }, "{rejected} of {far} rejected");
            space.begin_trees();
            space.all_pairs(&ids, &mut after);
            assert_eq!(before, after);
        }
    }
}
