//! Tables of neighbours that lie in several bindings, as those of many rows do on hardware.

use super::{DIM, N, data, gpu, plan};
use crate::dataset::Dataset;
use crate::executor::Session;
use crate::executor::gpu::device::Gpu;
use crate::executor::gpu::kernels::Slot;
use crate::executor::gpu::session::GpuSession;
use crate::graph::KnnGraph;
use crate::metric::Metric;
use crate::params::Plan;
use crate::points::Points;

/// Neighbours of a row.
const LONG: usize = 24;

/// A device that holds the rows of a build in so many bindings. Rows lie across their borders.
fn with_pieces(pieces: usize) -> Option<Gpu> {
    let mut gpu = gpu()?;
    let bytes = 4 * N * LONG;
    if pieces > 1 {
        gpu.limits.binding = (bytes.div_ceil(pieces) as u64 / 4 + 5) * 4;
    }
    Some(gpu)
}

/// Everything that a build returns: rows after the trees and after each round, counts, rows that are read one by one,
/// the graph, the same begun with another graph and made longer, and the exact graph.
fn built((gpu, pieces): (&Gpu, usize), points: &Points, metric: &Metric) -> (Vec<KnnGraph>, Vec<u64>) {
    let prepared = Dataset::new(points, metric).unwrap();
    let problem = prepared.problem();
    let plan = Plan { metric: metric.clone(), width: LONG, n_neighbors: LONG, ..plan(3) };
    let open = |plan: &Plan, begun: Option<&KnnGraph>| {
        let begun = begun.map(Into::into);
        GpuSession::open(gpu.again(), &problem, plan, begun.as_ref(), &|_| Ok(())).unwrap()
    };
    let all: Vec<u32> = (0..N as u32).collect();
    let mut session = open(&plan, None);
    assert_eq!(session.layout().pieces(Slot::RowIds), pieces);
    let (mut graphs, mut counts) = (vec![session.peek(&all).unwrap()], Vec::new());
    for _ in 0..3 {
        let stats = session.round(&|_| Ok(())).unwrap();
        counts.extend([stats.distances, stats.updates]);
        graphs.push(session.peek(&all).unwrap());
    }
    let rows = session.read_rows().unwrap();
    let places: Vec<u32> = (0..N as u32).rev().step_by(7).collect();
    let some = session.read_rows_at(&places).unwrap();
    assert!(places.iter().enumerate().all(|(at, &place)| some.row(at) == rows.row(place as usize)));
    graphs.push(Box::new(session).finish(&|_| Ok(())).unwrap());
    let short = Plan { width: 11, n_neighbors: 11, n_trees: 1, ..plan.clone() };
    let mut session = open(&short, graphs.last());
    session.widen(&Plan { n_trees: 2, ..plan.clone() }, &|_| Ok(())).unwrap();
    counts.push(session.round(&|_| Ok(())).unwrap().distances);
    graphs.push(session.peek(&all).unwrap());
    graphs.push(GpuSession::exact(gpu, &problem, &plan, &|_| Ok(())).unwrap().0);
    (graphs, counts)
}

/// The graph is the same, to the bit, whatever bindings its rows lie in, and whatever rows are compared.
#[test]
fn pieces_change_nothing() {
    let floats = data();
    let bytes: Vec<u8> = floats.iter().map(|v| (v / 4.0) as u8).collect();
    let members: Vec<f32> = floats.iter().map(|v| f32::from(*v > 450.0)).collect();
    let wide: Vec<f32> = floats.iter().flat_map(|v| [*v * 0.37, 2.0, -v, 0.5 * v]).collect();
    for (name, points, metric, in_pieces) in [
        ("f32", Points::dense(&floats, N, DIM).unwrap(), Metric::Manhattan, &[2, 4][..]),
        ("u8", Points::dense(&bytes, N, DIM).unwrap(), Metric::SqEuclidean, &[3]),
        ("codes", Points::dense(&wide, N, 4 * DIM).unwrap(), Metric::Euclidean, &[2]),
        ("bits", Points::dense(&members, N, DIM).unwrap(), Metric::Jaccard, &[3]),
    ] {
        let Some(whole) = with_pieces(1).map(|gpu| built((&gpu, 1), &points, &metric)) else { return };
        for &pieces in in_pieces {
            let Some(gpu) = with_pieces(pieces) else { return };
            assert!(built((&gpu, pieces), &points, &metric) == whole, "{name} in {pieces} pieces");
        }
    }
}
