//! Files of any content, under any name that a reader goes by: the first byte chooses the name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nndescent::io::{
    describe, read_csr, read_floats, read_graph, read_ids, read_matrix, read_selection, read_sparse,
};

const NAMES: [&str; 14] = [
    "a.npy", "a.npz", "a.fvecs", "a.bvecs", "a.ivecs", "a.fbin", "a.u8bin", "a.i8bin", "a.ibin", "a.idx", "a.gz",
    "a.hdf5", "a.csv", "a.tsv",
];

fuzz_target!(|data: &[u8]| {
    let Some((&name, content)) = data.split_first() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAMES[usize::from(name) % NAMES.len()]);
    std::fs::write(&path, content).unwrap();
    if let Ok(matrix) = read_matrix(&path, None) {
        let _ = matrix.points();
    }
    let _ = describe(&path);
    let _ = read_graph(&path);
    let _ = read_csr(&path);
    let _ = read_sparse(&path);
    let _ = read_ids(&path);
    let _ = read_selection(&path, 100);
    let _ = read_floats(&path);
});
