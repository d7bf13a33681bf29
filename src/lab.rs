//! throw-away measurements
use std::time::Instant;
use crate::executor::cpu::{*, space::Space, scratch::ScratchPool, neighborhoods::*};
use crate::graph::{rows::RowTable, order};
use crate::metric::{Metric, simd::Level};
use crate::points::Points;
use rayon::prelude::*;
pub fn run(data: &[f32], n: usize, dim: usize, k: usize, trees: u64, leaf: usize, caps: (usize, usize), rounds: usize, bytes: bool, truth: &[u32], sample: &[u32]) {
    let points = Points::dense(data, n, dim).unwrap();
    let t0 = Instant::now();
    let form = Metric::Euclidean.form();
    let level = Level::detect();
    let mut space: Box<dyn Space> = if bytes { byte_rows::space(points.as_dense(), form, level) } else { float_rows::space(points.as_dense(), form, level) };
    println!("space {:.3} {}", t0.elapsed().as_secs_f64(), space.describe());
    let t = Instant::now();
    let forest: Vec<_> = (0..trees).map(|i| crate::forest::tree(&*space, leaf, 1, i)).collect();
    println!("forest {:.3} leaves {} of avg {}", t.elapsed().as_secs_f64(), forest[0].bounds.len() - 1, n / (forest[0].bounds.len() - 1));
    let t = Instant::now();
    let order: Vec<u32> = forest[0].ids.clone();
    let mut place = vec![0u32; n];
    for (i, &o) in order.iter().enumerate() { place[o as usize] = i as u32; }
    space.renumber(&order);
    println!("renumber {:.3}", t.elapsed().as_secs_f64());
    let t = Instant::now();
    let mut rows = RowTable::new(n, k);
    let pool = ScratchPool::new();
    let recall = |rows: &RowTable| {
        let mut hit = 0;
        let kk = truth.len() / sample.len();
        for (s, &i) in sample.iter().enumerate() {
            let found: Vec<u32> = rows.row(place[i as usize] as usize).iter().filter(|x| **x != order::EMPTY).map(|&x| order[order::id(x) as usize]).collect();
            hit += truth[s * kk..(s + 1) * kk].iter().filter(|x| found.contains(x)).count();
        }
        hit as f64 / truth.len() as f64
    };
    let mut pairs = 0;
    for leaves in &forest {
        let ids: Vec<u32> = leaves.ids.par_iter().map(|&i| place[i as usize]).collect();
        pairs += leaf_join::leaf_join(&*space, &ids, &leaves.bounds, &mut rows, &pool);
    }
    println!("leaf join {:.3} pairs {:.1}M recall {:.4} | total {:.3}", t.elapsed().as_secs_f64(), pairs as f64 / 1e6, recall(&rows), t0.elapsed().as_secs_f64());
    for r in 0..rounds {
        let t = Instant::now();
        let near = Neighborhoods::take(&mut rows, Caps { forward: caps.0, reverse: caps.1 });
        let ta = t.elapsed().as_secs_f64();
        let (u, d) = local_join::local_join(&*space, &near, &mut rows, &pool);
        pairs += d;
        println!("round {r} {:.3} (near {:.3}) updates {:.2}M distances {:.1}M recall {:.4} | total {:.3} pairs {:.1}M", t.elapsed().as_secs_f64(), ta, u as f64 / 1e6, d as f64 / 1e6, recall(&rows), t0.elapsed().as_secs_f64(), pairs as f64 / 1e6);
    }
}
