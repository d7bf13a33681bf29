//! Ranking by votes (shaders/shared/merge_few.wgsl): a model of it beside sorting, what it costs beside loops, and the
//! kernel itself where subgroups have a fixed width. Nothing in it depends on their being 32, so that software with
//! subgroups of 8 or 16 will do: newer versions of Mesa's lavapipe (docs/gpu).

use super::parity::{compare_rounds, compare_variant_on};
use super::{DIM, Fault, data, gpu, plan, problem};
use crate::error::BuildError;
use crate::executor::Session;
use crate::executor::gpu::device::Gpu;
use crate::executor::gpu::encoding::Encoding;
use crate::executor::gpu::kind::AdapterKind;
use crate::executor::gpu::session::GpuSession;
use crate::metric::Metric;
use crate::params::Plan;
use crate::rng::hash;

/// Invocations of a workgroup.
const GROUP: usize = 32;
const FEW: usize = 16;

/// A distance and an id with its flag, in the order of the shaders: distances here are whole numbers.
type Neighbor = (u32, u32);
const EMPTY: Neighbor = (u32::MAX, u32::MAX);

/// `merge_few`, lane by lane.
fn merge_few(kept: &mut [Neighbor], offered: &mut [Neighbor], may_be_kept: bool) -> usize {
    let (width, places) = (kept.len(), kept.len().div_ceil(GROUP));
    let own = |lane: usize, k: usize| kept.get(lane + k * GROUP).copied().unwrap_or(EMPTY);
    let mut own_ranks: Vec<usize> = (0..places * GROUP).collect();
    let all = |k: usize| (0..GROUP).map(move |lane| (lane + k * GROUP, own(lane, k)));
    if may_be_kept {
        for offer in &mut *offered {
            if (0..places).flat_map(all).any(|(_, (_, id))| id >> 1 == offer.1 >> 1) {
                *offer = EMPTY;
            }
        }
    }
    let mut ranks: Vec<usize> = offered.iter().map(|offer| if *offer == EMPTY { width } else { 0 }).collect();
    for (o, other) in offered.iter().enumerate() {
        ranks[o] += (0..places).flat_map(all).filter(|(_, own)| own < other).count();
        (0..places).flat_map(all).for_each(|(r, own)| own_ranks[r] += usize::from(*other < own));
        offered.iter().zip(&mut ranks).for_each(|(mine, rank)| *rank += usize::from(other < mine));
    }
    let before = kept.to_vec();
    let placed = before.iter().zip(&own_ranks).chain(offered.iter().zip(&ranks));
    placed.filter(|(_, rank)| **rank < width).for_each(|(neighbor, rank)| kept[*rank] = *neighbor);
    ranks.iter().filter(|rank| **rank < width).count()
}

/// The model keeps what sorting keeps, with rows empty, in part and full, ties, and offers that are kept already.
#[test]
fn votes_keep_the_nearest() {
    let random = |case: u64, at: u64, below: u64| hash(case, 77, at, 0) % below;
    for case in 0..3000 {
        let width = 1 + random(case, 0, 100) as usize;
        let filled = (random(case, 1, 3) as usize * width / 2).min(width);
        let may_be_kept = random(case, 2, 2) == 1;
        let neighbor =
            |at: u64, id: u64| (random(case, at, 40) as u32, (id as u32) << 1 | random(case, at + 1, 2) as u32);
        let mut kept: Vec<Neighbor> = (0..filled as u64).map(|r| neighbor(100 + 2 * r, 3 * r)).collect();
        kept.sort_unstable();
        kept.resize(width, EMPTY);
        let count = 1 + random(case, 3, FEW as u64);
        // Every third id may be kept already.
        let offers = (0..count).map(|o| neighbor(1000 + 2 * o, if may_be_kept { 2 * o } else { 3 * o + 1 }));
        let mut offers: Vec<Neighbor> = offers.collect();
        let is_kept = |offer: &Neighbor| kept.iter().any(|kept| kept.1 >> 1 == offer.1 >> 1);
        let fresh: Vec<Neighbor> = offers.iter().copied().filter(|offer| !is_kept(offer)).collect();
        let mut right: Vec<Neighbor> = kept.iter().copied().chain(fresh.iter().copied()).collect();
        right.sort_unstable();
        right.truncate(width);
        let right_entered = fresh.iter().filter(|offer| right.contains(offer)).count();
        let entered = merge_few(&mut kept, &mut offers, may_be_kept);
        assert_eq!((kept, entered), (right, right_entered), "case {case}: {width} places, {count} offers");
    }
    let text = include_str!("../../../../shaders/shared/merge_few.wgsl");
    for expression in [
        "const FEW: u32 = 16u;",
        "before += countOneBits(subgroupBallot(is_nearer(own[k], other)).x);",
        "own_ranks[k] += u32(is_nearer(other, own[k]));",
        "rank += u32(is_nearer(other, mine)) + select(0u, before, o == first + lane);",
    ] {
        assert!(text.contains(expression), "{expression}");
    }
}

