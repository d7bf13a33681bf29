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
/// comments. The delimiter is the most frequent of comma, tab, semicolon, bar and space in the first line; of `.tsv`
/// the tab.
pub(crate) fn read_text(path: &Path, tabs: bool) -> Result<WideMatrix, IoError> {
    let mut file = BufReader::with_capacity(1 << 16, open_file(path)?.0);
    let os = |source| IoError::Os { path: path.into(), source };
    let (start, first) = first_line(&mut file).map_err(os)?;
    let count = |delimiter: &u8| start[first..].iter().filter(|b| *b == delimiter).count();
    let delimiter = if tabs { b'\t' } else { DELIMITERS.into_iter().rev().max_by_key(count).unwrap_or(b',') };
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(Trim::All)
        .from_reader(start.chain(file));
    let mut rows = Rows { path, dim: None, n: 0, records: 0, values: WideValues::I64(Vec::new()) };
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(|e| os(e.into()))? {
        rows.push(&record)?;
        rows.records += 1;
    }
    let dtype = if matches!(rows.values, WideValues::I64(_)) { "int64" } else { "float64" };
    Ok(WideMatrix::of(rows.values, rows.n, rows.dim.unwrap_or(0), dtype))
}

pub(crate) fn describe_text(path: &Path, tabs: bool) -> Result<ArrayInfo, IoError> {
    let matrix = read_text(path, tabs)?;
    Ok(ArrayInfo { name: String::new(), shape: vec![matrix.n(), matrix.dim()], dtype: matrix.dtype().into() })
}

/// Reads up to the first line that is neither empty nor a comment, and says where that begins.
fn first_line(file: &mut impl BufRead) -> std::io::Result<(Vec<u8>, usize)> {
    const MOST: u64 = 1 << 24;
    let mut lines = Vec::new();
    loop {
        let start = lines.len();
        let read = file.by_ref().take(MOST).read_until(b'\n', &mut lines)?;
        if read == 0 || is_record(&lines[start..]) {
            return Ok((lines, start));
        }
    }
}

/// Whether a line is neither empty nor a comment.
fn is_record(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    !(line.is_empty() || line.starts_with(b"#"))
}

/// Rows as they are read.
struct Rows<'a> {
    path: &'a Path,
    dim: Option<usize>,
    n: usize,
    /// Lines that were read, the header included.
    records: usize,
    /// Integers, until a number is none.
    values: WideValues,
}

impl Rows<'_> {
    fn push(&mut self, record: &ByteRecord) -> Result<(), IoError> {
        match self.dim {
            None => {
                self.dim = Some(record.len());
                if is_header(record) { self.check_header(record) } else { self.push_row(record) }
            }
            Some(dim) if record.len() == dim => self.push_row(record),
            Some(dim) => {
                let (line, first) = (self.line_of(self.records), self.line_of(0));
                let what = format!("line {line} has {} columns, line {first} has {dim}", record.len());
                Err(IoError::Shape { path: self.path.into(), what })
            }
        }
    }

    /// pandas writes the index without a name, unless it is told `index=False`.
    fn check_header(&self, record: &ByteRecord) -> Result<(), IoError> {
        match record.iter().position(<[u8]>::is_empty) {
            Some(at) if record.len() > 1 => {
                Err(self.wrong(at, "has no name in the header: if it is an index and no coordinate, leave it out"))
            }
            _ => Ok(()),
        }
    }

    fn push_row(&mut self, record: &ByteRecord) -> Result<(), IoError> {
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
                    return Err(self.wrong(at, &format!("{what} where a number is needed")));
                }
            }
        }
        self.n += 1;
        Ok(())
    }

    /// What is wrong with a field of the line being read.
    fn wrong(&self, column: usize, what: &str) -> IoError {
        let line = self.line_of(self.records);
        IoError::Shape { path: self.path.into(), what: format!("line {line}, column {}: {what}", column + 1) }
    }

    /// The number of a line, from 1: empty lines and comments count, although the parser skips them.
    fn line_of(&self, record: usize) -> usize {
        let lines = std::fs::File::open(self.path).map(|file| BufReader::new(file).split(b'\n'));
        let records =
            lines.into_iter().flatten().enumerate().filter(|(_, line)| line.as_ref().is_ok_and(|l| is_record(l)));
        records.map(|(at, _)| at + 1).nth(record).unwrap_or(record + 1)
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
