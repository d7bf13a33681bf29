//! The conformance suite: what every executor must do, run over the CPU's and, where there is an adapter (Mesa's
//! lavapipe will do), the GPU's. Without an adapter the GPU half says so; `NNDESCENT_REQUIRE_GPU=1` makes that a
//! failure.

use crate::common::checks::{Within, between, check_distances, check_rows};
use crate::common::points::patches;
use half::f16;
use nndescent::custom::{self, Custom};
use nndescent::{
    Algorithm, Built, Device, GpuSelector, KnnGraph, Metric, NnDescent, Points, SearchOptions, exact, recall,
};
use std::sync::Mutex;

/// One build at a time: software adapters share the cores.
pub(super) static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The first adapter, software included.
pub(super) fn device() -> Option<Device> {
    let found = nndescent::gpu::adapters();
    if found.is_empty() {
        assert!(
            std::env::var_os("NNDESCENT_REQUIRE_GPU").is_none(),
            "NNDESCENT_REQUIRE_GPU is set, but there is no adapter"
        );
        eprintln!("ignored: no GPU adapter");
    }
    found.first().map(|adapter| Device::Gpu(GpuSelector::Index(adapter.index)))
}

fn digits() -> (Vec<f32>, usize, usize) {
    let bytes = include_bytes!("../examples/data/digits-8x8.u8");
    (bytes.iter().map(|v| f32::from(*v)).collect(), bytes.len() / 64, 64)
}

fn build(builder: &NnDescent, device: Device, points: &Points) -> Built {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    builder.clone().device(device).algorithm(Algorithm::NnDescent).recall_sample(0).graph(points).expect("builds")
}

/// Rows as promised; every 97th has distances of the metric.
fn check_promises(graph: &KnnGraph, k: usize, metric: &Metric, data: &[f32], dim: usize) {
    check_rows(graph, k);
    check_distances(graph, 97, Within { relative: 1e-4, floor: 1.0 }, between(metric, data, dim));
}

/// Every metric that is searched exactly and needs no arguments made for the rows.
fn metrics() -> impl Iterator<Item = (&'static str, Metric)> {
    let metric = |name| match name {
        "minkowski" => Some(Metric::Minkowski { p: 3.0 }),
        "haversine" | "bit_hamming" | "bit_jaccard" => None,
        _ => name.parse().ok(),
    };
    let all = Metric::names().filter_map(move |names| Some((names[0], metric(names[0])?)));
    all.filter(|(_, metric)| !metric.support().proxy)
}

#[test]
fn both_executors_build_good_graphs_with_every_metric() {
    let Some(gpu) = device() else { return };
    let (data, n, dim) = digits();
    let points = Points::dense(&data, n, dim).unwrap();
    for (name, metric) in metrics() {
        let builder = NnDescent::new(metric.clone()).n_neighbors(10).seed(3);
        let truth = exact::graph(&points, &metric, 10, false).unwrap();
        let recall = |device| {
            let built = build(&builder, device, &points);
            check_promises(&built.graph, 10, &metric, &data, dim);
            recall::recall(&built.graph, &truth, 10).unwrap()
        };
        let (on_cpu, on_gpu) = (recall(Device::Cpu), recall(gpu.clone()));
        assert!((on_cpu - on_gpu).abs() < 0.005 || on_gpu > on_cpu, "{name}: {on_gpu} on the GPU, {on_cpu} on the CPU");
    }
}

