//! Mutation tests: faults are planted in the shaders, one at a time, and the comparisons with the CPU must notice every
//! one.

use std::collections::BTreeSet;

use super::parity::{compare_exact, compare_rounds, compare_variant_on};
use super::{DIM, Fault, N, data, gpu, gpu_with_matrices, plan, problem, said};
use crate::dataset::Dataset;
use crate::dataset::Problem;
use crate::exact;
use crate::executor::Session;
use crate::executor::gpu::device::Gpu;
use crate::executor::gpu::encoding::Encoding;
use crate::executor::gpu::limits::DeviceLimits;
use crate::executor::gpu::session::GpuSession;
use crate::graph::order::id;
use crate::metric::Metric;
use crate::params::Plan;
use crate::points::Points;

/// The metric to compare under, the text, and the fault.
const FAULTS: [(Metric, &str, &str); 40] = [
    (Metric::SqEuclidean, "select(id >> 1u, row,", "select((id >> 1u) ^ 1u, row,"),
    (Metric::SqEuclidean, "points[r] = order[id >> 1u]", "points[r] = id >> 1u"),
    (Metric::SqEuclidean, "distances[r], points[r])", "distances[r], ~points[r])"),
    (Metric::SqEuclidean, "let final_row = order[row]", "let final_row = row"),
    (Metric::SqEuclidean, "column] + block.y_id", "column]"),
    (Metric::SqEuclidean, "row < column {", "row + 1u < column {"),
    (Metric::SqEuclidean, "quad_or_zeros(x_rows[n], i % DEPTH)", "quad_or_zeros(x_rows[n], i % (DEPTH - 1u))"),
    (Metric::SqEuclidean, "column >= block.y_count", "column + 1u >= block.y_count"),
    (Metric::SqEuclidean, "if other != row + block.x_id {", "if other < row + block.x_id {"),
    (Metric::SqEuclidean, "pairs[distances + end + lane]", "pairs[distances + ((end + lane) ^ 1u)]"),
    (
        Metric::SqEuclidean,
        "if other != row {\n                offer_to(row, distance_between",
        "if other < row {\n                offer_to(row, distance_between",
    ),
    (Metric::SqEuclidean, "step < params.n && other != row", "step < params.n && other < row"),
    (Metric::SqEuclidean, "looked_at >= min(params.n, ENOUGH)", "looked_at >= 8u"),
    (
        Metric::SqEuclidean,
        "row_ids[row * WIDTH + r];\n        if id != NO_NEIGHBOR {\n            atomicAdd(&counts[id >> 1u], 1u);",
        "row_ids[row * WIDTH + r];\n        if id != NO_NEIGHBOR {\n            atomicMax(&counts[id >> 1u], 1u);",
    ),
    (Metric::SqEuclidean, "row << 1u | (id & 1u)", "row << 1u | 1u"),
    (Metric::SqEuclidean, "is_held[h] || ids[h] >> 1u == other", "is_held[h]"),
    (Metric::SqEuclidean, "id & ~1u", "id"),
    (Metric::SqEuclidean, "select(fresh, 0u,", "select(0u, 0u,"),
    (Metric::SqEuclidean, "distances_between(row, ids,", "distances_between(row ^ 1u, ids,"),
    (Metric::SqEuclidean, "header & 0xffffu, m < fresh", "header & 0xffffu, m > fresh"),
    (Metric::SqEuclidean, "d == e && id < other", "d == e"),
    (Metric::SqEuclidean, "may_be_kept && mine[h]", "may_be_kept && r > 0u && mine[h]"),
    (Metric::SqEuclidean, "select(WIDTH, 0u, o < end)", "select(WIDTH, 0u, o + 1u < end)"),
    (Metric::SqEuclidean, "u32(is_nearer(other, own[k]))", "0u"),
    (Metric::SqEuclidean, "first < count; first += HELD", "first + HELD * GROUP <= count; first += HELD"),
    (Metric::SqEuclidean, "= neighbor.id;", "= neighbor.id & ~1u;"),
    (Metric::SqEuclidean, "second, load(y, q + 1u)", "second, load(y, q)"),
    (Metric::SqEuclidean, "acc = step(acc, load(x, q + 3u), load(y, q + 3u));", ""),
    (Metric::SqEuclidean, "fma(d, d, acc.sum)", "fma(d, abs(d) + 1.0, acc.sum)"),
    (Metric::Cosine, "0.5 * sums", "0.6 * sums"),
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

/// Faults in a variant: its encoding, the metric to compare under, the text, and the fault.
const FAULTS_OF_VARIANTS: [(Encoding, Metric, &str, &str); 16] = [
    (Encoding::U8Dots, Metric::SqEuclidean, "quad_or_zeros(x_rows[n], first + DEPTH", "quad_or_zeros(x_rows[n], first"),
    (Encoding::U8Dots, Metric::SqEuclidean, "quad_or_zeros(y_rows[n], first + DEPTH + i % DEPTH)", "Quad()"),
    (Encoding::U8Dots, Metric::SqEuclidean, "quad, load(others[h], q)", "quad, load(others[0], q)"),
    (Encoding::U8Dots, Metric::SqEuclidean, "dot4U8Packed(x.z, y.z)", "dot4I8Packed(x.z, y.z)"),
    (Encoding::I8Dots, Metric::SqEuclidean, "dot4I8Packed(x.w, y.w)", "dot4U8Packed(x.w, y.w)"),
    (Encoding::U8Dots, Metric::SqEuclidean, "i32(y) - 2 * dot", "i32(y) - dot"),
    (Encoding::U8Dots, Metric::SqEuclidean, "fetch(row, params.quads).x", "fetch(row, params.quads - 1u).x"),
    (Encoding::U8Dots, Metric::SqEuclidean, "of_this, of_columns.y", "of_this, of_columns.x"),
    (Encoding::U8Dots, Metric::SqEuclidean, "of_row(x), of_row(y)", "of_row(x), of_row(x)"),
    (Encoding::I8Dots, Metric::InnerProduct, "-f32(dot)", "abs(f32(dot))"),
    (Encoding::U8Dots, Metric::Cosine, "inverse_x * inverse_y", "inverse_x * inverse_x"),
    (Encoding::U8, Metric::Manhattan, "unpack4xU8(quad)", "unpack4xU8(quad & 0x00ffffffu)"),
    (Encoding::I8, Metric::Manhattan, "unpack4xI8(quad)", "unpack4xI8(quad & 0xffffff00u)"),
    (Encoding::F16, Metric::SqEuclidean, "unpack2x16float(quad.y)", "unpack2x16float(quad.x)"),
    (Encoding::NativeF16, Metric::SqEuclidean, "vec4<f32>(quad)", "vec4<f32>(quad.xyzx)"),
    (Encoding::NativeF16, Metric::SqEuclidean, "row * params.quads + q", "row * params.quads + q / 2u"),
];

/// Plants a fault, and checks that it is noticed.
fn planted(
    limits: impl FnOnce(&mut DeviceLimits),
    (right, wrong): (&'static str, &'static str),
    compare: impl FnOnce(&Gpu) -> Result<(), String>,
) {
    let mut gpu = gpu().expect("there was one");
    limits(&mut gpu.limits);
    gpu.limits.matrices = None;
    let fault = Fault::new(right, wrong);
    gpu.fault = Some(fault.clone());
    let noticed = compare(&gpu);
    assert!(fault.was_planted(), "`{right}` is nowhere");
    assert!(noticed.is_err(), "`{wrong}` instead of `{right}` was not noticed");
}

#[test]
fn every_planted_fault_in_a_variant_is_noticed() {
    let Some(gpu) = gpu() else { return };
    let runs = |encoding: Encoding| encoding != Encoding::NativeF16 || gpu.limits.native_f16;
    for (encoding, metric, right, wrong) in FAULTS_OF_VARIANTS.into_iter().filter(|fault| runs(fault.0)) {
        let limits = |limits: &mut DeviceLimits| limits.native_f16 = encoding == Encoding::NativeF16;
        planted(limits, (right, wrong), |gpu| compare_variant_on(gpu, encoding, &metric));
    }
}

/// Faults in the kernel of cooperative matrices, which the self-test must notice.
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
        let Some(mut gpu) = gpu_with_matrices() else { return };
        let fault = Fault::new(right, wrong);
        gpu.fault = Some(fault.clone());
        let compared = compare_variant_on(&gpu, Encoding::U8Dots, &Metric::SqEuclidean);
        assert!(fault.was_planted(), "`{right}` is nowhere");
        let side = gpu.limits.matrices.and_then(Result::ok).expect("there are some");
        let said = gpu.matrices_tested(Encoding::U8Dots, side, || Ok(()));
        assert!(said.as_ref().is_err_and(|why| why.contains("other distances")), "`{wrong}`, not `{right}`: {said:?}");
        assert_eq!(compared, Ok(()), "the plain kernel runs instead");
    }
}

