//! Graphs of narrowed values, brought to the distances of the wide ones.

use super::center::Center;
use super::number::Number;
use super::wide::{WideMatrix, with_numbers};
use crate::error::BuildError;
use crate::exact;
use crate::graph::KnnGraph;
use crate::metric::{Metric, of_pairs};
use crate::parallel;
use crate::points::Points;

/// A graph by the distances of wide values.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Refined {
    /// Distances are those of the wide values, rounded to f32.
    pub graph: KnnGraph,
    /// Rows that may have missed a neighbour, ascending: what was not a candidate may, within the error of narrowing,
    /// be nearer than the last neighbour that was kept. Assumes that all candidates are the nearest by narrowed values.
    pub doubtful: Vec<u32>,
}

/// The error of a distance, as a multiple of the largest seen among a row's candidates.
const MARGIN: f64 = 4.0;
/// And relative to the distance: what f32 kernels and the rounding of distances may add.
const ROUNDING: f64 = 1e-6;
/// Candidates per row at most, as a multiple of the neighbours asked for, before a row is left doubtful.
const MOST_CANDIDATES: usize = 64;

impl WideMatrix {
    /// Candidates to ask for in place of `k` neighbours, so that few rows of an exact search stay in doubt.
    #[must_use]
    pub fn candidates(k: usize) -> usize {
        k + (k / 4).max(4)
    }

    /// The `k` nearest of the candidates in `graph`, which was made of [`WideMatrix::narrowed`] matrices, by their
    /// distances in f64. A row that begins with itself keeps doing so. None if the metric is not defined by columns of
    /// numbers: metrics of sets, ranks, angles and distributions.
    ///
    /// `queries` are what the rows of the graph are, if they are not those of this matrix.
    ///
    /// # Panics
    /// If the graph has other rows or ids than the matrices, or `center` is of other columns.
    #[must_use]
    pub fn refined(
        &self,
        queries: Option<&Self>,
        center: &Center,
        metric: &Metric,
        graph: &KnnGraph,
        k: usize,
    ) -> Option<Refined> {
        of_pairs(metric, [(0.0, 0.0)].repeat(self.dim()).into_iter())?;
        let rows: Vec<u32> = (0..graph.n() as u32).collect();
        Some(self.refine(queries, center, metric, graph, &rows, k))
    }

    /// Row `i` of `graph` is that of row `rows[i]`.
    fn refine(
        &self,
        queries: Option<&Self>,
        center: &Center,
        metric: &Metric,
        graph: &KnnGraph,
        rows: &[u32],
        k: usize,
    ) -> Refined {
        let k = k.min(graph.k());
        let others = if queries.is_some() { self.n() } else { self.n() - 1 };
        let room = || (vec![0.0; self.dim()], vec![0.0; self.dim()]);
        let refined = parallel::map(graph.n(), 64, room, |(own, other), at| {
            let row = rows[at] as usize;
            queries.unwrap_or(self).rest_of_row(row, center, own);
            let is_own = |id: u32| queries.is_none() && id as usize == row;
            let mut found: Vec<(f64, u32)> = Vec::with_capacity(graph.k());
            let (mut error, mut last) = (0.0f64, 0.0f64);
            for neighbor in graph.neighbors(at) {
                self.rest_of_row(neighbor.id as usize, center, other);
                let pairs = own.iter().copied().zip(other.iter().copied());
                let distance = of_pairs(metric, pairs).unwrap_or(f64::NAN);
                last = neighbor.distance.into();
                error = error.max((distance - last).abs());
                found.push((distance, neighbor.id));
            }
            let all = found.len() >= others;
            found.sort_by(|a, b| is_own(b.1).cmp(&is_own(a.1)).then(a.0.total_cmp(&b.0)).then(a.1.cmp(&b.1)));
            found.truncate(k);
            let kept = found.last().map_or(f64::INFINITY, |f| f.0);
            let doubtful = !all && error > 0.0 && kept > last - MARGIN * error - ROUNDING * last.abs();
            let mut found: Vec<(f32, u32)> = found.into_iter().map(|(d, id)| (d as f32, id)).collect();
            // Distances that are the same in f32 are in the order of ids.
            let first = usize::from(found.first().is_some_and(|f| is_own(f.1)));
            found[first..].sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            found.resize(k, (f32::INFINITY, KnnGraph::NO_NEIGHBOR));
            (found, doubtful)
        });
        let doubtful = rows.iter().zip(&refined).filter(|(_, (_, doubtful))| *doubtful).map(|(row, _)| *row).collect();
        let (distances, ids) = refined.into_iter().flat_map(|(found, _)| found).unzip();
        Refined { graph: KnnGraph::new(rows.len(), k, ids, distances), doubtful }
    }

    /// Searches exactly for more candidates of doubtful rows, until none is in doubt or there are 64 times as many as
    /// neighbours. `base` and `asked` are this matrix and the queries, narrowed with `center`.
    ///
    /// # Errors
    /// Same as [`exact::query`](crate::exact::query).
    pub fn settled(
        &self,
        queries: Option<(&Self, &super::Matrix)>,
        base: &super::Matrix,
        center: &Center,
        metric: &Metric,
        refined: Refined,
    ) -> Result<Refined, BuildError> {
        let Refined { graph, mut doubtful } = refined;
        let (n, k) = (graph.n(), graph.k());
        let own = usize::from(queries.is_none());
        let (mut ids, mut distances) = graph.into_parts();
        let points = base.points()?;
        let mut candidates = 4 * Self::candidates(k);
        while !doubtful.is_empty() {
            let asked = queries.map_or(base, |(_, narrowed)| narrowed).rows(&doubtful);
            let asked = Points::dense(&asked, doubtful.len(), self.dim())?;
            let found = exact::query(&points, &asked, metric, (candidates + own).min(self.n()))?;
            let include_self = queries.is_none() && doubtful.iter().all(|&row| ids[row as usize * k] == row);
            let found = if own == 1 && !include_self { without_own(&found, &doubtful) } else { found };
            let again = self.refine(queries.map(|(wide, _)| wide), center, metric, &found, &doubtful, k);
            for (at, &row) in doubtful.iter().enumerate() {
                let to = row as usize * k..(row as usize + 1) * k;
                ids[to.clone()].copy_from_slice(again.graph.ids(at));
                distances[to].copy_from_slice(again.graph.distances(at));
            }
            doubtful = again.doubtful;
            if candidates >= MOST_CANDIDATES * k {
                break;
            }
            candidates *= 4;
        }
        Ok(Refined { graph: KnnGraph::new(n, k, ids, distances), doubtful })
    }

    fn rest_of_row(&self, i: usize, center: &Center, out: &mut [f64]) {
        with_numbers!(&self.values, x => rest(&x[i * self.dim()..(i + 1) * self.dim()], center, out));
    }
}

/// A row minus the centre.
fn rest<T: Number>(row: &[T], center: &Center, out: &mut [f64]) {
    let own = center.of_row(row);
    for (j, (to, value)) in out.iter_mut().zip(row).enumerate() {
        *to = value.minus(center.of_column(j, own));
    }
}

/// The graph with one neighbour less in each row: without its own, or else the last.
fn without_own(graph: &KnnGraph, rows: &[u32]) -> KnnGraph {
    let k = graph.k() - 1;
    let others = rows.iter().enumerate().flat_map(|(at, &row)| {
        graph.neighbors(at).filter(move |neighbor| neighbor.id != row).take(k).map(|n| (n.id, n.distance))
    });
    let (ids, distances) = others.unzip();
    KnnGraph::new(rows.len(), k, ids, distances)
}
