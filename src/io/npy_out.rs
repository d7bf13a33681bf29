//! Arrays written as numpy reads them.

use std::io::{Seek, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::error::IoError;
use crate::atomic_file;

/// A type of values, by numpy's name for it.
pub trait NpyElement: bytemuck::Pod {
    /// `descr` of numpy's header, in little-endian order.
    const DESCR: &'static str;
}

macro_rules! npy_elements {
    ($($type:ty: $descr:literal),*) => {
        $(impl NpyElement for $type {
            const DESCR: &'static str = $descr;
        })*
    };
}

npy_elements!(u8: "|u1", u32: "<u4", i32: "<i4", i64: "<i8", f32: "<f4", f64: "<f8");

/// Writes a .npy of version 1, its header padded to 64 bytes as numpy does.
pub(super) fn write_array<T: NpyElement>(out: &mut impl Write, shape: &[usize], values: &[T]) -> std::io::Result<()> {
    write_array_header::<T>(out, shape)?;
    write_elements(out, values)
}

fn write_array_header<T: NpyElement>(out: &mut impl Write, shape: &[usize]) -> std::io::Result<()> {
    let mut sizes: String = shape.iter().map(|size| format!("{size}, ")).collect();
    if shape.len() > 1 {
        sizes.truncate(sizes.len() - 2);
    } else {
        sizes.truncate(sizes.len().saturating_sub(1));
    }
    write_header(out, T::DESCR, &sizes)
}

/// Values in the order of bytes of a .npy.
fn write_elements<T: NpyElement>(out: &mut impl Write, values: &[T]) -> std::io::Result<()> {
    if cfg!(target_endian = "big") {
        return values.iter().try_for_each(|v| {
            let mut bytes = bytemuck::bytes_of(v).to_vec();
            bytes.reverse();
            out.write_all(&bytes)
        });
    }
    out.write_all(bytemuck::cast_slice(values))
}

/// A header; `sizes` are what numpy writes between the parentheses of a shape.
fn write_header(out: &mut impl Write, descr: &str, sizes: &str) -> std::io::Result<()> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&(header.len() as u16).to_le_bytes())?;
    out.write_all(header.as_bytes())
}

/// An .npz under construction, without compression.
pub(super) struct NpzWriter<W: Write + Seek> {
    zip: ZipWriter<W>,
}

impl<W: Write + Seek> NpzWriter<W> {
    pub(super) fn new(out: W) -> Self {
        Self { zip: ZipWriter::new(out) }
    }

    /// Adds an array.
    pub(super) fn add<T: NpyElement>(&mut self, name: &str, shape: &[usize], values: &[T]) -> std::io::Result<()> {
        self.start(name, std::mem::size_of_val(values))?;
        write_array(&mut self.zip, shape, values)
    }

    /// Adds an array whose values are given piece by piece: `pieces` passes each to the function that it is given.
    pub(super) fn add_pieces<T: NpyElement>(
        &mut self,
        name: &str,
        shape: &[usize],
        pieces: impl FnOnce(&mut dyn FnMut(&[T]) -> std::io::Result<()>) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        self.start(name, shape.iter().product::<usize>() * size_of::<T>())?;
        write_array_header::<T>(&mut self.zip, shape)?;
        pieces(&mut |values| write_elements(&mut self.zip, values))
    }

    /// Adds a string of bytes, as numpy stores it: an array without dimensions.
    pub(super) fn add_text(&mut self, name: &str, text: &str) -> std::io::Result<()> {
        self.start(name, text.len())?;
        write_header(&mut self.zip, &format!("|S{}", text.len()), "")?;
        self.zip.write_all(text.as_bytes())
    }

    fn start(&mut self, name: &str, bytes: usize) -> std::io::Result<()> {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        Ok(self.zip.start_file(format!("{name}.npy"), options.large_file(bytes > 1 << 30))?)
    }

    pub(super) fn finish(self) -> std::io::Result<()> {
        self.zip.finish()?.flush()
    }
}

/// Writes values as a `.npy` of one dimension: scores, labels. The file is complete or what it was before.
///
/// # Errors
/// [`IoError::Os`].
pub fn write_values<T: NpyElement>(path: impl AsRef<Path>, values: &[T]) -> Result<(), IoError> {
    let path = path.as_ref();
    atomic_file::replace(path, |out| write_array(out, &[values.len()], values))
        .map_err(|source| IoError::Os { path: path.into(), source })
}

/// Writes what [`write_values`] writes to a stream.
///
/// # Errors
/// The stream's.
pub fn write_values_to<T: NpyElement>(mut out: impl Write, values: &[T]) -> std::io::Result<()> {
    write_array(&mut out, &[values.len()], values)?;
    out.flush()
}
