//! What the command does with files: inputs of any type, outputs, locks, streams.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::common::files::{npy, npy_f32, write};
use nndescent::Index;
use nndescent::io::read_graph;
use serde_json::Value;

const N: usize = 300;
const DIM: usize = 4;

/// Rows of small numbers, all different.
fn values(n: usize) -> Vec<f32> {
    (0..n * DIM).map(|i| ((i * 7919) % 1009) as f32 / 8.0).collect()
}

fn f64s(x: &[f64], dim: usize) -> Vec<u8> {
    let bytes: Vec<u8> = x.iter().flat_map(|v| v.to_le_bytes()).collect();
    npy("'<f8'", false, &format!("({}, {dim})", x.len() / dim), &bytes)
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nndescent"));
    command.args(words);
    command
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("x.npy", &npy_f32(&values(N), DIM));
        folder
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        write(self.0.path(), name, bytes).display().to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the command in this folder.
    fn run(&self, line: &str) -> Output {
        command(&line.split(' ').collect::<Vec<&str>>()).current_dir(self.0.path()).output().unwrap()
    }

    /// What it prints: on stdout, and on stderr.
    fn ok(&self, line: &str) -> [String; 2] {
        let ran = self.run(line);
        let [out, err] = [ran.stdout, ran.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(ran.status.success(), "{line}: {err}");
        [out, err]
    }

    /// Its message, where it must fail with this code.
    fn fails(&self, line: &str, code: i32) -> String {
        let ran = self.run(line);
        let message = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(code), "{line}: {message}");
        message
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(self.0.path()).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into()).collect();
        names.sort();
        names
    }
}

/// Places in a square of 200 m of a map grid, in metres.
fn map(n: usize, seed: usize) -> Vec<f64> {
    let step = |i: usize, by: usize| ((i + seed) * by % 100_003) as f64 / 500.0;
    (0..n).flat_map(|i| [5e5 + step(i, 7919), 4.5e6 + step(i, 104_729)]).collect()
}

