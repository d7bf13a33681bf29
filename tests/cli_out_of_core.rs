//! `graph --memory` and the commands of its pieces; builds that are killed.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::cli::run;
use crate::common::files::{npy, npy_f32, write};
use crate::common::points::patches;
use nndescent::io::read_graph;
use serde_json::Value;

pub(crate) const N: usize = 3000;
pub(crate) const DIM: usize = 12;
const OPTIONS: [&str; 6] = ["-k", "8", "--part-rows", "700", "--algorithm", "nndescent"];

pub(crate) struct Work(pub(crate) tempfile::TempDir);

impl Work {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "x.npy", &npy_f32(&patches(N, DIM, 6, 11), DIM));
        Self(dir)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// What a command prints.
    pub(crate) fn run(words: &[&str]) -> String {
        let ran = run(words);
        assert!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    }

    /// The exit code and the message of a command that fails.
    pub(crate) fn failing(words: &[&str]) -> (i32, String) {
        let (code, text) = Self::any(words);
        assert!(code != 0, "{words:?}");
        (code, text)
    }

    /// The same of a command that may fail.
    pub(crate) fn any(words: &[&str]) -> (i32, String) {
        let ran = run(words);
        (ran.status.code().unwrap(), String::from_utf8(ran.stderr).unwrap())
    }

    pub(crate) fn beyond_memory<'a>(&self, input: &'a str, output: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [&["graph", input, "-o", output, "--memory", "100MB", "--device", "cpu"], &OPTIONS[..], more].concat()
    }
}

#[test]
fn pieces_give_what_one_command_gives() {
    let work = Work::new();
    let (input, folder) = (work.path("x.npy"), work.path("w"));
    let (whole, pieces) = (work.path("whole.npz"), work.path("pieces.npz"));
    let report: Value = serde_json::from_str(&Work::run(&work.beyond_memory(&input, &whole, &["--json"]))).unwrap();
    assert!(report["recall"]["estimate"].as_f64().unwrap() > 0.98, "{report}");
    let text = Work::run(&[&["partition", &input, "-o", &folder], &OPTIONS[..]].concat());
    assert!(text.contains(&format!("3000 x 12 -> {} parts of", report["parts"])), "{text}");
    for part in 0..report["parts"].as_u64().unwrap() {
        let text = Work::run(&["graph", &folder, "--part", &part.to_string(), "--device", "cpu"]);
        assert!(text.starts_with(&format!("part {part} of ")), "{text}");
    }
    assert!(Work::run(&["merge", &folder]).contains("3000 rows"));
    for part in 0..report["parts"].as_u64().unwrap() {
        Work::run(&["refine", &folder, "--part", &part.to_string()]);
    }
    let text = Work::run(&["refine", &folder, "--merge-parts", "-o", &pieces]);
    assert!(text.contains("estimated recall"), "{text}");
    assert_eq!(fs::read(whole).unwrap(), fs::read(&pieces).unwrap());
    assert_eq!(read_graph(&pieces).unwrap().k(), 8);
    // A second round over all parts, by one command.
    assert!(Work::run(&["refine", &folder, "-o", &pieces]).contains("rows found nearer neighbours across parts"));
}

#[test]
fn mistakes_have_their_exit_codes() {
    let work = Work::new();
    let (input, output, folder) = (work.path("x.npy"), work.path("g.npz"), work.path("w"));
    let (code, text) = Work::failing(&["graph", &input, "-o", &output, "--memory", "1MB"]);
    assert!(code == 2 && text.contains("a limit of 1000000 bytes of memory is too small for 3000 rows"), "{text}");
    let (code, text) = Work::failing(&["graph", &input, "-o", &output, "--memory", "4 parsecs"]);
    assert!(code == 2 && text.contains("unknown unit `parsecs`"), "{text}");
    let (code, text) = Work::failing(&work.beyond_memory(&input, "-", &[]));
    assert!(code == 2 && text.contains("needs a file as its output"), "{text}");
    let (code, text) = Work::failing(&work.beyond_memory(&input, &output, &["--scratch", "/dev/null"]));
    assert!(code == 4 && text.contains("/dev/null: not a directory"), "{text}");
    Work::run(&[&["partition", &input, "-o", &folder], &OPTIONS[..]].concat());
    let (code, text) = Work::failing(&["merge", &folder]);
    assert!(code == 3 && text.contains("part 0 is missing"), "{text}");
    let (code, text) = Work::failing(&["graph", &folder, "--part", "99"]);
    assert!(code == 2 && text.contains("part = 99"), "{text}");
    let (code, text) = Work::failing(&["graph", &folder, "--part", "0", "-k", "9"]);
    assert!(code == 2 && text.contains("cannot be used with"), "{text}");
    let (code, text) = Work::failing(&["graph", &work.path("nothing"), "--part", "0"]);
    assert!(code == 4 && text.contains("nothing/plan"), "{text}");
}

