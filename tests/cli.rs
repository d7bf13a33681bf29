//! The command as a user runs it: what it writes, what it prints, how it fails.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::files::{npy, npy_f32, write};
use nndescent::KnnGraph;
use nndescent::io::{read_graph, write_graph};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

pub const N: usize = 600;
pub const DIM: usize = 8;

#[cfg(feature = "gpu")]
const GPU_MESSAGE: &str = "no GPU adapter for `nonesuch`; there is";
#[cfg(not(feature = "gpu"))]
const GPU_MESSAGE: &str = "this build has no GPU executor";

pub fn values(n: usize, dim: usize) -> Vec<f32> {
    let mut rng = StdRng::seed_from_u64(1);
    (0..n * dim).map(|i| rng.random::<f32>() + (i / dim % 7) as f32).collect()
}

pub fn run(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nndescent")).args(words).output().unwrap()
}

/// Looking for adapters prints nothing to stderr, on a machine without a display as well.
#[cfg(feature = "gpu")]
#[test]
fn looking_for_adapters_prints_nothing() {
    let mut devices = Command::new(env!("CARGO_BIN_EXE_nndescent"));
    for name in ["DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR"] {
        devices.env_remove(name);
    }
    let found = devices.arg("devices").output().unwrap();
    assert!(found.status.success());
    assert_eq!(String::from_utf8_lossy(&found.stderr), "");
}

pub struct Files {
    pub dir: tempfile::TempDir,
    pub input: PathBuf,
}

impl Files {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let input = write(dir.path(), "x.npy", &npy_f32(&values(N, DIM), DIM));
        Self { dir, input }
    }

    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Runs `nndescent graph` on the input with more arguments; the graph and the output.
    pub fn graph(&self, words: &[&str]) -> (KnnGraph, String) {
        let (input, output) = (self.input.display().to_string(), self.path("g.npz"));
        let ran = run(&[&["graph", &input, "-o", &output], words].concat());
        assert!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
        (read_graph(Path::new(&output)).unwrap(), String::from_utf8(ran.stdout).unwrap())
    }
}

#[test]
fn graph_writes_complete_rows() {
    let files = Files::new();
    for algorithm in ["auto", "nndescent", "exact"] {
        let (graph, text) = files.graph(&["-k", "7", "--algorithm", algorithm]);
        assert_eq!((graph.n(), graph.k()), (N, 7));
        for i in 0..N {
            assert!(graph.distances(i).is_sorted() && !graph.ids(i).contains(&(i as u32)));
        }
        assert!(text.contains("estimated recall") && text.contains("600 x 8 -> 7 neighbours each"), "{text}");
    }
    let (own, _) = files.graph(&["-k", "7", "--include-self"]);
    assert!((0..N).all(|i| own.ids(i)[0] == i as u32));
}

#[test]
fn json_is_one_object_with_everything() {
    let files = Files::new();
    let (_, text) = files.graph(&["-k", "5", "--algorithm", "nndescent", "--target-recall", "0.9", "--json"]);
    let json: Value = serde_json::from_str(&text).expect("one JSON object and nothing else");
    let second = |name: &str| json["seconds"][name].as_f64().unwrap_or_else(|| panic!("no seconds.{name}"));
    assert!((second("build") - second("init") - second("descent") - second("finish")).abs() < 1e-9);
    assert!(second("load") >= 0.0 && second("write") >= 0.0);
    for field in ["estimate", "low", "high", "sample"] {
        assert!(json["recall"][field].is_number(), "recall.{field}");
    }
    assert!(json["rounds"].as_u64() > Some(0) && json["distances_evaluated"].as_u64() > Some(0));
    assert!(json["executor"]["ran"].as_str().unwrap().starts_with("cpu"));
    assert_eq!(json["parameters"]["n_neighbors"], "5");
    assert_eq!(json["target_recall"]["reached"], true);
    assert!(!cfg!(target_os = "linux") || json["peak_memory_bytes"].as_u64() > Some(1 << 20));
}

