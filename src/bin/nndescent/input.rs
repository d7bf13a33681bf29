//! Points that commands read.

use std::path::Path;

use nndescent::io::{self, Center, Matrix, Narrowing, SparseMatrix, Values, WideMatrix};
use nndescent::{Index, Metric, Points, PointsError};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::stdin::Input;

/// Which array of a file holds the points, and whether its values are packed bits.
#[derive(clap::Args, Clone)]
pub struct DataArguments {
    /// Array to read from an .npz or HDF5 file.
    #[arg(long)]
    array: Option<String>,
    /// Rows are packed bits: uint8, eight bits to a value.
    #[arg(long)]
    bits: bool,
}

/// Points read from a file.
pub enum Data {
    Dense(Dense),
    Sparse(SparseMatrix),
    Bits { bytes: Vec<u8>, n: usize, dim: usize },
}

/// Dense points.
pub struct Dense {
    pub matrix: Matrix,
    /// What was subtracted from the values in the file.
    pub center: Center,
    /// The values in the file: of queries, and where the matrix lost some of their digits.
    pub wide: Option<WideMatrix>,
    /// Whether columns have much in common, which was subtracted if the metric allows it.
    pub has_common_part: bool,
}

impl Dense {
    /// Whether the matrix lost digits of the values in the file.
    pub fn is_lossy(&self) -> bool {
        self.matrix.narrowing.is_some_and(|narrowing| narrowing.error > 0.0)
    }
}