#[test]
fn every_planted_fault_is_noticed() {
    let Some(mut gpu) = gpu() else { return };
    gpu.limits.matrices = None;
    let metrics: Vec<Metric> = FAULTS.iter().map(|fault| fault.0.clone()).collect();
    for (at, metric) in metrics.iter().enumerate().filter(|(at, metric)| !metrics[..*at].contains(metric)) {
        assert_eq!(compare(&gpu, metric), Ok(()), "without a fault ({at})");
    }
    for (metric, right, wrong) in FAULTS {
        planted(|_| (), (right, wrong), |gpu| compare(gpu, &metric));
    }
}

/// Every kernel against the CPU.
fn compare(gpu: &Gpu, metric: &Metric) -> Result<(), String> {
    let data = data();
    // Many distances are the same, and values are zero here and there.
    let tied: Vec<f32> = data.iter().map(|v| (v / 150.0).floor()).collect();
    let is_of_sets = metric.direct().is_none();
    let points = Points::dense(if is_of_sets { &tied } else { &data }, N, DIM).unwrap();
    let prepared = Dataset::new(&points, metric).map_err(said)?;
    let (task, plan) = (prepared.problem(), Plan { metric: metric.clone(), ..plan(0) });
    compare_exact(gpu.again(), &task, &plan)?;
    if *metric != Metric::SqEuclidean {
        return Ok(());
    }
    compare_rounds(gpu.again(), &problem(&data, DIM))?;
    compare_exact(gpu.again(), &problem(&tied, DIM), &plan)?;
    compare_parts(gpu.again(), &task, &plan)?;
    compare_warm_start(gpu.again(), &task, &plan)?;
    complete_rows(gpu.again(), &task, &plan)
}

