//! Names of metrics, and their arguments.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use super::Metric;

/// An argument of a metric.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// A number.
    Number(f32),
    /// A vector, or a matrix row by row.
    Values(Arc<[f32]>),
}

impl From<f32> for Argument {
    fn from(value: f32) -> Self {
        Self::Number(value)
    }
}

impl From<&[f32]> for Argument {
    fn from(values: &[f32]) -> Self {
        Self::Values(values.into())
    }
}

/// Names that users know, ours first, and how a metric is made of its arguments.
struct Named {
    names: &'static [&'static str],
    make: fn(&mut Arguments) -> Result<Metric, ParseMetricError>,
}

/// An entry of [`NAMED`] for a metric without arguments.
macro_rules! plain {
    ($metric:ident: $($name:literal),+) => {
        Named { names: &[$($name),+], make: |_| Ok(Metric::$metric) }
    };
}

/// `pynndescent.distances.named_distances`, and scipy's names.
const NAMED: &[Named] = &[
    plain!(Euclidean: "euclidean", "l2"),
    plain!(SqEuclidean: "sqeuclidean"),
    plain!(Cosine: "cosine", "direct_cosine"),
    plain!(Dot: "dot"),
    plain!(InnerProduct: "inner_product"),
    plain!(Manhattan: "manhattan", "l1", "taxicab", "cityblock"),
    plain!(Chebyshev: "chebyshev", "linf", "linfty", "linfinity"),
    Named { names: &["minkowski"], make: |a| Ok(Metric::Minkowski { p: a.number("p", None)? }) },
    plain!(Hamming: "hamming"),
    plain!(Correlation: "correlation"),
    plain!(Canberra: "canberra"),
    plain!(BrayCurtis: "braycurtis"),
    Named {
        names: &["seuclidean", "standardised_euclidean", "standardized_euclidean"],
        make: |a| Ok(Metric::StandardizedEuclidean { variances: a.values("sigma")? }),
    },
    Named {
        names: &["wminkowski", "weighted_minkowski"],
        make: |a| Ok(Metric::WeightedMinkowski { weights: a.values("w")?, p: a.number("p", Some(2.0))? }),
    },
    Named { names: &["mahalanobis"], make: |a| Ok(Metric::Mahalanobis { inverse_covariance: a.values("vinv")? }) },
    plain!(Spearman: "spearmanr"),
    plain!(Haversine: "haversine"),
    plain!(TsSs: "tsss"),
    plain!(TrueAngular: "true_angular"),
    plain!(Hellinger: "hellinger"),
    Named { names: &["kantorovich", "wasserstein"], make: |a| Ok(Metric::Kantorovich { cost: a.values("cost")? }) },
    Named {
        names: &["sinkhorn"],
        make: |a| {
            let regularization = a.number("regularization", Some(1.0))?;
            Ok(Metric::Sinkhorn { cost: a.values("cost")?, regularization })
        },
    },
    Named {
        names: &["wasserstein_1d", "wasserstein-1d", "kantorovich_1d", "kantorovich-1d"],
        make: |a| Ok(Metric::Wasserstein1d { p: a.number("p", Some(1.0))? }),
    },
    Named {
        names: &["circular_kantorovich", "circular_wasserstein"],
        make: |a| Ok(Metric::CircularKantorovich { p: a.number("p", Some(1.0))? }),
    },
    plain!(JensenShannon: "jensen_shannon", "jensen-shannon"),
    plain!(SymmetricKl: "symmetric_kl", "symmetric-kl", "symmetric_kullback_liebler"),
    plain!(Jaccard: "jaccard"),
    plain!(Matching: "matching"),
    plain!(Dice: "dice"),
    plain!(Kulsinski: "kulsinski"),
    plain!(RogersTanimoto: "rogerstanimoto"),
    plain!(SokalMichener: "sokalmichener"),
    plain!(RussellRao: "russellrao"),
    plain!(SokalSneath: "sokalsneath"),
    plain!(Yule: "yule"),
    plain!(BitHamming: "bit_hamming"),
    plain!(BitJaccard: "bit_jaccard"),
];

