//! The session on the CPU: points in working order, rows, and what happens to them.

use std::time::Instant;

use rayon::prelude::*;

use super::fill::{fill_known, fill_random};
use super::leaf_join::leaf_join;
use super::local_join::local_join;
use super::neighborhoods::{Caps, Neighborhoods, rows_at_once};
use super::regroup::{graph_order, renumber_rows};
use super::scratch::ScratchPool;
use crate::error::BuildError;
use crate::executor::finish::Finishing;
use crate::executor::{Executor, RoundStats, Session, Tick};
use crate::forest;
use crate::graph::locality::places;
use crate::graph::order::{EMPTY, fresh, joined};
use crate::graph::owned_rows::OwnedRows;
use crate::graph::rows::{RowTable, insert};
use crate::graph::{KnnGraph, UNKNOWN};
use crate::metric::simd::Level;
use crate::metric::{Direct, Form};
use crate::params::Plan;
use crate::points::Dense;
use crate::problem::{Problem, Searched};
use crate::space::Space;
use crate::space::recompute::Recompute;
use crate::space::{byte_differences, byte_rows, float_rows};

/// Runs everything on the CPU, in the rayon pool it is called from.
pub(crate) struct CpuExecutor;

/// Peak bytes beyond the input: points in working order, rows and order throughout, and the most of what comes and goes
/// beside them.
pub(crate) fn estimate_memory(problem: &Problem, plan: &Plan) -> u64 {
    let n = problem.n() as u64;
    let (space, codes) = match problem.searched {
        Searched::Dense(points, direct) => dense_memory(&points, direct.form()),
        Searched::Rows(rows) => (rows.bytes(), 0),
    };
    let caps = caps(plan);
    let forward = plan.width.min(caps.forward) as u64;
    let width = (plan.width + plan.others() / 4) as u64;

    let tree = n * 20;
    let regroup = n * 13;
    let round =
        n * 4 * (1 + forward + caps.reverse as u64) + n.min(rows_at_once(n as usize) as u64) * (8 * forward + 8);
    let output = n * (8 * plan.n_neighbors as u64 + DIRECTIONS);
    let sample = if plan.recall_sample > 0 { codes + n * (4 + DIRECTIONS) } else { 0 };
    space + n * (8 * width + 8) + tree.max(regroup).max(round).max(output).max(sample)
}

/// Bytes of dense points in working order, and of their codes.
fn dense_memory(points: &Dense, form: Form) -> (u64, u64) {
    let float = float_rows::bytes(points, form) as u64;
    let codes = if byte_rows::suits(points, form) { byte_rows::bytes(points) as u64 } else { 0 };
    (if codes > 0 && byte_rows::is_exact(points, form) { codes } else { float.max(codes) }, codes)
}

/// Lengths and means of a row in recomputation, as base and as query.
const DIRECTIONS: u64 = 16;

pub(crate) fn caps(plan: &Plan) -> Caps {
    Caps { forward: plan.max_candidates, reverse: plan.max_candidates.div_ceil(2) }
}

pub(crate) struct CpuSession<'p> {
    problem: Problem<'p>,
    plan: Plan,
    space: Box<dyn Space + 'p>,
    /// The point that stands at each place of the working order.
    order: Vec<u32>,
    /// The place of each point.
    place: Vec<u32>,
    rows: RowTable,
    pool: ScratchPool,
    init_distances: u64,
    trees_grown: u64,
}

impl Executor for CpuExecutor {
    fn open<'p>(
        &self,
        problem: &Problem<'p>,
        plan: &Plan,
        init_graph: Option<&KnnGraph>,
        tick: Tick,
    ) -> Result<Box<dyn Session + 'p>, BuildError> {
        Ok(Box::new(CpuSession::open(problem, plan, init_graph, tick)?))
    }

    fn exact(&self, problem: &Problem, plan: &Plan, tick: Tick) -> Result<(KnnGraph, String), BuildError> {
        Ok((crate::exact::graph_of(problem, plan, tick)?, super::describe()))
    }
}

/// Points in working order.
pub(crate) struct Settled<'p> {
    pub space: Box<dyn Space + 'p>,
    /// Whether the space holds rounded codes, so that rows have to be longer while they are built.
    pub rounded: bool,
    /// The point that stands at each place.
    pub order: Vec<u32>,
    /// The bounds of the first tree's leaves in that order; none without trees.
    pub bounds: Option<Vec<u32>>,
}

