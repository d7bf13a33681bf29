//! Rounds over what only some parts knew.
//!
//! Rows that share no part were never compared. A round compares every row with such neighbours of its neighbours: a
//! neighbour that is in other parts as well knows rows there. A round goes by home parts, the nearest of every row.
//! Neighbours' neighbours are read from the merged graph, the vectors of candidates from the input, each once for all
//! rows of a home that need it, in the order of the file.

use super::error::OutOfCoreError;
use super::file::{Kind, Reader, Writer};
use super::folder::remove_file;
use super::id_set::IdSet;
use super::memory;
use super::merge::{merge_round, nearest_distinct, neighbors, open_graph, open_merged, put_record, rounds_done};
use super::partition::NO_PART;
use super::plan::Plan;
use super::{Stage, Watch, check};
use crate::atomic_file;
use crate::dataset::Dataset;
use crate::graph::KnnGraph;
use crate::io::{MatrixFile, Values, gather_runs, with_values};
use crate::parallel;
use crate::points::{Dense, Element, Points};

/// Rows that one task works on.
const GRAIN: usize = 256;
/// Neighbours of a row whose neighbours it is compared with: docs/SCALE.md, "Refining".
const MIDDLES: usize = 8;

/// Refines the merged graph of a plan by a round: [`refine_part`] for every part, then [`merge_refined`].
/// Returns how many rows changed.
///
/// # Errors
/// Those of these functions.
pub fn refine(plan: &Plan, limit: u64, watch: Watch) -> Result<u64, OutOfCoreError> {
    let parts = plan.parts() as f32;
    let mut changed = 0;
    for part in 0..plan.parts() {
        changed += refine_part(plan, part, limit, &|f| watch(0.9 * (part as f32 + f) / parts))?;
    }
    merge_refined(plan, limit, &|f| watch(0.9 + 0.1 * f))?;
    Ok(changed)
}

/// Compares the rows whose nearest part is `part` with neighbours of their neighbours that share no part with them, and
/// writes those that found nearer ones to the plan's folder. Returns how many did. Parts may be refined in any order,
/// by any number of processes, once all graphs are merged. Takes at most `limit` bytes of memory, 2 bytes for every row
/// and overlap, and 3 bits for every row.
///
/// # Errors
/// No such part; parts that are not merged; files that are damaged or of another plan; another input than the plan's;
/// no room.
pub fn refine_part(plan: &Plan, part: usize, limit: u64, watch: Watch) -> Result<u64, OutOfCoreError> {
    plan.check_part(part)?;
    let round = rounds_done(plan).unwrap_or(0);
    let refiner = Refiner {
        plan,
        merged: open_merged(plan, round)?,
        input: plan.open_input()?,
        parts_of: read_membership(plan)?,
        is_first: round == 0,
        limit,
    };
    let (ids, records) = refiner.run(part as u16, watch)?;
    let path = plan.refined_path(round + 1, part);
    let lines = plan.identity.lines(&[("part", part.to_string()), ("round", (round + 1).to_string())]);
    let written = atomic_file::replace(&path, |out| {
        let mut file = Writer::new(out, Kind::Graph, &lines)?;
        file.write(&ids)?;
        file.second_section()?;
        file.write(&records)?;
        file.finish()
    });
    written.map_err(|e| OutOfCoreError::os(&path, e))?;
    Ok(ids.len() as u64)
}

/// Merges what [`refine_part`] found for all parts into the graph of a plan, and removes the graph before. If it has done
/// so, and no part was refined since, it changes nothing: a scheduler may run it again.
///
/// # Errors
/// Same as [`merge`](super::merge).
pub fn merge_refined(plan: &Plan, limit: u64, watch: Watch) -> Result<(), OutOfCoreError> {
    let done = rounds_done(plan).unwrap_or(0);
    let found = |round: usize| (0..plan.parts()).map(move |part| (part, plan.refined_path(round, part)));
    let is_done = done > 0 && !found(done + 1).any(|(_, path)| path.exists());
    let round = if is_done { done } else { done + 1 };
    if !is_done {
        merge_round(plan, round, &found(round).collect::<Vec<_>>(), limit, watch)?;
    }
    let mut old = found(round).map(|(_, path)| path).chain([plan.merged_path(round - 1)]);
    old.try_for_each(|path| remove_file(&path))
}

