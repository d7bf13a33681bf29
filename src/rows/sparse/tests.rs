//! The space and the truth against definitions on rows written out.

use proptest::prelude::*;

use super::*;
use crate::metric::{Form, SetMetric};
use crate::points::CsrMatrix;
use crate::rows::sparse::definition;

fn kernels() -> impl Iterator<Item = SparseKernel> {
    let forms = Form::all().into_iter().map(SparseKernel::Values);
    forms.chain(SetMetric::ALL.map(SparseKernel::Sets))
}

/// The definition of a reduced distance, over all columns.
fn defined(kernel: SparseKernel, x: &[f32], y: &[f32]) -> f64 {
    let pairs = || x.iter().zip(y).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    match kernel {
        SparseKernel::Values(Form::Angular { centered: false }) => angle(pairs()),
        SparseKernel::Values(Form::Angular { centered: true }) => {
            let constant = |v: &[f32]| v.iter().all(|a| *a == v[0]);
            let mean = |v: &[f32]| v.iter().map(|&a| f64::from(a)).sum::<f64>() / v.len() as f64;
            let (mx, my) = (mean(x), mean(y));
            let (x_zero, y_zero) = (constant(x), constant(y));
            let left = |a: f64, mean: f64, zero: bool| if zero { 0.0 } else { a - mean };
            angle(pairs().map(|(a, b)| (left(a, mx, x_zero), left(b, my, y_zero))))
        }
        SparseKernel::Values(form) => form.defined(pairs()),
        SparseKernel::Sets(metric) => {
            let count = |f: &dyn Fn(bool, bool) -> bool| pairs().filter(|p| f(p.0 != 0.0, p.1 != 0.0)).count() as u32;
            let (in_x, in_y) = (count(&|a, _| a), count(&|_, b| b));
            metric.distance(count(&|a, b| a && b), in_x, in_y, x.len() as u32).into()
        }
    }
}

fn angle(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (xy, xx, yy) = pairs.fold((0.0, 0.0, 0.0), |(xy, xx, yy), (a, b)| (xy + a * b, xx + a * a, yy + b * b));
    match (xx > 0.0, yy > 0.0) {
        (true, true) => 1.0 - xy / (xx.sqrt() * yy.sqrt()),
        (false, false) => 0.0,
        _ => 1.0,
    }
}

/// What errors are relative to: what was summed before it cancelled.
fn scale(kernel: SparseKernel, x: &[f32], y: &[f32]) -> f64 {
    let zero = vec![0.0; x.len()];
    let alone = defined(kernel, x, &zero).abs() + defined(kernel, &zero, y).abs();
    let squares = || x.iter().chain(y).map(|&v| f64::from(v).powi(2)).sum::<f64>();
    match kernel {
        SparseKernel::Values(Form::Inner) => squares(),
        SparseKernel::Values(Form::TsSs) => squares() * squares(),
        SparseKernel::Values(Form::Angular { centered: true }) => {
            let spread = |v: &[f32]| {
                let mean = v.iter().map(|&a| f64::from(a)).sum::<f64>() / v.len() as f64;
                let left = v.iter().map(|&a| (f64::from(a) - mean).powi(2)).sum::<f64>();
                if left > 0.0 { v.iter().map(|&a| f64::from(a).powi(2)).sum::<f64>() / left } else { 1.0 }
            };
            1.0 + spread(x).max(spread(y))
        }
        _ => alone,
    }
}

fn near(found: f64, truth: f64, bound: f64) -> bool {
    found == truth || (found - truth).abs() <= bound || (truth.is_infinite() && found > 1e5)
}

