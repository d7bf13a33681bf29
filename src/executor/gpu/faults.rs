//! Tests that pass whatever kernels compute are worth nothing: here one fault after another is planted in the shaders, and the
//! comparisons with the CPU must notice every one.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use super::session::GpuSession;
use super::stored::Stored;
use super::twins::{
    DIM, N, compare_exact, compare_rounds, compare_variant, compare_variant_on, data, gpu, gpu_with_matrices, plan,
    problem, said,
};
use crate::dataset::Dataset;
use crate::dataset::Problem;
use crate::exact;
use crate::executor::Session;
use crate::graph::order::id;
use crate::metric::Metric;
use crate::params::Plan;
use crate::points::Points;

thread_local! {
    /// A text of the shaders, and what is to stand there instead.
    static FAULT: RefCell<Option<(&'static str, &'static str)>> = const { RefCell::new(None) };
    /// Shaders with the fault in them.
    static PLANTED: Cell<usize> = const { Cell::new(0) };
}

/// The text with this thread's fault in it, where it has the place for it.
pub(super) fn plant(text: String) -> String {
    FAULT.with_borrow(|fault| match fault {
        Some((right, wrong)) if text.contains(right) => {
            PLANTED.set(PLANTED.get() + 1);
            text.replacen(right, wrong, 1)
        }
        _ => text,
    })
}

/// The metric to look with, the text, and the fault.
const FAULTS: [(Metric, &str, &str); 40] = [
    (Metric::SqEuclidean, "distance_between(row, id >> 1u)", "distance_between(row, (id >> 1u) ^ 1u)"),
    (Metric::SqEuclidean, "points[r] = order[id >> 1u]", "points[r] = id >> 1u"),
    (Metric::SqEuclidean, "distances[r], points[r])", "distances[r], ~points[r])"),
    (Metric::SqEuclidean, "let first = order[row]", "let first = row"),
    (Metric::SqEuclidean, "at] + block.y_id", "at]"),
    (Metric::SqEuclidean, "row < column {", "row + 1u < column {"),
    (Metric::SqEuclidean, "first + i % DEPTH);", "first + i % (DEPTH - 1u));"),
    (Metric::SqEuclidean, "column >= block.y_count", "column + 1u >= block.y_count"),
    (Metric::SqEuclidean, "if other != row + block.x_id {", "if other < row + block.x_id {"),
    (Metric::SqEuclidean, "pairs[distances + at]", "pairs[distances + (at ^ 1u)]"),
    (
        Metric::SqEuclidean,
        "if other != row {\n                offer(distance_between",
        "if other < row {\n                offer(distance_between",
    ),
    (Metric::SqEuclidean, "step < params.n && other != row", "step < params.n && other < row"),
    (Metric::SqEuclidean, "looked_at >= params.n", "looked_at >= 8u"),
    (
        Metric::SqEuclidean,
        "row_ids[row * WIDTH + r];\n        if id != NOBODY {\n            atomicAdd(&counts[id >> 1u], 1u);",
        "row_ids[row * WIDTH + r];\n        if id != NOBODY {\n            atomicMax(&counts[id >> 1u], 1u);",
    ),
    (Metric::SqEuclidean, "row << 1u | (id & 1u)", "row << 1u | 1u"),
    (Metric::SqEuclidean, "is_held[h] || ids[h] >> 1u == other", "is_held[h]"),
    (Metric::SqEuclidean, "id & ~1u", "id"),
    (Metric::SqEuclidean, "select(fresh, 0u,", "select(0u, 0u,"),
    (Metric::SqEuclidean, "distances_between(row, ids);", "distances_between(row ^ 1u, ids);"),
    (Metric::SqEuclidean, "header & 0xffffu, m < fresh", "header & 0xffffu, m > fresh"),
    (Metric::SqEuclidean, "d == e && id < other", "d == e"),
    (Metric::SqEuclidean, "may_be_kept && mine[h]", "may_be_kept && r > 0u && mine[h]"),
    (Metric::SqEuclidean, "select(WIDTH, 0u, o < end)", "select(WIDTH, 0u, o + 1u < end)"),
    (Metric::SqEuclidean, "u32(is_nearer(other, own[k]))", "0u"),
    (Metric::SqEuclidean, "first < count; first += HELD", "first + HELD * GROUP <= count; first += HELD"),
    (Metric::SqEuclidean, "= neighbor.id;", "= neighbor.id & ~1u;"),
    (Metric::SqEuclidean, "quad, load(others[h], q)", "quad, load(others[0], q)"),
    (Metric::SqEuclidean, "acc = step(acc, load(x, q + 3u), load(y, q + 3u));", ""),
    (Metric::SqEuclidean, "fma(d, d, acc.sum)", "fma(d, abs(d) + 1.0, acc.sum)"),
    (Metric::Cosine, "0.5 * dot(acc.sum", "0.6 * dot(acc.sum"),
    (Metric::InnerProduct, "fma(x, y, acc.sum)", "fma(x, abs(y) + 1.0, acc.sum)"),
    (Metric::Manhattan, "abs(x - y)", "max(x - y, vec4<f32>())"),
    (Metric::Chebyshev, "abs(x - y)", "max(x - y, vec4<f32>())"),
    (Metric::Minkowski { p: 3.0 }, "vec4<f32>(POWER)", "vec4<f32>(POWER + 0.5)"),
    (Metric::Hamming, "x != y", "x > y"),
    (Metric::Canberra, "abs(x) + abs(y)", "abs(x) + abs(y) + 1.0"),
    (Metric::BrayCurtis, "abs(x + y)", "abs(x)"),
    (Metric::TsSs, "apart * apart", "apart"),
    (Metric::Jaccard, "countOneBits(x & y)", "countOneBits(x | y)"),
    (Metric::RussellRao, "(DIM - both) / DIM", "(DIM - one) / DIM"),
];

