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

/// An HDF5 file, written by libhdf5 for ann-benchmarks, whose `train` becomes these values of f32, n x dim, at its end.
#[cfg(feature = "hdf5")]
pub fn hdf5(values: &[f32], dim: usize) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ann-benchmarks-contiguous.hdf5");
    let mut file = std::fs::read(path).unwrap();
    let first: Vec<u8> = (0..80).flat_map(|v| (v as f32).to_le_bytes()).collect();
    let address = file.windows(first.len()).position(|bytes| bytes == first).unwrap();
    let length = file.len();
    let mut put = |from: [u64; 2], to: [u64; 2]| {
        let [from, to] = [from, to].map(|pair| pair.map(u64::to_le_bytes).concat());
        let at = file.windows(16).position(|bytes| bytes == from).unwrap();
        file[at..at + 16].copy_from_slice(&to);
    };
    put([address as u64, first.len() as u64], [length as u64, size_of_val(values) as u64]);
    // The shape, and its maximum.
    put([20, 4], [(values.len() / dim) as u64, dim as u64]);
    put([20, 4], [(values.len() / dim) as u64, dim as u64]);
    // Where the file ends.
    file[0x28..0x30].copy_from_slice(&((length + size_of_val(values)) as u64).to_le_bytes());
    file.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    file
}

/// Writes a file and returns its path.
pub fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}
