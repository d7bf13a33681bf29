//! Tables of numbers as text: CSV and TSV.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder, Trim};

use super::error::IoError;
use super::matrix::ArrayInfo;
use super::source::open_file;
use super::wide::{WideMatrix, WideValues};

/// What may be between numbers, the likeliest first.
const DELIMITERS: [u8; 5] = *b",\t;| ";

/// Reads rows of numbers. A first line of which no field is a number is a header; lines that begin with `#` are
/// comments. The delimiter is the most frequent of comma, tab, semicolon, bar and space in the first line; of `.tsv` the
/// tab.
pub(crate) fn read_text(path: &Path, tabs: bool) -> Result<WideMatrix, IoError> {
    let mut file = BufReader::with_capacity(1 << 16, open_file(path)?.0);
    let os = |source| IoError::Os { path: path.into(), source };
    let first = first_line(&mut file).map_err(os)?;
    let count = |delimiter: &u8| (first.iter().filter(|b| *b == delimiter).count(), -i32::from(*delimiter != b','));
    let delimiter = if tabs { b'\t' } else { DELIMITERS.into_iter().rev().max_by_key(count).unwrap_or(b',') };
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(Trim::All)
        .from_reader(first.chain(file));
    let mut rows = Rows { path, dim: None, n: 0, values: WideValues::I64(Vec::new()) };
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(|e| os(e.into()))? {
        rows.push(&record)?;
    }
    let dtype = if matches!(rows.values, WideValues::I64(_)) { "int64" } else { "float64" };
    Ok(WideMatrix::of(rows.values, rows.n, rows.dim.map_or(0, |(dim, _)| dim), dtype))
}

pub(crate) fn describe_text(path: &Path, tabs: bool) -> Result<ArrayInfo, IoError> {
    let matrix = read_text(path, tabs)?;
    Ok(ArrayInfo { name: String::new(), shape: vec![matrix.n(), matrix.dim()], dtype: matrix.dtype().into() })
}

/// Reads up to the first line that is neither empty nor a comment.
fn first_line(file: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    const MOST: u64 = 1 << 24;
    let mut lines = Vec::new();
    loop {
        let start = lines.len();
        let read = file.by_ref().take(MOST).read_until(b'\n', &mut lines)?;
        let line = lines[start..].trim_ascii();
        if read == 0 || !(line.is_empty() || line.starts_with(b"#")) {
            return Ok(lines);
        }
    }
}

/// Rows as they are read.
struct Rows<'a> {
    path: &'a Path,
    /// Columns, and the line that they were counted in.
    dim: Option<(usize, u64)>,
    n: usize,
    /// Integers, until a number is none.
    values: WideValues,
}

impl Rows<'_> {
    fn push(&mut self, record: &ByteRecord) -> Result<(), IoError> {
        let line = record.position().map_or(0, csv::Position::line);
        let Some((dim, first)) = self.dim else {
            self.dim = Some((record.len(), line));
            return if is_header(record) { self.check_header(record, line) } else { self.push_row(record, line) };
        };
        if record.len() != dim {
            return Err(self.wrong(format!("line {line} has {} columns, line {first} has {dim}", record.len())));
        }
        self.push_row(record, line)
    }

    /// pandas writes the index without a name, unless it is told `index=False`.
    fn check_header(&self, record: &ByteRecord, line: u64) -> Result<(), IoError> {
        match record.iter().position(<[u8]>::is_empty) {
            Some(at) if record.len() > 1 => {
                let what = "has no name in the header: if it is an index and no coordinate, leave it out";
                Err(self.wrong(format!("line {line}, column {}: {what}", at + 1)))
            }
            _ => Ok(()),
        }
    }

    fn push_row(&mut self, record: &ByteRecord, line: u64) -> Result<(), IoError> {
        for (at, field) in record.iter().enumerate() {
            let text = std::str::from_utf8(field).unwrap_or_default();
            if let WideValues::I64(values) = &mut self.values {
                match text.parse() {
                    Ok(value) => {
                        values.push(value);
                        continue;
                    }
                    Err(_) => self.values = WideValues::F64(values.iter().map(|&value| value as f64).collect()),
                }
            }
            match (text.parse(), &mut self.values) {
                (Ok(value), WideValues::F64(values)) => values.push(value),
                _ => {
                    let text = String::from_utf8_lossy(field);
                    let what = if text.is_empty() { "nothing".into() } else { format!("`{text}`") };
                    return Err(self.wrong(format!("line {line}, column {}: {what} where a number is needed", at + 1)));
                }
            }
        }
        self.n += 1;
        Ok(())
    }

    fn wrong(&self, what: String) -> IoError {
        IoError::Shape { path: self.path.into(), what }
    }
}

/// Whether no field is a number.
fn is_header(record: &ByteRecord) -> bool {
    record.iter().all(|field| std::str::from_utf8(field).map_or(true, |text| text.parse::<f64>().is_err()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<WideMatrix, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let read = super::super::read_wide(&path, None);
        read.map_err(|e| e.to_string().replace(&path.display().to_string(), name))
    }

    #[test]
    fn tables_are_read_with_and_without_header() {
        let expected = WideMatrix::new(vec![1.5, -2.0, 3e4, 4.0], 2, 2).unwrap();
        for (name, text) in [
            ("a.csv", "1.5,-2\n3e4,4\n"),
            ("a.csv", "\u{feff}x,y\r\n1.5, -2\r\n3e4,4"),
            ("a.csv", "# made by hand\n\nx;y\n1.5;-2\n3e4;4\n"),
            ("a.csv", "\"x\",\"y, z\"\n1.5,-2\n\"3e4\",4\n"),
            ("a.csv", "1.5 -2\n3e4 4\n"),
            ("a.tsv", "a, b\tc\n1.5\t-2\n3e4\t4\n"),
            ("a.csv", "1.5\t-2\n3e4\t4\n"),
        ] {
            assert_eq!(read(name, text).as_ref(), Ok(&expected), "{text:?}");
        }
        let times = read("t.csv", "t\n1700000000000000001\n1700000000000000002\n").unwrap();
        assert_eq!((times.n(), times.dim(), times.dtype()), (2, 1, "int64"));
        assert_eq!(read("none.csv", "").map(|m| m.n()), Ok(0));
        assert_eq!(read("header.csv", "a,b\n").map(|m| (m.n(), m.dim())), Ok((0, 2)));
    }

    #[test]
    fn wrong_fields_are_named_by_line_and_column() {
        let error = |text: &str| read("a.csv", text).unwrap_err();
        assert_eq!(error("x,y\n1,2\n3,four\n"), "a.csv: line 3, column 2: `four` where a number is needed");
        assert_eq!(error("1,2\n3,\n"), "a.csv: line 2, column 2: nothing where a number is needed");
        assert_eq!(error("1,2\n\n3,4,5\n"), "a.csv: line 3 has 3 columns, line 1 has 2");
        assert_eq!(error("name,1,2\n"), "a.csv: line 1, column 1: `name` where a number is needed");
        let index = "line 1, column 1: has no name in the header: if it is an index and no coordinate, leave it out";
        assert_eq!(error(",x,y\n0,1,2\n"), format!("a.csv: {index}"));
    }
}
