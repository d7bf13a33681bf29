//! numpy's `.npy` and `.npz`.

use std::fs::File;
use std::io::Cursor;
use std::path::Path;

use npyz::{DType, NpyHeader, Order, TypeChar};
use zip::ZipArchive;

use super::error::IoError;
use super::kind::{Endian, Kind};
use super::matrix::ArrayInfo;
use super::source::{Source, open_file};
use super::values::{read_rows, transpose};
use super::wide::WideMatrix;

/// Upper bound on the length of a plain array's header.
const MAX_HEADER: usize = 1 << 16;

/// The header of an array.
pub(crate) struct Header {
    pub shape: Vec<usize>,
    pub fortran: bool,
    pub endian: Endian,
    /// The type of its numbers, or the name of a type that is not supported.
    pub kind: Result<Kind, String>,
    /// Its length in bytes: where the values begin.
    pub length: usize,
}

impl Header {
    pub(crate) fn kind(&self, path: &Path) -> Result<Kind, IoError> {
        self.kind.clone().map_err(|dtype| IoError::Dtype { path: path.into(), dtype })
    }

    fn info(&self, name: &str) -> ArrayInfo {
        let dtype = self.kind.as_ref().map_or_else(String::clone, |k| k.name().into());
        ArrayInfo { name: name.into(), shape: self.shape.clone(), dtype }
    }
}

/// Reads the header; `source` is left at the values.
pub(crate) fn read_header(source: &mut Source) -> Result<Header, IoError> {
    let wrong =
        |path: &Path, found: String| IoError::Mislabelled { path: path.into(), expected: "a .npy array", found };
    let magic = source.take::<8>("the .npy magic and version")?;
    if magic[..6] != *b"\x93NUMPY" {
        return Err(wrong(
            &source.path,
            format!("it begins with {:?}, not \"\\x93NUMPY\"", String::from_utf8_lossy(&magic[..6])),
        ));
    }
    let (mut bytes, length) = match magic[6] {
        1 => {
            let length = source.take::<2>("the header's length")?;
            ([&magic[..], &length].concat(), usize::from(u16::from_le_bytes(length)))
        }
        2 | 3 => {
            let length = source.take::<4>("the header's length")?;
            ([&magic[..], &length].concat(), u32::from_le_bytes(length) as usize)
        }
        version => return Err(wrong(&source.path, format!("version {version}; 1 to 3 are known"))),
    };
    if length > MAX_HEADER {
        return Err(wrong(&source.path, format!("a header of {length} bytes")));
    }
    let start = bytes.len();
    bytes.resize(start + length, 0);
    source.fill(&mut bytes[start..], || "the header".into())?;
    if !shape_is_countable(&bytes) {
        return Err(wrong(&source.path, "more values than can be counted".into()));
    }
    let header = NpyHeader::from_reader(&mut Cursor::new(&bytes)).map_err(|e| wrong(&source.path, e.to_string()))?;
    let shape: Option<Vec<usize>> = header.shape().iter().map(|&s| usize::try_from(s).ok()).collect();
    let (kind, endian) = kind_of(&header.dtype());
    Ok(Header {
        shape: shape.ok_or_else(|| wrong(&source.path, format!("a shape of {:?}", header.shape())))?,
        fortran: header.order() == Order::Fortran,
        kind,
        endian,
        length: bytes.len(),
    })
}

/// Whether the size in bytes of the array that a header describes fits in 64 bits: `npyz` multiplies unchecked.
fn shape_is_countable(header: &[u8]) -> bool {
    let text = String::from_utf8_lossy(header);
    let shape = text.split("shape").nth(1).and_then(|s| s.split('(').nth(1)?.split(')').next());
    let mut extents =
        shape.unwrap_or_default().split(',').map(|s| s.trim().trim_end_matches('L').parse::<u64>().unwrap_or(1));
    extents.try_fold(1u64 << 16, |product, s| product.checked_mul(s.max(1))).is_some()
}