/// Faults in one of the ways to read and multiply rows: the way, the metric to look with, the text, and the fault.
const FAULTS_OF_VARIANTS: [(Stored, Metric, &str, &str); 13] = [
    (Stored::U8Dots, Metric::SqEuclidean, "dot4U8Packed(x.z, y.z)", "dot4I8Packed(x.z, y.z)"),
    (Stored::I8Dots, Metric::SqEuclidean, "dot4I8Packed(x.w, y.w)", "dot4U8Packed(x.w, y.w)"),
    (Stored::U8Dots, Metric::SqEuclidean, "i32(y) - 2 * acc.dot", "i32(y) - acc.dot"),
    (Stored::U8Dots, Metric::SqEuclidean, "fetch(row, params.quads).x", "fetch(row, params.quads - 1u).x"),
    (Stored::U8Dots, Metric::SqEuclidean, "of_columns[j])", "of_columns[i])"),
    (Stored::U8Dots, Metric::SqEuclidean, "of_row(x), of_row(y)", "of_row(x), of_row(x)"),
    (Stored::I8Dots, Metric::InnerProduct, "-f32(acc.dot)", "abs(f32(acc.dot))"),
    (Stored::U8Dots, Metric::Cosine, "inverse_x * inverse_y", "inverse_x * inverse_x"),
    (Stored::U8, Metric::Manhattan, "unpack4xU8(quad)", "unpack4xU8(quad & 0x00ffffffu)"),
    (Stored::I8, Metric::Manhattan, "unpack4xI8(quad)", "unpack4xI8(quad & 0xffffff00u)"),
    (Stored::F16, Metric::SqEuclidean, "unpack2x16float(quad.y)", "unpack2x16float(quad.x)"),
    (Stored::NativeF16, Metric::SqEuclidean, "vec4<f32>(quad)", "vec4<f32>(quad.xyzx)"),
    (Stored::NativeF16, Metric::SqEuclidean, "row * params.quads + q", "row * params.quads + q / 2u"),
];

#[test]
fn every_planted_fault_in_a_variant_is_noticed() {
    let Some(gpu) = gpu() else { return };
    let runs = |stored: Stored| stored != Stored::NativeF16 || gpu.allowed.native_f16;
    for (stored, metric, right, wrong) in FAULTS_OF_VARIANTS.into_iter().filter(|fault| runs(fault.0)) {
        FAULT.set(Some((right, wrong)));
        PLANTED.set(0);
        let noticed = compare_variant(stored, &metric);
        FAULT.set(None);
        assert!(PLANTED.get() > 0, "{}, {metric}: `{right}` is nowhere", stored.name());
        assert!(noticed.is_err(), "{}, {metric}: `{wrong}` instead of `{right}` was not noticed", stored.name());
    }
}

/// Faults in what multiplies cooperative matrices: the self-test must notice them.
const FAULTS_OF_MATRICES: [(&str, &str); 8] = [
    ("sums[p] += i32", "sums[p] = i32"),
    ("m % (TILE_Y / SIDE) * SIDE", "0u"),
    ("k < COLUMNS", "k < COLUMNS - SIDE"),
    ("coopLoad<Right>", "coopLoadT<Right>"),
    ("coopStoreT(", "coopStore("),
    ("x0 + r, block.x_count - 1u", "x0 + r, block.x_count - 2u"),
    ("y0 + r - TILE_X", "y0 + r - TILE_X + 1u"),
    ("let values = widened(quad[w])", "let values = min(widened(quad[w]), vec4<f16>(127.0))"),
];

