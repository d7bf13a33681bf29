//! Graphs of rows become one: row by row, by (distance, id), in chunks of rows.

use std::path::{Path, PathBuf};

use super::error::OutOfCoreError;
use super::file::{Kind, Reader, Stream, Writer};
use super::memory;
use super::plan::Plan;
use super::{Stage, Watch, check};
use crate::atomic_file;
use crate::graph::KnnGraph;
use crate::graph::order::nearest_first;
use crate::io::{IoError, write_graph_pieces};
use crate::parallel;

/// Rows that one task merges.
const GRAIN: usize = 512;

/// Merges the graphs of all parts of a plan into one, in its folder: every row has the nearest of what its parts found,
/// each once, by distance and then by id, whatever the order in which parts were built. Takes at most `limit` bytes of
/// memory.
///
/// # Errors
/// A part that is missing, damaged, of another plan or version; rows with too few neighbours; no room.
///
/// # Complexity
/// Reads the graphs of all parts once, and writes n rows.
pub fn merge(plan: &Plan, limit: u64, watch: Watch) -> Result<(), OutOfCoreError> {
    let sources: Vec<(usize, PathBuf)> = (0..plan.parts()).map(|part| (part, plan.graph_path(part))).collect();
    merge_round(plan, 0, &sources, limit, watch)
}

/// The graph of a round: that of the round before, if there is one, and what the parts found.
pub(super) fn merge_round(
    plan: &Plan,
    round: usize,
    sources: &[(usize, PathBuf)],
    limit: u64,
    watch: Watch,
) -> Result<(), OutOfCoreError> {
    let mut files = Vec::new();
    for (part, path) in sources {
        files.push(open_graph(plan, path, *part, round)?);
    }
    if round > 0 {
        files.push(open_merged(plan, round - 1)?);
    }
    let path = plan.merged_path(round);
    let lines = plan.identity.lines(&[("part", "all".into()), ("round", round.to_string())]);
    let mut failure = None;
    let written = atomic_file::replace(&path, |out| {
        let mut writer = Writer::new(out, Kind::Graph, &lines)?;
        let (mut first, n) = (0u32, plan.n() as u32);
        while first < n {
            let ids: Vec<u32> = (first..n.min(first.saturating_add(1 << 16))).collect();
            first += ids.len() as u32;
            writer.write(&ids)?;
        }
        writer.second_section()?;
        let merged = merged_rows(plan, round, &files, limit, watch, &mut |rows| writer.write(rows));
        match merged {
            Ok(()) => writer.finish(),
            // The temporary file is removed; what went wrong is told below.
            Err(error) => {
                failure = Some(error);
                Err(std::io::Error::other("stopped"))
            }
        }
    });
    match (failure, written) {
        (Some(failure), _) => Err(failure),
        (None, written) => written.map_err(|e| OutOfCoreError::os(&path, e)),
    }
}

type WriteRows<'a> = &'a mut dyn FnMut(&[u32]) -> std::io::Result<()>;

fn merged_rows(
    plan: &Plan,
    round: usize,
    files: &[Reader],
    limit: u64,
    watch: Watch,
    write: WriteRows,
) -> Result<(), OutOfCoreError> {
    let (n, width) = (plan.n(), plan.identity.width);
    let stage = if round == 0 { Stage::Merge } else { Stage::Refine };
    let record = 8 * width + 4;
    let block = memory::items(limit, 0.2, record * files.len()).min(1 << 12);
    let at_once = memory::items(limit, 0.3, record * (plan.overlap() + 3)).min(1 << 18);
    let mut cursors: Vec<Cursor> = files.iter().map(|file| Cursor::new(file, width, block)).collect();
    for first in (0..n).step_by(at_once) {
        check(watch, stage, first as f32 / n as f32)?;
        let end = n.min(first + at_once);
        for cursor in &mut cursors {
            cursor.fill_to(end as u32)?;
        }
        let pieces = parallel::map_ranges(end - first, GRAIN, |piece| {
            merge_piece(plan, &cursors, (first + piece.start) as u32, piece.len())
        });
        for piece in pieces {
            if let Err(OutOfCoreError::TooFew { .. }) = piece {
                // That a file is damaged says more.
                cursors.iter_mut().try_for_each(Cursor::skip_to_end)?;
            }
            write(&piece?).map_err(|e| OutOfCoreError::os(&plan.merged_path(round), e))?;
        }
        cursors.iter_mut().for_each(|cursor| cursor.drop_to(end as u32));
    }
    cursors.iter().try_for_each(Cursor::finish)
}

