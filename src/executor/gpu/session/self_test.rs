//! Self-tests of a device.

use super::GpuSession;
use crate::dataset::Problem;
use crate::error::GpuError;
use crate::executor::device_work::DeviceWork;
use crate::executor::gpu::blocks::Stretch;
use crate::executor::gpu::device::Gpu;
use crate::executor::gpu::device_rows::DeviceRows;
use crate::executor::gpu::encoding::Encoding;
use crate::executor::gpu::kernels::Slot;
use crate::executor::gpu::matrices;
use crate::graph::order::{EMPTY, distance, id};
use crate::metric::{KernelMetric, Metric};
use crate::params::Plan;
use crate::points::{Dense, DenseValues};

/// Rows that are compared with the CPU's.
const CHECKED: usize = 16;

/// Largest difference of two sums in f32, relative to the right one or to the median of all, whichever is larger: near
/// zero, subtraction cancels.
const TOLERANCE: f32 = 1e-3;

impl GpuSession<'_> {
    /// The side of the cooperative matrices to use, or the reason why not. None where they are not asked for or not
    /// applicable.
    pub(super) fn choose_matrices(
        gpu: &Gpu,
        problem: &Problem,
        plan: &Plan,
        encoding: Encoding,
    ) -> Option<Result<u32, String>> {
        let (true, Some((_, direct))) = (encoding.is_dots(), problem.dense()) else { return None };
        let tested = |side| {
            let test = || Self::test_matrices(gpu, problem.metric, plan, (encoding, direct, side));
            gpu.matrices_tested(encoding, side, test).map(|()| side)
        };
        gpu.limits.matrices.map(|offered| offered.map_err(str::to_owned).and_then(tested))
    }

    /// Compares the distances of a few rows, computed by cooperative matrices, with those of the plain kernel.
    fn test_matrices(
        gpu: &Gpu,
        metric: &Metric,
        plan: &Plan,
        (encoding, direct, side): (Encoding, KernelMetric, u32),
    ) -> Result<(), String> {
        let values = matrices::tested_rows(encoding);
        let rows = match encoding {
            Encoding::I8Dots => DenseValues::I8(bytemuck::cast_slice(&values)),
            _ => DenseValues::U8(&values),
        };
        let rows = Dense::trusted(rows, matrices::TESTED_ROWS, matrices::TESTED_COLUMNS);
        let problem = Problem::of_part(rows, direct, metric);
        let plan = Plan { time_kernels: false, ..plan.clone() };
        let pairs = |side| {
            let mut gpu = gpu.again();
            gpu.limits.matrices = None;
            let (n, rows) = (problem.n(), DeviceRows::of(&problem)?);
            let mut session = GpuSession::with_room(gpu, &problem, rows, &plan, (n, &[], &DeviceWork::default()))?;
            session.resources.layout = session.resources.layout.with_matrices(side);
            session.place_points((0..n as u32).collect());
            session.upload(0, &session.order)?;
            session.all_pairs()
        };
        let compared = pairs(0).and_then(|plain| Ok(plain == pairs(side)?));
        match compared.map_err(|e: GpuError| e.to_string())? {
            true => Ok(()),
            false => Err("they compute other distances than the plain kernel".into()),
        }
    }

    /// The distances of all rows to all.
    fn all_pairs(&mut self) -> Result<Vec<f32>, GpuError> {
        let n = self.order.len();
        let all = Stretch::of_points(0, n as u32, 0);
        let blocks = self.resources.layout.exact_blocks(&all, &all).concat();
        let (tiles, _) = self.write_tiles(&blocks)?;
        self.write_slot(Slot::ListIds, bytemuck::cast_slice(&self.order.clone()))?;
        self.write_slot(Slot::Blocks, bytemuck::cast_slice(&blocks))?;
        self.make_room(Slot::Pairs, 4 * n.pow(2) as u64)?;
        self.run("a self-test", |this, encoder| this.record(encoder, this.pair_kernel(), tiles))?;
        let mut pairs = vec![0.0; n.pow(2)];
        self.gpu.read_words("a self-test", &self.resources.buffers[&Slot::Pairs], &mut pairs, |pairs, words| {
            pairs.iter_mut().zip(words).for_each(|(d, &word)| *d = f32::from_bits(word));
        })?;
        Ok(pairs)
    }

    /// Compares distances of a few rows with the CPU's: a driver that computes something else is found before it
    /// matters.
    pub(in super::super) fn check_rows(&self) -> Result<(), GpuError> {
        let checked = CHECKED.min(self.order.len());
        let rows = self.read_first_rows(checked)?;
        let truth = self.rows.truth();
        let mut compared: Vec<(f32, f32)> = Vec::new();
        for i in 0..checked {
            let known = || rows.row(i).iter().filter(|s| **s != EMPTY);
            let places: Vec<u32> = known().map(|&s| id(s)).collect();
            if let (true, Some(space)) = (self.are_codes, &self.space) {
                let mut right = vec![0.0; places.len()];
                space.one_to_many(i as u32, &places, &mut right);
                compared.extend(known().map(|&s| distance(s)).zip(right));
                continue;
            }
            let ids: Vec<u32> = places.iter().map(|&place| self.order[place as usize]).collect();
            let mut right = Vec::new();
            truth.distances(self.order[i] as usize, &ids, &mut right);
            compared.extend(known().map(|&s| self.rows.to_true(distance(s))).zip(right.iter().map(|&d| d as f32)));
        }
        match first_wrong(&compared) {
            Some((got, right)) => Err(GpuError::WrongResult {
                adapter: self.gpu.name().to_owned(),
                got: format!("a distance of {got}"),
                expected: right.to_string(),
            }),
            None => Ok(()),
        }
    }
}

/// The first distance that is too far from the right one.
fn first_wrong(compared: &[(f32, f32)]) -> Option<(f32, f32)> {
    let mut sizes: Vec<f32> = compared.iter().map(|(_, right)| right.abs()).filter(|size| *size > 0.0).collect();
    sizes.sort_unstable_by(f32::total_cmp);
    let scale = sizes.get(sizes.len() / 2).copied().unwrap_or(1.0);
    let is_right = |(got, right): (f32, f32)| got == right || (got - right).abs() <= TOLERANCE * right.abs().max(scale);
    compared.iter().copied().find(|&pair| !is_right(pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_distances_are_found_at_any_scale() {
        for scale in [1e-20, 1e-5, 1.0, 1e20] {
            let pairs =
                |last: f32| [(0.0, 0.0), (scale, scale), (2.0 * scale * 1.0005, 2.0 * scale), (last, 3.0 * scale)];
            assert_eq!(first_wrong(&pairs(3.0 * scale)), None);
            for wrong in [3.01 * scale, 0.0, f32::NAN, f32::INFINITY, f32::MAX] {
                assert!(first_wrong(&pairs(wrong)).is_some(), "{wrong} instead of {}", 3.0 * scale);
            }
        }
        // Sums that cancel.
        assert_eq!(first_wrong(&[(1e-7, 0.0), (0.5, 0.5), (0.7, 0.7)]), None);
        assert_eq!(first_wrong(&[(f32::INFINITY, f32::INFINITY)]), None);
    }
}
