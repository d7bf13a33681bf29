//! The types of points that an index holds.

use half::f16;

use crate::points::{Dense, DenseValues, Element, Points, PointsKind};

/// The type of points as they were given: of the values of dense rows, or what the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ElementType {
    F32,
    F16,
    U8,
    I8,
    Bits,
    Sparse,
    Items,
}

/// What rows are, whatever the type of their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowForm {
    Dense,
    Bits,
    Sparse,
    Items,
}

impl ElementType {
    const ALL: [Self; 7] = [Self::F32, Self::F16, Self::U8, Self::I8, Self::Bits, Self::Sparse, Self::Items];

    pub(crate) fn of(points: &Points) -> Self {
        match points.kind() {
            PointsKind::Dense(dense) => Self::of_dense(&dense),
            PointsKind::Sparse(_) => Self::Sparse,
            PointsKind::Bits(_) => Self::Bits,
            PointsKind::Items(_) => Self::Items,
        }
    }

    pub(crate) fn of_dense(dense: &Dense) -> Self {
        match dense.rows() {
            DenseValues::F32(_) => Self::F32,
            DenseValues::F16(_) => Self::F16,
            DenseValues::U8(_) => Self::U8,
            DenseValues::I8(_) => Self::I8,
        }
    }

    /// Its name in messages and files; numpy's, where numpy has one.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F32 => f32::NAME,
            Self::F16 => f16::NAME,
            Self::U8 => u8::NAME,
            Self::I8 => i8::NAME,
            Self::Bits => "bits",
            Self::Sparse => "sparse",
            Self::Items => "items",
        }
    }

    /// The type of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|element| element.name() == name)
    }

    pub(crate) fn form(self) -> RowForm {
        match self {
            Self::F32 | Self::F16 | Self::U8 | Self::I8 => RowForm::Dense,
            Self::Bits => RowForm::Bits,
            Self::Sparse => RowForm::Sparse,
            Self::Items => RowForm::Items,
        }
    }
}
