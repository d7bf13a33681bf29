//! A device and its queue: every call in error scopes, a lost device noticed, work counted.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::layout::Allowed;
use super::matrices;
use super::stored::Stored;
use crate::error::GpuError;

/// An open device.
pub(super) struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    pub name: String,
    pub allowed: Allowed,
    /// Why the device was lost.
    lost: Arc<Mutex<Option<String>>>,
    /// Bytes of the build, for messages.
    pub bytes: AtomicU64,
    submissions: AtomicU64,
    read_bytes: AtomicU64,
    /// What self-tests of cooperative matrices said: their rows, or what is wrong with them.
    pub matrices: RefCell<HashMap<Stored, Result<u32, String>>>,
    /// By entry point and text: sessions after the first find theirs here.
    pipelines: RefCell<HashMap<(&'static str, String), wgpu::ComputePipeline>>,
    /// Bytes of a build at which memory runs out.
    #[cfg(test)]
    pub out_of_memory_at: u64,
    /// Labels of those.
    #[cfg(test)]
    compiled: RefCell<Vec<&'static str>>,
}

/// What the kernels need, whatever the sizes: WebGPU's defaults.
const LEAST: [(&str, u64); 4] = [
    ("max_compute_invocations_per_workgroup", 64),
    ("max_compute_workgroup_storage_size", 16_384),
    ("max_storage_buffers_per_shader_stage", 8),
    ("max_storage_buffer_binding_size", 1 << 27),
];

/// Features that serve where an adapter has them.
const USED: wgpu::Features = wgpu::Features::TIMESTAMP_QUERY.union(wgpu::Features::SHADER_F16);

impl Gpu {
    pub(super) fn open(adapter: &wgpu::Adapter) -> Result<Self, GpuError> {
        Self::open_for(adapter, Allowed::of(adapter))
    }

    /// With what is allowed of what the adapter has.
    pub(super) fn open_for(adapter: &wgpu::Adapter, mut allowed: Allowed) -> Result<Self, GpuError> {
        let info = adapter.get_info();
        let name = format!("{} ({}, {} {})", info.name, info.backend.to_str(), info.driver, info.driver_info);
        check_limits(&name, &adapter.limits())?;
        let opened = match request(adapter, matrices::features(allowed.matrices)) {
            Err(_) if allowed.matrices.is_ok() => {
                allowed.matrices = Err("the device does not open with them");
                request(adapter, wgpu::Features::empty())
            }
            opened => opened,
        };
        let (device, queue) =
            opened.map_err(|e| GpuError::NoDevice { adapter: name.clone(), reason: e.to_string() })?;
        let lost = Arc::new(Mutex::new(None));
        let told = Arc::clone(&lost);
        device.set_device_lost_callback(move |reason, message| {
            *told.lock().expect("no panic while held") = Some(format!("{reason:?} {message}").trim().to_owned());
        });
        Ok(Self {
            device,
            queue,
            name,
            allowed,
            lost,
            bytes: AtomicU64::new(0),
            submissions: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
            matrices: RefCell::default(),
            pipelines: RefCell::default(),
            #[cfg(test)]
            out_of_memory_at: u64::MAX,
            #[cfg(test)]
            compiled: RefCell::default(),
        })
    }

    /// Submissions and bytes read back so far.
    pub(super) fn traffic(&self) -> (u64, u64) {
        (self.submissions.load(Relaxed), self.read_bytes.load(Relaxed))
    }

    /// Ends the device, as a driver that crashes would.
    #[cfg(test)]
    pub(super) fn destroy(&self) {
        self.device.destroy();
    }

