//! Builds beyond memory and their pieces: recall, the same bytes however they are driven, bad input.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::common::checks::check_rows;
use crate::common::files::{npy, npy_f32, write};
use crate::common::points::patches;
use half::f16;
use nndescent::io::read_graph;
use nndescent::out_of_core::{
    OutOfCore, OutOfCoreError, PartSize, Plan, Stage, build_part, estimate_recall, merge, merge_refined, partition,
    refine, refine_part, write_graph,
};
use nndescent::{Algorithm, Device, KnnGraph, Metric, NnDescent, Points, exact, recall};

pub(crate) const N: usize = 3000;
pub(crate) const DIM: usize = 12;
pub(crate) const K: usize = 10;
pub(crate) const MEMORY: u64 = 1 << 30;

pub(crate) fn go_on(_: f32) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

pub(crate) fn builder(metric: Metric) -> NnDescent<'static> {
    NnDescent::new(metric).n_neighbors(K).algorithm(Algorithm::NnDescent).device(Device::Cpu).seed(3)
}

/// A folder with an input.
pub(crate) struct Work {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) input: PathBuf,
    pub(crate) values: Vec<f32>,
}

impl Work {
    pub(crate) fn new() -> Self {
        Self::of(patches(N, DIM, 6, 11))
    }

    pub(crate) fn of(values: Vec<f32>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let input = write(dir.path(), "x.npy", &npy_f32(&values, DIM));
        Self { dir, input, values }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn plan(&self, name: &str, builder: &NnDescent) -> Plan {
        partition(&self.input, self.path(name), builder, PartSize::Rows(700), 2, &go_on).unwrap()
    }

    /// A plan whose parts are built.
    fn built(&self, name: &str) -> Plan {
        let plan = self.plan(name, &builder(Metric::Euclidean));
        (0..plan.parts()).for_each(|part| assert!(build_part(&plan, part, &plan.builder()).unwrap().is_some()));
        plan
    }

    /// The plan's graph, written.
    fn graph(&self, plan: &Plan, name: &str) -> KnnGraph {
        write_graph(plan, self.path(name), &go_on).unwrap();
        read_graph(self.path(name)).unwrap()
    }
}

pub(crate) fn message<T>(result: Result<T, OutOfCoreError>) -> String {
    match result {
        Ok(_) => panic!("this should fail"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn recall_is_that_of_one_piece() {
    let work = Work::new();
    let points = Points::dense(&work.values, N, DIM).unwrap();
    for metric in [Metric::Euclidean, Metric::Cosine, Metric::Manhattan, Metric::InnerProduct] {
        let truth = exact::graph(&points, &metric, K, false).unwrap();
        let plan = work.plan("w", &builder(metric.clone()));
        assert!(plan.parts() > 8 && plan.part_sizes().iter().all(|rows| *rows <= 700), "{:?}", plan.part_sizes());
        assert_eq!(plan.part_sizes().iter().sum::<u64>(), 2 * N as u64);
        (0..plan.parts()).for_each(|part| assert!(build_part(&plan, part, &plan.builder()).unwrap().is_some()));
        merge(&plan, MEMORY, &go_on).unwrap();
        let merged = work.graph(&plan, "merged.npz");
        assert!(refine(&plan, MEMORY, &go_on).unwrap() > 0);
        let refined = work.graph(&plan, "refined.npz");
        let [before, after] = [&merged, &refined].map(|graph| {
            check_rows(graph, K);
            recall::recall(graph, &truth, K).unwrap()
        });
        let estimate = estimate_recall(&plan, N, MEMORY, &go_on).unwrap();
        assert!((estimate.estimate - after).abs() < 1e-9, "{metric}: {estimate:?}, {after}");
        let least = if metric == Metric::InnerProduct { 0.9 } else { 0.985 };
        assert!(after > least && after >= before, "{metric}: {before} -> {after}");
        // Distances are the metric's.
        for i in (0..N).step_by(97) {
            let row = |i: usize| &work.values[i * DIM..][..DIM];
            for neighbor in refined.neighbors(i) {
                let d = metric.distance(row(i), row(neighbor.id as usize));
                assert!(
                    (d - f64::from(neighbor.distance)).abs() <= 1e-5 * d.abs().max(1e-2),
                    "{metric}: {d}, {neighbor:?}"
                );
            }
        }
    }
}

/// Any number of threads, parts in any order, small chunks or large: the same bytes.
#[test]
fn the_same_bytes_however_it_is_driven() {
    let work = Work::new();
    let build = |name: &str, threads: usize, order: &(dyn Fn(usize, usize) -> usize + Sync), memory: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let plan = work.plan(name, &builder(Metric::Euclidean));
            let parts = plan.parts();
            for part in (0..parts).map(|at| order(at, parts)) {
                let plan = Plan::open(work.path(name)).unwrap();
                build_part(&plan, part, &plan.builder()).unwrap();
            }
            merge(&plan, memory, &go_on).unwrap();
            for round in 1..=2 {
                let refined = |at| refine_part(&plan, order(at, parts), memory, &go_on).unwrap();
                assert!((0..parts).map(refined).sum::<u64>() < N as u64);
                // As after a kill before its end: it is run again.
                let left = work.path(name).join(format!("refined-{round}-0000.graph"));
                fs::copy(&left, left.with_extension("kept")).unwrap();
                merge_refined(&plan, memory, &go_on).unwrap();
                assert!(!left.exists());
                fs::rename(left.with_extension("kept"), &left).unwrap();
                merge_refined(&plan, memory, &go_on).unwrap();
                assert!(!left.exists());
            }
            let output = work.path(&format!("{name}.npz"));
            write_graph(&plan, &output, &go_on).unwrap();
            fs::read(output).unwrap()
        })
    };
    let one = build("a", 1, &|at, _| at, MEMORY);
    assert!(one == build("b", 4, &|at, parts| parts - 1 - at, MEMORY));
    // So little memory that chunks hold a few rows.
    assert!(one == build("c", 2, &|at, parts| (at + parts / 2) % parts, (32 << 20) + 200_000));
}

#[test]
fn a_build_in_one_go_leaves_nothing_behind() {
    let work = Work::new();
    let plan = work.built("w");
    merge(&plan, MEMORY, &go_on).unwrap();
    refine(&plan, MEMORY, &go_on).unwrap();
    write_graph(&plan, work.path("pieces.npz"), &go_on).unwrap();
    fs::remove_dir_all(work.path("w")).unwrap();
    let stages = std::sync::Mutex::new(Vec::new());
    let whole = OutOfCore::new(&builder(Metric::Euclidean)).part_rows(700).progress(|step| {
        let mut stages = stages.lock().unwrap();
        if stages.last() != Some(&step.stage) {
            stages.push(step.stage);
        }
        assert!((0.0..=1.0).contains(&step.fraction));
        ControlFlow::Continue(())
    });
    let report = whole.graph(&work.input, work.path("whole.npz")).unwrap();
    assert_eq!(fs::read(work.path("whole.npz")).unwrap(), fs::read(work.path("pieces.npz")).unwrap());
    assert_eq!(*stages.lock().unwrap(), Stage::ALL);
    assert_eq!((report.n, report.dim, report.k, report.parts, report.overlap), (N, DIM, K, plan.parts(), 2));
    assert!(report.recall.unwrap().estimate > 0.98);
    let mut left: Vec<String> = fs::read_dir(work.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    left.sort();
    assert_eq!(left, ["pieces.npz", "whole.npz", "x.npy"]);
    // What fits is built in one piece, as in memory.
    let whole = OutOfCore::new(&builder(Metric::Euclidean));
    assert_eq!(whole.graph(&work.input, work.path("one.npz")).unwrap().parts, 1);
    let points = Points::dense(&work.values, N, DIM).unwrap();
    let in_memory = builder(Metric::Euclidean).graph(&points).unwrap().graph;
    let one = read_graph(work.path("one.npz")).unwrap();
    assert!(recall::recall(&one, &in_memory, K).unwrap() > 0.999);
}

/// Cancelled again and again, a build comes to the same end.
#[test]
fn a_build_that_was_stopped_is_resumed() {
    let work = Work::new();
    let whole = OutOfCore::new(&builder(Metric::Euclidean)).part_rows(700);
    whole.graph(&work.input, work.path("whole.npz")).unwrap();
    let expected = fs::read(work.path("whole.npz")).unwrap();
    let output = work.path("stopped.npz");
    let (mut stops, mut resumed) = (0, 0);
    loop {
        let (calls, at_most) = (std::sync::atomic::AtomicUsize::new(0), 150 + 10 * stops);
        let stopping = whole.clone().resume(true).progress(|_| {
            let call = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if call < at_most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        match stopping.graph(&work.input, &output) {
            Ok(report) => {
                resumed += report.resumed;
                break;
            }
            Err(OutOfCoreError::Cancelled { .. }) => stops += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(!output.exists() && stopping.working_folder(&output).join("plan").exists());
        assert!(stops < 1000);
    }
    assert!(stops > 2 && resumed > 0, "{stops} stops, {resumed} parts found");
    assert!(fs::read(&output).unwrap() == expected);
    assert!(!whole.working_folder(&output).exists());
    // Without asking for it nothing is kept.
    let stopping = whole.clone().progress(|_| ControlFlow::Break(()));
    assert!(stopping.graph(&work.input, &output).is_err());
    assert!(!whole.working_folder(&output).exists());
}

#[test]
fn what_is_left_of_another_build_is_not_gone_on_with() {
    let work = Work::new();
    let stopped = |builder: &NnDescent| {
        let whole = OutOfCore::new(builder).part_rows(700).resume(true).progress(|step| {
            if step.stage == Stage::Merge { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        message(whole.graph(&work.input, work.path("g.npz")))
    };
    assert_eq!(stopped(&builder(Metric::Euclidean)), "cancelled: merge");
    let with = builder(Metric::Euclidean);
    assert!(stopped(&with.clone().seed(4)).ends_with("g.npz.parts/plan: seed is 3, but 4 is expected"));
    assert!(stopped(&with.clone().n_neighbors(11)).contains("k is 10, but 11 is expected"));
    assert!(stopped(&builder(Metric::Manhattan)).contains("metric is euclidean, but manhattan is expected"));
    let mut values = work.values.clone();
    values[0] += 1.0;
    values[(N - 1) * DIM] += 1.0;
    write(work.dir.path(), "x.npy", &npy_f32(&values, DIM));
    assert!(stopped(&with).contains("data is"));
}

#[test]
fn all_formats_with_rows_at_fixed_places() {
    let values: Vec<f32> = patches(N, DIM, 6, 12).iter().map(|v| (v * 3.0 + 128.0).round().clamp(0.0, 255.0)).collect();
    let work = Work::of(values.clone());
    let dir = work.dir.path();
    let bytes = |f: &dyn Fn(&f32) -> Vec<u8>| values.iter().flat_map(f).collect::<Vec<u8>>();
    let floats = bytes(&|v| v.to_le_bytes().to_vec());
    let small = bytes(&|v| vec![*v as u8]);
    let shape = format!("({N}, {DIM})");
    let header = [(N as u32).to_le_bytes(), (DIM as u32).to_le_bytes()].concat();
    let vecs = |x: &[u8]| -> Vec<u8> {
        x.chunks(x.len() / N).flat_map(|row| [&(DIM as i32).to_le_bytes(), row].concat()).collect()
    };
    let idx =
        |code: u8, x: &[u8]| [&[0, 0, code, 2], &(N as u32).to_be_bytes()[..], &(DIM as u32).to_be_bytes(), x].concat();
    let big = bytes(&|v| v.to_be_bytes().to_vec());
    let files = [
        write(dir, "f16.npy", &npy("'<f2'", false, &shape, &bytes(&|v| f16::from_f32(*v).to_le_bytes().to_vec()))),
        write(dir, "u8.npy", &npy("'|u1'", false, &shape, &small)),
        write(dir, "f64.npy", &npy("'<f8'", false, &shape, &bytes(&|v| f64::from(*v).to_le_bytes().to_vec()))),
        write(dir, "i32.npy", &npy("'<i4'", false, &shape, &bytes(&|v| (*v as i32).to_le_bytes().to_vec()))),
        write(dir, "big.npy", &npy("'>f4'", false, &shape, &big)),
        write(dir, "x.fbin", &[&header[..], &floats].concat()),
        write(dir, "x.u8bin", &[&header[..], &small].concat()),
        write(dir, "x.fvecs", &vecs(&floats)),
        write(dir, "x.bvecs", &vecs(&small)),
        write(dir, "x.idx", &idx(0x0d, &big)),
        write(dir, "x-ubyte", &idx(0x08, &small)),
    ];
    let run = |input: &Path| {
        let whole = OutOfCore::new(&builder(Metric::Euclidean)).part_rows(1200);
        assert!(whole.graph(input, work.path("g.npz")).unwrap().parts > 4);
        read_graph(work.path("g.npz")).unwrap()
    };
    let expected = run(&work.input);
    for file in files {
        let found = run(&file);
        check_rows(&found, K);
        // Values of other types may be compared by other kernels, which rarely changes what is found.
        let alike = recall::recall(&found, &expected, K).unwrap();
        assert!(alike > 0.999, "{}: {alike}", file.display());
    }
    let fortran = write(dir, "fortran.npy", &npy("'<f4'", true, &shape, &floats));
    let whole = OutOfCore::new(&builder(Metric::Euclidean));
    let error = message(whole.graph(fortran, work.path("g.npz")));
    assert!(
        error.contains("Fortran order") && error.ends_with("in C order first (numpy.ascontiguousarray)"),
        "{error}"
    );
    let text = write(dir, "x.csv", b"1,2\n3,4\n");
    assert!(message(whole.graph(text, work.path("g.npz"))).contains("cannot be read one by one"));
}

#[test]
fn parts_that_disagree_or_are_damaged_are_named() {
    let work = Work::new();
    let plan = work.built("w");
    let graph = |part: usize| work.path(&format!("w/part-{part:04}.graph"));
    let merged = || message(merge(&plan, MEMORY, &go_on));
    let whole = fs::read(graph(3)).unwrap();
    // Another seed, another k, another input.
    let mut other = Work::of(patches(N, DIM, 6, 99));
    let with = builder(Metric::Euclidean);
    let others = [
        (&work.input, with.clone().seed(8), "seed is 8, but 3 is expected"),
        (&work.input, with.clone().n_neighbors(7), "k is 7, but 10 is expected"),
        (&work.input, builder(Metric::Cosine), "metric is cosine, but euclidean is expected"),
        (&work.input, with.clone().n_trees(3), "settings is algorithm=nndescent n_trees=3, but"),
        (&other.input, with.clone(), "data is"),
    ];
    for (input, builder, expected) in others {
        let plan = partition(input, other.path("w"), &builder, PartSize::Rows(700), 2, &go_on).unwrap();
        build_part(&plan, 3, &plan.builder()).unwrap();
        fs::copy(other.path("w/part-0003.graph"), graph(3)).unwrap();
        assert!(merged().contains(expected), "{}", merged());
        assert!(merged().contains("part-0003.graph"), "{}", merged());
    }
    fs::copy(graph(2), graph(3)).unwrap();
    assert!(merged().contains("part-0003.graph: part is 2, but 3 is expected"), "{}", merged());
    // Truncated, changed, unfinished, of another version, missing.
    for length in [0, 40, 100, whole.len() - 1] {
        fs::write(graph(3), &whole[..length]).unwrap();
        assert!(merged().contains("part-0003.graph: "), "{}", merged());
    }
    for at in [60, 70, whole.len() / 2, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(graph(3), &changed).unwrap();
        assert!(merged().contains("part-0003.graph: "), "{at}: {}", merged());
        assert!(!work.path("w/merged-0.graph").exists());
    }
    let mut newer = whole.clone();
    newer[8] = 2;
    fs::write(graph(3), &newer).unwrap();
    assert!(merged().ends_with("part-0003.graph: format 2, but this version reads 1: make it again"));
    fs::write(graph(3), vec![0; whole.len()]).unwrap();
    assert!(merged().contains("it was not written to its end"), "{}", merged());
    fs::remove_file(graph(3)).unwrap();
    assert!(merged().starts_with("part 3 is missing: there is no "), "{}", merged());
    fs::write(graph(3), &whole).unwrap();
    merge(&plan, MEMORY, &go_on).unwrap();
    // A builder of other settings, no such part, rows that are damaged.
    let of_plan = |part: usize, builder: &NnDescent| message(build_part(&plan, part, builder));
    assert!(of_plan(0, &plan.builder().seed(4)).contains("seed is 3, but 4 is expected"));
    assert!(of_plan(99, &plan.builder()).starts_with("part = 99, but it must be below "));
    let rows = work.path("w/part-0001.rows");
    let mut bytes = fs::read(&rows).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&rows, &bytes).unwrap();
    assert!(of_plan(1, &plan.builder()).ends_with("part-0001.rows: its checksum does not match"));
    fs::remove_file(&rows).unwrap();
    assert!(of_plan(1, &plan.builder()).starts_with("part 1 is missing"));
    // An input that was changed after it was divided, and one that is cut off.
    other.values[0] = 7.0;
    fs::copy(&other.input, &work.input).unwrap();
    assert!(message(refine(&plan, MEMORY, &go_on)).contains("x.npy: data is"));
    let bytes = fs::read(&work.input).unwrap();
    fs::write(&work.input, &bytes[..bytes.len() - 5]).unwrap();
    assert!(
        message(partition(&work.input, work.path("w"), &with, PartSize::Rows(700), 2, &go_on)).contains("truncated")
    );
}

#[test]
fn unusual_inputs() {
    // All rows equal.
    let work = Work::of(vec![1.5; N * DIM]);
    let whole = OutOfCore::new(&builder(Metric::Euclidean)).part_rows(700);
    let report = whole.graph(&work.input, work.path("g.npz")).unwrap();
    assert!(report.largest_part <= 700);
    let graph = read_graph(work.path("g.npz")).unwrap();
    check_rows(&graph, K);
    assert!(graph.all_distances().iter().all(|d| *d == 0.0));
    // Rows in the order of their clusters, of very uneven size.
    let mut values = vec![0.0; 2400 * DIM];
    values.extend(patches(N - 2400, DIM, 3, 4).iter().map(|v| v + 100.0));
    values.iter_mut().enumerate().take(2400 * DIM).for_each(|(i, v)| *v = (i * 7919 % 1013) as f32 / 1013.0);
    let work = Work::of(values);
    let report = whole.graph(&work.input, work.path("g.npz")).unwrap();
    assert!(report.largest_part <= 700 && report.recall.unwrap().estimate > 0.9, "{report:?}");
    check_rows(&read_graph(work.path("g.npz")).unwrap(), K);
    // A value that is not finite, by its row.
    for row in [5, N - 2] {
        let mut values = work.values.clone();
        values[row * DIM + 3] = f32::NAN;
        let bad = Work::of(values);
        let error = message(whole.graph(&bad.input, bad.path("g.npz")));
        assert!(error.contains(&format!("row {row}, column 3 is NaN")), "{error}");
        assert!(!whole.working_folder(bad.path("g.npz")).exists());
    }
    // Limits and options out of range.
    let with = builder(Metric::Euclidean);
    let error = message(OutOfCore::new(&with).memory_limit(1 << 20).graph(&work.input, work.path("g.npz")));
    assert!(error.starts_with("a limit of 1048576 bytes of memory is too small for 3000 rows"), "{error}");
    let try_with = |builder: &NnDescent, size, overlap| {
        message(partition(&work.input, work.path("w"), builder, size, overlap, &go_on))
    };
    assert!(try_with(&with, PartSize::Rows(700), 0).starts_with("overlap = 0"));
    assert!(try_with(&with, PartSize::Rows(20), 2).starts_with("part_rows = 20"));
    assert!(try_with(&with.clone().n_neighbors(N), PartSize::Rows(700), 2).starts_with("n_neighbors = 3000"));
    assert!(try_with(&with.clone().include_self(true), PartSize::Rows(700), 2).starts_with("include_self"));
    assert!(try_with(&with.clone().target_recall(0.9), PartSize::Rows(700), 2).starts_with("target_recall"));
    assert!(message(Plan::open(work.path("nothing"))).contains("nothing/plan: "));
}
