//! Pools of threads, kept by process: a forked process has none of its parent's threads.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

struct Kept {
    process: u32,
    threads: usize,
    pool: Arc<ThreadPool>,
}

/// Pools of different sizes that are kept.
const MOST: usize = 4;

/// Looked at with the GIL only, so that no other thread holds the lock while the process is forked.
static POOLS: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

/// Whether this process was forked from one that had the module imported. Drivers of GPUs do not survive that.
pub fn is_forked() -> bool {
    static IMPORTED_BY: OnceLock<u32> = OnceLock::new();
    *IMPORTED_BY.get_or_init(std::process::id) != std::process::id()
}

/// Threads that `n_jobs` asks for, as joblib counts: none or -1 for all cores, -2 for all but one.
fn threads(n_jobs: Option<i64>) -> PyResult<usize> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match n_jobs {
        None => Ok(cores),
        Some(0) => Err(PyValueError::new_err("n_jobs = 0: it must be None, at least 1, or negative (-1: all cores)")),
        Some(jobs) if jobs < 0 => Ok((cores as i64 + 1).saturating_add(jobs).max(1) as usize),
        Some(jobs) if jobs > 1024 => {
            Err(PyValueError::new_err(format!("n_jobs = {jobs}: at most 1024 threads are possible")))
        }
        Some(jobs) => Ok(jobs as usize),
    }
}

/// The pool of this process for `n_jobs`.
pub fn pool(_py: Python<'_>, n_jobs: Option<i64>) -> PyResult<Arc<ThreadPool>> {
    let threads = threads(n_jobs)?;
    let process = std::process::id();
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    if pools.iter().any(|kept| kept.process != process) {
        // Their threads do not exist here: nothing may wait for them.
        pools.drain(..).for_each(std::mem::forget);
    }
    if let Some(kept) = pools.iter().find(|kept| kept.threads == threads) {
        return Ok(Arc::clone(&kept.pool));
    }
    let built = ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("nndescent-{i}")).build();
    let pool = Arc::new(built.map_err(|e| PyRuntimeError::new_err(format!("{threads} threads: {e}")))?);
    if pools.len() == MOST {
        pools.remove(0);
    }
    pools.push(Kept { process, threads, pool: Arc::clone(&pool) });
    Ok(pool)
}
