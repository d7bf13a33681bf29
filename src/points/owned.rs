//! Owned points: two sets joined into one.

use super::{CsrMatrix, Items, Kept, Points, PointsError, PointsKind};

/// Points of any kind, owned.
pub(crate) enum OwnedPoints {
    Dense { values: Vec<f32>, n: usize, dim: usize },
    Sparse(CsrMatrix),
    Bits { bytes: Vec<u8>, n: usize, dim: usize },
    Items(JoinedItems),
}

impl OwnedPoints {
    pub(crate) fn view(&self) -> Result<Points<'_>, PointsError> {
        match self {
            Self::Dense { values, n, dim } => Points::dense(values, *n, *dim),
            Self::Sparse(matrix) => Ok(matrix.into()),
            Self::Bits { bytes, n, dim } => Points::bits(bytes, *n, *dim),
            Self::Items(items) => Points::items(items),
        }
    }
}

/// Items, followed by others.
pub(crate) struct JoinedItems(Kept, Kept);

impl JoinedItems {
    fn item(&self, i: usize) -> (&Kept, usize) {
        let first = self.0.n();
        if i < first { (&self.0, i) } else { (&self.1, i - first) }
    }
}

impl Items for JoinedItems {
    fn n(&self) -> usize {
        self.0.n() + self.1.n()
    }

    fn distance(&self, a: usize, b: usize) -> f32 {
        let ((a, i), (b, j)) = (self.item(a), self.item(b));
        a.distance(i, b, j)
    }

    fn reduced(&self, a: usize, b: usize) -> f32 {
        let ((a, i), (b, j)) = (self.item(a), self.item(b));
        a.reduced(i, b, j)
    }

    fn failure(&self) -> Option<String> {
        self.1.failure().or_else(|| self.0.failure())
    }
}

impl Points<'_> {
    /// These points followed by others of the same shape; none for items that cannot be kept or compared with each
    /// other.
    pub(crate) fn joined(&self, others: &Points) -> Option<OwnedPoints> {
        let n = self.n() + others.n();
        Some(match (self.kind(), others.kind()) {
            (PointsKind::Bits(a), PointsKind::Bits(b)) => {
                OwnedPoints::Bits { bytes: [a.bytes(), b.bytes()].concat(), n, dim: a.dim() }
            }
            (PointsKind::Sparse(a), PointsKind::Sparse(b)) => {
                let mut rows = CsrMatrix::empty(a.dim());
                for row in (0..a.n()).map(|i| a.row(i)).chain((0..b.n()).map(|i| b.row(i))) {
                    rows.push_row(row.entries());
                }
                OwnedPoints::Sparse(rows)
            }
            (PointsKind::Dense(a), PointsKind::Dense(b)) => {
                let dim = a.dim();
                let mut values = vec![0.0; n * dim];
                for (i, row) in values.chunks_exact_mut(dim).enumerate() {
                    if i < a.n() { a.widen_row(i, row) } else { b.widen_row(i - a.n(), row) }
                }
                OwnedPoints::Dense { values, n, dim }
            }
            (PointsKind::Items(a), PointsKind::Items(b)) => {
                let (a, b) = (a.0.keep()?, b.0.keep()?);
                let joined = b.is_comparable(&a).then_some(JoinedItems(a, b))?;
                OwnedPoints::Items(Some(joined).filter(|joined| joined.n() == n)?)
            }
            _ => return None,
        })
    }
}