    /// The kernels compiled so far.
    #[cfg(test)]
    pub(super) fn compiled(&self) -> Vec<&'static str> {
        self.compiled.borrow().clone()
    }

    /// Timestamp queries and the nanoseconds of their tick, where the device has them.
    pub(super) fn queries(&self, count: u32) -> Result<Option<(wgpu::QuerySet, f32)>, GpuError> {
        if !self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Ok(None);
        }
        let descriptor = wgpu::QuerySetDescriptor { label: Some("times"), ty: wgpu::QueryType::Timestamp, count };
        let queries = self.checked("timestamps", |device| device.create_query_set(&descriptor))?;
        Ok(Some((queries, self.queue.get_timestamp_period())))
    }

    /// Runs `work`; whatever the device finds wrong with it is the error.
    pub(super) fn checked<T>(
        &self,
        during: &'static str,
        work: impl FnOnce(&wgpu::Device) -> T,
    ) -> Result<T, GpuError> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let result = work(&self.device);
        let errors = [validation.pop(), internal.pop()].map(pollster::block_on);
        let out_of_memory = pollster::block_on(memory.pop());
        if out_of_memory.is_some() || errors.iter().any(Option::is_some) {
            // A device that was lost shows first as invalid buffers; polling makes it say so.
            let _ = self.device.poll(wgpu::PollType::Poll);
        }
        self.still_there(during)?;
        if out_of_memory.is_some() {
            return Err(GpuError::OutOfMemory { during, bytes: self.bytes.load(Relaxed) });
        }
        match errors.into_iter().flatten().next() {
            Some(error) => Err(GpuError::Failed { during, reason: error.to_string() }),
            None => Ok(result),
        }
    }

    fn still_there(&self, during: &'static str) -> Result<(), GpuError> {
        match &*self.lost.lock().expect("no panic while held") {
            Some(reason) => Err(GpuError::Lost { during, reason: reason.clone() }),
            None => Ok(()),
        }
    }

    /// A buffer of `bytes` (rounded up to four), zeroed.
    pub(super) fn buffer(&self, label: &'static str, bytes: u64) -> Result<wgpu::Buffer, GpuError> {
        use wgpu::BufferUsages as Usage;
        #[cfg(test)]
        if self.bytes.load(Relaxed) >= self.out_of_memory_at {
            return Err(GpuError::OutOfMemory { during: label, bytes: self.bytes.load(Relaxed) });
        }
        self.checked(label, |device| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: bytes.next_multiple_of(4).max(16),
                usage: Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST | Usage::QUERY_RESOLVE,
                mapped_at_creation: false,
            })
        })
    }

    /// A uniform buffer that holds `contents`.
    pub(super) fn uniform(&self, contents: &[u8]) -> Result<wgpu::Buffer, GpuError> {
        let buffer = self.checked("parameters", |device| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("parameters"),
                size: contents.len() as u64,
                usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        })?;
        self.write(&buffer, 0, contents)?;
        Ok(buffer)
    }

    /// Copies to a buffer; what is submitted later sees it.
    pub(super) fn write(&self, buffer: &wgpu::Buffer, offset: u64, contents: &[u8]) -> Result<(), GpuError> {
        self.checked("upload", |_| self.queue.write_buffer(buffer, offset, contents))
    }

    /// The pipeline of one entry point of a text, compiled once.
    pub(super) fn pipeline(
        &self,
        label: &'static str,
        entry: &'static str,
        text: String,
    ) -> Result<wgpu::ComputePipeline, GpuError> {
        let key = (entry, text);
        if let Some(known) = self.pipelines.borrow().get(&key) {
            return Ok(known.clone());
        }
        let pipeline = self.compile(label, entry, &key.1)?;
        #[cfg(test)]
        self.compiled.borrow_mut().push(label);
        self.pipelines.borrow_mut().insert(key, pipeline.clone());
        Ok(pipeline)
    }

    /// Modules are trusted: bounds are the layout's, and tests run them checked.
    fn compile(&self, label: &'static str, entry: &str, text: &str) -> Result<wgpu::ComputePipeline, GpuError> {
        let descriptor =
            wgpu::ShaderModuleDescriptor { label: Some(label), source: wgpu::ShaderSource::Wgsl(text.into()) };
        self.checked(label, |device| {
            let module = if cfg!(test) || cfg!(debug_assertions) {
                device.create_shader_module(descriptor)
            } else {
                // SAFETY: indices come from the layout's sizes and from ids below n, as the checked runs of the tests show;
                // loops are bounded by these sizes.
                unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
            };
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(label),
                layout: None,
                module: &module,
                entry_point: Some(entry),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                cache: None,
            })
        })
    }

    /// Where commands are recorded.
    pub(super) fn encoder(&self, during: &'static str) -> Result<wgpu::CommandEncoder, GpuError> {
        self.checked(during, |device| {
            device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some(during) })
        })
    }

    /// Submits what was recorded and then a copy of `bytes` bytes at `offset` of `buffer`, waits, and hands them to `take`.
    pub(super) fn submit_and_read(
        &self,
        during: &'static str,
        mut encoder: wgpu::CommandEncoder,
        (buffer, offset, bytes): (&wgpu::Buffer, u64, u64),
        take: impl FnOnce(&[u8]),
    ) -> Result<(), GpuError> {
        self.submissions.fetch_add(1, Relaxed);
        self.read_bytes.fetch_add(bytes, Relaxed);
        let staging = self.checked(during, |device| {
            let staging = device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("read back"),
                size: bytes,
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            encoder.copy_buffer_to_buffer(buffer, offset, &staging, 0, bytes);
            self.queue.submit([encoder.finish()]);
            staging
        })?;
        self.map(during, &staging, bytes, take)
    }

    fn wait(&self, during: &'static str) -> Result<(), GpuError> {
        let polled = self.device.poll(wgpu::PollType::wait_indefinitely());
        self.still_there(during)?;
        polled.map(|_| ()).map_err(|e| GpuError::Failed { during, reason: e.to_string() })
    }

    /// The contents of a buffer, in pieces of at most 64 MiB, each handed to `take` with its offset.
    pub(super) fn read(
        &self,
        during: &'static str,
        buffer: &wgpu::Buffer,
        bytes: u64,
        mut take: impl FnMut(u64, &[u8]),
    ) -> Result<(), GpuError> {
        const PIECE: u64 = 64 << 20;
        for offset in (0..bytes).step_by(PIECE as usize) {
            let piece = (buffer, offset, PIECE.min(bytes - offset));
            self.submit_and_read(during, self.encoder(during)?, piece, |contents| take(offset, contents))?;
        }
        Ok(())
    }

    fn map(
        &self,
        during: &'static str,
        staging: &wgpu::Buffer,
        len: u64,
        take: impl FnOnce(&[u8]),
    ) -> Result<(), GpuError> {
        let failed = |reason: String| GpuError::Failed { during, reason };
        let (tell, told) = std::sync::mpsc::channel();
        self.checked(during, |_| {
            staging.map_async(wgpu::MapMode::Read, 0..len, move |result| {
                // The receiver is gone only after an error already reported.
                let _ = tell.send(result);
            });
        })?;
        self.wait(during)?;
        told.recv().map_err(|e| failed(e.to_string()))?.map_err(|e| failed(e.to_string()))?;
        take(&staging.get_mapped_range(0..len).map_err(|e| failed(e.to_string()))?);
        staging.unmap();
        Ok(())
    }
}