/// Puts the points in the order of the first tree's leaves, so that near points are near in memory, as byte codes where
/// these serve.
pub(crate) fn settle<'p>(problem: &Problem<'p>, plan: &Plan) -> Settled<'p> {
    let (points, direct) = match problem.searched {
        Searched::Dense(points, direct) => (points, direct),
        Searched::Rows(rows) => return settle_rows(rows.space(), plan),
    };
    let (points, form, level) = (&points, direct.form(), Level::detect());
    if byte_differences::suits(points, form) {
        return settle_coded(points, direct, plan, byte_differences::space(points, level));
    }
    if byte_rows::suits(points, form) {
        let codes = (byte_rows::space(points, form, level), byte_rows::is_exact(points, form));
        return settle_coded(points, direct, plan, codes);
    }
    settle_rows(float_rows::space(points, form, level), plan)
}

/// Keeps codes if they are the values, or if they reproduce the distances of near points.
fn settle_coded<'p>(
    points: &Dense,
    direct: Direct,
    plan: &Plan,
    (codes, is_exact): (Box<dyn Space>, bool),
) -> Settled<'p> {
    let floats = || float_rows::space(points, direct.form(), Level::detect());
    if is_exact {
        return settle_rows(codes, plan);
    }
    if plan.n_trees == 0 {
        drop(codes);
        return settle_rows(floats(), plan);
    }
    let leaves = forest::tree(&*codes, plan.leaf_size, plan.seed, 0);
    let serve = byte_rows::serves(&Recompute::new(direct, points, points), &*codes, &leaves);
    let mut space = if serve {
        codes
    } else {
        drop(codes);
        floats()
    };
    space.renumber(&leaves.ids);
    Settled { space, rounded: serve, order: leaves.ids, bounds: Some(leaves.bounds) }
}

fn settle_rows<'p>(mut space: Box<dyn Space + 'p>, plan: &Plan) -> Settled<'p> {
    if plan.n_trees == 0 {
        let order = (0..space.n() as u32).collect();
        return Settled { space, rounded: false, order, bounds: None };
    }
    let leaves = forest::tree(&*space, plan.leaf_size, plan.seed, 0);
    space.renumber(&leaves.ids);
    Settled { space, rounded: false, order: leaves.ids, bounds: Some(leaves.bounds) }
}

impl<'p> CpuSession<'p> {
    /// What [`Executor::open`] opens.
    pub(crate) fn open(
        problem: &Problem<'p>,
        plan: &Plan,
        init_graph: Option<&KnnGraph>,
        tick: Tick,
    ) -> Result<Self, BuildError> {
        let mut settled = settle(problem, plan);
        let bounds = settled.bounds.take();
        let mut session = Self::empty(problem, plan, settled);
        if let Some(bounds) = bounds {
            let ids: Vec<u32> = (0..problem.n() as u32).collect();
            session.init_distances += leaf_join(&*session.space, &ids, &bounds, &mut session.rows, &session.pool);
            session.trees_grown = 1;
        }
        session.init_distances += session.take_over(init_graph);
        session.grow_trees(tick)?;
        if session.trees_grown > 1 {
            session.regroup();
        }
        session.init_distances += fill_random(&*session.space, &mut session.rows, session.plan.seed);
        Ok(session)
    }

    /// A session whose rows hold nobody yet.
    pub(crate) fn empty(problem: &Problem<'p>, plan: &Plan, settled: Settled<'p>) -> Self {
        let Settled { space, rounded, order, .. } = settled;
        let mut plan = plan.clone();
        if rounded {
            plan.width = plan.width.max(plan.others() + plan.others() / 4).min(problem.n() - 1);
        }
        Self {
            problem: *problem,
            space,
            place: places(&order),
            order,
            rows: RowTable::new(problem.n(), plan.width),
            pool: ScratchPool::new(),
            init_distances: 0,
            trees_grown: 0,
            plan,
        }
    }

    /// The points as they are compared, and which one stands at each place.
    pub(crate) fn working_order(&self) -> (&dyn Space, &[u32]) {
        (&*self.space, &self.order)
    }

    /// The same, and the rows.
    pub(crate) fn working_rows(&mut self) -> (&dyn Space, &[u32], &mut RowTable) {
        (&*self.space, &self.order, &mut self.rows)
    }

    /// Takes over the rows of a graph of the points `part`, each of them named once. Neighbours that rows do not hold yet
    /// count as new, or as joined already.
    pub(crate) fn merge(&mut self, part: &[u32], graph: &KnnGraph, new: bool) {
        let Self { space, place, rows, .. } = self;
        let at = |point: u32| place[point as usize];
        let owned = OwnedRows::new(&mut rows.slots, rows.width);
        part.par_iter().enumerate().with_min_len(64).for_each(|(i, &point)| {
            let ids: Vec<u32> = graph.neighbors(i).iter().map(|&p| at(part[p as usize])).collect();
            let mut distances = vec![0.0; ids.len()];
            space.one_to_many(at(point), &ids, &mut distances);
            // SAFETY: no other task has the row, as the part names each point once.
            let row = unsafe { owned.row(at(point)) };
            for (&id, &d) in ids.iter().zip(&distances) {
                insert(row, if new { fresh(d, id) } else { joined(fresh(d, id)) });
            }
        });
        self.init_distances += (part.len() * graph.k()) as u64;
    }

