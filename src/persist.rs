//! Files of named sections, which are opened by mapping them. Calls no algorithm.
//!
//! Little-endian throughout. A header of 64 bytes: magic, version, number of sections, length of the file, checksum of
//! the table and of the metadata. Then the table (32 bytes a section: kind, zero, offset, length, checksum), the
//! metadata (lines of `key value`) and the sections, each at a multiple of 64 bytes, so that mapped values are aligned.
//! Checksums are XXH3 (64 bits).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use memmap2::Mmap;
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use crate::atomic_file::{FileLock, replace};
use crate::storage::{FileBytes, Line, Storage};

const MAGIC: [u8; 8] = *b"nndescnt";
/// Incremented by every change that older code cannot read.
pub(crate) const VERSION: u32 = 1;
/// Sections begin at multiples of this: a cache line.
const ALIGNMENT: u64 = 64;

/// Why an index file cannot be read or written. Of a stream, `path` is `stream`.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IndexFileError {
    /// An error of the operating system.
    #[error("{}: {source}", path.display())]
    Os {
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// A stream that cannot be read from or written to.
    #[error("cannot read or write the index: {source}")]
    Stream {
        /// The error.
        source: io::Error,
    },
    /// Not a file of this format.
    #[error("{}: not an index file: {what}", path.display())]
    NotAnIndex {
        /// The file.
        path: PathBuf,
        /// How that shows.
        what: String,
    },
    /// Written by a newer version of this crate.
    #[error("{}: format {found}, but this version reads up to {known}: update nndescent", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Version of its format.
        found: u32,
        /// Newest version that this crate reads.
        known: u32,
    },
    /// Shorter or longer than it says.
    #[error("{}: {found} bytes, but its header says {expected}: truncated or still being written", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Bytes in the file.
        found: u64,
        /// Bytes that there should be.
        expected: u64,
    },
    /// A part does not have the checksum that was written with it.
    #[error("{}: {part} is damaged: its checksum does not match", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The part.
        part: &'static str,
    },
    /// Parts that do not fit together.
    #[error("{}: {what}", path.display())]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// Somebody else is changing the file: see [`Index::lock`](crate::Index::lock).
    #[error("{}: another process is changing this index", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// An index of custom items.
    #[error("an index of {n} custom items cannot be saved: neither they nor their distance can be written to a file")]
    Items {
        /// Items.
        n: usize,
    },
    /// Files are little-endian, and are mapped as they are.
    #[error("index files cannot be used on big-endian machines")]
    BigEndian,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Header {
    magic: [u8; 8],
    version: u32,
    sections: u32,
    file_length: u64,
    meta_offset: u64,
    meta_length: u64,
    /// Of the table and the metadata.
    checksum: u64,
    /// Of the fields before.
    header_checksum: u64,
    zero: u64,
}

/// A row of the table.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Entry {
    kind: u32,
    zero: u32,
    offset: u64,
    length: u64,
    checksum: u64,
}

/// A kind of section: its number in files, and its name in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind(pub u32, pub &'static str);

/// Writes a file of sections: see [`replace`]. Fails if somebody else is changing it.
pub(crate) fn save(path: &Path, meta: &str, sections: &[(Kind, &[u8])]) -> Result<(), IndexFileError> {
    match lock(path) {
        Ok(lock) => save_locked(&lock, meta, sections),
        Err(IndexFileError::Os { .. }) => save_unlocked(path, meta, sections),
        Err(error) => Err(error),
    }
}

/// Same as [`save`], to a file whose lock is held.
pub(crate) fn save_locked(lock: &FileLock, meta: &str, sections: &[(Kind, &[u8])]) -> Result<(), IndexFileError> {
    save_unlocked(&lock.path, meta, sections)
}

fn save_unlocked(path: &Path, meta: &str, sections: &[(Kind, &[u8])]) -> Result<(), IndexFileError> {
    check_endianness()?;
    let written = replace(path, |out| write(out, meta, sections));
    written.map_err(|source| IndexFileError::Os { path: path.into(), source })
}

/// Locks a file that exists.
pub(crate) fn lock(path: &Path) -> Result<FileLock, IndexFileError> {
    let lock = FileLock::try_new(path).map_err(|source| IndexFileError::Os { path: path.into(), source })?;
    lock.ok_or_else(|| IndexFileError::Locked { path: path.into() })
}

/// Writes to a stream what a file would hold.
pub(crate) fn write_to(out: &mut impl Write, meta: &str, sections: &[(Kind, &[u8])]) -> Result<(), IndexFileError> {
    check_endianness()?;
    write(out, meta, sections).and_then(|()| out.flush()).map_err(|source| IndexFileError::Stream { source })
}

fn check_endianness() -> Result<(), IndexFileError> {
    if cfg!(target_endian = "big") { Err(IndexFileError::BigEndian) } else { Ok(()) }
}