#[test]
fn exact_recall_and_info_agree() {
    let files = Files::new();
    let (input, found, truth) = (files.input.display().to_string(), files.path("g.npz"), files.path("t.npz"));
    files.graph(&["-k", "10", "--algorithm", "nndescent"]);
    assert!(run(&["exact", &input, "-k", "10", "-o", &truth]).status.success());
    let recall = |a: &str, b: &str| {
        let text = String::from_utf8(run(&["recall", a, b]).stdout).unwrap();
        text.split(' ').nth(1).unwrap().parse::<f64>().unwrap()
    };
    assert_eq!(recall(&truth, &truth), 1.0);
    assert!(recall(&found, &truth) > 0.95);
    let queries = write(files.dir.path(), "q.npy", &npy_f32(&values(3, DIM), DIM)).display().to_string();
    assert!(run(&["exact", &input, &queries, "-k", "4", "-o", &truth]).status.success());
    let hits = read_graph(Path::new(&truth)).unwrap();
    assert_eq!((hits.n(), hits.ids(2)[0], hits.distances(2)[0]), (3, 2, 0.0));
    assert_eq!(String::from_utf8(run(&["info", &input]).stdout).unwrap(), "600 x 8 float32\n");
}

/// Runs at a SIMD level.
fn run_at(level: &str, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nndescent")).args(words).env("NNDESCENT_SIMD", level).output().unwrap()
}

#[test]
fn every_instruction_set_finds_the_same_graph() {
    let files = Files::new();
    let whole: Vec<f32> = values(N, 64).iter().map(|x| (x * 30.0).round()).collect();
    let input = write(files.dir.path(), "whole.npy", &npy_f32(&whole, 64)).display().to_string();
    let graph_at = |level: &str| {
        let output = files.path("level.npz");
        let ran = run_at(level, &["graph", &input, "-o", &output, "--algorithm", "nndescent", "--json"]);
        assert!(ran.status.success(), "{level}: {}", String::from_utf8_lossy(&ran.stderr));
        let json: Value = serde_json::from_slice(&ran.stdout).unwrap();
        (read_graph(Path::new(&output)).unwrap(), json["executor"]["ran"].as_str().unwrap().to_string())
    };
    let (expected, ran) = graph_at("portable");
    assert!(ran.ends_with("byte codes, portable (NNDESCENT_SIMD=portable)"), "{ran}");
    for level in ["avx2", "avxvnni", "avx512", "avx512vnni"] {
        if cfg!(target_arch = "x86_64") {
            // Products of bytes are exact at every level, so that graphs are the same to the byte.
            let (graph, ran) = graph_at(level);
            assert!(graph == expected && ran.contains(&format!("NNDESCENT_SIMD={level}")), "{ran}");
        }
    }
}

#[test]
fn the_level_is_told_and_unknown_ones_are_refused() {
    let said = |level: &str| String::from_utf8(run_at(level, &["info"]).stdout).unwrap();
    assert!(said("portable").contains("instructions   portable (NNDESCENT_SIMD=portable)\n"), "{}", said("portable"));
    let (best, json) = (run_at("", &["info"]), run_at("", &["info", "--json"]));
    assert!(!String::from_utf8(best.stdout).unwrap().contains("NNDESCENT_SIMD"));
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(json["instructions"].is_string() && json["threads"].as_u64() > Some(0));
    let refused = run_at("avx3", &["metrics"]);
    assert_eq!(refused.status.code(), Some(2));
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(message.contains("NNDESCENT_SIMD is `avx3`") && message.contains("portable"), "{message}");
}

#[test]
fn threads_and_warm_starts() {
    let files = Files::new();
    let args = |threads| ["-k", "10", "--algorithm", "nndescent", "--threads", threads];
    let (one, _) = files.graph(&args("1"));
    assert_eq!(one, files.graph(&args("2")).0);
    std::fs::copy(files.path("g.npz"), files.path("start.npz")).unwrap();
    let start = files.path("start.npz");
    let words = ["-k", "10", "--algorithm", "nndescent", "--n-trees", "0", "--n-iters", "0", "--init-graph", &start];
    assert_eq!(files.graph(&words).0, one);
}

