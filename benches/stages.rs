//! Criterion benches of whole builds and of their stages: `cargo bench`.
//!
//! Stages are told apart by parameters: trees without rounds (forest and leaf joins), rounds without trees (local joins), all
//! pairs.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use nndescent::{Algorithm, Metric, NnDescent, Points, exact};

const N: usize = 10_000;
const DIM: usize = 64;

/// Patches of 6 dimensions around 50 centres.
fn data() -> Vec<f32> {
    let mut state = 1u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let bases: Vec<f32> = (0..50 * 7 * DIM).map(|_| uniform()).collect();
    let mut out = Vec::with_capacity(N * DIM);
    for i in 0..N {
        let basis = &bases[i % 50 * 7 * DIM..][..7 * DIM];
        let at: Vec<f32> = (0..6).map(|_| uniform()).collect();
        out.extend((0..DIM).map(|d| {
            let along: f32 = at.iter().enumerate().map(|(c, a)| a * basis[c * DIM + d]).sum();
            along + 2.0 * basis[6 * DIM + d] + 0.02 * uniform()
        }));
    }
    out
}

fn stages(c: &mut Criterion) {
    let data = data();
    let points = Points::dense(&data, N, DIM).expect("finite values");
    let builder = |metric| NnDescent::new(metric).algorithm(Algorithm::NnDescent).recall_sample(0);
    let mut group = c.benchmark_group("10000 x 64");
    group.throughput(Throughput::Elements(N as u64)).sample_size(10);
    let mut bench = |name: &str, run: &dyn Fn()| {
        group.bench_function(name, |b| b.iter_batched(|| (), |()| run(), BatchSize::PerIteration));
    };
    let build = |b: &NnDescent| drop(b.graph(&points).expect("a graph"));
    bench("forest and leaf joins", &|| build(&builder(Metric::Euclidean).n_iters(0)));
    bench("local joins from random rows", &|| build(&builder(Metric::Euclidean).n_trees(0)));
    bench("whole build, euclidean", &|| build(&builder(Metric::Euclidean)));
    bench("whole build, cosine", &|| build(&builder(Metric::Cosine)));
    bench("whole build, manhattan", &|| build(&builder(Metric::Manhattan)));
    bench("exact, euclidean", &|| drop(exact::graph(&points, Metric::Euclidean, 15, false).expect("a graph")));
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