fn kind_of(dtype: &DType) -> (Result<Kind, String>, Endian) {
    let DType::Plain(plain) = dtype else { return (Err(dtype.descr()), Endian::Little) };
    let endian = if plain.to_string().starts_with('>') { Endian::Big } else { Endian::Little };
    let kind = match (plain.type_char(), plain.size_field()) {
        (TypeChar::Float, 2) => Kind::F16,
        (TypeChar::Float, 4) => Kind::F32,
        (TypeChar::Float, 8) => Kind::F64,
        (TypeChar::Bool, _) => Kind::Bool,
        (TypeChar::Uint, 1) => Kind::U8,
        (TypeChar::Uint, 2) => Kind::U16,
        (TypeChar::Uint, 4) => Kind::U32,
        (TypeChar::Uint, 8) => Kind::U64,
        (TypeChar::Int, 1) => Kind::I8,
        (TypeChar::Int, 2) => Kind::I16,
        (TypeChar::Int, 4) => Kind::I32,
        (TypeChar::Int, 8) => Kind::I64,
        (TypeChar::Float, 12 | 16) => {
            return (Err(format!("longdouble ({plain}: {} bytes)", plain.size_field())), endian);
        }
        _ => return (Err(plain.to_string()), endian),
    };
    (Ok(kind), endian)
}

pub(crate) fn read_npy(path: &Path) -> Result<WideMatrix, IoError> {
    read_array(Source::open(path)?)
}

pub(crate) fn describe_npy(path: &Path) -> Result<ArrayInfo, IoError> {
    read_header(&mut Source::open(path)?).map(|h| h.info(""))
}

fn read_array(mut source: Source) -> Result<WideMatrix, IoError> {
    let header = read_header(&mut source)?;
    let [n, dim] = header.shape[..] else {
        let what = format!("an array of shape {:?}; a matrix of n x d is needed", header.shape);
        return Err(IoError::Shape { path: source.path, what });
    };
    let kind = header.kind(&source.path)?;
    let matrix = read_rows(&mut source, kind, header.endian, n, dim)?;
    Ok(if header.fortran { transpose(&matrix) } else { matrix })
}

/// An opened .npz.
pub(crate) struct Npz<'a> {
    path: &'a Path,
    zip: ZipArchive<File>,
}

impl<'a> Npz<'a> {
    pub(crate) fn open(path: &'a Path) -> Result<Self, IoError> {
        let (file, _) = open_file(path)?;
        let wrong = |e: zip::result::ZipError| IoError::Mislabelled {
            path: path.into(),
            expected: "a .npz archive",
            found: e.to_string(),
        };
        Ok(Self { path, zip: ZipArchive::new(file).map_err(wrong)? })
    }

    /// Names of the arrays, in the order of the archive.
    pub(crate) fn names(&self) -> Vec<String> {
        self.zip.file_names().flatten().filter_map(|n| n.strip_suffix(".npy").map(String::from)).collect()
    }

    /// The bytes of the array `name`.
    pub(crate) fn array(&mut self, name: &str) -> Result<Source<'_>, IoError> {
        let path = self.path;
        let wrong = |e: zip::result::ZipError| IoError::Mislabelled {
            path: path.into(),
            expected: "a .npz archive",
            found: format!("array `{name}`: {e}"),
        };
        let file = self.zip.by_name(&format!("{name}.npy")).map_err(wrong)?;
        let packed = file.compressed_size().min(std::fs::metadata(path).map_or(0, |m| m.len()));
        Ok(match file.compression() {
            zip::CompressionMethod::Stored => Source::stored(path, file, packed),
            _ => Source::inflated(path, file, packed),
        })
    }

    fn headers(&mut self) -> Result<Vec<(String, Header)>, IoError> {
        self.names().into_iter().map(|name| Ok((name.clone(), read_header(&mut self.array(&name)?)?))).collect()
    }
}

pub(crate) fn read_npz(path: &Path, array: Option<&str>) -> Result<WideMatrix, IoError> {
    let mut npz = Npz::open(path)?;
    let headers = npz.headers()?;
    let is_matrix = |h: &Header| h.shape.len() == 2 && h.kind.is_ok();
    let mut matches = headers.iter().filter(|(name, h)| array.map_or(is_matrix(h), |wanted| wanted == name));
    match (matches.next(), matches.next()) {
        (Some((name, _)), None) => read_array(npz.array(name)?),
        _ => Err(IoError::WhichArray {
            path: path.into(),
            wanted: array.map(String::from),
            arrays: headers.iter().map(|(name, h)| format!("{name} {:?}", h.shape)).collect(),
        }),
    }
}

pub(crate) fn describe_npz(path: &Path) -> Result<Vec<ArrayInfo>, IoError> {
    Ok(Npz::open(path)?.headers()?.iter().map(|(name, h)| h.info(name)).collect())
}