/// Why a name is not a metric, or its arguments are none of it.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ParseMetricError {
    /// No metric of that name.
    #[error("unknown metric `{name}`: did you mean `{nearest}`?")]
    Unknown {
        /// The name given.
        name: String,
        /// The known name nearest in spelling.
        nearest: &'static str,
    },
    /// The metric needs an argument that was not given.
    #[error("metric `{metric}` needs the argument `{argument}`")]
    Missing {
        /// Name of the metric.
        metric: &'static str,
        /// Name of the argument.
        argument: &'static str,
    },
    /// The metric has no such argument.
    #[error("metric `{metric}` has no argument `{argument}`")]
    Unexpected {
        /// Name of the metric.
        metric: String,
        /// The argument given.
        argument: String,
    },
    /// A number where values are needed, or the reverse.
    #[error("metric `{metric}`: `{argument}` must be {expected}")]
    WrongKind {
        /// Name of the metric.
        metric: &'static str,
        /// Name of the argument.
        argument: &'static str,
        /// `a number` or `an array`.
        expected: &'static str,
    },
    /// The argument is out of range.
    #[error("metric `{metric}`: {argument} = {value}, but it must be {range}")]
    OutOfRange {
        /// Name of the metric.
        metric: &'static str,
        /// Name of the argument, with the place of an entry.
        argument: String,
        /// The value given.
        value: f32,
        /// What it may be.
        range: &'static str,
    },
}

/// The arguments given for a metric, taken one by one.
struct Arguments<'a> {
    metric: &'static str,
    given: &'a [(&'a str, Argument)],
    asked: Vec<&'static str>,
}

impl Arguments<'_> {
    fn take(&mut self, argument: &'static str) -> Option<&Argument> {
        self.asked.push(argument);
        self.given.iter().rev().find(|(name, _)| *name == argument).map(|(_, value)| value)
    }

    fn number(&mut self, argument: &'static str, default: Option<f32>) -> Result<f32, ParseMetricError> {
        let metric = self.metric;
        match self.take(argument) {
            Some(Argument::Number(value)) => Ok(*value),
            Some(_) => Err(ParseMetricError::WrongKind { metric, argument, expected: "a number" }),
            None => default.ok_or(ParseMetricError::Missing { metric, argument }),
        }
    }

    fn values(&mut self, argument: &'static str) -> Result<Arc<[f32]>, ParseMetricError> {
        let metric = self.metric;
        match self.take(argument) {
            Some(Argument::Values(values)) => Ok(values.clone()),
            Some(_) => Err(ParseMetricError::WrongKind { metric, argument, expected: "an array" }),
            None => Err(ParseMetricError::Missing { metric, argument }),
        }
    }
}

