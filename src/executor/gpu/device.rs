//! An open device, and one session's use of it. Every call runs in error scopes, a lost device is noticed, and work is
//! counted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::disk_cache::DiskCache;
use super::encoding::Encoding;
use super::limits::DeviceLimits;
use super::matrices;
use super::pool::StagingPool;
#[cfg(test)]
use super::source::Trust;
use crate::error::GpuError;

/// An open device, which builds of a process share.
pub(super) struct Device {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub name: String,
    pub limits: DeviceLimits,
    /// Why the device was lost.
    lost: Arc<Mutex<Option<String>>>,
    /// Whether something failed inside the driver. The next build then opens another device.
    failed: AtomicBool,
    /// Results of the self-tests of cooperative matrices with so many rows.
    matrices: Mutex<HashMap<(Encoding, u32), Result<(), String>>>,
    /// By entry point and text, for the sessions that follow.
    pub(super) pipelines: RwLock<HashMap<(&'static str, String), wgpu::ComputePipeline>>,
    /// Opened by the first build that may use it; none where there is none.
    pub(super) disk_cache: OnceLock<Option<DiskCache>>,
    pub(super) uploads: StagingPool,
    pub(super) downloads: StagingPool,
    pub(super) info: wgpu::AdapterInfo,
    /// Labels of the kernels compiled so far, and whether their modules were trusted.
    #[cfg(test)]
    pub(super) compiled: Mutex<Vec<(&'static str, Trust)>>,
}

/// One session's use of a device.
pub(super) struct Gpu {
    device: Arc<Device>,
    /// What the session may use of what the device allows.
    pub limits: DeviceLimits,
    /// Bytes of the build, for messages.
    pub bytes: AtomicU64,
    /// Whether compiled pipelines are kept on disk.
    pub keeps_pipelines: bool,
    /// Where they are kept.
    #[cfg(test)]
    pub cache_folder: Option<std::path::PathBuf>,
    submissions: AtomicU64,
    read_bytes: AtomicU64,
    /// Nanoseconds that the host waited; the mean over its threads where all take part.
    waited: AtomicU64,
    /// How long a submission may take, at the least; without end in software, which does not hang.
    pub patience: Option<Duration>,
    /// Dispatches since the device was last waited for.
    in_flight: AtomicU32,
    /// Bytes of a build at which memory runs out.
    #[cfg(test)]
    pub out_of_memory_at: u64,
    /// What is to go wrong.
    #[cfg(test)]
    pub trouble: Option<super::tests::Trouble>,
    /// A fault to plant in the texts of kernels.
    #[cfg(test)]
    pub fault: Option<super::tests::Fault>,
}

/// A device that does not answer for so long hangs, unless it has many dispatches to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longer than a dispatch takes: drivers end those of two seconds, and they are sized to take a tenth of that.
const MOST_OF_A_DISPATCH: Duration = Duration::from_secs(2);

/// What the kernels need, whatever the sizes: WebGPU's defaults.
const LEAST: [(&str, u64); 4] = [
    ("max_compute_invocations_per_workgroup", 64),
    ("max_compute_workgroup_storage_size", 16_384),
    ("max_storage_buffers_per_shader_stage", 8),
    ("max_storage_buffer_binding_size", 1 << 27),
];

/// Locks, even after a panic: what the locks here guard is whole at any time.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Device {
    /// Opens a device for these limits; without cooperative matrices where it does not open with them.
    pub(super) fn open(adapter: &wgpu::Adapter, mut limits: DeviceLimits) -> Result<Self, GpuError> {
        let info = adapter.get_info();
        let name = format!("{} ({}, {} {})", info.name, info.backend.to_str(), info.driver, info.driver_info);
        check_limits(&name, &adapter.limits())?;
        let (used, by_matrices) = (limits.features(), limits.matrices.is_some_and(|matrices| matrices.is_ok()));
        let opened = match request(adapter, used, matrices::features(by_matrices)) {
            Err(_) if by_matrices => {
                limits.matrices = Some(Err("the device does not open with them"));
                request(adapter, used, wgpu::Features::empty())
            }
            opened => opened,
        };
        let (device, queue) =
            opened.map_err(|e| GpuError::NoDevice { adapter: name.clone(), reason: e.to_string() })?;
        let lost = Arc::new(Mutex::new(None));
        let told = Arc::clone(&lost);
        device.set_device_lost_callback(move |reason, message| {
            *lock(&told) = Some(format!("{reason:?} {message}").trim().to_owned());
        });
        Ok(Self {
            device,
            queue,
            name,
            limits,
            lost,
            failed: AtomicBool::new(false),
            matrices: Mutex::default(),
            pipelines: RwLock::default(),
            disk_cache: OnceLock::new(),
            uploads: StagingPool::for_writing(),
            downloads: StagingPool::for_reading(),
            info,
            #[cfg(test)]
            compiled: Mutex::default(),
        })
    }

    fn is_software(&self) -> bool {
        self.info.device_type == wgpu::DeviceType::Cpu
    }

    /// Whether another build may begin on it.
    pub(super) fn is_usable(&self) -> bool {
        // The loss of a device is reported when it is polled.
        let _ = self.device.poll(wgpu::PollType::Poll);
        !self.failed.load(Relaxed) && lock(&self.lost).is_none()
    }

    fn still_there(&self, during: &'static str) -> Result<(), GpuError> {
        match &*lock(&self.lost) {
            Some(reason) => Err(GpuError::Lost { during, reason: reason.clone() }),
            None => Ok(()),
        }
    }

    /// What a buffer that cannot be mapped means: the device was lost, or its driver failed.
    pub(super) fn unmapped_in(&self, during: &'static str, reason: impl ToString) -> GpuError {
        self.settle_briefly();
        self.still_there(during).err().unwrap_or_else(|| self.failed_in(during, reason))
    }

    /// Waits a moment for what is being done: the loss of a device is reported when it has nothing left to do.
    fn settle_briefly(&self) {
        let moment = Some(Duration::from_secs(1));
        let _ = self.device.poll(wgpu::PollType::Wait { submission_index: None, timeout: moment });
    }

    pub(super) fn failed_in(&self, during: &'static str, reason: impl ToString) -> GpuError {
        self.failed.store(true, Relaxed);
        GpuError::Failed { during, reason: reason.to_string() }
    }

    /// Waits for a submission and those before it, for at most `patience`.
    fn wait(
        &self,
        during: &'static str,
        submission: wgpu::SubmissionIndex,
        patience: Option<Duration>,
    ) -> Result<(), GpuError> {
        let submission_index = Some(submission);
        let polled = self.device.poll(wgpu::PollType::Wait { submission_index, timeout: patience });
        // A device that hangs, in tests: software may have answered already.
        #[cfg(test)]
        let polled = if patience == Some(Duration::ZERO) { Err(wgpu::PollError::Timeout) } else { polled };
        if let (Err(wgpu::PollError::Timeout), Some(patience)) = (&polled, patience) {
            // Closing a device waits for what it does, which may be for ever.
            std::mem::forget((self.device.clone(), self.queue.clone()));
            return Err(self.failed_in(during, format!("no answer for {} s", patience.as_secs_f32())));
        }
        if polled.is_err() {
            // A lost device does not know the submission. Waiting for all of them reports the loss.
            let _ = self.device.poll(wgpu::PollType::Wait { submission_index: None, timeout: patience });
        }
        self.still_there(during)?;
        polled.map(|_| ()).map_err(|e| self.failed_in(during, e))
    }
}

impl Gpu {
    pub(super) fn of(device: Arc<Device>) -> Self {
        Self {
            limits: device.limits,
            patience: (!device.is_software()).then_some(PATIENCE),
            in_flight: AtomicU32::new(0),
            device,
            bytes: AtomicU64::new(0),
            keeps_pipelines: true,
            #[cfg(test)]
            cache_folder: None,
            submissions: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            #[cfg(test)]
            out_of_memory_at: u64::MAX,
            #[cfg(test)]
            trouble: None,
            #[cfg(test)]
            fault: None,
        }
    }

