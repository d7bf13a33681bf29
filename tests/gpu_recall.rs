//! Recall of a device beside the CPU's, with defaults: at most a thousandth less.

use crate::gpu::{ONE_AT_A_TIME, device};
use nndescent::{Algorithm, Device, Metric, NnDescent, Points, exact, recall};

/// Recall on the CPU and on the device.
fn recalls(points: &Points, metric: &Metric, k: usize, device: &Device) -> [f64; 2] {
    let truth = exact::graph(points, metric, k, false).unwrap();
    [&Device::Cpu, device].map(|device| {
        let builder = NnDescent::new(metric.clone()).n_neighbors(k).algorithm(Algorithm::NnDescent).recall_sample(0);
        let built = builder.device(device.clone()).graph(points).unwrap();
        assert_eq!(built.report.executor.is_gpu(), *device != Device::Cpu, "{}", built.report.executor);
        recall::recall(&built.graph, &truth, k).unwrap()
    })
}

fn check(name: &str, points: &Points, metric: &Metric, k: usize) {
    let Some(device) = device() else { return };
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let [cpu, gpu] = recalls(points, metric, k, &device);
    eprintln!("{name}, {metric}, k={k}: {cpu:.4} on the CPU, {gpu:.4} on the device");
    assert!(gpu >= cpu - 0.001, "{name}, {metric}: {gpu} on the device, {cpu} on the CPU");
}

/// Bytes without structure, in 3,000 rows of 64: trees leave so much to find that the CPU grows more of them.
#[test]
fn hard_data_gets_as_many_trees_as_on_the_cpu() {
    const DIM: usize = 64;
    let mut state = 1u64;
    let bytes: Vec<u8> = (0..3000 * DIM)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect();
    let points = Points::dense(&bytes, 3000, DIM).unwrap();
    check("bytes without structure", &points, &Metric::Euclidean, 10);
    check("bytes without structure", &points, &Metric::Cosine, 10);
}

/// Real sets, as many rows as software does in seconds.
#[cfg(feature = "io")]
#[test]
fn real_data_has_the_recall_of_the_cpu() {
    use crate::common::data::file;
    use nndescent::io;
    let sets = [
        ("bigann10k/base.bvecs", None, Metric::Euclidean, 10_000),
        ("fashion-mnist/t10k-images-idx3-ubyte.gz", None, Metric::Euclidean, 4_000),
        ("word2vec/word2vec_100d.npz", Some("base"), Metric::Cosine, 6_000),
        ("cities/latlon_degrees.npy", None, Metric::Euclidean, 10_000),
    ];
    for (name, array, metric, rows) in sets {
        let Some(path) = file(name) else { continue };
        let matrix = io::read_matrix(&path, array).unwrap();
        let (n, dim) = (rows.min(matrix.n), matrix.dim);
        let points = match &matrix.values {
            io::Values::U8(values) => Points::dense(&values[..n * dim], n, dim),
            io::Values::F32(values) => Points::dense(&values[..n * dim], n, dim),
            other => panic!("{name}: {other:?}"),
        };
        check(name, &points.unwrap(), &metric, 15);
    }
}
