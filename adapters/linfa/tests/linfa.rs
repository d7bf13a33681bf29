//! As linfa uses it.

use linfa::traits::Transformer;
use linfa_clustering::Dbscan;
use linfa_nn::distance::{Distance, L1Dist, L2Dist, LInfDist, LpDist};
use linfa_nn::{BuildError, CommonNearestNeighbour, NearestNeighbour, NnError};
use ndarray::{Array1, Array2, ArrayView, Dimension};
use nndescent_linfa::NnDescentSearch;

/// Heaps of points, far from each other, and some strays.
fn heaps(n: usize) -> Array2<f64> {
    let mut state = 9u64;
    let mut random = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as f64 / (1u64 << 31) as f64
    };
    Array2::from_shape_fn(
        (n, 5),
        |(i, _)| if i % 50 == 0 { random() * 400.0 } else { (i % 7) as f64 * 40.0 + random() * 4.0 },
    )
}

fn compare<D: Distance<f64>>(distance: D) {
    let points = heaps(2000);
    let ours = NnDescentSearch::default().from_batch(&points, distance.clone()).unwrap();
    let theirs = CommonNearestNeighbour::LinearSearch.from_batch(&points, distance).unwrap();
    let (mut same, mut within, mut expected) = (0, 0, 0);
    for i in (0..2000).step_by(37) {
        let query = points.row(i).mapv(|v| v + 0.1);
        let ids =
            |found: Vec<(ndarray::ArrayView1<f64>, usize)>| found.into_iter().map(|f| f.1).collect::<Vec<usize>>();
        let (a, b) = (ids(ours.k_nearest(query.view(), 10).unwrap()), ids(theirs.k_nearest(query.view(), 10).unwrap()));
        assert_eq!(a.len(), 10);
        same += a.iter().filter(|id| b.contains(id)).count();
        let (a, b) =
            (ids(ours.within_range(query.view(), 1.5).unwrap()), ids(theirs.within_range(query.view(), 1.5).unwrap()));
        assert!(a.iter().all(|id| b.contains(id)), "beyond the range");
        within += a.len();
        expected += b.len();
    }
    assert!(same as f64 >= 0.99 * 550.0, "{same} of 550");
    assert!(within as f64 >= 0.99 * expected as f64, "{within} of {expected}");
}

#[test]
fn every_distance_of_linfa() {
    compare(L1Dist);
    compare(L2Dist);
    compare(LInfDist);
    compare(LpDist(3.0));
}

/// No metric of ours.
#[derive(Clone)]
struct Twice;

impl Distance<f64> for Twice {
    fn distance<D: Dimension>(&self, a: ArrayView<f64, D>, b: ArrayView<f64, D>) -> f64 {
        2.0 * L2Dist.distance(a, b) + 1.0
    }
}

#[test]
fn other_distances_are_searched_linearly() {
    compare(Twice);
}

#[test]
fn dbscan_runs_on_it() {
    let points = heaps(3000);
    let clusters = |labels: Array1<Option<usize>>| {
        let count = labels.iter().flatten().max().map_or(0, |m| m + 1);
        (count, labels)
    };
    let (ours, our_labels) =
        clusters(Dbscan::params_with(5, L2Dist, NnDescentSearch::default()).tolerance(3.0).transform(&points).unwrap());
    let (theirs, their_labels) = clusters(
        Dbscan::params_with(5, L2Dist, CommonNearestNeighbour::KdTree).tolerance(3.0).transform(&points).unwrap(),
    );
    assert_eq!((ours, theirs), (7, 7));
    let same = our_labels.iter().zip(&their_labels).filter(|(a, b)| a == b).count();
    assert!(same >= 2995, "{same} of 3000 labels");
}

#[test]
fn mistakes_are_linfas_errors() {
    let points = heaps(300);
    let empty = Array2::<f64>::zeros((10, 0));
    let search = NnDescentSearch::default();
    assert!(matches!(search.from_batch(&empty, L2Dist), Err(BuildError::ZeroDimension)));
    assert!(matches!(search.from_batch_with_leaf_size(&points, 0, L2Dist), Err(BuildError::EmptyLeaf)));
    let index = search.from_batch(&points, L2Dist).unwrap();
    let narrow = Array1::<f64>::zeros(3);
    assert!(matches!(index.k_nearest(narrow.view(), 2), Err(NnError::WrongDimension)));
    assert!(matches!(index.within_range(narrow.view(), 2.0), Err(NnError::WrongDimension)));
    assert_eq!(index.k_nearest(points.row(0), 1000).unwrap().len(), 300);
    assert_eq!(index.k_nearest(points.row(0), 0).unwrap().len(), 0);
}