#[test]
fn bits_are_searched_on_a_gpu() {
    let Some(gpu) = device() else { return };
    let (n, bytes) = (1200, 50);
    // Sixty patterns, each with a twentieth of its bits changed.
    let random = |a: u64, b: u64| (a * 7919 + b + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    let byte = |i: u64, j: u64| {
        (0..8u64).fold(0u8, |byte, bit| {
            let column = 8 * j + bit;
            let set = random(i % 60, column) % 3 == 0;
            byte << 1 | u8::from(set != (random(1000 + i, column) % 20 == 0))
        })
    };
    let data: Vec<u8> = (0..n as u64).flat_map(|i| (0..bytes as u64).map(move |j| byte(i, j))).collect();
    let points = Points::bits(&data, n, 8 * bytes).unwrap();
    for metric in [Metric::BitJaccard, Metric::BitHamming] {
        let truth = exact::graph(&points, &metric, 10, false).unwrap();
        for algorithm in [Algorithm::NnDescent, Algorithm::Exact] {
            let builder = NnDescent::new(metric.clone()).n_neighbors(10).algorithm(algorithm);
            let built = build(&builder, gpu.clone(), &points);
            assert!(built.report.executor.to_string().contains("bit rows"), "{}", built.report.executor);
            let recall = recall::recall(&built.graph, &truth, 10).unwrap();
            assert!(recall > 0.99, "{metric}, {algorithm}: {recall}");
        }
    }
}

/// Σ w |x-y| with weights of the user's own, on both sides.
const WEIGHTED: &str = "
struct Acc { sum: vec4<f32> }
fn start() -> Acc { return Acc(vec4<f32>()); }
fn step(acc: Acc, x: vec4<f32>, y: vec4<f32>) -> Acc { return Acc(acc.sum + vec4<f32>(1.0, 2.0, 3.0, 4.0) * abs(x - y)); }
fn finish(acc: Acc) -> f32 { return dot(acc.sum, vec4<f32>(1.0)); }
";

#[test]
fn a_metric_of_the_users_own_runs_on_a_gpu() {
    let Some(gpu) = device() else { return };
    let (data, n, dim) = digits();
    let weighted =
        |x: &[f32], y: &[f32]| x.iter().zip(y).enumerate().map(|(i, (a, b))| (i % 4 + 1) as f32 * (a - b).abs()).sum();
    let of = |wgsl: &'static str, algorithm| {
        let rows = custom::rows(&data, dim, weighted).unwrap().wgsl(wgsl);
        let points = Points::items(&rows).unwrap();
        let builder = NnDescent::new(Metric::Custom).n_neighbors(10).algorithm(algorithm);
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        builder.device(gpu.clone()).graph(&points)
    };
    let rows = custom::rows(&data, dim, weighted).unwrap();
    let truth = exact::graph(&Points::items(&rows).unwrap(), &Metric::Custom, 10, false).unwrap();
    for algorithm in [Algorithm::NnDescent, Algorithm::Exact] {
        let built = of(WEIGHTED, algorithm).unwrap();
        assert!(built.report.executor.is_gpu(), "{}", built.report.executor);
        let recall = recall::recall(&built.graph, &truth, 10).unwrap();
        assert!(recall > 0.99, "{algorithm}: {recall}");
    }
    assert_eq!(truth.n(), n);
    let kept = Custom::rows(data.clone(), dim, weighted).unwrap().wgsl(WEIGHTED);
    let points = Points::items(&kept).unwrap();
    let indexed = {
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let builder = NnDescent::new(Metric::Custom).algorithm(Algorithm::NnDescent).device(gpu.clone());
        builder.index(&points).unwrap()
    };
    assert!(indexed.report.executor.is_gpu(), "{}", indexed.report.executor);
    let hits = indexed.index.query_ids(&(0..n as u32).collect::<Vec<u32>>(), 10, &SearchOptions::new()).unwrap();
    let recall = recall::recall(hits.graph(), &truth, 10).unwrap();
    assert!(recall > 0.95, "{recall}");
    let other = Box::leak(WEIGHTED.replace("3.0, 4.0", "3.0, 5.0").into_boxed_str());
    let wrong = of(other, Algorithm::NnDescent).unwrap_err().to_string();
    assert!(wrong.contains("computes a distance of"), "{wrong}");
    // Near rows are at the root of a negative number.
    let rooted = "let d = dot(acc.sum, vec4<f32>(1.0)); return select(d, sqrt(d - 1000.0), d < 1000.0);";
    let nan = Box::leak(WEIGHTED.replace("return dot(acc.sum, vec4<f32>(1.0));", rooted).into_boxed_str());
    for algorithm in [Algorithm::NnDescent, Algorithm::Exact] {
        let not_finite = of(nan, algorithm).unwrap_err().to_string();
        assert!(not_finite.contains("not finite, of row ") && not_finite.contains(" and row "), "{not_finite}");
    }
    let invalid = of("fn start() -> Acc {", Algorithm::NnDescent).unwrap_err().to_string();
    assert!(invalid.contains("block_pairs"), "{invalid}");
}

