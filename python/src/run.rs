//! Work without the GIL: in a pool of threads, watched for Ctrl-C, with progress shown.

use std::any::Any;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use nndescent::Progress;
use nndescent::out_of_core::Step;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use rayon::ThreadPool;

use crate::errors::Raised;
use crate::pools::pool;

/// How often signals are looked at, and progress is shown.
const INTERVAL: Duration = Duration::from_millis(40);

/// How an operation runs.
#[derive(FromPyObject, Default)]
#[pyo3(from_item_all)]
pub struct Run {
    /// Threads, as joblib counts them.
    n_jobs: Option<i64>,
    /// Called with (phase, round, most rounds, share done) now and then.
    progress: Option<Py<PyAny>>,
}

/// Phase, round, most rounds, and share done.
type Told = (&'static str, usize, usize, f32);

/// What the waiting thread and the working ones tell each other.
#[derive(Default)]
pub struct Watch {
    is_cancelled: AtomicBool,
    latest: Mutex<Option<Told>>,
    is_done: Mutex<bool>,
    done: Condvar,
}

impl Watch {
    /// To be called as work goes on.
    pub fn note(&self, progress: &Progress) -> ControlFlow<()> {
        self.tell((progress.phase.name(), progress.round, progress.max_rounds, progress.fraction))
    }

    /// The same of a piece of a build beyond memory.
    pub fn note_share(&self, fraction: f32) -> ControlFlow<()> {
        self.tell(("piece", 0, 0, fraction))
    }

    /// The same of a whole one: its stage, parts that are done, and parts.
    pub fn note_step(&self, step: &Step) -> ControlFlow<()> {
        self.tell((step.stage.name(), step.part, step.parts, step.fraction))
    }

    fn tell(&self, told: Told) -> ControlFlow<()> {
        if let Ok(mut latest) = self.latest.try_lock() {
            *latest = Some(told);
        }
        if self.is_cancelled.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn finish(&self) {
        *self.is_done.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.done.notify_one();
    }

    /// Waits for the end of the work, at most an interval; whether it has ended.
    fn wait(&self) -> bool {
        let is_done = self.is_done.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.done.wait_timeout_while(is_done, INTERVAL, |is_done| !*is_done);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Raises what signal handlers raise (KeyboardInterrupt), and shows progress.
    fn look(&self, py: Python<'_>, show: Option<&Py<PyAny>>) -> PyResult<()> {
        py.check_signals()?;
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(show), Some(told)) = (show, latest) {
            show.call1(py, told)?;
        }
        Ok(())
    }
}

impl Run {
    /// `work` in the pool, without the GIL. A signal whose handler raises cancels it.
    pub fn watched<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&Watch) -> Result<T, Raised> + Send,
    ) -> PyResult<T> {
        self.watched_outside(py, |pool, watch| pool.install(|| work(watch)))
    }

    /// The same of work that enters the pool itself. Locks are taken before: a thread of the pool that waits for one
    /// would, while its own work waits, begin other work that wants the same lock.
    pub fn watched_outside<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&ThreadPool, &Watch) -> Result<T, Raised> + Send,
    ) -> PyResult<T> {
        check_not_in_pool()?;
        let pool = pool(py, self.n_jobs)?;
        let watch = Watch::default();
        let mut interrupted = None;
        let done = std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let done = catch_unwind(AssertUnwindSafe(|| work(&pool, &watch)));
                watch.finish();
                done
            });
            while !py.detach(|| watch.wait()) {
                if interrupted.is_none()
                    && let Err(error) = watch.look(py, self.progress.as_ref())
                {
                    watch.is_cancelled.store(true, Ordering::Relaxed);
                    interrupted = Some(error);
                }
            }
            py.detach(|| worker.join()).unwrap_or_else(Err)
        });
        match (interrupted, done) {
            (Some(error), _) => Err(error),
            (None, done) => finished(done),
        }
    }

    /// Short `work`, or work that cannot be ended, without the GIL. It enters the pool itself.
    pub fn unwatched<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&ThreadPool) -> Result<T, Raised> + Send,
    ) -> PyResult<T> {
        check_not_in_pool()?;
        let pool = pool(py, self.n_jobs)?;
        finished(py.detach(|| catch_unwind(AssertUnwindSafe(|| work(&pool)))))
    }
}

/// Short `work` in the pool of all cores, without the GIL.
pub fn in_pool<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T, Raised> + Send) -> PyResult<T> {
    Run::default().unwatched(py, |pool| pool.install(work))
}

/// `work` on this thread, without the GIL. It must not use rayon, whose global pool does not survive a fork.
pub fn alone<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T, Raised> + Send) -> PyResult<T> {
    check_not_in_pool()?;
    finished(py.detach(|| catch_unwind(AssertUnwindSafe(work))))
}

/// Refuses calls from functions that are metrics, which threads of a pool call: they would wait for themselves.
fn check_not_in_pool() -> PyResult<()> {
    match rayon::current_thread_index() {
        Some(_) => Err(PyRuntimeError::new_err("a function that is a metric cannot call nndescent_rs")),
        None => Ok(()),
    }
}

/// A panic is a defect of the crate. It is raised as an ordinary exception: the process, and the index, go on.
fn finished<T>(done: Result<Result<T, Raised>, Box<dyn Any + Send>>) -> PyResult<T> {
    match done {
        Ok(done) => Ok(done?),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(ToString::to_string);
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Err(PyRuntimeError::new_err(format!("nndescent failed, please report it: {text}")))
        }
    }
}