/// Records of consecutive rows.
fn merge_piece(plan: &Plan, cursors: &[Cursor], first: u32, count: usize) -> Result<Vec<u32>, OutOfCoreError> {
    let (k, width) = (plan.k(), plan.identity.width);
    let mut out = Vec::with_capacity(count * 2 * width);
    let mut places: Vec<usize> = cursors.iter().map(|cursor| cursor.ids.partition_point(|id| *id < first)).collect();
    let mut found: Vec<(f32, u32)> = Vec::new();
    for row in first..first + count as u32 {
        found.clear();
        for (cursor, place) in cursors.iter().zip(&mut places) {
            if cursor.ids.get(*place) == Some(&row) {
                found.extend(neighbors(cursor.row(*place)));
                *place += 1;
            }
        }
        nearest_distinct(&mut found, width);
        if found.len() < k {
            let parts = (0..cursors.len()).filter(|at| cursors[*at].ids.binary_search(&row).is_ok()).collect();
            return Err(OutOfCoreError::TooFew { row: row as usize, parts, found: found.len(), k });
        }
        put_record(&found, width, &mut out);
    }
    Ok(out)
}

/// Neighbours of a record.
pub(super) fn neighbors(record: &[u32]) -> impl Iterator<Item = (f32, u32)> {
    let (ids, distances) = record.split_at(record.len() / 2);
    let all = distances.iter().map(|bits| f32::from_bits(*bits)).zip(ids.iter().copied());
    all.filter(|(_, id)| *id != KnnGraph::NO_NEIGHBOR)
}

/// Appends a record of neighbours.
pub(super) fn put_record(found: &[(f32, u32)], width: usize, out: &mut Vec<u32>) {
    let missing = width - found.len();
    out.extend(found.iter().map(|(_, id)| *id));
    out.extend(std::iter::repeat_n(KnnGraph::NO_NEIGHBOR, missing));
    out.extend(found.iter().map(|(distance, _)| distance.to_bits()));
    out.extend(std::iter::repeat_n(f32::INFINITY.to_bits(), missing));
}

/// Keeps the `width` nearest of some neighbours, each once, by (distance, id).
pub(super) fn nearest_distinct(found: &mut Vec<(f32, u32)>, width: usize) {
    found.sort_unstable_by(nearest_first);
    let mut kept = 0;
    for at in 0..found.len() {
        let id = found[at].1;
        if kept < width && !found[..kept].iter().any(|(_, other)| *other == id) {
            found[kept] = found[at];
            kept += 1;
        }
    }
    found.truncate(kept);
}

/// A graph of rows that is read once, in the order of its ids.
struct Cursor<'a> {
    file: &'a Reader,
    unread_ids: Stream<'a>,
    unread_rows: Stream<'a>,
    /// Values of a record.
    record: usize,
    /// Rows that are read at once.
    block: usize,
    /// Of the rows that are in memory.
    ids: Vec<u32>,
    rows: Vec<u32>,
}

impl<'a> Cursor<'a> {
    fn new(file: &'a Reader, width: usize, block: usize) -> Self {
        let (unread_ids, unread_rows) = (file.stream(0), file.stream(1));
        Self { file, unread_ids, unread_rows, record: 2 * width, block, ids: Vec::new(), rows: Vec::new() }
    }

    /// Reads until all rows below `end` are in memory.
    fn fill_to(&mut self, end: u32) -> Result<(), OutOfCoreError> {
        while self.ids.last().is_none_or(|last| *last < end) && self.unread_ids.left() > 0 {
            self.read_block()?;
        }
        Ok(())
    }

    fn read_block(&mut self) -> Result<(), OutOfCoreError> {
        let count = self.block.min(self.unread_ids.left() as usize / size_of::<u32>()).max(1);
        let (from, at) = (self.ids.len(), self.rows.len());
        self.ids.resize(from + count, 0);
        self.rows.resize(at + count * self.record, 0);
        self.unread_ids.fill(&mut self.ids[from..])?;
        self.unread_rows.fill(&mut self.rows[at..])
    }

    fn row(&self, place: usize) -> &[u32] {
        &self.rows[place * self.record..][..self.record]
    }

    fn drop_to(&mut self, end: u32) {
        let count = self.ids.partition_point(|id| *id < end);
        self.ids.drain(..count);
        self.rows.drain(..count * self.record);
    }

    /// Reads what is left, and compares it with what was written.
    fn skip_to_end(&mut self) -> Result<(), OutOfCoreError> {
        loop {
            self.ids.clear();
            self.rows.clear();
            if self.unread_ids.left() == 0 {
                return self.finish();
            }
            self.read_block()?;
        }
    }

