//! Names of metrics.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::Metric;

/// Names users know, the first of each metric being ours.
const NAMES: &[(&[&str], Metric)] = &[
    (&["euclidean", "l2"], Metric::Euclidean),
    (&["sqeuclidean"], Metric::SqEuclidean),
    (&["cosine"], Metric::Cosine),
    (&["dot"], Metric::Dot),
    (&["inner_product"], Metric::InnerProduct),
    (&["manhattan", "l1", "taxicab", "cityblock"], Metric::Manhattan),
    (&["chebyshev", "linf", "linfty", "linfinity"], Metric::Chebyshev),
    (&["minkowski"], Metric::Minkowski { p: 2.0 }),
    (&["hamming"], Metric::Hamming),
    (&["correlation"], Metric::Correlation),
    (&["canberra"], Metric::Canberra),
    (&["braycurtis"], Metric::BrayCurtis),
];

/// Why a name is not a metric.
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
    /// The argument is out of range.
    #[error("metric `{metric}`: {argument} = {value}, but it must be {range}")]
    OutOfRange {
        /// Name of the metric.
        metric: &'static str,
        /// Name of the argument.
        argument: &'static str,
        /// The value given.
        value: f32,
        /// What it may be.
        range: &'static str,
    },
}

impl Metric {
    /// Our name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        let same = |m: &Metric| std::mem::discriminant(m) == std::mem::discriminant(&self);
        NAMES.iter().find(|(_, m)| same(m)).map_or("metric", |(names, _)| names[0])
    }

    /// Every name and alias that [`Metric::from_str`] knows, our own name of each metric first.
    pub fn names() -> impl Iterator<Item = &'static [&'static str]> {
        NAMES.iter().map(|(names, _)| *names)
    }

    /// A metric by name, any case, with arguments by name: `("minkowski", [("p", 3.0)])`.
    ///
    /// # Errors
    /// [`ParseMetricError`], with the nearest known name where the name is unknown.
    pub fn parse_with(name: &str, arguments: &[(&str, f32)]) -> Result<Self, ParseMetricError> {
        let lower = name.to_lowercase();
        let Some((_, metric)) = NAMES.iter().find(|(names, _)| names.contains(&lower.as_str())) else {
            return Err(ParseMetricError::Unknown { name: name.into(), nearest: nearest(&lower) });
        };
        let takes_p = matches!(metric, Self::Minkowski { .. });
        if let Some((argument, _)) = arguments.iter().find(|(a, _)| !(takes_p && *a == "p")) {
            return Err(ParseMetricError::Unexpected { metric: lower, argument: (*argument).into() });
        }
        if !takes_p {
            return Ok(*metric);
        }
        let p = arguments.last().ok_or(ParseMetricError::Missing { metric: "minkowski", argument: "p" })?.1;
        Self::Minkowski { p }.checked()
    }

    /// The metric, if its parameters are in range.
    pub(crate) fn checked(self) -> Result<Self, ParseMetricError> {
        match self {
            Self::Minkowski { p } if !(p.is_finite() && p >= 1.0) => Err(ParseMetricError::OutOfRange {
                metric: "minkowski",
                argument: "p",
                value: p,
                range: "finite and at least 1",
            }),
            _ => Ok(self),
        }
    }
}

fn nearest(name: &str) -> &'static str {
    let known = NAMES.iter().flat_map(|(names, _)| names.iter().copied());
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
        match self {
            Self::Minkowski { p } => write!(f, "minkowski(p={p})"),
            other => f.write_str(other.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases() {
        assert_eq!("L2".parse(), Ok(Metric::Euclidean));
        assert_eq!("taxicab".parse(), Ok(Metric::Manhattan));
        assert_eq!(Metric::parse_with("minkowski", &[("p", 3.0)]), Ok(Metric::Minkowski { p: 3.0 }));
        for names in Metric::names().filter(|n| n[0] != "minkowski") {
            assert_eq!(names[0].parse::<Metric>().map(Metric::name), Ok(names[0]));
        }
    }

    #[test]
    fn mistakes_are_named() {
        let message =
            |name: &str, arguments: &[(&str, f32)]| Metric::parse_with(name, arguments).unwrap_err().to_string();
        assert_eq!(message("euclidian", &[]), "unknown metric `euclidian`: did you mean `euclidean`?");
        assert_eq!(message("minkowski", &[]), "metric `minkowski` needs the argument `p`");
        assert_eq!(message("cosine", &[("p", 2.0)]), "metric `cosine` has no argument `p`");
        let range = "metric `minkowski`: p = 0.5, but it must be finite and at least 1";
        assert_eq!(message("minkowski", &[("p", 0.5)]), range);
    }
}
