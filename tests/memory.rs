//! A build keeps to the memory that `estimate_memory` says.

#[path = "common/counting.rs"]
mod counting;

use nndescent::{Algorithm, Metric, NnDescent, Points};

/// What a build takes at its peak, and what was estimated.
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
        // Scratch of threads, and the sample of the recall estimate, are a megabyte or two.
        assert!(peak <= estimate + (2 << 20), "{name}: {peak} bytes, {estimate} estimated");
        assert!(peak * 3 >= estimate, "{name}: {peak} bytes, only, {estimate} estimated");
    }
    let as_bytes = checks[0].1.0;
    assert!(as_bytes < n * dim * 4, "byte data is never held as f32: {as_bytes}");
}
