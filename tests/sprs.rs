//! Sparse rows from `sprs` matrices.

use nndescent::{Csr, CsrMatrix, Metric, Points, PointsError, exact};
use sprs::{CsMatI, SpIndex, TriMatI};

fn triplets<I: SpIndex>() -> TriMatI<f32, I> {
    let mut triplets = TriMatI::new((3, 5));
    triplets.add_triplet(2, 4, 3.0);
    triplets.add_triplet(0, 1, 1.0);
    triplets.add_triplet(0, 3, -2.0);
    triplets
}

fn expected() -> CsrMatrix {
    CsrMatrix::new(5, vec![0, 2, 2, 3], vec![1, 3, 4], vec![1.0, -2.0, 3.0]).unwrap()
}

#[test]
fn sprs_matrices_are_rows() {
    let matrix: CsMatI<f32, u32, usize> = triplets::<u32>().to_csr();
    let csr = Csr::from_sprs(matrix.view()).unwrap();
    let expected = expected();
    assert_eq!((csr.n(), csr.dim(), csr.nnz()), (3, 5, 3));
    assert!((0..3).all(|i| csr.row(i) == expected.view().row(i)));
    assert_eq!(CsrMatrix::from_sprs(matrix.view()), Ok(expected.clone()));
    let wide: CsMatI<f32, usize> = triplets::<usize>().to_csr();
    assert_eq!(CsrMatrix::from_sprs(wide.view()), Ok(expected.clone()));
    let columns: CsMatI<f32, u32, usize> = triplets::<u32>().to_csc();
    assert_eq!(CsrMatrix::from_sprs(columns.view()), Ok(expected));
    let message = Csr::from_sprs(columns.view()).unwrap_err().to_string();
    assert_eq!(message, "the matrix of 3 x 5 is stored by columns: call `.to_csr()` first");
}

#[test]
fn views_of_some_rows_are_copied() {
    let matrix: CsMatI<f32, u32, usize> = triplets::<u32>().to_csr();
    let last = matrix.slice_outer(1..3);
    assert_eq!(CsrMatrix::from_sprs(last), Ok(expected().select(&[1, 2])));
    assert_eq!(Csr::from_sprs(last).unwrap_err(), PointsError::IndptrStart { first: 2 });
}

#[test]
fn graphs_are_sprs_matrices() {
    let points = Points::dense(&[0.0f32, 1.0, 1.0, 7.0], 4, 1).unwrap();
    let matrix = exact::graph(&points, &Metric::Euclidean, 2, false).unwrap().to_sprs();
    assert_eq!((matrix.shape(), matrix.nnz()), ((4, 4), 8));
    assert_eq!(matrix.get(1, 2), Some(&0.0), "distances of zero are stored");
    assert_eq!((matrix.get(3, 1), matrix.get(3, 0)), (Some(&6.0), None));
}
