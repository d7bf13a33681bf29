//! What a search traverses the graph by.

use crate::params::{ParseChoiceError, names};

/// What a search traverses the graph by. Results are always ranked by the points as they were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Quantization {
    /// u8 codes where they tell near points apart, else the values.
    #[default]
    Auto,
    /// The values.
    None,
    /// A copy in f16: half the memory traffic of f32. Values must not be beyond 65,504.
    F16,
    /// A copy as u8 codes: a quarter of the traffic, and integer arithmetic. For metrics made of dot products and rows
    /// of 48 to 32,768 columns.
    U8,
}

names!(Quantization, ParseChoiceError::Quantization, Auto => "auto", None => "none", F16 => "f16", U8 => "u8");
