//! Parts of sizes that a division seldom gives: none, one row, fewer rows than neighbours.

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::Path;

use super::file::{Kind, Writer};
use super::partition::{NO_PART, planned};
use super::*;
use crate::builder::NnDescent;
use crate::exact;
use crate::io::{MatrixFile, read_graph};
use crate::metric::Metric;
use crate::params::Device;
use crate::points::Points;
use crate::recall::recall;
use crate::rng::hash;

const N: usize = 400;
const DIM: usize = 3;
const K: usize = 10;
const MEMORY: u64 = 1 << 30;

fn go_on(_: f32) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn values() -> Vec<f32> {
    (0..(N * DIM) as u64).map(|i| (hash(1, 2, i, 0) % 1000) as f32).collect()
}

/// A plan of parts of the rows that `parts_of` gives, each row in as many.
fn divided(folder: &Path, parts: usize, parts_of: &dyn Fn(usize) -> Vec<u16>) -> Plan {
    let (input, work) = (folder.join("x.fbin"), folder.join("w"));
    fs::create_dir_all(&work).unwrap();
    let header = [N as u32, DIM as u32].map(u32::to_le_bytes).concat();
    let bytes = values().into_iter().flat_map(f32::to_le_bytes);
    fs::write(&input, header.into_iter().chain(bytes).collect::<Vec<u8>>()).unwrap();
    let builder = NnDescent::new(Metric::Euclidean).n_neighbors(K).device(Device::Cpu);
    let overlap = parts_of(0).len();
    let input = MatrixFile::open(&input).unwrap();
    let mut plan = planned(&input, &work, &builder, PartSize::Rows(N / 2), overlap).unwrap();
    plan.identity.parts = parts;
    plan.centers = vec![0.0; parts * DIM];
    let membership: Vec<u16> = (0..N).flat_map(parts_of).collect();
    for part in 0..parts {
        let rows: Vec<usize> = (0..N).filter(|row| parts_of(*row).contains(&(part as u16))).collect();
        plan.sizes.push(rows.len() as u64);
        let lines = plan.identity.lines(&[("part", part.to_string())]);
        let mut file = Writer::new(File::create(plan.rows_path(part)).unwrap(), Kind::Rows, &lines).unwrap();
        for row in rows {
            file.write(&[row as u32]).unwrap();
            file.write(&values()[row * DIM..][..DIM]).unwrap();
        }
        file.finish().unwrap();
    }
    let file = File::create(plan.membership_path()).unwrap();
    let mut file = Writer::new(file, Kind::Membership, &plan.identity.lines(&[])).unwrap();
    file.write(&membership).unwrap();
    file.finish().unwrap();
    plan.save().unwrap();
    plan
}

/// The parts' reports, and the graph after each of the pieces.
fn graphs(folder: &Path, plan: &Plan) -> Result<[f32; 2], OutOfCoreError> {
    for part in 0..plan.parts() {
        let has_report = build_part(plan, part, &plan.builder())?.is_some();
        assert_eq!(has_report, plan.part_sizes()[part] > 1, "part {part}");
    }
    let values = values();
    let truth = exact::graph(&Points::dense(&values, N, DIM).unwrap(), &Metric::Euclidean, K, false).unwrap();
    let right = || {
        write_graph(plan, folder.join("g.npz"), &go_on).unwrap();
        let graph = read_graph(folder.join("g.npz")).unwrap();
        assert!(graph.all_ids().iter().all(|id| (*id as usize) < N));
        recall(&graph, &truth, K).unwrap()
    };
    merge(plan, MEMORY, &go_on)?;
    let merged = right();
    refine(plan, MEMORY, &go_on)?;
    Ok([merged, right()].map(|share| share as f32))
}

#[test]
fn small_parts_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    // Part 0 is empty, 1 has a row, 2 has five, 3 all but one of the others and 4 all.
    let plan = divided(folder.path(), 5, &|row| match row {
        7 => vec![1, 4],
        20..25 => vec![2, 4],
        30 => vec![4, NO_PART],
        _ => vec![3, 4],
    });
    assert_eq!(plan.part_sizes(), [0, 1, 5, N as u64 - 7, N as u64]);
    assert_eq!(graphs(folder.path(), &plan).unwrap(), [1.0, 1.0]);
    // Where the small parts are what a row has first, and its other part does not know all.
    let folder = tempfile::tempdir().unwrap();
    let plan = divided(folder.path(), 4, &|row| match row {
        0..5 => vec![0, 1],
        5 => vec![2, 3],
        _ => vec![1 + 2 * (row % 2) as u16, 3 - 2 * (row % 2) as u16],
    });
    let [merged, refined] = graphs(folder.path(), &plan).unwrap();
    assert!(refined >= merged && refined > 0.98, "{merged}, {refined}");
}

#[test]
fn a_row_whose_parts_are_too_small_is_named_with_them() {
    for (small, found) in [(1, 0), (5, 4)] {
        let folder = tempfile::tempdir().unwrap();
        let plan = divided(folder.path(), 3, &|row| match row {
            _ if (50..50 + small).contains(&row) => vec![2],
            _ => vec![(row % 2) as u16],
        });
        let error = graphs(folder.path(), &plan).unwrap_err().to_string();
        let expected = format!("row 50 has {found} neighbours in its parts, [2], but 10 are needed");
        assert!(error.starts_with(&expected), "{error}");
        assert!(!plan.merged_path(0).exists());
    }
}
