//! Parquet and Arrow: a column of lists of numbers, or columns of numbers.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_ipc::reader::FileReader;
use arrow_schema::{ArrowError, DataType, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::error::IoError;
use super::kind::Kind;
use super::matrix::{ArrayInfo, Values};
use super::source::open_file;
use super::wide::{WideMatrix, WideValues};

/// The name that pandas gives to an index.
const INDEX: &str = "__index_level_";

fn wrong<'a>(path: &'a Path, expected: &'static str) -> impl Fn(String) -> IoError + 'a {
    move |found| IoError::Mislabelled { path: path.into(), expected, found }
}

/// Runs a reader. The crates `arrow-ipc` and `parquet` panic at some files that are damaged: that is an error, too.
fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T, IoError>) -> Result<T, IoError> {
    let damaged = |_| Err(wrong(path, "a readable file")("it is damaged".into()));
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(damaged)
}

fn parquet(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, IoError> {
    let wrong = wrong(path, "a Parquet file");
    ParquetRecordBatchReaderBuilder::try_new(open_file(path)?.0).map_err(|e| wrong(e.to_string()))
}

fn arrow(path: &Path, columns: Option<Vec<usize>>) -> Result<FileReader<File>, IoError> {
    let wrong = wrong(path, "an Arrow file");
    FileReader::try_new(open_file(path)?.0, columns).map_err(|e| wrong(e.to_string()))
}

pub(crate) fn read_parquet(path: &Path, array: Option<&str>) -> Result<WideMatrix, IoError> {
    guarded(path, || {
        let builder = parquet(path)?;
        let picked = Picked::of(path, builder.schema(), array)?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), picked.columns.iter().copied());
        let batches =
            builder.with_projection(mask).build().map_err(|e| wrong(path, "a Parquet file")(e.to_string()))?;
        picked.read(path, batches)
    })
}

pub(crate) fn read_arrow(path: &Path, array: Option<&str>) -> Result<WideMatrix, IoError> {
    guarded(path, || {
        let picked = Picked::of(path, &arrow(path, None)?.schema(), array)?;
        let mut columns = picked.columns.clone();
        columns.sort_unstable();
        picked.read(path, arrow(path, Some(columns))?)
    })
}

pub(crate) fn describe_parquet(path: &Path) -> Result<Vec<ArrayInfo>, IoError> {
    guarded(path, || {
        let builder = parquet(path)?;
        let n = builder.metadata().file_metadata().num_rows();
        Ok(describe(builder.schema(), n as usize))
    })
}

pub(crate) fn describe_arrow(path: &Path) -> Result<Vec<ArrayInfo>, IoError> {
    guarded(path, || {
        let reader = arrow(path, Some(Vec::new()))?;
        let schema = arrow(path, None)?.schema();
        let n = reader.map(|batch| batch.map(|batch| batch.num_rows())).sum::<Result<usize, ArrowError>>();
        Ok(describe(&schema, n.map_err(|e| wrong(path, "an Arrow file")(e.to_string()))?))
    })
}

fn describe(schema: &Schema, n: usize) -> Vec<ArrayInfo> {
    let info = |name: &str, of: &DataType| {
        let dtype = kind_of(item_of(of)).map_or_else(|| of.to_string(), |kind| kind.name().into());
        let shape = match of {
            DataType::FixedSizeList(_, dim) => vec![n, *dim as usize],
            _ => vec![n],
        };
        ArrayInfo { name: name.into(), shape, dtype }
    };
    schema.fields().iter().map(|field| info(field.name(), field.data_type())).collect()
}

/// The type of the items of lists, or the type itself.
fn item_of(of: &DataType) -> &DataType {
    match of {
        DataType::FixedSizeList(item, _) | DataType::List(item) | DataType::LargeList(item) => item.data_type(),
        other => other,
    }
}

fn is_list(of: &DataType) -> bool {
    item_of(of) != of
}

fn kind_of(of: &DataType) -> Option<Kind> {
    Some(match of {
        DataType::Float16 => Kind::F16,
        DataType::Float32 => Kind::F32,
        DataType::Float64 => Kind::F64,
        DataType::UInt8 => Kind::U8,
        DataType::Int8 => Kind::I8,
        DataType::UInt16 => Kind::U16,
        DataType::Int16 => Kind::I16,
        DataType::UInt32 => Kind::U32,
        DataType::Int32 => Kind::I32,
        DataType::UInt64 => Kind::U64,
        DataType::Int64 => Kind::I64,
        _ => return None,
    })
}

/// Columns to read.
struct Picked {
    columns: Vec<usize>,
    /// Where each of them is among those that are read, which are in the order of the file.
    order: Vec<usize>,
    /// The type of all values: f64 if columns differ.
    kind: Kind,
}

