//! Metrics as arguments.

use std::path::{Path, PathBuf};

use nndescent::io;
use nndescent::{Metric, MetricArgument};

use crate::failure::Failure;

/// A metric by name.
#[derive(clap::Args, Clone)]
pub struct MetricArguments {
    /// Distance: euclidean, cosine, manhattan, ...
    #[arg(long, default_value = "euclidean")]
    metric: String,
    /// Argument of the metric: a number (p=3 for minkowski) or an array in a file (vinv=matrix.npy for mahalanobis).
    #[arg(long, value_name = "NAME=VALUE")]
    metric_arg: Vec<String>,
}

/// A value of `--metric-arg`.
enum Value<'a> {
    Number(f32),
    File(&'a Path),
}

impl MetricArguments {
    pub fn metric(&self) -> Result<Metric, Failure> {
        let arguments = self.metric_arg.iter().map(|argument| {
            let wrong = || {
                Failure::Argument(format!(
                    "--metric-arg `{argument}`: expected NAME=VALUE with a number or a .npy, for example p=3"
                ))
            };
            let (name, value) = split(argument).ok_or_else(wrong)?;
            let value = match value {
                Value::Number(number) => number.into(),
                Value::File(path) => MetricArgument::Values(io::read_floats(path)?.into()),
            };
            Ok((name, value))
        });
        let arguments = arguments.collect::<Result<Vec<_>, Failure>>()?;
        Metric::parse_with(&self.metric, &arguments).map_err(|e| Failure::Argument(e.to_string()))
    }

    /// The files that arguments are read from.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.metric_arg.iter().filter_map(|argument| match split(argument) {
            Some((_, Value::File(path))) => Some(path.into()),
            _ => None,
        })
    }
}

fn split(argument: &str) -> Option<(&str, Value<'_>)> {
    let (name, value) = argument.split_once('=')?;
    match value.parse() {
        Ok(number) => Some((name, Value::Number(number))),
        Err(_) if value.to_lowercase().ends_with(".npy") => Some((name, Value::File(Path::new(value)))),
        Err(_) => None,
    }
}
