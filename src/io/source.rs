//! An open file and its length, which bounds what is allocated for its contents.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::error::IoError;
use super::kind::Kind;

/// Deflate compresses at most this many bytes into one (1032, with some room for the last block).
pub(crate) const DEFLATE_RATIO: u128 = 1040;

/// A stream of bytes with an upper bound on its remaining length.
pub(crate) struct Source<'a> {
    pub path: PathBuf,
    reader: Box<dyn Read + 'a>,
    /// Upper bound on the remaining bytes.
    at_most: u128,
    /// The file's own length, for messages.
    length: u64,
}

impl<'a> Source<'a> {
    pub(crate) fn open(path: &Path) -> Result<Source<'static>, IoError> {
        let (file, length) = open_file(path)?;
        let reader = Box::new(BufReader::with_capacity(1 << 16, file));
        Ok(Source { path: path.into(), reader, at_most: length.into(), length })
    }

    /// Deflated data of `length` compressed bytes.
    pub(crate) fn inflated(path: &Path, reader: impl Read + 'a, length: u64) -> Self {
        let at_most = u128::from(length) * DEFLATE_RATIO;
        Self { path: path.into(), reader: Box::new(reader), at_most, length }
    }

    /// Uncompressed data of `length` bytes.
    pub(crate) fn stored(path: &Path, reader: impl Read + 'a, length: u64) -> Self {
        Self { path: path.into(), reader: Box::new(reader), at_most: length.into(), length }
    }

    /// Checks that `needed` more bytes can follow.
    pub(crate) fn expect(&self, needed: u128, what: impl Fn() -> String) -> Result<(), IoError> {
        if needed <= self.at_most {
            return Ok(());
        }
        Err(self.truncated(needed, what()))
    }

    /// Checks that `n x k` numbers can follow, and returns how many they are.
    pub(crate) fn expect_array(
        &self,
        n: usize,
        k: usize,
        kind: Kind,
        what: impl Fn() -> String,
    ) -> Result<usize, IoError> {
        let count = n as u128 * k as u128;
        self.expect(count.saturating_mul(kind.size() as u128), what)?;
        Ok(count as usize)
    }

    /// Fills `out` from the stream.
    pub(crate) fn fill(&mut self, out: &mut [u8], what: impl Fn() -> String) -> Result<(), IoError> {
        self.expect(out.len() as u128, &what)?;
        self.reader.read_exact(out).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => self.truncated(out.len() as u128, what()),
            _ => IoError::Os { path: self.path.clone(), source: e },
        })?;
        self.at_most -= out.len() as u128;
        Ok(())
    }

    /// Reads `N` bytes.
    pub(crate) fn take<const N: usize>(&mut self, what: &str) -> Result<[u8; N], IoError> {
        let mut out = [0; N];
        self.fill(&mut out, || what.into())?;
        Ok(out)
    }

    fn truncated(&self, needed: u128, what: String) -> IoError {
        let available = u64::try_from(self.at_most).unwrap_or(u64::MAX).min(self.length);
        IoError::Truncated { path: self.path.clone(), what, needed, available }
    }
}

/// Opens a file, but no directory; the file and its length.
pub(crate) fn open_file(path: &Path) -> Result<(File, u64), IoError> {
    let os = |source| IoError::Os { path: path.into(), source };
    let file = File::open(path).map_err(os)?;
    let meta = file.metadata().map_err(os)?;
    if meta.is_dir() {
        return Err(os(std::io::ErrorKind::IsADirectory.into()));
    }
    Ok((file, meta.len()))
}
