//! Self-tests of a device.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::GpuSession;
use crate::dataset::Problem;
use crate::error::GpuError;
use crate::executor::device_work::DeviceWork;
use crate::executor::gpu::blocks::{Block, Stretch};
use crate::executor::gpu::device::Gpu;
use crate::executor::gpu::device_rows::DeviceRows;
use crate::executor::gpu::encoding::Encoding;
use crate::executor::gpu::kernels::{Kernel, Slot};
use crate::executor::gpu::matrices;
use crate::graph::order::{EMPTY, distance, id};
use crate::graph::rows::RowTable;
use crate::metric::{KernelMetric, Metric};
use crate::params::Plan;
use crate::points::{Dense, DenseValues};

/// Rows that are compared with the CPU's.
const CHECKED: usize = 16;

/// The least scale of a row, relative to that of all rows: copies of each other are at distances that are rounding
/// alone.
const UNITS: f32 = 1e-3;

/// Distances from which on sums may leave the range of f32 on the way.
const LARGE: f64 = 1e18;

/// Updates for each row from which on some row must have changed.
const MANY_UPDATES: u64 = 8;

/// Columns that a row is compared with at a time.
const COMPARED: usize = 1 << 15;

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
        let all = Stretch::of_points(0, self.order.len() as u32, 0);
        self.write_slot(Slot::ListIds, bytemuck::cast_slice(&self.order.clone()))?;
        self.pairs_of(&self.resources.layout.exact_blocks(&all, &all).concat())
    }

    /// The distances of blocks.
    fn pairs_of(&mut self, blocks: &[Block]) -> Result<Vec<f32>, GpuError> {
        let (tiles, _) = self.write_tiles(blocks)?;
        self.write_slot(Slot::Blocks, bytemuck::cast_slice(blocks))?;
        let mut pairs = vec![0.0; blocks.iter().map(Block::pairs).sum()];
        self.make_room(Slot::Pairs, 4 * pairs.len() as u64)?;
        self.run("a self-test", |this, encoder| this.record(encoder, this.pair_kernel(), tiles))?;
        self.gpu.read_words("a self-test", &self.resources.buffers[&Slot::Pairs], &mut pairs, |pairs, words| {
            pairs.iter_mut().zip(words).for_each(|(d, &word)| *d = f32::from_bits(word));
        })?;
        Ok(pairs)
    }

    /// Compares a few rows with the CPU's: a driver that computes something else is found before it matters. `kernel`
    /// wrote them last.
    pub(in super::super) fn check_rows(&self, kernel: Kernel) -> Result<(), GpuError> {
        self.check_first_rows(self.order.len(), kernel)
    }

    /// Same, of the first `count` rows.
    pub(super) fn check_first_rows(&self, count: usize, kernel: Kernel) -> Result<(), GpuError> {
        let (places, rows) = (checked(count), self.read_checked(count)?);
        let compared = places.zip(0..).map(|(place, i)| self.checked_row(place, rows.row(i))).collect();
        self.check(kernel, compared)
    }

    /// A row of the device, to be compared. Distances of codes are those of the CPU's codes.
    fn checked_row(&self, place: usize, row: &[u64]) -> CheckedRow {
        let kept = || row.iter().filter(|slot| **slot != EMPTY);
        // Whatever a driver returned, it is not an index before it was checked.
        let point_at = |place: u32| self.order.get(place as usize).copied().unwrap_or(u32::MAX);
        let point = self.order[place];
        let space = self.space.as_ref().filter(|_| self.rounded);
        let to_true = |reduced| if space.is_some() { reduced } else { self.rows.to_true(reduced) };
        let others = kept().map(|&s| (point_at(id(s)), to_true(distance(s)))).collect();
        let all_there = kept().all(|&s| (id(s) as usize) < self.order.len());
        let right = space.filter(|_| all_there).map(|space| {
            let places: Vec<u32> = kept().map(|&s| id(s)).collect();
            let mut right = vec![0.0; places.len()];
            space.one_to_many(place as u32, &places, &mut right);
            right
        });
        CheckedRow { point, others, right }
    }

    /// The rows that are checked, of the first `count`.
    pub(super) fn read_checked(&self, count: usize) -> Result<RowTable, GpuError> {
        self.read_rows_at(&checked(count).map(|place| place as u32).collect::<Vec<_>>())
    }

    /// Whether some row has changed, if many neighbours are said to have entered rows since the session opened.
    pub(super) fn check_changes(&self) -> Result<(), GpuError> {
        let n = self.order.len();
        let Some(before) = self.checked.as_ref().filter(|_| self.updates >= MANY_UPDATES * n as u64) else {
            return Ok(());
        };
        let ids = |rows: &RowTable| rows.slots.iter().map(|&slot| id(slot)).collect::<Vec<u32>>();
        if ids(before) != ids(&self.read_checked(n)?) {
            return Ok(());
        }
        Err(GpuError::WrongResult {
            adapter: self.gpu.name().to_owned(),
            kernel: Kernel::LocalJoin.name(),
            row: self.order[0] as usize,
            got: "what was there before".into(),
            expected: format!("some of {} updates", self.updates),
        })
    }

    /// Same, for the rows of the finished graph: `others` points and distances for every point.
    pub(super) fn check_finished(&self, points: &[u32], distances: &[f32]) -> Result<(), GpuError> {
        let others = self.plan.others();
        let row = |point: usize| {
            let span = point * others..(point + 1) * others;
            let others = points[span.clone()].iter().copied().zip(distances[span].iter().copied()).collect();
            CheckedRow { point: point as u32, others, right: None }
        };
        self.check(Kernel::Recompute, checked(self.order.len()).map(row).collect())
    }

    /// Whether neighbours are ascending, distinct and not the point itself, and their distances right.
    fn check(&self, kernel: Kernel, rows: Vec<CheckedRow>) -> Result<(), GpuError> {
        let wrong = |row: u32, got, expected| {
            let (adapter, kernel) = (self.gpu.name().to_owned(), kernel.name());
            Err(GpuError::WrongResult { adapter, kernel, row: row as usize, got, expected })
        };
        let (truth, mut compared, mut exact) = (self.rows.truth(), Vec::new(), Vec::new());
        for CheckedRow { point, others, right } in &rows {
            if let Some(what) = out_of_order(*point, others, self.order.len()) {
                return wrong(*point, what, "ascending distances of distinct other points".into());
            }
            let ids: Vec<u32> = others.iter().map(|(other, _)| *other).collect();
            let right = right.clone().unwrap_or_else(|| {
                truth.distances(*point as usize, &ids, &mut exact);
                exact.iter().map(|&d| d as f32).collect()
            });
            compared.push(others.iter().map(|(_, got)| *got).zip(right).collect());
        }
        match first_wrong(&compared, self.rows.tolerance()) {
            Some((row, got, right)) => wrong(rows[row].point, format!("a distance of {got}"), right.to_string()),
            None => Ok(()),
        }
    }

    /// The error for a distance that kernels found not to be finite, of the row at `place`. None if the metric itself
    /// leaves the range of f32 there.
    pub(super) fn not_finite(&mut self, during: &'static str, place: usize) -> Result<Option<GpuError>, GpuError> {
        let (row, column) = (self.order[place] as usize, self.column_not_finite(place)?);
        if let (Some(column), false) = (column, matches!(self.rows, DeviceRows::Own(..))) {
            let mut right = Vec::new();
            self.rows.truth().distances(row, &[column as u32], &mut right);
            if right[0].is_nan() || right[0].abs() > LARGE {
                return Ok(None);
            }
        }
        Ok(Some(GpuError::NotFinite { adapter: self.gpu.name().to_owned(), during, row, column }))
    }

    /// The first point at a distance from the one at `place` that is not finite, by the kernel of pairs. None while the
    /// device holds part of the points.
    fn column_not_finite(&mut self, place: usize) -> Result<Option<usize>, GpuError> {
        let n = self.order.len();
        if self.resources.layout.sizes.n < n {
            return Ok(None);
        }
        let ids: Vec<u32> = (0..n as u32).collect();
        self.write_slot(Slot::ListIds, bytemuck::cast_slice(&ids))?;
        let own = Stretch::of_points(place as u32, 1, place as u32);
        let mut found = Vec::new();
        for first in ids.iter().step_by(COMPARED) {
            let columns = Stretch::of_points(*first, (n as u32 - first).min(COMPARED as u32), *first);
            let distances = self.pairs_of(&self.resources.layout.exact_blocks(&own, &columns).concat())?;
            let points = &self.order[*first as usize..];
            found.extend(distances.iter().zip(points).filter(|(d, _)| !d.is_finite()).map(|(_, p)| *p as usize));
        }
        found.retain(|&point| point != self.order[place] as usize);
        Ok(found.into_iter().min())
    }
}

