//! Criterion benches of whole builds and of their stages: `cargo bench -p nndescent-benches`.
//!
//! Stages are told apart by parameters: trees without rounds (forest and leaf joins), rounds without trees (local
//! joins), all pairs.

mod data;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use data::{DIM, N, data};
use nndescent::index::SearchScratch;
use nndescent::{Algorithm, IndexOptions, Metric, NnDescent, Points, SearchOptions, exact};

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
    bench("exact, euclidean", &|| drop(exact::graph(&points, &Metric::Euclidean, 15, false).expect("a graph")));
    let graph = builder(Metric::Euclidean).n_neighbors(30).graph(&points).expect("a graph").graph;
    let index = || IndexOptions::new().index(&points, &Metric::Euclidean, &graph).expect("an index");
    bench("prepare", &|| drop(index()));
    let index = index();
    bench("10000 queries at once", &|| drop(index.query(&points, 10, &SearchOptions::new()).expect("answers")));
    bench("10000 queries one by one", &|| {
        let (mut scratch, options) = (SearchScratch::new(), SearchOptions::new());
        for query in data.chunks(DIM) {
            index.nearest_with(&mut scratch, query, 10, &options).expect("an answer");
        }
    });
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