#[test]
fn what_only_the_cpu_does_is_named() {
    let Some(gpu) = device() else { return };
    let matrix = nndescent::CsrMatrix::from_dense(&[1.0, 0.0, 2.0, 0.0, 1.0, 1.0], 3, 2).unwrap();
    let on_gpu = |metric: Metric| NnDescent::new(metric).n_neighbors(1).device(gpu.clone());
    let sparse = on_gpu(Metric::Cosine).algorithm(Algorithm::NnDescent).graph(&Points::from(matrix.view()));
    let message = "metric `cosine` on these rows does not run on a GPU: use `Device::Cpu`";
    assert_eq!(sparse.unwrap_err().to_string(), message);
    let dense = Points::dense(&[1.0f32, 0.0, 2.0, 0.0, 1.0, 1.0], 3, 2).unwrap();
    let proxied = on_gpu(Metric::JensenShannon).algorithm(Algorithm::Exact).graph(&dense).unwrap_err().to_string();
    assert!(proxied.starts_with("metric `exact jensen_shannon`"), "{proxied}");
}

#[test]
fn exact_search_is_exact_with_every_metric() {
    let Some(gpu) = device() else { return };
    let (data, n, dim) = digits();
    let points = Points::dense(&data, n, dim).unwrap();
    for (name, metric) in metrics() {
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for include_self in [false, true].into_iter().take(if name == "euclidean" { 2 } else { 1 }) {
            let builder =
                NnDescent::new(metric.clone()).n_neighbors(10).algorithm(Algorithm::Exact).include_self(include_self);
            let built = builder.device(gpu.clone()).graph(&points).unwrap();
            let truth = exact::graph(&points, &metric, 10, include_self).unwrap();
            assert!(built.report.executor.is_gpu(), "{}", built.report.executor);
            assert_eq!(built.report.distances_evaluated, (n * (n - 1)) as u64);
            assert_eq!(built.graph.all_distances(), truth.all_distances(), "{name}");
            // Ids may differ where distances are tied.
            let same = built.graph.all_ids().iter().zip(truth.all_ids()).filter(|(a, b)| a == b).count();
            assert!(
                same * 1000 >= 998 * truth.all_ids().len() || metric.support().bits || name == "chebyshev",
                "{name}: {same}"
            );
        }
    }
}

#[test]
fn the_same_bytes_on_every_run() {
    let Some(gpu) = device() else { return };
    let (data, n, dim) = digits();
    let points = Points::dense(&data, n, dim).unwrap();
    let builder = NnDescent::new(Metric::Euclidean).n_neighbors(12).seed(9);
    let first = build(&builder, gpu.clone(), &points);
    let second = build(&builder, gpu, &points);
    assert_eq!(first.graph, second.graph);
    let counts = |built: &Built| built.report.rounds.iter().map(|r| (r.distances, r.traffic)).collect::<Vec<_>>();
    assert_eq!(counts(&first), counts(&second));
}

