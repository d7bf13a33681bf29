//! Arguments that several commands share: matrices, metrics, threads, outputs.

use std::fs::File;
use std::path::Path;

use nndescent::io::{self, Matrix, Values};
use nndescent::{Argument, CsrMatrix, Metric, Points, PointsError};

use crate::failure::Failure;

/// A metric by name.
#[derive(clap::Args)]
pub struct MetricArguments {
    /// Distance: euclidean, cosine, manhattan, ...
    #[arg(long, default_value = "euclidean")]
    metric: String,
    /// Argument of the metric: a number, as p=3 for minkowski, or an array from a file, as vinv=matrix.npy for mahalanobis.
    #[arg(long, value_name = "NAME=VALUE")]
    metric_arg: Vec<String>,
}

impl MetricArguments {
    pub fn metric(&self) -> Result<Metric, Failure> {
        let arguments = self.metric_arg.iter().map(|a| {
            let wrong = || {
                Failure::Argument(format!("--metric-arg `{a}`: NAME=VALUE with a number or a .npy is needed, as p=3"))
            };
            let (name, value) = a.split_once('=').ok_or_else(wrong)?;
            let argument = match value.parse::<f32>() {
                Ok(number) => number.into(),
                Err(_) if value.to_lowercase().ends_with(".npy") => read_array(Path::new(value))?,
                Err(_) => return Err(wrong()),
            };
            Ok((name, argument))
        });
        let arguments = arguments.collect::<Result<Vec<_>, Failure>>()?;
        Metric::parse_with(&self.metric, &arguments).map_err(|e| Failure::Argument(e.to_string()))
    }
}

/// A vector, or a matrix row by row.
fn read_array(path: &Path) -> Result<Argument, Failure> {
    Ok(Argument::Values(io::read_floats(path)?.into()))
}

/// Which array of a file holds the points, and what its values are.
#[derive(clap::Args)]
pub struct DataArguments {
    /// Array to take from an .npz or HDF5 file.
    #[arg(long)]
    array: Option<String>,
    /// Rows are packed bits: u8, eight to a value.
    #[arg(long)]
    bits: bool,
}

/// Points read from a file.
pub enum Data {
    Matrix(Matrix),
    Sparse(CsrMatrix),
    Bits { bytes: Vec<u8>, n: usize, dim: usize },
}

impl DataArguments {
    /// The same of another array.
    pub fn with_array(&self, array: Option<&str>) -> Self {
        Self { array: array.map(Into::into), bits: self.bits }
    }

    /// Reads points; says on stderr if their values had to be narrowed.
    pub fn read(&self, path: &Path) -> Result<Data, Failure> {
        if !self.bits && self.array.is_none() && io::is_csr_file(path) {
            return Ok(Data::Sparse(io::read_csr(path)?));
        }
        let matrix = io::read_matrix(path, self.array.as_deref())?;
        if self.bits {
            let (n, dim) = (matrix.n, 8 * matrix.dim);
            let Values::U8(bytes) = matrix.values else {
                return Err(Failure::Input(format!("{}: --bits needs values of type uint8", path.display())));
            };
            return Ok(Data::Bits { bytes, n, dim });
        }
        if let Some(from) = matrix.narrowed_from {
            eprintln!("nndescent: {}: {from} narrowed to float32", path.display());
        }
        Ok(Data::Matrix(matrix))
    }
}

impl Data {
    pub fn points(&self) -> Result<Points<'_>, PointsError> {
        match self {
            Self::Matrix(matrix) => matrix.points(),
            Self::Sparse(matrix) => Ok(Points::from(matrix.view())),
            Self::Bits { bytes, n, dim } => Points::bits(bytes, *n, *dim),
        }
    }

    /// Rows and columns.
    pub fn shape(&self) -> (usize, usize) {
        match self {
            Self::Matrix(matrix) => (matrix.n, matrix.dim),
            Self::Sparse(matrix) => (matrix.view().n(), matrix.view().dim()),
            Self::Bits { n, dim, .. } => (*n, *dim),
        }
    }

    /// The type in the file, where values had to be narrowed.
    pub fn narrowed_from(&self) -> Option<&'static str> {
        match self {
            Self::Matrix(matrix) => matrix.narrowed_from,
            Self::Sparse(_) | Self::Bits { .. } => None,
        }
    }
}

/// A rayon pool of the size asked for.
pub fn pool(threads: Option<usize>) -> Result<rayon::ThreadPool, Failure> {
    if threads == Some(0) {
        return Err(Failure::Argument("--threads 0: at least 1 is needed".into()));
    }
    let builder = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0));
    builder.build().map_err(|e| Failure::Other(format!("threads: {e}")))
}

/// Finds out before a long build whether the output can be made.
pub fn check_writable(output: &Path, ending: &str) -> Result<(), Failure> {
    let folder = output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let wrong = |what: String| Err(Failure::Output(format!("{}: {what}", output.display())));
    if output.extension().is_none_or(|e| !e.eq_ignore_ascii_case(ending)) {
        return wrong(format!("the output is an .{ending} file; give it that ending"));
    }
    if output.is_dir() {
        return wrong("this is a folder".into());
    }
    let trial = folder.join(format!(".nndescent-trial-{}", std::process::id()));
    let tried = File::create(&trial).and_then(|_| std::fs::remove_file(&trial));
    tried.or_else(|e| wrong(format!("nothing can be written there: {e}")))
}
