//! A progress bar, on a terminal only.

use std::io::IsTerminal;
use std::ops::ControlFlow;

use indicatif::{ProgressBar, ProgressStyle};
use nndescent::Progress;
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

    pub fn done(&self) {
        self.0.finish_and_clear();
    }
}
