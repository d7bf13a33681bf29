//! Arguments of metrics: what is given, and what each must be.

use std::sync::Arc;

use super::MetricError;

/// An argument of a metric, for [`Metric::parse_with`](crate::Metric::parse_with).
#[derive(Debug, Clone, PartialEq)]
pub enum MetricArgument {
    /// A number.
    Number(f32),
    /// A vector, or a matrix row by row.
    Values(Arc<[f32]>),
}

impl From<f32> for MetricArgument {
    fn from(value: f32) -> Self {
        Self::Number(value)
    }
}

impl From<&[f32]> for MetricArgument {
    fn from(values: &[f32]) -> Self {
        Self::Values(values.into())
    }
}

impl From<Arc<[f32]>> for MetricArgument {
    fn from(values: Arc<[f32]>) -> Self {
        Self::Values(values)
    }
}

/// What an argument must be, under PyNNDescent's name for it.
#[derive(Clone, Copy)]
pub(super) struct Parameter {
    pub name: &'static str,
    pub shape: Shape,
    pub range: Range,
    /// Of numbers.
    default: Option<f32>,
}

/// How many values an argument has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Number,
    /// One for every column.
    PerColumn,
    /// A symmetric matrix, columns x columns.
    Symmetric,
    /// The same, with zeros on the diagonal.
    Costs,
}

impl Shape {
    pub(super) fn is_matrix(self) -> bool {
        matches!(self, Self::Symmetric | Self::Costs)
    }
}

/// What a number may be, in words and as a test.
#[derive(Clone, Copy)]
pub(super) struct Range(pub &'static str, pub fn(f32) -> bool);

const AT_LEAST_ONE: Range = Range("finite and at least 1", |v| v.is_finite() && v >= 1.0);
const POSITIVE: Range = Range("finite and above 0", |v| v.is_finite() && v > 0.0);
const NOT_NEGATIVE: Range = Range("finite and at least 0", |v| v.is_finite() && v >= 0.0);
const FINITE: Range = Range("finite", f32::is_finite);

pub(super) const P: Parameter = Parameter::new("p", Shape::Number, AT_LEAST_ONE);
pub(super) const SIGMA: Parameter = Parameter::new("sigma", Shape::PerColumn, POSITIVE);
pub(super) const W: Parameter = Parameter::new("w", Shape::PerColumn, NOT_NEGATIVE);
pub(super) const VINV: Parameter = Parameter::new("vinv", Shape::Symmetric, FINITE);
pub(super) const COST: Parameter = Parameter::new("cost", Shape::Costs, NOT_NEGATIVE);
pub(super) const REGULARIZATION: Parameter = Parameter::new("regularization", Shape::Number, POSITIVE);

impl Parameter {
    const fn new(name: &'static str, shape: Shape, range: Range) -> Self {
        Self { name, shape, range, default: None }
    }

    /// The same with a default.
    pub(super) const fn or(self, default: f32) -> Self {
        Self { default: Some(default), ..self }
    }
}

/// The type of an argument's field in [`Metric`](super::Metric).
pub(super) trait Field: Sized {
    /// What it is, for messages.
    const EXPECTED: &'static str;
    fn of(argument: &MetricArgument) -> Option<Self>;
}

impl Field for f32 {
    const EXPECTED: &'static str = "a number";
    fn of(argument: &MetricArgument) -> Option<Self> {
        match argument {
            MetricArgument::Number(value) => Some(*value),
            MetricArgument::Values(_) => None,
        }
    }
}

impl Field for Arc<[f32]> {
    const EXPECTED: &'static str = "an array";
    fn of(argument: &MetricArgument) -> Option<Self> {
        match argument {
            MetricArgument::Values(values) => Some(values.clone()),
            MetricArgument::Number(_) => None,
        }
    }
}

/// The arguments given for a metric, taken one by one.
pub(super) struct Arguments<'a> {
    metric: &'static str,
    given: &'a [(&'a str, MetricArgument)],
    taken: Vec<&'static str>,
}

impl<'a> Arguments<'a> {
    pub(super) fn new(metric: &'static str, given: &'a [(&'a str, MetricArgument)]) -> Self {
        Self { metric, given, taken: Vec::new() }
    }

    /// The value of an argument: the last of its name, or the default.
    pub(super) fn take<T: Field>(&mut self, parameter: Parameter) -> Result<T, MetricError> {
        let (metric, argument) = (self.metric, parameter.name);
        self.taken.push(argument);
        let given = self.given.iter().rev().find(|(name, _)| *name == argument).map(|(_, value)| value);
        let default = parameter.default.map(MetricArgument::Number);
        let value = given.or(default.as_ref()).ok_or(MetricError::Missing { metric, argument })?;
        T::of(value).ok_or(MetricError::WrongKind { metric, argument, expected: T::EXPECTED })
    }

    /// The first argument given that was not taken.
    pub(super) fn left(&self) -> Option<&'a str> {
        self.given.iter().map(|(name, _)| *name).find(|name| !self.taken.contains(name))
    }
}