#[test]
fn fortran_order_changes_nothing() {
    let files = Files::new();
    let (straight, _) = files.graph(&["-k", "5"]);
    let rows = values(N, DIM);
    let columns: Vec<u8> = (0..N * DIM).flat_map(|at| rows[at % N * DIM + at / N].to_le_bytes()).collect();
    write(files.dir.path(), "x.npy", &npy("'<f4'", true, "(600, 8)", &columns));
    assert_eq!(files.graph(&["-k", "5"]).0, straight);
}

/// Runs a command line in which `IN` and `OUT` stand for the files; the exit code and the message.
fn fails(files: &Files, words: &str, output: &str) -> (i32, String) {
    let (input, output) = (files.input.display().to_string(), files.path(output));
    let words: Vec<&str> = words
        .split(' ')
        .map(|w| {
            if w == "IN" {
                &input
            } else if w == "OUT" {
                &output
            } else {
                w
            }
        })
        .collect();
    let ran = run(&words);
    assert!(ran.stdout.is_empty(), "{words:?} printed {}", String::from_utf8_lossy(&ran.stdout));
    (ran.status.code().unwrap(), String::from_utf8(ran.stderr).unwrap())
}

#[test]
fn wrong_arguments() {
    let files = Files::new();
    let cases = [
        ("graph IN -k 600 -o OUT", "n_neighbors = 600, but 600 points have only 599 other points"),
        ("graph IN -k 0 -o OUT", "n_neighbors = 0, but it must be at least 1"),
        ("graph IN --metric euclidian -o OUT", "unknown metric `euclidian`: did you mean `euclidean`?"),
        ("graph IN --metric minkowski -o OUT", "metric `minkowski` needs the argument `p`"),
        (
            "graph IN --metric minkowski --metric-arg p -o OUT",
            "expected NAME=VALUE with a number or a .npy, for example p=3",
        ),
        ("graph IN --device nonesuch --algorithm nndescent -o OUT", GPU_MESSAGE),
        ("graph IN --algorithm best -o OUT", "unknown algorithm `best`: auto, nndescent or exact"),
        ("graph IN --threads 0 -o OUT", "--threads 0: at least 1 is needed"),
        ("graph IN --target-recall 2 -o OUT", "target_recall = 2, but it must be above 0 and below 1"),
        ("exact IN -k 600 -o OUT", "n_neighbors = 600"),
        ("exact IN IN -k 601 -o OUT", "k = 601, but it must be 1 to the 600 rows of the base"),
    ];
    for (words, expected) in cases {
        let (code, message) = fails(&files, words, "out.npz");
        assert!(code == 2 && message.contains(expected), "{words}: {code}, {message}");
    }
    assert_eq!(std::fs::read_dir(files.dir.path()).unwrap().count(), 1, "nothing but the input is there");
}

#[test]
fn wrong_inputs() {
    let whole = npy_f32(&values(N, DIM), DIM);
    let mut nan = values(N, DIM);
    nan[17 * DIM + 3] = f32::NAN;
    let cases = [
        (whole[..whole.len() - 7].to_vec(), "truncated: 600 x 8 of float32 takes 19200 bytes, 19193 are there"),
        (b"1,2,3\n4,5,6\n".to_vec(), "not a .npy array: it begins with"),
        (npy("'<c8'", false, "(2, 1)", &[0; 16]), "values of type <c8 are not supported"),
        (npy_f32(&nan, DIM), "row 17, column 3 is NaN: every value must be finite"),
        (npy("'<f4'", false, "(0, 3)", &[]), "no points: the matrix has 0 rows"),
    ];
    for (content, expected) in cases {
        let files = Files::new();
        std::fs::write(&files.input, content).unwrap();
        let before = write(files.dir.path(), "out.npz", b"what was there before");
        let (code, message) = fails(&files, "graph IN -o OUT", "out.npz");
        assert!(code == 3 && message.contains(expected) && message.contains("x.npy"), "{code}, {message}");
        assert_eq!(std::fs::read(before).unwrap(), b"what was there before");
        assert_eq!(std::fs::read_dir(files.dir.path()).unwrap().count(), 2, "nothing new is there");
    }
    let files = Files::new();
    let short = files.path("short.npz");
    write_graph(Path::new(&short), &KnnGraph::from_parts(2, 1, vec![1, 0], vec![1.0; 2]).unwrap()).unwrap();
    let (code, message) = fails(&files, &format!("graph IN --init-graph {short} -o OUT"), "out.npz");
    assert!(code == 3 && message.contains("init_graph has 2 rows, but there are 600 points"), "{code}, {message}");
    let (code, message) = fails(&files, "graph none.npy -o OUT", "out.npz");
    assert!(code == 3 && message.contains("none.npy: No such file"), "{code}, {message}");
}