    /// The same device and limits, for another session.
    pub(super) fn again(&self) -> Self {
        Self {
            limits: self.limits,
            patience: self.patience,
            keeps_pipelines: self.keeps_pipelines,
            #[cfg(test)]
            cache_folder: self.cache_folder.clone(),
            #[cfg(test)]
            out_of_memory_at: self.out_of_memory_at,
            #[cfg(test)]
            trouble: self.trouble.clone(),
            #[cfg(test)]
            fault: self.fault.clone(),
            ..Self::of(Arc::clone(&self.device))
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.device.name
    }

    pub(super) fn shared(&self) -> &Device {
        &self.device
    }

    /// Submissions that were waited for, and bytes read back so far.
    pub(super) fn traffic(&self) -> (u64, u64) {
        (self.submissions.load(Relaxed), self.read_bytes.load(Relaxed))
    }

    pub(super) fn count_read(&self, bytes: u64) {
        self.submissions.fetch_add(1, Relaxed);
        self.read_bytes.fetch_add(bytes, Relaxed);
    }

    /// How long the host has waited so far.
    pub(super) fn waited(&self) -> Duration {
        Duration::from_nanos(self.waited.load(Relaxed))
    }

    /// Counts a dispatch, for which is waited longer.
    pub(super) fn count_dispatch(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    /// Forgets dispatches that were waited for.
    pub(super) fn forget_dispatches(&self) {
        self.in_flight.store(0, Relaxed);
    }

    /// Waits for a submission and those before it, as one of `threads` threads that do.
    pub(super) fn wait(
        &self,
        during: &'static str,
        submission: wgpu::SubmissionIndex,
        threads: usize,
    ) -> Result<(), GpuError> {
        let start = Instant::now();
        let in_flight = self.in_flight.load(Relaxed);
        let patience = self.patience.map(|least| least.max(MOST_OF_A_DISPATCH * in_flight));
        let done = self.device.wait(during, submission, patience);
        self.add_waited(start, threads);
        done
    }

    /// The result of the self-test of cooperative matrices, which runs once for each encoding and size.
    pub(super) fn matrices_tested(
        &self,
        encoding: Encoding,
        side: u32,
        test: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), String> {
        if let Some(known) = lock(&self.device.matrices).get(&(encoding, side)) {
            return known.clone();
        }
        let found = test();
        lock(&self.device.matrices).insert((encoding, side), found.clone());
        found
    }

    /// Ends the device, as a driver that crashes would.
    #[cfg(test)]
    pub(super) fn destroy(&self) {
        self.device.device.destroy();
    }

    /// The kernels compiled so far, and whether they were trusted.
    #[cfg(test)]
    pub(super) fn compiled(&self) -> Vec<(&'static str, Trust)> {
        lock(&self.device.compiled).clone()
    }

    /// Timestamp queries and the nanoseconds of their tick, where the device has them.
    pub(super) fn queries(&self, count: u32) -> Result<Option<(wgpu::QuerySet, f32)>, GpuError> {
        if !self.device.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Ok(None);
        }
        let descriptor = wgpu::QuerySetDescriptor { label: Some("times"), ty: wgpu::QueryType::Timestamp, count };
        let queries = self.checked("timestamps", |device| device.create_query_set(&descriptor))?;
        Ok(Some((queries, self.device.queue.get_timestamp_period())))
    }

    /// Runs `work`, and returns what the device reports as an error. Error scopes are thread-local, so builds do not
    /// see each other's errors.
    pub(super) fn checked<T>(
        &self,
        during: &'static str,
        work: impl FnOnce(&wgpu::Device) -> T,
    ) -> Result<T, GpuError> {
        #[cfg(test)]
        if let Some(trouble) = &self.trouble {
            trouble.meets(self, during)?;
        }
        let device = &self.device.device;
        let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let internal = device.push_error_scope(wgpu::ErrorFilter::Internal);
        let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let result = work(device);
        let validation = pollster::block_on(validation.pop());
        let internal = pollster::block_on(internal.pop());
        let out_of_memory = pollster::block_on(memory.pop());
        if out_of_memory.is_some() || internal.is_some() || validation.is_some() {
            // A lost device first shows as invalid buffers.
            self.device.settle_briefly();
        }
        self.device.still_there(during)?;
        if out_of_memory.is_some() {
            return Err(GpuError::OutOfMemory { during, bytes: self.bytes.load(Relaxed) });
        }
        if let Some(error) = validation {
            return Err(GpuError::Failed { during, reason: error.to_string() });
        }
        match internal {
            Some(error) => Err(self.device.failed_in(during, error)),
            None => Ok(result),
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
        self.checked("parameters", |device| {
            let buffer = device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("parameters"),
                size: contents.len() as u64,
                usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            self.device.queue.write_buffer(&buffer, 0, contents);
            buffer
        })
    }

    /// A recorder of commands.
    pub(super) fn encoder(&self, during: &'static str) -> Result<wgpu::CommandEncoder, GpuError> {
        self.checked(during, |device| {
            device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some(during) })
        })
    }