#[test]
fn rounds_are_one_submission_and_a_few_bytes() {
    let Some(gpu) = device() else { return };
    let (data, n, dim) = digits();
    let points = Points::dense(&data, n, dim).unwrap();
    let built = build(&NnDescent::new(Metric::Euclidean), gpu, &points);
    assert!(!built.report.rounds.is_empty());
    for round in &built.report.rounds {
        let traffic = round.traffic.expect("a GPU's rounds have traffic");
        assert_eq!((traffic.submissions, traffic.dispatches, traffic.read_bytes), (1, 5, 20));
    }
}

#[test]
fn other_values_stay_as_they_are() {
    let Some(gpu) = device() else { return };
    let (data, n, dim) = digits();
    let bytes: Vec<u8> = data.iter().map(|v| *v as u8).collect();
    let signed: Vec<i8> = data.iter().map(|v| *v as i8 - 8).collect();
    let halves: Vec<f16> = data.iter().map(|v| f16::from_f32(*v)).collect();
    let builder = NnDescent::new(Metric::Euclidean).n_neighbors(8);
    let wide = build(&builder, gpu.clone(), &Points::dense(&data, n, dim).unwrap());
    for (name, points) in [
        ("u8", Points::dense(&bytes, n, dim).unwrap()),
        ("i8", Points::dense(&signed, n, dim).unwrap()),
        ("codes as u8", Points::dense(&halves, n, dim).unwrap()),
    ] {
        let built = build(&builder, gpu.clone(), &points);
        assert!(built.report.executor.to_string().contains(&format!("{name} rows")), "{}", built.report.executor);
        check_promises(&built.graph, 8, &Metric::Euclidean, &data, dim);
        // Trees round differently, distances of whole numbers do not.
        let agreement = recall::recall(&built.graph, &wide.graph, 8).unwrap();
        assert!(agreement > 0.998, "{name}: {agreement}");
    }
}

#[test]
fn rows_are_complete_on_hard_data() {
    let Some(gpu) = device() else { return };
    let copies: Vec<f32> = (0..2000).flat_map(|i| [(i % 20) as f32, (i % 20 * 7 % 11) as f32, 1.0]).collect();
    let constant = vec![1.0f32; 300 * 5];
    let few: Vec<f32> = (0..17).map(|i| i as f32).collect();
    for (name, data, dim, k) in [("copies", &copies, 3, 15), ("constant", &constant, 5, 15), ("few", &few, 1, 16)] {
        let n = data.len() / dim;
        let points = Points::dense(data, n, dim).unwrap();
        for trees in [0, 6] {
            let built = build(&NnDescent::new(Metric::Euclidean).n_neighbors(k).n_trees(trees), gpu.clone(), &points);
            check_promises(&built.graph, k, &Metric::Euclidean, data, dim);
            if trees > 0 && name == "copies" {
                let of_copies = (0..n).filter(|&i| built.graph.distances(i).iter().all(|d| *d == 0.0)).count();
                assert!(of_copies * 1000 >= n * 999, "{of_copies} of {n} rows found their copies");
            }
        }
    }
}

#[test]
fn starts_from_a_graph_and_widens_for_a_target() {
    let Some(gpu) = device() else { return };
    let (data, n, dim) = digits();
    let points = Points::dense(&data, n, dim).unwrap();
    let truth = exact::graph(&points, &Metric::Euclidean, 10, false).unwrap();
    let builder = NnDescent::new(Metric::Euclidean).n_neighbors(10).n_trees(0);
    let warm = build(&builder.clone().init_graph(&truth).n_iters(0), gpu.clone(), &points);
    assert_eq!(recall::recall(&warm.graph, &truth, 10).unwrap(), 1.0);

    let weak = builder.n_trees(2).max_candidates(3).n_iters(2).recall_sample(200).target_recall(0.98);
    let built = weak.device(gpu).graph(&points).unwrap();
    let target = built.report.target.unwrap();
    assert!(target.reached && target.widened > 0, "{target:?}");
    assert!(recall::recall(&built.graph, &truth, 10).unwrap() > 0.97);
}

