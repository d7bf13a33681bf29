//! The network simplex method for the transportation problem: a tree of arcs that carry the plan, improved one arc at a
//! time (Ahuja, Magnanti and Orlin, Network Flows, 1993, chapter 11).
//!
//! Masses are whole numbers, so that flows are exact, and perturbed: every supply has 1 unit more, balanced by one
//! demand, while everything else is a multiple of a larger number. So no partial sum of supplies equals one of demands,
//! every arc of a tree has flow, every step lowers the cost, and no tree occurs twice (Dantzig).

use super::Problem;

/// Masses are counted in shares of 2^62.
const BITS: u32 = 62;
/// No node.
const NONE: usize = usize::MAX;

/// The least cost of moving supplies onto demands.
pub(super) fn least_cost(problem: &Problem) -> f64 {
    let shift = shift(problem);
    Tree::best(problem, shift).cost(shift)
}

/// A number for each demand, and unseen ones for the supplies, that sum to cost / `regularization` + ln flow along the
/// arcs of the best tree: the scaling, in logarithms, of a plan that regularization disturbs little.
pub(super) fn scaling_of_demands(problem: &Problem, regularization: f64) -> Vec<f64> {
    let mut tree = Tree::best(problem, shift(problem));
    let share = (-f64::from(BITS)).exp2();
    for (cost, &flow) in tree.cost.iter_mut().zip(&tree.flow) {
        *cost = *cost / regularization + (flow as f64 * share).ln();
    }
    tree.refresh(0);
    tree.potential.split_off(problem.supplies.len())
}

/// The power of two that masses are multiples of: flows are perturbed by less than half of it.
fn shift(problem: &Problem) -> u32 {
    (2 * problem.supplies.len() + 1).next_power_of_two().ilog2()
}

/// Masses in units of 2^(`shift` - 62), each above 0, that sum to 2^62.
fn units(masses: &[f64], shift: u32) -> Vec<i64> {
    let total = 1i64 << (BITS - shift);
    let mut units: Vec<i64> = masses.iter().map(|mass| ((mass * total as f64).round() as i64).max(1)).collect();
    let missing = total - units.iter().sum::<i64>();
    if let Some(largest) = units.iter_mut().max() {
        *largest += missing;
    }
    units.into_iter().map(|count| count << shift).collect()
}

/// A spanning tree of sources, first, and sinks, each with the arc to its parent.
struct Tree<'a> {
    problem: &'a Problem,
    parent: Vec<usize>,
    depth: Vec<usize>,
    /// For the arc to the parent.
    flow: Vec<i64>,
    /// For the arc to the parent.
    cost: Vec<f64>,
    /// The potentials of the two ends of a tree arc sum to its cost.
    potential: Vec<f64>,
    /// The children of a node are a doubly linked list.
    first_child: Vec<usize>,
    next: Vec<usize>,
    previous: Vec<usize>,
    /// Least reduced cost that counts as below 0.
    tolerance: f64,
}

impl<'a> Tree<'a> {
    /// The tree of a plan of least cost.
    fn best(problem: &'a Problem, shift: u32) -> Self {
        let mut tree = Self::new(problem, shift);
        let mut row = 0;
        // Steps are a small multiple of the number of bins; the bound is for costs so far apart that rounding prevents
        // convergence.
        for _ in 0..1000 + 100 * problem.costs.len() {
            match tree.entering(&mut row) {
                Some((source, sink)) => tree.exchange(source, sink),
                None if tree.tighten() => {}
                None => break,
            }
        }
        tree
    }

    /// Sets the tolerance by the potentials, which are small once no arc of great cost is in the tree; tells whether
    /// that halved it.
    fn tighten(&mut self) -> bool {
        let largest = self.potential.iter().fold(0.0, |largest, v| v.abs().max(largest));
        let before = self.tolerance;
        self.tolerance = before.min(self.potential.len() as f64 * f64::EPSILON * largest);
        self.tolerance < before / 2.0
    }