/// A row as the device has it: other points and their distances, and what is right where that is not the true distance.
struct CheckedRow {
    point: u32,
    others: Vec<(u32, f32)>,
    right: Option<Vec<f32>>,
}

/// Rows that are compared with the CPU's, spread over all.
fn checked(n: usize) -> impl Iterator<Item = usize> {
    let count = CHECKED.min(n);
    (0..count).map(move |i| i * n / count)
}

/// What is wrong with the order of a row's neighbours.
fn out_of_order(point: u32, row: &[(u32, f32)], n: usize) -> Option<String> {
    let mut seen = HashSet::from([point]);
    if let Some((other, _)) = row.iter().find(|(other, _)| *other as usize >= n || !seen.insert(*other)) {
        return Some(format!("neighbour {other}, which is the point itself, met before or none"));
    }
    let at = row.windows(2).find(|pair| pair[0].1.partial_cmp(&pair[1].1).is_none_or(Ordering::is_gt))?;
    Some(format!("a distance of {} before {}", at[0].1, at[1].1))
}

/// The first distance that is too far from the right one, and its row.
fn first_wrong(rows: &[Vec<(f32, f32)>], tolerance: f32) -> Option<(usize, f32, f32)> {
    let least = UNITS * median(rows.iter().flatten()).unwrap_or(1.0);
    rows.iter().enumerate().find_map(|(row, compared)| {
        let scale = median(compared.iter()).unwrap_or_default().max(least);
        let is_right =
            |(got, right): (f32, f32)| got == right || (got - right).abs() <= tolerance * right.abs().max(scale);
        compared.iter().copied().find(|&pair| !is_right(pair)).map(|(got, right)| (row, got, right))
    })
}

