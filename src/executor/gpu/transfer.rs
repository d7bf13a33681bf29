//! Transfers to a device and back, in pieces that all threads fill or empty at once.

use rayon::prelude::*;

use super::device::Gpu;
use super::pool::{PIECE, Staging};
use super::table::{Span, Table};
use crate::error::GpuError;

/// Bytes that are filled at a time and then copied to a staging buffer, as scattered writes to one are slow.
const FILLED: usize = 32 << 10;

/// Bytes from which on all threads share a write.
const LARGE: usize = 1 << 20;

impl Gpu {
    /// Copies to the start of a table; what is submitted later sees it.
    pub(super) fn write(&self, table: &Table, mut contents: &[u8]) -> Result<(), GpuError> {
        for Span { buffer, bytes, .. } in table.spans(0, contents.len() as u64) {
            let (piece, rest) = contents.split_at(bytes as usize);
            contents = rest;
            if piece.len() < LARGE {
                self.checked("upload", |_| self.shared().queue.write_buffer(buffer, 0, piece))?;
                continue;
            }
            self.write_rows((buffer, 0), piece.len() / 4, 4, |first, to| {
                to.copy_from_slice(&piece[4 * first..][..to.len()]);
            })?;
        }
        Ok(())
    }

    /// Writes `rows` rows of `row_bytes` (a multiple of four) from `offset` on. `fill` is given the number of a row and
    /// room for some rows from it on.
    pub(super) fn write_rows(
        &self,
        (buffer, offset): (&wgpu::Buffer, u64),
        rows: usize,
        row_bytes: usize,
        fill: impl Fn(usize, &mut [u8]) + Sync,
    ) -> Result<(), GpuError> {
        let at_once = (FILLED / row_bytes).max(1);
        let piece = (PIECE as usize / row_bytes).max(1);
        let threads = rayon::current_num_threads().min(rows.div_ceil(piece));
        (0..rows).into_par_iter().step_by(piece).try_for_each(|first| {
            let rows = piece.min(rows - first);
            let mut filled = vec![0u8; at_once.min(rows) * row_bytes];
            let to = (buffer, offset + (first * row_bytes) as u64);
            self.write_piece(to, (rows * row_bytes) as u64, threads, |mapped| {
                for at in (0..rows).step_by(at_once) {
                    let filled = &mut filled[..at_once.min(rows - at) * row_bytes];
                    fill(first + at, filled);
                    let start = at * row_bytes;
                    mapped.slice(start..start + filled.len()).copy_from_slice(filled);
                }
            })
        })
    }

    fn write_piece(
        &self,
        (buffer, offset): (&wgpu::Buffer, u64),
        bytes: u64,
        threads: usize,
        fill: impl FnOnce(&mut wgpu::BufferViewMut),
    ) -> Result<(), GpuError> {
        const DURING: &str = "upload";
        let shared = self.shared();
        let mut staging = self.checked(DURING, |device| shared.uploads.take(device, bytes))?;
        if let Some(submission) = staging.in_use.take() {
            self.map(DURING, &staging, (wgpu::MapMode::Write, bytes), submission, threads)?;
        }
        let mut mapped = staging.buffer.get_mapped_range_mut(0..bytes).map_err(|e| shared.unmapped_in(DURING, e))?;
        fill(&mut mapped);
        drop(mapped);
        staging.buffer.unmap();
        let mut encoder = self.encoder(DURING)?;
        encoder.copy_buffer_to_buffer(&staging.buffer, 0, buffer, offset, bytes);
        staging.in_use = Some(self.submit(DURING, encoder, threads)?);
        shared.uploads.put_back(staging);
        Ok(())
    }

    /// Reads words from the start of a table. `take` is given places of `out` and as many words.
    pub(super) fn read_words<T: Send>(
        &self,
        during: &'static str,
        table: &Table,
        out: &mut [T],
        take: impl Fn(&mut [T], &[u32]) + Sync,
    ) -> Result<(), GpuError> {
        let words = PIECE as usize / 4;
        let threads = rayon::current_num_threads().min(out.len().div_ceil(words));
        let pieces = out.par_chunks_mut(words).enumerate();
        pieces.try_for_each(|(piece, out)| {
            let spans: Vec<Span> = table.spans(PIECE * piece as u64, 4 * out.len() as u64).collect();
            let take = |bytes: &[u8]| take(out, bytemuck::cast_slice(bytes));
            self.read_spans(during, self.encoder(during)?, &spans, threads, take)
        })
    }

    /// Reads rows of `row_bytes` bytes, one after the other.
    pub(super) fn read_some_rows(
        &self,
        during: &'static str,
        (table, row_bytes): (&Table, u64),
        rows: &[u32],
        take: impl FnOnce(&[u8]),
    ) -> Result<(), GpuError> {
        let spans: Vec<Span> =
            rows.iter().flat_map(|&row| table.spans(row_bytes * u64::from(row), row_bytes)).collect();
        self.read_spans(during, self.encoder(during)?, &spans, 1, take)
    }

    /// Submits what was recorded and a copy of `bytes` bytes at `offset` of `buffer`, waits, and passes them to `take`.
    pub(super) fn submit_and_read(
        &self,
        during: &'static str,
        encoder: wgpu::CommandEncoder,
        (buffer, offset, bytes): (&wgpu::Buffer, u64, u64),
        take: impl FnOnce(&[u8]),
    ) -> Result<(), GpuError> {
        self.read_spans(during, encoder, &[Span { buffer, offset, bytes }], 1, take)
    }

    /// The same for spans that follow each other, as one of `threads` threads that do.
    fn read_spans(
        &self,
        during: &'static str,
        mut encoder: wgpu::CommandEncoder,
        spans: &[Span],
        threads: usize,
        take: impl FnOnce(&[u8]),
    ) -> Result<(), GpuError> {
        let (shared, bytes) = (self.shared(), spans.iter().map(|span| span.bytes).sum());
        self.count_read(bytes);
        let mut staging = self.checked(during, |device| shared.downloads.take(device, bytes))?;
        staging.in_use = None;
        let mut at = 0;
        for span in spans {
            encoder.copy_buffer_to_buffer(span.buffer, span.offset, &staging.buffer, at, span.bytes);
            at += span.bytes;
        }
        let submission = self.submit(during, encoder, threads)?;
        self.map(during, &staging, (wgpu::MapMode::Read, bytes), submission, threads)?;
        let mapped = staging.buffer.get_mapped_range(0..bytes).map_err(|e| shared.unmapped_in(during, e))?;
        take(&mapped);
        drop(mapped);
        staging.buffer.unmap();
        shared.downloads.put_back(staging);
        Ok(())
    }

    /// Maps a staging buffer once the submission that uses it is done.
    fn map(
        &self,
        during: &'static str,
        staging: &Staging,
        (mode, bytes): (wgpu::MapMode, u64),
        submission: wgpu::SubmissionIndex,
        threads: usize,
    ) -> Result<(), GpuError> {
        let shared = self.shared();
        let (tell, told) = std::sync::mpsc::channel();
        self.checked(during, |_| {
            staging.buffer.map_async(mode, 0..bytes, move |result| {
                // The receiver is gone only after an error that was reported already.
                let _ = tell.send(result);
            });
        })?;
        self.wait(during, submission, threads)?;
        let mapped = told.recv().map_err(|e| shared.unmapped_in(during, e))?;
        mapped.map_err(|e| shared.unmapped_in(during, e))
    }
}
