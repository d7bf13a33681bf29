//! Arrays on a device that may be larger than one of its buffers.

use super::device::Gpu;
use crate::error::GpuError;

/// An array of words in one buffer, or in several of the same length, of which the last may be shorter.
pub(super) struct Table {
    pieces: Vec<wgpu::Buffer>,
    piece_bytes: u64,
}

/// Bytes of a buffer.
pub(super) struct Span<'a> {
    pub buffer: &'a wgpu::Buffer,
    pub offset: u64,
    pub bytes: u64,
}

impl Table {
    pub(super) fn pieces(&self) -> &[wgpu::Buffer] {
        &self.pieces
    }

    pub(super) fn bytes(&self) -> u64 {
        self.pieces.iter().map(wgpu::Buffer::size).sum()
    }

    /// The only buffer of an array that is never large.
    pub(super) fn only(&self) -> &wgpu::Buffer {
        debug_assert_eq!(self.pieces.len(), 1);
        &self.pieces[0]
    }

    /// `bytes` bytes from `offset` on, as they lie in the pieces.
    pub(super) fn spans(&self, offset: u64, bytes: u64) -> impl Iterator<Item = Span<'_>> {
        let (end, piece_bytes) = (offset + bytes, self.piece_bytes);
        let mut at = offset;
        std::iter::from_fn(move || {
            let (piece, offset) = (at / piece_bytes, at % piece_bytes);
            let bytes = (end - at).min(piece_bytes - offset);
            at += bytes;
            (bytes > 0).then(|| Span { buffer: &self.pieces[piece as usize], offset, bytes })
        })
    }
}

impl Gpu {
    /// An array of `bytes`, zeroed, in pieces of at most `piece_bytes`.
    pub(super) fn table(&self, label: &'static str, bytes: u64, piece_bytes: u64) -> Result<Table, GpuError> {
        let pieces = (0..bytes.div_ceil(piece_bytes).max(1)).map(|piece| piece_bytes.min(bytes - piece * piece_bytes));
        let pieces = pieces.map(|bytes| self.buffer(label, bytes)).collect::<Result<_, _>>()?;
        Ok(Table { pieces, piece_bytes })
    }
}