/// Exact search of more than a device holds.
fn compare_parts(mut gpu: Gpu, problem: &Problem, plan: &Plan) -> Result<(), String> {
    (gpu.limits.binding, gpu.limits.bindings) = (24_000, 8);
    compare_exact(gpu, problem, plan)
}

/// Rows taken over from a graph equal the graph.
fn compare_warm_start(gpu: Gpu, problem: &Problem, plan: &Plan) -> Result<(), String> {
    let truth = exact::graph(&problem.points, &plan.metric, plan.n_neighbors, false).unwrap();
    let session = GpuSession::open(gpu, problem, plan, Some(&(&truth).into()), &|_| Ok(())).map_err(said)?;
    let all: Vec<u32> = (0..N as u32).collect();
    let found = session.peek(&all).map_err(said)?;
    if found == truth { Ok(()) } else { Err("rows taken over".into()) }
}

/// Random rows are complete and distinct.
fn complete_rows(gpu: Gpu, problem: &Problem, plan: &Plan) -> Result<(), String> {
    let session = GpuSession::open(gpu, problem, plan, None, &|_| Ok(())).map_err(said)?;
    let rows = session.read_rows().map_err(|e| e.to_string())?;
    let complete = |row: usize| {
        let ids: BTreeSet<u32> = rows.row(row).iter().map(|&slot| id(slot)).collect();
        ids.len() == plan.width && !ids.contains(&(row as u32)) && ids.iter().all(|&id| (id as usize) < N)
    };
    (0..N).find(|&row| !complete(row)).map_or(Ok(()), |row| Err(format!("row {row}: {:?}", rows.row(row))))
}
