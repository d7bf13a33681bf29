//! Generated rows for `nndescent bench`, the same on every machine.

use rayon::prelude::*;

/// Clusters of 500 rows, each a patch of eight dimensions.
pub fn clusters(n: usize, dim: usize) -> Vec<f32> {
    const INNER: usize = 8;
    let clusters = n.div_ceil(500);
    let mut random = Random(1);
    let bases: Vec<f32> = (0..clusters * INNER * dim).map(|_| random.normal() / (INNER as f32).sqrt()).collect();
    let centers: Vec<f32> = (0..clusters * dim).map(|_| random.normal()).collect();
    let mut values = Vec::with_capacity(n * dim);
    for _ in 0..n {
        let cluster = (random.uniform() * clusters as f32) as usize % clusters;
        let inner: [f32; INNER] = std::array::from_fn(|_| (1.3 * random.normal()).sin());
        for j in 0..dim {
            let patch = (0..INNER).map(|a| inner[a] * bases[(cluster * INNER + a) * dim + j]).sum::<f32>();
            values.push(centers[cluster * dim + j] + patch + 0.05 * random.normal());
        }
    }
    values
}

/// Centres of the flat cloud, and the dimensions that its rows spread over.
const CENTERS: usize = 4096;
const SPREAD: usize = 24;

/// A cloud of overlapping clusters: 4,096 centres that are nearer to each other than rows are to their centre.
pub fn flat(n: usize, dim: usize) -> Vec<f32> {
    let mut random = Random(2);
    let centers: Vec<f32> = (0..CENTERS * dim).map(|_| 0.7 * random.normal()).collect();
    let directions: Vec<f32> = (0..SPREAD * dim).map(|_| 0.35 * random.normal()).collect();
    let mut values = vec![0f32; n * dim];
    values.par_chunks_mut(dim).enumerate().for_each(|(i, row)| {
        let mut random = Random((i as u64).wrapping_mul(0xd1b5_4a32_d192_ed03));
        let center = (random.uniform() * CENTERS as f32) as usize % CENTERS;
        let along: [f32; SPREAD] = std::array::from_fn(|_| random.normal());
        for (j, value) in row.iter_mut().enumerate() {
            let spread = (0..SPREAD).map(|a| along[a] * directions[a * dim + j]).sum::<f32>();
            *value = centers[center * dim + j] + spread + 0.25 * random.normal();
        }
    });
    values
}

/// Values as bytes: the smallest is 0, the largest 255.
pub fn bytes(values: &[f32]) -> Vec<u8> {
    let (least, largest) = values.iter().fold((f32::MAX, f32::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
    let step = 255.0 / (largest - least).max(f32::MIN_POSITIVE);
    values.par_iter().map(|v| ((v - least) * step) as u8).collect()
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) >> 40) as f32 / (1u64 << 24) as f32
    }

    /// About normal: the sum of four uniform numbers.
    fn normal(&mut self) -> f32 {
        ((0..4).map(|_| self.uniform()).sum::<f32>() - 2.0) * 3f32.sqrt()
    }
}
