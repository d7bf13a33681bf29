//! Working copies of dense rows.

pub(crate) mod byte_differences;
pub(crate) mod bytes;
pub(crate) mod floats;
