//! Damaged index files: they are refused, or searched without leaving their bounds; what `verify` accepts is whole.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use nndescent::{CsrMatrix, Index, IndexOptions, Metric, NnDescent, Points, Quantization, SearchOptions};

/// Bytes written over a file, and its length after that.
#[derive(Debug, Arbitrary)]
struct Damage {
    file: u8,
    written: Vec<(u16, u8)>,
    cut: Option<u16>,
    added: Vec<u8>,
}

const DIM: usize = 8;
const N: usize = 60;

/// Files of every kind of rows.
static FILES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let values: Vec<f32> = (0..N * DIM).map(|i| ((i * 37) % 101) as f32 - 20.0).collect();
    let dense = Points::dense(&values, N, DIM).unwrap();
    let zeros: Vec<f32> = values.iter().map(|v| v.max(0.0)).collect();
    let sparse = CsrMatrix::from_dense(&zeros, N, DIM).unwrap();
    let bytes: Vec<u8> = (0..N * DIM).map(|i| (i * 37 % 251) as u8).collect();
    let whole = Points::dense(&bytes, N, DIM).unwrap();
    let bits = Points::bits(&bytes, N, 8 * DIM).unwrap();
    let quantized = [Quantization::None, Quantization::F16, Quantization::U8];
    let files = quantized.map(|quantization| file_of(&dense, Metric::Cosine, quantization));
    let others = [
        file_of(&whole, Metric::Euclidean, Quantization::Auto),
        file_of(&sparse.view().into(), Metric::Hellinger, Quantization::Auto),
        file_of(&sparse.view().into(), Metric::Wasserstein1d { p: 1.0 }, Quantization::Auto),
        file_of(&bits, Metric::BitJaccard, Quantization::Auto),
    ];
    files.into_iter().chain(others).collect()
});

fn file_of(points: &Points, metric: Metric, quantization: Quantization) -> Vec<u8> {
    let options = IndexOptions::new().prefer_quantization(quantization);
    let builder = NnDescent::new(metric).n_neighbors(5).recall_sample(0).index_options(options);
    let mut index = builder.index(points).unwrap().index;
    index.remove(&[3, 7]).unwrap();
    let mut file = Vec::new();
    index.write_to(&mut file).unwrap();
    file
}

fuzz_target!(|damage: Damage| {
    let whole = &FILES[usize::from(damage.file) % FILES.len()];
    let mut file = whole.clone();
    for (at, byte) in damage.written {
        let at = usize::from(at) % file.len();
        file[at] = byte;
    }
    if let Some(cut) = damage.cut {
        file.truncate(usize::from(cut) % file.len());
    }
    file.extend(damage.added);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nnd");
    std::fs::write(&path, &file).unwrap();
    // Padding between sections is nobody's: what is verified answers as the whole file does.
    let is_verified = Index::verify(&path).is_ok();
    let Ok(mut index) = Index::open(&path) else {
        assert!(!is_verified, "a verified file does not open");
        return;
    };
    let ids: Vec<u32> = (0..10).collect();
    let options = SearchOptions::new();
    let found = index.query_ids(&ids[..3], 5, &options);
    if is_verified {
        let right = Index::read_from(&whole[..]).unwrap().query_ids(&ids[..3], 5, &options);
        assert_eq!(found.is_ok(), right.is_ok());
    }
    let _ = index.vectors(&ids);
    let _ = index.remove(&[0, 1]);
    let _ = index.query_ids(&[2], 3, &options);
    let _ = index.compact();
    let _ = index.query_ids(&[2], 3, &options);
});