    /// Brings merged rows to where [`Executor::open`] leaves its own: with `init_graph`, complete, in their own order.
    pub(crate) fn complete(&mut self, init_graph: Option<&KnnGraph>) {
        self.init_distances += self.take_over(init_graph);
        self.regroup();
        self.init_distances += fill_random(&*self.space, &mut self.rows, self.plan.seed);
        // Those of the parts.
        self.trees_grown = self.plan.n_trees as u64;
    }

    /// Takes the order that the graph itself suggests.
    fn regroup(&mut self) {
        let order = graph_order(&self.rows);
        renumber_rows(&mut self.rows, &order);
        self.space.renumber(&order);
        self.order = order.iter().map(|&at| self.order[at as usize]).collect();
        self.place = places(&self.order);
    }

    /// Puts the known entries of a graph into the rows.
    fn take_over(&mut self, graph: Option<&KnnGraph>) -> u64 {
        let Some(graph) = graph else { return 0 };
        let (order, place) = (&self.order, &self.place);
        fill_known(&*self.space, &mut self.rows, |i, ids| {
            let known = graph.neighbors(order[i] as usize).iter().filter(|p| **p != UNKNOWN);
            ids.extend(known.map(|&p| place[p as usize]));
        })
    }

    /// Grows and joins trees until there are as many as planned.
    fn grow_trees(&mut self, tick: Tick) -> Result<(), BuildError> {
        while self.trees_grown < self.plan.n_trees as u64 {
            tick(self.trees_grown as f32 / self.plan.n_trees as f32)?;
            let leaves = forest::tree(&*self.space, self.plan.leaf_size, self.plan.seed, self.trees_grown);
            self.init_distances += leaf_join(&*self.space, &leaves.ids, &leaves.bounds, &mut self.rows, &self.pool);
            self.trees_grown += 1;
        }
        tick(1.0)
    }

    fn finishing(&self) -> Finishing<'_> {
        Finishing::new(&self.problem, &self.plan, &self.order, &self.rows)
    }
}

impl Session for CpuSession<'_> {
    fn init_distances(&self) -> u64 {
        self.init_distances
    }

    fn describe(&self) -> String {
        format!("cpu: {} threads, {}", rayon::current_num_threads(), self.space.describe())
    }

    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn round(&mut self, tick: Tick) -> Result<RoundStats, BuildError> {
        tick(0.0)?;
        let start = Instant::now();
        let near = Neighborhoods::take(&mut self.rows, caps(&self.plan));
        let (updates, distances) = local_join(&*self.space, &near, &mut self.rows, &self.pool);
        tick(1.0)?;
        Ok(RoundStats { updates, distances, seconds: start.elapsed().as_secs_f64(), traffic: None })
    }

    fn widen(&mut self, plan: &Plan, tick: Tick) -> Result<(), BuildError> {
        let old = std::mem::replace(&mut self.rows, RowTable::new(self.problem.n(), plan.width));
        self.plan = plan.clone();
        for (to, from) in self.rows.slots.chunks_exact_mut(plan.width).zip(old.slots.chunks_exact(old.width)) {
            for (to, &from) in to.iter_mut().zip(from) {
                *to = if from == EMPTY { EMPTY } else { joined(from) | 1 };
            }
        }
        drop(old);
        self.grow_trees(tick)?;
        self.init_distances += fill_random(&*self.space, &mut self.rows, plan.seed);
        Ok(())
    }

    fn peek(&self, points: &[u32]) -> Result<KnnGraph, BuildError> {
        Ok(self.finishing().rows_of(points, &self.place))
    }

    fn finish(self: Box<Self>, tick: Tick) -> Result<KnnGraph, BuildError> {
        tick(0.0)?;
        let Self { problem, plan, order, rows, space, pool, .. } = *self;
        // Nothing is rounded, and if the points are dense, they are searched as they were given.
        let are_true = space.is_exact() && (problem.dense().is_none() || problem.direct().is_some());
        // Else final distances are computed from the points as given, which may take as much memory again.
        drop((space, pool));
        let finishing = if are_true {
            Finishing::of_true(&plan, &order, &rows)
        } else {
            Finishing::new(&problem, &plan, &order, &rows)
        };
        let graph = finishing.graph();
        tick(1.0)?;
        Ok(graph)
    }
}
