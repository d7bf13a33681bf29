//! Arguments of builds beyond memory.

use std::path::PathBuf;

/// What `graph` takes for inputs that do not fit in memory.
#[derive(clap::Args)]
pub struct BeyondMemory {
    /// Build in parts, within this much memory: 4GiB, 512MiB, 2GB or bytes. For .npy, vecs, bin and
    /// IDX inputs, and HDF5 that is not in chunks.
    #[arg(long, value_parser = bytes)]
    pub memory: Option<u64>,
    /// Parts that every row is in, with --memory [default: 2].
    #[arg(long, requires = "memory")]
    pub overlap: Option<usize>,
    /// Rounds across parts, with --memory [default: 1].
    #[arg(long, requires = "memory")]
    pub refine_rounds: Option<usize>,
    /// Folder for working files, with --memory [default: that of the output]. Made if it is missing, and then removed.
    #[arg(long, requires = "memory")]
    pub scratch: Option<PathBuf>,
    /// Go on where a build with --memory was killed, and keep working files if this one fails.
    #[arg(long, requires = "memory")]
    pub resume: bool,
    /// Build one part, from 0: INPUT is a folder that `partition` wrote, which gives all other settings.
    #[arg(long, conflicts_with_all = [
        "memory", "output", "k", "metric", "metric_arg", "seed", "algorithm", "n_trees", "leaf_size", "max_candidates",
        "n_iters", "delta", "part_rows", "init_graph", "target_recall", "recall_sample", "include_self",
    ])]
    pub part: Option<usize>,
}

impl BeyondMemory {
    /// Whether a limit of memory was given.
    pub fn is_asked_for(&self) -> bool {
        self.memory.is_some()
    }
}

/// A number of bytes with a unit.
pub fn bytes(word: &str) -> Result<u64, String> {
    let number = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match word[number.len()..].to_lowercase().as_str() {
        "" | "b" => 1.0,
        "kib" | "k" => 1024.0,
        "mib" | "m" => 1024f64.powi(2),
        "gib" | "g" => 1024f64.powi(3),
        "tib" | "t" => 1024f64.powi(4),
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        unit => return Err(format!("unknown unit `{unit}`: KiB, MiB, GiB, TiB, kB, MB, GB or TB")),
    };
    match number.trim().parse::<f64>() {
        Ok(number) if number > 0.0 && number * unit < 1e18 => Ok((number * unit) as u64),
        _ => Err(format!("`{word}` is no number of bytes: for example 4GiB")),
    }
}