/// What points are read for.
#[derive(Clone, Copy)]
pub enum Use<'a> {
    /// To be compared with each other.
    Build(&'a Metric),
    /// To be compared with these.
    QueriesOf(&'a Data),
    /// To be searched for in an index.
    Query(&'a Index),
    /// To be added to an index.
    Add(&'a Index),
}

impl Use<'_> {
    fn center(self, wide: &WideMatrix) -> Center {
        match self {
            Self::Build(metric) => wide.center(metric),
            Self::QueriesOf(Data::Dense(base)) => base.center.clone(),
            Self::QueriesOf(_) => Center::None,
            Self::Query(index) | Self::Add(index) => match (index.center(), wide.center(index.metric())) {
                (Some(center), _) => Center::Columns(center.to_vec()),
                (None, Center::Rows) => Center::Rows,
                _ => Center::None,
            },
        }
    }
}

impl DataArguments {
    /// The name of the array.
    pub fn array(&self) -> Option<&str> {
        self.array.as_deref()
    }

    /// Whether rows are packed bits.
    pub fn is_bits(&self) -> bool {
        self.bits
    }

    /// The same arguments for another array.
    pub fn with_array(&self, array: Option<&str>) -> Self {
        Self { array: array.map(Into::into), bits: self.bits }
    }

    /// Reads points; reports on stderr if their values were converted.
    pub fn read(&self, path: &Path, purpose: Use) -> Result<Data, Failure> {
        self.read_input(&Input::of(path)?, purpose)
    }

    /// The same of an input that is open.
    pub fn read_input(&self, input: &Input, purpose: Use) -> Result<Data, Failure> {
        self.read_file(input, purpose).map_err(|failure| input.named(failure))
    }

    fn read_file(&self, input: &Input, purpose: Use) -> Result<Data, Failure> {
        let (path, name) = (&input.path, input.name());
        if !self.bits && self.array.is_none() && io::is_csr_file(path) {
            let sparse = io::read_sparse(path)?;
            say_narrowing(&name, sparse.narrowed_from, sparse.narrowing.as_ref(), "float32", &Center::None);
            return Ok(Data::Sparse(sparse));
        }
        let wide = io::read_wide(path, self.array.as_deref())?;
        if self.bits {
            return bits(path, wide);
        }
        let refused = |e: PointsError| Failure::points(path, &e);
        let center = purpose.center(&wide);
        let matrix = wide.narrowed(&center).map_err(refused)?;
        say_narrowing(&name, matrix.narrowed_from, matrix.narrowing.as_ref(), "float32", &center);
        let matrix = match purpose {
            Use::Add(index) if matrix.dtype() != index.value_type() => {
                let (from, to) = (matrix.dtype(), index.value_type());
                let matrix = matrix.converted(to).map_err(refused)?;
                say_narrowing(&name, Some(from), matrix.narrowing.as_ref(), to, &Center::None);
                matrix
            }
            _ => matrix,
        };
        let has_common_part = wide.center(&Metric::Euclidean) != Center::None || center != Center::None;
        let mut dense = Dense { matrix, center, wide: None, has_common_part };
        dense.wide = (dense.is_lossy() || matches!(purpose, Use::QueriesOf(_))).then_some(wide);
        Ok(Data::Dense(dense))
    }
}

fn bits(path: &Path, wide: WideMatrix) -> Result<Data, Failure> {
    let refused = |e: PointsError| Failure::points(path, &e);
    let matrix = wide.into_narrowed(&Center::None).map_err(refused)?;
    let (n, dim) = (matrix.n, 8 * matrix.dim);
    match matrix.values {
        Values::U8(bytes) => Ok(Data::Bits { bytes, n, dim }),
        _ => Err(Failure::Input(format!(
            "{}: values of type {}; --bits needs uint8",
            path.display(),
            matrix.narrowed_from.unwrap_or_else(|| matrix.dtype())
        ))),
    }
}

/// Says on stderr that values were converted, and how much that may have changed them.
pub fn say_narrowing(name: &str, from: Option<&str>, narrowing: Option<&Narrowing>, to: &str, center: &Center) {
    let Some(from) = from else { return };
    let taken = match center {
        Center::Columns(values) => {
            let columns = values.iter().filter(|value| **value != 0.0).count();
            format!(", after the medians of {columns} of {} columns were subtracted", values.len())
        }
        Center::Rows => ", after the median of every row was subtracted".into(),
        _ => String::new(),
    };
    let error = match narrowing {
        Some(worst) if worst.error > 0.0 => format!(
            ": the largest error is {:.1e}, of {} in row {}, column {}",
            worst.error, worst.value, worst.row, worst.column
        ),
        _ => String::from(", without loss"),
    };
    tell!("nndescent: {name}: {from} converted to {to}{taken}{error}");
}

impl Data {
    pub fn points(&self) -> Result<Points<'_>, PointsError> {
        if self.shape().0 == 0 {
            return Err(PointsError::NoRows);
        }
        match self {
            Self::Dense(dense) => dense.matrix.points(),
            Self::Sparse(sparse) => Ok(Points::from(sparse.matrix.view())),
            Self::Bits { bytes, n, dim } => Points::bits(bytes, *n, *dim),
        }
    }

    /// Number of rows and of columns.
    pub fn shape(&self) -> (usize, usize) {
        match self {
            Self::Dense(dense) => (dense.matrix.n, dense.matrix.dim),
            Self::Sparse(sparse) => (sparse.matrix.view().n(), sparse.matrix.view().dim()),
            Self::Bits { n, dim, .. } => (*n, *dim),
        }
    }

    /// What was subtracted from every column.
    pub fn center(&self) -> Option<&[f64]> {
        match self {
            Self::Dense(dense) => dense.center.columns(),
            Self::Sparse(_) | Self::Bits { .. } => None,
        }
    }

    /// Dense points as f32, others as they are.
    pub fn widened(self) -> Result<Self, PointsError> {
        Ok(match self {
            Self::Dense(dense) => Self::Dense(Dense { matrix: dense.matrix.converted("float32")?, ..dense }),
            other => other,
        })
    }

    /// The type of dense values.
    pub fn dtype(&self) -> Option<&'static str> {
        match self {
            Self::Dense(dense) => Some(dense.matrix.dtype()),
            Self::Sparse(_) | Self::Bits { .. } => None,
        }
    }

    /// The fields of a report that say what was converted.
    pub fn narrowing(&self) -> Value {
        let (from, narrowing) = match self {
            Self::Dense(dense) => (dense.matrix.narrowed_from, dense.matrix.narrowing),
            Self::Sparse(sparse) => (sparse.narrowed_from, sparse.narrowing),
            Self::Bits { .. } => (None, None),
        };
        json!({"narrowed_from": from, "narrowing": narrowing.as_ref().map(narrowing_json), "center": self.center()})
    }
}

/// A value that lost most, in a report.
pub fn narrowing_json(worst: &Narrowing) -> Value {
    json!({"error": worst.error, "value": worst.value, "row": worst.row, "column": worst.column})
}
