//! What brings rows to length 1, for angular metrics.

/// The mean of a row if `centered`, else 0, and the factor that brings the row less its mean to length 1; 0 for zero
/// vectors.
pub(crate) fn direction_scale(values: &[f32], centered: bool) -> (f64, f64) {
    let mean = if centered { mean(values) } else { 0.0 };
    let length = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>().sqrt();
    (mean, if length > 0.0 { 1.0 / length } else { 0.0 })
}

/// Of equal values, their value.
fn mean(values: &[f32]) -> f64 {
    if values.iter().all(|v| *v == values[0]) {
        return values[0].into();
    }
    values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64
}
