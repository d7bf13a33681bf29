//! The command `cluster` as a user runs it.

use std::path::{Path, PathBuf};

use crate::cli::run;
use crate::common::files::{npy_f32, write};
use serde_json::Value;

const N: usize = 90;

struct Files {
    dir: tempfile::TempDir,
    input: String,
}

impl Files {
    /// Three groups of 30 rows of 2 columns, far apart.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let group = |i: usize| [(i % 3 * 50) as f32 + (i * i % 7) as f32 / 3.0, (i * 5 % 11) as f32 / 3.0];
        let values: Vec<f32> = (0..N).flat_map(group).collect();
        let input = write(dir.path(), "x.npy", &npy_f32(&values, 2)).display().to_string();
        Self { dir, input }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Runs `nndescent cluster`, which must succeed; the labels and what it printed.
    fn cluster(&self, input: &str, words: &[&str]) -> (Vec<i32>, String) {
        let output = self.path("labels.npy");
        let ran = run(&[&["cluster", input, "-o", &output], words].concat());
        assert!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
        (labels(Path::new(&output)), String::from_utf8(ran.stdout).unwrap())
    }

    fn fails(&self, input: &str, words: &[&str], code: i32, message: &str) {
        let ran = run(&[&["cluster", input, "-o", &self.path("labels.npy")], words].concat());
        let said = String::from_utf8_lossy(&ran.stderr).to_string();
        assert_eq!(ran.status.code(), Some(code), "{words:?}: {said}");
        assert!(said.contains(message), "{words:?}: {said}");
    }
}

/// The values of a one-dimensional .npy of int32.
fn labels(path: &Path) -> Vec<i32> {
    let bytes = std::fs::read(path).unwrap();
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..start]);
    assert!(header.contains("'<i4'") && header.contains(&format!("({N},)")), "{header}");
    bytes[start..].chunks(4).map(|value| i32::from_le_bytes(value.try_into().unwrap())).collect()
}

#[test]
fn every_method_finds_groups_in_a_matrix_and_in_a_graph() {
    let files = Files::new();
    let graph = files.path("g.npz");
    assert!(run(&["graph", &files.input, "-k", "12", "-o", &graph]).status.success());
    let groups: Vec<i32> = (0..N as i32).map(|i| i % 3).collect();
    for input in [&files.input, &graph] {
        let of = |words: &[&str]| files.cluster(input, &[&["-k", "10"], words].concat()).0;
        assert_eq!(of(&[]), groups, "{input}");
        assert_eq!(of(&["--method", "hdbscan", "--min-cluster-size", "10", "--min-samples", "3"]), groups);
        assert_eq!(of(&["--method", "dbscan", "--eps", "1.5"]), groups);
        assert_eq!(of(&["--method", "snn-dbscan", "--eps", "2", "--min-samples", "2"]), groups);
        assert_eq!(of(&["--method", "jarvis-patrick", "--eps", "2"]), groups);
    }
}

#[test]
fn clusters_are_summarized_in_words_and_in_json() {
    let files = Files::new();
    let probabilities = files.path("p.npy");
    let (_, text) = files.cluster(&files.input, &["-k", "10", "--probabilities", &probabilities]);
    assert!(text.contains("hdbscan: 3 clusters of 90 rows"), "{text}");
    assert!(text.contains("0 rows of noise (0.0 %)") && text.contains("30 rows"), "{text}");
    assert!(PathBuf::from(probabilities).exists());
    let (_, text) = files.cluster(&files.input, &["-k", "10", "--method", "dbscan", "--eps", "0.01", "--json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    let noise = report["noise"].as_u64().unwrap()
        + report["sizes"].as_array().unwrap().iter().map(|s| s.as_u64().unwrap()).sum::<u64>();
    assert_eq!((report["method"].as_str(), noise, report["k"].as_u64()), (Some("dbscan"), 90, Some(10)));
}

#[test]
fn components_are_connected_where_asked() {
    let files = Files::new();
    let together = ["-k", "10", "--connect", "--cluster-selection-epsilon", "1000", "--allow-single-cluster"];
    assert_eq!(files.cluster(&files.input, &together).0, vec![0; N]);
    let graph = files.path("g.npz");
    assert!(run(&["graph", &files.input, "-k", "12", "-o", &graph]).status.success());
    files.fails(&graph, &["--connect"], 2, "give the matrix");
}

#[test]
fn wrong_clusterings_are_refused() {
    let files = Files::new();
    let graph = files.path("g.npz");
    assert!(run(&["graph", &files.input, "-k", "6", "-o", &graph]).status.success());
    files.fails(&graph, &["--method", "dbscan"], 2, "dbscan needs --eps");
    files.fails(&graph, &["--method", "dbscan", "--eps=-1"], 2, "eps = -1");
    files.fails(
        &graph,
        &["--method", "dbscan", "--eps", "1", "--min-samples", "9"],
        2,
        "min_samples = 9, allowed: 1 to 7",
    );
    files.fails(&graph, &["-k", "7"], 2, "6 neighbours");
    files.fails(&graph, &["--min-cluster-size", "20"], 2, "row 0 has 6 neighbours other than itself, 19 are needed");
    files.fails(&graph, &["--method", "snn-dbscan", "--eps", "0"], 2, "above 0");
    files.fails(&graph, &["--method", "snn-dbscan", "--probabilities", "p.npy"], 2, "--probabilities is for hdbscan");
}
