//! Metrics by name. The table of names is in the parent module.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::argument::Arguments;
use super::{Metric, MetricArgument, MetricError, NAMED};

/// A metric's names, the canonical one first, and how it is made of its arguments.
pub(super) struct Named {
    pub names: &'static [&'static str],
    pub make: fn(&mut Arguments) -> Result<Metric, MetricError>,
}

/// The table of metrics, one a row: variant, fields with what their arguments must be, names, and the route of a
/// search.
macro_rules! metrics {
    ($($metric:ident { $($field:ident: $parameter:expr),* } = $($name:literal)|+ => $route:expr,)+) => {
        /// Every metric that has a name.
        const NAMED: &[Named] = &[$(Named {
            names: &[$($name),+],
            make: |_arguments| Ok(Metric::$metric { $($field: _arguments.take($parameter)?),* }),
        }),+];

        impl Metric {
            /// The canonical name.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$metric { .. } => [$($name),+][0],)+
                    Self::Custom => "custom",
                }
            }

            /// The arguments that [`Metric::parse_with`] makes this metric of.
            fn parameters(&self) -> Vec<(Parameter, MetricArgument)> {
                match self {
                    $(Self::$metric { $($field),* } => vec![$(($parameter, $field.to_owned().into())),*],)+
                    Self::Custom => Vec::new(),
                }
            }

            /// How it is searched.
            #[expect(unused_variables, reason = "not every argument matters to the search")]
            pub(crate) fn route(&self) -> Route {
                match self {
                    $(Self::$metric { $($field),* } => $route,)+
                    Self::Custom => Route::Custom,
                }
            }
        }
    };
}
pub(super) use metrics;

impl Metric {
    /// Whether `name` is one of its names, in any case.
    #[doc(hidden)]
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        let names = Self::names().find(|names| names[0] == self.name());
        names.is_some_and(|names| names.contains(&name.to_lowercase().as_str()))
    }

    /// The names and aliases of every metric that [`Metric::from_str`] knows, the canonical name first.
    pub fn names() -> impl Iterator<Item = &'static [&'static str]> {
        NAMED.iter().map(|named| named.names)
    }

    /// A metric by name, in any case, and arguments by PyNNDescent's names: `p` of `minkowski`; `sigma` (variances) of
    /// `seuclidean`; `w` and `p` (default 2) of `wminkowski`; `vinv` of `mahalanobis`; `cost` of `kantorovich` and
    /// `sinkhorn`, `regularization` (default 1) of `sinkhorn`; `p` (default 1) of `wasserstein_1d` and
    /// `circular_kantorovich`.
    ///
    /// ```
    /// use nndescent::Metric;
    ///
    /// let metric = Metric::parse_with("minkowski", &[("p", 3.0.into())])?;
    /// assert_eq!(metric, Metric::Minkowski { p: 3.0 });
    /// # Ok::<(), nndescent::MetricError>(())
    /// ```
    ///
    /// # Errors
    /// The name is unknown (the error names the nearest known one), or an argument is missing, unknown or out of range.
    pub fn parse_with(name: &str, arguments: &[(&str, MetricArgument)]) -> Result<Self, MetricError> {
        let lower = name.to_lowercase();
        let Some(named) = NAMED.iter().find(|named| named.names.contains(&lower.as_str())) else {
            return Err(MetricError::Unknown { name: name.into(), nearest: nearest(&lower) });
        };
        let mut given = Arguments::new(named.names[0], arguments);
        let metric = (named.make)(&mut given)?;
        match given.left() {
            Some(argument) => Err(MetricError::Unexpected { metric: lower, argument: argument.into() }),
            None => metric.checked(),
        }
    }

    /// A metric for every entry of [`Metric::names`]: numbers are 3, arrays empty.
    pub(crate) fn templates() -> impl Iterator<Item = Self> {
        let number = |name| (name, MetricArgument::Number(3.0));
        let values = |name| (name, MetricArgument::Values(Arc::from([])));
        let given =
            [number("p"), number("regularization"), values("sigma"), values("w"), values("vinv"), values("cost")];
        let make = move |named: &Named| (named.make)(&mut Arguments::new(named.names[0], &given));
        NAMED.iter().map(move |named| make(named).expect("every argument is given"))
    }

    /// Its arguments by name, as [`Metric::parse_with`] takes them.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = (&'static str, MetricArgument)> {
        self.parameters().into_iter().map(|(parameter, argument)| (parameter.name, argument))
    }
}

/// The known name that is most like this one, if any is like it.
fn nearest(name: &str) -> Option<&'static str> {
    const ALIKE: f64 = 0.8;
    let known = Metric::names().flatten().map(|known| (strsim::jaro_winkler(name, known), *known));
    known.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(alike, _)| *alike >= ALIKE).map(|(_, known)| known)
}

impl FromStr for Metric {
    type Err = MetricError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::parse_with(name, &[])
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        let arguments: Vec<String> = self
            .arguments()
            .map(|(name, argument)| match argument {
                MetricArgument::Number(value) => format!("{name}={value}"),
                MetricArgument::Values(values) => format!("{name}: {} values", values.len()),
            })
            .collect();
        if arguments.is_empty() { Ok(()) } else { write!(f, "({})", arguments.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases() {
        assert_eq!("L2".parse(), Ok(Metric::Euclidean));
        assert_eq!("taxicab".parse(), Ok(Metric::Manhattan));
        assert_eq!("symmetric_kullback_liebler".parse(), Ok(Metric::SymmetricKl));
        assert_eq!(Metric::parse_with("minkowski", &[("p", 3.0.into())]), Ok(Metric::Minkowski { p: 3.0 }));
        for (names, metric) in Metric::names().zip(Metric::templates()) {
            assert_eq!(metric.name(), names[0]);
            let arguments: Vec<_> = metric.arguments().collect();
            assert_eq!(Metric::parse_with(names[0], &arguments), Ok(metric));
        }
    }

    #[test]
    fn mistakes_are_named() {
        let message = |name: &str, arguments: &[(&str, MetricArgument)]| {
            Metric::parse_with(name, arguments).unwrap_err().to_string()
        };
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
