//! `nndescent index`.

use std::path::PathBuf;
use std::time::Instant;

use nndescent::Prepare;

use crate::failure::Failure;
use crate::input::{pool, read_matrix};

#[derive(clap::Args)]
pub struct Arguments {
    input: PathBuf,
    #[arg(long)]
    queries: PathBuf,
    #[arg(long)]
    truth: PathBuf,
    #[arg(long)]
    graph: PathBuf,
    #[arg(short, default_value_t = 10)]
    k: usize,
    #[arg(long, default_value_t = 1.5)]
    multiplier: f32,
    #[arg(long, default_value_t = 1.0)]
    prob: f32,
    #[arg(long, default_value = "auto", value_parser = crate::graph::parse::<nndescent::Quantization>)]
    quantization: nndescent::Quantization,
    #[command(flatten)]
    metric: crate::input::MetricArguments,
}

pub fn run(a: &Arguments) -> Result<(), Failure> {
    let pool = pool(Some(2))?;
    pool.install(|| {
        let m = read_matrix(&a.input, None)?;
        let q = read_matrix(&a.queries, None)?;
        let truth = nndescent::io::read_graph(&a.truth)?;
        let graph = nndescent::io::read_graph(&a.graph)?;
        let (p, q) = (m.points().unwrap(), q.points().unwrap());
        let t = Instant::now();
        let index = Prepare::new()
            .pruning_degree_multiplier(a.multiplier)
            .diversify_prob(a.prob)
            .quantization(a.quantization)
            .index(&p, a.metric.metric()?, &graph)
            .unwrap();
        println!(
            "{index:?} prepare {:.3} s, {:.2} edges a row",
            t.elapsed().as_secs_f64(),
            index.n_edges() as f64 / index.n() as f64
        );
        for e in [0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4] {
            let mut best = f64::INFINITY;
            let mut hits = None;
            for _ in 0..3 {
                let t = Instant::now();
                hits = Some(index.query(&q, a.k).epsilon(e).run().unwrap());
                best = best.min(t.elapsed().as_secs_f64());
            }
            let h = hits.unwrap();
            let t = h.total();
            let found = nndescent::KnnGraph::from_parts(q.n(), a.k, h.indices, h.distances);
            let r = nndescent::eval::recall(&found, &truth, a.k).unwrap();
            println!(
                "eps {e:.2} recall {r:.4} {:8.0} q/s {:6.1} distances {:5.1} hops",
                q.n() as f64 / best,
                t.distances as f64 / q.n() as f64,
                t.hops as f64 / q.n() as f64
            );
        }
        Ok(())
    })
}
