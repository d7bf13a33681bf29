//! The rows of an index in a file, and back.

use std::borrow::Cow;

use crate::metric::route::Route;
use crate::metric::{Metric, MetricArgument};
use crate::persist::{IndexFileError, Kind, Opened};
use crate::storage::Storage;

use super::bits::SetRows;
use super::dense::DenseRows;
use super::element_type::{ElementType, RowForm};
use super::sections::any_length;
use super::sparse::SparseStore;
use super::{PutMeta, RowKind, SearchRows, bits, dense, sparse};

const METRIC_VALUES: Kind = Kind(15, "the metric's values");

/// All sections of rows.
pub(crate) fn kinds() -> Vec<Kind> {
    [&dense::SECTIONS[..], &bits::SECTIONS, &sparse::SECTIONS, &[METRIC_VALUES]].concat()
}

/// Numbers that metrics are made with, as [`Metric::arguments`] names them.
const NUMBERS: [&str; 2] = ["p", "regularization"];

/// Writes what a file says of the metric.
pub(super) fn put_metric(metric: &Metric, put: PutMeta) {
    put("metric", &metric.name());
    for (name, argument) in metric.arguments() {
        match argument {
            MetricArgument::Number(value) => put(&format!("metric_{name}"), &value),
            MetricArgument::Values(_) => put("metric_values", &name),
        }
    }
}

/// The array that the metric is made with, if there is one.
pub(super) fn metric_section(metric: &Metric) -> Option<(Kind, Cow<'_, [u8]>)> {
    metric.arguments().find_map(|(_, argument)| match argument {
        MetricArgument::Values(values) => Some((METRIC_VALUES, Cow::Owned(bytemuck::cast_slice(&values).to_vec()))),
        MetricArgument::Number(_) => None,
    })
}

fn metric_of(file: &Opened) -> Result<Metric, IndexFileError> {
    let name: String = file.meta("metric")?;
    let mut arguments: Vec<(String, MetricArgument)> = Vec::new();
    for number in NUMBERS {
        if let Ok(value) = file.meta::<f32>(&format!("metric_{number}")) {
            arguments.push((number.into(), value.into()));
        }
    }
    if let Ok(argument) = file.meta::<String>("metric_values") {
        let values: Storage<f32> = any_length(file, METRIC_VALUES)?;
        arguments.push((argument, values[..].into()));
    }
    let arguments: Vec<(&str, MetricArgument)> =
        arguments.iter().map(|(name, value)| (&**name, value.clone())).collect();
    let metric = Metric::parse_with(&name, &arguments).map_err(|e| file.inconsistent(e.to_string()))?;
    metric.check_columns(file.meta("dim")?).map_err(|e| file.inconsistent(e.to_string()))?;
    Ok(metric)
}

impl SearchRows {
    /// The rows of a file of `n` of them.
    pub(crate) fn of_file(file: &Opened, n: usize) -> Result<Self, IndexFileError> {
        let dim = file.meta("dim")?;
        if !(1..=u32::MAX as usize).contains(&dim) {
            return Err(file.inconsistent(format!("points of {dim} columns")));
        }
        let metric = metric_of(file)?;
        let given = ElementType::named(&file.meta::<String>("given")?);
        let given = given.ok_or_else(|| file.inconsistent("points of an unknown type"))?;
        let are_sets = matches!(metric.route(), Route::Sets(_) | Route::Bits(_));
        let kind = match given.form() {
            RowForm::Sparse => RowKind::Sparse(Box::new(SparseStore::of_file(file, &metric, (n, dim))?)),
            RowForm::Items => return Err(file.inconsistent("items, which no file can hold")),
            RowForm::Dense if !are_sets => {
                RowKind::Dense(Box::new(DenseRows::of_file(file, &metric, given, (n, dim))?))
            }
            RowForm::Dense | RowForm::Bits => RowKind::Sets(Box::new(SetRows::of_file(file, &metric, (n, dim))?)),
        };
        Ok(Self { metric, dim, given, kind })
    }
}
