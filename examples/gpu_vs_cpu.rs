//! The same graph by the CPU and by a GPU of this machine, side by side, and which of them `Auto` takes, and why.
//!
//! ```text
//! cargo run --release --example gpu_vs_cpu [ROWS [COLUMNS]]
//! ```

use nndescent::{Built, Device, KnnGraph, Metric, NnDescent, Points, gpu, recall};

const K: usize = 15;
/// Rows of a cluster.
const CLUSTER: usize = 250;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1).map(|word| word.parse::<usize>());
    let (n, dim) = (words.next().transpose()?.unwrap_or(50_000), words.next().transpose()?.unwrap_or(96));
    let data = clusters(n, dim);
    let points = Points::dense(&data, n, dim)?;

    let adapters = gpu::adapters();
    println!("{} GPUs", adapters.len());
    adapters.iter().for_each(|adapter| println!("  {adapter}: driver {}", adapter.driver));
    println!("\n{n} x {dim}, {K} neighbours each\n");
    println!("| device | first build | second build | recall, estimated |");
    println!("|---|---|---|---|");
    let cpu = build("cpu", &points, Device::Cpu)?;
    // The first build on a GPU opens it and compiles kernels.
    match build("gpu", &points, Device::Gpu(nndescent::GpuSelector::Any)) {
        Ok(gpu) => {
            println!("\nran on {} and on {}", cpu.report.executor, gpu.report.executor);
            println!("shared neighbours: {:.4}", shared(&cpu.graph, &gpu.graph)?);
        }
        Err(error) => println!("| gpu | {error} | | |"),
    }
    let auto = NnDescent::new(Metric::Euclidean).n_neighbors(K).device(Device::Auto).graph(&points)?;
    println!("\n`Device::Auto` takes {}", auto.report.executor);
    auto.report.reasons.iter().for_each(|reason| println!("  {reason}"));
    Ok(())
}

/// Builds twice, and prints a line of the table.
fn build(name: &str, points: &Points, device: Device) -> Result<Built, Box<dyn std::error::Error>> {
    let builder = NnDescent::new(Metric::Euclidean).n_neighbors(K).device(device);
    let (first, second) = (builder.graph(points)?, builder.graph(points)?);
    let seconds = |built: &Built| built.report.times.build().as_secs_f64();
    let estimate = second.report.recall.map_or(f64::NAN, |recall| recall.estimate);
    println!("| {name} | {:.3} s | {:.3} s | {estimate:.4} |", seconds(&first), seconds(&second));
    Ok(second)
}

/// The share of neighbours that both graphs hold.
fn shared(a: &KnnGraph, b: &KnnGraph) -> Result<f64, recall::RecallError> {
    recall::recall_by_id(a, b, K)
}

/// Rows around centres, uniform in a few directions.
fn clusters(n: usize, dim: usize) -> Vec<f32> {
    let mut state = 7u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let mut data = Vec::with_capacity(n * dim);
    for _ in 0..n.div_ceil(CLUSTER) {
        let centre: Vec<f32> = (0..dim).map(|_| 10.0 * uniform()).collect();
        let axes: Vec<f32> = (0..6 * dim).map(|_| uniform() - 0.5).collect();
        for _ in 0..CLUSTER.min(n - data.len() / dim) {
            let along: Vec<f32> = (0..6).map(|_| uniform()).collect();
            let value = |c: usize| centre[c] + (0..6).map(|a| along[a] * axes[a * dim + c]).sum::<f32>();
            data.extend((0..dim).map(value));
        }
    }
    data
}