#[test]
fn coordinates_of_a_map_grid_keep_their_digits() {
    let folder = Folder::new();
    let (base, queries) = (map(N, 0), map(20, 5000));
    folder.write("base.npy", &f64s(&base, 2));
    folder.write("queries.npy", &f64s(&queries, 2));
    let truth = |at: &[f64], except: Option<usize>| {
        let distance = |j: usize| (at[0] - base[2 * j]).hypot(at[1] - base[2 * j + 1]);
        let mut all: Vec<f64> = (0..N).filter(|&j| Some(j) != except).map(distance).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let check = |name: &str, rows: &[f64], own: bool, tolerance: f64| {
        let graph = read_graph(folder.path(name)).unwrap();
        for (i, at) in rows.chunks_exact(2).enumerate() {
            for (found, expected) in graph.distances(i).iter().zip(truth(at, own.then_some(i))) {
                let error = (f64::from(*found) - expected).abs() / expected.max(1e-9);
                assert!(error < tolerance, "{name}, row {i}: {found} instead of {expected}");
            }
        }
    };
    let [out, err] = folder.ok("graph base.npy -k 5 --algorithm nndescent --json -o g.npz");
    assert!(err.contains("float64 converted to float32, after the medians of 2 of 2 columns were subtracted"), "{err}");
    let json: Value = serde_json::from_str(&out).unwrap();
    assert!(json["narrowing"]["error"].as_f64().unwrap() < 1e-5, "{json}");
    assert!((json["center"][1].as_f64().unwrap() - 4.5e6).abs() < 200.0 && json["narrowed_from"] == "float64");
    check("g.npz", &base, true, 1e-6);
    folder.ok("exact base.npy -k 5 -o e.npz");
    check("e.npz", &base, true, 1e-6);
    folder.ok("exact base.npy queries.npy -k 5 -o q.npz");
    check("q.npz", &queries, false, 1e-6);
    folder.ok("index base.npy -o i.nnd");
    folder.ok("query i.nnd queries.npy -k 5 --epsilon 1 -o q.npz");
    check("q.npz", &queries, false, 1e-4);
    folder.ok("add i.nnd queries.npy");
    folder.ok("query i.nnd queries.npy -k 1 -o q.npz");
    let own = read_graph(folder.path("q.npz")).unwrap();
    assert!((0..20).all(|i| own.ids(i)[0] as usize == N + i && own.distances(i)[0] == 0.0));
    let [info, _] = folder.ok("info i.nnd --json");
    let info: Value = serde_json::from_str(&info).unwrap();
    assert!((info["center"][0].as_f64().unwrap() - 5e5).abs() < 200.0, "{info}");
}

#[test]
fn what_narrowing_loses_is_said() {
    let folder = Folder::new();
    folder.write("base.npy", &f64s(&map(N, 0), 2));
    let [out, err] = folder.ok("graph base.npy -k 5 --metric cosine --json -o g.npz");
    assert!(err.contains("float64 converted to float32: the largest error is 2.") && err.contains("column 1"), "{err}");
    let json: Value = serde_json::from_str(&out).unwrap();
    let worst = &json["narrowing"];
    assert!(worst["error"].as_f64().unwrap() > 0.2 && worst["column"] == 1, "{worst}");
    folder.write("far.npy", &f64s(&[1.0, 2.0, 1e39, 3.0], 2));
    let message = folder.fails("graph far.npy -k 1 -o g.npz", 3);
    assert!(message.contains("far.npy: row 1, column 0 is 1e39, which float32 cannot hold"), "{message}");
}

#[test]
fn rows_of_other_types_than_the_index_are_converted() {
    let folder = Folder::new();
    let x = values(N);
    let some: Vec<f64> = x[..3 * DIM].iter().map(|&v| v.into()).collect();
    folder.write("wide.npy", &f64s(&some, DIM));
    let halves: Vec<u8> = x.iter().flat_map(|&v| half::f16::from_f32(v).to_le_bytes()).collect();
    folder.write("half.npy", &npy("'<f2'", false, &format!("({N}, {DIM})"), &halves));
    folder.write("far.npy", &npy_f32(&[1e6; DIM], DIM));
    let bytes: Vec<u8> = (0..N * DIM).map(|i| (i * 31 % 251) as u8).collect();
    folder.write("bytes.npy", &npy("'|u1'", false, &format!("({N}, {DIM})"), &bytes));
    for base in ["x", "half"] {
        folder.ok(&format!("index {base}.npy -o i.nnd"));
        for other in ["wide", "half", "x"] {
            folder.ok(&format!("query i.nnd {other}.npy -k 2 -o q.npz"));
            let bound = Index::open(folder.path("i.nnd")).unwrap().id_bound();
            folder.ok(&format!("add i.nnd {other}.npy"));
            assert!(Index::open(folder.path("i.nnd")).unwrap().id_bound() > bound);
        }
        folder.write("two.npy", &npy("'<i8'", false, "(3,)", &[0u64, 1, 2].map(u64::to_le_bytes).concat()));
        folder.ok("add i.nnd wide.npy --replace two.npy");
    }
    let message = folder.fails("add i.nnd far.npy", 3);
    assert!(message.contains("row 0, column 0 is 1000000.0, which float16 cannot hold"), "{message}");
    folder.ok("index bytes.npy -o i.nnd");
    folder.ok("query i.nnd x.npy -k 2 -o q.npz");
    let message = folder.fails("add i.nnd x.npy", 3);
    assert!(message.contains("which uint8 cannot hold"), "{message}");
    for (base, queries) in [("x", "wide"), ("half", "wide"), ("bytes", "x"), ("wide", "half")] {
        folder.ok(&format!("exact {base}.npy {queries}.npy -k 2 -o q.npz"));
    }
}

#[test]
fn a_mask_selects_and_is_no_list_of_ids() {
    let folder = Folder::new();
    let mask = |n: usize, on: std::ops::Range<usize>| {
        npy("'|b1'", false, &format!("({n},)"), &(0..n).map(|i| u8::from(on.contains(&i))).collect::<Vec<u8>>())
    };
    folder.write("some.npy", &mask(N, 100..110));
    folder.write("short.npy", &mask(2, 0..1));
    folder.ok("index x.npy -o i.nnd");
    folder.ok("query i.nnd x.npy -k 3 --filter some.npy -o q.npz");
    assert!(read_graph(folder.path("q.npz")).unwrap().all_ids().iter().all(|id| (100..110).contains(id)));
    let message = folder.fails("remove i.nnd short.npy", 3);
    assert!(message.contains("a mask of 2 entries; one for each of the 300 ids is needed"), "{message}");
    folder.fails("query i.nnd x.npy --filter short.npy -o q.npz", 3);
    folder.ok("remove i.nnd some.npy");
    assert_eq!(Index::open(folder.path("i.nnd")).unwrap().len(), N - 10);
}

#[test]
fn equal_distances_count_as_hits() {
    let folder = Folder::new();
    folder.write("ones.npy", &npy_f32(&vec![1.0; N * DIM], DIM));
    folder.ok("graph ones.npy -k 5 --algorithm nndescent -o g.npz");
    folder.ok("exact ones.npy -k 5 -o t.npz");
    let [out, _] = folder.ok("recall g.npz t.npz");
    assert_eq!(out, "recall@5 1.000000 (by distance, 300 rows)\n");
}

#[cfg(unix)]
#[test]
fn no_output_replaces_an_input() {
    let folder = Folder::new();
    folder.ok("graph x.npy -k 5 -o g.npz");
    fs::hard_link(folder.path("x.npy"), folder.path("x.npz")).unwrap();
    std::os::unix::fs::symlink("x.npy", folder.path("x.nnd")).unwrap();
    let before = fs::read(folder.path("x.npy")).unwrap();
    for line in ["graph x.npy -o x.npz", "index x.npy -o x.nnd", "exact x.npy x.npy -k 2 -o x.npz"] {
        let message = folder.fails(line, 4);
        assert!(message.contains("this is the input x.npy: write to another file"), "{message}");
    }
    let message = folder.fails("graph x.npy --init-graph g.npz -o ./g.npz", 4);
    assert!(message.contains("this is the input g.npz"), "{message}");
    assert_eq!(fs::read(folder.path("x.npy")).unwrap(), before);
}

#[cfg(unix)]
#[test]
fn links_modes_and_leftovers_of_outputs() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = Folder::new();
    fs::create_dir(folder.path("inner")).unwrap();
    symlink("inner/g.npz", folder.path("g.npz")).unwrap();
    folder.write("inner/.nndescent-4000000000-3", b"of a process that was killed");
    folder.ok("graph x.npy -k 5 -o g.npz");
    assert!(fs::symlink_metadata(folder.path("g.npz")).unwrap().is_symlink());
    assert_eq!(fs::read_dir(folder.path("inner")).unwrap().count(), 1, "the leftover is gone");
    let mode = |name: &str| fs::metadata(folder.path(name)).unwrap().permissions().mode() & 0o777;
    fs::set_permissions(folder.path("inner/g.npz"), fs::Permissions::from_mode(0o604)).unwrap();
    folder.ok("graph x.npy -k 5 -o g.npz");
    assert_eq!(mode("inner/g.npz"), 0o604);
    let binary = env!("CARGO_BIN_EXE_nndescent");
    let script = "umask 027; exec \"$0\" graph x.npy -k 5 -o new.npz";
    let ran = Command::new("sh").args(["-c", script, binary]).current_dir(folder.0.path()).output().unwrap();
    assert!(ran.status.success());
    assert_eq!(mode("new.npz"), 0o640);
}

