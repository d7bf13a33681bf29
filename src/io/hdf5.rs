//! HDF5 files laid out as ann-benchmarks' are: two-dimensional datasets at the root, `train` being the base.
//!
//! Read by `hdf5-reader`, which is pure Rust, bounds its allocations by the file's size and is fuzzed by its authors.

use std::path::Path;

use hdf5_reader::messages::HdfMessage;
use hdf5_reader::messages::layout::DataLayout;
use hdf5_reader::{ByteOrder, Dataset, Datatype, Hdf5File, OpenOptions};

use super::error::IoError;
use super::kind::{Endian, Kind};
use super::matrix::ArrayInfo;
use super::source::{DEFLATE_RATIO, Source, open_file};
use super::values::read_rows;
use super::wide::WideMatrix;

fn wrong<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> IoError + '_ {
    move |e| IoError::Mislabelled { path: path.into(), expected: "a readable HDF5 file", found: e.to_string() }
}

/// A file, and the datasets at its root.
fn open(path: &Path) -> Result<(Hdf5File, Vec<Dataset>), IoError> {
    let (_, length) = open_file(path)?;
    // A damaged header may claim to be longer than the file.
    let options = OpenOptions::default().with_max_object_header_bytes(length as usize);
    let file = Hdf5File::open_with_options(path, options).map_err(wrong(path))?;
    let (_, datasets) = file.root_group().and_then(|g| g.members()).map_err(wrong(path))?;
    Ok((file, datasets))
}

fn kind_of(dataset: &Dataset) -> Result<Kind, String> {
    let dtype = dataset.dtype();
    Ok(match dtype {
        Datatype::FloatingPoint { size: 2, .. } => Kind::F16,
        Datatype::FloatingPoint { size: 4, .. } => Kind::F32,
        Datatype::FloatingPoint { size: 8, .. } => Kind::F64,
        Datatype::FixedPoint { size: 1, signed: false, .. } => Kind::U8,
        Datatype::FixedPoint { size: 1, signed: true, .. } => Kind::I8,
        Datatype::FixedPoint { size: 2, signed: false, .. } => Kind::U16,
        Datatype::FixedPoint { size: 2, signed: true, .. } => Kind::I16,
        Datatype::FixedPoint { size: 4, signed: false, .. } => Kind::U32,
        Datatype::FixedPoint { size: 4, signed: true, .. } => Kind::I32,
        Datatype::FixedPoint { size: 8, signed: false, .. } => Kind::U64,
        Datatype::FixedPoint { size: 8, signed: true, .. } => Kind::I64,
        other => return Err(format!("{other:?}")),
    })
}

/// Checks that the file has bytes enough for a dataset, before memory is taken for it.
fn check_length(path: &Path, dataset: &Dataset, name: &str, kind: Kind) -> Result<(), IoError> {
    let (_, length) = open_file(path)?;
    let at_most = u128::from(length) * if dataset.chunks().is_some() { DEFLATE_RATIO } else { 1 };
    let needed = dataset.shape().iter().try_fold(kind.size() as u128, |all, &s| all.checked_mul(s.into()));
    match needed {
        Some(needed) if needed <= at_most => Ok(()),
        _ => {
            let what = format!("dataset `{name}` of shape {:?} and type {}", dataset.shape(), kind.name());
            Err(IoError::Truncated { path: path.into(), what, needed: needed.unwrap_or(u128::MAX), available: length })
        }
    }
}

pub(crate) fn describe_hdf5(path: &Path) -> Result<Vec<ArrayInfo>, IoError> {
    let info = |d: &Dataset| ArrayInfo {
        name: d.name().trim_start_matches('/').into(),
        shape: d.shape().iter().map(|&s| s as usize).collect(),
        dtype: kind_of(d).map_or_else(|other| other, |k| k.name().into()),
    };
    Ok(open(path)?.1.iter().map(info).collect())
}

/// The dataset of a name (`train` unless named), which must be a matrix: its rows, columns and type.
fn matrix<'d>(
    path: &Path,
    datasets: &'d [Dataset],
    array: Option<&str>,
) -> Result<(&'d Dataset, usize, usize, Kind), IoError> {
    let wanted = array.unwrap_or("train");
    let name = |d: &Dataset| d.name().trim_start_matches('/').to_string();
    let Some(dataset) = datasets.iter().find(|d| name(d) == wanted) else {
        let arrays = datasets.iter().map(|d| format!("{} {:?}", name(d), d.shape())).collect();
        return Err(IoError::WhichArray { path: path.into(), wanted: Some(wanted.into()), arrays });
    };
    let [n, dim] = dataset.shape()[..] else {
        let what = format!("dataset `{wanted}` of shape {:?}; a matrix of n x d is needed", dataset.shape());
        return Err(IoError::Shape { path: path.into(), what });
    };
    let kind = kind_of(dataset).map_err(|dtype| IoError::Dtype { path: path.into(), dtype })?;
    check_length(path, dataset, wanted, kind)?;
    Ok((dataset, n as usize, dim as usize, kind))
}

pub(crate) fn read_hdf5(path: &Path, array: Option<&str>) -> Result<WideMatrix, IoError> {
    let (_, datasets) = open(path)?;
    let (dataset, n, dim, kind) = matrix(path, &datasets, array)?;
    let bytes = dataset.read_native_bytes().map_err(wrong(path))?;
    let length = bytes.len() as u64;
    let endian = if cfg!(target_endian = "big") { Endian::Big } else { Endian::Little };
    read_rows(&mut Source::stored(path, std::io::Cursor::new(bytes), length), kind, endian, n, dim)
}

/// Rows, columns, type and byte order of the dataset `train`, and the byte of the file that its values begin at, if
/// they lie there one after another.
pub(crate) fn place_of_hdf5(path: &Path) -> Result<(usize, usize, Kind, Endian, Option<u64>), IoError> {
    let (file, datasets) = open(path)?;
    let (dataset, n, dim, kind) = matrix(path, &datasets, None)?;
    let endian = match dataset.dtype() {
        Datatype::FloatingPoint { byte_order: ByteOrder::BigEndian, .. }
        | Datatype::FixedPoint { byte_order: ByteOrder::BigEndian, .. } => Endian::Big,
        _ => Endian::Little,
    };
    let header = file.get_or_parse_header(dataset.address()).map_err(wrong(path))?;
    let is_elsewhere = header.messages.iter().any(|message| matches!(message, HdfMessage::ExternalFiles(_)));
    let place = header.messages.iter().find_map(|message| match message {
        HdfMessage::DataLayout(message) => match message.layout {
            DataLayout::Contiguous { address, size } if !is_elsewhere => Some((address, size)),
            _ => None,
        },
        _ => None,
    });
    let Some((address, size)) = place else { return Ok((n, dim, kind, endian, None)) };
    let needed = n as u64 * dim as u64 * kind.size() as u64;
    if size != needed {
        let found = format!("dataset `train` has {size} bytes, but its shape and type take {needed}");
        return Err(wrong(path)(found));
    }
    // Addresses count from the superblock; that of a dataset which was never written is the last there is.
    let start = address.checked_add(file.superblock().base_address);
    let (_, length) = open_file(path)?;
    match start.filter(|start| start.checked_add(needed).is_some_and(|end| end <= length)) {
        Some(start) => Ok((n, dim, kind, endian, Some(start))),
        None => {
            let what = format!("dataset `train`, {n} x {dim} of {}, at byte {address}", kind.name());
            Err(IoError::Truncated { path: path.into(), what, needed: needed.into(), available: length })
        }
    }
}