impl Picked {
    fn of(path: &Path, schema: &Schema, array: Option<&str>) -> Result<Self, IoError> {
        let fields = schema.fields();
        let which = || IoError::WhichArray {
            path: path.into(),
            wanted: array.map(Into::into),
            arrays: fields.iter().map(|f| format!("{} ({})", f.name(), f.data_type())).collect(),
        };
        let lists: Vec<usize> = (0..fields.len()).filter(|&at| is_list(fields[at].data_type())).collect();
        let columns = match array {
            Some(names) => {
                let place = |name: &str| fields.iter().position(|f| f.name() == name.trim()).ok_or_else(which);
                // A name may hold a comma itself.
                place(names)
                    .map(|at| vec![at])
                    .or_else(|_| names.split(',').map(place).collect::<Result<Vec<_>, _>>())?
            }
            None if lists.len() == 1 => lists,
            None => (0..fields.len()).filter(|&at| !fields[at].name().starts_with(INDEX)).collect(),
        };
        let types: Vec<&DataType> = columns.iter().map(|&at| fields[at].data_type()).collect();
        if columns.len() > 1 && types.iter().any(|of| is_list(of)) {
            return Err(which());
        }
        let kinds: Option<Vec<Kind>> = types.iter().map(|of| kind_of(item_of(of))).collect();
        let Some((&first, rest)) = kinds.as_deref().and_then(<[Kind]>::split_first) else { return Err(which()) };
        let kind = if rest.iter().all(|&kind| kind == first) { first } else { Kind::F64 };
        let order = columns.iter().map(|at| columns.iter().filter(|other| *other < at).count()).collect();
        Ok(Self { columns, order, kind })
    }

    fn read<E: std::fmt::Display>(
        &self,
        path: &Path,
        batches: impl Iterator<Item = Result<RecordBatch, E>>,
    ) -> Result<WideMatrix, IoError> {
        let rows = Rows { path, order: &self.order, n: 0, dim: None };
        macro_rules! own {
            ($type:ty) => {
                rows.read(batches, |array| array.as_primitive_opt::<$type>().map(|a| a.values().to_vec()))?
            };
        }
        macro_rules! narrow {
            ($type:ty, $values:ident) => {{
                let (values, n, dim) = own!($type);
                (WideValues::Narrow(Values::$values(values)), n, dim)
            }};
        }
        macro_rules! wide {
            ($type:ty, $values:ident) => {{
                let (values, n, dim) = own!($type);
                (WideValues::$values(values), n, dim)
            }};
        }
        let (values, n, dim) = match self.kind {
            Kind::F32 => narrow!(Float32Type, F32),
            Kind::F16 => narrow!(Float16Type, F16),
            Kind::U8 => narrow!(UInt8Type, U8),
            Kind::I8 => narrow!(Int8Type, I8),
            Kind::I64 => wide!(Int64Type, I64),
            Kind::U64 => wide!(UInt64Type, U64),
            _ => {
                let (values, n, dim) = rows.read(batches, as_f64)?;
                (WideValues::F64(values), n, dim)
            }
        };
        Ok(WideMatrix::of(values, n, dim, self.kind.name()))
    }
}

/// Numbers of any type.
fn as_f64(array: &dyn Array) -> Option<Vec<f64>> {
    fn of<T: ArrowPrimitiveType>(array: &dyn Array, widen: impl Fn(T::Native) -> f64) -> Option<Vec<f64>> {
        array.as_primitive_opt::<T>().map(|a| a.values().iter().map(|&v| widen(v)).collect())
    }
    match array.data_type() {
        DataType::Float16 => of::<Float16Type>(array, f64::from),
        DataType::Float32 => of::<Float32Type>(array, f64::from),
        DataType::Float64 => of::<Float64Type>(array, |v| v),
        DataType::UInt8 => of::<UInt8Type>(array, f64::from),
        DataType::Int8 => of::<Int8Type>(array, f64::from),
        DataType::UInt16 => of::<UInt16Type>(array, f64::from),
        DataType::Int16 => of::<Int16Type>(array, f64::from),
        DataType::UInt32 => of::<UInt32Type>(array, f64::from),
        DataType::Int32 => of::<Int32Type>(array, f64::from),
        DataType::UInt64 => of::<UInt64Type>(array, |v| v as f64),
        DataType::Int64 => of::<Int64Type>(array, |v| v as f64),
        _ => None,
    }
}

/// Rows as they are read.
struct Rows<'a> {
    path: &'a Path,
    order: &'a [usize],
    n: usize,
    dim: Option<usize>,
}