#[test]
fn a_second_writer_of_an_index_is_told() {
    let folder = Folder::new();
    folder.ok("index x.npy -o i.nnd");
    let lock = Index::lock(folder.path("i.nnd")).unwrap();
    for line in ["add i.nnd x.npy", "index x.npy -o i.nnd"] {
        let ran = folder.run(line);
        let message = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(!ran.status.success() && message.contains("another process is changing this index"), "{message}");
    }
    folder.ok("query i.nnd x.npy -k 1 -o q.npz");
    let mut index = Index::open(folder.path("i.nnd")).unwrap();
    index.remove(&[0]).unwrap();
    lock.save(&index).unwrap();
    folder.ok("add i.nnd x.npy");
    assert_eq!(Index::open(folder.path("i.nnd")).unwrap().len(), 2 * N - 1);
}

#[test]
fn files_are_described() {
    let folder = Folder::new();
    folder.ok("index x.npy --metric minkowski --metric-arg p=3 -o i.nnd");
    folder.ok("graph x.npy -k 5 -o g.npz");
    let json = |line: &str| serde_json::from_str::<Value>(&folder.ok(line)[0]).unwrap();
    let index = json("info i.nnd --json");
    let expected = serde_json::json!({
        "kind": "index", "version": 1, "n": N, "dim": DIM, "dtype": "float32", "metric": "minkowski(p=3)",
        "quantization": "none", "epsilon": 0.1, "max_degree": 45, "end_id": N, "center": null, "checksums": "ok",
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&index[field], value, "{field}: {index}");
    }
    let graph = json("info g.npz --json");
    assert_eq!((&graph["kind"], &graph["n"], &graph["k"]), (&"graph".into(), &N.into(), &5.into()));
    assert!(folder.ok("info i.nnd")[0].starts_with("kind           index\n"));
    let mut damaged = fs::read(folder.path("i.nnd")).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    folder.write("d.nnd", &damaged);
    let checksums = json("info d.nnd --json")["checksums"].to_string();
    assert!(checksums.contains("is damaged: its checksum does not match"), "{checksums}");
}

