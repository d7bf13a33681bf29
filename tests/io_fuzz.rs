//! Damaged and random files: a reader returns a matrix or an error, takes no more memory than the file justifies, and
//! never panics.
#![cfg(feature = "io")]

mod common {
    pub mod counting;
    pub mod files;
}

use std::io::Write;
use std::sync::Mutex;

use common::counting;
use common::files::{npy, npy_f32, write};
use nndescent::KnnGraph;
use nndescent::io::{describe, read_graph, read_matrix, read_sparse, write_graph};
use proptest::prelude::*;

/// Only one peak can be measured at a time.
static MEASURING: Mutex<()> = Mutex::new(());

/// Bytes that a reader may take for a file: as many as it can inflate to, or converted values and the block they are
/// read through.
fn allowance(name: &str, length: usize) -> usize {
    let packed = name.ends_with(".gz") || name.ends_with(".npz") || name.ends_with(".hdf5");
    // `hdf5-reader` reads in blocks of 1 MiB and keeps several, however short the file is.
    let blocks = if name.ends_with(".hdf5") { 8 << 20 } else { 2 << 20 };
    length * if packed { 4400 } else { 9 } + blocks
}

fn try_reading(name: &str, content: &[u8]) {
    let _alone = MEASURING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), name, content);
    let peak = counting::peak_of(|| {
        if let Ok(matrix) = read_matrix(&path, None) {
            let _ = matrix.points();
        }
        let _ = describe(&path);
        let _ = read_graph(&path);
        let _ = read_sparse(&path);
    });
    assert!(peak <= allowance(name, content.len()), "{name} of {} bytes: {peak} bytes taken", content.len());
}

/// A valid file of each format.
fn valid() -> Vec<(&'static str, Vec<u8>)> {
    let floats: Vec<f32> = (0..60).map(|v| v as f32).collect();
    let dir = tempfile::tempdir().unwrap();
    let graph = dir.path().join("g.npz");
    write_graph(&graph, &KnnGraph::from_parts(6, 2, vec![1; 12], vec![0.5; 12]).unwrap()).unwrap();
    let shape: Vec<u8> = [5u32, 3, 4].iter().flat_map(|s| s.to_be_bytes()).collect();
    let idx = [&[0, 0, 8, 3][..], &shape, &[7; 60]].concat();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(&idx).unwrap();
    let row = |d: i32| [&d.to_le_bytes()[..], &vec![1; 4 * d as usize]].concat();
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/ann-benchmarks-chunked.hdf5");
    vec![
        ("a.npy", npy_f32(&floats, 6)),
        ("b.npy", npy("'<f8'", true, "(3, 5)", &[1; 120])),
        ("a.npz", std::fs::read(graph).unwrap()),
        ("a.fvecs", [row(3), row(3), row(3)].concat()),
        ("a.ivecs", [row(2), row(2)].concat()),
        ("a.bvecs", [&4i32.to_le_bytes()[..], &[1, 2, 3, 4]].concat()),
        ("a.fbin", [&3u32.to_le_bytes()[..], &2u32.to_le_bytes(), &[1; 24]].concat()),
        ("a.idx", idx),
        ("a.idx.gz", gz.finish().unwrap()),
        ("a.hdf5", std::fs::read(fixture).unwrap()),
        ("a.csv", b"x,y,z\n1,2.5,-3e4\n4,5,6\n7,\"8\",9\n".to_vec()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_bytes(content in prop::collection::vec(any::<u8>(), 0..400), kind in 0usize..11) {
        try_reading(valid()[kind].0, &content);
    }

    #[test]
    fn damaged_files(
        kind in 0usize..11,
        flips in prop::collection::vec((any::<u16>(), any::<u8>()), 0..6),
        keep in 0.0f64..1.3,
    ) {
        let (name, mut content) = valid().swap_remove(kind);
        for (at, value) in flips {
            // Damage matters most in headers.
            let within = if at % 2 == 0 { content.len() } else { content.len().min(160) };
            content[at as usize / 2 % within] = value;
        }
        content.truncate((content.len() as f64 * keep) as usize);
        try_reading(name, &content);
    }
}
