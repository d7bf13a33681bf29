//! What is done to rows before they are searched under another metric's kernel.

use std::sync::Arc;

use super::transport_trees::TransportTrees;

/// What is done to a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Transform {
    None,
    /// Every column multiplied.
    Scale(Vec<f64>),
    /// Lᵀx, where the matrix is L Lᵀ: squared distances between results are the matrix's quadratic form.
    Factor(Arc<[f32]>),
    /// The rank of every value within its row, from 1; ties have their mean rank.
    Ranks,
    /// Latitude and longitude to a point on the unit sphere.
    Sphere,
    /// Square roots. Rows need not be normalized: only their angles are compared.
    SquareRoots,
    /// Cumulative sums of the row normalized to sum 1, minus their mean if `centered`.
    Cumulative {
        centered: bool,
    },
    /// Masses of the subtrees of random trees over the bins: their L1 distances approximate the cost of transport.
    Trees(Arc<[f32]>),
}

/// A [`Transform`] prepared for rows of `dim` columns.
#[derive(Debug)]
pub(crate) enum Transformer {
    None,
    Scale(Vec<f64>),
    /// L, row by row.
    Factor(Vec<f64>),
    Ranks,
    Sphere,
    SquareRoots,
    Cumulative {
        centered: bool,
    },
    Trees(TransportTrees),
}

impl Transform {
    /// Prepared for rows of `dim` columns. Fails with the first pivot that is not positive if the matrix has no factor.
    pub(crate) fn ready(&self, dim: usize) -> Result<Transformer, usize> {
        Ok(match self {
            Self::None => Transformer::None,
            Self::Scale(scale) => Transformer::Scale(scale.clone()),
            Self::Factor(matrix) => Transformer::Factor(cholesky(matrix, dim)?),
            Self::Ranks => Transformer::Ranks,
            Self::Sphere => Transformer::Sphere,
            Self::SquareRoots => Transformer::SquareRoots,
            Self::Cumulative { centered } => Transformer::Cumulative { centered: *centered },
            Self::Trees(cost) => Transformer::Trees(TransportTrees::new(cost, dim)),
        })
    }
}

impl Transformer {
    /// Columns of a transformed row of `dim` columns.
    pub(crate) fn columns(&self, dim: usize) -> usize {
        match self {
            Self::Sphere => 3,
            Self::Trees(trees) => trees.nodes(),
            _ => dim,
        }
    }

    /// Transforms a row.
    pub(crate) fn apply(&self, row: &[f32], out: &mut [f64]) {
        let narrow = |out: &mut [f64], values: Vec<f32>| out.iter_mut().zip(values).for_each(|(to, v)| *to = v.into());
        match self {
            Self::None => out.iter_mut().zip(row).for_each(|(to, v)| *to = f64::from(*v)),
            Self::Scale(scale) => {
                for ((to, v), s) in out.iter_mut().zip(row).zip(scale) {
                    *to = f64::from(*v) * s;
                }
            }
            Self::Factor(lower) => multiply_transposed(lower, row, out),
            Self::Ranks => {
                let mut found = vec![0.0; row.len()];
                ranks(row, &mut found);
                narrow(out, found);
            }
            Self::Sphere => {
                let (latitude, longitude) = (f64::from(row[0]), f64::from(row[1]));
                let point = [latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin(), latitude.sin()];
                out.copy_from_slice(&point);
            }
            Self::SquareRoots => out.iter_mut().zip(row).for_each(|(to, v)| *to = f64::from(*v).sqrt()),
            Self::Cumulative { centered } => cumulative(row, *centered, out),
            Self::Trees(trees) => {
                let mut found = vec![0.0; out.len()];
                trees.masses(row, &mut found);
                narrow(out, found);
            }
        }
    }
}

/// The lower triangle L of L Lᵀ = `matrix`, `dim x dim`; fails with the first pivot that is not positive.
fn cholesky(matrix: &[f32], dim: usize) -> Result<Vec<f64>, usize> {
    let mut lower = vec![0.0f64; dim * dim];
    for i in 0..dim {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|l| lower[i * dim + l] * lower[j * dim + l]).sum();
            let rest = f64::from(matrix[i * dim + j]) - dot;
            if i == j && rest <= 0.0 {
                return Err(i);
            }
            lower[i * dim + j] = if i == j { rest.sqrt() } else { rest / lower[j * dim + j] };
        }
    }
    Ok(lower)
}

fn multiply_transposed(lower: &[f64], row: &[f32], out: &mut [f64]) {
    out.fill(0.0);
    for (values, &v) in lower.chunks_exact(row.len()).zip(row) {
        out.iter_mut().zip(values).for_each(|(sum, l)| *sum += l * f64::from(v));
    }
}

/// Ranks from 1, ties having their mean rank: scipy's `rankdata`.
pub(crate) fn ranks(row: &[f32], out: &mut [f32]) {
    let mut order: Vec<u32> = (0..row.len() as u32).collect();
    order.sort_unstable_by(|&a, &b| row[a as usize].total_cmp(&(row[b as usize])));
    let mut before = 0;
    // Zeros of both signs are ties, and adjacent.
    for tied in order.chunk_by(|&a, &b| row[a as usize] == row[b as usize]) {
        let mean = before as f32 + (tied.len() as f32 + 1.0) / 2.0;
        tied.iter().for_each(|&column| out[column as usize] = mean);
        before += tied.len();
    }
}

/// A zero row stays zero.
fn cumulative(row: &[f32], centered: bool, out: &mut [f64]) {
    let total: f64 = row.iter().map(|&v| f64::from(v)).sum();
    let scale = if total > 0.0 { 1.0 / total } else { 0.0 };
    let mut sums = Vec::with_capacity(row.len());
    let mut sum = 0.0;
    for &v in row {
        sum += f64::from(v) * scale;
        sums.push(sum);
    }
    let mean = if centered { sums.iter().sum::<f64>() / row.len() as f64 } else { 0.0 };
    out.iter_mut().zip(sums).for_each(|(to, sum)| *to = sum - mean);
}