/// Whether a round's work on a part is done.
pub(super) fn is_refined(plan: &Plan, round: usize, part: usize) -> bool {
    open_graph(plan, &plan.refined_path(round, part), part, round).is_ok()
}

/// The parts of every row, rows x overlap.
fn read_membership(plan: &Plan) -> Result<Vec<u16>, OutOfCoreError> {
    let file = Reader::open(&plan.membership_path(), Kind::Membership)?;
    plan.identity.check(&file, &[])?;
    let (parts, _) = file.read_all::<u16, u8>()?;
    if parts.len() == plan.n() * plan.overlap() {
        return Ok(parts);
    }
    Err(file.damaged(format!("{} parts of {} rows in {} each", parts.len(), plan.n(), plan.overlap())))
}

struct Refiner<'a> {
    plan: &'a Plan,
    merged: Reader,
    input: MatrixFile,
    parts_of: Vec<u16>,
    is_first: bool,
    limit: u64,
}

/// Rows with what they are to be compared with.
#[derive(Default)]
struct Pending {
    rows: Vec<u32>,
    /// Where the candidates of each row end.
    ends: Vec<usize>,
    candidates: Vec<u32>,
    /// The rows' records.
    records: Vec<u32>,
}

/// Neighbours of a row that are asked for theirs; [`KnnGraph::NO_NEIGHBOR`] in place of those that are missing.
type Middles = [u32; MIDDLES];

/// What some rows know outside of a part.
struct Elsewhere {
    rows: IdSet,
    /// Where the ids of each row begin, and the last ones end.
    ends: Vec<usize>,
    ids: Vec<u32>,
}

impl Elsewhere {
    fn of(&self, row: u32) -> &[u32] {
        let place = self.rows.place(row);
        &self.ids[self.ends[place]..self.ends[place + 1]]
    }
}