#[test]
fn wrong_outputs() {
    let files = Files::new();
    std::fs::create_dir(files.path("folder.npz")).unwrap();
    let cases = [
        ("missing/out.npz", "cannot write there: No such file"),
        ("folder.npz", "this is a folder"),
        ("out.txt", "the name of the output must end in .npz"),
    ];
    for (output, expected) in cases {
        let (code, message) = fails(&files, "graph IN -o OUT", output);
        assert!(code == 4 && message.contains(expected), "{output}: {code}, {message}");
    }
    assert_eq!(std::fs::read_dir(files.dir.path()).unwrap().count(), 2, "nothing new is there");
}

impl Files {
    /// Builds an index of the input; its path and the output.
    fn index(&self, words: &[&str]) -> (String, String) {
        let (input, output) = (self.input.display().to_string(), self.path("i.nnd"));
        let ran = run(&[&["index", &input, "-o", &output], words].concat());
        assert!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
        (output, String::from_utf8(ran.stdout).unwrap())
    }

    /// Runs `nndescent query` with the input as queries; the answers and the output.
    fn query(&self, index: &str, words: &[&str]) -> (KnnGraph, String) {
        let (input, output) = (self.input.display().to_string(), self.path("q.npz"));
        let ran = run(&[&["query", index, &input, "-o", &output], words].concat());
        assert!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
        (read_graph(Path::new(&output)).unwrap(), String::from_utf8(ran.stdout).unwrap())
    }

    fn ids(&self, name: &str, ids: &[i64]) -> String {
        let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        write(self.dir.path(), name, &npy("'<i8'", false, &format!("({},)", ids.len()), &bytes)).display().to_string()
    }
}

#[test]
fn an_index_is_built_and_queried() {
    let files = Files::new();
    let (index, text) = files.index(&["--seed", "3", "--threads", "1"]);
    assert!(text.contains("prepared in"), "{text}");
    let first = std::fs::read(&index).unwrap();
    let (_, text) = files.index(&["--seed", "3", "--threads", "3", "--json"]);
    assert_eq!(std::fs::read(&index).unwrap(), first, "the same bytes at any number of threads");
    let json: Value = serde_json::from_str(&text).expect("one JSON object and nothing else");
    assert!(json["seconds"]["prepare"].as_f64().is_some() && json["edges"].as_u64() > Some(600), "{json}");

    let (found, text) = files.query(&index, &["-k", "4", "--epsilon", "0.2", "--json", "--verify", "--metric", "l2"]);
    assert_eq!((found.n(), found.k()), (N, 4));
    assert!((0..N).all(|i| found.ids(i)[0] == i as u32 && found.distances(i)[0] == 0.0));
    let json: Value = serde_json::from_str(&text).expect("one JSON object and nothing else");
    for second in ["open", "query", "write"] {
        assert!(json["seconds"][second].as_f64().is_some(), "seconds.{second}: {json}");
    }
    assert!(
        json["queries_per_second"].as_f64() > Some(0.0) && json["distances_per_query"].as_f64() > Some(1.0),
        "{json}"
    );
    let (one_by_one, _) = files.query(&index, &["-k", "4", "--epsilon", "0.2", "--one-by-one"]);
    assert_eq!(one_by_one, found);
    let (tuned, text) = files.query(&index, &["-k", "4", "--target-recall", "0.99"]);
    assert!(tuned.k() == 4 && text.contains("tuned to recall@4 ") && text.contains("target 0.99"), "{text}");
    let (allowed, _) = files.query(&index, &["-k", "2", "--filter", &files.ids("f.npy", &[7, 11, 13])]);
    assert!(allowed.all_ids().iter().all(|id| [7, 11, 13].contains(id)));
}

