//! A progress bar, on a terminal only.

use std::io::IsTerminal;
use std::ops::ControlFlow;

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use nndescent::Progress;
use nndescent::out_of_core::Step;
use nndescent::report::Phase;

/// A bar on stderr, hidden unless that is a terminal.
pub struct Bar(ProgressBar);

impl Bar {
    pub fn new(wanted: bool) -> Self {
        if !(wanted && std::io::stderr().is_terminal()) {
            return Self(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template("{msg:24} [{bar:40}] {elapsed}");
        Self(ProgressBar::new(1000).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }

    pub fn show(&self, progress: &Progress) -> ControlFlow<()> {
        let name = progress.phase.name();
        let round = format!("{name} {} of at most {}", progress.round, progress.max_rounds);
        self.0.set_message(if progress.phase == Phase::Descent { round } else { name.into() });
        self.0.set_position((progress.fraction * 1000.0) as u64);
        ControlFlow::Continue(())
    }

    /// How far a build in parts is, and the time left.
    pub fn show_step(&self, step: &Step) {
        let of = if step.parts > 1 {
            format!(" {} of {}", (step.part + 1).min(step.parts), step.parts)
        } else {
            String::new()
        };
        let left = step.remaining.map(|left| format!(", {} left", HumanDuration(left))).unwrap_or_default();
        self.0.set_message(format!("{}{of}{left}", step.stage));
        self.0.set_position((step.fraction * 1000.0) as u64);
    }

    /// The share of a piece of work that is done.
    pub fn show_share(&self, name: &str, fraction: f32) {
        self.0.set_message(name.to_string());
        self.0.set_position((fraction * 1000.0) as u64);
    }

    /// Says something while the bar is shown.
    pub fn aside(&self, say: impl FnOnce()) {
        self.0.suspend(say);
    }

    pub fn done(&self) {
        self.0.finish_and_clear();
    }
}
