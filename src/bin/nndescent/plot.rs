//! Pictures, as .svg.

use std::io::Write as _;
use std::path::Path;

use plotters::prelude::*;

use crate::failure::Failure;
use crate::output;

const SIZE: (u32, u32) = (800, 480);
const BARS: usize = 60;
const INK: RGBColor = RGBColor(31, 119, 180);

/// A histogram of values, with a line at `mark`.
pub fn histogram(path: &Path, values: &[f64], mark: f64, title: &str) -> Result<(), Failure> {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = finite().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    let width = if high > low { (high - low) / BARS as f64 } else { 1.0 };
    let mut counts = [0u32; BARS];
    finite().for_each(|value| counts[(((value - low) / width) as usize).min(BARS - 1)] += 1);
    let most = counts.iter().copied().max().unwrap_or(0);
    draw(path, |area| {
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 20))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(60)
            .build_cartesian_2d(low..low + width * BARS as f64, 0.0..f64::from(most.max(1)) * 1.05)?;
        chart.configure_mesh().disable_x_mesh().x_desc("score").y_desc("points").draw()?;
        let bar = |(at, &count): (usize, &u32)| {
            let from = low + at as f64 * width;
            Rectangle::new([(from, 0.0), (from + width, f64::from(count))], INK.filled())
        };
        chart.draw_series(counts.iter().enumerate().map(bar))?;
        let line = [(mark, 0.0), (mark, f64::from(most.max(1)) * 1.05)];
        chart.draw_series(LineSeries::new(line, RED.stroke_width(2)))?;
        Ok(())
    })
}

/// Values in descending order, by rank: k-distances, sizes of clusters, k-occurrences.
pub fn ranked(path: &Path, values: &[f64], title: &str, what: &str) -> Result<(), Failure> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let high = sorted.first().copied().unwrap_or(1.0);
    let low = sorted.last().copied().unwrap_or(0.0).min(0.0);
    draw(path, |area| {
        let top = if high > low { high } else { low + 1.0 };
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 20))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(60)
            .build_cartesian_2d(0.0..sorted.len().max(2) as f64 - 1.0, low..low + (top - low) * 1.05)?;
        chart.configure_mesh().x_desc("rank").y_desc(what).draw()?;
        // A thousand points draw the same curve as a million.
        let step = sorted.len().div_ceil(1000).max(1);
        let points = sorted.iter().enumerate().step_by(step).map(|(rank, &value)| (rank as f64, value));
        chart.draw_series(LineSeries::new(points, INK.stroke_width(2)))?;
        Ok(())
    })
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type DrawError = Box<dyn std::error::Error>;

/// Draws into memory, then writes the file.
fn draw(path: &Path, paint: impl Fn(&Area) -> Result<(), DrawError>) -> Result<(), Failure> {
    let wrong = |what: String| Failure::Output(format!("{}: {what}", path.display()));
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(|e| wrong(e.to_string()))?;
        paint(&area).map_err(|e| wrong(e.to_string()))?;
        area.present().map_err(|e| wrong(e.to_string()))?;
    }
    if output::is_stream(path) {
        return std::io::stdout().write_all(text.as_bytes()).map_err(|e| wrong(e.to_string()));
    }
    std::fs::write(path, text).map_err(|e| wrong(e.to_string()))
}
