//! Readers and writers: what they read, and their messages about wrong files.

use std::io::Write;
use std::path::Path;

use crate::common::data;
use crate::common::files::{npy, npy_f32, write};
use half::f16;
use nndescent::KnnGraph;
use nndescent::io::{Matrix, Values, describe, read_csr, read_graph, read_matrix, write_graph};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn read(path: &Path) -> Matrix {
    read_matrix(path, None).unwrap()
}

/// The message, without the leading path.
fn message(path: &Path, array: Option<&str>) -> String {
    let whole = read_matrix(path, array).unwrap_err().to_string();
    whole.strip_prefix(&format!("{}: ", path.display())).expect("the file is named").to_string()
}

fn bytes<T: bytemuck::Pod>(values: &[T]) -> Vec<u8> {
    bytemuck::cast_slice(values).to_vec()
}

#[test]
fn npy_of_every_type() {
    let dir = folder();
    let wide = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0];
    let read = |descr: &str, values: Vec<u8>| read(&write(dir.path(), "x.npy", &npy(descr, false, "(2, 3)", &values)));
    let f32s = Values::F32(wide.to_vec());
    assert_eq!(read("'<f4'", bytes(&wide)), read("'<f4'", bytes(&wide)));
    assert_eq!(read("'<f4'", bytes(&wide)).values, f32s);
    assert_eq!(read("'<f4'", bytes(&wide)).narrowed_from, None);
    assert_eq!(read("'<f2'", bytes(&wide.map(f16::from_f32))).values, Values::F16(wide.map(f16::from_f32).to_vec()));
    assert_eq!(read("'|u1'", vec![1, 2, 3, 4, 5, 6]).values, Values::U8(vec![1, 2, 3, 4, 5, 6]));
    assert_eq!(read("'|i1'", bytes(&[-1i8, 2, 3, 4, 5, -6])).values, Values::I8(vec![-1, 2, 3, 4, 5, -6]));
    assert_eq!(read("'|b1'", vec![0, 1, 1, 0, 1, 0]).values, Values::U8(vec![0, 1, 1, 0, 1, 0]));
    let narrowed = [
        ("'<f8'", bytes(&wide.map(f64::from)), "float64"),
        ("'<i2'", bytes(&wide.map(|v| v as i16)), "int16"),
        ("'<i4'", bytes(&wide.map(|v| v as i32)), "int32"),
        ("'<i8'", bytes(&wide.map(|v| v as i64)), "int64"),
        ("'<u2'", bytes(&wide.map(|v| v as u16)), "uint16"),
        ("'<u4'", bytes(&wide.map(|v| v as u32)), "uint32"),
    ];
    for (descr, values, name) in narrowed {
        let matrix = read(descr, values);
        assert_eq!((matrix.values, matrix.narrowed_from), (f32s.clone(), Some(name)));
    }
    let big_endian: Vec<u8> = wide.iter().flat_map(|v| v.to_be_bytes()).collect();
    assert_eq!(read("'>f4'", big_endian).values, f32s);
}

