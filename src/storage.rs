//! Arrays in memory or in a file, shared by their clones.

use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;

use bytemuck::Pod;
use memmap2::Mmap;

/// The bytes of a file: mapped, or read.
pub(crate) enum FileBytes {
    Mapped(Mmap),
    Read(Vec<Line>),
}

/// A cache line: what the sections of files are aligned to.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Line(pub [u8; 64]);

impl Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Read(lines) => bytemuck::cast_slice(lines),
        }
    }
}

/// A slice of values and its owner. Reading it costs the same as reading a `Vec`, and clones share the values.
pub(crate) struct Storage<T> {
    start: NonNull<T>,
    len: usize,
    owner: Owner<T>,
}

enum Owner<T> {
    Nothing,
    Memory(Arc<Vec<T>>),
    File(Arc<FileBytes>),
}

// SAFETY: the values are read through `&self` alone, by as many threads as there are clones, and written through `&mut
// self` only where no clone shares them.
unsafe impl<T: Send + Sync> Send for Storage<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Storage<T> {}

impl<T: Pod + Send + Sync> Storage<T> {
    /// `len` values at byte `at` of a file; none if they do not lie within it, or not at a multiple of their alignment.
    pub(crate) fn of_file(file: &Arc<FileBytes>, at: usize, len: usize) -> Option<Self> {
        let bytes = file.get(at..)?.get(..len.checked_mul(size_of::<T>())?)?;
        let values: &[T] = bytemuck::try_cast_slice(bytes).ok()?;
        Some(Self { start: NonNull::from(values).cast(), len, owner: Owner::File(Arc::clone(file)) })
    }

    /// Changes the values, which are copied first if they lie in a file or are shared.
    pub(crate) fn edit<R>(&mut self, change: impl FnOnce(&mut Vec<T>) -> R) -> R {
        let held = std::mem::replace(self, Self { start: NonNull::dangling(), len: 0, owner: Owner::Nothing });
        let mut values = match &held.owner {
            Owner::Memory(values) => Arc::clone(values),
            Owner::Nothing | Owner::File(_) => Arc::new(held.to_vec()),
        };
        drop(held);
        let result = change(Arc::make_mut(&mut values));
        *self =
            Self { start: NonNull::from(values.as_slice()).cast(), len: values.len(), owner: Owner::Memory(values) };
        result
    }

    /// Reads a value of every page, so that later reads find them in memory.
    pub(crate) fn prefault(&self) {
        use rayon::prelude::*;
        const PAGE: usize = 4096;
        let bytes: &[u8] = bytemuck::cast_slice(self);
        let sum: u64 =
            bytes.par_chunks(PAGE << 8).map(|part| part.iter().step_by(PAGE).map(|&b| u64::from(b)).sum::<u64>()).sum();
        std::hint::black_box(sum);
    }

    /// Whether the values lie in a mapped file.
    pub(crate) fn is_mapped(&self) -> bool {
        matches!(&self.owner, Owner::File(file) if matches!(**file, FileBytes::Mapped(_)))
    }
}

impl<T> From<Vec<T>> for Storage<T> {
    fn from(values: Vec<T>) -> Self {
        Self {
            start: NonNull::from(values.as_slice()).cast(),
            len: values.len(),
            owner: Owner::Memory(Arc::new(values)),
        }
    }
}

impl<T> Clone for Storage<T> {
    fn clone(&self) -> Self {
        let owner = match &self.owner {
            Owner::Nothing => Owner::Nothing,
            Owner::Memory(values) => Owner::Memory(Arc::clone(values)),
            Owner::File(file) => Owner::File(Arc::clone(file)),
        };
        Self { start: self.start, len: self.len, owner }
    }
}

impl<T> Deref for Storage<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: `start` and `len` are those of the owner's values, which neither move nor change while anything
        // shares them; of nothing, a dangling pointer of length 0.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_files_stay_within_them_and_can_be_changed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytemuck::cast_slice::<u32, u8>(&[1, 2, 3, 4])).unwrap();
        // SAFETY: the file is only written before this.
        let map = Arc::new(FileBytes::Mapped(unsafe { Mmap::map(file.as_file()) }.unwrap()));
        let mut values = Storage::<u32>::of_file(&map, 4, 3).unwrap();
        assert_eq!(&values[..], [2, 3, 4]);
        assert!(Storage::<u32>::of_file(&map, 4, 4).is_none(), "beyond the end");
        assert!(Storage::<u32>::of_file(&map, 2, 1).is_none(), "not aligned");
        assert!(Storage::<u32>::of_file(&map, 4, usize::MAX).is_none(), "beyond counting");
        assert!(values.is_mapped());
        values.edit(|values| values.push(5));
        assert_eq!((&values[..], values.is_mapped()), (&[2, 3, 4, 5][..], false));
    }

    #[test]
    fn clones_share_values_until_one_is_changed() {
        let mut values: Storage<u32> = vec![1, 2, 3].into();
        let clone = values.clone();
        assert_eq!(values.as_ptr(), clone.as_ptr());
        values.edit(|values| values[0] = 7);
        assert_eq!((&values[..], &clone[..]), (&[7, 2, 3][..], &[1, 2, 3][..]));
        let before = values.as_ptr();
        values.edit(|values| values[1] = 8);
        assert_eq!(values.as_ptr(), before, "nobody shares it: changed in place");
    }
}
