//! An index as a file, and back.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use crate::atomic_file::FileLock;
use crate::persist::{self, IndexFileError, Kind, Opened};

use super::adjacency::Adjacency;
use super::prepare::entries::{self, Entries};
use super::rows::file::kinds;
use super::rows::sections::{any_length, of_length};
use super::rows::{IndexRows, SearchRows};
use super::{Index, IndexMemory};

const ORDER: Kind = Kind(1, "the ids of points");
const ENTRIES: Kind = Kind(2, "the entries");
const REMOVED: Kind = Kind(3, "the removed points");
const SPANS: Kind = Kind(4, "the search graph's rows");
const EDGES: Kind = Kind(5, "the search graph's edges");
const GROUPS: Kind = Kind(12, "the groups of entries");
const CENTER: Kind = Kind(40, "the centre");
const OWN: [Kind; 7] = [ORDER, ENTRIES, REMOVED, SPANS, EDGES, GROUPS, CENTER];

/// A lock on the file of an index: see [`Index::lock`].
#[derive(Debug)]
pub struct IndexLock(FileLock);

impl IndexLock {
    /// Saves an index to the file that is locked, as [`Index::save`] does.
    ///
    /// # Errors
    /// [`IndexFileError::Os`]; [`IndexFileError::Items`].
    pub fn save(self, index: &Index) -> Result<(), IndexFileError> {
        let contents = index.contents(&self.0.path)?;
        persist::save_locked(&self.0, &contents.meta, &contents.sections())
    }
}

/// The path of a stream, in errors.
const STREAM: &str = "stream";

/// What a file holds of an index.
struct Contents<'a> {
    meta: String,
    sections: Vec<(Kind, Cow<'a, [u8]>)>,
}

impl Contents<'_> {
    fn sections(&self) -> Vec<(Kind, &[u8])> {
        self.sections.iter().map(|(kind, bytes)| (*kind, &**bytes)).collect()
    }
}