    /// All rows were read, and are what was written.
    fn finish(&self) -> Result<(), OutOfCoreError> {
        if let Some(id) = self.ids.first() {
            return Err(self.file.damaged(format!("it holds row {id}, which there is not")));
        }
        self.unread_ids.finish()?;
        self.unread_rows.finish()
    }
}

/// Opens what a part found in a round.
pub(super) fn open_graph(plan: &Plan, path: &Path, part: usize, round: usize) -> Result<Reader, OutOfCoreError> {
    if !path.exists() {
        return Err(OutOfCoreError::Missing { part, path: path.into() });
    }
    let file = Reader::open(path, Kind::Graph)?;
    plan.identity.check(&file, &[("part", part.to_string()), ("round", round.to_string())])?;
    Ok(file)
}

/// Opens the graph of a round.
pub(super) fn open_merged(plan: &Plan, round: usize) -> Result<Reader, OutOfCoreError> {
    let file = Reader::open(&plan.merged_path(round), Kind::Graph)?;
    plan.identity.check(&file, &[("part", "all".into()), ("round", round.to_string())])?;
    Ok(file)
}

/// Rounds of refining that the graph in the folder has been through; none if parts have not been merged.
pub(super) fn rounds_done(plan: &Plan) -> Option<usize> {
    let names = std::fs::read_dir(&plan.folder).ok()?.flatten();
    let round = |name: String| name.strip_prefix("merged-")?.strip_suffix(".graph")?.parse().ok();
    names.filter_map(|entry| round(entry.file_name().to_string_lossy().into_owned())).max()
}

/// The graph in the folder that was refined most.
pub(super) fn open_latest(plan: &Plan) -> Result<Reader, OutOfCoreError> {
    open_merged(plan, rounds_done(plan).unwrap_or(0))
}

/// Writes the graph of a plan, merged and maybe refined, as [`write_graph`](crate::io::write_graph) writes one: piece
/// by piece, to a `.npz`.
///
/// # Errors
/// Parts were not merged; a graph that is damaged; an output that cannot be written.
pub fn write_graph(plan: &Plan, output: impl AsRef<Path>, watch: Watch) -> Result<(), OutOfCoreError> {
    let file = open_latest(plan)?;
    file.check_section(0)?;
    let (k, width) = (plan.k(), plan.identity.width);
    let (mut failure, mut other_failure) = (None, None);
    let written = {
        let mut ids = |write: &mut dyn FnMut(&[u32]) -> std::io::Result<()>| {
            let tick = |f: f32| watch(0.5 * f);
            let done = each_row(&file, width, &tick, &mut |row| write(&row[..k]));
            keep_failure(done, &mut failure)
        };
        let mut distances = |write: &mut dyn FnMut(&[f32]) -> std::io::Result<()>| {
            let tick = |f: f32| watch(0.5 + 0.5 * f);
            let done = each_row(&file, width, &tick, &mut |row| write(bytemuck::cast_slice(&row[width..][..k])));
            keep_failure(done, &mut other_failure)
        };
        write_graph_pieces(output.as_ref(), (plan.n(), k), &mut ids, &mut distances)
    };
    match failure.or(other_failure) {
        Some(failure) => Err(failure),
        None => written.map_err(|error| match error {
            IoError::Os { path, source } => OutOfCoreError::Os { path, source },
            other => other.into(),
        }),
    }
}

/// An error of a piece as one of the file that is written.
fn keep_failure(
    done: Result<std::io::Result<()>, OutOfCoreError>,
    kept: &mut Option<OutOfCoreError>,
) -> std::io::Result<()> {
    done.unwrap_or_else(|error| {
        *kept = Some(error);
        Err(std::io::Error::other("stopped"))
    })
}

/// Passes on every record of a graph of all rows. The outer error is one of reading, the inner one of what it is passed
/// to.
fn each_row(
    file: &Reader,
    width: usize,
    watch: Watch,
    row: &mut dyn FnMut(&[u32]) -> std::io::Result<()>,
) -> Result<std::io::Result<()>, OutOfCoreError> {
    let mut stream = file.stream(1);
    let all = stream.left().max(1);
    let mut buffer = vec![0u32; 2 * width * 1024];
    while stream.left() > 0 {
        check(watch, Stage::Write, 1.0 - stream.left() as f32 / all as f32)?;
        let count = buffer.len().min(stream.left() as usize / size_of::<u32>());
        stream.fill(&mut buffer[..count])?;
        for record in buffer[..count].chunks_exact(2 * width) {
            if let Err(error) = row(record) {
                return Ok(Err(error));
            }
        }
    }
    stream.finish()?;
    Ok(Ok(()))
}