#[test]
fn fortran_order_is_turned() {
    let dir = folder();
    let columns = bytes(&[1.0f32, 4.0, 2.0, 5.0, 3.0, 6.0]);
    let matrix = read(&write(dir.path(), "x.npy", &npy("'<f4'", true, "(2, 3)", &columns)));
    assert_eq!(matrix.values, Values::F32(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
}

#[test]
fn vecs_and_bins() {
    let dir = folder();
    let rows = |values: [&[u8]; 2]| [&3i32.to_le_bytes(), values[0], &3i32.to_le_bytes(), values[1]].concat();
    let floats = [bytes(&[1.0f32, 2.0, 3.0]), bytes(&[4.0f32, 5.0, 6.0])];
    let expected = Values::F32(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let fvecs = write(dir.path(), "x.fvecs", &rows([&floats[0], &floats[1]]));
    assert_eq!((read(&fvecs).n, read(&fvecs).dim, read(&fvecs).values), (2, 3, expected.clone()));
    let bvecs = write(dir.path(), "x.bvecs", &rows([&[1, 2, 3], &[4, 5, 6]]));
    assert_eq!(read(&bvecs).values, Values::U8(vec![1, 2, 3, 4, 5, 6]));
    let ints = [bytes(&[1i32, 2, 3]), bytes(&[4i32, 5, 6])];
    let ivecs = write(dir.path(), "x.ivecs", &rows([&ints[0], &ints[1]]));
    assert_eq!((read(&ivecs).values, read(&ivecs).narrowed_from), (expected.clone(), Some("int32")));
    assert_eq!(read_graph(&ivecs).unwrap().all_ids(), [1, 2, 3, 4, 5, 6]);

    let header = [2u32.to_le_bytes(), 3u32.to_le_bytes()].concat();
    let bin = |name: &str, values: &[u8]| read(&write(dir.path(), name, &[&header, values].concat())).values;
    assert_eq!(bin("x.fbin", &floats.concat()), expected);
    assert_eq!(bin("x.u8bin", &[1, 2, 3, 4, 5, 6]), Values::U8(vec![1, 2, 3, 4, 5, 6]));
    assert_eq!(bin("x.i8bin", &[255, 2, 3, 4, 5, 6]), Values::I8(vec![-1, 2, 3, 4, 5, 6]));
    assert_eq!(bin("x.ibin", &ints.concat()), expected);
}

/// An IDX file of 2 images of 1 x 3.
fn idx() -> Vec<u8> {
    let shape: Vec<u8> = [2u32, 1, 3].iter().flat_map(|s| s.to_be_bytes()).collect();
    [&[0, 0, 8, 3][..], &shape, &[1, 2, 3, 4, 5, 6]].concat()
}

fn gzipped(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn idx_plain_and_gzipped() {
    let dir = folder();
    for (name, content) in [("train-images-idx3-ubyte", idx()), ("x.idx.gz", gzipped(&idx()))] {
        let matrix = read(&write(dir.path(), name, &content));
        assert_eq!((matrix.n, matrix.dim, matrix.values), (2, 3, Values::U8(vec![1, 2, 3, 4, 5, 6])));
    }
    let info = describe(write(dir.path(), "x.idx", &idx())).unwrap();
    assert_eq!((info[0].shape.clone(), info[0].dtype.as_str()), (vec![2, 1, 3], "uint8"));
}

#[cfg(feature = "hdf5")]
#[test]
fn hdf5_as_ann_benchmarks_lays_it_out() {
    for layout in ["contiguous", "chunked"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/ann-benchmarks-{layout}.hdf5"));
        let train = read(&path);
        assert_eq!((train.n, train.dim), (20, 4));
        assert_eq!(train.values, Values::F32((0..80).map(|v| v as f32).collect()), "{layout}");
        let neighbors = read_matrix(&path, Some("neighbors")).unwrap();
        assert_eq!((neighbors.n, neighbors.narrowed_from), (3, Some("int32")));
        let missing = message(&path, Some("base"));
        assert!(
            missing.starts_with("no array `base`; arrays there: ") && missing.contains("train [20, 4]"),
            "{missing}"
        );
        assert_eq!(describe(&path).unwrap().len(), 4);
    }
}

#[cfg(feature = "hdf5")]
#[test]
fn hdf5_that_promises_more_than_the_file_holds_is_refused() {
    let dir = folder();
    let (shape, vast) = ([20u64, 4].map(u64::to_le_bytes).concat(), [1u64 << 40, 4].map(u64::to_le_bytes).concat());
    for layout in ["contiguous", "chunked"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/ann-benchmarks-{layout}.hdf5"));
        let mut file = std::fs::read(path).unwrap();
        let places: Vec<usize> = (0..file.len() - 16).filter(|&at| file[at..at + 16] == shape).collect();
        assert!(!places.is_empty(), "{layout}");
        places.iter().for_each(|&at| file[at..at + 16].copy_from_slice(&vast));
        let error = message(&write(dir.path(), "a.hdf5", &file), None);
        let expected =
            "truncated: dataset `train` of shape [1099511627776, 4] and type float32 takes 17592186044416 bytes";
        assert!(error.starts_with(expected), "{layout}: {error}");
    }
}

#[test]
fn graphs_come_back_as_written() {
    let dir = folder();
    let graph = KnnGraph::from_parts(3, 2, vec![1, 2, 0, 2, 0, 1], vec![0.5, 1.0, 0.5, 2.0, 1.0, 2.0]).unwrap();
    let path = dir.path().join("g.npz");
    for _ in 0..2 {
        write_graph(&path, &graph).unwrap();
        assert_eq!(read_graph(&path).unwrap(), graph);
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    let error = write_graph(dir.path().join("missing/g.npz"), &graph).unwrap_err().to_string();
    assert!(error.contains("missing/g.npz") && error.contains("No such file"), "{error}");
    assert_eq!(read_matrix(&path, Some("distances")).unwrap().dim, 2);
    let which = message(&path, None);
    assert_eq!(which, "name one array; arrays there: indices [3, 2], distances [3, 2]");
}

#[test]
fn truncated_files_say_where() {
    let dir = folder();
    let whole = npy_f32(&[1.0; 12], 4);
    let short = |name: &str, content: &[u8]| message(&write(dir.path(), name, content), None);
    assert_eq!(short("a.npy", &whole[..whole.len() - 5]), "truncated: 3 x 4 of float32 takes 48 bytes, 43 are there");
    assert_eq!(short("b.npy", &whole[..20]), "truncated: the header takes 118 bytes, 10 are there");
    assert_eq!(short("c.npy", &whole[..4]), "truncated: the .npy magic and version takes 8 bytes, 4 are there");
    let vast = message(
        &write(dir.path(), "v.npy", &npy("'<f4'", false, "(18446744073709551615, 18446744073709551615)", &[])),
        None,
    );
    assert!(vast.starts_with("truncated: ") || vast.starts_with("not a .npy array: "), "{vast}");
    let vecs = [&2i32.to_le_bytes()[..], &[0; 8], &2i32.to_le_bytes(), &[0; 3]].concat();
    let expected = "truncated: row 1 of 2 columns of float32 (rows take 12 bytes) takes 12 bytes, 7 are there";
    assert_eq!(short("a.fvecs", &vecs), expected);
    let bin = [&1000u32.to_le_bytes()[..], &1000u32.to_le_bytes(), &[0; 8]].concat();
    assert_eq!(short("a.fbin", &bin), "truncated: 1000 x 1000 of float32 takes 4000000 bytes, 8 are there");
    assert_eq!(short("a.idx", &idx()[..20]), "truncated: 2 x 3 of uint8 takes 6 bytes, 4 are there");
    let gz = gzipped(&idx());
    assert!(short("a.idx.gz", &gz[..gz.len() / 2]).starts_with("truncated: "));
}

#[test]
fn mislabelled_files_say_what_they_are() {
    let dir = folder();
    let of = |name: &str, content: &[u8]| message(&write(dir.path(), name, content), None);
    assert_eq!(of("a.npy", b"x,y\n1.0,2.0\n"), "not a .npy array: it begins with \"x,y\\n1.\", not \"\\x93NUMPY\"");
    assert!(of("a.npz", b"no archive").starts_with("not a .npz archive: "));
    assert_eq!(of("a.idx", b"P5 not idx"), "not an IDX file: it begins with [50, 35, 20, 6e]");
    assert_eq!(of("a.fvecs", &[255; 40]), "not a file of vectors: row 0 begins with a length of -1");
    #[cfg(feature = "hdf5")]
    assert!(of("a.hdf5", b"not hdf5 at all").starts_with("not a readable HDF5 file: "));
    assert!(of("a.xls", b"1,2").starts_with("unknown kind of file; known are .npy .npz"));
    let ragged = [&1i32.to_le_bytes()[..], &[0; 4], &2i32.to_le_bytes(), &[0; 4]].concat();
    assert_eq!(of("b.fvecs", &ragged), "row 1 has 2 columns, row 0 has 1");
}

#[test]
fn types_and_shapes_that_are_no_matrix() {
    let dir = folder();
    let of = |content: &[u8]| message(&write(dir.path(), "a.npy", content), None);
    let types = "are not supported; float16, float32, float64 and integers are";
    assert_eq!(of(&npy("'<c8'", false, "(1, 1)", &[0; 8])), format!("values of type <c8 {types}"));
    assert_eq!(of(&npy("'<U3'", false, "(1, 1)", &[0; 12])), format!("values of type <U3 {types}"));
    let flat = "an array of shape [4]; a matrix of n x d is needed";
    assert_eq!(of(&npy("'<f4'", false, "(4,)", &[0; 16])), flat);
    assert!(message(dir.path(), None).starts_with("unknown kind of file"));
    assert!(message(&dir.path().join("none.npy"), None).contains("No such file"));
    let nan = npy_f32(&[[0.0; 5].as_slice(), &[f32::NAN]].concat(), 2);
    let matrix = read(&write(dir.path(), "nan.npy", &nan));
    assert_eq!(matrix.points().unwrap_err().to_string(), "row 2, column 1 is NaN: every value must be finite");
}

#[test]
fn real_files() {
    let check = |name: &str, array, expected| {
        let Some(path) = data::file(name) else { return };
        let matrix = read_matrix(path, array).unwrap();
        matrix.points().unwrap();
        assert_eq!((matrix.n, matrix.dim, matrix.narrowed_from), expected);
    };
    check("fashion-mnist/t10k-images-idx3-ubyte.gz", None, (10_000, 784, None));
    check("word2vec/word2vec_100d.npz", Some("queries"), (2000, 100, None));
    check("bigann10k/base.bvecs", None, (10_000, 128, None));
    check("cities/latlon_degrees.npy", None, (155_210, 2, Some("float64")));
    check("outliers/1_ALOI.npz", Some("X"), (49_534, 27, Some("float64")));
    for (name, n, dim) in [("reuters_tfidf.npz", 20_577, 18_322), ("retail_baskets.npz", 88_162, 16_470)] {
        let Some(path) = data::file(&format!("sparse/{name}")) else { continue };
        let matrix = read_csr(path).unwrap();
        assert_eq!((matrix.view().n(), matrix.view().dim()), (n, dim));
    }
}