fn write(out: &mut impl Write, meta: &str, sections: &[(Kind, &[u8])]) -> io::Result<()> {
    let table_end = (size_of::<Header>() + sections.len() * size_of::<Entry>()) as u64;
    let mut offset = (table_end + meta.len() as u64).next_multiple_of(ALIGNMENT);
    let table: Vec<Entry> = sections
        .iter()
        .map(|(kind, bytes)| {
            let length = bytes.len() as u64;
            let entry = Entry { kind: kind.0, zero: 0, offset, length, checksum: xxh3_64(bytes) };
            offset = (offset + length).next_multiple_of(ALIGNMENT);
            entry
        })
        .collect();
    let table: &[u8] = bytemuck::cast_slice(&table);
    let mut header = Header {
        magic: MAGIC,
        version: VERSION,
        sections: sections.len() as u32,
        file_length: offset,
        meta_offset: table_end,
        meta_length: meta.len() as u64,
        checksum: xxh3_64(&[table, meta.as_bytes()].concat()),
        header_checksum: 0,
        zero: 0,
    };
    header.header_checksum = header.own_checksum();
    out.write_all(bytemuck::bytes_of(&header))?;
    out.write_all(table)?;
    out.write_all(meta.as_bytes())?;
    pad(out, table_end + meta.len() as u64)?;
    for (_, bytes) in sections {
        out.write_all(bytes)?;
        pad(out, bytes.len() as u64)?;
    }
    Ok(())
}

fn pad(out: &mut impl Write, length: u64) -> io::Result<()> {
    let missing = length.next_multiple_of(ALIGNMENT) - length;
    out.write_all(&[0; ALIGNMENT as usize][..missing as usize])
}

impl Header {
    fn own_checksum(&self) -> u64 {
        let bytes = bytemuck::bytes_of(self);
        xxh3_64(&bytes[..bytes.len() - 16])
    }
}

/// A file whose header, table and metadata are whole.
pub(crate) struct Opened {
    path: PathBuf,
    bytes: Arc<FileBytes>,
    entries: BTreeMap<u32, Entry>,
    meta: BTreeMap<String, String>,
}

/// Lines of a stream that are read at once: 1 MiB.
const LINES: usize = 1 << 14;

impl Opened {
    /// Maps a file.
    pub(crate) fn open(path: &Path) -> Result<Self, IndexFileError> {
        check_endianness()?;
        let os = |source| IndexFileError::Os { path: path.into(), source };
        let file = File::open(path).map_err(os)?;
        let length = file.metadata().map_err(os)?.len();
        if length < size_of::<Header>() as u64 {
            return Err(not_an_index(path, format!("{length} bytes are too few for a header")));
        }
        // SAFETY: the file is only read, and this crate replaces it by renaming, never by writing to it in place. That
        // others do not is asked of users: see `Index::open`.
        let map = unsafe { Mmap::map(&file) }.map_err(os)?;
        Self::new(path, FileBytes::Mapped(map))
    }

    /// Reads a stream up to the end of the file that it holds.
    pub(crate) fn read(source: &mut impl Read) -> Result<Self, IndexFileError> {
        check_endianness()?;
        let path = Path::new("stream");
        let stream = |source| IndexFileError::Stream { source };
        let mut lines = vec![Line([0; 64])];
        source.read_exact(bytemuck::cast_slice_mut(&mut lines)).map_err(stream)?;
        let length = checked_header(path, bytemuck::cast_slice(&lines))?.file_length;
        // Never more memory than the stream has bytes for, whatever the header says.
        while ((lines.len() * size_of::<Line>()) as u64) < length {
            let read = lines.len();
            let missing = length.div_ceil(size_of::<Line>() as u64) - read as u64;
            lines.resize(read + missing.min(LINES as u64) as usize, Line([0; 64]));
            source.read_exact(bytemuck::cast_slice_mut(&mut lines[read..])).map_err(stream)?;
        }
        Self::new(path, FileBytes::Read(lines))
    }

    fn new(path: &Path, bytes: FileBytes) -> Result<Self, IndexFileError> {
        let (entries, meta) = read_table(path, &bytes)?;
        Ok(Self { path: path.into(), bytes: Arc::new(bytes), entries, meta })
    }

    /// The version of the format.
    pub(crate) fn version(&self) -> u32 {
        bytemuck::pod_read_unaligned::<Header>(&self.bytes[..size_of::<Header>()]).version
    }

    pub(crate) fn inconsistent(&self, what: impl Into<String>) -> IndexFileError {
        IndexFileError::Inconsistent { path: self.path.clone(), what: what.into() }
    }

    /// A value of the metadata.
    pub(crate) fn meta<T: std::str::FromStr>(&self, key: &str) -> Result<T, IndexFileError> {
        let text = self.meta.get(key).ok_or_else(|| self.inconsistent(format!("`{key}` is missing")))?;
        text.parse().map_err(|_| self.inconsistent(format!("`{key}` is `{text}`")))
    }

