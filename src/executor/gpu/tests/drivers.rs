//! Drivers that compute nonsense or offer little: a wrong graph is never returned.

use super::parity::{compare_rounds, compare_variant_on};
use super::{DIM, Fault, data, gpu, own_gpu, plan, problem};
use crate::error::{BuildError, GpuError};
use crate::executor::Session;
use crate::executor::gpu::device::Gpu;
use crate::executor::gpu::encoding::Encoding;
use crate::executor::gpu::kind::AdapterKind;
use crate::executor::gpu::session::GpuSession;
use crate::metric::Metric;
use crate::params::Plan;

/// A build with this fault in the kernels.
fn build_with(right: &'static str, wrong: &'static str, plan: &Plan) -> Option<Result<(), BuildError>> {
    let (mut gpu, data, fault) = (gpu()?, data(), Fault::new(right, wrong));
    gpu.fault = Some(fault.clone());
    let built = (|| {
        let mut session = GpuSession::open(gpu, &problem(&data, DIM), plan, None, &|_| Ok(()))?;
        for _ in 0..3 {
            session.round(&|_| Ok(()))?;
        }
        Box::new(session).finish(&|_| Ok(())).map(|_| ())
    })();
    assert!(fault.was_planted(), "`{right}` is nowhere");
    Some(built)
}

/// Kernels that compute zeros, or leave rows as they were, or rank them wrongly: the refusal names kernel, row, what
/// came and what is right.
#[test]
fn drivers_that_compute_something_else_are_refused() {
    const STORE: &str = "pairs[block.pairs + row * block.y_count + column] = distance;";
    const ZERO: &str = "pairs[block.pairs + row * block.y_count + column] = distance * 0.0;";
    for (right, wrong, trees, kernel) in [
        (STORE, ZERO, 3, "block_pairs"),
        (
            "fn distance_between(x: u32, y: u32) -> f32 {",
            "fn distance_between(x: u32, y: u32) -> f32 { if x != y { return 1.0; }",
            0,
            "fill_random",
        ),
        ("offer_to(row, distances[h],", "offer_to(row, distances[h] * 0.5,", 1, "local_join"),
        ("write_row(row, lane);\n    atomicAdd(&updates", "atomicAdd(&updates", 0, "local_join"),
        ("distances[r] = finite(distance);", "distances[r] = finite(distance) * 0.5;", 3, "recompute"),
        ("points[r] = order[id >> 1u];", "points[r] = order[0];", 3, "recompute"),
        ("final_row + rank] = distances[r];", "final_row + params.others - 1u - rank] = distances[r];", 3, "recompute"),
    ] {
        let Some(built) = build_with(right, wrong, &plan(trees)) else { return };
        let Err(BuildError::Gpu(GpuError::WrongResult { kernel: by, got, expected, .. })) = built else {
            panic!("{wrong}: {built:?}")
        };
        assert_eq!(by, kernel, "{wrong}: {got} instead of {expected}");
    }
}

/// The same in exact search.
#[test]
fn drivers_that_search_exactly_something_else_are_refused() {
    const STORE: &str = "pairs[block.pairs + row * block.y_count + column] = distance;";
    for (wrong, expected) in
        [(" distance * 0.0;", "block_pairs"), (" bitcast<f32>(0x7fc00000u | params.n >> 31u);", "not finite")]
    {
        let (Some(mut gpu), data) = (gpu(), data()) else { return };
        let fault = Fault::new(STORE, STORE.replace(" distance;", wrong).leak());
        gpu.fault = Some(fault.clone());
        let found = GpuSession::exact(&gpu, &problem(&data, DIM), &plan(0), &|_| Ok(()));
        assert!(fault.was_planted());
        let error = found.map(drop).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// NaN never wins, and is reported with row and column, where it is found again.
#[test]
fn drivers_that_compute_nan_are_refused() {
    const NAN: &str = "bitcast<f32>(0x7fc00000u | params.n >> 31u)";
    let store = "pairs[block.pairs + row * block.y_count + column] = distance;";
    let few = format!(
        "pairs[block.pairs + row * block.y_count + column] = select(distance, {NAN}, row == 1u && column == 2u);"
    );
    let few: &'static str = few.leak();
    let [all, of_join, of_fill] = [
        format!("pairs[block.pairs + row * block.y_count + column] = {NAN};"),
        format!("offer_to(row, {NAN} + distances[h] * 0.0,"),
        format!("fn distance_between(x: u32, y: u32) -> f32 {{ if x != y {{ return {NAN}; }}"),
    ]
    .map(|text| &*text.leak());
    let fill = "fn distance_between(x: u32, y: u32) -> f32 {";
    for (right, wrong, trees, in_pairs) in [
        (store, all, 3, true),
        (store, few, 3, false),
        ("offer_to(row, distances[h],", of_join, 1, false),
        (fill, of_fill, 0, false),
    ] {
        let Some(built) = build_with(right, wrong, &plan(trees)) else { return };
        let Err(BuildError::Gpu(GpuError::NotFinite { row, column, during, .. })) = built else {
            panic!("{wrong}: {built:?}")
        };
        assert_eq!(column.is_some(), in_pairs, "{wrong}: row {row}, {column:?} in {during}");
        assert!(column != Some(row), "{wrong}");
    }
}

/// Rows are read by teams on hardware: by shuffles where subgroups can, else through workgroup memory. Both give the
/// twin's rows and counts.
#[test]
fn teams_are_their_twins() {
    let compare = |gpu: &Gpu| {
        compare_rounds(gpu.again(), &problem(&data(), DIM)).unwrap();
        for (encoding, metric) in [
            (Encoding::U8Dots, Metric::SqEuclidean),
            (Encoding::I8Dots, Metric::Cosine),
            (Encoding::F16, Metric::SqEuclidean),
        ] {
            compare_variant_on(gpu, encoding, &metric).unwrap_or_else(|what| panic!("{metric}: {what}"));
        }
    };
    let Some(mut gpu) = gpu() else { return };
    (gpu.limits.kind, gpu.limits.native_f16) = (AdapterKind::Other, false);
    if gpu.limits.shuffles {
        compare(&gpu);
    } else {
        eprintln!("ignored: {} has no shuffles", gpu.name());
    }
    gpu.limits.shuffles = false;
    compare(&gpu);
}

/// A device without subgroups, f16 and timestamps: the same rows, and no times.
#[test]
fn a_device_without_features_builds_the_same_graph() {
    let Some(bare) = own_gpu(|limits| (limits.shuffles, limits.native_f16, limits.timestamps) = (false, false, false))
    else {
        return;
    };
    let features = bare.shared().device.features();
    let optional = wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16 | wgpu::Features::TIMESTAMP_QUERY;
    assert!(!features.intersects(optional), "{features:?}");
    compare_rounds(bare.again(), &problem(&data(), DIM)).unwrap();
    compare_variant_on(&bare, Encoding::F16, &Metric::SqEuclidean).unwrap();
    let (data, plan) = (data(), Plan { time_kernels: true, ..plan(2) });
    let problem = problem(&data, DIM);
    let mut session = GpuSession::open(bare, &problem, &plan, None, &|_| Ok(())).unwrap();
    session.round(&|_| Ok(())).unwrap();
    assert!(session.device_work().kernels().is_empty(), "there are no times");
}
