//! Recall and work of six small builds, recorded in tests/golden/builds.txt: a change of behaviour shows as a
//! difference there. `NNDESCENT_UPDATE_GOLDEN=1 cargo test --test suite golden` rewrites it. tests/golden/gpu.txt
//! records the work of such builds on a GPU, round by round.
//!
//! All data are small integers, whose sums are exact, so that every instruction set gives the same result.

use nndescent::{Algorithm, Metric, NnDescent, Points, exact, recall};

const DIGITS: &[u8] = include_bytes!("../examples/data/digits-8x8.u8");
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/");
const K: usize = 15;

/// Name, recall, number of distances, and updates of each round.
fn line(name: &str, data: &[u8], dim: usize, builder: &NnDescent, metric: Metric) -> String {
    let points = Points::dense(data, data.len() / dim, dim).unwrap();
    let built = builder.clone().n_neighbors(K).algorithm(Algorithm::NnDescent).recall_sample(0).graph(&points).unwrap();
    let truth = exact::graph(&points, &metric, K, false).unwrap();
    let recall = recall::recall(&built.graph, &truth, K).unwrap();
    let updates: Vec<String> = built.report.rounds.iter().map(|r| r.updates.to_string()).collect();
    format!(
        "{name}: recall {recall:.4}, {} distances, updates {}\n",
        built.report.distances_evaluated,
        updates.join(" ")
    )
}

fn builds() -> String {
    let halves: Vec<u8> = DIGITS.chunks_exact(64).flat_map(|row| row[16..48].to_vec()).collect();
    // Nine times as wide, each time turned by seven columns more: pairs that shared a leaf are left out.
    let turned = |row: &[u8], times: usize| row.iter().cycle().skip(7 * times).take(64).copied().collect::<Vec<u8>>();
    let wide: Vec<u8> = DIGITS.chunks_exact(64).flat_map(|row| (0..9).flat_map(|times| turned(row, times))).collect();
    let of = |metric| NnDescent::new(metric);
    let cosine = of(Metric::Cosine).max_candidates(10).n_trees(2).leaf_size(30);
    [
        line("digits, euclidean", DIGITS, 64, &of(Metric::Euclidean), Metric::Euclidean),
        line("digits, cosine, small trees", DIGITS, 64, &cosine, Metric::Cosine),
        line("digits, manhattan", DIGITS, 64, &of(Metric::Manhattan).leaf_size(40), Metric::Manhattan),
        line("wide digits, manhattan", &wide, 576, &of(Metric::Manhattan).leaf_size(40), Metric::Manhattan),
        line("middle rows, euclidean, no trees", &halves, 32, &of(Metric::Euclidean).n_trees(0), Metric::Euclidean),
        line("middle rows, hamming, two trees", &halves, 32, &of(Metric::Hamming).n_trees(2), Metric::Hamming),
    ]
    .concat()
}

fn compare(file: &str, now: &str) {
    let file = format!("{FOLDER}{file}");
    if std::env::var_os("NNDESCENT_UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, now).unwrap();
    }
    assert_eq!(now, std::fs::read_to_string(file).unwrap(), "see the head of tests/golden.rs");
}

#[test]
fn builds_are_as_reviewed() {
    compare("builds.txt", &builds());
}

#[cfg(feature = "gpu")]
mod gpu {
    use super::*;
    use nndescent::report::RoundStats;
    use nndescent::{Device, GpuSelector};

    /// Recall and distances of a build on the first adapter, software included, and what each of its rounds took.
    fn line(name: &str, builder: &NnDescent, metric: Metric) -> String {
        let points = Points::dense(DIGITS, DIGITS.len() / 64, 64).unwrap();
        let builder = builder.clone().n_neighbors(K).algorithm(Algorithm::NnDescent).recall_sample(0);
        let built = builder.device(Device::Gpu(GpuSelector::Index(0))).graph(&points).unwrap();
        let truth = exact::graph(&points, &metric, K, false).unwrap();
        let recall = recall::recall(&built.graph, &truth, K).unwrap();
        let head = format!("{name}: recall {recall:.4}, {} distances\n", built.report.distances_evaluated);
        head + &built.report.rounds.iter().map(round).collect::<String>()
    }

    fn round(round: &RoundStats) -> String {
        let traffic = round.traffic.map_or("on the CPU".into(), |t| {
            format!("{} submissions, {} dispatches, {} bytes back", t.submissions, t.dispatches, t.read_bytes)
        });
        format!("  {} distances, {} updates, {traffic}\n", round.distances, round.updates)
    }

    #[test]
    fn builds_on_a_gpu_are_as_reviewed() {
        if nndescent::gpu::adapters().is_empty() {
            assert!(std::env::var_os("NNDESCENT_REQUIRE_GPU").is_none(), "NNDESCENT_REQUIRE_GPU is set: no adapter");
            eprintln!("ignored: no GPU adapter");
            return;
        }
        let of = NnDescent::new;
        let few = of(Metric::Manhattan).max_candidates(10).n_trees(2).leaf_size(30);
        let now = [
            line("digits, euclidean", &of(Metric::Euclidean), Metric::Euclidean),
            line("digits, manhattan, small trees", &few, Metric::Manhattan),
            line("digits, euclidean, no trees", &of(Metric::Euclidean).n_trees(0), Metric::Euclidean),
            line("digits, euclidean, in parts", &of(Metric::Euclidean).part_rows(700), Metric::Euclidean),
        ];
        compare("gpu.txt", &now.concat());
    }
}
