//! Matrices of similarities, checked.

use rayon::prelude::*;

use crate::analysis::components::Edge;
use crate::analysis::error::{AnalysisError, check_parameter};
use crate::graph::CsrGraph;

/// The pairs of a symmetric matrix that are at least `least` alike, each once, in order of rows. Their distances are
/// similarities here.
pub(super) fn edges_of_at_least(similarity: &CsrGraph, least: f32) -> Result<Vec<Edge>, AnalysisError> {
    check_parameter("least similarity", least, least > 0.0, "above 0")?;
    check(similarity)?;
    let row = |i: usize| {
        let later = similarity.row(i).filter(move |&(j, value)| j as usize > i && value >= least);
        later.map(|(j, value)| Edge { from: i as u32, to: j, distance: value }).collect::<Vec<_>>()
    };
    let rows: Vec<Vec<Edge>> = (0..similarity.n()).into_par_iter().with_min_len(256).map(row).collect();
    Ok(rows.into_iter().flatten().collect())
}

/// Fails unless the matrix is one, and symmetric.
fn check(matrix: &CsrGraph) -> Result<(), AnalysisError> {
    let (starts, entries) = (&matrix.indptr, matrix.indices.len());
    let is_whole = starts.first() == Some(&0) && starts.last() == Some(&entries) && starts.is_sorted();
    let range = format!("0, ascending, to {entries}, the number of indices and of values");
    let ends = || format!("{:?} to {:?}, of {} values", starts.first(), starts.last(), matrix.values.len());
    check_parameter("indptr", ends(), is_whole && entries == matrix.values.len(), range)?;
    first_failure(matrix.n(), |row| check_ids(matrix, row))?;
    first_failure(matrix.n(), |row| check_values(matrix, row))
}

/// What fails for the first of the rows.
fn first_failure(
    n: usize,
    check: impl Fn(usize) -> Result<(), AnalysisError> + Sync + Send,
) -> Result<(), AnalysisError> {
    let rows = (0..n).into_par_iter().with_min_len(256);
    rows.map(check).find_first(Result::is_err).unwrap_or(Ok(()))
}

fn ids(matrix: &CsrGraph, row: usize) -> &[u32] {
    &matrix.indices[matrix.indptr[row]..matrix.indptr[row + 1]]
}

fn check_ids(matrix: &CsrGraph, row: usize) -> Result<(), AnalysisError> {
    let ids = ids(matrix, row);
    if let Some(column) = ids.windows(2).position(|pair| pair[0] >= pair[1]) {
        return Err(AnalysisError::Unsorted { row, column: column + 1 });
    }
    let beyond = ids.last().filter(|id| **id as usize >= matrix.n());
    beyond.map_or(Ok(()), |&id| Err(AnalysisError::Id { row, id, end: matrix.n() }))
}

fn check_values(matrix: &CsrGraph, row: usize) -> Result<(), AnalysisError> {
    for (column, (id, value)) in matrix.row(row).enumerate() {
        if value.is_nan() {
            return Err(AnalysisError::Distance { row, column });
        }
        let other = id as usize;
        let back = ids(matrix, other).binary_search(&(row as u32));
        if back.map(|at| matrix.values[matrix.indptr[other] + at]) != Ok(value) {
            return Err(AnalysisError::Asymmetric { row, id });
        }
    }
    Ok(())
}
