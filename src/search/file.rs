//! An index as a file, and back.

use std::fmt::Write as _;
use std::path::Path;

use half::f16;

use crate::metric::Metric;
use crate::metric::simd::Level;
use crate::persist::{self, FileError, Kind, Opened};
use crate::points::Element;
use crate::section::Section;
use crate::space::byte_rows::{self, Coding};

use super::adjacency::{Adjacency, Span};
use super::entries::Entries;
use super::rows::{SearchRows, Traversal};
use super::stored::{Stored, Values, with_values};
use super::{Index, IndexMemory};

const ORDER: Kind = Kind(1, "the ids of points");
const ENTRIES: Kind = Kind(2, "the entries");
const REMOVED: Kind = Kind(3, "the removed points");
const SPANS: Kind = Kind(4, "the search graph's rows");
const EDGES: Kind = Kind(5, "the search graph's edges");
const VALUES: Kind = Kind(6, "the points");
const DIRECTIONS: Kind = Kind(7, "the points' lengths");
const CODES: Kind = Kind(8, "the points' codes");
const STATS: Kind = Kind(9, "the sums of codes");
const HALVES: Kind = Kind(10, "the points in f16");
const HALF_DIRECTIONS: Kind = Kind(11, "the lengths of points in f16");
const GROUPS: Kind = Kind(12, "the groups of entries");
const ALL: [Kind; 12] =
    [ORDER, ENTRIES, REMOVED, SPANS, EDGES, VALUES, DIRECTIONS, CODES, STATS, HALVES, HALF_DIRECTIONS, GROUPS];

impl Index {
    /// Writes the index to a file: to a temporary one beside it, then renamed, so that `path` holds a whole index or what it
    /// held before. Room left by changed rows is not written.
    ///
    /// # Errors
    /// [`FileError::Os`].
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        let (spans, edges) = self.graph.compact();
        let mut sections: Vec<(Kind, &[u8])> = vec![
            (ORDER, bytes(&self.order)),
            (ENTRIES, bytes(&self.entries.rows)),
            (GROUPS, bytes(&self.entries.starts)),
            (REMOVED, bytes(&self.removed)),
            (SPANS, bytes(&spans)),
            (EDGES, bytes(&edges)),
        ];
        if let Some(stored) = &self.rows.stored {
            sections.push((VALUES, with_values!(&stored.values, x => bytes(x))));
            sections.push((DIRECTIONS, bytes(&stored.directions)));
        }
        match &self.rows.traversal {
            Traversal::Values => {}
            Traversal::Halves(halves) => {
                sections.push((HALVES, with_values!(&halves.values, x => bytes(x))));
                sections.push((HALF_DIRECTIONS, bytes(&halves.directions)));
            }
            Traversal::Codes(codes) => {
                let (chunks, stats, _) = codes.parts();
                sections.push((CODES, bytes(chunks)));
                sections.push((STATS, bytes(stats)));
            }
        }
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
        file.verify(&ALL)
    }

    /// Brings what searches read from the file into memory, so that the first of many queries are as fast as the last: some
    /// milliseconds for every 100 MB. Values that only rank are left where they are.
    pub fn warm(&self) {
        match &self.rows.traversal {
            Traversal::Values => self.rows.stored.iter().for_each(|stored| with_values!(&stored.values, x => x.warm())),
            Traversal::Halves(halves) => with_values!(&halves.values, x => x.warm()),
            Traversal::Codes(codes) => codes.warm(),
        }
        self.graph.spans.warm();
        self.graph.ids.warm();
        self.order.warm();
    }

    fn meta(&self) -> String {
        let mut meta = String::new();
        let mut put = |key: &str, value: &dyn std::fmt::Display| {
            writeln!(meta, "{key} {value}").expect("strings can be written to");
        };
        put("metric", &self.metric().name());
        if let Metric::Minkowski { p } = self.metric() {
            put("metric_p", &p);
        }
        put("n_rows", &self.graph.n());
        put("dim", &self.dim());
        put("max_degree", &self.max_degree);
        put("nearest", &self.nearest);
        put("end_id", &self.end_id);
        put("epsilon", &self.tuned.unwrap_or(-1.0));
        put("by_values", &u8::from(self.rows.by_values));
        put("given", &self.rows.given);
        put("values", &self.rows.stored.as_ref().map_or("none", |stored| stored.dense().type_name()));
        match &self.rows.traversal {
            Traversal::Values => put("traversal", &"values"),
            Traversal::Halves(_) => put("traversal", &"float16"),
            Traversal::Codes(codes) => {
                put("traversal", &"codes");
                let [offset, zero, scale, per_row, centered] = codes.parts().2.to_numbers();
                put("code_offset", &offset);
                put("code_zero", &zero);
                put("code_scale", &scale);
                put("code_scale_per_row", &per_row);
                put("code_centered", &centered);
            }
        }
        meta
    }

    fn of_file(file: &Opened) -> Result<Self, FileError> {
        let n: usize = file.meta("n_rows")?;
        let metric = metric_of(file)?;
        let rows = rows_of(file, metric, n)?;
        let index = Self {
            rows,
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
        let mut add_stored = |stored: &Stored| {
            add(
                with_values!(&stored.values, x => size_of_val(&x[..])),
                with_values!(&stored.values, x => x.is_mapped()),
                true,
            );
            add(size_of_val(&stored.directions[..]), stored.directions.is_mapped(), true);
        };
        self.rows.stored.iter().for_each(&mut add_stored);
        match &self.rows.traversal {
            Traversal::Values => {}
            Traversal::Halves(halves) => add_stored(halves),
            Traversal::Codes(codes) => {
                let (chunks, stats, _) = codes.parts();
                add(size_of_val(chunks) + size_of_val(stats), codes.is_mapped(), true);
            }
        }
        add(size_of_val(&self.graph.spans[..]), self.graph.spans.is_mapped(), false);
        add(size_of_val(&self.graph.ids[..]), self.graph.ids.is_mapped(), false);
        for section in [&self.order, &self.entries.rows, &self.entries.starts] {
            add(size_of_val(&section[..]), section.is_mapped(), false);
        }
        add(size_of_val(&self.removed[..]), self.removed.is_mapped(), false);
        memory
    }
}

