//! Threads.

use crate::failure::Failure;

/// More threads than any machine has cores for.
const MOST: usize = 1024;

/// A rayon pool of `threads` threads, or of all cores.
pub fn pool(threads: Option<usize>) -> Result<rayon::ThreadPool, Failure> {
    if let Some(threads) = threads.filter(|threads| !(1..=MOST).contains(threads)) {
        return Err(Failure::Argument(format!(
            "--threads {threads}: at least 1 is needed, at most {MOST} are possible"
        )));
    }
    let builder = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0));
    builder.build().map_err(|e| Failure::Other(format!("threads: {e}")))
}
