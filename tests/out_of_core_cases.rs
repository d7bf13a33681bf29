//! Builds beyond memory of unusual inputs, and with bad luck: files that are damaged, cut off or changed.

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::common::checks::check_rows;
use crate::common::files::{npy, write};
use crate::common::points::patches;
use crate::out_of_core::{DIM, K, MEMORY, N, Work, builder, go_on, message};
use nndescent::Metric;
use nndescent::io::read_graph;
use nndescent::out_of_core::{
    OutOfCore, OutOfCoreError, PartSize, Plan, Stage, build_part, estimate_recall, merge, merge_refined, partition,
    refine, refine_part, write_graph,
};

/// Names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn whole() -> OutOfCore<'static> {
    OutOfCore::new(&builder(Metric::Euclidean)).part_rows(700)
}

/// An HDF5 file, written by libhdf5 for ann-benchmarks, whose `train` becomes these values of f32, n x dim, at its end.
#[cfg(feature = "hdf5")]
fn hdf5(values: &[f32], dim: usize) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ann-benchmarks-contiguous.hdf5");
    let mut file = std::fs::read(path).unwrap();
    let first: Vec<u8> = (0..80).flat_map(|v| (v as f32).to_le_bytes()).collect();
    let address = file.windows(first.len()).position(|bytes| bytes == first).unwrap();
    let length = file.len();
    let mut put = |from: [u64; 2], to: [u64; 2]| {
        let [from, to] = [from, to].map(|pair| pair.map(u64::to_le_bytes).concat());
        let at = file.windows(16).position(|bytes| bytes == from).unwrap();
        file[at..at + 16].copy_from_slice(&to);
    };
    put([address as u64, first.len() as u64], [length as u64, size_of_val(values) as u64]);
    // The shape, and its maximum.
    put([20, 4], [(values.len() / dim) as u64, dim as u64]);
    put([20, 4], [(values.len() / dim) as u64, dim as u64]);
    // Where the file ends.
    file[0x28..0x30].copy_from_slice(&((length + size_of_val(values)) as u64).to_le_bytes());
    file.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    file
}

/// Rows of a contiguous dataset are read where they lie: the same bytes as of a .npy.
#[cfg(feature = "hdf5")]
#[test]
fn hdf5_rows_are_read_where_they_lie() {
    let work = Work::new();
    let bytes = hdf5(&work.values, DIM);
    let input = write(work.dir.path(), "x.hdf5", &bytes);
    assert!(whole().graph(&input, work.path("hdf5.npz")).unwrap().parts > 8);
    whole().graph(&work.input, work.path("npy.npz")).unwrap();
    assert!(fs::read(work.path("hdf5.npz")).unwrap() == fs::read(work.path("npy.npz")).unwrap());
    write(work.dir.path(), "x.hdf5", &bytes[..bytes.len() - 1]);
    let error = message(whole().graph(&input, work.path("g.npz")));
    assert!(error.contains("x.hdf5: truncated: dataset `train`"), "{error}");
    let chunked = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ann-benchmarks-chunked.hdf5");
    let error = message(whole().graph(chunked, work.path("g.npz")));
    assert!(error.contains("dataset `train` is in chunks") && error.ends_with("write it as .npy first"), "{error}");
}