/// Every part of a build is there once, in order; host and waiting add up to wall time, and kernels run in the parts
/// that have some, where the device has a clock and it is asked for.
#[test]
fn parts_of_a_build_are_timed() {
    let Some(gpu) = device() else { return };
    let (data, n, dim) = digits();
    let points = Points::dense(&data, n, dim).unwrap();
    let clock = nndescent::gpu::adapters()[0].timestamps;
    for asked in [false, true] {
        let built = build(&NnDescent::new(Metric::Euclidean).n_neighbors(12).time_kernels(asked), gpu.clone(), &points);
        let phases = &built.report.device_phases;
        let names: Vec<String> =
            phases.iter().map(|time| time.phase.to_string()).filter(|name| name != "fill").collect();
        let all = "arrange, prepare, empty rows, upload, trees, join, check, rounds, beside rounds, recompute, read back, \
                   finish";
        assert_eq!(names.join(", "), all);
        let of = |wanted: &str| phases.iter().find(|time| time.phase.to_string() == wanted).unwrap();
        for time in phases {
            assert!(time.waited <= time.elapsed, "{time:?}");
            let has_kernels = ["empty rows", "join", "fill", "rounds", "recompute"].contains(&&*time.phase.to_string());
            assert_eq!(time.device.is_some(), asked && clock && has_kernels, "{time:?}");
        }
        assert!(!of("rounds").waited.is_zero() && of("trees").waited.is_zero());
        // These run one after the other.
        let in_turn = ["arrange", "upload", "join", "check", "rounds", "recompute", "read back", "finish"];
        let sum = in_turn.iter().map(|name| of(name).elapsed).sum::<std::time::Duration>();
        assert!(sum <= built.report.times.build(), "{sum:?} of {:?}", built.report.times.build());
        let rounds = built.report.rounds.iter();
        assert!(rounds.clone().map(|round| round.elapsed).sum::<std::time::Duration>() >= of("rounds").elapsed);
        let on_device: Option<std::time::Duration> = rounds.map(|round| round.device).sum();
        assert_eq!(on_device, of("rounds").device);
    }
}

/// Every kernel of a build has a time, together they take no longer than the build, and timing changes nothing else.
#[test]
fn kernels_are_timed() {
    let Some(gpu) = device() else { return };
    let (data, n, dim) = digits();
    let points = Points::dense(&data, n, dim).unwrap();
    let builder = NnDescent::new(Metric::Euclidean).n_neighbors(12);
    let untimed = build(&builder, gpu.clone(), &points);
    assert!(untimed.report.kernels.is_empty());
    for builder in [builder.clone(), builder.clone().part_rows(900)] {
        let Built { graph, report, .. } = build(&builder.clone().time_kernels(true), gpu.clone(), &points);
        if !nndescent::gpu::adapters()[0].timestamps {
            assert!(report.kernels.is_empty());
            continue;
        }
        let whole = report.rounds.iter().all(|round| round.traffic.is_some());
        assert!(!whole || graph == untimed.graph);
        let names: Vec<&str> = report.kernels.iter().map(|time| time.kernel).collect();
        for name in ["block_pairs", "offer_pairs", "neighborhoods", "local_join"] {
            assert!(names.contains(&name), "{name} is not among {names:?}");
        }
        assert!(
            report.kernels.iter().all(|time| !time.elapsed.is_zero() && time.dispatches > 0),
            "{:?}",
            report.kernels
        );
        let busy = report.kernels.iter().map(|time| time.elapsed.as_secs_f64()).sum::<f64>();
        let wall = report.times.build().as_secs_f64();
        assert!(busy <= wall, "{busy} s on the device of {wall} s");
        let distances = report.kernels.iter().map(|time| time.distances).sum::<u64>();
        assert!(!whole || distances == report.distances_evaluated);
        let dispatches = report.kernels.iter().filter(|time| time.kernel == "local_join").map(|time| time.dispatches);
        assert!(!whole || dispatches.sum::<u64>() == report.rounds.len() as u64);
        for traffic in report.rounds.iter().filter_map(|round| round.traffic) {
            assert_eq!((traffic.submissions, traffic.read_bytes), (1, 256 + 5 * 16));
        }
    }
}

