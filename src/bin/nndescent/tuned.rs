//! What tuning came to.

use nndescent::index::Tuning;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::graph::recall_json;

/// A recall that was asked for, and what tuning reached.
#[derive(Clone, Copy)]
pub struct Tuned {
    pub target: f32,
    pub k: usize,
    pub tuning: Tuning,
}

impl Tuned {
    pub fn json(&self) -> Value {
        json!({
            "target": self.target,
            "reached": self.tuning.reached,
            "k": self.k,
            "epsilon": self.tuning.epsilon,
            "quantized": self.tuning.quantized,
            "recall": recall_json(self.tuning.recall),
        })
    }

    /// A line for people.
    pub fn line(&self) -> String {
        let (recall, epsilon) = (&self.tuning.recall, self.tuning.epsilon);
        format!(
            "tuned to recall@{} {:.4} [{:.4}, {:.4}] of {} points, target {}: epsilon {epsilon}",
            self.k, recall.estimate, recall.low, recall.high, recall.sample, self.target
        )
    }

    /// Fails if the target was not reached.
    pub fn check(&self) -> Result<(), Failure> {
        if self.tuning.reached { Ok(()) } else { Err(Failure::Missed(format!("not reached: {}", self.line()))) }
    }
}