impl Index {
    /// Saves the index: writes a temporary file beside `path` and renames it, so that `path` always holds a whole index
    /// or what it held before. Gaps left by changed rows are not written.
    ///
    /// ```
    /// use nndescent::{Index, Metric, NnDescent, Points};
    ///
    /// let data: Vec<f32> = (0..500 * 8).map(|i| ((i * 37) % 101) as f32).collect();
    /// let index = NnDescent::new(Metric::Euclidean).index(&Points::dense(&data, 500, 8)?)?.index;
    /// let path = std::env::temp_dir().join(format!("nndescent-doc-{}.nnd", std::process::id()));
    /// index.save(&path)?;
    /// let opened = Index::open(&path)?; // mapped, in milliseconds
    /// assert_eq!(opened.nearest(&data[..8], 3)?, index.nearest(&data[..8], 3)?);
    /// # std::fs::remove_file(&path)?;
    ///
    /// let mut bytes = Vec::new();
    /// index.write_to(&mut bytes)?;
    /// assert_eq!(Index::read_from(&bytes[..])?.len(), 500);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A link is followed, and the mode of a file that is replaced is kept. Leftovers of saves that were killed are
    /// removed from the folder.
    ///
    /// # Errors
    /// [`IndexFileError::Os`]; [`IndexFileError::Items`]: a file cannot hold items; [`IndexFileError::Locked`];
    /// [`IndexFileError::Inconsistent`]: the index comes from a damaged file.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), IndexFileError> {
        let contents = self.contents(path.as_ref())?;
        persist::save(path.as_ref(), &contents.meta, &contents.sections())
    }

    /// Keeps others from changing the file of an index (processes and threads that use this crate), from before it is
    /// opened until [`IndexLock::save`] has replaced it or the lock is dropped. It can still be opened and searched.
    ///
    /// ```
    /// # use nndescent::{Index, Metric, NnDescent, Points};
    /// # let data: Vec<f32> = (0..100 * 8).map(|i| ((i * 37) % 101) as f32).collect();
    /// # let path = std::env::temp_dir().join(format!("nndescent-lock-{}.nnd", std::process::id()));
    /// # NnDescent::new(Metric::Euclidean).index(&Points::dense(&data, 100, 8)?)?.index.save(&path)?;
    /// let lock = Index::lock(&path)?;
    /// let mut index = Index::open(&path)?;
    /// index.remove(&[7])?;
    /// lock.save(&index)?;
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`IndexFileError::Locked`] if somebody else holds the lock; [`IndexFileError::Os`].
    pub fn lock(path: impl AsRef<Path>) -> Result<IndexLock, IndexFileError> {
        persist::lock(path.as_ref()).map(IndexLock)
    }

    /// Writes what [`Index::save`] writes to a file.
    ///
    /// # Errors
    /// [`IndexFileError::Stream`]; else same as [`Index::save`].
    pub fn write_to(&self, mut out: impl Write) -> Result<(), IndexFileError> {
        let contents = self.contents(Path::new(STREAM))?;
        persist::write_to(&mut out, &contents.meta, &contents.sections())
    }

    /// What a file at `path` will hold.
    fn contents(&self, path: &Path) -> Result<Contents<'_>, IndexFileError> {
        if self.rows.are_items() {
            return Err(IndexFileError::Items { n: self.len() });
        }
        self.graph.check().map_err(|what| IndexFileError::Inconsistent { path: path.into(), what })?;
        let graph = self.graph.compacted();
        let edges = [bytemuck::cast_slice(&graph.spans), bytemuck::cast_slice::<u32, u8>(&graph.ids)];
        let [spans, edges] = edges.map(|bytes| Cow::Owned(bytes.to_vec()));
        let mut sections: Vec<(Kind, Cow<'_, [u8]>)> = vec![
            (ORDER, Cow::Borrowed(bytemuck::cast_slice(&self.order))),
            (ENTRIES, Cow::Borrowed(bytemuck::cast_slice(&self.entries.rows))),
            (GROUPS, Cow::Borrowed(bytemuck::cast_slice(&self.entries.starts))),
            (REMOVED, Cow::Borrowed(bytemuck::cast_slice(&self.removed))),
            (SPANS, spans),
            (EDGES, edges),
        ];
        if let Some(center) = self.center() {
            sections.push((CENTER, Cow::Borrowed(bytemuck::cast_slice(center))));
        }
        sections.extend(self.rows.sections());
        Ok(Contents { meta: self.meta(), sections })
    }

    /// Opens a saved index by mapping it: in milliseconds, whatever its size. Header and table are checked, and that
    /// parts fit together; contents are not read: see [`Index::verify`].
    ///
    /// The file may be replaced while it is mapped (by renaming, as [`Index::save`] does). It must not be changed in
    /// place: that is undefined behaviour, as for every mapped file, and cutting it short ends the process.
    ///
    /// # Errors
    /// [`IndexFileError`]: what is wrong with the file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, IndexFileError> {
        Self::of_file(&Opened::open(path.as_ref())?)
    }

    /// Reads an index that [`Index::write_to`] or [`Index::save`] wrote, into memory. Contents are checked against
    /// their checksums.
    ///
    /// # Errors
    /// [`IndexFileError`]: what is wrong with the bytes.
    pub fn read_from(mut source: impl Read) -> Result<Self, IndexFileError> {
        let file = Opened::read(&mut source)?;
        file.verify(&[&OWN[..], &kinds()].concat())?;
        Self::of_file(&file)
    }

    /// Checks the contents of a saved index against their checksums, by reading all of them.
    ///
    /// # Errors
    /// [`IndexFileError::Damaged`] names the part; else same as [`Index::open`].
    pub fn verify(path: impl AsRef<Path>) -> Result<(), IndexFileError> {
        let file = Opened::open(path.as_ref())?;
        Self::of_file(&file)?;
        file.verify(&[&OWN[..], &kinds()].concat())
    }

    /// The version of the format of a saved index.
    ///
    /// # Errors
    /// [`IndexFileError`]: what is wrong with the file.
    pub fn file_version(path: impl AsRef<Path>) -> Result<u32, IndexFileError> {
        Opened::open(path.as_ref()).map(|file| file.version())
    }

    /// Brings what searches read from the file into memory, so that the first of many queries are as fast as the last:
    /// some milliseconds for every 100 MB. Values that only rank are left where they are.
    pub fn prefault(&self) {
        self.rows.prefault();
        self.graph.spans.prefault();
        self.graph.ids.prefault();
        self.order.prefault();
    }

    fn meta(&self) -> String {
        let mut meta = String::new();
        let mut put = |key: &str, value: &dyn std::fmt::Display| {
            writeln!(meta, "{key} {value}").expect("strings can be written to");
        };
        put("n_rows", &self.graph.n());
        put("max_degree", &self.max_degree);
        put("nearest", &self.nearest);
        put("entry_groups", &self.entries.looked_at);
        put("end_id", &self.id_bound);
        put("epsilon", &self.tuned.unwrap_or(-1.0));
        self.rows.put_meta(self.by_values, &mut put);
        meta
    }

    fn of_file(file: &Opened) -> Result<Self, IndexFileError> {
        let n: usize = file.meta("n_rows")?;
        let index = Self {
            rows: Arc::new(SearchRows::of_file(file, n)?),
            graph: Adjacency { spans: of_length(file, SPANS, n)?, ids: any_length(file, EDGES)? },
            order: of_length(file, ORDER, n)?,
            entries: Entries {
                rows: any_length(file, ENTRIES)?,
                starts: any_length(file, GROUPS)?,
                chosen_for: n,
                looked_at: file.meta("entry_groups").unwrap_or(entries::GROUPS).clamp(1, entries::FEW_GROUPS),
            },
            nearest: file.meta("nearest")?,
            max_degree: file.meta("max_degree")?,
            n_removed: 0,
            removed: any_length(file, REMOVED)?,
            id_bound: file.meta("end_id")?,
            by_values: file.meta::<u8>("by_values").unwrap_or_default() != 0,
            tuned: Some(file.meta::<f32>("epsilon")?).filter(|e| *e > -1.0),
            center: file.section(CENTER)?.unwrap_or_else(|| Vec::new().into()),
        };
        let (center, dim) = (index.center.len(), index.dim());
        if center != 0 && (center != dim || !index.center.iter().all(|value| value.is_finite())) {
            return Err(file.inconsistent(format!("a centre of {center} values for {dim} columns, or one not finite")));
        }
        if let Some(entry) = index.entries.rows.iter().find(|&&entry| entry as usize >= n) {
            return Err(file.inconsistent(format!("an entry at row {entry} of {n}")));
        }
        let (entries, groups) = (index.entries.rows.len(), index.entries.starts.len());
        if index.max_degree == 0 {
            return Err(file.inconsistent("rows of at most 0 edges"));
        }
        if n > 0 && (entries == 0 || groups < 2) || n == 0 && (entries > 0 || groups != 1) {
            return Err(file.inconsistent(format!("{n} rows, {entries} entries, {groups} starts of groups")));
        }
        let starts = &index.entries.starts;
        if !starts.is_sorted() || starts.last().is_none_or(|&end| end as usize != entries) {
            return Err(file.inconsistent(format!("groups of entries that are not those of {entries} entries")));
        }
        let n_removed = index.removed.iter().map(|word| word.count_ones() as usize).sum();
        if n_removed > n || index.removed.len() > n.div_ceil(64) {
            return Err(file.inconsistent(format!("{n_removed} of {n} rows removed")));
        }
        Ok(Self { n_removed, ..index })
    }

    /// What the index holds, in bytes.
    #[must_use]
    pub fn memory(&self) -> IndexMemory {
        let mut memory = IndexMemory::default();
        let mut add = |bytes: usize, mapped: bool, data: bool| {
            *(if mapped { &mut memory.mapped } else { &mut memory.owned }) += bytes;
            *(if data { &mut memory.rows } else { &mut memory.graph }) += bytes;
        };
        self.rows.add_memory(&mut |bytes, mapped| add(bytes, mapped, true));
        add(size_of_val(&self.graph.spans[..]), self.graph.spans.is_mapped(), false);
        add(size_of_val(&self.graph.ids[..]), self.graph.ids.is_mapped(), false);
        for section in [&self.order, &self.entries.rows, &self.entries.starts] {
            add(size_of_val(&section[..]), section.is_mapped(), false);
        }
        add(size_of_val(&self.removed[..]), self.removed.is_mapped(), false);
        memory
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::metric::Metric;
    use crate::persist::resign;
    use crate::points::Points;
    use crate::{Index, IndexError, NnDescent, SearchError, SearchOptions};

    const DIM: usize = 50;

    /// An index whose ids end far beyond its points, as after very many changes.
    fn long_lived(index: &Index) -> Index {
        Index { id_bound: u32::MAX, ..index.clone() }
    }

    #[test]
    fn ids_cost_what_lives() {
        let data = values(80);
        let points = Points::dense(&data, 80, DIM).unwrap();
        let mut index = long_lived(&NnDescent::new(Metric::Euclidean).index(&points).unwrap().index);
        let start = std::time::Instant::now();
        for _ in 0..100 {
            index.vectors(&[7, 3]).unwrap();
            index.query_ids(&[7, 3], 3, &SearchOptions::new()).unwrap();
            index.update(&[5], &Points::dense(&data[..DIM], 1, DIM).unwrap()).unwrap();
        }
        index.remove(&[3]).unwrap();
        assert_eq!(index.vectors(&[7, 3]).unwrap_err(), SearchError::UnknownId { id: 3, bound: u32::MAX as usize });
        // An array of all ids takes 16 GB.
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    }

    /// Rows of edges that overlap: written one after the other, they take hundreds of times the file.
    #[test]
    fn damaged_rows_of_edges_are_named() {
        let data = values(80);
        let points = Points::dense(&data, 80, DIM).unwrap();
        let mut index = NnDescent::new(Metric::Euclidean).index(&points).unwrap().index;
        let file = tempfile::NamedTempFile::new().unwrap();
        index.save(file.path()).unwrap();
        let spans: Vec<u8> = bytemuck::cast_slice(&index.graph.compacted().spans).to_vec();
        let mut bytes = std::fs::read(file.path()).unwrap();
        let at = bytes.windows(spans.len()).position(|window| window == &spans[..]).unwrap();
        let all = (index.n_edges() as u32).to_le_bytes();
        (0..80).for_each(|row| {
            bytes[at + 8 * row..][..4].copy_from_slice(&[0; 4]);
            bytes[at + 8 * row + 4..][..4].copy_from_slice(&all);
        });
        resign(&mut bytes);
        std::fs::write(file.path(), &bytes).unwrap();
        index = Index::open(file.path()).unwrap();
        index.query(&points, 3, &SearchOptions::new()).unwrap();
        let error = index.write_to(std::io::sink()).unwrap_err().to_string();
        assert!(error.contains("edges, of which there are"), "{error}");
        let damaged = |result: Result<(), IndexError>| matches!(result.unwrap_err(), IndexError::Damaged { .. });
        assert!(damaged(index.add(&points).map(drop)) && damaged(index.remove(&[1])) && damaged(index.compact()));
        assert!(damaged(index.update(&[1], &Points::dense(&data[..DIM], 1, DIM).unwrap())));
    }

    fn values(n: usize) -> Vec<f32> {
        (0..n * DIM).map(|i| ((i * 7919) % 1009) as f32 / 10.0).collect()
    }

    fn saved(metric: Metric) -> Vec<u8> {
        let data = values(80);
        let points = Points::dense(&data, 80, DIM).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        NnDescent::new(metric).n_neighbors(5).index(&points).unwrap().index.save(file.path()).unwrap();
        std::fs::read(file.path()).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// Damage whose checksums were made to match: an error or an index that answers something, never a panic.
        #[test]
        fn signed_nonsense_is_survived(
            coded: bool,
            damage in prop::collection::vec((0usize..4000, any::<u8>()), 1..6),
            cut in prop::option::of(0usize..20_000),
        ) {
            let mut bytes = saved(if coded { Metric::Euclidean } else { Metric::Manhattan });
            if let Some(cut) = cut {
                bytes.truncate(cut);
            }
            for (at, value) in damage {
                if let Some(byte) = bytes.get_mut(8 + at) {
                    *byte = value;
                }
            }
            resign(&mut bytes);
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), &bytes).unwrap();
            if let Ok(mut index) = Index::open(file.path()) {
                let data = vec![1.0; index.dim()];
                let query = Points::dense(&data, 1, data.len()).unwrap();
                let options = SearchOptions::new();
                let _ = index.query(&query, 3.min(index.len().max(1)), &options);
                let _ = index.query(&query, 1, &options.clone().filter(|id| id % 2 == 0));
                let _ = index.query_radius(&query, 10.0, &options);
                let _ = index.query_ids(&[0, 79], 2, &options);
                let _ = index.vectors(&[0]);
                let _ = index.memory();
                let _ = index.tune(0.9, 1, 5);
            }
        }
    }
}
