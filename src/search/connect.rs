//! Every row reachable.

use super::Index;

impl Index {
    pub(super) fn connect(&mut self) {}
}
