//! Builds stay within the memory that `estimate_memory` says.

mod common {
    pub mod counting;
}

use common::counting;
use nndescent::{Algorithm, CsrMatrix, Metric, NnDescent, Points};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Peak memory of a build, and the estimate.
fn peak_and_estimate<E: nndescent::Element>(data: &[E], dim: usize, metric: Metric) -> (usize, usize) {
    peak_and_estimate_of(&NnDescent::new(metric), data, dim)
}

fn peak_and_estimate_of<E: nndescent::Element>(builder: &NnDescent, data: &[E], dim: usize) -> (usize, usize) {
    let points = Points::dense(data, data.len() / dim, dim).unwrap();
    let builder = builder.clone().algorithm(Algorithm::NnDescent);
    let estimate = builder.estimate_memory(&points).unwrap() as usize;
    let peak = counting::peak_of(|| {
        let built = builder.graph(&points).unwrap();
        assert_eq!(built.graph.n(), points.n());
    });
    (peak, estimate)
}

#[test]
fn peaks_keep_to_the_estimate() {
    let (n, dim) = (10_000, 512);
    let bytes: Vec<u8> =
        (0..n * dim).map(|i| ((i / dim % 50 * 4) as u64 + ((i as u64 * 0x9e37_79b9) >> 20) % 23) as u8).collect();
    let floats: Vec<f32> = bytes.iter().map(|&b| f32::from(b) * 0.3).collect();
    let checks = [
        ("bytes", peak_and_estimate(&bytes, dim, Metric::Euclidean)),
        ("bytes, manhattan", peak_and_estimate(&bytes, dim, Metric::Manhattan)),
        ("floats", peak_and_estimate(&floats, dim, Metric::Euclidean)),
        ("floats, cosine", peak_and_estimate(&floats, dim, Metric::Cosine)),
        ("floats, manhattan", peak_and_estimate(&floats, dim, Metric::Manhattan)),
        ("bytes, in parts", peak_and_estimate_of(&NnDescent::new(Metric::Euclidean).part_rows(6000), &bytes, dim)),
        ("floats, in parts", peak_and_estimate_of(&NnDescent::new(Metric::Manhattan).part_rows(3000), &floats, dim)),
    ];
    for (name, (peak, estimate)) in checks {
        // Scratch space of threads, and the sample of the recall estimate, take a megabyte or two.
        assert!(peak <= estimate + (2 << 20), "{name}: {peak} bytes, {estimate} estimated");
        assert!(peak * 3 >= estimate, "{name}: {peak} bytes, only, {estimate} estimated");
    }
    sparse_rows_take_little_beside_themselves();
    #[cfg(feature = "io")]
    pieces_beyond_memory_keep_to_their_limit(&bytes, dim);
    let as_bytes = checks[0].1.0;
    assert!(as_bytes < n * dim * 4, "byte data is never held as f32: {as_bytes}");
}

/// Texts of about 70 words: at most 2.5 times the matrix, the given one included, and the graph.
fn sparse_rows_take_little_beside_themselves() {
    let (n, dim, k) = (20_000, 18_000u32, 15);
    let mut rng = StdRng::seed_from_u64(3);
    let (mut indptr, mut indices) = (vec![0], Vec::new());
    for i in 0..n {
        let topic = i as u32 % 100 * 170;
        let mut words: Vec<u32> = (0..40).map(|_| topic + rng.random_range(0..170)).collect();
        words.extend((0..40).map(|_| rng.random_range(0..dim)));
        words.sort_unstable();
        words.dedup();
        indices.extend(words);
        indptr.push(indices.len());
    }
    let values = indices.iter().map(|_| rng.random_range(0.1..1.0)).collect();
    let matrix = CsrMatrix::new(dim as usize, indptr, indices, values).unwrap();
    let (arrays, graph) = (8 * matrix.view().nnz() + 8 * (n + 1), 8 * n * k);
    let builder = NnDescent::new(Metric::Cosine).n_neighbors(k).algorithm(Algorithm::NnDescent);
    let peak = counting::peak_of(|| {
        let recall = builder.graph(&Points::from(matrix.view())).unwrap().report.recall.unwrap();
        assert!(recall.estimate > 0.9, "{recall:?}");
    });
    let allowed = arrays * 5 / 2 + graph;
    assert!(arrays + peak <= allowed, "{arrays} bytes of rows and {peak} of their graph's build, {allowed} allowed");
}

/// Each piece of a build beyond memory: of the limit, 32 MiB are for what is no array, of which scratch space of threads
/// takes a part.
#[cfg(feature = "io")]
fn pieces_beyond_memory_keep_to_their_limit(rows: &[u8], dim: usize) {
    use nndescent::out_of_core::{PartSize, build_part, estimate_recall, merge, partition, refine, write_graph};
    use std::ops::ControlFlow;

    let folder = tempfile::tempdir().unwrap();
    let (input, work) = (folder.path().join("x.u8bin"), folder.path().join("w"));
    let header = [rows.len() / dim, dim].map(|size| (size as u32).to_le_bytes()).concat();
    std::fs::write(&input, [&header[..], rows].concat()).unwrap();
    let (limit, arrays) = (36 << 20, 4 << 20);
    assert!(rows.len() > arrays);
    let builder = NnDescent::new(Metric::Euclidean).n_neighbors(5).n_trees(2).algorithm(Algorithm::NnDescent);
    let watch = |_: f32| ControlFlow::Continue(());
    let within = |name: &str, peak: usize| assert!(peak <= arrays + (1 << 20), "{name}: {peak} of {arrays} bytes");
    let mut plan = None;
    let divide = || partition(&input, &work, &builder, PartSize::Memory(limit), 2, &watch).unwrap();
    within("partition", counting::peak_of(|| plan = Some(divide())));
    let plan = plan.unwrap();
    assert!(plan.parts() > 4);
    for part in 0..plan.parts() {
        within("part", counting::peak_of(|| drop(build_part(&plan, part, &plan.builder()).unwrap())));
    }
    within("merge", counting::peak_of(|| merge(&plan, limit, &watch).unwrap()));
    within("refine", counting::peak_of(|| assert!(refine(&plan, limit, &watch).is_ok())));
    within("recall", counting::peak_of(|| assert!(estimate_recall(&plan, 64, limit, &watch).unwrap().estimate > 0.0)));
    within("write", counting::peak_of(|| write_graph(&plan, folder.path().join("g.npz"), &watch).unwrap()));
}