impl Rows<'_> {
    fn read<V: Copy, E: std::fmt::Display>(
        mut self,
        batches: impl Iterator<Item = Result<RecordBatch, E>>,
        values_of: impl Fn(&dyn Array) -> Option<Vec<V>>,
    ) -> Result<(Vec<V>, usize, usize), IoError> {
        let mut all = Vec::new();
        let take = |array: &dyn Array| values_of(array).ok_or_else(|| unsupported(self.path, array));
        for batch in batches {
            let batch = batch.map_err(|e| wrong(self.path, "a readable file")(e.to_string()))?;
            let columns: Vec<&ArrayRef> = self.order.iter().map(|&at| batch.column(at)).collect();
            if let [column] = columns[..]
                && is_list(column.data_type())
            {
                let (items, dim) = self.items(column.as_ref())?;
                self.dim = self.dim.or(dim);
                all.extend(take(&*items)?);
            } else {
                columns
                    .iter()
                    .enumerate()
                    .try_for_each(|(j, column)| self.check_nulls(column.as_ref(), |at| (at, j)))?;
                let values = columns.iter().map(|column| take(column.as_ref())).collect::<Result<Vec<Vec<V>>, _>>()?;
                self.dim = Some(columns.len());
                all.extend((0..batch.num_rows()).flat_map(|i| values.iter().map(move |column| column[i])));
            }
            self.n += batch.num_rows();
        }
        Ok((all, self.n, self.dim.unwrap_or(0)))
    }

    /// The items of lists that must all be of one length, and that length, if there are lists.
    fn items(&self, lists: &dyn Array) -> Result<(ArrayRef, Option<usize>), IoError> {
        self.check_nulls(lists, |at| (at, 0))?;
        let (items, ends): (ArrayRef, Vec<usize>) = if let Some(lists) = lists.as_fixed_size_list_opt() {
            let dim = lists.value_length() as usize;
            (lists.values().slice(0, lists.len() * dim), (0..=lists.len()).map(|at| at * dim).collect())
        } else if let Some(lists) = lists.as_list_opt::<i32>() {
            let ends: Vec<usize> = lists.offsets().iter().map(|&at| at as usize).collect();
            (lists.values().slice(ends[0], ends[lists.len()] - ends[0]), ends)
        } else {
            let lists = lists.as_list_opt::<i64>().ok_or_else(|| unsupported(self.path, lists))?;
            let ends: Vec<usize> = lists.offsets().iter().map(|&at| at as usize).collect();
            (lists.values().slice(ends[0], ends[lists.len()] - ends[0]), ends)
        };
        let lengths = || ends.windows(2).map(|w| w[1] - w[0]);
        let dim = self.dim.or(lengths().next());
        if let Some((at, length)) = lengths().enumerate().find(|(_, length)| Some(*length) != dim) {
            let (row, dim) = (self.n + at, dim.unwrap_or_default());
            return Err(self.shape(format!("row {row} has {length} values, rows before it have {dim}")));
        }
        self.check_nulls(&*items, |at| (at / dim.unwrap_or(1).max(1), at % dim.unwrap_or(1).max(1)))?;
        Ok((items, dim))
    }

    /// Fails at the first place without a value.
    fn check_nulls(&self, array: &dyn Array, place: impl Fn(usize) -> (usize, usize)) -> Result<(), IoError> {
        match (0..array.len()).find(|&at| array.null_count() > 0 && array.is_null(at)) {
            None => Ok(()),
            Some(at) => {
                let (row, column) = place(at);
                Err(self.shape(format!("row {}, column {column} has no value", self.n + row)))
            }
        }
    }

    fn shape(&self, what: String) -> IoError {
        IoError::Shape { path: self.path.into(), what }
    }
}

