//! How far coded distances can be from true ones.

/// Bounds true distances from below by coded ones. Euclidean distances (and those between directions) obey the triangle
/// inequality: |d(x, y) - d(x', y')| <= |x - x'| + |y - y'| for the points x', y' that the codes represent.
pub(crate) struct CodeErrorBound {
    errors: Errors,
    /// The largest |x - x'| of all rows.
    largest: f32,
    /// Distance of two points whose codes differ by one in one column.
    unit: f32,
    angular: bool,
}

/// The most that |x - x'| can be.
enum Errors {
    OfAll(f32),
    OfRows(Vec<f32>),
}

/// Relative rounding error of a coded distance: sums of up to 2^31 rounded to f32, a root, a product.
const ROUNDING: f32 = 1e-5;
/// Rounding error of 1 - cos, which is a difference of f32 near 1.
const ANGLE_ROUNDING: f32 = 5e-7;

impl CodeErrorBound {
    /// Of rows with a common scale, which differ from their codes by at most `codes`, as a vector; one code is `unit`.
    pub(super) fn of_values(codes: f64, unit: f32) -> Self {
        let error = (codes * f64::from(unit) * 1.0001) as f32;
        Self { errors: Errors::OfAll(error), largest: error, unit, angular: false }
    }

    /// Of directions, where codes are at most `codes` from a multiple of their row, as a vector; 1 / length of the
    /// codes of each row, and 0 for zero vectors, whose codes are exact.
    ///
    /// The line of a row passes its codes c at that distance e, so that the sine of the angle between is e / |c| at
    /// most, and the chord that sine divided by the cosine of half the angle.
    pub(super) fn of_directions(codes: f64, inverse_lengths: impl Iterator<Item = f32>) -> Self {
        let chord = |inverse: f32| {
            let sine = codes * f64::from(inverse) * 1.0001;
            if sine >= 1.0 { 2.0 } else { (sine / (0.5 + 0.5 * (1.0 - sine * sine).sqrt()).sqrt()) as f32 }
        };
        let errors: Vec<f32> = inverse_lengths.map(chord).collect();
        let largest = errors.iter().fold(0.0f32, |m, e| m.max(*e));
        Self { errors: Errors::OfRows(errors), largest, unit: 1.0, angular: true }
    }

    /// How much the distance from `row` to any point can differ from a coded one.
    fn error(&self, row: u32) -> f32 {
        let own = match &self.errors {
            Errors::OfAll(error) => *error,
            Errors::OfRows(errors) => errors[row as usize],
        };
        own + self.largest + ROUNDING * self.unit
    }

    /// A lower bound of the true reduced distance from `row` to any point at a coded reduced distance of at least
    /// `coded`.
    pub(crate) fn true_at_least(&self, row: u32, coded: f32) -> f32 {
        let far =
            if self.angular { (2.0 * (coded - ANGLE_ROUNDING).max(0.0)).sqrt() } else { coded.sqrt() * self.unit };
        let near = (far * (1.0 - ROUNDING) - self.error(row)).max(0.0);
        if self.angular { near * near / 2.0 } else { near * near }
    }

    /// An upper bound of the true reduced distance from `row` to any point at a coded reduced distance of at most
    /// `coded`.
    pub(crate) fn true_at_most(&self, row: u32, coded: f32) -> f32 {
        let near = if self.angular { (2.0 * (coded + ANGLE_ROUNDING)).sqrt() } else { coded.sqrt() * self.unit };
        let far = near * (1.0 + ROUNDING) + self.error(row);
        if self.angular { far * far / 2.0 } else { far * far }
    }

    /// An upper bound of the coded reduced distance from `row` to any point at a true reduced distance of at most
    /// `exact`.
    pub(crate) fn coded_at_most(&self, row: u32, exact: f64) -> f32 {
        let chord = (exact.max(0.0) * if self.angular { 2.0 } else { 1.0 }).sqrt();
        // Twice the rounding of `true_at_least`, as this is rounded, too.
        let far = (chord + f64::from(self.error(row))) * f64::from(1.0 + 3.0 * ROUNDING);
        if self.angular {
            (far * far / 2.0) as f32 + 2.0 * ANGLE_ROUNDING
        } else {
            (far / f64::from(self.unit)).powi(2) as f32 * (1.0 + ROUNDING)
        }
    }
}