/// Killed three times, at different moments, and resumed: the same bytes, and nothing left.
#[cfg(unix)]
#[test]
fn a_build_that_was_killed_is_resumed() {
    let work = Work::new();
    let (input, whole, killed) = (work.path("x.npy"), work.path("whole.npz"), work.path("killed.npz"));
    let start = std::time::Instant::now();
    Work::run(&work.beyond_memory(&input, &whole, &[]));
    let takes = start.elapsed();
    let mut kills = 0;
    for share in [0.15, 0.35, 0.3] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_nndescent"))
            .args(work.beyond_memory(&input, &killed, &["--resume"]))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(takes.mul_f64(share).max(Duration::from_millis(5)));
        // SIGKILL.
        child.kill().unwrap();
        kills += usize::from(!child.wait().unwrap().success());
        assert!(kills == 0 || !PathBuf::from(&killed).exists() || read_graph(&killed).is_ok());
    }
    assert!(kills > 0);
    Work::run(&work.beyond_memory(&input, &killed, &["--resume"]));
    assert_eq!(fs::read(whole).unwrap(), fs::read(&killed).unwrap());
    let mut left: Vec<String> =
        fs::read_dir(work.0.path()).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    left.sort();
    assert_eq!(left, ["killed.npz", "whole.npz", "x.npy"]);
}

/// What float32 does not hold of the values is said, as in memory, by `graph --memory` and by `partition`.
#[test]
fn what_narrowing_loses_is_said() {
    let work = Work::new();
    let values = patches(N, DIM, 6, 11);
    for (name, far) in [("far.npy", 1e9), ("near.npy", 0.0)] {
        let bytes: Vec<u8> = values.iter().flat_map(|v| (f64::from(*v) + far).to_le_bytes()).collect();
        write(work.0.path(), name, &npy("'<f8'", false, &format!("({N}, {DIM})"), &bytes));
    }
    let (input, output, folder) = (work.path("far.npy"), work.path("g.npz"), work.path("w"));
    let whole = work.beyond_memory(&input, &output, &["--json"]);
    let pieces = ["partition", &input, "-o", &folder, "-k", "8", "--part-rows", "700", "--json"];
    for words in [&whole[..], &pieces] {
        let ran = run(words);
        let (text, json) = (String::from_utf8(ran.stderr).unwrap(), String::from_utf8(ran.stdout).unwrap());
        let said = "far.npy: float64 converted to float32: the largest error is ";
        assert!(text.matches(said).count() == 1 && text.matches("too coarsely").count() == 1, "{text}");
        let report: Value = serde_json::from_str(&json).unwrap();
        assert!(report["narrowed_from"] == "float64" && report["narrowing"]["error"].as_f64().unwrap() > 1.0, "{json}");
    }
    let (code, text) = Work::any(&work.beyond_memory(&work.path("near.npy"), &output, &[]));
    assert!(code == 0 && text.contains("float64 converted to float32, without loss"), "{code}, {text}");
    assert!(!text.contains("coarsely"), "{text}");
    let (code, text) = Work::any(&work.beyond_memory(&work.path("x.npy"), &output, &[]));
    assert!(code == 0 && !text.contains("converted"), "{code}, {text}");
}
