//! Compiled kernels: kept by the device for the builds that follow and, where the backend has a cache of pipelines, on
//! disk for the processes that follow.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::device::{Device, Gpu, lock};
use super::source::Trust;
use crate::atomic_file;
use crate::error::GpuError;

/// A driver's cache of pipelines, read from a file if there is one that this adapter, driver and version wrote.
pub(super) struct DiskCache {
    cache: wgpu::PipelineCache,
    file: PathBuf,
    key: String,
    /// Checksum of what the file holds.
    saved: Mutex<Option<u128>>,
}

impl DiskCache {
    fn open(device: &Device, folder: &Path) -> Option<Self> {
        if !device.device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        let key = key_of(&device.info);
        let file = folder.join(format!("pipelines-{:016x}", xxh3_64(key.as_bytes())));
        let read = fs::read(&file).ok();
        let data = read.as_deref().and_then(|bytes| checked(bytes, &key));
        let descriptor = wgpu::PipelineCacheDescriptor { label: Some("pipelines"), data, fallback: true };
        // SAFETY: the data is what `get_data` returned on the same adapter with the same driver and version of this
        // crate: key and checksum say so, and the folder is the user's. wgpu and the driver check their own headers
        // once more, and begin with nothing where these differ.
        let cache = unsafe { device.device.create_pipeline_cache(&descriptor) };
        Some(Self { cache, file, key, saved: Mutex::new(data.map(xxh3_128)) })
    }

    /// Writes what was compiled since. What cannot be written is compiled again by the next process.
    fn save(&self) {
        let Some(data) = self.cache.get_data() else { return };
        let (checksum, mut saved) = (xxh3_128(&data), lock(&self.saved));
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
fn checked<'a>(bytes: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let (checksum, data) = bytes.strip_prefix(key.as_bytes())?.split_first_chunk::<16>()?;
    (xxh3_128(data).to_le_bytes() == *checksum).then_some(data)
}

/// Where pipelines are kept: `NNDESCENT_PIPELINE_CACHE`, or the user's folder of caches; nowhere if that is `off`.
fn folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
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

impl Gpu {
    /// The pipeline of one entry point of a text, compiled once.
    pub(super) fn pipeline(
        &self,
        label: &'static str,
        entry: &'static str,
        (text, trust): (String, Trust),
    ) -> Result<wgpu::ComputePipeline, GpuError> {
        let device = self.shared();
        #[cfg(test)]
        let text = self.fault.as_ref().map_or_else(|| text.clone(), |fault| fault.plant(&text));
        let key = (entry, text);
        if let Some(known) = device.pipelines.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(known.clone());
        }
        let pipeline = self.compile(label, entry, &key.1, trust)?;
        #[cfg(test)]
        lock(&device.compiled).push((label, trust));
        let mut pipelines = device.pipelines.write().unwrap_or_else(PoisonError::into_inner);
        pipelines.insert(key, pipeline.clone());
        Ok(pipeline)
    }

    /// Test and debug builds check trusted modules as well.
    fn compile(
        &self,
        label: &'static str,
        entry: &str,
        text: &str,
        trust: Trust,
    ) -> Result<wgpu::ComputePipeline, GpuError> {
        let descriptor =
            wgpu::ShaderModuleDescriptor { label: Some(label), source: wgpu::ShaderSource::Wgsl(text.into()) };
        let is_checked = trust == Trust::Checked || cfg!(test) || cfg!(debug_assertions);
        let cache = self.disk_cache().map(|disk| &disk.cache);
        self.checked(label, |device| {
            let module = if is_checked {
                device.create_shader_module(descriptor)
            } else {
                // SAFETY: the text is this crate's alone. Its indices come from the layout's sizes and from ids below
                // n, as the checked runs of the tests show; its loops are bounded by these sizes.
                unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
            };
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(label),
                layout: None,
                module: &module,
                entry_point: Some(entry),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                cache,
            })
        })
    }

    /// The cache on disk, unless it is switched off.
    fn disk_cache(&self) -> Option<&DiskCache> {
        if !self.keeps_pipelines {
            return None;
        }
        #[cfg(not(test))]
        let folder = folder(|name| std::env::var_os(name));
        #[cfg(test)]
        let folder = self.cache_folder.clone();
        let device = self.shared();
        device.disk_cache.get_or_init(|| folder.and_then(|folder| DiskCache::open(device, &folder))).as_ref()
    }

    /// Keeps what was compiled for the processes that follow.
    pub(super) fn keep_pipelines(&self) {
        if let Some(disk) = self.disk_cache() {
            disk.save();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::gpu::tests::own_gpu;

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

    const TEXT: &str = "@group(0) @binding(0) var<storage, read_write> out: array<u32>;\n@compute @workgroup_size(1)\nfn \
                        main() { out[0] = 7u; }\n";

    /// What one process kept is read by the next; a damaged file is not, and is replaced.
    #[test]
    fn pipelines_are_kept_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let process = |folder: Option<PathBuf>| {
            let mut gpu = own_gpu(|_| {})?;
            gpu.cache_folder = folder;
            gpu.pipeline("kept", "main", (TEXT.into(), Trust::Trusted)).unwrap();
            gpu.keep_pipelines();
            Some(gpu)
        };
        let was_read = |gpu: &Gpu| gpu.disk_cache().map(|disk| disk.key.clone());
        let Some(gpu) = process(Some(folder.path().join("caches"))) else { return };
        let Some(key) = was_read(&gpu) else {
            eprintln!("ignored: {} has no cache of pipelines", gpu.name());
            return;
        };
        let file = gpu.disk_cache().unwrap().file.clone();
        let whole = fs::read(&file).unwrap();
        assert!(checked(&whole, &key).is_some_and(|data| !data.is_empty()));
        let begins_with = |gpu: &Gpu| DiskCache::open(gpu.shared(), &folder.path().join("caches")).unwrap().saved;
        assert!(begins_with(&gpu).into_inner().unwrap().is_some());
        let mut damaged = whole.clone();
        *damaged.last_mut().unwrap() ^= 1;
        fs::write(&file, &damaged).unwrap();
        assert_eq!(begins_with(&gpu).into_inner().unwrap(), None);
        let again = process(Some(folder.path().join("caches"))).unwrap();
        assert!(checked(&fs::read(&file).unwrap(), &key).is_some(), "replaced");
        drop(again);
        assert!(process(None).unwrap().disk_cache().is_none());
        let mut off = own_gpu(|_| {}).unwrap();
        (off.keeps_pipelines, off.cache_folder) = (false, Some(folder.path().join("none")));
        off.pipeline("kept", "main", (TEXT.into(), Trust::Trusted)).unwrap();
        off.keep_pipelines();
        assert!(!folder.path().join("none").exists());
        // A folder that cannot be made.
        let blocked = folder.path().join("a file");
        fs::write(&blocked, "").unwrap();
        assert!(process(Some(blocked.join("caches"))).is_some());
    }
}
