//! Which points may be found, as users say it: by ids.

use std::fmt;
use std::sync::Arc;

/// Which points may be found.
#[derive(Clone)]
pub(super) enum Filter<'a> {
    /// An entry for every id.
    Mask(&'a [bool]),
    Closure(Arc<dyn Fn(u32) -> bool + Send + Sync + 'a>),
    /// A label for every id, and one for every query.
    Labels {
        labels: &'a [u32],
        wanted: &'a [u32],
    },
}

impl fmt::Debug for Filter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mask(mask) => write!(f, "a mask of {} entries", mask.len()),
            Self::Closure(_) => f.write_str("a closure"),
            Self::Labels { labels, wanted } => write!(f, "{} labels for {} queries", labels.len(), wanted.len()),
        }
    }
}