/// Recall that no epsilon reaches: all is written, what was reached is printed, and the exit code says so.
#[test]
fn a_recall_that_is_not_reached_is_told() {
    let files = Files::new();
    let (input, index, output) = (files.input.display().to_string(), files.path("few.nnd"), files.path("few.npz"));
    let few = ["-k", "1", "--pruning-degree-multiplier", "0.5", "--algorithm", "exact", "--tune", "0.999999"];
    let ran = run(&[&["index", &input, "-o", &index][..], &few].concat());
    let (text, message) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_eq!(ran.status.code(), Some(6), "{message}");
    assert!(text.contains("tuned to recall@10 0.") && message.contains("not reached: tuned to recall@10 0."), "{text}");
    let ran = run(&["query", &index, &input, "-k", "2", "--target-recall", "0.999999", "--json", "-o", &output]);
    assert_eq!(ran.status.code(), Some(6));
    let json: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let (tuning, reached) = (&json["tuning"], json["tuning"]["recall"]["estimate"].as_f64().unwrap());
    assert!(tuning["reached"] == false && tuning["recall"]["sample"] == 500 && reached < 0.999, "{tuning}");
    assert_eq!(read_graph(Path::new(&output)).unwrap().n(), N);
}

#[test]
fn an_index_is_changed() {
    let files = Files::new();
    let (index, _) = files.index(&[]);
    let more = write(
        files.dir.path(),
        "more.npy",
        &npy_f32(&values(20, DIM).iter().map(|v| v + 50.0).collect::<Vec<f32>>(), DIM),
    );
    let more = more.display().to_string();
    let ok = |words: &[&str]| {
        let ran = run(words);
        assert!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    };
    assert!(ok(&["add", &index, &more]).starts_with("620 points"));
    let json: Value = serde_json::from_str(&ok(&["remove", &index, &files.ids("r.npy", &[0, 605]), "--json"])).unwrap();
    assert_eq!((json["n"].as_u64(), json["end_id"].as_u64()), (Some(618), Some(620)));
    let (found, _) = files.query(&index, &["-k", "3"]);
    assert!(!found.all_ids().contains(&0) && !found.all_ids().contains(&605));
    let replaced: Vec<i64> = (100..120).collect();
    ok(&["add", &index, &more, "--replace", &files.ids("u.npy", &replaced)]);
    let (found, _) = files.query(&index, &["-k", "1"]);
    assert!((100..120).all(|i| found.distances(i)[0] > 0.0), "replaced points are not found where they were");
}

