//! Points for benches.

pub const N: usize = 10_000;
pub const DIM: usize = 64;

/// Patches of 6 dimensions around 50 centres.
pub fn data() -> Vec<f32> {
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
