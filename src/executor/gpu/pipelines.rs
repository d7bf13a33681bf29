//! Compiled kernels: kept by the device for the builds that follow and, where the backend has a cache of pipelines, on
//! disk for the processes that follow.

use std::sync::PoisonError;

use super::device::Gpu;
#[cfg(test)]
use super::device::lock;
use super::disk_cache::DiskCache;
use super::source::Trust;
use crate::error::GpuError;

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
        let folder = super::disk_cache::folder(|name| std::env::var_os(name));
        #[cfg(test)]
        let folder = self.cache_folder.clone();
        let device = self.shared();
        device
            .disk_cache
            .get_or_init(|| folder.and_then(|folder| DiskCache::open(&device.device, &device.info, &folder)))
            .as_ref()
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
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::executor::gpu::disk_cache::checked;
    use crate::executor::gpu::tests::own_gpu;

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
        let begins_with = |gpu: &Gpu| {
            let device = gpu.shared();
            DiskCache::open(&device.device, &device.info, &folder.path().join("caches")).unwrap().saved
        };
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
