//! `graph --memory` and its pieces within their limit of memory, and with bad luck: no room, no permission, no folder.

#![cfg(unix)]

use std::fs;
use std::process::Command;

use crate::cli_out_of_core::Work;
use serde_json::Value;

/// A build of an input that is larger than the limit, with refining and an estimate of recall, takes no more than it.
#[test]
fn the_limit_of_memory_holds() {
    if !cfg!(target_os = "linux") {
        println!("skipped: this system does not tell the peak of memory");
        return;
    }
    let (n, dim, limit) = (16_000usize, 8192usize, 60 << 20);
    let (work, mut bytes) = (Work::new(), [n as u32, dim as u32].map(u32::to_le_bytes).concat());
    let group = |i: usize| ((i as u64 * 0x9e37_79b9) >> 7) % 40;
    bytes.extend((0..n * dim).map(|at| {
        let (i, j) = ((at / dim) as u64, (at % dim) as u64);
        let noise = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59;
        ((group(i as usize) * 7919 + j * 31) % 200 + noise) as u8
    }));
    assert!(bytes.len() > 2 * limit);
    let (input, output, limit) = (work.path("x.u8bin"), work.path("g.npz"), limit.to_string());
    fs::write(&input, bytes).unwrap();
    let mut words = vec!["graph", &input, "-o", &output, "--memory", &limit, "--device", "cpu", "--json"];
    words.extend(["--algorithm", "nndescent", "-k", "5", "--n-trees", "1", "--n-iters", "2", "--max-candidates", "5"]);
    words.extend(["--recall-sample", "64"]);
    let report: Value = serde_json::from_str(&Work::run(&words)).unwrap();
    assert!(report["parts"].as_u64().unwrap() > 8 && report["recall"].is_object(), "{report}");
    let peak = report["peak_memory_bytes"].as_u64().unwrap();
    assert!(peak <= limit.parse().unwrap(), "{peak} of {limit}: {report}");
}

/// Runs the command with files of at most so many blocks (of 512 or 1,024 bytes), which is as good as a full disk.
fn run_with_room(blocks: usize, words: &[&str]) -> (i32, String) {
    let ran = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f $0; exec \"$@\"", &blocks.to_string(), env!("CARGO_BIN_EXE_nndescent")])
        .args(words)
        .output()
        .unwrap();
    (ran.status.code().unwrap(), String::from_utf8(ran.stderr).unwrap())
}

fn names(work: &Work) -> Vec<String> {
    let folder = fs::read_dir(work.0.path()).unwrap();
    let mut names: Vec<String> = folder.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A disk that is full for the rows of parts, their graphs, or all rows' graph: an error that names the file, and nothing
/// left; with `--resume`, the build goes on once there is room.
#[test]
fn a_full_disk() {
    let work = Work::new();
    let (input, whole, output) = (work.path("x.npy"), work.path("whole.npz"), work.path("g.npz"));
    Work::run(&work.beyond_memory(&input, &whole, &[]));
    for (blocks, names_of_files) in [(8, "part-"), (100, "part-"), (400, "merged-0.graph")] {
        let (code, text) = run_with_room(blocks, &work.beyond_memory(&input, &output, &[]));
        assert!(code == 4 && text.contains(names_of_files) && text.contains("large"), "{blocks}: {code}, {text}");
        assert_eq!(names(&work), ["whole.npz", "x.npy"]);
        let (code, text) = run_with_room(blocks, &work.beyond_memory(&input, &output, &["--resume"]));
        assert!(code == 4 && text.contains(names_of_files), "{blocks}: {code}, {text}");
        assert_eq!(names(&work), ["g.npz.parts", "whole.npz", "x.npy"]);
        Work::run(&work.beyond_memory(&input, &output, &["--resume"]));
        assert_eq!(fs::read(&output).unwrap(), fs::read(&whole).unwrap());
        fs::remove_file(&output).unwrap();
    }
    // The graph itself, and what a piece writes.
    let folder = work.path("w");
    Work::run(&["partition", &input, "-o", &folder, "-k", "8", "--part-rows", "700"]);
    let (code, text) = run_with_room(16, &["graph", &folder, "--part", "0", "--device", "cpu"]);
    assert!(code == 4 && text.contains("part-0000.graph: "), "{code}, {text}");
    for part in 0.. {
        let (code, text) = Work::any(&["graph", &folder, "--part", &part.to_string(), "--device", "cpu"]);
        if code != 0 {
            assert!(text.contains("below"), "{text}");
            break;
        }
    }
    let (code, text) = run_with_room(16, &["merge", &folder]);
    assert!(code == 4 && text.contains("merged-0.graph: "), "{code}, {text}");
    Work::run(&["merge", &folder]);
    let words = ["refine", &folder, "--rounds", "0", "--recall-sample", "0", "-o", &output];
    let (code, text) = run_with_room(16, &words);
    assert!(code == 4 && text.contains("g.npz: "), "{code}, {text}");
    assert!(!fs::exists(&output).unwrap());
}

#[test]
fn folders_that_are_missing_or_closed() {
    use std::os::unix::fs::PermissionsExt;

    let work = Work::new();
    let (input, missing, output) = (work.path("x.npy"), work.path("missing/g.npz"), work.path("g.npz"));
    let in_memory = Work::failing(&["graph", &input, "-o", &missing]);
    assert!(in_memory.0 == 4 && in_memory.1.contains("missing/g.npz: cannot write there"), "{in_memory:?}");
    assert_eq!(Work::failing(&work.beyond_memory(&input, &missing, &[])), in_memory);
    assert_eq!(Work::failing(&work.beyond_memory(&input, &missing, &["--scratch", &work.path("s")])), in_memory);
    let (code, text) = Work::failing(&work.beyond_memory(&input, &output, &["--scratch", &work.path("a/b")]));
    assert!(code == 4 && text.contains("/a/b: "), "{code}, {text}");
    assert_eq!(names(&work), ["x.npy"]);
    Work::run(&work.beyond_memory(&input, &output, &["--scratch", &work.path("s")]));
    assert_eq!(names(&work), ["g.npz", "x.npy"]);
    let closed = work.path("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(work.path("closed/try"), "").is_ok() {
        println!("skipped: this user may write to folders of any mode");
        return;
    }
    let (code, text) = Work::failing(&work.beyond_memory(&input, &output, &["--scratch", &closed]));
    assert!(code == 4 && text.contains("closed/g.npz.parts: Permission denied"), "{code}, {text}");
    let (code, text) = Work::failing(&["partition", &input, "-o", &closed, "-k", "8", "--part-rows", "700"]);
    assert!(code == 4 && text.contains("closed/") && text.contains("Permission denied"), "{code}, {text}");
}
