//! Sparse matrices as `scipy.sparse.save_npz` writes them: `.npz` with `format`, `shape`, `indptr`, `indices` and
//! `data`.

use std::path::Path;

use super::error::IoError;
use super::kind::Kind;
use super::matrix::Narrowing;
use super::npy::{Header, Npz, read_header};
use super::source::Source;
use super::values::{read_rows, read_vec};
use crate::points::{CsrMatrix, PointsError, merge_entries};

/// The arrays of a file in CSR format.
const MEMBERS: [&str; 5] = ["format", "shape", "indptr", "indices", "data"];

/// Whether a file is a sparse matrix of `scipy.sparse`, in any of its formats, rather than plain arrays.
pub fn is_csr_file(path: impl AsRef<Path>) -> bool {
    let path = path.as_ref();
    let is_npz = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npz"));
    is_npz && Npz::open(path).is_ok_and(|npz| ["format", "shape", "data"].iter().all(|m| has(&npz.names(), m)))
}

fn has(names: &[String], wanted: &str) -> bool {
    names.iter().any(|n| n == wanted)
}

/// A sparse matrix read from a file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SparseMatrix {
    /// The matrix.
    pub matrix: CsrMatrix,
    /// numpy's name of the type in the file, if its values were converted to f32.
    pub narrowed_from: Option<&'static str>,
    /// The largest error of converting values that f32 may not hold.
    pub narrowing: Option<Narrowing>,
}

/// Reads a sparse matrix in CSR format as `scipy.sparse.save_npz` writes it, compressed or not.
///
/// Columns are sorted within each row, entries of the same column are added, stored zeros are dropped, and values
/// become f32. As in scipy, there may be more entries than `indptr` has rows for.
///
/// # Errors
/// [`IoError`] if the file cannot be read, lacks an array, is of another format (`csc`, for example), has arrays of
/// wrong shape or type or numbers out of range, or if [`CsrMatrix::new`] refuses the matrix.
pub fn read_csr(path: impl AsRef<Path>) -> Result<CsrMatrix, IoError> {
    read_sparse(path).map(|sparse| sparse.matrix)
}

/// Same as [`read_csr`], and what was lost where values were converted.
///
/// # Errors
/// Same as [`read_csr`].
pub fn read_sparse(path: impl AsRef<Path>) -> Result<SparseMatrix, IoError> {
    let path = path.as_ref();
    let mut npz = Npz::open(path)?;
    check_format(path, &mut npz)?;
    let names = npz.names();
    if let Some(missing) = MEMBERS.iter().find(|m| !has(&names, m)) {
        return Err(IoError::WhichArray { path: path.into(), wanted: Some((*missing).into()), arrays: names });
    }
    let shape = read_integers(path, &mut npz, "shape")?;
    let [n, dim] = shape[..] else {
        return Err(wrong(path, format!("a sparse array of shape {shape:?}; rows x columns are needed")));
    };
    let indptr = read_integers(path, &mut npz, "indptr")?;
    if (indptr.len() as u64).checked_sub(1) != Some(n) {
        return Err(wrong(path, format!("`indptr` has {} numbers; {n} rows need one more than that", indptr.len())));
    }
    let indptr: Vec<usize> = indptr.into_iter().map(|v| v as usize).collect();
    let mut indices = read_columns(path, &mut npz)?;
    indices.truncate(indptr.last().map_or(0, |&last| last));
    let values = read_values(path, &mut npz, indices.len())?;
    let refused = |source| IoError::Points { path: path.into(), source };
    let dim = dim as usize;
    match values {
        (kind, Entries::Own(values)) => {
            let matrix = CsrMatrix::new(dim, indptr, indices, values).map_err(refused)?;
            let narrowed_from = (kind != Kind::F32).then_some(kind.name());
            Ok(SparseMatrix { matrix, narrowed_from, narrowing: None })
        }
        (kind, Entries::Wide(values)) => {
            let (matrix, narrowing) = narrowed(dim, indptr, indices, values).map_err(refused)?;
            Ok(SparseMatrix { matrix, narrowed_from: Some(kind.name()), narrowing: Some(narrowing) })
        }
    }
}

