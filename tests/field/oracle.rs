//! What is right: distances by definition in f64, and nothing else.

use nndescent::{KnnGraph, Metric};

/// Distances of queries to all rows, by definition.
pub struct Oracle {
    n: usize,
    distances: Vec<f64>,
    /// Whether the queries are the rows, none of which is its own neighbour.
    own: bool,
}

/// The mean of what each query found, and its standard error.
#[derive(Debug, Clone, Copy)]
pub struct Mean {
    pub mean: f64,
    pub error: f64,
}

impl Mean {
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let error = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n / n).sqrt();
        Self { mean, error }
    }
}

impl Oracle {
    /// Of all rows to each other.
    pub fn of_graph(metric: &Metric, rows: &[Vec<f32>]) -> Self {
        let n = rows.len();
        let mut distances = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..i {
                let distance = metric.distance(&rows[i], &rows[j]);
                distances[i * n + j] = distance;
                distances[j * n + i] = distance;
            }
        }
        Self { n, distances, own: true }
    }

    pub fn of_queries(metric: &Metric, queries: &[Vec<f32>], rows: &[Vec<f32>]) -> Self {
        let all = queries.iter().flat_map(|query| rows.iter().map(|row| metric.distance(query, row)));
        Self { n: rows.len(), distances: all.collect(), own: false }
    }

    fn of_query(&self, i: usize) -> &[f64] {
        &self.distances[i * self.n..][..self.n]
    }

    /// The distance of the k-th neighbour of each query.
    fn farthest(&self, i: usize, k: usize) -> f64 {
        let mut sorted = self.of_query(i).to_vec();
        if self.own {
            sorted.swap_remove(i);
        }
        *sorted.select_nth_unstable_by(k - 1, f64::total_cmp).1
    }

    /// The share of the `k` nearest that each query found, by distance, each id once. `place` says which row has an id.
    pub fn recall(&self, found: &KnnGraph, place: impl Fn(u32) -> usize) -> Vec<f64> {
        let k = found.k();
        let of_query = |i: usize| {
            let (distances, farthest) = (self.of_query(i), self.farthest(i, k));
            let mut ids = found.ids(i).to_vec();
            ids.sort_unstable();
            ids.dedup();
            let near = |id: &&u32| distances[place(**id)] <= farthest + 1e-9 * farthest.abs();
            ids.iter().filter(near).count() as f64 / k as f64
        };
        (0..found.n()).map(of_query).collect()
    }

    /// Whether every row holds distinct ids, none its own, ascending by (distance, id), with distances to `tolerance`
    /// or one unit of the last place.
    pub fn check(&self, found: &KnnGraph, tolerance: f64, place: impl Fn(u32) -> usize) -> Result<(), String> {
        let check = |i: usize| self.check_row(found, i, tolerance, &place);
        (0..found.n()).try_for_each(|i| check(i).map_err(|what| format!("row {i}: {what}")))
    }

    fn check_row(
        &self,
        found: &KnnGraph,
        i: usize,
        tolerance: f64,
        place: impl Fn(u32) -> usize,
    ) -> Result<(), String> {
        let row: Vec<(f32, u32)> = found.neighbors(i).map(|neighbor| (neighbor.distance, neighbor.id)).collect();
        let mut ids = found.ids(i).to_vec();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() != row.len() || (self.own && ids.contains(&(i as u32))) {
            return Err(format!("ids {:?}", found.ids(i)));
        }
        if !row.is_sorted_by(|a, b| a.0 < b.0 || (a.0 == b.0 && a.1 < b.1)) {
            return Err(format!("does not ascend: {row:?}"));
        }
        for (distance, id) in row {
            let right = self.of_query(i)[place(id)];
            let nearest = right as f32;
            let is_near = (f64::from(distance) - right).abs() <= tolerance * right.abs();
            if !is_near && !(nearest.next_down()..=nearest.next_up()).contains(&distance) {
                return Err(format!("id {id} at {distance:e} is at {right:e}"));
            }
        }
        Ok(())
    }
}
