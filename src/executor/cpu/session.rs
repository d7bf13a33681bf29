//! The session on the CPU: points in working order and their rows.

use std::time::Instant;

use super::coded_scan::WorkingOrder;
use super::exact;
use super::fill::{fill_known, fill_random};
use super::leaf_join::leaf_join;
use super::leaf_mates::LeafMates;
use super::local_join::local_join;
use super::neighborhoods::{Caps, Neighborhoods};
use super::regroup::{graph_order, renumber_rows};
use super::scratch::ScratchPool;
use crate::dataset::Problem;
use crate::distances::TrueDistances;
use crate::error::BuildError;
use crate::executor::arrange::{Arranged, arrange, plan_for};
use crate::executor::finish::Finisher;
use crate::executor::steps::Steps;
use crate::executor::{Session, Tick};
use crate::forest;
use crate::graph::locality::places;
use crate::graph::order::{EMPTY, fresh, id, joined};
use crate::graph::owned_rows::OwnedRows;
use crate::graph::rows::{RowTable, insert};
use crate::graph::{InitGraph, KnnGraph};
use crate::parallel::for_indices;
use crate::params::Plan;
use crate::report::{ExecutorInfo, RoundStats};
use crate::rows::{DistanceCost, ReducedDistances};

pub(crate) fn caps(plan: &Plan) -> Caps {
    Caps { forward: plan.max_candidates, reverse: plan.max_candidates.div_ceil(2) }
}

/// Trees that are grown at least, if as many are planned.
pub(crate) const FEWEST_TREES: u64 = 3;
/// The share of neighbours of neighbours that shared a leaf from which on rows are nearly done: docs/PERFORMANCE.md,
/// "Easy and hard data".
const EASY: f64 = 0.9;
/// The share up to which more trees pay.
pub(crate) const HARD: f64 = 0.23;
/// What is taken for the share where it is not known.
const MEDIUM: f64 = 0.5;

pub(crate) struct CpuSession<'p> {
    problem: Problem<'p>,
    plan: Plan,
    space: Box<dyn ReducedDistances + 'p>,
    /// The point that stands at each place of the working order.
    order: Vec<u32>,
    /// The place of each point.
    place: Vec<u32>,
    rows: RowTable,
    pool: ScratchPool,
    init_distances: u64,
    trees_grown: u64,
    /// Until rows are widened.
    mates: Option<LeafMates>,
    /// The most neighbours and reverse neighbours that join.
    caps: Caps,
}

impl<'p> CpuSession<'p> {
    /// What [`Executor::open`] opens.
    pub(crate) fn open(
        problem: &Problem<'p>,
        plan: &Plan,
        init_graph: Option<&InitGraph>,
        tick: Tick,
    ) -> Result<Self, BuildError> {
        let mut arranged = arrange(problem, plan);
        let bounds = arranged.bounds.take();
        let mut session = Self::empty(problem, plan, arranged);
        session.mates = plan.adaptive.then(|| LeafMates::new(problem.n(), plan.n_trees + plan.more_trees));
        if let Some(bounds) = bounds {
            let ids: Vec<u32> = (0..problem.n() as u32).collect();
            session.join_leaves(&ids, &bounds, tick)?;
        }
        session.init_distances += session.take_over(init_graph);
        if session.grow_trees(tick)? >= EASY {
            session.caps = session.caps.halved();
        }
        if session.space.distance_cost() == DistanceCost::Little {
            session.mates = None;
        }
        if session.trees_grown > 1 {
            session.regroup();
        }
        session.space.begin_rounds();
        session.init_distances += fill_random(&*session.space, &mut session.rows, session.plan.seed);
        Ok(session)
    }

    /// A session with empty rows.
    pub(crate) fn empty(problem: &Problem<'p>, plan: &Plan, arranged: Arranged<'p>) -> Self {
        let Arranged { space, rounded, order, .. } = arranged;
        let plan = plan_for(plan, rounded, problem.n());
        Self {
            problem: *problem,
            space,
            place: places(&order),
            order,
            rows: RowTable::new(problem.n(), plan.width),
            pool: ScratchPool::new(),
            init_distances: 0,
            trees_grown: 0,
            mates: None,
            caps: caps(&plan),
            plan,
        }
    }