    fn new(problem: &'a Problem, shift: u32) -> Self {
        let nodes = problem.supplies.len() + problem.demands.len();
        let largest = problem.costs.iter().copied().fold(0.0, f64::max);
        let mut tree = Self {
            problem,
            parent: vec![NONE; nodes],
            depth: vec![0; nodes],
            flow: vec![0; nodes],
            cost: vec![0.0; nodes],
            potential: vec![0.0; nodes],
            first_child: vec![NONE; nodes],
            next: vec![NONE; nodes],
            previous: vec![NONE; nodes],
            tolerance: nodes as f64 * f64::EPSILON * largest,
        };
        tree.grow(&first_plan(problem, shift));
        tree.refresh(0);
        tree
    }

    fn sources(&self) -> usize {
        self.problem.supplies.len()
    }

    fn cost_between(&self, source: usize, sink: usize) -> f64 {
        self.problem.costs[source * self.problem.demands.len() + sink - self.sources()]
    }

    /// Builds the tree from the arcs of a plan, rooted at node 0.
    fn grow(&mut self, plan: &[(usize, usize, i64)]) {
        let mut arcs = vec![Vec::new(); self.parent.len()];
        for &(source, sink, flow) in plan {
            let cost = self.cost_between(source, sink);
            arcs[source].push((sink, flow, cost));
            arcs[sink].push((source, flow, cost));
        }
        let mut open = vec![0];
        while let Some(node) = open.pop() {
            for &(other, flow, cost) in &arcs[node] {
                if other != self.parent[node] {
                    self.attach(other, node, flow, cost);
                    open.push(other);
                }
            }
        }
    }

    fn attach(&mut self, node: usize, parent: usize, flow: i64, cost: f64) {
        let next = std::mem::replace(&mut self.first_child[parent], node);
        if next != NONE {
            self.previous[next] = node;
        }
        (self.next[node], self.previous[node]) = (next, NONE);
        (self.parent[node], self.flow[node], self.cost[node]) = (parent, flow, cost);
    }

    fn detach(&mut self, node: usize) {
        let (previous, next) = (self.previous[node], self.next[node]);
        if previous == NONE {
            self.first_child[self.parent[node]] = next;
        } else {
            self.next[previous] = next;
        }
        if next != NONE {
            self.previous[next] = previous;
        }
    }

    /// Depths and potentials of `top` and of all below it. Recomputed from the parent's, so that errors do not
    /// accumulate.
    fn refresh(&mut self, top: usize) {
        let mut node = top;
        loop {
            let parent = self.parent[node];
            if parent != NONE {
                self.depth[node] = self.depth[parent] + 1;
                self.potential[node] = self.cost[node] - self.potential[parent];
            }
            node = match self.following(node, top) {
                Some(following) => following,
                None => return,
            };
        }
    }

    /// The node after `node` in the tree below `top`: its first child, else the next child of the nearest that has one.
    fn following(&self, mut node: usize, top: usize) -> Option<usize> {
        if self.first_child[node] != NONE {
            return Some(self.first_child[node]);
        }
        while node != top {
            if self.next[node] != NONE {
                return Some(self.next[node]);
            }
            node = self.parent[node];
        }
        None
    }

    /// An arc that would lower the cost: the best in a block of rows with about the square root of all arcs, or in the
    /// next block that has any. `row` is where to look first.
    fn entering(&self, row: &mut usize) -> Option<(usize, usize)> {
        let (sources, sinks) = (self.sources(), self.problem.demands.len());
        let block = sources.div_ceil(sinks).isqrt().max(1);
        let potentials = &self.potential[sources..];
        let costs = |row: usize| &self.problem.costs[row * sinks..][..sinks];
        let (mut best, mut found) = (-self.tolerance, None);
        for looked_at in 1..=sources {
            let least = least(costs(*row), potentials);
            if least - self.potential[*row] < best {
                best = least - self.potential[*row];
                found = Some((*row, least));
            }
            *row = if *row + 1 == sources { 0 } else { *row + 1 };
            if found.is_some() && looked_at % block == 0 {
                break;
            }
        }
        let (source, least) = found?;
        let sink = costs(source).iter().zip(potentials).position(|(cost, potential)| cost - potential == least)?;
        Some((source, sources + sink))
    }

    /// Adds an arc to the tree, moves flow along the cycle that it closes until the first arc is empty, and removes
    /// that arc.
    fn exchange(&mut self, source: usize, sink: usize) {
        let (moved, last) = self.first_empty(source, sink);
        let sources = self.sources();
        let last_is_source = last < sources;
        self.walk_cycle(source, sink, |tree, node, less| tree.flow[node] += if less { -moved } else { moved });
        // Flow is lost on arcs of sources above the source, and of sinks above the sink.
        let (below, above) = if last_is_source { (source, sink) } else { (sink, source) };
        self.turn(below, above, last, moved);
        self.refresh(below);
    }

