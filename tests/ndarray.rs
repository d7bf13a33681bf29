//! Points from `ndarray` views.

use ndarray::Array2;
use nndescent::{Metric, NnDescent, Points};

#[test]
fn views_are_points() {
    let array = Array2::from_shape_fn((50, 3), |(i, j)| (i * 7 % 13 * (j + 1)) as f32);
    let points = Points::from_ndarray(array.view()).unwrap();
    assert_eq!((points.n(), points.dim()), (50, 3));
    let slice = array.as_slice().unwrap();
    let build = |p: &Points| NnDescent::new(Metric::Euclidean).n_neighbors(4).graph(p).unwrap().graph;
    assert_eq!(build(&points), build(&Points::dense(slice, 50, 3).unwrap()));
}

#[test]
fn other_layouts_are_refused() {
    let array = Array2::<f32>::zeros((50, 3));
    let message = Points::from_ndarray(array.t()).unwrap_err().to_string();
    let expected = "the array of shape 3 x 50 is not contiguous in row-major order: call `.as_standard_layout()` first";
    assert_eq!(message, expected);
}

#[test]
fn graphs_are_arrays() {
    let graph = NnDescent::new(Metric::Euclidean).n_neighbors(2);
    let graph = graph.graph(&Points::dense(&[0.0f32, 1.0, 3.0, 7.0], 4, 1).unwrap()).unwrap().graph;
    assert_eq!(graph.ids_array(), ndarray::array![[1, 2], [0, 2], [1, 0], [2, 1]]);
    assert_eq!(graph.distances_array(), ndarray::array![[1.0, 3.0], [1.0, 2.0], [2.0, 3.0], [4.0, 6.0]]);
}