/// The matrix in f32, and where that loses most. What is in the same place is added before.
fn narrowed(
    dim: usize,
    mut indptr: Vec<usize>,
    mut indices: Vec<u32>,
    mut values: Vec<f64>,
) -> Result<(CsrMatrix, Narrowing), PointsError> {
    merge_entries(dim, &mut indptr, &mut indices, &mut values)?;
    let mut worst = Narrowing { error: 0.0, row: 0, column: 0, value: 0.0 };
    let mut narrow = Vec::with_capacity(values.len());
    for (row, range) in indptr.windows(2).enumerate() {
        for at in range[0]..range[1] {
            let (value, column) = (values[at], indices[at] as usize);
            let close = value as f32;
            if value.is_finite() && close.is_infinite() {
                return Err(PointsError::DoesNotFit { row, column, value, dtype: "float32" });
            }
            let error = (value - f64::from(close)).abs();
            if error > worst.error {
                worst = Narrowing { error, row, column, value };
            }
            narrow.push(close);
        }
    }
    CsrMatrix::new(dim, indptr, indices, narrow).map(|matrix| (matrix, worst))
}

fn wrong(path: &Path, what: String) -> IoError {
    IoError::Shape { path: path.into(), what }
}

/// Opens an array that must be one-dimensional; its header and length.
fn open<'a>(path: &Path, npz: &'a mut Npz, name: &str) -> Result<(Source<'a>, Header, usize), IoError> {
    let mut source = npz.array(name)?;
    let header = read_header(&mut source)?;
    match header.shape[..] {
        [count] => Ok((source, header, count)),
        _ => Err(wrong(path, format!("`{name}` of shape {:?}; one dimension is needed", header.shape))),
    }
}

fn check_format(path: &Path, npz: &mut Npz) -> Result<(), IoError> {
    let names = npz.names();
    if !has(&names, "format") {
        return Err(IoError::WhichArray { path: path.into(), wanted: Some("format".into()), arrays: names });
    }
    let mut source = npz.array("format")?;
    let header = read_header(&mut source)?;
    // `|S3`, or `<U3` with four bytes per letter.
    let width = match header.kind.as_ref().err().and_then(|t| t.rsplit_once(['S', 'U'])) {
        Some((before, length)) => {
            let letter = if before == "|" { 1 } else { 4 };
            length.parse::<usize>().unwrap_or(0).min(16) * letter
        }
        None => return Err(wrong(path, "`format` is not a name such as `csr`".into())),
    };
    let mut bytes = vec![0; width];
    source.fill(&mut bytes, || "`format`".into())?;
    bytes.retain(|b| *b != 0);
    match &bytes[..] {
        b"csr" => Ok(()),
        other => {
            let found = format!("format `{}`; convert it with `.tocsr()`", String::from_utf8_lossy(other));
            Err(IoError::Mislabelled { path: path.into(), expected: "a sparse matrix in CSR format", found })
        }
    }
}

/// Reads an array of non-negative integers.
fn read_integers(path: &Path, npz: &mut Npz, name: &str) -> Result<Vec<u64>, IoError> {
    let (mut source, header, count) = open(path, npz, name)?;
    let kind = header.kind(path)?;
    let what = || format!("`{name}`, {count} of {}", kind.name());
    source.expect_array(count, 1, kind, what)?;
    let endian = header.endian;
    let negative = |at: usize, v: i64| wrong(path, format!("`{name}` holds {v}, at {at}: no number may be negative"));
    let unsigned = |(at, v): (usize, i64)| u64::try_from(v).map_err(|_| negative(at, v));
    macro_rules! signed {
        ($t:ty) => {
            read_vec::<$t>(&mut source, count, endian, what)?
                .into_iter()
                .map(i64::from)
                .enumerate()
                .map(unsigned)
                .collect()
        };
    }
    macro_rules! unsigned {
        ($t:ty) => {
            Ok(read_vec::<$t>(&mut source, count, endian, what)?.into_iter().map(u64::from).collect())
        };
    }
    match kind {
        Kind::I8 => signed!(i8),
        Kind::I16 => signed!(i16),
        Kind::I32 => signed!(i32),
        Kind::I64 => signed!(i64),
        Kind::U8 => unsigned!(u8),
        Kind::U16 => unsigned!(u16),
        Kind::U32 => unsigned!(u32),
        Kind::U64 => read_vec(&mut source, count, endian, what),
        Kind::Bool | Kind::F16 | Kind::F32 | Kind::F64 => {
            Err(wrong(path, format!("`{name}` of {}; integers are needed", kind.name())))
        }
    }
}

/// Reads `indices`. int32, which nearly all files hold, is read in place.
fn read_columns(path: &Path, npz: &mut Npz) -> Result<Vec<u32>, IoError> {
    let (mut source, header, count) = open(path, npz, "indices")?;
    let kind = header.kind(path)?;
    if kind == Kind::I32 {
        let what = || format!("`indices`, {count} of int32");
        source.expect_array(count, 1, kind, what)?;
        let columns: Vec<u32> = read_vec(&mut source, count, header.endian, what)?;
        return match columns.iter().position(|c| c.cast_signed() < 0) {
            None => Ok(columns),
            Some(at) => Err(wrong(
                path,
                format!("`indices` holds {}, at {at}: no number may be negative", columns[at].cast_signed()),
            )),
        };
    }
    drop(source);
    let too_large = |at: usize, v: u64| wrong(path, format!("`indices` holds {v}, at {at}: more than 32 bits"));
    let narrow = |(at, v): (usize, u64)| u32::try_from(v).map_err(|_| too_large(at, v));
    read_integers(path, npz, "indices")?.into_iter().enumerate().map(narrow).collect()
}

