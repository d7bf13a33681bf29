//! Rows brought to length 1, for angular metrics.

/// Brings a row to length 1, its mean subtracted first if `centered`. The last value is an extra column: a zero vector
/// becomes the unit vector of that column, so that it is at distance 0 from other zero vectors and 1 from the rest.
pub(crate) fn direction_of(row: &mut [f32], centered: bool) {
    let (extra, values) = row.split_last_mut().expect("an extra column");
    let scale = direction_scale(values, centered);
    *extra = f32::from(u8::from(scale == 0.0));
    values.iter_mut().for_each(|v| *v = (f64::from(*v) * scale) as f32);
}

/// Subtracts the mean if `centered`; the factor that brings the rest to length 1, or 0 for zero vectors.
pub(crate) fn direction_scale(values: &mut [f32], centered: bool) -> f64 {
    if centered {
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
        let constant = values.iter().all(|v| *v == values[0]);
        values.iter_mut().for_each(|v| *v = if constant { 0.0 } else { (f64::from(*v) - mean) as f32 });
    }
    let length = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    if length > 0.0 { 1.0 / length } else { 0.0 }
}
