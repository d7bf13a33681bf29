//! A driver's cache of compiled pipelines, kept in a file between processes.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::atomic_file;

/// A driver's cache of pipelines, read from a file if there is one that this adapter, driver and version wrote.
pub(super) struct DiskCache {
    pub(super) cache: wgpu::PipelineCache,
    pub(super) file: PathBuf,
    pub(super) key: String,
    /// Checksum of what the file holds.
    pub(super) saved: Mutex<Option<u128>>,
}

impl DiskCache {
    pub(super) fn open(device: &wgpu::Device, info: &wgpu::AdapterInfo, folder: &Path) -> Option<Self> {
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        let key = key_of(info);
        let file = folder.join(format!("pipelines-{:016x}", xxh3_64(key.as_bytes())));
        let read = fs::read(&file).ok();
        let data = read.as_deref().and_then(|bytes| checked(bytes, &key));
        let descriptor = wgpu::PipelineCacheDescriptor { label: Some("pipelines"), data, fallback: true };
        // SAFETY: the data is what `get_data` returned on the same adapter with the same driver and version of this
        // crate: key and checksum say so, and the folder is the user's. wgpu and the driver check their own headers
        // once more, and begin with nothing where these differ.
        let cache = unsafe { device.create_pipeline_cache(&descriptor) };
        Some(Self { cache, file, key, saved: Mutex::new(data.map(xxh3_128)) })
    }

    /// Writes what was compiled since. What cannot be written is compiled again by the next process.
    pub(super) fn save(&self) {
        let Some(data) = self.cache.get_data() else { return };
        let (checksum, mut saved) = (xxh3_128(&data), self.saved.lock().unwrap_or_else(PoisonError::into_inner));
        if *saved == Some(checksum) {
            return;
        }
        let write = |file: &mut dyn Write| {
            file.write_all(self.key.as_bytes())?;
            file.write_all(&checksum.to_le_bytes())?;
            file.write_all(&data)
        };
        let folder = self.file.parent().map_or(Ok(()), fs::create_dir_all);
        match folder.and_then(|()| atomic_file::replace(&self.file, |file| write(file))) {
            Ok(()) => *saved = Some(checksum),
            Err(error) => tracing::debug!(%error, "pipelines are not kept"),
        }
    }
}

/// What a file of pipelines begins with: whatever they depend on.
fn key_of(info: &wgpu::AdapterInfo) -> String {
    let wgpu::AdapterInfo { name, vendor, device, backend, driver, driver_info, .. } = info;
    let version = env!("CARGO_PKG_VERSION");
    format!("nndescent {version} pipelines\n{name}\n{vendor} {device} {backend:?}\n{driver}\n{driver_info}\n")
}

/// The pipelines in a file, if they have this key and are whole.
pub(super) fn checked<'a>(bytes: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let (checksum, data) = bytes.strip_prefix(key.as_bytes())?.split_first_chunk::<16>()?;
    (xxh3_128(data).to_le_bytes() == *checksum).then_some(data)
}

/// Where pipelines are kept: `NNDESCENT_PIPELINE_CACHE`, or the user's folder of caches; nowhere if that is `off`.
pub(super) fn folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let named = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    match named("NNDESCENT_PIPELINE_CACHE") {
        Some(off) if off.as_os_str() == "off" => None,
        Some(folder) => Some(folder),
        None => {
            let caches = named(if cfg!(windows) { "LOCALAPPDATA" } else { "XDG_CACHE_HOME" });
            let caches = caches.or_else(|| named("HOME").map(|home| home.join(".cache")));
            caches.map(|caches| caches.join("nndescent"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_files_of_the_same_driver_are_read() {
        let key = "nndescent 1 pipelines\na GPU\n";
        let data = b"compiled";
        let file = [key.as_bytes(), &xxh3_128(data).to_le_bytes(), data].concat();
        assert_eq!(checked(&file, key), Some(&data[..]));
        assert_eq!(checked(&file, "nndescent 2 pipelines\na GPU\n"), None);
        assert_eq!(checked(&file, "nndescent 1 pipelines\nanother GPU\n"), None);
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            assert_eq!(checked(&damaged, key), None, "byte {at}");
            assert_eq!(checked(&file[..at], key), None, "{at} bytes");
        }
        assert_eq!(checked(&[&file[..], b"more"].concat(), key), None);
    }

    #[test]
    fn the_folder_is_the_users() {
        let of = |set: &[(&str, &str)]| {
            folder(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value)))
        };
        let caches = if cfg!(windows) { "LOCALAPPDATA" } else { "XDG_CACHE_HOME" };
        assert_eq!(of(&[("NNDESCENT_PIPELINE_CACHE", "off"), ("HOME", "h")]), None);
        assert_eq!(of(&[("NNDESCENT_PIPELINE_CACHE", "mine"), ("HOME", "h")]), Some("mine".into()));
        assert_eq!(of(&[(caches, "c"), ("HOME", "h")]), Some(PathBuf::from("c").join("nndescent")));
        assert_eq!(of(&[(caches, ""), ("HOME", "h")]), Some(PathBuf::from("h").join(".cache").join("nndescent")));
        assert_eq!(of(&[]), None);
    }
}