/// Values of entries.
enum Entries {
    Own(Vec<f32>),
    Wide(Vec<f64>),
}

/// Reads the first `count` of `data`, or all if there are fewer.
fn read_values(path: &Path, npz: &mut Npz, count: usize) -> Result<(Kind, Entries), IoError> {
    let (mut source, header, length) = open(path, npz, "data")?;
    let kind = header.kind(path)?;
    let what = || format!("`data`, {length} of {}", kind.name());
    source.expect_array(length, 1, kind, what)?;
    let count = count.min(length);
    let values = read_rows(&mut source, kind, header.endian, count, 1)?.into_entries();
    Ok((kind, values.map_or_else(Entries::Wide, Entries::Own)))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::path::PathBuf;

    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    use super::*;

    /// A .npy of a shape as Python writes it.
    fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
        let header = format!("{header:<117}\n");
        [&b"\x93NUMPY\x01\x00"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
    }

    fn array<T: bytemuck::NoUninit>(descr: &str, values: &[T]) -> Vec<u8> {
        npy(descr, &format!("({},)", values.len()), bytemuck::cast_slice(values))
    }

    type Members = Vec<(&'static str, Vec<u8>)>;

    /// 3 x 5, rows 0 and 2 with entries, row 0 unsorted.
    fn members() -> Members {
        vec![
            ("indices", array("<i4", &[4i32, 1, 0])),
            ("indptr", array("<i4", &[0i32, 2, 2, 3])),
            ("format", npy("|S3", "()", b"csr")),
            ("shape", array("<i8", &[3i64, 5])),
            ("data", array("<f4", &[2.0f32, 1.0, -3.0])),
        ]
    }

    fn with(name: &str, bytes: Vec<u8>) -> Members {
        let mut members = members();
        members.iter_mut().filter(|m| m.0 == name).for_each(|m| m.1.clone_from(&bytes));
        members
    }

    fn write(folder: &tempfile::TempDir, members: &Members, method: CompressionMethod) -> PathBuf {
        let path = folder.path().join("m.npz");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        for (name, bytes) in members {
            zip.start_file(format!("{name}.npy"), SimpleFileOptions::default().compression_method(method)).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
        path
    }

    fn read(members: &Members) -> Result<CsrMatrix, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = write(&folder, members, CompressionMethod::Deflated);
        read_csr(&path).map_err(|e| e.to_string().replace(&path.display().to_string(), "m.npz"))
    }

    fn expected() -> CsrMatrix {
        CsrMatrix::new(5, vec![0, 2, 2, 3], vec![1, 4, 0], vec![1.0, 2.0, -3.0]).unwrap()
    }

    #[test]
    fn files_of_every_type_are_read() {
        let folder = tempfile::tempdir().unwrap();
        for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            let path = write(&folder, &members(), method);
            assert_eq!(read_csr(&path).unwrap(), expected());
            assert!(is_csr_file(&path));
        }
        assert_eq!(read(&with("indices", array("<i8", &[4i64, 1, 0]))).unwrap(), expected());
        assert_eq!(read(&with("indptr", array("<i8", &[0i64, 2, 2, 3]))).unwrap(), expected());
        assert_eq!(read(&with("data", array("<f8", &[2.0f64, 1.0, -3.0]))).unwrap(), expected());
        assert_eq!(read(&with("data", array("|i1", &[2i8, 1, -3]))).unwrap(), expected());
        let wide: Vec<u8> = "csr".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        assert_eq!(read(&with("format", npy("<U3", "()", &wide))).unwrap(), expected());
    }

    #[test]
    fn entries_are_added_and_slack_is_left_out_as_scipy_does() {
        let twice = |descr: &str, values: Vec<u8>| {
            let members = vec![
                ("indices", array("<u2", &[4u16, 0, 4, 1, 9, 9])),
                ("indptr", array("<i4", &[0i32, 3, 4])),
                ("format", npy("|S3", "()", b"csr")),
                ("shape", array("<i8", &[2i64, 5])),
                ("data", npy(descr, "(6,)", &values)),
            ];
            let folder = tempfile::tempdir().unwrap();
            read_sparse(write(&folder, &members, CompressionMethod::Stored))
        };
        let expected = CsrMatrix::new(5, vec![0, 2, 3], vec![0, 4, 1], vec![1.0, 2.5, 3.0]).unwrap();
        let read = twice("<f4", bytemuck::cast_slice(&[2.0f32, 1.0, 0.5, 3.0, 7.0, f32::NAN]).to_vec()).unwrap();
        assert_eq!((read.matrix, read.narrowed_from), (expected.clone(), None));
        let read = twice("<f8", bytemuck::cast_slice(&[2.0f64, 1.0, 0.5, 3.0, 7.0, 1e300]).to_vec()).unwrap();
        assert_eq!((read.matrix, read.narrowed_from), (expected.clone(), Some("float64")));
        assert_eq!(read.narrowing.map(|n| n.error), Some(0.0));
        let read = twice("<f8", bytemuck::cast_slice(&[2.1f64, 1.0, 0.5, 3.0, 7.0, 1e300]).to_vec()).unwrap();
        let worst = read.narrowing.unwrap();
        assert_eq!((worst.row, worst.column, worst.value), (0, 4, 2.6));
        assert!(worst.error > 0.0 && worst.error < 1.2e-7, "{worst:?}");
        let error = twice("<f8", bytemuck::cast_slice(&[2.0f64, 1e300, 0.5, 3.0, 7.0, 0.0]).to_vec()).unwrap_err();
        assert!(error.to_string().contains("row 0, column 0 is 1e300, which float32 cannot hold"), "{error}");
    }

    #[test]
    fn other_files_are_refused_by_name() {
        let error = |members: &Members| read(members).unwrap_err();
        let found = error(&with("format", npy("|S3", "()", b"csc")));
        assert_eq!(found, "m.npz: not a sparse matrix in CSR format: format `csc`; convert it with `.tocsr()`");
        for name in MEMBERS {
            let without: Members = members().into_iter().filter(|m| m.0 != name).collect();
            assert!(error(&without).starts_with(&format!("m.npz: no array `{name}`; arrays there: ")));
        }
        let found = error(&with("indices", array("<i4", &[4i32, -1, 0])));
        assert_eq!(found, "m.npz: `indices` holds -1, at 1: no number may be negative");
        let found = error(&with("indices", array("<i8", &[4i64, -7, 0])));
        assert_eq!(found, "m.npz: `indices` holds -7, at 1: no number may be negative");
        let found = error(&with("indices", array("<i8", &[4i64, 1 << 40, 0])));
        assert_eq!(found, "m.npz: `indices` holds 1099511627776, at 1: more than 32 bits");
        let found = error(&with("indices", array("<f4", &[4.0f32, 1.0, 0.0])));
        assert_eq!(found, "m.npz: `indices` of float32; integers are needed");
        let found = error(&with("indices", array("<i4", &[5i32, 1, 0])));
        assert_eq!(found, "m.npz: row 0 has an entry in column 5: there are 5 columns, from 0");
        let found = error(&with("indptr", array("<i4", &[0i32, 2, 3])));
        assert_eq!(found, "m.npz: `indptr` has 3 numbers; 3 rows need one more than that");
        let found = error(&with("indptr", array("<i4", &[0i32, 2, -2, 3])));
        assert_eq!(found, "m.npz: `indptr` holds -2, at 2: no number may be negative");
        let found = error(&with("shape", array("<i8", &[3i64])));
        assert_eq!(found, "m.npz: a sparse array of shape [3]; rows x columns are needed");
        let found = error(&with("shape", array("<i8", &[-1i64, i64::MAX])));
        assert_eq!(found, "m.npz: `shape` holds -1, at 0: no number may be negative");
        let found = error(&with("data", array("<c8", &[[2.0f32, 0.0], [1.0, 0.0], [1.0, 0.0]])));
        assert!(found.contains("<c8 are not supported"), "{found}");
        let found = error(&with("data", array("<f4", &[2.0f32, f32::INFINITY, 1.0])));
        assert_eq!(found, "m.npz: row 0, column 1 is inf: every value must be finite");
    }

    #[test]
    fn damaged_files_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(&folder, &members(), CompressionMethod::Stored);
        let whole = std::fs::read(&path).unwrap();
        for length in (0..whole.len()).step_by(7) {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(read_csr(&path).is_err());
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x91;
            std::fs::write(&path, &bytes).unwrap();
            // An error or, where nothing depends on the byte, the matrix: no panic, and no memory that is not there.
            let _ = read_csr(&path);
        }
    }

    #[test]
    fn plain_arrays_are_not_csr_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(&folder, &vec![("data", array("<f4", &[1.0f32]))], CompressionMethod::Stored);
        assert!(!is_csr_file(&path));
        assert!(!is_csr_file(folder.path().join("none.npz")));
    }
}