    /// The points as they are compared, and the point at each place.
    pub(crate) fn working_order(&self) -> (&dyn ReducedDistances, &[u32]) {
        (&*self.space, &self.order)
    }

    /// Which point stands at each place, and the rows.
    pub(crate) fn into_rows(self) -> (Vec<u32>, RowTable) {
        (self.order, self.rows)
    }

    /// Takes over the rows of a graph of the points `part`, which are distinct. Neighbours that a row does not have yet
    /// are marked as new, or as joined already.
    pub(crate) fn merge(&mut self, part: &[u32], graph: &KnnGraph, new: bool) {
        let Self { space, place, rows, .. } = self;
        let at = |point: u32| place[point as usize];
        let owned = OwnedRows::new(&mut rows.slots, rows.width);
        for_indices(
            part.len(),
            64,
            || (),
            |(), i| {
                let point = part[i];
                let ids: Vec<u32> = graph.ids(i).iter().map(|&p| at(part[p as usize])).collect();
                let mut distances = vec![0.0; ids.len()];
                space.one_to_many(at(point), &ids, &mut distances);
                // SAFETY: no other task has the row, since the points of a part are distinct.
                let row = unsafe { owned.row(at(point)) };
                for (&id, &d) in ids.iter().zip(&distances) {
                    insert(row, if new { fresh(d, id) } else { joined(fresh(d, id)) });
                }
            },
        );
        self.init_distances += (part.len() * graph.k()) as u64;
    }

    /// Completes merged rows as [`Executor::open`](crate::executor::Executor::open) does its own: `init_graph`, order
    /// by the graph, random neighbours.
    pub(crate) fn complete(&mut self, init_graph: Option<&InitGraph>) {
        self.init_distances += self.take_over(init_graph);
        self.regroup();
        self.space.begin_rounds();
        self.init_distances += fill_random(&*self.space, &mut self.rows, self.plan.seed);
        // The trees of the parts.
        self.trees_grown = self.plan.n_trees as u64;
    }

    /// Renumbers the points by the graph itself.
    fn regroup(&mut self) {
        let order = graph_order(&self.rows);
        renumber_rows(&mut self.rows, &order);
        self.mates.iter_mut().for_each(|mates| mates.renumber(&order));
        self.space.renumber(&order);
        self.order = order.iter().map(|&at| self.order[at as usize]).collect();
        self.place = places(&self.order);
    }

    /// Puts the known entries of a graph into the rows.
    fn take_over(&mut self, graph: Option<&InitGraph>) -> u64 {
        let Some(graph) = graph else { return 0 };
        let (order, place) = (&self.order, &self.place);
        fill_known(&*self.space, &mut self.rows, |i, ids| {
            let known = graph.row(order[i] as usize).iter().filter(|p| **p != KnnGraph::NO_NEIGHBOR);
            ids.extend(known.map(|&p| place[p as usize]));
        })
    }

    /// Grows and joins trees until there are as many as planned: fewer where most that rounds would compare was
    /// compared in them, more where little was. Returns the share of that.
    fn grow_trees(&mut self, tick: Tick) -> Result<f64, BuildError> {
        let planned = self.plan.n_trees as u64;
        loop {
            let share = self.share_met();
            let most = if share > HARD { planned } else { planned + self.plan.more_trees as u64 };
            if share >= EASY || self.trees_grown >= most {
                tick(1.0)?;
                return Ok(share);
            }
            tick((self.trees_grown as f32 / planned as f32).min(1.0))?;
            let leaves = forest::tree(&*self.space, self.plan.leaf_size, self.plan.seed, self.trees_grown);
            self.join_leaves(&leaves.ids, &leaves.bounds, tick)?;
        }
    }

    /// The share of neighbours of neighbours that shared a leaf, as far as trees were grown and leaves remembered.
    fn share_met(&self) -> f64 {
        let mates = self.mates.as_ref().filter(|_| self.trees_grown >= FEWEST_TREES);
        let neighbors = |row: u32| self.rows.row(row as usize).iter().filter(|s| **s != EMPTY).map(|&s| id(s));
        mates.map_or(MEDIUM, |mates| mates.share_met(self.rows.n(), self.plan.seed, neighbors))
    }

