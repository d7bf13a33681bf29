//! Working copies of dense rows.

pub(crate) mod byte_differences;
pub(crate) mod code_error_bound;
mod code_tiles;
pub(crate) mod codes;
pub(crate) mod coding;
pub(crate) mod direction;
pub(crate) mod directions;
pub(crate) mod floats;
pub(crate) mod matrix;
pub(crate) mod origin;
pub(crate) mod planes;
pub(crate) mod row_bounds;
