//! Working files: a header, lines of `key value`, and one or two sections, with checksums.
//!
//! Little-endian. The header has 64 bytes: magic `nndparts`; version and kind (u32 each); bytes of the lines, and the
//! lower half of their checksum (u32 each); bytes of the two sections (u64 each), of which the second may have none;
//! their checksums; and that of the header before it. Checksums are XXH3 (64 bits). The lines follow, and at the next
//! multiples of 64 bytes the sections. The header is written last: a file that is not whole begins with zeros.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytemuck::{Pod, Zeroable};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::error::OutOfCoreError;
use crate::io::read_exact_at;

const MAGIC: [u8; 8] = *b"nndparts";
/// Incremented by every change that older code cannot read.
const VERSION: u32 = 1;
const ALIGNMENT: u64 = 64;
/// Bytes of a buffer that sections are read or written through.
pub(super) const BUFFER: usize = 1 << 18;

/// What a working file holds, and its sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The plan: rows of every part (u64); centres (f32, parts x columns).
    Plan = 1,
    /// Rows of a part: records of an id (u32) and its values.
    Rows = 2,
    /// Parts of every row (u16, n x overlap).
    Membership = 3,
    /// Graph of some rows: their ids (u32), ascending; records of `width` ids (u32) and distances (f32).
    Graph = 4,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Plan => "a plan",
            Self::Rows => "rows of a part",
            Self::Membership => "parts of rows",
            Self::Graph => "a graph of rows",
        }
    }
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Header {
    magic: [u8; 8],
    version: u32,
    kind: u32,
    meta_length: u32,
    meta_checksum: u32,
    sections: [u64; 2],
    checksums: [u64; 2],
    /// Of the fields before.
    own_checksum: u64,
}

impl Header {
    fn own(&self) -> u64 {
        xxh3_64(&bytemuck::bytes_of(self)[..56])
    }

    fn start(&self, section: usize) -> u64 {
        let first = (size_of::<Self>() as u64 + u64::from(self.meta_length)).next_multiple_of(ALIGNMENT);
        if section == 0 { first } else { (first + self.sections[0]).next_multiple_of(ALIGNMENT) }
    }

    fn file_length(&self) -> u64 {
        self.start(1) + self.sections[1]
    }
}

/// A working file as it is written: section after section.
pub(super) struct Writer<W: Write + Seek> {
    out: W,
    header: Header,
    section: usize,
    hash: Xxh3,
}

impl<W: Write + Seek> Writer<W> {
    pub(super) fn new(mut out: W, kind: Kind, meta: &str) -> io::Result<Self> {
        let header = Header {
            magic: MAGIC,
            version: VERSION,
            kind: kind as u32,
            meta_length: meta.len() as u32,
            meta_checksum: xxh3_64(meta.as_bytes()) as u32,
            sections: [0; 2],
            checksums: [0; 2],
            own_checksum: 0,
        };
        out.write_all(&[0; size_of::<Header>()])?;
        out.write_all(meta.as_bytes())?;
        let mut writer = Self { out, header, section: 0, hash: Xxh3::new() };
        writer.pad(size_of::<Header>() as u64 + meta.len() as u64)?;
        Ok(writer)
    }

    pub(super) fn write<T: Pod>(&mut self, values: &[T]) -> io::Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        self.hash.update(bytes);
        self.header.sections[self.section] += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// What follows is the second section.
    pub(super) fn second_section(&mut self) -> io::Result<()> {
        self.pad(self.header.sections[0])?;
        self.header.checksums[0] = self.hash.digest();
        self.hash.reset();
        self.section = 1;
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        if self.section == 0 {
            self.second_section()?;
        }
        self.header.checksums[1] = self.hash.digest();
        self.header.own_checksum = self.header.own();
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(bytemuck::bytes_of(&self.header))?;
        self.out.flush()
    }

    fn pad(&mut self, length: u64) -> io::Result<()> {
        let missing = length.next_multiple_of(ALIGNMENT) - length;
        self.out.write_all(&[0; ALIGNMENT as usize][..missing as usize])
    }
}

/// A working file whose header and lines are whole.
#[derive(Debug)]
pub(super) struct Reader {
    pub path: PathBuf,
    file: File,
    header: Header,
    meta: BTreeMap<String, String>,
}

impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Header").field("kind", &self.kind).field("sections", &self.sections).finish_non_exhaustive()
    }
}

impl Reader {
    pub(super) fn open(path: &Path, kind: Kind) -> Result<Self, OutOfCoreError> {
        let os = |source| OutOfCoreError::os(path, source);
        let damaged = |what: String| OutOfCoreError::Damaged { path: path.into(), what };
        let file = File::open(path).map_err(os)?;
        let found = file.metadata().map_err(os)?.len();
        let mut header = Header::zeroed();
        if found < size_of::<Header>() as u64 {
            return Err(damaged(format!("{found} bytes are too few for a header")));
        }
        read_exact_at(&file, bytemuck::bytes_of_mut(&mut header), 0).map_err(os)?;
        if header.magic == [0; 8] {
            return Err(damaged("it was not written to its end".into()));
        }
        if header.magic != MAGIC {
            return Err(damaged("it is no working file of nndescent".into()));
        }
        if header.version != VERSION {
            return Err(OutOfCoreError::Version { path: path.into(), found: header.version, known: VERSION });
        }
        if header.own_checksum != header.own() {
            return Err(damaged("the checksum of its header does not match".into()));
        }
        if header.file_length() != found {
            return Err(damaged(format!("{found} bytes, but its header says {}: truncated", header.file_length())));
        }
        if header.kind != kind as u32 {
            return Err(damaged(format!("kind {}, but {} is needed", header.kind, kind.name())));
        }
        let mut meta = vec![0; header.meta_length as usize];
        read_exact_at(&file, &mut meta, size_of::<Header>() as u64).map_err(os)?;
        if xxh3_64(&meta) as u32 != header.meta_checksum {
            return Err(damaged("the checksum of its lines does not match".into()));
        }
        if !is_padded_with_zeros(&file, &header).map_err(os)? {
            return Err(damaged("there is something between its sections".into()));
        }
        let text = String::from_utf8_lossy(&meta);
        let meta = text.lines().filter_map(|line| line.split_once(' ')).map(|(k, v)| (k.into(), v.into())).collect();
        Ok(Self { path: path.into(), file, header, meta })
    }

    /// The lines, by their keys.
    pub(super) fn meta(&self) -> &BTreeMap<String, String> {
        &self.meta
    }

    pub(super) fn damaged(&self, what: impl Into<String>) -> OutOfCoreError {
        OutOfCoreError::Damaged { path: self.path.clone(), what: what.into() }
    }

    pub(super) fn os(&self, source: io::Error) -> OutOfCoreError {
        OutOfCoreError::os(&self.path, source)
    }

    /// Values of type `T` in a section.
    pub(super) fn length<T>(&self, section: usize) -> usize {
        self.header.sections[section] as usize / size_of::<T>()
    }

    /// Fills `out` from a place in a section, from any thread; checksums are not compared.
    pub(super) fn read_at<T: Pod>(&self, section: usize, first: usize, out: &mut [T]) -> Result<(), OutOfCoreError> {
        let at = self.header.start(section) + (first * size_of::<T>()) as u64;
        read_exact_at(&self.file, bytemuck::cast_slice_mut(out), at).map_err(|e| self.os(e))
    }

    /// Both sections whole, which compares their checksum.
    pub(super) fn read_all<A: Pod, B: Pod>(&self) -> Result<(Vec<A>, Vec<B>), OutOfCoreError> {
        let mut first = vec![A::zeroed(); self.length::<A>(0)];
        let mut second = vec![B::zeroed(); self.length::<B>(1)];
        self.read_at(0, 0, &mut first)?;
        self.read_at(1, 0, &mut second)?;
        self.check(0, xxh3_64(bytemuck::cast_slice(&first)))?;
        self.check(1, xxh3_64(bytemuck::cast_slice(&second)))?;
        Ok((first, second))
    }

    fn check(&self, section: usize, checksum: u64) -> Result<(), OutOfCoreError> {
        if checksum == self.header.checksums[section] {
            return Ok(());
        }
        Err(self.damaged("its checksum does not match"))
    }