    /// Submits what was recorded, without waiting for it, as one of `threads` threads that do. Software may do the work
    /// at once, which is waiting.
    pub(super) fn submit(
        &self,
        during: &'static str,
        encoder: wgpu::CommandEncoder,
        threads: usize,
    ) -> Result<wgpu::SubmissionIndex, GpuError> {
        let start = Instant::now();
        let submitted = self.checked(during, |_| self.device.queue.submit([encoder.finish()]));
        if self.device.is_software() {
            self.add_waited(start, threads);
        }
        submitted
    }

    fn add_waited(&self, start: Instant, threads: usize) {
        self.waited.fetch_add(start.elapsed().as_nanos() as u64 / threads.max(1) as u64, Relaxed);
    }
}

/// A device with the adapter's limits, with the features `used`, and with experimental ones.
fn request(
    adapter: &wgpu::Adapter,
    used: wgpu::Features,
    experimental: wgpu::Features,
) -> Result<(wgpu::Device, wgpu::Queue), wgpu::RequestDeviceError> {
    let experimental_features = if experimental.is_empty() {
        wgpu::ExperimentalFeatures::disabled()
    } else {
        // SAFETY: wgpu warns of bugs behind these features. Only `block_products.wgsl` uses it, within arrays of a
        // fixed size, and no build does before a device has passed the self-test.
        unsafe { wgpu::ExperimentalFeatures::enabled() }
    };
    pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
        label: Some("nndescent"),
        required_limits: adapter.limits(),
        required_features: used | experimental | adapter.features() & wgpu::Features::PIPELINE_CACHE,
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
        // As reported by OpenGL ES 3.0.
        limits.max_compute_invocations_per_workgroup = 0;
        let message = check_limits("x", &limits).unwrap_err().to_string();
        assert_eq!(message, "x opens no device: it runs no compute shaders");
    }
}