/// Long integers near 2^60, of which f32 keeps nothing that tells rows apart: the plan says so, and a resumed build.
#[test]
fn what_f32_does_not_hold_is_said() {
    let work = Work::new();
    let far: Vec<i64> = work.values.iter().map(|value| (1 << 60) + (value * 100.0) as i64).collect();
    let shape = format!("({N}, {DIM})");
    let bytes: Vec<u8> = far.iter().flat_map(|value| value.to_le_bytes()).collect();
    let input = write(work.dir.path(), "far.npy", &npy("'<i8'", false, &shape, &bytes));
    let plan = partition(&input, work.path("w"), &builder(Metric::Euclidean), PartSize::Rows(700), 2, &go_on).unwrap();
    let loss = plan.precision_loss().unwrap();
    let column: Vec<f64> = far.iter().skip(loss.coarsest.column).step_by(DIM).map(|v| (v - (1 << 60)) as f64).collect();
    let mean = column.iter().sum::<f64>() / N as f64;
    let spread = (column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / N as f64).sqrt();
    assert!((loss.spread / spread - 1.0).abs() < 1e-9, "{loss:?} instead of {spread}");
    assert!(loss.is_coarse() && loss.dtype == "int64" && loss.largest.error > 100.0, "{loss:?}");
    assert_eq!(Plan::open(work.path("w")).unwrap().precision_loss(), Some(loss));
    let stopping = whole()
        .resume(true)
        .progress(|step| if step.stage == Stage::Parts { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
    assert_eq!(message(stopping.graph(&input, work.path("g.npz"))), "cancelled: parts");
    let resumed = whole().resume(true).graph(&input, work.path("g.npz")).unwrap();
    assert_eq!(resumed.precision_loss.as_ref(), Some(loss));
    // The same values as f64 that f32 holds, and as f32.
    let bytes: Vec<u8> = work.values.iter().flat_map(|value| f64::from(*value).to_le_bytes()).collect();
    let exact = write(work.dir.path(), "exact.npy", &npy("'<f8'", false, &shape, &bytes));
    let loss = whole().graph(exact, work.path("g.npz")).unwrap().precision_loss.unwrap();
    assert!(loss.largest.error == 0.0 && !loss.is_coarse() && loss.dtype == "float64", "{loss:?}");
    assert_eq!(whole().graph(&work.input, work.path("g.npz")).unwrap().precision_loss, None);
}

#[test]
fn few_rows() {
    let build = |n: usize, k: usize| {
        let work = Work::of(patches(n, DIM, 1, 5));
        let whole = OutOfCore::new(&builder(Metric::Euclidean).n_neighbors(k));
        whole.graph(&work.input, work.path("g.npz")).map(|_| read_graph(work.path("g.npz")).unwrap())
    };
    for (n, k) in [(2, 1), (3, 1), (3, 2), (12, 11)] {
        let graph = build(n, k).unwrap();
        check_rows(&graph, k);
        assert_eq!(graph.n(), n);
    }
    assert_eq!(message(build(2, 2)), "n_neighbors = 2, but it must be 1 to 1");
    assert_eq!(message(build(12, 12)), "n_neighbors = 12, but it must be 1 to 11");
    assert_eq!(message(build(12, 0)), "n_neighbors = 0, but it must be 1 to 11");
    assert_eq!(
        message(build(1, 1)),
        format!("input = 1 x {DIM}, but it must be 2 to 4294967295 rows of at least one column")
    );
}

/// A row far from all others has neighbours, too; and all rows are equal, by the pieces.
#[test]
fn lonely_and_equal_rows() {
    let mut far = patches(N, DIM, 6, 11);
    far[17 * DIM..][..DIM].fill(1e6);
    for (values, overlap) in [(far.clone(), 1), (far, 2), (vec![-2.0; N * DIM], 1), (vec![-2.0; N * DIM], 3)] {
        let work = Work::of(values);
        let with = builder(Metric::Euclidean);
        let plan = partition(&work.input, work.path("w"), &with, PartSize::Rows(700), overlap, &go_on).unwrap();
        (0..plan.parts()).for_each(|part| drop(build_part(&plan, part, &plan.builder()).unwrap()));
        merge(&plan, MEMORY, &go_on).unwrap();
        refine(&plan, MEMORY, &go_on).unwrap();
        // A row far from all others takes no part for itself.
        let recall = estimate_recall(&plan, N, MEMORY, &go_on).unwrap().estimate;
        assert!(recall > if overlap > 1 { 0.985 } else { 0.6 }, "{overlap}: {recall}");
        write_graph(&plan, work.path("g.npz"), &go_on).unwrap();
        check_rows(&read_graph(work.path("g.npz")).unwrap(), K);
    }
}

/// An output's folder has to be there, before anything is done; that of working files is made and removed.
#[test]
fn folders_that_are_missing() {
    let work = Work::new();
    let missing = work.path("missing/folder");
    for scratch in [None, Some(work.path("scratch"))] {
        let with = scratch.iter().fold(whole(), |whole, folder| whole.scratch(folder));
        let error = message(with.graph(&work.input, missing.join("g.npz")));
        assert!(error.starts_with(&format!("{}: ", missing.display())), "{error}");
    }
    let error = message(whole().graph(&work.input, work.path("x.npy/g.npz")));
    assert!(error.starts_with(&format!("{}: ", work.input.display())), "{error}");
    let error = message(whole().scratch(&missing).graph(&work.input, work.path("g.npz")));
    assert!(error.starts_with(&format!("{}: ", missing.display())), "{error}");
    assert_eq!(names(work.dir.path()), ["x.npy"]);
    let scratch = work.path("scratch");
    whole().scratch(&scratch).graph(&work.input, work.path("g.npz")).unwrap();
    assert_eq!(names(work.dir.path()), ["g.npz", "x.npy"]);
    // A folder that was there stays, and so does one that somebody else uses by now.
    fs::create_dir(&scratch).unwrap();
    whole().scratch(&scratch).graph(&work.input, work.path("g.npz")).unwrap();
    assert!(names(&scratch).is_empty());
    fs::remove_dir(&scratch).unwrap();
    let using = whole().progress(|_| {
        fs::write(scratch.join("mine"), "kept").unwrap();
        ControlFlow::Continue(())
    });
    using.scratch(&scratch).graph(&work.input, work.path("g.npz")).unwrap();
    assert_eq!(names(&scratch), ["mine"]);
}

/// A small plan with a file of every kind: name, and what reads it.
fn small() -> (Work, Plan) {
    let work = Work::of(patches(240, DIM, 4, 9));
    let with = builder(Metric::Euclidean).n_neighbors(3);
    let plan = partition(&work.input, work.path("w"), &with, PartSize::Rows(150), 2, &go_on).unwrap();
    (work, plan)
}

/// Every byte of the header, and some of lines and sections: each is noticed where the file is read, and so is its end.
fn notices_damage(path: &Path, read: &dyn Fn() -> Result<(), OutOfCoreError>) {
    let bytes = fs::read(path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let fails = |bytes: &[u8], what: &str| {
        fs::write(path, bytes).unwrap();
        let error = read().expect_err(&format!("{name} is taken, though {what}")).to_string();
        assert!(error.contains(name), "{what}: {error}");
    };
    let step = (bytes.len() / 60).max(1) | 1;
    for at in (0..64).chain((64..bytes.len()).step_by(step)).chain([bytes.len() - 1]) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        fails(&changed, &format!("byte {at} was changed"));
    }
    for length in (0..bytes.len()).step_by(step).chain([1, 63, 64, bytes.len() - 1]) {
        fails(&bytes[..length], &format!("it was cut to {length} bytes"));
    }
    fails(&[&bytes[..], &[0]].concat(), "it is too long");
    let mut newer = bytes.clone();
    newer[8..12].copy_from_slice(&7u32.to_le_bytes());
    fails(&newer, "it is of another version");
    assert!(message(read()).ends_with(&format!("{name}: format 7, but this version reads 1: make it again")));
    fs::write(path, bytes).unwrap();
    read().unwrap();
}

#[test]
fn no_damage_to_a_working_file_is_overlooked() {
    let (work, plan) = small();
    let parts = 0..plan.parts();
    notices_damage(&work.path("w/plan"), &|| Plan::open(work.path("w")).map(drop));
    notices_damage(&work.path("w/part-0001.rows"), &|| build_part(&plan, 1, &plan.builder()).map(drop));
    parts.clone().for_each(|part| drop(build_part(&plan, part, &plan.builder()).unwrap()));
    notices_damage(&work.path("w/part-0002.graph"), &|| merge(&plan, MEMORY, &go_on));
    notices_damage(&work.path("w/membership"), &|| refine_part(&plan, 0, MEMORY, &go_on).map(drop));
    let merged = fs::read(work.path("w/merged-0.graph")).unwrap();
    notices_damage(&work.path("w/merged-0.graph"), &|| {
        // Neither of these reads all of it.
        let _ = estimate_recall(&plan, 50, MEMORY, &go_on);
        refine(&plan, MEMORY, &go_on)?;
        fs::remove_file(work.path("w/merged-1.graph")).unwrap();
        fs::write(work.path("w/merged-0.graph"), &merged).unwrap();
        Ok(())
    });
    notices_damage(&work.path("w/merged-0.graph"), &|| write_graph(&plan, work.path("g.npz"), &go_on));
    for part in parts {
        refine_part(&plan, part, MEMORY, &go_on).unwrap();
    }
    let files: Vec<(PathBuf, Vec<u8>)> = names(&work.path("w"))
        .iter()
        .filter(|name| name.starts_with("refined-") || name.starts_with("merged-"))
        .map(|name| (work.path("w").join(name), fs::read(work.path("w").join(name)).unwrap()))
        .collect();
    let refined = work.path("w/refined-1-0000.graph");
    notices_damage(&refined, &|| {
        merge_refined(&plan, MEMORY, &go_on)?;
        fs::remove_file(work.path("w/merged-1.graph")).unwrap();
        files.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
        Ok(())
    });
}

/// An input that is cut off while its graph is built: an error that names it, and nothing left.
#[test]
fn an_input_that_is_cut_off_on_the_way() {
    for stage in [Stage::Partition, Stage::Parts, Stage::Refine, Stage::Recall] {
        let work = Work::new();
        let cutting = whole().progress(|step| {
            if step.stage == stage {
                let file = File::options().write(true).open(&work.input).unwrap();
                file.set_len(128 + 4 * (N * DIM) as u64 / 2 + 5).unwrap();
            }
            ControlFlow::Continue(())
        });
        let error = message(cutting.graph(&work.input, work.path("g.npz")));
        assert!(error.contains("x.npy: truncated"), "{stage}: {error}");
        assert_eq!(names(work.dir.path()), ["x.npy"]);
    }
}

#[test]
fn parts_of_another_division_are_refused() {
    let work = Work::new();
    let with = builder(Metric::Euclidean);
    let plan = work.plan("w", &with);
    (0..plan.parts()).for_each(|part| drop(build_part(&plan, part, &plan.builder()).unwrap()));
    for (rows, overlap, expected) in
        [(700, 3, "overlap is 3, but 2 is expected"), (650, 2, "part_rows is 650, but 700 is expected")]
    {
        let other = partition(&work.input, work.path("o"), &with, PartSize::Rows(rows), overlap, &go_on).unwrap();
        build_part(&other, 3, &other.builder()).unwrap();
        fs::copy(work.path("o/part-0003.graph"), work.path("w/part-0003.graph")).unwrap();
        let error = message(merge(&plan, MEMORY, &go_on));
        assert!(error.contains("part-0003.graph: ") && error.ends_with(expected), "{error}");
        fs::copy(work.path("o/membership"), work.path("w/membership")).unwrap();
        build_part(&plan, 3, &plan.builder()).unwrap();
        merge(&plan, MEMORY, &go_on).unwrap();
        let error = message(refine(&plan, MEMORY, &go_on));
        assert!(error.contains("membership: ") && error.ends_with(expected), "{error}");
    }
}

/// What a stopped build has left is gone on with, refused by its name, or made again: never taken as it is.
#[test]
fn a_build_is_resumed_after_damage_or_refused() {
    let (work, plan) = small();
    let (parts, output, folder) = (plan.parts(), work.path("g.npz"), work.path("g.npz.parts"));
    fs::remove_dir_all(work.path("w")).unwrap();
    let whole = OutOfCore::new(&builder(Metric::Euclidean).n_neighbors(3)).part_rows(150);
    whole.graph(&work.input, &output).unwrap();
    let expected = fs::read(&output).unwrap();
    for (stage, part) in [(Stage::Parts, parts / 2), (Stage::Merge, 0), (Stage::Recall, 0)] {
        let stopping = whole.clone().resume(true).progress(|step| {
            if step.stage == stage && step.part == part { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(matches!(stopping.graph(&work.input, &output), Err(OutOfCoreError::Cancelled { .. })));
        let left: Vec<(PathBuf, Vec<u8>)> = names(&folder)
            .iter()
            .map(|name| (folder.join(name), fs::read(folder.join(name)).unwrap()))
            .filter(|(_, bytes)| !bytes.is_empty())
            .collect();
        assert!(left.len() > 2, "{left:?}");
        for (path, bytes) in &left {
            let (mut changed, middle) = (bytes.clone(), bytes.len() / 2);
            changed[middle] ^= 16;
            for damaged in [Some(&bytes[..middle]), Some(&changed), None] {
                let _ = fs::remove_dir_all(&folder);
                let _ = fs::remove_file(&output);
                fs::create_dir(&folder).unwrap();
                left.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
                match damaged {
                    Some(damaged) => fs::write(path, damaged).unwrap(),
                    None => fs::remove_file(path).unwrap(),
                }
                match whole.clone().resume(true).graph(&work.input, &output) {
                    Ok(_) => assert!(fs::read(&output).unwrap() == expected, "{stage}: {}", path.display()),
                    Err(error) => {
                        let (error, name) = (error.to_string(), path.file_name().unwrap().to_str().unwrap());
                        assert!(error.contains(name) || damaged.is_none(), "{stage}: {name}: {error}");
                        assert!(!output.exists());
                    }
                }
            }
        }
        // Without resuming, it begins anew.
        whole.graph(&work.input, &output).unwrap();
        assert!(fs::read(&output).unwrap() == expected && !folder.exists());
    }
}
