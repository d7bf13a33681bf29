//! Handmade files, for tests of readers and of the command.

use std::path::{Path, PathBuf};

/// A .npy of version 1 with any header text after `{`.
pub fn npy(descr: &str, fortran: bool, shape: &str, values: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let mut header = format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}");
    while (11 + header.len()) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.bytes());
    out.extend(values);
    out
}

/// A .npy of f32, n x dim.
pub fn npy_f32(values: &[f32], dim: usize) -> Vec<u8> {
    let shape = format!("({}, {dim})", values.len() / dim);
    npy("'<f4'", false, &shape, &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())
}

/// Writes a file and returns its path.
pub fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}