    /// Compares the checksum of a section that is not needed otherwise.
    pub(super) fn check_section(&self, section: usize) -> Result<(), OutOfCoreError> {
        let mut stream = self.stream(section);
        let mut buffer = vec![0u8; BUFFER];
        while stream.left() > 0 {
            let length = buffer.len().min(stream.left() as usize);
            stream.fill(&mut buffer[..length])?;
        }
        stream.finish()
    }

    /// A section from its beginning, for one reader.
    pub(super) fn stream(&self, section: usize) -> Stream<'_> {
        Stream { reader: self, section, at: 0, hash: Xxh3::new() }
    }
}

/// Whether what fills up lines and the first section is zeros.
fn is_padded_with_zeros(file: &File, header: &Header) -> io::Result<bool> {
    let ends = [size_of::<Header>() as u64 + u64::from(header.meta_length), header.start(0) + header.sections[0]];
    for (end, start) in ends.into_iter().zip([header.start(0), header.start(1)]) {
        let mut between = [0; ALIGNMENT as usize];
        let between = &mut between[..(start - end) as usize];
        read_exact_at(file, between, end)?;
        if between.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A section that is read once, from its beginning.
pub(super) struct Stream<'a> {
    reader: &'a Reader,
    section: usize,
    /// Bytes read.
    at: u64,
    hash: Xxh3,
}

impl Stream<'_> {
    /// Bytes that are left.
    pub(super) fn left(&self) -> u64 {
        self.reader.header.sections[self.section] - self.at
    }

    /// Reads the next values.
    pub(super) fn fill<T: Pod>(&mut self, out: &mut [T]) -> Result<(), OutOfCoreError> {
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(out);
        if bytes.len() as u64 > self.left() {
            return Err(self.reader.damaged("a section ends within a row"));
        }
        let start = self.reader.header.start(self.section) + self.at;
        read_exact_at(&self.reader.file, bytes, start).map_err(|e| self.reader.os(e))?;
        self.hash.update(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Compares the checksum of what was read, which must be all there is.
    pub(super) fn finish(&self) -> Result<(), OutOfCoreError> {
        if self.left() > 0 {
            return Err(self.reader.damaged(format!("{} bytes more than its rows take", self.left())));
        }
        self.reader.check(self.section, self.hash.digest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes and no more.
    struct Full(io::Cursor<Vec<u8>>, usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.position() as usize + bytes.len() > self.1 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Full {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }

    fn written(room: usize) -> io::Result<()> {
        let mut file = Writer::new(Full(io::Cursor::new(Vec::new()), room), Kind::Graph, "key value\n")?;
        file.write(&[1u32; 100])?;
        file.second_section()?;
        file.write(&[2u32; 100])?;
        file.finish()
    }

    #[test]
    fn a_full_disk_is_an_error() {
        for room in [0, 63, 70, 128, 527, 600, 900] {
            assert_eq!(written(room).unwrap_err().kind(), io::ErrorKind::StorageFull, "{room}");
        }
        written(1 << 12).unwrap();
    }

    #[test]
    fn sections_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut file = Writer::new(File::create(&path).unwrap(), Kind::Plan, "a 1\nb two words\n").unwrap();
        file.write(&[1u64, 2]).unwrap();
        // Not whole before its end.
        assert!(Reader::open(&path, Kind::Plan).unwrap_err().to_string().ends_with("it was not written to its end"));
        file.second_section().unwrap();
        file.write(&[0.5f32; 3]).unwrap();
        file.finish().unwrap();
        let file = Reader::open(&path, Kind::Plan).unwrap();
        assert_eq!(file.meta()["b"], "two words");
        assert_eq!(file.read_all::<u64, f32>().unwrap(), (vec![1, 2], vec![0.5; 3]));
        let mut stream = file.stream(0);
        let mut value = [0u64];
        stream.fill(&mut value).unwrap();
        assert!(stream.finish().is_err());
        stream.fill(&mut value).unwrap();
        stream.finish().unwrap();
        assert_eq!(value, [2]);
        let error = Reader::open(&path, Kind::Rows).unwrap_err().to_string();
        assert!(error.ends_with("kind 1, but rows of a part is needed"), "{error}");
    }
}
