//! The edges of the search graph: for every row, the rows to look at next.

use crate::storage::Storage;

/// Where the neighbours of a row lie.
#[derive(Debug, Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Span {
    start: u32,
    len: u32,
}

/// Rows of any number of ids, one after the other; rows that grow move to the end.
#[derive(Clone)]
pub(crate) struct Adjacency {
    pub spans: Storage<Span>,
    pub ids: Storage<u32>,
}

impl Adjacency {
    /// From lists of ids; none if there are more edges than 32 bits can count.
    pub(crate) fn of_lists<'a>(lists: impl Iterator<Item = &'a [u32]> + Clone) -> Option<Self> {
        u32::try_from(lists.clone().map(<[u32]>::len).sum::<usize>()).ok()?;
        let mut start = 0;
        let span = |list: &[u32]| {
            let span = Span { start, len: list.len() as u32 };
            start += span.len;
            span
        };
        let spans: Vec<Span> = lists.clone().map(span).collect();
        let ids: Vec<u32> = lists.flatten().copied().collect();
        Some(Self { spans: spans.into(), ids: ids.into() })
    }

    pub(crate) fn n(&self) -> usize {
        self.spans.len()
    }

    /// The rows to look at from `row`. A span out of range, as in a damaged file, is empty.
    #[inline(always)]
    pub(crate) fn neighbors(&self, row: u32) -> &[u32] {
        let Span { start, len } = self.spans[row as usize];
        self.ids.get(start as usize..).and_then(|rest| rest.get(..len as usize)).unwrap_or_default()
    }

    /// Makes `list` the neighbours of `row`; false if there is no room for more edges.
    pub(crate) fn set(&mut self, row: u32, list: &[u32]) -> bool {
        let span = self.spans[row as usize];
        let end = self.ids.len();
        if end + list.len() > u32::MAX as usize {
            return false;
        }
        let start = if list.len() <= span.len as usize { span.start as usize } else { end };
        self.ids.edit(|ids| {
            ids.resize(end.max(start + list.len()), 0);
            ids[start..start + list.len()].copy_from_slice(list);
        });
        self.spans.edit(|spans| spans[row as usize] = Span { start: start as u32, len: list.len() as u32 });
        true
    }

    /// Whether edges lie in a mapped file: in a changed index they do not.
    pub(crate) fn is_mapped(&self) -> bool {
        self.spans.is_mapped() || self.ids.is_mapped()
    }

    /// Adds rows without neighbours.
    pub(crate) fn grow(&mut self, rows: usize) {
        let n = self.n() + rows;
        self.spans.edit(|spans| spans.resize(n, Span::default()));
    }

    /// Says what is wrong where rows do not lie within the edges, or overlap, or lead to rows that do not exist: in a
    /// damaged file.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (n, ids) = (self.n(), self.ids.len());
        if self.edges() > ids {
            return Err(format!("rows of {} edges, of which there are {ids}", self.edges()));
        }
        let end = |span: &Span| span.start as usize + span.len as usize;
        if let Some(end) = self.spans.iter().map(end).max().filter(|&end| end > ids) {
            return Err(format!("a row's edges end at {end} of {ids}"));
        }
        match self.ids.iter().copied().max().filter(|&to| to as usize >= n) {
            Some(to) => Err(format!("an edge to row {to} of {n}")),
            None => Ok(()),
        }
    }

    /// Number of edges.
    pub(crate) fn edges(&self) -> usize {
        self.spans.iter().map(|span| span.len as usize).sum()
    }

    /// The same without the gaps that changed rows left.
    pub(crate) fn compacted(&self) -> Self {
        let lists = (0..self.n() as u32).map(|row| self.neighbors(row));
        Self::of_lists(lists).expect("no more edges than before")
    }
}
