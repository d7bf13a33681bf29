//! Generated points.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Points on `clusters` low-dimensional patches.
pub fn patches(n: usize, dim: usize, clusters: usize, seed: u64) -> Vec<f32> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut normal = move || (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
    let inner = 5;
    let bases: Vec<Vec<f32>> = (0..clusters).map(|_| (0..(inner + 1) * dim).map(|_| normal()).collect()).collect();
    let mut out = Vec::with_capacity(n * dim);
    for i in 0..n {
        let basis = &bases[i % clusters];
        let at: Vec<f32> = (0..inner).map(|_| normal()).collect();
        for d in 0..dim {
            let along: f32 = (0..inner).map(|c| at[c] * basis[c * dim + d]).sum();
            out.push(along + 3.0 * basis[inner * dim + d] + 0.05 * normal());
        }
    }
    out
}