/// Rows of the given density, some without entries, some equal, some with disjoint columns.
fn rows(n: usize, dim: usize, values: &[f32]) -> Vec<f32> {
    let mut dense: Vec<f32> =
        values[..n * dim].iter().map(|&v| if v.abs() < 5.0 { 0.0 } else { (v * 2.0).round() / 4.0 }).collect();
    dense[..dim].fill(0.0);
    if n > 3 {
        dense.copy_within(dim..2 * dim, 2 * dim);
        (0..dim).filter(|i| i % 2 == 0).for_each(|i| dense[3 * dim + i] = 0.0);
    }
    if n > 5 {
        (0..dim).filter(|i| i % 2 == 1).for_each(|i| dense[4 * dim + i] = 0.0);
        dense[5 * dim..6 * dim].fill(1.5);
    }
    dense
}

fn check(n: usize, dim: usize, dense: &[f32], kernel: SparseKernel, level: Level) {
    let matrix = CsrMatrix::from_dense(dense, n, dim).unwrap();
    let view = matrix.view();
    let space = SparseRows::new(view, kernel, level);
    let ids: Vec<u32> = (0..n as u32).collect();
    let mut all = vec![f32::NAN; n * n];
    space.all_pairs(&ids, &mut all);
    let mut block = vec![f32::NAN; n * (n - 1)];
    space.block(&ids, 1, &mut block);
    let mut query = SparseQuery::default();
    for i in 0..n {
        let mut to_all = vec![f32::NAN; n];
        space.one_to_many(i as u32, &ids, &mut to_all);
        let mut two = vec![[f32::NAN; 2]; n];
        space.two_to_many([i as u32, 0], &ids, &mut two);
        space.set_query(view.row(i), &mut query);
        let mut to_query = vec![f32::NAN; n];
        space.query_to_many(&query, &ids, &mut to_query);
        let mut exactly = vec![f64::NAN; n];
        space.one_to_many_exactly(i as u32, &ids, &mut exactly);
        for j in (0..n).filter(|&j| j != i) {
            let (x, y) = (&dense[i * dim..][..dim], &dense[j * dim..][..dim]);
            let truth = defined(kernel, x, y);
            let size = scale(kernel, x, y).max(truth.abs());
            let found = all[i * n + j];
            assert!(
                near(found.into(), truth, 1e-5 * size.min(1e300)),
                "{kernel:?} {i} {j}: {found} instead of {truth}"
            );
            let bits = found.to_bits();
            assert_eq!(bits, all[j * n + i].to_bits(), "{kernel:?} is symmetric");
            assert!(j == 0 || bits == block[i * (n - 1) + j - 1].to_bits(), "{kernel:?} {i} {j}: block");
            let one = to_all[j];
            assert!(near(one.into(), truth, 1e-5 * size.min(1e300)), "{kernel:?} {i} {j}: {one} instead of {truth}");
            assert_eq!(one.to_bits(), to_query[j].to_bits(), "{kernel:?} {i} {j}: a query");
            assert_eq!(one.to_bits(), two[j][0].to_bits(), "{kernel:?} {i} {j}: two to many");
            assert!(
                x != y
                    || matches!(kernel, SparseKernel::Values(Form::Angular { .. } | Form::Inner | Form::TsSs))
                    || found == 0.0
            );
            let exact = definition::distance(kernel, view.row(i), view.row(j), dim);
            assert!(
                near(exact, truth, 1e-12 * size.min(1e300)),
                "{kernel:?} {i} {j}: {exact} in f64 instead of {truth}"
            );
            let again = exactly[j];
            assert!(near(again, exact, 1e-7 * exact.abs()) || exact > 1e9, "{kernel:?} {i} {j}: {again} or {exact}");
            let mut turned = [0.0];
            space.one_to_many_exactly(j as u32, &[i as u32], &mut turned);
            assert_eq!(again.to_bits(), turned[0].to_bits(), "{kernel:?} is symmetric in f64");
            let turned = definition::distance(kernel, view.row(j), view.row(i), dim);
            assert_eq!(exact.to_bits(), turned.to_bits(), "{kernel:?} is symmetric in f64");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn sparse_distances_are_those_of_the_dense_rows(
        n in 2usize..45, dim in 1usize..60, values in prop::collection::vec(-8.0f32..8.0, 45 * 60),
    ) {
        let dense = rows(n, dim, &values);
        for level in Level::available() {
            for kernel in kernels() {
                check(n, dim, &dense, kernel, level);
            }
        }
    }

    /// What a space computes after it was reordered and grown is what a new one computes.
    #[test]
    fn changed_spaces_are_as_new(n in 4usize..30, values in prop::collection::vec(-8.0f32..8.0, 30 * 40), wide: bool) {
        let dim = 40;
        let dense = rows(n, dim, &values);
        let matrix = CsrMatrix::from_dense(&dense, n, dim).unwrap();
        let matrix = if wide { spread_out(&matrix) } else { matrix };
        let (first, rest): (Vec<u32>, Vec<u32>) = (0..n as u32).partition(|i| *i < n as u32 / 2);
        let order: Vec<u32> = (0..n as u32).rev().filter(|i| i % 3 != 0).collect();
        for kernel in kernels() {
            let level = Level::detect();
            let mut space = SparseRows::new(matrix.select(&first).view(), kernel, level);
            space.push(matrix.select(&rest).view());
            space.select(&order);
            let expected = matrix.select(&order);
            let mut query = SparseQuery::default();
            let ids: Vec<u32> = (0..order.len() as u32).collect();
            for i in 0..order.len() {
                let row = expected.view().row(i);
                let (columns, values) = space.decode(i as u32);
                prop_assert_eq!(&columns[..], row.indices);
                if kernel.has_values() {
                    prop_assert_eq!(&values[..], row.values);
                }
                let mut found = vec![f32::NAN; ids.len()];
                let mut again = found.clone();
                space.one_to_many(i as u32, &ids, &mut found);
                space.set_query(row, &mut query);
                space.query_to_many(&query, &ids, &mut again);
                for j in (0..ids.len()).filter(|&j| j != i) {
                    prop_assert_eq!(found[j].to_bits(), again[j].to_bits());
                    let truth = definition::distance(kernel, row, expected.view().row(j), expected.view().dim());
                    let size = truth.abs().max(1e3);
                    prop_assert!(near(found[j].into(), truth, 1e-5 * size) || truth.is_infinite(), "{:?} {} {}", kernel, found[j], truth);
                }
            }
        }
    }
}

/// The same entries in far apart columns of a matrix as wide as can be.
fn spread_out(matrix: &CsrMatrix) -> CsrMatrix {
    let mut spread = CsrMatrix::empty(u32::MAX as usize);
    for i in 0..matrix.view().n() {
        spread.push_row(matrix.view().row(i).entries().map(|(c, v)| (c * 100_000_007 + 3, v)));
    }
    spread
}

#[test]
fn queries_may_have_columns_that_no_row_has() {
    let dense = [0.0, 2.0, 0.0, 1.0, 0.0, 0.0, 0.0, -3.0, 0.0, 0.0];
    let matrix = CsrMatrix::from_dense(&dense, 2, 5).unwrap();
    let row = [4.0, 2.0, -9.0, 0.0, 0.5];
    let query_matrix = CsrMatrix::from_dense(&row, 1, 5).unwrap();
    for kernel in kernels() {
        let space = SparseRows::new(matrix.view(), kernel, Level::detect());
        let mut query = SparseQuery::default();
        space.set_query(query_matrix.view().row(0), &mut query);
        let mut found = [0.0; 2];
        let mut exactly = [0.0; 2];
        space.query_to_many(&query, &[0, 1], &mut found);
        space.query_to_many_exactly(&query, &[0, 1], &mut exactly);
        for (i, found) in found.into_iter().enumerate() {
            let truth = defined(kernel, &row, &dense[i * 5..][..5]);
            assert!((f64::from(found) - truth).abs() <= 1e-5 * truth.abs().max(1.0), "{kernel:?} {found} {truth}");
            assert!((exactly[i] - truth).abs() <= 1e-7 * truth.abs(), "{kernel:?} {} {truth}", exactly[i]);
        }
    }
}

#[test]
fn stored_zeros_are_none() {
    let (indptr, values) = ([0, 3, 5], [0.0, 2.0, -1.0, 3.0, -0.0]);
    let given = Csr::new(6, &indptr, &[0, 2, 3, 2, 4], &values).unwrap();
    let clean = CsrMatrix::new(6, indptr.to_vec(), vec![0, 2, 3, 2, 4], values.to_vec()).unwrap();
    for kernel in kernels() {
        let distance = |rows: Csr| {
            let mut found = [0.0];
            SparseRows::new(rows, kernel, Level::detect()).one_to_many(0, &[1], &mut found);
            let exact = definition::distance(kernel, rows.row(0), rows.row(1), 6);
            (found[0], exact)
        };
        let (one, other) = (distance(given), distance(clean.view()));
        assert_eq!(one.0.to_bits(), other.0.to_bits(), "{kernel:?}");
        assert!(near(one.1, other.1, 1e-14), "{kernel:?} {one:?} {other:?}");
    }
}

#[test]
fn huge_and_tiny_rows_have_directions() {
    let dense = [3e38, 3e38, 0.0, 1e-40, 1e-40, 0.0, 3e38, -3e38, 1.0, 0.0, 0.0, 2e-45];
    let matrix = CsrMatrix::from_dense(&dense, 4, 3).unwrap();
    let space =
        SparseRows::new(matrix.view(), SparseKernel::Values(Form::Angular { centered: false }), Level::detect());
    let mut found = [0.0; 4];
    space.one_to_many(0, &[0, 1, 2, 3], &mut found);
    assert!(found.iter().zip([0.0, 0.0, 1.0, 1.0]).all(|(f, t)| (f - t).abs() < 1e-4), "{found:?}");
    for i in 0..4 {
        let row = matrix.view().row(i);
        assert_eq!(space.decode(i as u32), (row.indices.to_vec(), row.values.to_vec()));
    }
}

#[test]
fn more_columns_than_16_bits_are_counted() {
    let n = 70_000u32;
    let matrix = CsrMatrix::new(1 << 20, (0..=n as usize).collect(), (0..n).collect(), vec![1.0; n as usize]).unwrap();
    let small = matrix.select(&[0, 1, 2]);
    let mut space = SparseRows::new(small.view(), SparseKernel::Values(Form::Manhattan), Level::detect());
    assert!(matches!(space.numbers, Numbers::Narrow(_)));
    space.push(matrix.view());
    assert!(matches!(space.numbers, Numbers::Wide(_)));
    let mut found = [0.0; 3];
    space.one_to_many(1, &[1, 4, n + 2], &mut found);
    assert_eq!(found, [0.0, 0.0, 2.0]);
}

#[test]
fn a_space_takes_no_more_than_the_matrix() {
    let n = 2000;
    let dense: Vec<f32> = (0..n * 300).map(|i| if i * 7919 % 13 == 0 { (i % 17) as f32 + 1.0 } else { 0.0 }).collect();
    let matrix = CsrMatrix::from_dense(&dense, n, 300).unwrap();
    let given = matrix.view().nnz() * 8 + n * 8;
    for kernel in kernels() {
        let rows = SparseRows::new(matrix.view(), kernel, Level::detect());
        assert!(rows.memory() <= bytes(matrix.view(), kernel) && rows.memory() < given, "{kernel:?} {}", rows.memory());
        let space = SparseRows::new(matrix.view(), kernel, Level::detect());
        assert_eq!((space.n(), space.splits_by_direction()), (n, kernel == SparseKernel::Values(Form::Inner)));
        assert!(space.describe().starts_with("sparse rows of 300 columns of 16 bits"), "{}", space.describe());
    }
}