/// Floats under metrics of dot products are read as codes: 144 bytes a distance of 128 columns, not 512.
#[test]
fn floats_are_read_as_codes() {
    let Some(gpu) = device() else { return };
    let (n, dim) = (1200, 128);
    let data = patches(n, dim, 3, 5);
    let points = Points::dense(&data, n, dim).unwrap();
    for metric in [Metric::Euclidean, Metric::Cosine, Metric::Dot] {
        let builder = NnDescent::new(metric.clone()).n_neighbors(12).n_iters(1).time_kernels(true);
        let built = build(&builder, gpu.clone(), &points);
        let ran = built.report.executor.to_string();
        assert!(ran.contains("codes as ") && ran.contains("8 rows"), "{metric}: {ran}");
        check_promises(&built.graph, 12, &metric, &data, dim);
        let join = built.report.kernels.iter().find(|time| time.kernel == "local_join");
        let Some(join) = join.filter(|join| join.distances > 0) else { continue };
        let share = join.bytes as f64 / (join.distances * 4 * dim as u64) as f64;
        assert!(share <= 0.3, "{metric}: {share} of the bytes of f32 rows");
    }
}

/// `nndescent bench` prints a line for each device, and one for every kernel.
#[cfg(feature = "cli")]
#[test]
fn the_bench_prints_its_tables() {
    let Some(Device::Gpu(adapter)) = device() else { return };
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut bench = std::process::Command::new(env!("CARGO_BIN_EXE_nndescent"));
    bench.args(["bench", "--generate", "1500x16", "-k", "10", "--repeats", "1", "--exact"]);
    let output = bench.args(["--device", &adapter.to_string()]).output().expect("runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for line in
        ["exact on gpu: ", "exact on cpu: ", "| gpu: ", "| cpu: ", "| local_join | ", "memory beyond the points"]
    {
        assert!(text.lines().any(|l| l.starts_with(line)), "no line of `{line}` in\n{text}");
    }
    let mut bench = std::process::Command::new(env!("CARGO_BIN_EXE_nndescent"));
    bench.args(["bench", "--generate", "600x16", "-k", "10", "--repeats", "1", "--cpu-repeats", "0", "--json"]);
    let output = bench.args(["--device", &adapter.to_string()]).output().expect("runs");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let build = &told["builds"][0];
    assert!(build["device_phases"][0]["seconds"].as_f64() > Some(0.0), "{told}");
    assert!(build["round_stats"][0]["seconds"].as_f64() > Some(0.0), "{told}");
    assert_eq!((&told["n"], &told["k"]), (&600.into(), &10.into()));
    let recall = |line: &str| -> f64 {
        let line = text.lines().find(|l| l.starts_with(line)).expect("there is one");
        line.trim_end_matches(" |").rsplit("| ").next().and_then(|v| v.parse().ok()).expect("a number at the end")
    };
    assert!(recall("| gpu: ") > 0.98 && recall("| cpu: ") > 0.98, "{text}");
}

#[test]
fn parts_are_as_good_as_one_piece() {
    let Some(gpu) = device() else { return };
    let (data, n, dim) = digits();
    let points = Points::dense(&data, n, dim).unwrap();
    let truth = exact::graph(&points, &Metric::Euclidean, 10, false).unwrap();
    let builder = NnDescent::new(Metric::Euclidean).n_neighbors(10);
    let whole = build(&builder, gpu.clone(), &points);
    let parts = build(&builder.part_rows(600), gpu, &points);
    assert!(parts.report.executor.is_gpu() && parts.report.executor.to_string().contains("parts of at most 600 rows"));
    check_promises(&parts.graph, 10, &Metric::Euclidean, &data, dim);
    let [whole, parts] = [whole, parts].map(|built| recall::recall(&built.graph, &truth, 10).unwrap());
    assert!(parts > whole - 0.01, "{parts} in parts, {whole} in one piece");
}

/// Parts on two devices, here the same one twice, give the graph of one.
#[test]
fn a_part_for_every_device() {
    let Some(Device::Gpu(gpu)) = device() else { return };
    let (data, n, dim) = digits();
    let points = Points::dense(&data, n, dim).unwrap();
    let builder = NnDescent::new(Metric::Euclidean).n_neighbors(10).part_rows(600);
    let one = build(&builder, Device::Gpu(gpu.clone()), &points);
    let shown = std::sync::Mutex::new(Vec::new());
    let progress = |p: &nndescent::Progress| {
        shown.lock().unwrap().push((p.phase, p.fraction));
        std::ops::ControlFlow::Continue(())
    };
    let two = Device::Gpus(vec![gpu.clone(), gpu]);
    let both = build(&builder.clone().progress(progress), two.clone(), &points);
    assert_eq!(both.graph, one.graph);
    assert_eq!(both.report.distances_evaluated, one.report.distances_evaluated);
    let ran = both.report.executor.to_string();
    assert_eq!(ran.matches(" + ").count(), 1, "{ran}");
    assert!(ran.contains("parts of at most 600 rows"), "{ran}");
    assert!(shown.lock().unwrap().iter().all(|(_, fraction)| (0.0..=1.0).contains(fraction)));
    let whole = build(&NnDescent::new(Metric::Euclidean).n_neighbors(10), two, &points);
    assert!(!whole.report.executor.to_string().contains(" + "), "{}", whole.report.executor);
    let none = NnDescent::new(Metric::Euclidean).device(Device::Gpus(Vec::new())).graph(&points);
    assert!(none.unwrap_err().to_string().starts_with("no GPU adapter"));
    let exact = NnDescent::new(Metric::Euclidean).algorithm(Algorithm::Exact);
    assert!(exact.device("0,0".parse().unwrap()).graph(&points).unwrap().report.executor.is_gpu());
}

#[test]
fn what_cannot_run_is_an_error() {
    let points = Points::dense(&[0.0f32, 1.0, 2.0, 3.0], 4, 1).unwrap();
    let asked = |name: &str| NnDescent::new(Metric::Euclidean).n_neighbors(2).device(name.parse().unwrap());
    let message = asked("no such gpu").graph(&points).unwrap_err().to_string();
    assert!(message.starts_with("no GPU adapter for `no such gpu`; there is"), "{message}");
}

#[test]
fn auto_takes_no_software_adapter() {
    let (data, n, dim) = digits();
    let points = Points::dense(&data, n, dim).unwrap();
    let built = NnDescent::new(Metric::Euclidean).algorithm(Algorithm::NnDescent).graph(&points).unwrap();
    assert!(!built.report.executor.is_gpu(), "{}", built.report.executor);
    assert!(matches!(built.report.reasons[..], [nndescent::report::Reason::TooSmallForGpu { .. }]));
}

#[test]
fn device_memory_is_estimated() {
    let (data, n, dim) = digits();
    let points = Points::dense(&data, n, dim).unwrap();
    let estimate = NnDescent::new(Metric::Euclidean).n_neighbors(15).estimate_device_memory(&points).unwrap();
    // Data, rows of 20 (8 bytes a place), neighbourhoods of 1 + 20 + 12, edges of 20 (8 bytes), counts, places and
    // lists. And the distances within leaves of up to 128.
    let of = |rows: u64| rows * (4 * 64 + 8 * 20 + 4 * 33 + 8 * 20 + 8 + 16 + 4 * 128);
    assert_eq!(estimate, of(n as u64));
    let parts = NnDescent::new(Metric::Euclidean).part_rows(600);
    assert_eq!(parts.estimate_device_memory(&points).unwrap(), of(600));
}
