//! The commands that analyse graphs, as a user runs them.

use nndescent::io::{describe, read_csr, read_floats};
use serde_json::Value;

use crate::cli::{DIM, Files, N, run, values};
use crate::common::files::{npy, npy_f32, write};

#[test]
fn outliers_are_scored_from_a_matrix_and_from_its_graph() {
    let files = Files::new();
    let mut x = values(N, DIM);
    x[5 * DIM..6 * DIM].fill(60.0);
    let input = write(files.dir.path(), "far.npy", &npy_f32(&x, DIM)).display().to_string();
    let (graph, scores, plot) = (files.path("g.npz"), files.path("s.npy"), files.path("s.svg"));
    let labels: Vec<f32> = (0..N).map(|i| f32::from(i == 5)).collect();
    let labels = write(files.dir.path(), "y.npy", &npy_f32(&labels, 1)).display().to_string();
    assert!(run(&["graph", &input, "-k", "10", "-o", &graph]).status.success());
    for method in ["knn", "kth", "median", "lof", "simplified-lof", "loop", "sod", "indegree", "snn"] {
        let of = |words: &[&str]| {
            let ran = run(&[&["outliers"], words, &["--method", method, "--json", "-o", &scores]].concat());
            assert!(ran.status.success(), "{method}: {}", String::from_utf8_lossy(&ran.stderr));
            let json: Value = serde_json::from_slice(&ran.stdout).unwrap();
            (read_floats(&scores).unwrap(), json)
        };
        let (built, json) = of(&[&input, "-k", "10", "--labels", &labels, "--plot", &plot]);
        let (read, _) = of(&[&graph, "--points", &input]);
        assert_eq!((built.len(), &built), (N, &read), "{method}");
        let is_counted = method == "indegree" || method == "snn";
        assert!(is_counted || json["top"][0]["row"] == 5 && json["roc_auc"] == 1.0, "{method}: {json}");
        assert!(std::fs::read_to_string(&plot).unwrap().starts_with("<svg"));
    }
    let ran = run(&["outliers", &graph, "-k", "10", "--contamination", "0.005", "--top", "3", "-o", &scores]);
    let text = String::from_utf8(ran.stdout).unwrap();
    assert!(text.contains("3 outliers, above") && text.contains("         5  "), "{text}");
    for (words, code, message) in [
        (vec![&graph[..], "-k", "11"], 2, "-k 11: the graph has 10 neighbours in a row at most"),
        (vec![&graph, "--contamination", "0.6"], 2, "contamination = 0.6, allowed: above 0, up to 0.5"),
        (vec![&graph, "--method", "sod"], 2, "sod of a graph needs --points"),
        (vec![&graph, "--labels", &scores, "--method", "loop", "--lambda", "0"], 2, "lambda = 0"),
        (vec![&labels, "--labels", &graph], 3, "g.npz"),
    ] {
        let ran = run(&[&["outliers"], &words[..], &["-o", &files.path("t.npy")]].concat());
        let error = String::from_utf8(ran.stderr).unwrap();
        assert!(ran.status.code() == Some(code) && error.contains(message), "{words:?}: {error}");
    }
}

#[test]
fn graphs_are_exported() {
    let files = Files::new();
    let (graph, _) = files.graph(&["-k", "6"]);
    let (input, npz) = (files.path("g.npz"), files.path("m.npz"));
    let export = |words: &[&str], output: &str| {
        let ran = run(&[&["export", &input], words, &["-o", output]].concat());
        assert!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    };
    let text = export(&["--to", "csr"], &npz);
    assert!(text.contains("3600 edges of 600 rows") && text.contains("connected components, hubness"), "{text}");
    let csr = graph.to_csr();
    let read = read_csr(&npz).unwrap();
    for i in 0..N {
        let row = read.view().row(i);
        assert!(csr.row(i).eq(row.indices.iter().copied().zip(row.values.iter().copied())), "row {i}");
    }
    let plots = [files.path("o.svg"), files.path("d.svg")];
    let tsv = files.path("m.tsv");
    export(&["--to", "edgelist", "--plot-occurrences", &plots[0], "--plot-distances", &plots[1]], &tsv);
    let lines = std::fs::read_to_string(&tsv).unwrap();
    let edges: Vec<(usize, u32, f32)> = lines
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split('\t').collect();
            (words[0].parse().unwrap(), words[1].parse().unwrap(), words[2].parse().unwrap())
        })
        .collect();
    let right = (0..N).flat_map(|i| csr.row(i).map(move |(j, value)| (i, j, value)));
    assert!(edges.into_iter().eq(right));
    assert!(plots.iter().all(|plot| std::fs::read_to_string(plot).unwrap().contains("</svg>")));

    export(&["--to", "coo", "--weights", "snn", "--symmetry", "mean"], &npz);
    let arrays: Vec<String> = describe(&npz).unwrap().into_iter().map(|array| array.name).collect();
    assert_eq!(arrays, ["row", "col", "format", "shape", "data"]);
    export(&["--to", "csr", "--weights", "connectivity", "--symmetry", "union"], &npz);
    let read = read_csr(&npz).unwrap();
    let edges: usize = (0..N).map(|i| read.view().row(i).indices.len()).sum();
    assert!(edges > 3600 && read.view().row(0).values.iter().all(|&value| value == 1.0));
    export(&["--to", "csr", "--weights", "umap"], &npz);
    let weights = std::fs::read(&npz).unwrap();
    export(&["--to", "umap"], &npz);
    assert!(std::fs::read(&npz).unwrap() == weights);
    assert!(read_csr(&npz).unwrap().view().row(0).values.iter().all(|&value| value > 0.0 && value <= 1.0));
}

