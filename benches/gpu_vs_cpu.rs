//! The same builds on the CPU and on every GPU: `cargo bench -p nndescent-benches --bench gpu_vs_cpu`. Software
//! adapters are left out unless `NNDESCENT_BENCH_SOFTWARE` is set; `nndescent bench` prints phases, rates and recall.

mod data;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use data::{DIM, N, data};
use nndescent::gpu::{AdapterKind, adapters};
use nndescent::{Algorithm, BuildReport, Device, GpuSelector, Metric, NnDescent, Points};

fn gpu_vs_cpu(c: &mut Criterion) {
    let data = data();
    let points = Points::dense(&data, N, DIM).expect("finite values");
    let software = std::env::var_os("NNDESCENT_BENCH_SOFTWARE").is_some();
    let gpus = adapters().into_iter().filter(|a| software || a.kind != AdapterKind::Software);
    let gpus = gpus.map(|a| (a.name.clone(), Device::Gpu(GpuSelector::Index(a.index))));
    let devices: Vec<(String, Device)> = std::iter::once(("cpu".into(), Device::Cpu)).chain(gpus).collect();
    let mut group = c.benchmark_group(format!("{N} x {DIM}"));
    group.throughput(Throughput::Elements(N as u64)).sample_size(10);
    for (name, device) in &devices {
        for (what, algorithm) in [("nndescent", Algorithm::NnDescent), ("exact", Algorithm::Exact)] {
            let builder =
                NnDescent::new(Metric::Euclidean).algorithm(algorithm).device(device.clone()).recall_sample(0);
            group.bench_function(BenchmarkId::new(what, name), |b| b.iter(|| builder.graph(&points).expect("a graph")));
            if *device != Device::Cpu {
                phases(&builder.time_kernels(true).graph(&points).expect("a graph").report);
            }
        }
    }
    group.finish();
}

/// Where the time of one more build went.
fn phases(report: &BuildReport) {
    for time in &report.device_phases {
        println!("    {}: {:.1?}, waited {:.1?}, device {:.1?}", time.phase, time.elapsed, time.waited, time.device);
    }
    for (round, stats) in (1..).zip(&report.rounds) {
        println!("    round {round}: {:.1?}, device {:.1?}", stats.elapsed, stats.device);
    }
}

criterion_group!(benches, gpu_vs_cpu);
criterion_main!(benches);