/// The median size of the right distances that are not 0.
fn median<'a>(compared: impl Iterator<Item = &'a (f32, f32)>) -> Option<f32> {
    let mut sizes: Vec<f32> = compared.map(|(_, right)| right.abs()).filter(|size| *size > 0.0).collect();
    let middle = sizes.len() / 2;
    sizes.sort_unstable_by(f32::total_cmp);
    sizes.get(middle).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_distances_are_found_at_any_scale() {
        let first_wrong = |rows: &[Vec<(f32, f32)>]| first_wrong(rows, 1e-3);
        for scale in [1e-20, 1e-5, 1.0, 1e20] {
            let row =
                |last: f32| vec![(0.0, 0.0), (scale, scale), (2.0 * scale * 1.0005, 2.0 * scale), (last, 3.0 * scale)];
            assert_eq!(first_wrong(&[row(3.0 * scale)]), None);
            // A row of other units beside it hides nothing.
            let beside: Vec<(f32, f32)> = row(3.0 * scale).iter().map(|(d, e)| (50.0 * d, 50.0 * e)).collect();
            for wrong in [3.01 * scale, 0.0, f32::NAN, f32::INFINITY, f32::MAX] {
                let found = first_wrong(&[beside.clone(), row(wrong)]);
                assert!(found.is_some_and(|(row, ..)| row == 1), "{wrong} instead of {}", 3.0 * scale);
            }
        }
        // Sums that cancel, and copies beside other rows.
        assert_eq!(first_wrong(&[vec![(1e-7, 0.0), (0.5, 0.5), (0.7, 0.7)]]), None);
        assert_eq!(first_wrong(&[vec![(1e-7, 0.0), (1e-7, 2e-7)], vec![(0.5, 0.5); 9]]), None);
        assert_eq!(first_wrong(&[vec![(f32::INFINITY, f32::INFINITY)]]), None);
    }

    #[test]
    fn rows_out_of_order_are_found() {
        let said = |row: &[(u32, f32)]| out_of_order(7, row, 10);
        assert_eq!(said(&[(1, 0.5), (2, 0.5), (9, 0.75)]), None);
        for row in [[(1, 0.5), (1, 0.5)], [(7, 0.0), (1, 0.5)], [(1, 0.5), (10, 0.75)], [(1, 0.5), (2, 0.25)]] {
            assert!(said(&row).is_some(), "{row:?}");
        }
        assert!(said(&[(1, f32::NAN), (2, 1.0)]).is_some());
    }

    #[test]
    fn checked_rows_are_spread_over_all() {
        assert_eq!(checked(3).collect::<Vec<_>>(), [0, 1, 2]);
        let places: Vec<usize> = checked(1_000_000).collect();
        assert_eq!((places.len(), places[0], places[15]), (16, 0, 937_500));
    }
}
