//! Metrics with a kernel of their own: what is searched is the kernel's reduced distance.

use super::Metric;
use super::kernels::{Form, Real};

/// A metric with a kernel. Others search transformed rows under one of these: [`super::route`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct KernelMetric {
    form: Form,
    scale: Scale,
}

/// How a true distance follows from a reduced one.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Scale {
    /// It is the same.
    Same,
    SquareRoot,
    Root(f32),
    /// 1 is added.
    OneMore,
    /// It is divided by the number of columns.
    PerColumn,
}

impl KernelMetric {
    pub(crate) const EUCLIDEAN: Self = Self::root_of(Form::L2);
    pub(crate) const COSINE: Self = Self::reduced(Form::Angular { centered: false });
    pub(crate) const CORRELATION: Self = Self::reduced(Form::Angular { centered: true });
    pub(crate) const DOT: Self = Self { form: Form::Inner, scale: Scale::OneMore };
    pub(crate) const MANHATTAN: Self = Self::reduced(Form::Manhattan);
    pub(crate) const HAMMING: Self = Self { form: Form::Hamming, scale: Scale::PerColumn };

    /// The metric that is a kernel's reduced distance.
    pub(crate) const fn reduced(form: Form) -> Self {
        Self { form, scale: Scale::Same }
    }

    /// The metric that is the square root of a kernel's reduced distance.
    pub(crate) const fn root_of(form: Form) -> Self {
        Self { form, scale: Scale::SquareRoot }
    }

    /// Minkowski's, by the kernel that suits the exponent best.
    pub(crate) fn minkowski(p: f32) -> Self {
        match p {
            1.0 => Self::MANHATTAN,
            2.0 => Self::EUCLIDEAN,
            p => Self { form: Form::Minkowski(p), scale: Scale::Root(p) },
        }
    }

    pub(crate) fn form(self) -> Form {
        self.form
    }

    /// The true distance of a reduced one, for rows of `dim` columns.
    pub(crate) fn to_true<T: Real>(self, reduced: T, dim: usize) -> T {
        let one = T::from(1.0);
        match self.scale {
            Scale::Same => reduced,
            Scale::SquareRoot => reduced.sqrt(),
            Scale::Root(p) => reduced.powf(one / p.into()),
            Scale::OneMore => one + reduced,
            Scale::PerColumn => reduced / T::of_count(dim),
        }
    }

    /// The reduced distance of a true one, for rows of `dim` columns.
    pub(crate) fn to_reduced(self, distance: f64, dim: usize) -> f64 {
        match self.scale {
            Scale::Same => distance,
            // A radius below zero, within which nothing is, stays below zero.
            Scale::SquareRoot => distance * distance.abs(),
            Scale::Root(p) => distance.abs().powf(p.into()).copysign(distance),
            Scale::OneMore => distance - 1.0,
            Scale::PerColumn => distance * dim as f64,
        }
    }

    /// Every one that metrics have, and minkowski's with an exponent that is not whole.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        Metric::templates().filter_map(|metric| metric.direct()).chain([Self::minkowski(1.5)]).collect()
    }
}

impl From<KernelMetric> for Metric {
    fn from(kernel: KernelMetric) -> Self {
        match kernel.form {
            Form::Minkowski(p) => Self::Minkowski { p },
            _ => Self::templates().find(|metric| metric.direct() == Some(kernel)).expect("a metric for every kernel"),
        }
    }
}
