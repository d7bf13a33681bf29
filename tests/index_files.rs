//! Index files: what they hold, and what is noticed of damage.

use std::path::Path;

use crate::common::indexes::{DIM, base_and_queries, index_of, points_of, recall};
use nndescent::errors::IndexFileError;
use nndescent::{Index, IndexOptions, Metric, NnDescent, Points, Quantization, SearchOptions, exact};

fn saved(index: &Index, folder: &Path) -> Vec<u8> {
    let path = folder.join("saved.nnd");
    index.save(&path).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn files_hold_the_index() {
    let (data, queries) = base_and_queries(1500, 50, 19);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nnd");
    for metric in [Metric::Euclidean, Metric::Cosine, Metric::Correlation, Metric::Minkowski { p: 1.5 }] {
        for quantization in [Quantization::Auto, Quantization::None, Quantization::F16] {
            let builder = NnDescent::new(metric.clone())
                .recall_sample(0)
                .index_options(IndexOptions::new().quantization(quantization));
            let mut index = builder.index(&points_of(&data)).unwrap().index;
            index.tune(0.9, 5, 50).unwrap();
            index.save(&path).unwrap();
            Index::verify(&path).unwrap();
            let opened = Index::open(&path).unwrap();
            assert_eq!((opened.metric(), opened.len(), opened.epsilon()), (&metric, 1500, index.epsilon()));
            assert_eq!(opened.memory().owned, 0, "all of it lies in the file");
            let asked = points_of(&queries);
            assert_eq!(
                index.query(&asked, 10, &SearchOptions::new()).unwrap(),
                opened.query(&asked, 10, &SearchOptions::new()).unwrap(),
                "{metric}"
            );
            assert_eq!(saved(&opened, folder.path()), std::fs::read(&path).unwrap(), "saved again, the same bytes");
        }
    }
}

#[test]
fn a_file_replaced_while_it_is_mapped_stays_as_it_was() {
    let (data, queries) = base_and_queries(1000, 20, 20);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nnd");
    index_of(&data, Metric::Euclidean).save(&path).unwrap();
    let opened = Index::open(&path).unwrap();
    let asked = points_of(&queries);
    let before = opened.query(&asked, 5, &SearchOptions::new()).unwrap();
    index_of(&data[..500 * DIM], Metric::Cosine).save(&path).unwrap();
    assert_eq!(opened.query(&asked, 5, &SearchOptions::new()).unwrap(), before);
    assert_eq!(Index::open(&path).unwrap().len(), 500);
}

#[test]
fn damaged_files_are_errors() {
    let (data, queries) = base_and_queries(400, 10, 21);
    let folder = tempfile::tempdir().unwrap();
    let whole = saved(&index_of(&data, Metric::Cosine), folder.path());
    let path = folder.path().join("damaged.nnd");
    let open = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        (Index::open(&path), Index::verify(&path))
    };
    let message = |bytes: &[u8]| open(bytes).0.unwrap_err().to_string();
    assert!(message(b"").contains("too few for a header"));
    assert!(message(&[b'x'; 200]).contains("it begins with \"xxxxxxxx\""));
    let mut newer = whole.clone();
    newer[8] = 2;
    assert!(matches!(open(&newer).0.unwrap_err(), IndexFileError::Newer { found: 2, known: 1, .. }));
    for length in [63, 64, 100, 1000, whole.len() / 2, whole.len() - 1] {
        let (opened, verified) = open(&whole[..length]);
        assert!(opened.is_err() && verified.is_err(), "{length} bytes");
    }
    assert!(message(&whole[..whole.len() - 64]).contains("truncated"));
    assert!(message(&[&whole[..], &[0; 64]].concat()).contains("its header says"));
    // Any byte of any part: found when it is looked for; never a panic if it is not.
    let asked = points_of(&queries);
    let unused = |at: usize| (56..64).contains(&at);
    for at in (0..whole.len()).step_by(whole.len() / 500).chain(0..64).filter(|&at| !unused(at)) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        let (opened, verified) = open(&damaged);
        let again = folder.path().join("again.nnd");
        let padding = opened.as_ref().is_ok_and(|o| o.save(&again).is_ok() && std::fs::read(&again).unwrap() == whole);
        assert!(verified.is_err() || padding, "byte {at} of {}", whole.len());
        if let Ok(opened) = opened {
            let _ = opened.query(&asked, 10, &SearchOptions::new());
            let _ = opened.query_ids(&[0, 399], 10, &SearchOptions::new());
            let _ = opened.query(&asked, 10, &SearchOptions::new().filter(|id| id % 2 == 0));
        }
    }
}

#[test]
fn files_of_version_1_can_be_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/index-v1.nnd");
    // Made by this test itself when version 1 was the newest: NNDESCENT_UPDATE_GOLDEN=1.
    let digits = include_bytes!("../examples/data/digits-8x8.u8");
    let points = Points::dense(&digits[..300 * 64], 300, 64).unwrap();
    if std::env::var_os("NNDESCENT_UPDATE_GOLDEN").is_some() {
        let builder = NnDescent::new(Metric::Euclidean).n_neighbors(10).recall_sample(0);
        builder.index(&points).unwrap().index.save(&path).unwrap();
    }
    Index::verify(&path).unwrap();
    let index = Index::open(&path).unwrap();
    assert_eq!((index.len(), index.dim(), index.metric()), (300, 64, &Metric::Euclidean));
    let truth = exact::query(&points, &points, &Metric::Euclidean, 5).unwrap();
    assert!(recall(&index.query(&points, 5, &SearchOptions::new().epsilon(0.2)).unwrap(), &truth) > 0.99);
}
