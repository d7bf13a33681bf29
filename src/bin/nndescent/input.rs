//! Arguments that several commands share: matrices, metrics, threads, outputs.

use std::path::Path;

use nndescent::Metric;
use nndescent::io::{self, Matrix};

use crate::failure::Failure;

/// A metric by name.
#[derive(clap::Args)]
pub struct MetricArguments {
    /// Distance: euclidean, cosine, manhattan, ...
    #[arg(long, default_value = "euclidean")]
    metric: String,
    /// Argument of the metric, as p=3 for minkowski.
    #[arg(long, value_name = "NAME=VALUE")]
    metric_arg: Vec<String>,
}

impl MetricArguments {
    pub fn metric(&self) -> Result<Metric, Failure> {
        let arguments = self.metric_arg.iter().map(|a| {
            let wrong = || Failure::Argument(format!("--metric-arg `{a}`: NAME=VALUE with a number is needed, as p=3"));
            let (name, value) = a.split_once('=').ok_or_else(wrong)?;
            Ok((name, value.parse::<f32>().map_err(|_| wrong())?))
        });
        let arguments = arguments.collect::<Result<Vec<_>, Failure>>()?;
        Metric::parse_with(&self.metric, &arguments).map_err(|e| Failure::Argument(e.to_string()))
    }
}

/// Reads a matrix; says on stderr if its values had to be narrowed.
pub fn read_matrix(path: &Path, array: Option<&str>) -> Result<Matrix, Failure> {
    let matrix = io::read_matrix(path, array)?;
    if let Some(from) = matrix.narrowed_from {
        eprintln!("nndescent: {}: {from} narrowed to float32", path.display());
    }
    Ok(matrix)
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
    tempfile::NamedTempFile::new_in(folder).map(|_| ()).or_else(|e| wrong(format!("nothing can be written there: {e}")))
}
