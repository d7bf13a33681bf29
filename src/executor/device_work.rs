//! What a device does in the course of a build, collected as it goes on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
#[cfg(feature = "gpu")]
use std::time::Duration;

#[cfg(feature = "gpu")]
use crate::report::DevicePhase;
use crate::report::{DevicePhaseTime, KernelTime};

/// The work of a session's device; clones see what is added later. Empty on the CPU.
#[derive(Clone, Default)]
pub(crate) struct DeviceWork(Arc<Mutex<Collected>>);

#[derive(Default)]
struct Collected {
    kernels: Vec<KernelTime>,
    phases: Vec<DevicePhaseTime>,
}

impl DeviceWork {
    pub(crate) fn kernels(&self) -> Vec<KernelTime> {
        self.lock().kernels.clone()
    }

    pub(crate) fn phases(&self) -> Vec<DevicePhaseTime> {
        let mut phases = self.lock().phases.clone();
        phases.sort_unstable_by_key(|time| time.phase);
        phases
    }

    /// Adds what another device, or part of a build, did.
    pub(crate) fn add(&self, more: &Self) {
        more.kernels().iter().for_each(|time| self.add_kernel(time));
        more.phases().iter().for_each(|time| self.add_phase(time));
    }

    pub(crate) fn add_kernel(&self, more: &KernelTime) {
        let kernels = &mut self.lock().kernels;
        match kernels.iter_mut().find(|time| time.kernel == more.kernel) {
            Some(time) => {
                time.dispatches += more.dispatches;
                time.elapsed += more.elapsed;
                time.distances += more.distances;
                time.bytes += more.bytes;
            }
            None => kernels.push(*more),
        }
    }

    /// Does `work` on the CPU and adds the time that it took.
    #[cfg(feature = "gpu")]
    pub(crate) fn time<T>(&self, phase: DevicePhase, work: impl FnOnce() -> T) -> T {
        let start = std::time::Instant::now();
        let done = work();
        self.add_phase(&DevicePhaseTime { phase, elapsed: start.elapsed(), waited: Duration::ZERO, device: None });
        done
    }

    pub(crate) fn add_phase(&self, more: &DevicePhaseTime) {
        let phases = &mut self.lock().phases;
        match phases.iter_mut().find(|time| time.phase == more.phase) {
            Some(time) => {
                time.elapsed += more.elapsed;
                time.waited += more.waited;
                time.device = time.device.into_iter().chain(more.device).reduce(|a, b| a + b);
            }
            None => phases.push(*more),
        }
    }

    /// What the kernels of a phase took on the device so far.
    #[cfg(feature = "gpu")]
    pub(crate) fn on_device(&self, phase: DevicePhase) -> Option<Duration> {
        self.lock().phases.iter().find(|time| time.phase == phase).and_then(|time| time.device)
    }

    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
