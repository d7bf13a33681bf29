//! Matrices whose rows are read from the file when they are asked for.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytemuck::Pod;
use half::f16;

use super::center::Center;
use super::error::IoError;
#[cfg(feature = "hdf5")]
use super::hdf5;
use super::kind::{Endian, Kind};
use super::losses::Losses;
use super::matrix::{Matrix, Values};
use super::source::{Source, open_file};
use super::values::read_rows;
use super::wide::WideMatrix;
use super::{Format, format_of, idx, npy, vecs};
use crate::parallel;
use crate::points::PointsError;

/// An open matrix in a file whose rows are at fixed places: .npy in C order, vecs, bin, IDX without compression, and the
/// dataset `train` of an HDF5 file that is not in chunks.
#[derive(Debug)]
pub(crate) struct MatrixFile {
    pub path: PathBuf,
    pub n: usize,
    pub dim: usize,
    file: File,
    kind: Kind,
    endian: Endian,
    /// Where row 0 begins.
    offset: u64,
    /// Bytes before the values of every row.
    prefix: usize,
}

/// Rows that are not asked for, but lie between others, are read with them up to this many bytes.
const GAP: usize = 8192;
/// Bytes that are read at once for scattered rows.
const RUN: usize = 1 << 20;

impl MatrixFile {
    /// # Errors
    /// Same as [`read_matrix`](super::read_matrix); [`IoError::Shape`] for formats whose rows are not at fixed places.
    pub(crate) fn open(path: &Path) -> Result<Self, IoError> {
        let nowhere = |what: &str| {
            let what = format!("{what}: its rows cannot be read one by one; write it as .npy first");
            Err(IoError::Shape { path: path.into(), what })
        };
        let (n, dim, kind, endian, offset, prefix) = match format_of(path)? {
            Format::Npy => {
                let mut source = Source::open(path)?;
                let header = npy::read_header(&mut source)?;
                let [n, dim] = header.shape[..] else {
                    let what = format!("an array of shape {:?}; a matrix of n x d is needed", header.shape);
                    return Err(IoError::Shape { path: path.into(), what });
                };
                if header.fortran {
                    let what = "an array in Fortran order: its rows cannot be read one by one; write it in C order first \
                        (numpy.ascontiguousarray)";
                    return Err(IoError::Shape { path: path.into(), what: what.into() });
                }
                let kind = header.kind(path)?;
                source.expect_array(n, dim, kind, || format!("{n} x {dim} of {}", kind.name()))?;
                (n, dim, kind, header.endian, header.length as u64, 0)
            }
            Format::Vecs(kind) => {
                let (_, n, dim) = vecs::vecs_shape(path, kind)?;
                (n, dim, kind, Endian::Little, 0, 4)
            }
            Format::Bin(kind) => {
                let (_, n, dim) = vecs::bin_shape(path, kind)?;
                (n, dim, kind, Endian::Little, 8, 0)
            }
            Format::Idx if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz")) => {
                return nowhere("a compressed file");
            }
            Format::Idx => {
                let mut source = Source::open(path)?;
                let (kind, shape) = idx::header(&mut source)?;
                let (n, dim) = (shape[0], idx::columns(path, &shape)?);
                source.expect_array(n, dim, kind, || format!("{n} x {dim} of {}", kind.name()))?;
                (n, dim, kind, Endian::Big, 4 + 4 * shape.len() as u64, 0)
            }
            #[cfg(feature = "hdf5")]
            Format::Hdf5 => match hdf5::place_of_hdf5(path)? {
                (n, dim, kind, endian, Some(offset)) => (n, dim, kind, endian, offset, 0),
                _ => return nowhere("dataset `train` is in chunks, maybe compressed"),
            },
            _ => return nowhere("a file of this format"),
        };
        let (file, _) = open_file(path)?;
        Ok(Self { path: path.into(), n, dim, file, kind, endian, offset, prefix })
    }

    /// numpy's name of the type of the values in memory.
    pub(crate) fn dtype(&self) -> &'static str {
        match self.kind {
            Kind::F16 => "float16",
            Kind::U8 | Kind::Bool => "uint8",
            Kind::I8 => "int8",
            _ => "float32",
        }
    }

    /// Bytes of a row in the file.
    pub(crate) fn row_bytes(&self) -> usize {
        self.prefix + self.dim * self.kind.size()
    }

    /// The bytes of a row as they are in the file.
    pub(crate) fn raw_row(&self, row: usize) -> Result<Vec<u8>, IoError> {
        let mut bytes = vec![0; self.row_bytes()];
        let at = self.offset + (row * self.row_bytes()) as u64;
        self.read(&mut bytes, at)?;
        Ok(bytes)
    }

    fn read(&self, bytes: &mut [u8], at: u64) -> Result<(), IoError> {
        read_exact_at(&self.file, bytes, at).map_err(|source| match source.kind() {
            ErrorKind::UnexpectedEof => IoError::Truncated {
                path: self.path.clone(),
                what: format!("what is read at byte {at}"),
                needed: bytes.len() as u128,
                available: self.file.metadata().map_or(0, |meta| meta.len().saturating_sub(at)),
            },
            _ => IoError::Os { path: self.path.clone(), source },
        })
    }

    /// Consecutive rows, as [`read_matrix`](super::read_matrix) reads them.
    ///
    /// # Errors
    /// The file cannot be read, or has become shorter; a value that f32 cannot hold, or that is not finite.
    pub(crate) fn rows(&self, rows: Range<usize>) -> Result<Matrix, IoError> {
        self.narrowed(self.wide_rows(rows.clone())?, rows.start)
    }

    /// The same, adding to what their values lose.
    ///
    /// # Errors
    /// Same as [`MatrixFile::rows`].
    pub(crate) fn rows_with(&self, rows: Range<usize>, losses: &mut Losses) -> Result<Matrix, IoError> {
        let wide = self.wide_rows(rows.clone())?;
        losses.add(&wide);
        self.narrowed(wide, rows.start)
    }

    fn wide_rows(&self, rows: Range<usize>) -> Result<WideMatrix, IoError> {
        let (count, bytes) = (rows.len(), rows.len() * self.row_bytes());
        let at = At { file: &self.file, offset: self.offset + (rows.start * self.row_bytes()) as u64 };
        let mut source = Source::stored(&self.path, BufReader::with_capacity(1 << 16, at), bytes as u64);
        match self.prefix {
            0 => read_rows(&mut source, self.kind, self.endian, count, self.dim),
            _ => vecs::read_vec_rows(&mut source, self.kind, rows, self.dim),
        }
    }

    /// Rows from `first` on as points.
    fn narrowed(&self, wide: WideMatrix, first: usize) -> Result<Matrix, IoError> {
        let refused =
            |source: PointsError| IoError::Points { path: self.path.clone(), source: source.of_later_rows(first) };
        let matrix = wide.into_narrowed(&Center::None).map_err(refused)?;
        matrix.points().map_err(refused)?;
        Ok(matrix)
    }

    /// The rows of ascending `ids`, read in runs where they lie close. Values are not checked.
    ///
    /// # Errors
    /// The file cannot be read, or has become shorter.
    pub(crate) fn gather(&self, ids: &[u32]) -> Result<Values, IoError> {
        let mut all = self.no_values();
        self.gather_into(ids, &mut all).map(|()| all)
    }

    /// The same, added to other rows.
    ///
    /// # Errors
    /// Same as [`MatrixFile::gather`].
    pub(crate) fn gather_into(&self, ids: &[u32], all: &mut Values) -> Result<(), IoError> {
        let pieces =
            parallel::map_ranges(ids.len(), ids.len().div_ceil(64).max(1024), |piece| self.gather_piece(&ids[piece]));
        for piece in pieces {
            let piece = piece?;
            all.append(&piece, 0..piece.len());
        }
        Ok(())
    }

    fn gather_piece(&self, ids: &[u32]) -> Result<Values, IoError> {
        let is_native = (self.endian == Endian::Little) == cfg!(target_endian = "little");
        match self.kind {
            Kind::U8 | Kind::Bool => self.gather_native(ids).map(Values::U8),
            Kind::I8 => self.gather_native(ids).map(Values::I8),
            Kind::F32 if is_native => self.gather_native(ids).map(Values::F32),
            Kind::F16 if is_native => self.gather_native(ids).map(Values::F16),
            _ => self.gather_converted(ids),
        }
    }

    /// Rows whose values are in memory what they are in the file.
    fn gather_native<T: Pod>(&self, ids: &[u32]) -> Result<Vec<T>, IoError> {
        let (mut out, mut buffer) = (Vec::with_capacity(ids.len() * self.dim), Vec::new());
        let row_bytes = self.row_bytes();
        for run in gather_runs(ids, row_bytes) {
            let first = ids[run.start] as usize;
            buffer.resize((ids[run.end - 1] as usize + 1 - first) * row_bytes, 0);
            let at = self.offset + (first * row_bytes) as u64;
            self.read(&mut buffer, at)?;
            for id in &ids[run] {
                let row = &buffer[(*id as usize - first) * row_bytes..][self.prefix..row_bytes];
                let at = out.len();
                out.resize(at + self.dim, T::zeroed());
                bytemuck::cast_slice_mut(&mut out[at..]).copy_from_slice(row);
            }
        }
        Ok(out)
    }

    fn gather_converted(&self, ids: &[u32]) -> Result<Values, IoError> {
        let mut out = self.no_values();
        for run in gather_runs(ids, self.row_bytes()) {
            let first = ids[run.start] as usize;
            let read = self.rows(first..ids[run.end - 1] as usize + 1)?.values;
            for id in &ids[run] {
                let at = (*id as usize - first) * self.dim;
                out.append(&read, at..at + self.dim);
            }
        }
        Ok(out)
    }

    fn no_values(&self) -> Values {
        match self.dtype() {
            "float16" => Values::F16(Vec::<f16>::new()),
            "uint8" => Values::U8(Vec::new()),
            "int8" => Values::I8(Vec::new()),
            _ => Values::F32(Vec::new()),
        }
    }
}

/// Ranges of ascending `ids` whose rows, of so many bytes, are read at once.
pub(crate) fn gather_runs(ids: &[u32], row_bytes: usize) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, &id) in ids.iter().enumerate() {
        let bytes = |from: usize| (id as usize - ids[from] as usize) * row_bytes;
        match runs.last_mut().filter(|run| bytes(run.end - 1) <= GAP + row_bytes && bytes(run.start) < RUN) {
            Some(run) => run.end = at + 1,
            None => runs.push(at..at + 1),
        }
    }
    runs
}

/// Reads from a place in a file, without moving its cursor.
struct At<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let read = read_at(self.file, bytes, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// Fills `bytes` from a place in a file, from any thread.
pub(crate) fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> std::io::Result<()> {
    At { file, offset }.read_exact(bytes)
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> std::io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> std::io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, bytes, offset)
}

/// Elsewhere the cursor is moved: there are no threads that would move it, too.
#[cfg(not(any(unix, windows)))]
fn read_at(mut file: &File, bytes: &mut [u8], offset: u64) -> std::io::Result<usize> {
    use std::io::Seek;
    file.seek(std::io::SeekFrom::Start(offset))?;
    file.read(bytes)
}