impl Metric {
    /// Our name for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Euclidean => "euclidean",
            Self::SqEuclidean => "sqeuclidean",
            Self::Cosine => "cosine",
            Self::Dot => "dot",
            Self::InnerProduct => "inner_product",
            Self::Manhattan => "manhattan",
            Self::Chebyshev => "chebyshev",
            Self::Minkowski { .. } => "minkowski",
            Self::Hamming => "hamming",
            Self::Correlation => "correlation",
            Self::Canberra => "canberra",
            Self::BrayCurtis => "braycurtis",
            Self::StandardizedEuclidean { .. } => "seuclidean",
            Self::WeightedMinkowski { .. } => "wminkowski",
            Self::Mahalanobis { .. } => "mahalanobis",
            Self::Spearman => "spearmanr",
            Self::Haversine => "haversine",
            Self::TsSs => "tsss",
            Self::TrueAngular => "true_angular",
            Self::Hellinger => "hellinger",
            Self::Kantorovich { .. } => "kantorovich",
            Self::Sinkhorn { .. } => "sinkhorn",
            Self::Wasserstein1d { .. } => "wasserstein_1d",
            Self::CircularKantorovich { .. } => "circular_kantorovich",
            Self::JensenShannon => "jensen_shannon",
            Self::SymmetricKl => "symmetric_kl",
            Self::Jaccard => "jaccard",
            Self::Matching => "matching",
            Self::Dice => "dice",
            Self::Kulsinski => "kulsinski",
            Self::RogersTanimoto => "rogerstanimoto",
            Self::SokalMichener => "sokalmichener",
            Self::RussellRao => "russellrao",
            Self::SokalSneath => "sokalsneath",
            Self::Yule => "yule",
            Self::BitHamming => "bit_hamming",
            Self::BitJaccard => "bit_jaccard",
            Self::Custom => "custom",
        }
    }

    /// Whether `name` is one of its names, in any case.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        let names = Self::names().find(|names| names[0] == self.name());
        names.is_some_and(|names| names.contains(&name.to_lowercase().as_str()))
    }

    /// Every name and alias that [`Metric::from_str`] knows, our own name of each metric first.
    pub fn names() -> impl Iterator<Item = &'static [&'static str]> {
        NAMED.iter().map(|named| named.names)
    }

    /// A metric by name, any case, with arguments by PyNNDescent's names: `("minkowski", [("p", 3.0.into())])`, `sigma` of
    /// `seuclidean`, `w` and `p` of `wminkowski`, `vinv` of `mahalanobis`, `cost` (and `regularization`, default 1) of
    /// `kantorovich` and `sinkhorn`, `p` (default 1) of `wasserstein_1d` and `circular_kantorovich`.
    ///
    /// # Errors
    /// [`ParseMetricError`], with the nearest known name where the name is unknown.
    pub fn parse_with(name: &str, arguments: &[(&str, Argument)]) -> Result<Self, ParseMetricError> {
        let lower = name.to_lowercase();
        let Some(named) = NAMED.iter().find(|named| named.names.contains(&lower.as_str())) else {
            return Err(ParseMetricError::Unknown { name: name.into(), nearest: nearest(&lower) });
        };
        let mut taken = Arguments { metric: named.names[0], given: arguments, asked: Vec::new() };
        let metric = (named.make)(&mut taken)?;
        match arguments.iter().find(|(argument, _)| !taken.asked.contains(argument)) {
            Some((argument, _)) => Err(ParseMetricError::Unexpected { metric: lower, argument: (*argument).into() }),
            None => metric.checked(),
        }
    }

    /// A metric for every entry of [`Metric::names`], made with arguments that fit no rows.
    pub(crate) fn templates() -> impl Iterator<Item = Self> {
        let numbers = ["p", "regularization"].map(|name| (name, Argument::Number(2.0)));
        let values = ["sigma", "w", "vinv", "cost"].map(|name| (name, Argument::Values(Arc::from([]))));
        let given = [&numbers[..], &values[..]].concat();
        NAMED.iter().map(move |named| {
            let mut arguments = Arguments { metric: named.names[0], given: &given, asked: Vec::new() };
            (named.make)(&mut arguments).expect("every argument is given")
        })
    }

    /// The arguments that [`Metric::parse_with`] makes this metric of.
    pub(crate) fn arguments(&self) -> Vec<(&'static str, Argument)> {
        match self {
            Self::Minkowski { p } | Self::Wasserstein1d { p } | Self::CircularKantorovich { p } => {
                vec![("p", (*p).into())]
            }
            Self::StandardizedEuclidean { variances } => vec![("sigma", Argument::Values(variances.clone()))],
            Self::WeightedMinkowski { weights, p } => {
                vec![("w", Argument::Values(weights.clone())), ("p", (*p).into())]
            }
            Self::Mahalanobis { inverse_covariance } => vec![("vinv", Argument::Values(inverse_covariance.clone()))],
            Self::Kantorovich { cost } => vec![("cost", Argument::Values(cost.clone()))],
            Self::Sinkhorn { cost, regularization } => {
                vec![("cost", Argument::Values(cost.clone())), ("regularization", (*regularization).into())]
            }
            _ => Vec::new(),
        }
    }

    /// The metric, if its parameters are in range.
    pub(crate) fn checked(self) -> Result<Self, ParseMetricError> {
        const EXPONENT: Range = Range("finite and at least 1", |p| p.is_finite() && p >= 1.0);
        const POSITIVE: Range = Range("finite and above 0", |v| v.is_finite() && v > 0.0);
        const NOT_NEGATIVE: Range = Range("finite and at least 0", |v| v.is_finite() && v >= 0.0);
        const FINITE: Range = Range("finite", f32::is_finite);
        for (name, argument) in self.arguments() {
            let range = match name {
                "p" => EXPONENT,
                "sigma" | "regularization" => POSITIVE,
                "w" | "cost" => NOT_NEGATIVE,
                _ => FINITE,
            };
            let metric = self.name();
            let wrong =
                |argument: String, value| ParseMetricError::OutOfRange { metric, argument, value, range: range.0 };
            match argument {
                Argument::Number(value) if !(range.1)(value) => return Err(wrong(name.into(), value)),
                Argument::Values(values) => {
                    if let Some(at) = values.iter().position(|&v| !(range.1)(v)) {
                        return Err(wrong(format!("{name}[{at}]"), values[at]));
                    }
                }
                Argument::Number(_) => {}
            }
        }
        Ok(self)
    }
}