    /// Joins the leaves of a tree.
    fn join_leaves(&mut self, ids: &[u32], bounds: &[u32], tick: Tick) -> Result<(), BuildError> {
        let (grown, trees) = (self.trees_grown as f32, self.plan.n_trees.max(1) as f32);
        let in_tree = |fraction: f32| tick(((grown + fraction) / trees).min(1.0));
        let steps = Steps::new(&in_tree, bounds.len() - 1);
        self.init_distances += leaf_join(&*self.space, ids, bounds, &mut self.rows, &self.pool, &steps);
        self.mates.iter_mut().for_each(|mates| mates.add(ids, bounds));
        self.trees_grown += 1;
        steps.end()
    }

    fn finishing(&self) -> Finisher<'_> {
        Finisher::new(&self.problem, &self.plan, &self.order, &self.rows)
    }
}

impl Session for CpuSession<'_> {
    fn init_distances(&self) -> u64 {
        self.init_distances
    }

    fn info(&self) -> ExecutorInfo {
        super::info(self.space.describe())
    }

    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn round(&mut self, tick: Tick) -> Result<RoundStats, BuildError> {
        tick(0.0)?;
        let start = Instant::now();
        let near = Neighborhoods::take(&mut self.rows, self.caps);
        let steps = Steps::new(tick, self.problem.n());
        let (updates, distances) =
            local_join(&*self.space, &near, &mut self.rows, &self.pool, self.mates.as_ref(), &steps);
        steps.end()?;
        tick(1.0)?;
        Ok(RoundStats { updates, distances, elapsed: start.elapsed(), device: None, traffic: None })
    }

    fn widen(&mut self, plan: &Plan, tick: Tick) -> Result<(), BuildError> {
        let old = std::mem::replace(&mut self.rows, RowTable::new(self.problem.n(), plan.width));
        (self.plan, self.mates, self.caps) = (plan.clone(), None, caps(plan));
        for (to, from) in self.rows.slots.chunks_exact_mut(plan.width).zip(old.slots.chunks_exact(old.width)) {
            for (to, &from) in to.iter_mut().zip(from) {
                *to = if from == EMPTY { EMPTY } else { joined(from) | 1 };
            }
        }
        drop(old);
        self.space.begin_trees();
        self.grow_trees(tick)?;
        self.space.begin_rounds();
        self.init_distances += fill_random(&*self.space, &mut self.rows, plan.seed);
        Ok(())
    }

    fn peek(&self, points: &[u32]) -> Result<KnnGraph, BuildError> {
        Ok(self.finishing().rows_of(points, &self.place))
    }

    fn exact_rows(
        &self,
        truth: &dyn TrueDistances,
        points: &[usize],
        tick: Tick,
    ) -> Result<Option<KnnGraph>, BuildError> {
        let order = WorkingOrder { order: &self.order, place: &self.place };
        exact::rows_in_order(&self.problem, truth, (&*self.space, order), (points, self.plan.others()), tick)
    }

    fn finish(self: Box<Self>, tick: Tick) -> Result<KnnGraph, BuildError> {
        tick(0.0)?;
        let Self { problem, plan, order, rows, space, pool, .. } = *self;
        // Nothing is rounded, and if the points are dense, they are searched as they were given.
        let are_true = space.is_exact() && (problem.dense().is_none() || problem.direct().is_some());
        let are_whole = space.has_whole_distances() && problem.direct().is_some();
        // Else final distances are computed from the points as given, which may take as much memory again.
        drop((space, pool));
        let finishing = if are_true {
            Finisher::of_true(&plan, &order, &rows)
        } else if are_whole {
            Finisher::of_whole(&problem, &plan, &order, &rows)
        } else {
            Finisher::new(&problem, &plan, &order, &rows)
        };
        let steps = Steps::new(tick, order.len());
        let graph = finishing.graph(&steps);
        steps.end()?;
        tick(1.0)?;
        Ok(graph)
    }
}
