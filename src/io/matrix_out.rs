//! Sparse matrices written as other programs read them.

use std::io::{Seek, Write};
use std::path::Path;

use super::error::IoError;
use super::npy_out::NpzWriter;
use crate::atomic_file;
use crate::graph::CsrGraph;

/// How a sparse matrix is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MatrixFormat {
    /// `.npz` as `scipy.sparse.save_npz` writes a CSR matrix, explicit zeros kept.
    Csr,
    /// The same of a COO matrix.
    Coo,
    /// Text: a line `row<TAB>column<TAB>value` for each entry.
    EdgeList,
}

/// Writes a square matrix. The file is complete or what it was before.
///
/// # Errors
/// [`IoError::Os`].
pub fn write_matrix(path: impl AsRef<Path>, matrix: &CsrGraph, format: MatrixFormat) -> Result<(), IoError> {
    let path = path.as_ref();
    atomic_file::replace(path, |out| write(out, matrix, format))
        .map_err(|source| IoError::Os { path: path.into(), source })
}

/// Writes what [`write_matrix`] writes to a stream.
///
/// # Errors
/// The stream's, or that of a temporary file.
pub fn write_matrix_to(mut out: impl Write, matrix: &CsrGraph, format: MatrixFormat) -> std::io::Result<()> {
    atomic_file::stream(&mut out, |file| write(file, matrix, format))
}

fn write(mut out: impl Write + Seek, matrix: &CsrGraph, format: MatrixFormat) -> std::io::Result<()> {
    match format {
        MatrixFormat::Csr => write_csr(out, matrix),
        MatrixFormat::Coo => write_coo(out, matrix),
        MatrixFormat::EdgeList => {
            for i in 0..matrix.n() {
                for (column, value) in matrix.row(i) {
                    writeln!(out, "{i}\t{column}\t{value}")?;
                }
            }
            out.flush()
        }
    }
}

/// scipy's indices are signed, and all of one type: 64 bits if the number of entries needs it.
fn write_csr(out: impl Write + Seek, matrix: &CsrGraph) -> std::io::Result<()> {
    let mut npz = NpzWriter::new(out);
    let entries = matrix.indices.len();
    if i32::try_from(entries.max(matrix.n())).is_ok() {
        npz.add("indices", &[entries], &matrix.indices.iter().map(|&i| i as i32).collect::<Vec<i32>>())?;
        npz.add("indptr", &[matrix.n() + 1], &matrix.indptr.iter().map(|&i| i as i32).collect::<Vec<i32>>())?;
    } else {
        npz.add("indices", &[entries], &matrix.indices.iter().map(|&i| i64::from(i)).collect::<Vec<i64>>())?;
        npz.add("indptr", &[matrix.n() + 1], &matrix.indptr.iter().map(|&i| i as i64).collect::<Vec<i64>>())?;
    }
    npz.add_text("format", "csr")?;
    finish(npz, matrix)
}

fn write_coo(out: impl Write + Seek, matrix: &CsrGraph) -> std::io::Result<()> {
    let mut npz = NpzWriter::new(out);
    let (rows, columns, _) = matrix.to_coo();
    for (name, ids) in [("row", rows), ("col", columns)] {
        if i32::try_from(matrix.n()).is_ok() {
            npz.add(name, &[ids.len()], &ids.iter().map(|&i| i as i32).collect::<Vec<i32>>())?;
        } else {
            npz.add(name, &[ids.len()], &ids.iter().map(|&i| i64::from(i)).collect::<Vec<i64>>())?;
        }
    }
    npz.add_text("format", "coo")?;
    finish(npz, matrix)
}

fn finish<W: Write + Seek>(mut npz: NpzWriter<W>, matrix: &CsrGraph) -> std::io::Result<()> {
    npz.add("shape", &[2], &[matrix.n() as i64; 2])?;
    npz.add("data", &[matrix.values.len()], &matrix.values)?;
    npz.finish()
}
