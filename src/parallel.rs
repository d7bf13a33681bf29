//! Loops over indices and over the rows of tables, on the threads of rayon's pool.
//!
//! All of them run on [`for_tasks`]. Rayon's own iterators are compiled anew for every closure: more than a hundred
//! copies of them, which took a quarter of the crate's compile time.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

/// Runs `task` with each of `0..count`.
fn for_tasks(count: usize, task: &(dyn Fn(usize) + Sync)) {
    (0..count).into_par_iter().for_each(task);
}

/// Runs `run` with each of some items.
pub(crate) fn for_each<T: Send>(items: Vec<T>, run: impl Fn(T) + Sync) {
    let items: Vec<Mutex<Option<T>>> = items.into_iter().map(|item| Mutex::new(Some(item))).collect();
    for_tasks(items.len(), &|i| {
        let item = items[i].lock().unwrap_or_else(PoisonError::into_inner).take();
        item.into_iter().for_each(&run);
    });
}

/// What `run` makes of the ranges that `0..n` is cut into, in their order. All but the last have `grain` indices.
pub(crate) fn map_ranges<R: Send>(n: usize, grain: usize, run: impl Fn(Range<usize>) -> R + Sync) -> Vec<R> {
    let results: Vec<Mutex<Option<R>>> = (0..n.div_ceil(grain)).map(|_| Mutex::new(None)).collect();
    for_tasks(results.len(), &|task| {
        let result = run(task * grain..n.min((task + 1) * grain));
        *results[task].lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    });
    results.into_iter().filter_map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

/// Runs `run` with each of `0..n`, `grain` of them to a task, and with what `init` makes for the task.
pub(crate) fn for_indices<S>(n: usize, grain: usize, init: impl Fn() -> S + Sync, run: impl Fn(&mut S, usize) + Sync) {
    for_tasks(n.div_ceil(grain), &|task| {
        let mut scratch = init();
        (task * grain..n.min((task + 1) * grain)).for_each(|i| run(&mut scratch, i));
    });
}

/// What `run` makes of each of `0..n`: see [`for_indices`].
pub(crate) fn map<S, R: Send>(
    n: usize,
    grain: usize,
    init: impl Fn() -> S + Sync,
    run: impl Fn(&mut S, usize) -> R + Sync,
) -> Vec<R> {
    let mut all = Vec::with_capacity(n);
    let parts = map_ranges(n, grain, |range| {
        let mut scratch = init();
        range.map(|i| run(&mut scratch, i)).collect::<Vec<R>>()
    });
    parts.into_iter().for_each(|part| all.extend(part));
    all
}

/// Runs `run` with every row of `width` values and its index, `grain` rows to a task, and with what `init` makes for
/// the task. Returns what `run` left of that, in the order of the rows.
pub(crate) fn fold_rows<T: Send, S: Send>(
    table: &mut [T],
    width: usize,
    grain: usize,
    init: impl Fn() -> S + Sync,
    run: impl Fn(&mut S, usize, &mut [T]) + Sync,
) -> Vec<S> {
    let tasks: Vec<Mutex<&mut [T]>> = table.chunks_mut(grain * width).map(Mutex::new).collect();
    map_ranges(tasks.len(), 1, |task| {
        let mut scratch = init();
        let mut rows = tasks[task.start].lock().unwrap_or_else(PoisonError::into_inner);
        for (i, row) in rows.chunks_mut(width).enumerate() {
            run(&mut scratch, task.start * grain + i, row);
        }
        scratch
    })
}

/// Runs `run` with every row of `width` values and its index, `grain` rows to a task.
pub(crate) fn for_rows<T: Send>(table: &mut [T], width: usize, grain: usize, run: impl Fn(usize, &mut [T]) + Sync) {
    let tasks: Vec<(usize, &mut [T])> = table.chunks_mut(grain * width).enumerate().collect();
    for_each(tasks, |(task, rows)| {
        rows.chunks_mut(width).enumerate().for_each(|(i, row)| run(task * grain + i, row));
    });
}

/// The rows `rows` of a table of `width` values a row, in that order.
pub(crate) fn gathered<T: Copy + Default + Send + Sync>(table: &[T], width: usize, rows: &[u32]) -> Vec<T> {
    let mut out = vec![T::default(); rows.len() * width];
    for_rows(&mut out, width, 64, |i, to| to.copy_from_slice(&table[rows[i] as usize * width..][..width]));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_visited_once_and_results_keep_their_order() {
        for n in [0, 1, 6, 7, 8, 100] {
            assert_eq!(map(n, 7, || (), |(), i| i), (0..n).collect::<Vec<usize>>());
            let mut table = vec![0; 3 * n];
            let counts = fold_rows(
                &mut table,
                3,
                7,
                || 0,
                |count, i, row| {
                    *count += 1;
                    row.iter_mut().enumerate().for_each(|(j, v)| *v += 3 * i + j);
                },
            );
            assert_eq!(table, (0..3 * n).collect::<Vec<usize>>());
            assert_eq!(counts.iter().sum::<usize>(), n);
            let mut squares = vec![0; n];
            for_each(squares.iter_mut().enumerate().collect(), |(i, square)| *square = i * i);
            assert_eq!(squares, (0..n).map(|i| i * i).collect::<Vec<usize>>());
        }
    }
}