/// A device with all that the adapter allows, and these features beside those that always serve.
fn request(
    adapter: &wgpu::Adapter,
    features: wgpu::Features,
) -> Result<(wgpu::Device, wgpu::Queue), wgpu::RequestDeviceError> {
    let experimental_features = if features.is_empty() {
        wgpu::ExperimentalFeatures::disabled()
    } else {
        // SAFETY: there may be bugs behind this in wgpu. Only `block_products.wgsl` uses it, within arrays of a fixed size, and no
        // build does before a device has passed the self-test.
        unsafe { wgpu::ExperimentalFeatures::enabled() }
    };
    pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
        label: Some("nndescent"),
        required_limits: adapter.limits(),
        required_features: adapter.features() & USED | features,
        experimental_features,
        memory_hints: wgpu::MemoryHints::Performance,
        ..wgpu::DeviceDescriptor::default()
    }))
}

fn check_limits(adapter: &str, limits: &wgpu::Limits) -> Result<(), GpuError> {
    if limits.max_compute_invocations_per_workgroup == 0 {
        return Err(GpuError::NoDevice { adapter: adapter.into(), reason: "it runs no compute shaders".into() });
    }
    let values = [
        u64::from(limits.max_compute_invocations_per_workgroup),
        u64::from(limits.max_compute_workgroup_storage_size),
        u64::from(limits.max_storage_buffers_per_shader_stage),
        limits.max_storage_buffer_binding_size,
    ];
    match LEAST.into_iter().zip(values).find(|((_, least), value)| value < least) {
        Some(((limit, least), value)) => Err(GpuError::Limit { adapter: adapter.into(), limit, value, least }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_is_named() {
        let mut limits = wgpu::Limits::default();
        assert_eq!(check_limits("x", &limits), Ok(()));
        limits.max_compute_workgroup_storage_size = 8192;
        let message = check_limits("x", &limits).unwrap_err().to_string();
        assert_eq!(message, "x allows max_compute_workgroup_storage_size = 8192, at least 16384 is needed");
        // As of an adapter of OpenGL ES 3.0.
        limits.max_compute_invocations_per_workgroup = 0;
        let message = check_limits("x", &limits).unwrap_err().to_string();
        assert_eq!(message, "x opens no device: it runs no compute shaders");
    }
}