/// What a number may be, in words and as a test.
#[derive(Clone, Copy)]
struct Range(&'static str, fn(f32) -> bool);

fn nearest(name: &str) -> &'static str {
    let known = Metric::names().flatten().copied();
    known.max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b))).unwrap_or("euclidean")
}

impl FromStr for Metric {
    type Err = ParseMetricError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::parse_with(name, &[])
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        for (at, (name, argument)) in self.arguments().into_iter().enumerate() {
            f.write_str(if at == 0 { "(" } else { ", " })?;
            match argument {
                Argument::Number(value) => write!(f, "{name}={value}")?,
                Argument::Values(values) => write!(f, "{name}: {} values", values.len())?,
            }
        }
        if self.arguments().is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every metric by its first name, with arguments for rows of `dim` columns where it needs them.
    fn of_name(name: &str) -> Result<Metric, ParseMetricError> {
        let arguments: &[(&str, Argument)] = match name {
            "minkowski" => &[("p", Argument::Number(3.0))],
            "seuclidean" => &[("sigma", [1.0f32, 2.0][..].into())],
            "wminkowski" => &[("w", [1.0f32, 2.0][..].into()), ("p", Argument::Number(3.0))],
            "mahalanobis" => &[("vinv", [1.0f32, 0.0, 0.0, 1.0][..].into())],
            "kantorovich" | "sinkhorn" => &[("cost", [0.0f32, 1.0, 1.0, 0.0][..].into())],
            _ => &[],
        };
        Metric::parse_with(name, arguments)
    }

    #[test]
    fn names_and_aliases() {
        assert_eq!("L2".parse(), Ok(Metric::Euclidean));
        assert_eq!("taxicab".parse(), Ok(Metric::Manhattan));
        assert_eq!("symmetric_kullback_liebler".parse(), Ok(Metric::SymmetricKl));
        assert_eq!(Metric::parse_with("minkowski", &[("p", 3.0.into())]), Ok(Metric::Minkowski { p: 3.0 }));
        for names in Metric::names() {
            let metric = of_name(names[0]).unwrap();
            assert_eq!(metric.name(), names[0]);
            assert_eq!(Metric::parse_with(names[0], &metric.arguments()), Ok(metric));
        }
    }

    #[test]
    fn mistakes_are_named() {
        let message =
            |name: &str, arguments: &[(&str, Argument)]| Metric::parse_with(name, arguments).unwrap_err().to_string();
        assert_eq!(message("euclidian", &[]), "unknown metric `euclidian`: did you mean `euclidean`?");
        assert_eq!(message("minkowski", &[]), "metric `minkowski` needs the argument `p`");
        assert_eq!(message("seuclidean", &[]), "metric `seuclidean` needs the argument `sigma`");
        assert_eq!(message("seuclidean", &[("sigma", 2.0.into())]), "metric `seuclidean`: `sigma` must be an array");
        assert_eq!(message("cosine", &[("p", 2.0.into())]), "metric `cosine` has no argument `p`");
        let range = "metric `minkowski`: p = 0.5, but it must be finite and at least 1";
        assert_eq!(message("minkowski", &[("p", 0.5.into())]), range);
        let range = "metric `seuclidean`: sigma[1] = 0, but it must be finite and above 0";
        assert_eq!(message("seuclidean", &[("sigma", [1.0f32, 0.0][..].into())]), range);
    }
}