    /// The least flow among the arcs that lose flow, and the lower node of its arc.
    fn first_empty(&mut self, source: usize, sink: usize) -> (i64, usize) {
        let mut found = (i64::MAX, NONE);
        self.walk_cycle(source, sink, |tree, node, less| {
            if less && tree.flow[node] < found.0 {
                found = (tree.flow[node], node);
            }
        });
        found
    }

    /// Visits the nodes above `source` and `sink` whose arcs close a cycle with the arc between these, and tells
    /// whether each arc loses flow.
    fn walk_cycle(&mut self, source: usize, sink: usize, mut visit: impl FnMut(&mut Self, usize, bool)) {
        let sources = self.sources();
        let (mut a, mut b) = (source, sink);
        while a != b {
            if self.depth[a] >= self.depth[b] {
                visit(self, a, a < sources);
                a = self.parent[a];
            } else {
                visit(self, b, b >= sources);
                b = self.parent[b];
            }
        }
    }

    /// Moves the subtree of `last` below `above`, rerooted at `below`: the arcs from `below` up to `last` are reversed.
    fn turn(&mut self, below: usize, above: usize, last: usize, flow: i64) {
        let (source, sink) = (below.min(above), below.max(above));
        let (mut node, mut parent, mut arc) = (below, above, (flow, self.cost_between(source, sink)));
        loop {
            let (upper, turned) = (self.parent[node], (self.flow[node], self.cost[node]));
            self.detach(node);
            self.attach(node, parent, arc.0, arc.1);
            if node == last {
                return;
            }
            (node, parent, arc) = (upper, node, turned);
        }
    }

    /// Σ flow·cost, the perturbation rounded away.
    fn cost(&self, shift: u32) -> f64 {
        let half = 1i64 << (shift - 1);
        let unit = (-f64::from(BITS - shift)).exp2();
        self.flow.iter().zip(&self.cost).map(|(flow, cost)| ((flow + half) >> shift) as f64 * unit * cost).sum()
    }
}

/// The least cost minus potential: eight lanes, which the compiler vectorizes.
fn least(costs: &[f64], potentials: &[f64]) -> f64 {
    const LANES: usize = 8;
    let lower = |least: f64, cost: f64, potential: f64| if cost - potential < least { cost - potential } else { least };
    let mut lanes = [f64::INFINITY; LANES];
    let (costs, last_costs) = costs.as_chunks::<LANES>();
    let (potentials, last_potentials) = potentials.as_chunks::<LANES>();
    for (costs, potentials) in costs.iter().zip(potentials) {
        for lane in 0..LANES {
            lanes[lane] = lower(lanes[lane], costs[lane], potentials[lane]);
        }
    }
    let last = last_costs.iter().zip(last_potentials).fold(f64::INFINITY, |least, (&c, &p)| lower(least, c, p));
    lanes.into_iter().fold(last, f64::min)
}

/// A plan on the arcs of a spanning tree: each source supplies its cheapest sinks with demand left.
fn first_plan(problem: &Problem, shift: u32) -> Vec<(usize, usize, i64)> {
    let (sources, sinks) = (problem.supplies.len(), problem.demands.len());
    let mut demands = units(&problem.demands, shift);
    demands[sinks - 1] += sources as i64;
    let mut open: Vec<usize> = (0..sinks).collect();
    let mut plan = Vec::with_capacity(sources + sinks);
    for (source, supply) in units(&problem.supplies, shift).into_iter().enumerate() {
        let mut supply = supply + 1;
        let costs = &problem.costs[source * sinks..][..sinks];
        while supply > 0 {
            let cheapest = (0..open.len()).min_by(|&a, &b| costs[open[a]].total_cmp(&costs[open[b]]));
            let at = cheapest.expect("supplies and demands have one sum");
            let sink = open[at];
            let flow = supply.min(demands[sink]);
            plan.push((source, sources + sink, flow));
            supply -= flow;
            demands[sink] -= flow;
            if demands[sink] == 0 {
                open.swap_remove(at);
            }
        }
    }
    plan
}
