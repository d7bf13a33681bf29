//! Arrays that are either owned or lie in a mapped file.

use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;

use bytemuck::Pod;
use memmap2::Mmap;

/// A slice of values together with what keeps it alive: reading costs what reading a `Vec` costs.
pub(crate) struct Storage<T> {
    start: NonNull<T>,
    len: usize,
    owner: Owner<T>,
}

enum Owner<T> {
    Memory(Vec<T>),
    File(#[expect(dead_code, reason = "keeps the mapping alive")] Arc<Mmap>),
}

// SAFETY: a section is read through `&self` alone, and written through `&mut self` only where it owns its memory.
unsafe impl<T: Send> Send for Storage<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Storage<T> {}

impl<T: Pod> Storage<T> {
    /// `len` values at byte `at` of a mapped file; none if they do not lie within it, or not at a multiple of their alignment.
    pub(crate) fn mapped(map: &Arc<Mmap>, at: usize, len: usize) -> Option<Self> {
        let bytes = map.get(at..)?.get(..len.checked_mul(size_of::<T>())?)?;
        let values: &[T] = bytemuck::try_cast_slice(bytes).ok()?;
        Some(Self { start: NonNull::from(values).cast(), len, owner: Owner::File(Arc::clone(map)) })
    }

    /// Runs `change` on the values, copied into memory first where they lie in a file.
    pub(crate) fn edit<R>(&mut self, change: impl FnOnce(&mut Vec<T>) -> R) -> R {
        let held = std::mem::replace(self, Vec::new().into());
        let mut values = match held.owner {
            Owner::Memory(values) => values,
            Owner::File(_) => held.to_vec(),
        };
        let result = change(&mut values);
        *self = values.into();
        result
    }

    /// Reads a value of every page, so that later reads find them in memory.
    pub(crate) fn warm(&self) {
        use rayon::prelude::*;
        const PAGE: usize = 4096;
        let bytes: &[u8] = bytemuck::cast_slice(self);
        let sum: u64 =
            bytes.par_chunks(PAGE << 8).map(|part| part.iter().step_by(PAGE).map(|&b| u64::from(b)).sum::<u64>()).sum();
        std::hint::black_box(sum);
    }

    /// Whether the values lie in a file.
    pub(crate) fn is_mapped(&self) -> bool {
        matches!(self.owner, Owner::File(_))
    }
}

impl<T> From<Vec<T>> for Storage<T> {
    fn from(values: Vec<T>) -> Self {
        Self { start: NonNull::from(values.as_slice()).cast(), len: values.len(), owner: Owner::Memory(values) }
    }
}

impl<T> Deref for Storage<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: `start` and `len` are those of the owner's values, which neither move nor change while it is borrowed.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_of_files_stay_within_them_and_can_be_changed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytemuck::cast_slice::<u32, u8>(&[1, 2, 3, 4])).unwrap();
        // SAFETY: nobody else has the file.
        let map = Arc::new(unsafe { Mmap::map(file.as_file()) }.unwrap());
        let mut section = Storage::<u32>::mapped(&map, 4, 3).unwrap();
        assert_eq!(&section[..], [2, 3, 4]);
        assert!(Storage::<u32>::mapped(&map, 4, 4).is_none(), "beyond the end");
        assert!(Storage::<u32>::mapped(&map, 2, 1).is_none(), "not aligned");
        assert!(Storage::<u32>::mapped(&map, 4, usize::MAX).is_none(), "beyond counting");
        assert!(section.is_mapped());
        section.edit(|values| values.push(5));
        assert_eq!((&section[..], section.is_mapped()), (&[2, 3, 4, 5][..], false));
    }
}