/// Types of points, as numpy names them.
const TYPES: [&str; 4] = [f32::NAME, f16::NAME, u8::NAME, i8::NAME];

fn bytes<T: bytemuck::Pod>(values: &[T]) -> &[u8] {
    bytemuck::cast_slice(values)
}

fn metric_of(file: &Opened) -> Result<Metric, FileError> {
    let name: String = file.meta("metric")?;
    let arguments = if name == "minkowski" { vec![("p", file.meta::<f32>("metric_p")?)] } else { Vec::new() };
    Metric::parse_with(&name, &arguments).map_err(|e| file.inconsistent(e.to_string()))
}

fn any_length<T: bytemuck::Pod>(file: &Opened, kind: Kind) -> Result<Section<T>, FileError> {
    file.section(kind)?.ok_or_else(|| file.inconsistent(format!("{} are missing", kind.1)))
}

fn of_length<T: bytemuck::Pod>(file: &Opened, kind: Kind, length: usize) -> Result<Section<T>, FileError> {
    let section = any_length::<T>(file, kind)?;
    if section.len() == length {
        return Ok(section);
    }
    Err(file.inconsistent(format!("{}: {} instead of {length}", kind.1, section.len())))
}

fn rows_of(file: &Opened, metric: Metric, n: usize) -> Result<SearchRows, FileError> {
    let dim: usize = file.meta("dim")?;
    let values: String = file.meta("values")?;
    let stored = match &*values {
        "none" => None,
        name => Some(stored_of(file, (VALUES, DIRECTIONS), name, metric, (n, dim))?),
    };
    let traversal = match &*file.meta::<String>("traversal")? {
        "values" if stored.is_some() => Traversal::Values,
        "float16" => Traversal::Halves(stored_of(file, (HALVES, HALF_DIRECTIONS), "float16", metric, (n, dim))?),
        "codes" => {
            let coding = coding_of(file)?;
            let stats = of_length(file, STATS, n)?;
            let chunks = of_length(file, CODES, n.saturating_mul(byte_rows::chunks_of_row(dim)))?;
            Traversal::Codes(byte_rows::codes_of_parts(chunks, stats, coding, metric.form(), Level::detect()))
        }
        other => return Err(file.inconsistent(format!("traversal by `{other}`"))),
    };
    let given: String = file.meta("given")?;
    let given = TYPES.into_iter().find(|name| *name == given);
    let given = given.ok_or_else(|| file.inconsistent("points of an unknown type"))?;
    let by_values = file.meta::<u8>("by_values")? != 0;
    Ok(SearchRows { metric, dim, given, stored, traversal, by_values })
}

fn stored_of(
    file: &Opened,
    (values, directions): (Kind, Kind),
    type_name: &str,
    metric: Metric,
    (n, dim): (usize, usize),
) -> Result<Stored, FileError> {
    let count = n.saturating_mul(dim);
    let values = match type_name {
        "float32" => Values::F32(of_length::<f32>(file, values, count)?),
        "float16" => Values::F16(of_length::<f16>(file, values, count)?),
        "uint8" => Values::U8(of_length::<u8>(file, values, count)?),
        "int8" => Values::I8(of_length::<i8>(file, values, count)?),
        other => return Err(file.inconsistent(format!("points of type `{other}`"))),
    };
    let angular = matches!(metric.form(), crate::metric::Form::Angular { .. });
    let directions = of_length(file, directions, if angular { n } else { 0 })?;
    Ok(Stored { values, dim, directions })
}

fn coding_of(file: &Opened) -> Result<Coding, FileError> {
    let number = |key| file.meta::<f32>(key);
    let numbers = [
        number("code_offset")?,
        number("code_zero")?,
        number("code_scale")?,
        number("code_scale_per_row")?,
        number("code_centered")?,
    ];
    Ok(Coding::of_numbers(numbers))
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