/// Instructions of a subgroup to rank `offers` among `kept`, by loops and by votes: a comparison of neighbours takes
/// five, a step of a loop two, and a load, an addition, a vote and a count of bits one each.
fn instructions(kept: usize, offers: usize) -> [usize; 2] {
    let (places, nearer, step) = (kept.div_ceil(GROUP), 5, 2);
    let by_loops = kept * (1 + step + nearer + 1) + offers * (1 + step + (1 + places) * (nearer + 1));
    let by_votes = offers * (1 + step + places * (2 * nearer + 3) + nearer + 3);
    [by_loops, by_votes]
}

/// Votes are cheaper for all of the numbers of offers that they are used for, but the largest.
#[test]
fn instructions_of_a_ranking() {
    let counted = |kept| [1, 2, 4, 8, 12, FEW].map(|offers| instructions(kept, offers));
    eprintln!("instructions by loops and by votes, 1, 2, 4, 8, 12 and 16 offers: {:?}; {:?}", counted(32), counted(40));
    for kept in [32, 40] {
        assert!(counted(kept)[..5].iter().all(|[by_loops, by_votes]| by_votes < by_loops), "{kept}");
        let [by_loops, by_votes] = instructions(kept, 2);
        assert!(by_loops > 5 * by_votes, "{kept}: {by_loops} and {by_votes}");
    }
}

/// A device that ranks by votes, if this one can. Votes of lavapipe in subgroups of 32 leave out half of them, which
/// the self-test of a build notices.
fn voting_gpu() -> Option<Gpu> {
    let mut gpu = gpu()?;
    let info = &gpu.shared().info;
    let (least, largest) = (info.subgroup_min_size, info.subgroup_max_size);
    let is_right = largest < 32 || (gpu.limits.votes && gpu.limits.kind != AdapterKind::Software);
    if least != largest || !is_right || !gpu.limits.shuffles {
        eprintln!("ignored: subgroups of {} cannot vote", gpu.name());
        return None;
    }
    (gpu.limits.kind, gpu.limits.votes) = (AdapterKind::Other, true);
    Some(gpu)
}

/// Rows, flags and counts of every round are the twin's, with one, two and three kept neighbours to an invocation.
#[test]
fn ranking_by_votes_is_its_twin() {
    let Some(gpu) = voting_gpu() else { return };
    compare_rounds(gpu.again(), &problem(&data(), DIM)).unwrap();
    for (encoding, metric) in
        [(Encoding::U8Dots, Metric::SqEuclidean), (Encoding::I8Dots, Metric::Cosine), (Encoding::U8, Metric::Manhattan)]
    {
        compare_variant_on(&gpu, encoding, &metric).unwrap_or_else(|what| panic!("{metric}: {what}"));
    }
    for width in [40, 70] {
        assert_eq!(built(&gpu, width), built(&by_loops(&gpu), width), "{width}");
    }
}

fn by_loops(gpu: &Gpu) -> Gpu {
    let mut gpu = gpu.again();
    gpu.limits.votes = false;
    gpu
}

/// Counts and rows of a build with rows of `width`.
fn built(gpu: &Gpu, width: usize) -> Result<(Vec<u64>, Vec<u64>), BuildError> {
    let (data, plan) = (data(), Plan { width, n_neighbors: width, ..plan(3) });
    let problem = problem(&data, DIM);
    let mut session = GpuSession::open(gpu.again(), &problem, &plan, None, &|_| Ok(()))?;
    let counts = (0..2).map(|_| session.round(&|_| Ok(())).map(|stats| stats.distances)).collect::<Result<_, _>>()?;
    Ok((counts, session.read_rows()?.slots))
}

/// Faults in it are noticed.
#[test]
fn faults_in_ranking_by_votes_are_noticed() {
    let Some(gpu) = voting_gpu() else { return };
    let expected = built(&by_loops(&gpu), 70);
    for (right, wrong) in [
        ("subgroupBallot(is_nearer(own[k], other))", "subgroupBallot(is_nearer(own[0], other))"),
        ("own_ranks[k] += u32(is_nearer(other, own[k]));", ""),
        ("is_kept = is_kept || own[k]", "is_kept = own[k]"),
        ("subgroupAny(is_kept)", "is_kept"),
        ("let is_mine = first + lane < end;", "let is_mine = first + lane + 1u < end;"),
        ("rank += u32(is_nearer(other, mine)) +", "rank +="),
    ] {
        let mut gpu = gpu.again();
        let fault = Fault::new(right, wrong);
        gpu.fault = Some(fault.clone());
        let noticed = built(&gpu, 70) != expected;
        assert!(fault.was_planted(), "`{right}` is nowhere");
        assert!(noticed, "`{wrong}` instead of `{right}` was not noticed");
    }
}