fn unsupported(path: &Path, array: &dyn Array) -> IoError {
    IoError::Dtype { path: path.into(), dtype: array.data_type().to_string() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{FixedSizeListArray, Float32Array, Float64Array, Int32Array, Int64Array, ListArray, StringArray};
    use arrow_ipc::writer::FileWriter;
    use parquet::arrow::ArrowWriter;

    use super::*;

    /// What is read of these columns from Parquet and from Arrow, which must be the same.
    fn read(columns: Vec<(&str, ArrayRef)>, array: Option<&str>) -> Result<WideMatrix, String> {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let [parquet, arrow] = ["t.parquet", "t.arrow"].map(|name| folder.path().join(name));
        [&parquet, &arrow].iter().for_each(|path| write(path, &batch));
        let [a, b] = [&parquet, &arrow].map(|path| {
            let wide = super::super::read_wide(path, array);
            let described = super::super::describe(path).unwrap();
            assert!(described.iter().all(|column| column.shape[0] == 2 * batch.num_rows()));
            wide.map_err(|e| e.to_string().split_once(": ").unwrap().1.to_string())
        });
        assert_eq!(a, b);
        a
    }

    /// Writes a batch twice.
    fn write(path: &Path, batch: &RecordBatch) {
        let file = File::create(path).unwrap();
        if path.extension().is_some_and(|e| e == "parquet") {
            let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
            (0..2).for_each(|_| writer.write(batch).unwrap());
            writer.close().unwrap();
        } else {
            let mut writer = FileWriter::try_new(file, &batch.schema()).unwrap();
            (0..2).for_each(|_| writer.write(batch).unwrap());
            writer.finish().unwrap();
        }
    }

    fn fixed(values: &[f32], dim: i32) -> ArrayRef {
        let field = Arc::new(arrow_schema::Field::new_list_field(DataType::Float32, true));
        Arc::new(FixedSizeListArray::new(field, dim, Arc::new(Float32Array::from(values.to_vec())), None))
    }

    fn names(n: usize) -> ArrayRef {
        Arc::new(StringArray::from(vec!["a"; n]))
    }

    #[test]
    fn a_column_of_lists_is_a_matrix() {
        let columns = vec![("text", names(2)), ("embedding", fixed(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3))];
        let matrix = read(columns, None).unwrap();
        let values = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let twice = WideValues::Narrow(Values::F32([values.clone(), values].concat()));
        assert_eq!(matrix, WideMatrix::of(twice, 4, 3, "float32"));
        let row = |x: [f64; 2]| Some(x.map(Some).to_vec());
        let lists = ListArray::from_iter_primitive::<Float64Type, _, _>([row([1.0, 2.0]), row([3.0, 4.0])]);
        let matrix = read(vec![("x", Arc::new(lists))], Some("x")).unwrap();
        assert_eq!((matrix.n(), matrix.dim(), matrix.dtype()), (4, 2, "float64"));
        let ragged = ListArray::from_iter_primitive::<Float64Type, _, _>([row([1.0, 2.0]), Some(vec![Some(3.0)])]);
        assert_eq!(read(vec![("x", Arc::new(ragged))], None).unwrap_err(), "row 1 has 1 values, rows before it have 2");
        let holes = ListArray::from_iter_primitive::<Float64Type, _, _>([row([1.0, 2.0]), Some(vec![Some(3.0), None])]);
        assert_eq!(read(vec![("x", Arc::new(holes))], None).unwrap_err(), "row 1, column 1 has no value");
    }

    #[test]
    fn columns_of_numbers_are_a_matrix() {
        let time =
            || Arc::new(Int64Array::from(vec![1_700_000_000_000_000_001, 1_700_000_000_000_000_003])) as ArrayRef;
        let value = || Arc::new(Float64Array::from(vec![0.5, 1.5])) as ArrayRef;
        let index = || Arc::new(Int32Array::from(vec![7, 8])) as ArrayRef;
        let matrix = read(vec![("v", value()), ("w", index()), ("__index_level_0__", index())], None).unwrap();
        assert_eq!(matrix, WideMatrix::new(vec![0.5, 7.0, 1.5, 8.0, 0.5, 7.0, 1.5, 8.0], 4, 2).unwrap());
        let matrix = read(vec![("v", value()), ("w", index())], Some("w,v")).unwrap();
        assert_eq!(matrix, WideMatrix::new(vec![7.0, 0.5, 8.0, 1.5, 7.0, 0.5, 8.0, 1.5], 4, 2).unwrap());
        let matrix = read(vec![("name", names(2)), ("t", time())], Some("t")).unwrap();
        assert_eq!((matrix.dim(), matrix.dtype()), (1, "int64"));
        let error = read(vec![("name", names(2)), ("t", time())], None).unwrap_err();
        assert_eq!(error, "name one array; arrays there: name (Utf8), t (Int64)");
        let holes = Arc::new(Float64Array::from(vec![Some(1.0), None]));
        assert_eq!(read(vec![("x", holes)], None).unwrap_err(), "row 1, column 0 has no value");
    }

    #[test]
    fn damaged_files_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let batch = RecordBatch::try_from_iter([("x", fixed(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3))]).unwrap();
        for name in ["a.parquet", "a.arrow"] {
            let path = folder.path().join(name);
            write(&path, &batch);
            let whole = std::fs::read(&path).unwrap();
            for at in (0..whole.len()).step_by(11) {
                let mut bytes = whole.clone();
                bytes[at] ^= 0xff;
                std::fs::write(&path, &bytes).unwrap();
                // An error or a matrix, whichever it is: no panic.
                let _ = super::super::read_wide(&path, None);
            }
            for bytes in [&b""[..], b"PAR1", b"ARROW1\0\0", b"PAR1 and nothing else PAR1"] {
                std::fs::write(&path, bytes).unwrap();
                assert!(super::super::read_wide(&path, None).is_err(), "{name}: {bytes:?}");
            }
        }
    }
}
