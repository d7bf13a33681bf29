//! The rows of an index as sections of a file, and back.

use std::fmt::Display;

use half::f16;

use crate::dataset::SparseTransform;
use crate::metric::route::Route;
use crate::metric::{Argument, Form, KernelMetric, Metric};
use crate::persist::{FileError, Kind as Part, Opened};
use crate::points::{Csr, Element};
use crate::rows::bits::{self, BitRows};
use crate::rows::dense::codes::{self, CodedRows};
use crate::rows::dense::coding::Coding;
use crate::simd::Level;
use crate::storage::Storage;

use super::dense_rows::{DenseRows, Traversal};
use super::rows::{RowKind, SearchRows, Way};
use super::sparse_store::SparseStore;
use super::stored::{Stored, Values, with_values};

const VALUES: Part = Part(6, "the points");
const DIRECTIONS: Part = Part(7, "the points' lengths");
const CODES: Part = Part(8, "the points' codes");
const STATS: Part = Part(9, "the sums of codes");
const HALVES: Part = Part(10, "the points in f16");
const HALF_DIRECTIONS: Part = Part(11, "the lengths of points in f16");
const WORDS: Part = Part(13, "the points' bits");
const BIT_COUNTS: Part = Part(14, "the counts of the points' bits");
pub(super) const METRIC_VALUES: Part = Part(15, "the metric's values");
const ORIGINALS: Part = Part(16, "the points as they were given");
const INDPTR: Part = Part(17, "where the points' entries begin");
const COLUMNS: Part = Part(18, "the columns of the points' entries");
const ENTRIES: Part = Part(19, "the values of the points' entries");
/// Sparse rows, one entry after the other.
pub(super) struct SparseParts {
    indptr: Vec<u64>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

/// All parts of rows.
pub(super) const ROWS: [Part; 13] = [
    VALUES,
    DIRECTIONS,
    CODES,
    STATS,
    HALVES,
    HALF_DIRECTIONS,
    WORDS,
    BIT_COUNTS,
    METRIC_VALUES,
    ORIGINALS,
    INDPTR,
    COLUMNS,
    ENTRIES,
];

impl SearchRows {
    /// What is written of the rows.
    pub(super) fn sections<'a>(&'a self, sparse: Option<&'a SparseParts>) -> Vec<(Part, &'a [u8])> {
        let mut sections: Vec<(Part, &[u8])> = Vec::new();
        match &self.kind {
            RowKind::Dense(rows, way) => {
                if let Some(stored) = &rows.stored {
                    sections.push((VALUES, with_values!(&stored.values, x => bytes(x))));
                    sections.push((DIRECTIONS, bytes(&stored.directions)));
                }
                match &rows.traversal {
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
                if let Some(originals) = &way.originals {
                    sections.push((ORIGINALS, with_values!(&originals.values, x => bytes(x))));
                }
            }
            RowKind::Sparse(_) => {
                if let Some(parts) = sparse {
                    sections.push((INDPTR, bytes(&parts.indptr)));
                    sections.push((COLUMNS, bytes(&parts.columns)));
                    sections.push((ENTRIES, bytes(&parts.values)));
                }
            }
            RowKind::Bits(rows) => {
                sections.push((WORDS, bytes(&rows.words)));
                sections.push((BIT_COUNTS, bytes(&rows.counts)));
            }
            RowKind::Items(_) => {}
        }
        sections
    }

    /// Sparse rows as they are written.
    pub(super) fn sparse_parts(&self) -> Option<SparseParts> {
        let RowKind::Sparse(rows) = &self.kind else { return None };
        let matrix = rows.matrix();
        let view = matrix.view();
        Some(SparseParts {
            indptr: view.indptr().iter().map(|&start| start as u64).collect(),
            columns: view.indices().to_vec(),
            values: view.values().to_vec(),
        })
    }

    /// The array that the metric is made with, if there is one.
    pub(super) fn metric_values(&self) -> Option<Vec<f32>> {
        self.metric.arguments().into_iter().find_map(|(_, argument)| match argument {
            Argument::Values(values) => Some(values.to_vec()),
            Argument::Number(_) => None,
        })
    }

    /// What is said of the rows.
    pub(super) fn put_meta(&self, put: &mut dyn FnMut(&str, &dyn Display)) {
        put("metric", &self.metric.name());
        for (name, argument) in self.metric.arguments() {
            match argument {
                Argument::Number(value) => put(&format!("metric_{name}"), &value),
                Argument::Values(_) => put("metric_values", &name),
            }
        }
        put("dim", &self.dim);
        put("given", &self.given);
        let RowKind::Dense(rows, _) = &self.kind else { return };
        put("searched", &rows.given);
        put("by_values", &u8::from(rows.by_values));
        put("values", &rows.stored.as_ref().map_or("none", |stored| stored.dense().type_name()));
        match &rows.traversal {
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
    }

    /// The rows of a file of `n` of them.
    pub(super) fn of_file(file: &Opened, n: usize) -> Result<Self, FileError> {
        let (metric, dim) = (metric_of(file)?, file.meta("dim")?);
        let given = type_of(file, &file.meta::<String>("given")?)?;
        if given == "sparse" {
            let rows = Box::new(sparse_of(file, &metric, n, dim)?);
            return Ok(Self { metric, dim, given, kind: RowKind::Sparse(rows) });
        }
        let is_sets = matches!(metric.route(), Route::Sets(_) | Route::Bits(_));
        let kind = if is_sets || given == "bits" {
            RowKind::Bits(bits_of(file, &metric, n, dim)?)
        } else {
            let (rows, way) = dense_of(file, &metric, n, dim)?;
            RowKind::Dense(Box::new(rows), way)
        };
        Ok(Self { metric, dim, given, kind })
    }

    /// Brings what searches read into memory.
    pub(super) fn warm(&self) {
        match &self.kind {
            RowKind::Dense(rows, _) => match &rows.traversal {
                Traversal::Values => rows.stored.iter().for_each(|stored| with_values!(&stored.values, x => x.warm())),
                Traversal::Halves(halves) => with_values!(&halves.values, x => x.warm()),
                Traversal::Codes(codes) => codes.warm(),
            },
            RowKind::Sparse(_) | RowKind::Items(_) => {}
            RowKind::Bits(rows) => rows.words.warm(),
        }
    }

    /// Calls `add` with the bytes of every part, and whether they lie in a file.
    pub(super) fn add_memory(&self, add: &mut dyn FnMut(usize, bool)) {
        let mut add_stored = |stored: &Stored| {
            let (bytes, mapped) = with_values!(&stored.values, x => (size_of_val(&x[..]), x.is_mapped()));
            add(bytes, mapped);
            add(size_of_val(&stored.directions[..]), stored.directions.is_mapped());
        };
        match &self.kind {
            RowKind::Dense(rows, way) => {
                rows.stored.iter().chain(&way.originals).for_each(&mut add_stored);
                match &rows.traversal {
                    Traversal::Values => {}
                    Traversal::Halves(halves) => add_stored(halves),
                    Traversal::Codes(codes) => {
                        let (chunks, stats, _) = codes.parts();
                        add(size_of_val(chunks) + size_of_val(stats), codes.is_mapped());
                    }
                }
            }
            RowKind::Sparse(rows) => add(rows.memory(), false),
            RowKind::Bits(rows) => {
                add(size_of_val(&rows.words[..]), rows.words.is_mapped());
                add(size_of_val(&rows.counts[..]), rows.counts.is_mapped());
            }
            RowKind::Items(items) => add(items.memory(), false),
        }
    }
}

/// Types of points, as numpy names them.
const TYPES: [&str; 6] = [f32::NAME, f16::NAME, u8::NAME, i8::NAME, "bits", "sparse"];

pub(super) fn bytes<T: bytemuck::Pod>(values: &[T]) -> &[u8] {
    bytemuck::cast_slice(values)
}

/// Numbers that metrics are made with, as [`Metric::arguments`] names them.
const NUMBERS: [&str; 2] = ["p", "regularization"];

fn metric_of(file: &Opened) -> Result<Metric, FileError> {
    let name: String = file.meta("metric")?;
    let damaged = |e: &dyn std::fmt::Display| file.inconsistent(e.to_string());
    let mut arguments: Vec<(String, Argument)> = Vec::new();
    for number in NUMBERS {
        if let Ok(value) = file.meta::<f32>(&format!("metric_{number}")) {
            arguments.push((number.into(), value.into()));
        }
    }
    if let Ok(argument) = file.meta::<String>("metric_values") {
        let values: Storage<f32> = any_length(file, METRIC_VALUES)?;
        arguments.push((argument, values[..].into()));
    }
    let arguments: Vec<(&str, Argument)> = arguments.iter().map(|(name, value)| (&**name, value.clone())).collect();
    let metric = Metric::parse_with(&name, &arguments).map_err(|e| damaged(&e))?;
    metric.check_columns(file.meta("dim")?).map_err(|e| damaged(&e))?;
    Ok(metric)
}

pub(super) fn any_length<T: bytemuck::Pod>(file: &Opened, kind: Part) -> Result<Storage<T>, FileError> {
    file.section(kind)?.ok_or_else(|| file.inconsistent(format!("{} are missing", kind.1)))
}

pub(super) fn of_length<T: bytemuck::Pod>(file: &Opened, kind: Part, length: usize) -> Result<Storage<T>, FileError> {
    let section = any_length::<T>(file, kind)?;
    if section.len() == length {
        return Ok(section);
    }
    Err(file.inconsistent(format!("{}: {} instead of {length}", kind.1, section.len())))
}

fn dense_of(file: &Opened, metric: &Metric, n: usize, dim: usize) -> Result<(DenseRows, Way), FileError> {
    let (mut way, direct) = Way::new(metric, dim).map_err(|e| file.inconsistent(e.to_string()))?;
    let columns = way.transformer.columns(dim);
    let shape = (n, columns);
    let values: String = file.meta("values")?;
    let stored = match &*values {
        "none" => None,
        name => Some(stored_of(file, (VALUES, DIRECTIONS), name, direct, shape)?),
    };
    let traversal = match &*file.meta::<String>("traversal")? {
        "values" if stored.is_some() => Traversal::Values,
        "float16" => Traversal::Halves(stored_of(file, (HALVES, HALF_DIRECTIONS), "float16", direct, shape)?),
        "codes" => {
            let coding = coding_of(file)?;
            let stats = of_length(file, STATS, n)?;
            let chunks = of_length(file, CODES, n.saturating_mul(codes::chunks_of_row(columns)))?;
            Traversal::Codes(CodedRows::of_parts(chunks, stats, coding, direct.form(), Level::detect()))
        }
        other => return Err(file.inconsistent(format!("traversal by `{other}`"))),
    };
    if matches!(metric.route(), Route::Proxy(..)) {
        let name: String = file.meta("given")?;
        way.originals = Some(stored_of(file, (ORIGINALS, DIRECTIONS), &name, KernelMetric::Euclidean, (n, dim))?);
    }
    let given: String = file.meta("searched").or_else(|_| file.meta("given"))?;
    let rows = DenseRows {
        metric: direct,
        dim: columns,
        given: type_of(file, &given)?,
        stored,
        traversal,
        by_values: file.meta::<u8>("by_values")? != 0,
    };
    Ok((rows, way))
}

fn bits_of(file: &Opened, metric: &Metric, n: usize, dim: usize) -> Result<BitRows, FileError> {
    let boolean = metric.boolean().ok_or_else(|| file.inconsistent(format!("bits under `{}`", metric.name())))?;
    let words = of_length(file, WORDS, n.saturating_mul(bits::stride(dim)))?;
    Ok(BitRows::of_parts(words, of_length(file, BIT_COUNTS, n)?, dim, boolean))
}

/// Sparse rows are read, not mapped: their columns are numbered anew.
fn sparse_of(file: &Opened, metric: &Metric, n: usize, dim: usize) -> Result<SparseStore, FileError> {
    let damaged = |what: &dyn Display| file.inconsistent(what.to_string());
    let way = SparseTransform::new(metric, dim).map_err(|e| damaged(&e))?;
    let indptr: Storage<u64> = of_length(file, INDPTR, n.saturating_add(1))?;
    let indptr: Vec<usize> = indptr.iter().map(|&start| usize::try_from(start).unwrap_or(usize::MAX)).collect();
    let (columns, values) = (any_length::<u32>(file, COLUMNS)?, any_length::<f32>(file, ENTRIES)?);
    let rows = Csr::new(dim, &indptr, &columns, &values).map_err(|e| damaged(&e))?;
    Ok(SparseStore::of_saved(rows, way))
}

/// The name of a type, as numpy has it.
fn type_of(file: &Opened, given: &str) -> Result<&'static str, FileError> {
    TYPES.into_iter().find(|name| *name == given).ok_or_else(|| file.inconsistent("points of an unknown type"))
}

fn stored_of(
    file: &Opened,
    (values, directions): (Part, Part),
    type_name: &str,
    metric: KernelMetric,
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
    let angular = matches!(metric.form(), Form::Angular { .. });
    let directions = if angular { of_length(file, directions, n)? } else { Vec::new().into() };
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