#[test]
fn streams_are_read_and_written() {
    let folder = Folder::new();
    folder.ok("graph x.npy -k 5 -o g.npz");
    let text: Vec<String> = values(N).chunks(DIM).map(|row| format!("{row:?}").replace(['[', ']'], "")).collect();
    for input in [fs::read(folder.path("x.npy")).unwrap(), text.join("\n").into_bytes()] {
        let mut child = command(&["graph", "-", "-k", "5", "-o", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&input).unwrap();
        let ran = child.wait_with_output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        assert!(ran.stdout == fs::read(folder.path("g.npz")).unwrap(), "the bytes of the file");
    }
    let mut child = command(&["graph", "-", "-o", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"1,2\n3,x\n").unwrap();
    let ran = child.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(message.contains("standard input: line 2, column 2: `x` where a number is needed"), "{message}");
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_written_is_a_failure() {
    let folder = Folder::new();
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    for words in [&["metrics"][..], &["--help"], &["info", "x.npy"], &["graph", "x.npy", "-k", "5", "-o", "-"]] {
        let ran = command(words).current_dir(folder.0.path()).stdout(full()).output().unwrap();
        assert_eq!(ran.status.code(), Some(4), "{words:?}");
    }
    std::os::unix::fs::symlink("/dev/full", folder.path("full.npz")).unwrap();
    let message = folder.fails("graph x.npy -k 5 -o full.npz", 4);
    assert!(message.contains("No space left on device"), "{message}");
    assert_eq!(folder.names(), ["full.npz", "x.npy"]);
}

/// More memory than a process may have: a message with the bytes, not a signal.
#[cfg(target_os = "linux")]
#[test]
fn memory_that_is_not_there_is_a_failure() {
    let folder = Folder::new();
    let header = [50_000_000u32.to_le_bytes(), 100u32.to_le_bytes()].concat();
    folder.write("huge.fbin", &header);
    fs::File::options().write(true).open(folder.path("huge.fbin")).unwrap().set_len(8 + 20_000_000_000).unwrap();
    let script = "ulimit -v 3000000; exec \"$0\" graph huge.fbin -k 5 --threads 1 -o g.npz";
    let binary = env!("CARGO_BIN_EXE_nndescent");
    let ran = Command::new("sh").args(["-c", script, binary]).current_dir(folder.0.path()).output().unwrap();
    let message = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.code().is_some() && !ran.status.success(), "{message}");
    assert!(message.contains("out of memory: 20000000000 bytes are needed at once"), "{message}");
    let message = folder.fails("graph x.npy --threads 100000 -o g.npz", 2);
    assert!(message.contains("--threads 100000: at least 1 is needed, at most 1024 are possible"), "{message}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_the_command_with_its_code_and_no_leftovers() {
    let folder = Folder::new();
    folder.write("many.npy", &npy_f32(&values(200_000), DIM));
    for line in ["index many.npy -k 100 -o i.nnd", "exact many.npy -k 50 --metric minkowski --metric-arg p=3 -o g.npz"]
    {
        let mut child = command(&line.split(' ').collect::<Vec<&str>>()).current_dir(folder.0.path()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(500));
        let start = std::time::Instant::now();
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(5), "{line}");
        assert!(start.elapsed().as_secs_f64() < 2.0, "{line}");
        assert_eq!(folder.names(), ["many.npy", "x.npy"]);
    }
}

#[test]
fn shells_and_manuals_know_the_commands() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(folder.ok(&format!("completions {shell}"))[0].contains("target-recall"));
    }
    let [page, _] = folder.ok("man");
    assert!(page.contains(".TH nndescent") && page.contains("nndescent\\-query"), "{}", &page[..500]);
}
