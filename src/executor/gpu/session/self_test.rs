//! Whether a device computes what it should.

use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;

use super::GpuSession;
use crate::dataset::Problem;
use crate::error::GpuError;
use crate::executor::gpu::data::DeviceRows;
use crate::executor::gpu::layout::Stretch;
use crate::executor::gpu::matrices;
use crate::executor::gpu::shaders::Slot;
use crate::executor::gpu::stored::Stored;
use crate::graph::order::{EMPTY, distance, id};
use crate::metric::KernelMetric;
use crate::params::Plan;
use crate::points::{Dense, DenseValues};

/// Rows that are compared with the CPU's.
const CHECKED: usize = 16;

/// Relative difference of two sums in f32, in whatever order; absolute below 1, where subtraction cancels.
const TOLERANCE: f32 = 1e-3;

impl GpuSession<'_> {
    /// Takes cooperative matrices for the rows that they serve, where the device has passed the self-test.
    pub(super) fn choose_matrices(&mut self) {
        let (true, Some((_, direct))) = (self.stored.is_dots(), self.problem.dense()) else { return };
        let known = self.gpu.matrices.borrow().get(&self.stored).cloned();
        let found = known.unwrap_or_else(|| {
            let found = self.gpu.allowed.matrices.map_err(str::to_owned);
            found.and_then(|side| self.test_matrices(direct, side).map(|()| side))
        });
        self.gpu.matrices.borrow_mut().insert(self.stored, found.clone());
        // The self-test's sessions had their own.
        self.gpu.bytes.store(self.stage.layout.wanted.bytes(), Relaxed);
        self.stage.layout = self.stage.layout.with_matrices(found.clone().unwrap_or_default());
        self.matrices = Some(found);
    }

    /// Compares the distances of a few rows, computed by cooperative matrices, with those of the plain kernel.
    fn test_matrices(&self, direct: KernelMetric, side: u32) -> Result<(), String> {
        let values = matrices::tested_rows(self.stored);
        let rows = match self.stored {
            Stored::I8Dots => DenseValues::I8(bytemuck::cast_slice(&values)),
            _ => DenseValues::U8(&values),
        };
        let rows = Dense::trusted(rows, matrices::TESTED_ROWS, matrices::TESTED_COLUMNS);
        let problem = Problem::of_part(rows, direct, self.problem.metric);
        let plan = Plan { time_kernels: false, ..self.plan.clone() };
        let pairs = |side| {
            let (n, rows) = (problem.n(), DeviceRows::of(&problem)?);
            let order = (0..n as u32).collect();
            let mut session = GpuSession::with_room(Rc::clone(&self.gpu), &problem, rows, &plan, order, n)?;
            session.stage.layout = session.stage.layout.with_matrices(side);
            session.upload(0, &session.order)?;
            session.all_pairs()
        };
        let compared = pairs(0).and_then(|plain| Ok(plain == pairs(side)?));
        match compared.map_err(|e| e.to_string())? {
            true => Ok(()),
            false => Err("they compute other distances than the plain kernel".into()),
        }
    }

    /// The distances of all rows to all.
    fn all_pairs(&mut self) -> Result<Vec<f32>, GpuError> {
        let n = self.order.len();
        let all = Stretch::of_points(0, n as u32, 0);
        let blocks = self.stage.layout.exact_blocks(&all, &all);
        let (tiles, _) = self.write_tiles(&blocks)?;
        self.write_slot(Slot::ListIds, bytemuck::cast_slice(&self.order.clone()))?;
        self.write_slot(Slot::Blocks, bytemuck::cast_slice(&blocks))?;
        self.make_room(Slot::Pairs, 4 * n.pow(2) as u64)?;
        self.run("a self-test", |this, encoder| this.record(encoder, this.pair_kernel(), tiles))?;
        let mut pairs = Vec::new();
        self.gpu.read("a self-test", &self.stage.buffers[&Slot::Pairs], 4 * n.pow(2) as u64, |_, piece| {
            pairs.extend(bytemuck::pod_collect_to_vec::<u8, f32>(piece));
        })?;
        Ok(pairs)
    }

    /// Compares distances of a few rows with the CPU's: a driver that computes something else is found before it matters.
    pub(in super::super) fn check_rows(&self) -> Result<(), GpuError> {
        let checked = CHECKED.min(self.order.len());
        let rows = self.read_first_rows(checked)?;
        let truth = self.rows.truth();
        let mut right = Vec::new();
        for i in 0..checked {
            let known = || rows.row(i).iter().filter(|s| **s != EMPTY);
            let ids: Vec<u32> = known().map(|&s| self.order[id(s) as usize]).collect();
            truth.distances(self.order[i] as usize, &ids, &mut right);
            let got = known().map(|&s| self.rows.to_true(distance(s)));
            let wrong = got.zip(&right).find(|(got, right)| (got - *right).abs() > TOLERANCE * right.abs().max(1.0));
            if let Some((got, right)) = wrong {
                let (got, expected) = (format!("a distance of {got}"), right.to_string());
                return Err(GpuError::WrongResult { adapter: self.gpu.name.clone(), got, expected });
            }
        }
        Ok(())
    }
}
