//! An index as a file, and back.

use std::fmt::Write as _;
use std::path::Path;

use crate::persist::{self, FileError, Kind, Opened};

use super::adjacency::{Adjacency, Span};
use super::entries::Entries;
use super::rows::{RowKind, SearchRows};
use super::rows_file::{METRIC_VALUES, ROWS, any_length, bytes, of_length};
use super::{Index, IndexMemory};

const ORDER: Kind = Kind(1, "the ids of points");
const ENTRIES: Kind = Kind(2, "the entries");
const REMOVED: Kind = Kind(3, "the removed points");
const SPANS: Kind = Kind(4, "the search graph's rows");
const EDGES: Kind = Kind(5, "the search graph's edges");
const GROUPS: Kind = Kind(12, "the groups of entries");
const OWN: [Kind; 6] = [ORDER, ENTRIES, REMOVED, SPANS, EDGES, GROUPS];

impl Index {
    /// Writes the index to a file: to a temporary one beside it, then renamed, so that `path` holds a whole index or what it
    /// held before. Room left by changed rows is not written.
    ///
    /// # Errors
    /// [`FileError::Os`]; [`FileError::OwnItems`], which a file cannot hold.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        if matches!(self.rows.kind, RowKind::Items(_)) {
            return Err(FileError::OwnItems { n: self.n() });
        }
        let (spans, edges) = self.graph.compact();
        let mut sections: Vec<(Kind, &[u8])> = vec![
            (ORDER, bytes(&self.order)),
            (ENTRIES, bytes(&self.entries.rows)),
            (GROUPS, bytes(&self.entries.starts)),
            (REMOVED, bytes(&self.removed)),
            (SPANS, bytes(&spans)),
            (EDGES, bytes(&edges)),
        ];
        let sparse = self.rows.sparse_parts();
        sections.extend(self.rows.sections(sparse.as_ref()));
        let metric = self.rows.metric_values();
        sections.extend(metric.as_deref().map(|values| (METRIC_VALUES, bytes(values))));
        persist::write(path, &self.meta(), &sections)
    }

    /// Opens a saved index by mapping it: in milliseconds, whatever its size. Header and table are checked, and that parts fit
    /// together; contents are not read: see [`Index::verify`].
    ///
    /// The file may be replaced while it is mapped (by renaming, as [`Index::save`] does); a program that cuts it short in
    /// place ends this process.
    ///
    /// # Errors
    /// [`FileError`]: what is wrong with the file.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        Self::of_file(&Opened::open(path)?)
    }

    /// Checks the contents of a saved index against their checksums, by reading all of them.
    ///
    /// # Errors
    /// [`FileError::Damaged`] names the part; else those of [`Index::open`].
    pub fn verify(path: &Path) -> Result<(), FileError> {
        let file = Opened::open(path)?;
        Self::of_file(&file)?;
        file.verify(&[&OWN[..], &ROWS[..]].concat())
    }

    /// Brings what searches read from the file into memory, so that the first of many queries are as fast as the last: some
    /// milliseconds for every 100 MB. Values that only rank are left where they are.
    pub fn warm(&self) {
        self.rows.warm();
        self.graph.spans.warm();
        self.graph.ids.warm();
        self.order.warm();
    }

    fn meta(&self) -> String {
        let mut meta = String::new();
        let mut put = |key: &str, value: &dyn std::fmt::Display| {
            writeln!(meta, "{key} {value}").expect("strings can be written to");
        };
        put("n_rows", &self.graph.n());
        put("max_degree", &self.max_degree);
        put("nearest", &self.nearest);
        put("end_id", &self.end_id);
        put("epsilon", &self.tuned.unwrap_or(-1.0));
        self.rows.put_meta(&mut put);
        meta
    }

    fn of_file(file: &Opened) -> Result<Self, FileError> {
        let n: usize = file.meta("n_rows")?;
        let index = Self {
            rows: SearchRows::of_file(file, n)?,
            graph: Adjacency { spans: of_length(file, SPANS, n)?, ids: any_length(file, EDGES)? },
            order: of_length(file, ORDER, n)?,
            entries: Entries { rows: any_length(file, ENTRIES)?, starts: any_length(file, GROUPS)? },
            nearest: file.meta("nearest")?,
            max_degree: file.meta("max_degree")?,
            n_removed: 0,
            removed: any_length(file, REMOVED)?,
            end_id: file.meta("end_id")?,
            tuned: Some(file.meta::<f32>("epsilon")?).filter(|e| *e >= 0.0),
        };
        if let Some(entry) = index.entries.rows.iter().find(|&&entry| entry as usize >= n) {
            return Err(file.inconsistent(format!("an entry at row {entry} of {n}")));
        }
        let (entries, groups) = (index.entries.rows.len(), index.entries.starts.len());
        if n == 0 || entries == 0 || groups < 2 {
            return Err(file.inconsistent(format!("{n} rows, {entries} entries, {groups} starts of groups")));
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

impl Adjacency {
    /// Rows one after the other without gaps.
    fn compact(&self) -> (Vec<Span>, Vec<u32>) {
        let lists = (0..self.n() as u32).map(|row| self.neighbors(row));
        let compact = Self::of_lists(lists).expect("no more edges than before");
        (compact.spans.to_vec(), compact.ids.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::metric::Metric;
    use crate::persist::resign;
    use crate::points::Points;
    use crate::{Index, NnDescent};

    const DIM: usize = 50;

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
                let _ = index.query(&query, 3.min(index.n().max(1))).run();
                let _ = index.query(&query, 1).filter(&|id| id % 2 == 0).run();
                let _ = index.query_radius(&query, 10.0, 0.1);
                let _ = index.query_ids(&[0, 79], 2).run();
                let _ = index.memory();
                let _ = index.tune(0.9, 1, 5);
            }
        }
    }
}
