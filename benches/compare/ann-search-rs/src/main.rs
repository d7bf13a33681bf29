//! peer-ann-search-rs DATA.npy K METRIC OUT.i32 [PARAMETER=VALUE...]: builds the k-neighbour graph of a float32 .npy,
//! prints the seconds of the build, writes n x k ids (i32, -1 where a row is short). Parameters are k, n_trees,
//! max_iter, max_candidates and delta.
use std::io::{Read, Write};

use ann_search_rs::build_knn_graph_nndescent;
use ann_search_rs::prelude::*;

fn read_npy(path: &str) -> (Vec<f32>, usize, usize) {
    let mut bytes = vec![];
    std::fs::File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
    let end = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..end]).to_string();
    assert!(header.contains("<f4"), "float32 is needed: {header}");
    let shape = header.split("'shape': (").nth(1).unwrap().split(')').next().unwrap();
    let shape: Vec<usize> = shape.split(',').filter_map(|s| s.trim().parse().ok()).collect();
    let values = bytes[end..].chunks_exact(4).map(|c| f32::from_le_bytes(c.try_into().unwrap())).collect();
    (values, shape[0], shape[1])
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let (x, n, d) = read_npy(&words[1]);
    let k: usize = words[2].parse().unwrap();
    let mut params = NNDescentKnnParams { k, include_self: false, ..Default::default() };
    for word in &words[5..] {
        let (name, value) = word.split_once('=').expect("PARAMETER=VALUE");
        match name {
            "k" => params.k = value.parse().unwrap(),
            "n_trees" => params.n_trees = Some(value.parse().unwrap()),
            "max_iter" => params.max_iter = Some(value.parse().unwrap()),
            "max_candidates" => params.max_candidates = Some(value.parse().unwrap()),
            "delta" => params.delta = value.parse().unwrap(),
            _ => panic!("no parameter {name}"),
        }
    }
    let k = params.k;
    let start = std::time::Instant::now();
    let graph = build_knn_graph_nndescent((x.as_slice(), n, d), &words[3], Some(params), 42, Verbosity::Quiet).unwrap();
    println!("seconds {:.3}", start.elapsed().as_secs_f64());
    let mut out = std::io::BufWriter::new(std::fs::File::create(&words[4]).unwrap());
    for i in 0..n {
        let row = graph.row(i);
        for j in 0..k {
            out.write_all(&row.get(j).map_or(-1, |&id| id as i32).to_le_bytes()).unwrap();
        }
    }
}
