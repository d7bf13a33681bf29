//! The CPU executor: pure per-row functions, mapped over rows with rayon.

pub(crate) mod byte_rows;
pub(crate) mod float_rows;
pub(crate) mod leaf_join;
pub(crate) mod local_join;
pub(crate) mod neighborhoods;
pub(crate) mod scratch;
pub(crate) mod space;
