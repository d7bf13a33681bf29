//! How far coded distances can be from true ones.

use super::codes;
use super::coding::{Coding, Scale, stride};
use crate::metric::Form;
use crate::parallel;
use crate::points::Dense;

/// Bounds true distances from below by coded ones. Euclidean distances (and those between directions) obey the triangle
/// inequality: |d(x, y) - d(x', y')| <= |x - x'| + |y - y'| for the points x', y' that the codes represent.
pub(crate) struct CodeErrorBound {
    /// |x - x'| for every row.
    errors: Vec<f32>,
    largest: f32,
    /// Distance of two points whose codes differ by one in one column.
    unit: f32,
    angular: bool,
}

/// Relative rounding error of a coded distance: sums of up to 2^31 rounded to f32, a root, a product.
const ROUNDING: f32 = 1e-5;
/// Rounding error of 1 - cos, which is a difference of f32 near 1.
const ANGLE_ROUNDING: f32 = 5e-7;

impl CodeErrorBound {
    /// The bound of [`CodedRows`](super::codes::CodedRows); `None` for forms that are not distances.
    pub(crate) fn new(points: &Dense, form: Form) -> Option<Self> {
        let angular = matches!(form, Form::Angular { .. });
        if !codes::suits(points, form) || !(angular || form == Form::L2) {
            return None;
        }
        let coding = Coding::choose(points, form);
        let unit = coding.unit();
        let error = |(values, codes): &mut (Vec<f32>, Vec<u8>), i: usize| {
            points.widen_row(i, values);
            let empty = coding.encode(values, codes);
            if angular && !empty { angle_error(coding, values, codes) } else { value_error(coding, values, codes) }
        };
        let scratch = || (vec![0.0; points.dim()], vec![0; stride(points.dim())]);
        let errors: Vec<f32> = parallel::map(points.n(), 64, scratch, error);
        let largest = errors.iter().fold(0.0f32, |m, e| m.max(*e));
        Some(Self { errors, largest, unit, angular })
    }

    /// A lower bound of the true reduced distance from `row` to any point at a coded reduced distance of at least
    /// `coded`.
    pub(crate) fn true_at_least(&self, row: u32, coded: f32) -> f32 {
        let far =
            if self.angular { (2.0 * (coded - ANGLE_ROUNDING).max(0.0)).sqrt() } else { coded.sqrt() * self.unit };
        // Rounding of the coded distance and of the errors themselves.
        let near = (far * (1.0 - ROUNDING) - self.errors[row as usize] - self.largest - ROUNDING * self.unit).max(0.0);
        if self.angular { near * near / 2.0 } else { near * near }
    }

    /// An upper bound of the true reduced distance from `row` to any point at a coded reduced distance of at most
    /// `coded`.
    pub(crate) fn true_at_most(&self, row: u32, coded: f32) -> f32 {
        let near = if self.angular { (2.0 * (coded + ANGLE_ROUNDING)).sqrt() } else { coded.sqrt() * self.unit };
        let far = near * (1.0 + ROUNDING) + self.errors[row as usize] + self.largest + ROUNDING * self.unit;
        if self.angular { far * far / 2.0 } else { far * far }
    }
}

/// |x - x'| where all rows share a scale; zero for zero vectors.
fn value_error(coding: Coding, values: &[f32], codes: &[u8]) -> f32 {
    let unit = coding.unit();
    let difference = |(v, c): (&f32, &u8)| (f64::from(*v) - f64::from((f32::from(*c) - coding.offset) * unit)).powi(2);
    match coding.scale {
        Scale::PerRow(_) => 0.0,
        Scale::Common(_) => (values.iter().zip(codes).map(difference).sum::<f64>().sqrt() * 1.0001) as f32,
    }
}

/// |x - x'| of the directions.
fn angle_error(coding: Coding, values: &[f32], codes: &[u8]) -> f32 {
    let code = |c: &u8| f64::from(*c) - f64::from(coding.zero);
    let length = |squares: f64| squares.sqrt().max(f64::MIN_POSITIVE);
    let of_values = length(values.iter().map(|v| f64::from(*v).powi(2)).sum());
    let of_codes = length(codes.iter().map(|c| code(c).powi(2)).sum());
    let difference = |(v, c): (&f32, &u8)| (f64::from(*v) / of_values - code(c) / of_codes).powi(2);
    (values.iter().zip(codes).map(difference).sum::<f64>().sqrt() * 1.0001) as f32
}