#[test]
fn doping_compares_scores_and_metrics() {
    let files = Files::new();
    let input = files.input.display().to_string();
    let words = ["doping", &input, "--metrics", "euclidean", "canberra", "-k", "8", "--count", "12", "--changed", "3"];
    let text = String::from_utf8(run(&words).stdout).unwrap();
    let begin = "ROC-AUC of 12 rows made of others among 600, 3 of 8 values changed, k = 8";
    assert!(text.starts_with(begin) && text.contains("canberra"), "{text}");
    let json: Value = serde_json::from_slice(&run(&[&words[..], &["--json"]].concat()).stdout).unwrap();
    for metric in ["euclidean", "canberra"] {
        let areas = json["roc_auc"][metric].as_object().unwrap();
        assert!(
            areas.len() == 11 && areas.values().all(|area| (0.0..=1.0).contains(&area.as_f64().unwrap())),
            "{json}"
        );
        // Values of other rows lie in other groups.
        assert!(areas["lof"].as_f64().unwrap() > 0.8, "{json}");
    }
    let ran = run(&["doping", &input, "--metrics", "euclid", "--changed", "9"]);
    let error = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.code() == Some(2) && error.contains("changed = 9, allowed: 1 to the 8 columns"), "{error}");
}

/// A graph without distances, with its ids as int64.
fn ids_only(files: &Files, ids: &[u32]) -> String {
    let bytes: Vec<u8> = ids.iter().flat_map(|&id| i64::from(id).to_le_bytes()).collect();
    let array = npy("'<i8'", false, &format!("({N}, {})", ids.len() / N), &bytes);
    let path = files.dir.path().join("ids.npz");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    zip.start_file("indices.npy", zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut zip, &array).unwrap();
    zip.finish().unwrap();
    path.display().to_string()
}

#[test]
fn what_a_graph_does_not_hold_is_told() {
    let files = Files::new();
    let (graph, _) = files.graph(&["-k", "9"]);
    let (npz, input) = (files.path("g.npz"), files.input.display().to_string());
    let ids = ids_only(&files, graph.all_ids());
    let [scores, matrix, plot] = ["s.npy", "m.npz", "p.svg"].map(|name| files.path(name));
    let wrong = write(files.dir.path(), "nan.npy", &npy_f32(&[f32::NAN; N * DIM], DIM)).display().to_string();
    for (words, code, message) in [
        (vec!["outliers", &ids, "-o", &scores], 3, "ids.npz: a graph without `distances`"),
        (vec!["cluster", &ids, "-o", &scores], 3, "ids.npz: a graph without `distances`"),
        (vec!["export", &ids, "-o", &matrix], 3, "ids.npz: a graph without `distances`"),
        (vec!["export", &npz, "-k", "12", "-o", &matrix], 2, "-k 12: the graph has 9 neighbours"),
        (vec!["cluster", &npz, "--min-cluster-size", "50", "-o", &scores], 2, "build the graph with a larger -k"),
        (vec!["cluster", &npz, "--probabilities", &scores, "-o", &scores], 4, "two outputs cannot be one file"),
        (vec!["outliers", &npz, "--method", "sod", "--points", &wrong, "-o", &scores], 3, "nan.npy: row 0"),
        (vec!["outliers", &npz, "--labels", &wrong, "-o", &scores], 3, "nan.npy: the label of row 0 is NaN"),
        (vec!["outliers", &npz, "--contamination", "-1", "-o", &scores], 2, "contamination = -1"),
        (vec!["doping", &input, "--count", "601"], 2, "count = 601, allowed: 1 to the 600 rows"),
    ] {
        let ran = run(&words);
        let error = String::from_utf8(ran.stderr).unwrap();
        assert!(ran.status.code() == Some(code) && error.contains(message), "{words:?}: {error}");
    }
    for words in [
        vec!["outliers", &ids, "--method", "snn", "-o", &scores],
        vec!["cluster", &ids, "--method", "jarvis-patrick", "-o", &scores, "--plot", &plot],
        vec!["export", &ids, "--weights", "connectivity", "-o", &matrix],
        vec!["export", &npz, "-k", "5", "-o", &matrix],
    ] {
        let ran = run(&words);
        assert!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
    }
    assert_eq!(read_csr(&matrix).unwrap().view().indices().len(), 5 * N);
}