#[test]
fn mistakes_with_indexes_have_their_exit_codes() {
    let files = Files::new();
    let (index, _) = files.index(&[]);
    let input = files.input.display().to_string();
    let wide = write(files.dir.path(), "wide.npy", &npy_f32(&values(5, 9), 9)).display().to_string();
    let output = files.path("q.npz");
    let fails = |words: &[&str], code: i32, message: &str| {
        let ran = run(words);
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(code), "{words:?}: {said}");
        assert!(said.contains(message), "{words:?}: {said}");
    };
    fails(&["query", &index, &wide, "-o", &output], 3, "queries of 9 columns, but the index holds points of 8");
    fails(&["query", &index, &input, "-k", "0", "-o", &output], 2, "k = 0");
    fails(&["query", &index, &input, "-k", "601", "-o", &output], 2, "k = 601, but the index holds 600 points");
    fails(&["query", &index, &input, "--metric", "cosine", "-o", &output], 3, "an index by euclidean, not cosine");
    fails(&["query", &input, &input, "-o", &output], 3, "not an index file");
    fails(
        &["query", &index, &input, "--filter", &files.ids("none.npy", &[]), "-o", &output],
        3,
        "allows none of the 600",
    );
    fails(&["query", &index, &input, "--filter", &files.ids("far.npy", &[600]), "-o", &output], 3, "id 600");
    fails(&["query", &index, &input, "--filter", &files.ids("minus.npy", &[-1]), "-o", &output], 3, "entry 0 is -1");
    fails(&["remove", &index, &files.ids("gone.npy", &[3, 600])], 3, "there is no point 600");
    fails(&["add", &index, &wide], 3, "9 columns");
    fails(&["index", &input, "-o", &files.path("i.npz")], 4, "the name of the output must end in .nnd");
    fails(&["index", &input, "--quantization", "u8", "-o", &index], 2, "quantization u8 is not possible");
    fails(&["index", &input, "--diversify-prob", "2", "-o", &index], 2, "diversify_prob = 2");
    let mut damaged = std::fs::read(&index).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let path = write(files.dir.path(), "damaged.nnd", &damaged).display().to_string();
    fails(&["query", &path, &input, "--verify", "-o", &output], 3, "its checksum does not match");
    fails(&["add", &path, &input], 3, "its checksum does not match");
}

/// A full disk, simulated by a limit on the size of files.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_old_index() {
    let files = Files::new();
    let (index, _) = files.index(&[]);
    let before = std::fs::read(&index).unwrap();
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" add \"$1\" \"$2\"";
    let command = env!("CARGO_BIN_EXE_nndescent");
    let ran = Command::new("bash").args(["-c", script, command, &index]).arg(&files.input).output().unwrap();
    assert_eq!(ran.status.code(), Some(4), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(std::fs::read(&index).unwrap(), before);
    let left = std::fs::read_dir(files.dir.path())
        .unwrap()
        .filter(|f| f.as_ref().is_ok_and(|f| f.file_name().to_string_lossy().starts_with(".nndescent")));
    assert_eq!(left.count(), 0, "nothing half-written stays");
}

#[test]
fn other_rows_and_metrics() {
    let files = Files::new();
    let output = files.path("g.npz");
    let ok = |words: &[&str]| {
        let ran = Command::new(env!("CARGO_BIN_EXE_nndescent")).args(words).output().unwrap();
        assert!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    };
    // 8 columns of u8 are 64 bits.
    let bytes: Vec<u8> = (0..N as u64 * 8).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    let packed = npy("'|u1'", false, &format!("({N}, 8)"), &bytes);
    let packed = write(files.dir.path(), "packed.npy", &packed).display().to_string();
    let text = ok(&["graph", &packed, "--bits", "--metric", "bit_jaccard", "-k", "5", "-o", &output]);
    assert!(text.contains("600 x 64 -> 5 neighbours each"), "{text}");
    let index = files.path("bits.nnd");
    ok(&["index", &packed, "--bits", "--metric", "bit_hamming", "-o", &index]);
    ok(&["query", &index, &packed, "--bits", "--metric", "bit_hamming", "-k", "3", "-o", &output]);
    let variances = write(files.dir.path(), "sigma.npy", &npy_f32(&[0.5, 1.0, 2.0, 4.0, 1.0, 1.0, 1.0, 3.0], 8));
    let sigma = format!("sigma={}", variances.display());
    let (input, output) = (files.input.display().to_string(), &output[..]);
    ok(&["graph", &input, "--metric", "seuclidean", "--metric-arg", &sigma, "-k", "5", "-o", output]);
    ok(&["exact", &input, &input, "--metric", "spearmanr", "-k", "5", "-o", output]);
}

/// docs/METRICS.md contains the table that the command prints.
#[test]
fn metrics_are_documented() {
    let ran = Command::new(env!("CARGO_BIN_EXE_nndescent")).arg("metrics").output().unwrap();
    let table = String::from_utf8(ran.stdout).unwrap();
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/METRICS.md")).unwrap();
    assert!(
        table.lines().count() > 36 && page.contains(&table),
        "run `nndescent metrics` and put what it prints there:\n{table}"
    );
}