impl Refiner<'_> {
    /// Ids, ascending, and records of the rows that found nearer neighbours.
    fn run(&self, part: u16, watch: Watch) -> Result<(Vec<u32>, Vec<u32>), OutOfCoreError> {
        let (n, overlap) = (self.plan.n(), self.plan.overlap());
        let (mut ids, mut records) = (Vec::new(), Vec::new());
        if self.plan.parts() == 1 {
            return Ok((ids, records));
        }
        let homes: Vec<u32> = (0..n as u32).filter(|row| self.parts_of[*row as usize * overlap] == part).collect();
        let most_rows = memory::items(self.limit, 0.2, 2 * self.row_bytes());
        let most_candidates = memory::items(self.limit, 0.15, 8);
        // A chunk reads most of the merged graph: the records of its neighbours lie anywhere.
        let chunk = memory::items(self.limit, 0.3, 8 * self.width() * (2 * MIDDLES + 2));
        let mut pending = Pending::default();
        for (at, rows) in homes.chunks(chunk).enumerate() {
            check(watch, Stage::Refine, (at * chunk) as f32 / homes.len() as f32)?;
            self.collect(part, rows, &mut pending)?;
            if pending.rows.len() + chunk > most_rows || pending.candidates.len() > most_candidates {
                self.compare(&std::mem::take(&mut pending), &mut ids, &mut records)?;
            }
        }
        self.compare(&pending, &mut ids, &mut records)?;
        Ok((ids, records))
    }

    fn width(&self) -> usize {
        self.plan.identity.width
    }

    fn row_bytes(&self) -> usize {
        self.input.dim * memory::value_bytes(self.input.dtype())
    }

    fn parts_of(&self, row: u32) -> &[u16] {
        &self.parts_of[row as usize * self.plan.overlap()..][..self.plan.overlap()]
    }

    /// Whether two rows were in a part together.
    fn met(&self, a: u32, b: u32) -> bool {
        self.parts_of(a).iter().any(|part| *part != NO_PART && self.parts_of(b).contains(part))
    }

    /// Whether a neighbour may know rows that a row has not met: after the parts' own rounds, only if it is in others.
    fn knows_others(&self, row: u32, neighbor: u32) -> bool {
        let own = self.parts_of(row);
        !self.is_first || self.parts_of(neighbor).iter().any(|part| !own.contains(part))
    }

    /// The nearest neighbours of a row that may know others.
    fn middles(&self, row: u32, own: &[u32]) -> Middles {
        let mut found = [KnnGraph::NO_NEIGHBOR; MIDDLES];
        let known = neighbors(own).map(|(_, id)| id).filter(|id| self.knows_others(row, *id));
        found.iter_mut().zip(known).for_each(|(to, id)| *to = id);
        found
    }

    /// Adds those of some rows, whose home is `part`, that have candidates.
    fn collect(&self, part: u16, rows: &[u32], pending: &mut Pending) -> Result<(), OutOfCoreError> {
        let record = 2 * self.width();
        let own = self.gather_records(rows)?;
        let of_row = |i: usize| &own[i * record..][..record];
        let middles = parallel::map(rows.len(), GRAIN, || (), |(), i| self.middles(rows[i], of_row(i)));
        let known = self.known_elsewhere(part, middles.as_flattened())?;
        let find = |(): &mut (), i: usize| self.candidates(rows[i], &of_row(i)[..self.width()], &middles[i], &known);
        let found = parallel::map(rows.len(), GRAIN, || (), find);
        for (i, candidates) in found.into_iter().enumerate().filter(|(_, candidates)| !candidates.is_empty()) {
            pending.rows.push(rows[i]);
            pending.records.extend(of_row(i));
            pending.candidates.extend(candidates);
            pending.ends.push(pending.candidates.len());
        }
        Ok(())
    }

    /// What neighbours of rows of a part know outside of it.
    fn known_elsewhere(&self, part: u16, middles: &[u32]) -> Result<Elsewhere, OutOfCoreError> {
        let middles = middles.iter().copied().filter(|id| *id != KnnGraph::NO_NEIGHBOR);
        let rows = IdSet::new(self.plan.n(), middles);
        let records = self.gather_records(&rows.ids())?;
        let is_outside = |id: &u32| *id != KnnGraph::NO_NEIGHBOR && !self.parts_of(*id).contains(&part);
        let outside =
            |record: &[u32]| -> Vec<u32> { record[..self.width()].iter().copied().filter(is_outside).collect() };
        let record = 2 * self.width();
        let found =
            parallel::map(records.len() / record, GRAIN, || (), |(), i| outside(&records[i * record..][..record]));
        let mut known = Elsewhere { rows, ends: Vec::with_capacity(found.len() + 1), ids: Vec::new() };
        known.ends.push(0);
        for ids in found {
            known.ids.extend(ids);
            known.ends.push(known.ids.len());
        }
        Ok(known)
    }

    /// What the neighbours of a row know and the row, which knows `own`, has not met, ascending.
    fn candidates(&self, row: u32, own: &[u32], middles: &Middles, known: &Elsewhere) -> Vec<u32> {
        let middles = middles.iter().filter(|id| **id != KnnGraph::NO_NEIGHBOR);
        let is_new = |id: &u32| !self.met(row, *id) && !own.contains(id);
        let mut found: Vec<u32> = middles.flat_map(|middle| known.of(*middle)).copied().filter(is_new).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Records of ascending rows of the merged graph.
    fn gather_records(&self, rows: &[u32]) -> Result<Vec<u32>, OutOfCoreError> {
        let record = 2 * self.width();
        let pieces = parallel::map_ranges(rows.len(), 1 << 12, |piece| {
            let rows = &rows[piece];
            let mut out = Vec::with_capacity(rows.len() * record);
            let mut buffer = Vec::new();
            for run in gather_runs(rows, record * size_of::<u32>()) {
                let first = rows[run.start];
                buffer.resize((rows[run.end - 1] - first + 1) as usize * record, 0u32);
                self.merged.read_at(1, first as usize * record, &mut buffer)?;
                for row in &rows[run] {
                    let own = &buffer[(row - first) as usize * record..][..record];
                    self.check_ids(own)?;
                    out.extend_from_slice(own);
                }
            }
            Ok(out)
        });
        let pieces = pieces.into_iter().collect::<Result<Vec<Vec<u32>>, OutOfCoreError>>()?;
        Ok(pieces.concat())
    }

    /// Checks that neighbours are rows of the input: what is read at places has no checksum.
    fn check_ids(&self, record: &[u32]) -> Result<(), OutOfCoreError> {
        match neighbors(record).find(|(_, id)| *id as usize >= self.plan.n()) {
            Some((_, id)) => Err(self.merged.damaged(format!("it holds the neighbour {id}, which there is not"))),
            None => Ok(()),
        }
    }

    /// Compares rows with their candidates, and adds those that found nearer ones.
    fn compare(&self, pending: &Pending, ids: &mut Vec<u32>, records: &mut Vec<u32>) -> Result<(), OutOfCoreError> {
        let record = 2 * self.width();
        let all = IdSet::new(self.plan.n(), pending.candidates.iter().copied());
        let mut values = self.input.gather(&pending.rows)?;
        let own_values = values.len();
        let at_once = memory::items(self.limit, 0.2, 2 * self.row_bytes());
        let mut found: Vec<Vec<(f32, u32)>> = vec![Vec::new(); pending.rows.len()];
        for (at, others) in all.ids().chunks(at_once).enumerate() {
            values.truncate(own_values);
            self.input.gather_into(others, &mut values)?;
            let place = |id: u32| all.place(id).checked_sub(at * at_once).filter(|place| *place < others.len());
            self.compare_with(pending, &values, &place, &mut found)?;
        }
        for ((&row, found), own) in pending.rows.iter().zip(&mut found).zip(pending.records.chunks_exact(record)) {
            if !found.is_empty() {
                found.extend(neighbors(own));
                nearest_distinct(found, self.width());
                ids.push(row);
                put_record(found, self.width(), records);
            }
        }
        Ok(())
    }

    /// Adds the candidates that are nearer than the last neighbour of a row, of those that have a place in `values`,
    /// which follow the rows'.
    fn compare_with(
        &self,
        pending: &Pending,
        values: &Values,
        place: &(dyn Fn(u32) -> Option<usize> + Sync),
        found: &mut [Vec<(f32, u32)>],
    ) -> Result<(), OutOfCoreError> {
        let (dim, record, rows) = (self.input.dim, 2 * self.width(), pending.rows.len());
        let n = values.len() / dim;
        // Every row was checked when it was divided.
        let points = with_values!(values, x => Points::from(Dense::trusted(Element::rows(x), n, dim)));
        let dataset = Dataset::new(&points, &self.plan.metric)?;
        let truth = dataset.problem().true_distances();
        parallel::for_rows(found, 1, GRAIN, |i, found| {
            let candidates =
                &pending.candidates[i.checked_sub(1).map_or(0, |before| pending.ends[before])..pending.ends[i]];
            let (mut ids, mut places, mut distances) = (Vec::new(), Vec::new(), Vec::new());
            for (id, place) in candidates.iter().filter_map(|id| Some((*id, place(*id)?))) {
                ids.push(id);
                places.push((rows + place) as u32);
            }
            truth.distances(i, &places, &mut distances);
            let last = neighbors(&pending.records[i * record..][..record]).last();
            let near = |&(distance, id): &(f32, u32)| {
                last.is_none_or(|last| crate::graph::order::nearest_first(&(distance, id), &last).is_lt())
            };
            let full = neighbors(&pending.records[i * record..][..record]).count() == self.width();
            found[0].extend(distances.iter().map(|d| *d as f32).zip(ids).filter(|new| !full || near(new)));
        });
        Ok(())
    }
}
