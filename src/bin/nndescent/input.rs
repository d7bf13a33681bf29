//! Arguments that several commands share: matrices, metrics, threads, outputs.

use std::fs::File;
use std::path::Path;

use nndescent::io::{self, Matrix, Values};
use nndescent::{CsrMatrix, Metric, MetricArgument, Points, PointsError};

use crate::failure::Failure;

/// A metric by name.
#[derive(clap::Args)]
pub struct MetricArguments {
    /// Distance: euclidean, cosine, manhattan, ...
    #[arg(long, default_value = "euclidean")]
    metric: String,
    /// Argument of the metric: a number (p=3 for minkowski) or an array in a file (vinv=matrix.npy for mahalanobis).
    #[arg(long, value_name = "NAME=VALUE")]
    metric_arg: Vec<String>,
}

impl MetricArguments {
    pub fn metric(&self) -> Result<Metric, Failure> {
        let arguments = self.metric_arg.iter().map(|a| {
            let wrong = || {
                Failure::Argument(format!(
                    "--metric-arg `{a}`: expected NAME=VALUE with a number or a .npy, for example p=3"
                ))
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

/// Reads a vector, or a matrix row by row.
fn read_array(path: &Path) -> Result<MetricArgument, Failure> {
    Ok(MetricArgument::Values(io::read_floats(path)?.into()))
}

/// Which array of a file holds the points, and whether its values are packed bits.
#[derive(clap::Args)]
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
    Matrix(Matrix),
    Sparse(CsrMatrix),
    Bits { bytes: Vec<u8>, n: usize, dim: usize },
}

impl DataArguments {
    /// The same arguments for another array.
    pub fn with_array(&self, array: Option<&str>) -> Self {
        Self { array: array.map(Into::into), bits: self.bits }
    }

    /// Reads points; reports on stderr if their values were converted to f32.
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
            eprintln!("nndescent: {}: {from} converted to float32", path.display());
        }
        Ok(Data::Matrix(matrix))
    }
}

impl Data {
    pub fn points(&self) -> Result<Points<'_>, PointsError> {
        if self.shape().0 == 0 {
            return Err(PointsError::NoRows);
        }
        match self {
            Self::Matrix(matrix) => matrix.points(),
            Self::Sparse(matrix) => Ok(Points::from(matrix.view())),
            Self::Bits { bytes, n, dim } => Points::bits(bytes, *n, *dim),
        }
    }

    /// Number of rows and of columns.
    pub fn shape(&self) -> (usize, usize) {
        match self {
            Self::Matrix(matrix) => (matrix.n, matrix.dim),
            Self::Sparse(matrix) => (matrix.view().n(), matrix.view().dim()),
            Self::Bits { n, dim, .. } => (*n, *dim),
        }
    }

    /// The type in the file, if values were converted to f32.
    pub fn narrowed_from(&self) -> Option<&'static str> {
        match self {
            Self::Matrix(matrix) => matrix.narrowed_from,
            Self::Sparse(_) | Self::Bits { .. } => None,
        }
    }
}

/// A rayon pool of `threads` threads, or of all cores.
pub fn pool(threads: Option<usize>) -> Result<rayon::ThreadPool, Failure> {
    if threads == Some(0) {
        return Err(Failure::Argument("--threads 0: at least 1 is needed".into()));
    }
    let builder = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0));
    builder.build().map_err(|e| Failure::Other(format!("threads: {e}")))
}

/// Checks before a long build that the output can be written.
pub fn check_writable(output: &Path, ending: &str) -> Result<(), Failure> {
    let folder = output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let wrong = |what: String| Err(Failure::Output(format!("{}: {what}", output.display())));
    if output.extension().is_none_or(|e| !e.eq_ignore_ascii_case(ending)) {
        return wrong(format!("the name of the output must end in .{ending}"));
    }
    if output.is_dir() {
        return wrong("this is a folder".into());
    }
    let trial = folder.join(format!(".nndescent-trial-{}", std::process::id()));
    let tried = File::create(&trial).and_then(|_| std::fs::remove_file(&trial));
    tried.or_else(|e| wrong(format!("cannot write there: {e}")))
}