    /// The values of a section; none if there is no such section.
    pub(crate) fn section<T: Pod + Send + Sync>(&self, kind: Kind) -> Result<Option<Storage<T>>, IndexFileError> {
        let Some(entry) = self.entries.get(&kind.0) else { return Ok(None) };
        let size = size_of::<T>() as u64;
        let whole = entry.length % size == 0;
        let section = Storage::of_file(&self.bytes, entry.offset as usize, (entry.length / size) as usize);
        match section {
            Some(section) if whole => Ok(Some(section)),
            _ => Err(self.inconsistent(format!("{} of {} bytes at {}", kind.1, entry.length, entry.offset))),
        }
    }

    /// Checks the contents of all sections against their checksums: reads the whole file.
    pub(crate) fn verify(&self, kinds: &[Kind]) -> Result<(), IndexFileError> {
        use rayon::prelude::*;
        kinds.par_iter().try_for_each(|kind| {
            let Some(bytes) = self.section::<u8>(*kind)? else { return Ok(()) };
            let same = self.entries.get(&kind.0).is_some_and(|entry| entry.checksum == xxh3_64(&bytes));
            if same { Ok(()) } else { Err(IndexFileError::Damaged { path: self.path.clone(), part: kind.1 }) }
        })
    }
}

fn not_an_index(path: &Path, what: impl Into<String>) -> IndexFileError {
    IndexFileError::NotAnIndex { path: path.into(), what: what.into() }
}

type Table = (BTreeMap<u32, Entry>, BTreeMap<String, String>);

/// The header that a file begins with.
fn checked_header(path: &Path, bytes: &[u8]) -> Result<Header, IndexFileError> {
    let header: Header = bytemuck::pod_read_unaligned(&bytes[..size_of::<Header>()]);
    if header.magic != MAGIC {
        return Err(not_an_index(path, format!("it begins with {:?}", String::from_utf8_lossy(&header.magic))));
    }
    if header.version > VERSION {
        return Err(IndexFileError::Newer { path: path.into(), found: header.version, known: VERSION });
    }
    if header.header_checksum != header.own_checksum() {
        return Err(IndexFileError::Damaged { path: path.into(), part: "the header" });
    }
    Ok(header)
}

fn read_table(path: &Path, bytes: &[u8]) -> Result<Table, IndexFileError> {
    let header = checked_header(path, bytes)?;
    let damaged = |part| IndexFileError::Damaged { path: path.into(), part };
    let found = bytes.len() as u64;
    if header.file_length != found {
        return Err(IndexFileError::Length { path: path.into(), found, expected: header.file_length });
    }
    let table_length = header.sections as usize * size_of::<Entry>();
    let table = bytes.get(size_of::<Header>()..).and_then(|rest| rest.get(..table_length));
    let meta = bytes.get(header.meta_offset as usize..).and_then(|rest| rest.get(..header.meta_length as usize));
    let (Some(table), Some(meta)) = (table, meta) else { return Err(damaged("the table of sections")) };
    if header.checksum != xxh3_64(&[table, meta].concat()) {
        return Err(damaged("the table of sections"));
    }
    let entries =
        bytemuck::pod_collect_to_vec::<u8, Entry>(table).into_iter().map(|entry| (entry.kind, entry)).collect();
    let meta = String::from_utf8_lossy(meta);
    let pairs = meta.lines().filter_map(|line| line.split_once(' ')).map(|(k, v)| (k.into(), v.into()));
    Ok((entries, pairs.collect()))
}

/// Makes the checksums of header and table match what is there.
#[cfg(test)]
pub(crate) fn resign(bytes: &mut [u8]) {
    if bytes.len() < size_of::<Header>() {
        return;
    }
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let mut header: Header = bytemuck::pod_read_unaligned(&bytes[..size_of::<Header>()]);
    header.file_length = bytes.len() as u64;
    let part =
        |at: u64, length: usize| bytes.get(at as usize..).and_then(|rest| rest.get(..length)).unwrap_or_default();
    let table = part(size_of::<Header>() as u64, (header.sections as usize).saturating_mul(size_of::<Entry>()));
    header.checksum = xxh3_64(&[table, part(header.meta_offset, header.meta_length as usize)].concat());
    header.header_checksum = header.own_checksum();
    bytes[..size_of::<Header>()].copy_from_slice(bytemuck::bytes_of(&header));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes this many bytes and no more.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if bytes.len() > self.0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0 -= bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let values = vec![7u8; 1000];
        for room in [0, 10, 64, 90, 200, 1000] {
            let error = write(&mut Full(room), "a 1\n", &[(Kind(1, "one"), &values)]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{room}");
        }
        write(&mut Full(1 << 20), "a 1\n", &[(Kind(1, "one"), &values)]).unwrap();
    }
}