#[test]
fn the_self_test_notices_planted_faults() {
    for (right, wrong) in FAULTS_OF_MATRICES {
        let Some(gpu) = gpu_with_matrices().map(Rc::new) else { return };
        FAULT.set(Some((right, wrong)));
        PLANTED.set(0);
        let compared = compare_variant_on(&gpu, Stored::U8Dots, &Metric::SqEuclidean);
        FAULT.set(None);
        assert!(PLANTED.get() > 0, "`{right}` is nowhere");
        let said = gpu.matrices.borrow()[&Stored::U8Dots].clone();
        assert!(said.as_ref().is_err_and(|why| why.contains("other distances")), "`{wrong}`, not `{right}`: {said:?}");
        assert_eq!(compared, Ok(()), "the plain kernel runs instead");
    }
}

#[test]
fn every_planted_fault_is_noticed() {
    if gpu().is_none() {
        return;
    }
    let metrics: Vec<Metric> = FAULTS.iter().map(|fault| fault.0.clone()).collect();
    for (at, metric) in metrics.iter().enumerate().filter(|(at, metric)| !metrics[..*at].contains(metric)) {
        assert_eq!(compare(metric), Ok(()), "without a fault ({at})");
    }
    for (metric, right, wrong) in FAULTS {
        FAULT.set(Some((right, wrong)));
        PLANTED.set(0);
        let noticed = compare(&metric);
        FAULT.set(None);
        assert!(PLANTED.get() > 0, "{metric}: `{right}` is nowhere");
        assert!(noticed.is_err(), "{metric}: `{wrong}` instead of `{right}` was not noticed");
    }
}

/// Every kernel against the CPU.
fn compare(metric: &Metric) -> Result<(), String> {
    let data = data();
    // Many distances are the same, and values are zero here and there.
    let tied: Vec<f32> = data.iter().map(|v| (v / 150.0).floor()).collect();
    let is_of_sets = metric.direct().is_none();
    let points = Points::dense(if is_of_sets { &tied } else { &data }, N, DIM).unwrap();
    let prepared = Dataset::new(&points, metric).map_err(said)?;
    let (task, plan) = (prepared.problem(), Plan { metric: metric.clone(), ..plan(0) });
    compare_exact(gpu().expect("there was one"), &task, &plan)?;
    if *metric != Metric::SqEuclidean {
        return Ok(());
    }
    compare_rounds(gpu().expect("there was one"), &problem(&data, DIM))?;
    compare_exact(gpu().expect("there was one"), &problem(&tied, DIM), &plan)?;
    compare_parts(&task, &plan)?;
    compare_warm_start(&task, &plan)?;
    complete_rows(&task, &plan)
}

/// Exact search of more than a device holds.
fn compare_parts(problem: &Problem, plan: &Plan) -> Result<(), String> {
    let mut gpu = gpu().expect("there was one");
    gpu.allowed.binding = 24_000;
    compare_exact(gpu, problem, plan)
}

/// Rows taken over from a graph are those of the graph.
fn compare_warm_start(problem: &Problem, plan: &Plan) -> Result<(), String> {
    let truth = exact::graph(&problem.points, &plan.metric, plan.n_neighbors, false).unwrap();
    let gpu = gpu().expect("there was one");
    let session = GpuSession::open(gpu.into(), problem, plan, Some(&(&truth).into()), &|_| Ok(())).map_err(said)?;
    let all: Vec<u32> = (0..N as u32).collect();
    let found = session.peek(&all).map_err(said)?;
    if found == truth { Ok(()) } else { Err("rows taken over".into()) }
}

/// Random rows are full of distinct others.
fn complete_rows(problem: &Problem, plan: &Plan) -> Result<(), String> {
    let gpu = gpu().expect("there was one");
    let session = GpuSession::open(gpu.into(), problem, plan, None, &|_| Ok(())).map_err(said)?;
    let rows = session.read_rows().map_err(|e| e.to_string())?;
    let complete = |row: usize| {
        let ids: BTreeSet<u32> = rows.row(row).iter().map(|&slot| id(slot)).collect();
        ids.len() == plan.width && !ids.contains(&(row as u32)) && ids.iter().all(|&id| (id as usize) < N)
    };
    (0..N).find(|&row| !complete(row)).map_or(Ok(()), |row| Err(format!("row {row}: {:?}", rows.row(row))))
}
