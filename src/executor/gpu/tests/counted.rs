//! What the layouts of kernels cost hardware, counted by models that use the same index expressions as the shaders:
//! cache lines a load, wavefronts of workgroup memory, its bytes, and dispatches. docs/gpu has the table.

use std::collections::HashSet;
use std::path::Path;

use super::texts::{parsed, to_spirv};
use crate::executor::gpu::encoding::Encoding;
use crate::executor::gpu::kernels::{KERNELS, Kernel};
use crate::executor::gpu::kind::AdapterKind;
use crate::executor::gpu::layout::{Layout, Ranking, Team};
use crate::executor::gpu::limits::DeviceLimits;
use crate::executor::gpu::sizes::Sizes;
use crate::executor::gpu::sizes::tests::WEB_GPU;
use crate::executor::gpu::source::{MetricSource, source};
use crate::executor::gpu::tile::TILE;
use crate::metric::Form;
use crate::rng::hash;

/// Bytes of a cache line, and of a quad as it is loaded.
const LINE: usize = 128;
const QUAD: usize = 16;
/// Invocations of a subgroup, banks of workgroup memory in words, and invocations whose quads are served at once.
const SUBGROUP: usize = 32;
const BANKS: usize = 32;
const PHASE: usize = 8;

/// A million rows of 128 floats with the defaults of k = 32, on a card.
fn layout() -> Layout {
    let limits = DeviceLimits { binding: 1 << 31, buffer: 1 << 31, shuffles: true, ..WEB_GPU };
    let limits = DeviceLimits { kind: AdapterKind::Discrete, ..limits };
    let sizes = Sizes { n: 1_000_000, quads: 32, row_bytes: 512, width: 32, forward: 30, reverse: 15 };
    Layout::new(sizes, limits).unwrap()
}

/// The most cache lines that one load of a subgroup touches, of rows at places that have nothing to do with each other.
fn lines_a_load(row_bytes: usize, loads: usize, address: impl Fn(usize, usize) -> (usize, usize)) -> usize {
    let lines = |load: usize| {
        let touched = (0..SUBGROUP).map(|lane| {
            let (row, quad) = address(load, lane);
            let place = hash(3, 5, row as u64, 0) as usize % 1_000_000;
            (place * row_bytes + quad * QUAD) / LINE
        });
        touched.collect::<HashSet<usize>>().len()
    };
    (0..loads).map(lines).max().expect("there are loads")
}

/// A load touches 8 lines where teams read rows, and 32 where every invocation reads its own.
#[test]
fn lines_a_load_of_the_join() {
    let text = include_str!("../../../../shaders/shared/team_distances.wgsl");
    assert!(text.contains("const LANES: u32 = 4u;") && text.contains("var q = lane % LANES;"));
    assert!(text.contains("load(ys.x, q)), next, load(ys.x, q + LANES)"));
    let lanes = 4;
    for row_bytes in [512, 256, 128] {
        let quads = row_bytes / QUAD;
        // Member `k` of the team of a lane, at step `s`.
        let by_team = |load: usize, lane: usize| {
            let (k, s) = (load % lanes, load / lanes);
            (lane / lanes * lanes + k, lane % lanes + s * lanes)
        };
        assert!(lines_a_load(row_bytes, quads, by_team) <= SUBGROUP / lanes, "{row_bytes}");
        assert_eq!(lines_a_load(row_bytes, quads, |load, lane| (lane, load)), SUBGROUP, "{row_bytes}");
    }
    // Rows of codes, with their word: 64 bytes side by side may lie in two lines.
    let by_team = |load: usize, lane: usize| (lane / lanes * lanes + load % lanes, lane % lanes + load / lanes * lanes);
    assert!(lines_a_load(144, 8, by_team) <= 2 * SUBGROUP / lanes);
}

/// Rounds in which the banks of workgroup memory serve a load or store of quads by a subgroup. Invocations that ask for
/// the same word are served together.
fn wavefronts(quad: impl Fn(usize) -> usize) -> usize {
    let of_phase = |phase: usize| {
        let mut uses = vec![HashSet::new(); BANKS];
        for lane in phase * PHASE..(phase + 1) * PHASE {
            for word in 4 * quad(lane)..4 * quad(lane) + 4 {
                uses[word % BANKS].insert(word);
            }
        }
        uses.iter().map(HashSet::len).max().unwrap_or_default()
    };
    (0..SUBGROUP / PHASE).map(of_phase).sum()
}

/// No load or store of `block_pairs` meets a bank conflict: a subgroup and quad takes 8 loads of 4 wavefronts.
#[test]
fn wavefronts_of_a_tile() {
    let text = include_str!("../../../../shaders/block_pairs.wgsl");
    for expression in [
        "const DEPTH: u32 = 4u;\nconst X_PITCH: u32 = TILE_X + 2u;\nconst Y_PITCH: u32 = TILE_Y + 2u;",
        "y_quads[i % DEPTH * Y_PITCH + i / DEPTH] = y_next[n];",
        "let x_at = q * X_PITCH + x;",
        "let y_at = q * Y_PITCH + y;",
        "y_quads[y_at + 3u * Y_STEP]",
        "let x = lane / Y_STEP;",
        "let y = lane % Y_STEP;",
    ] {
        assert!(text.contains(expression), "{expression}");
    }
    let (depth, pitch, step) = (4, TILE.x as usize + 2, TILE.x as usize / 4);
    let none = SUBGROUP / PHASE;
    for warp in [0, SUBGROUP] {
        for q in 0..depth {
            for j in 0..4 {
                assert_eq!(wavefronts(|lane| q * pitch + (warp + lane) % step + j * step), none, "columns");
                assert_eq!(wavefronts(|lane| q * pitch + (warp + lane) / step + j * step), none, "rows");
            }
        }
        for n in 0..2 {
            let staged = |lane| warp + lane + n * TILE.group as usize;
            assert_eq!(wavefronts(|lane| staged(lane) % depth * pitch + staged(lane) / depth), none, "stores");
        }
    }
    // Rows that follow each other without a gap, four to an invocation, as they once lay: 8 conflicts.
    assert_eq!(wavefronts(|lane| 4 * (lane % step) * depth), 8 * none);
}

/// Bytes of workgroup memory that a kernel uses.
fn workgroup_bytes(kernel: Kernel, team: Team) -> u32 {
    let layout = Layout { team, ..layout() };
    let (module, info) = parsed(&source(kernel, MetricSource::Form(Form::L2), Encoding::F32, &layout).0);
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).unwrap();
    let is_used = |handle: naga::Handle<naga::GlobalVariable>| !info.get_entry_point(0)[handle].is_empty();
    let of_group = module.global_variables.iter().filter(|(_, global)| global.space == naga::AddressSpace::WorkGroup);
    of_group.filter(|(handle, _)| is_used(*handle)).map(|(_, global)| layouter[global.ty].size).sum()
}

#[test]
fn bytes_of_workgroup_memory() {
    let bytes = |kernel| workgroup_bytes(kernel, Team::Shuffles);
    let all = [Kernel::BlockPairs, Kernel::OfferPairs, Kernel::LocalJoin, Kernel::Recompute].map(bytes);
    eprintln!("block_pairs, offer_pairs, local_join, recompute: {all:?}; by memory: {}", {
        workgroup_bytes(Kernel::LocalJoin, Team::Memory)
    });
    assert_eq!(all, BYTES);
    // Of 228 KB on an H100, which takes 1 KB more for each, 48 workgroups of the join rather than 28.
    let at_a_time = |bytes: u32| (228 << 10) / (bytes + 1024);
    assert_eq!((at_a_time(all[2]), at_a_time(7116)), (48, 28));
}

/// Bytes of workgroup memory of `block_pairs`, `offer_pairs`, `local_join` and `recompute`.
const BYTES: [u32; 4] = [4352, 776, 3788, 256];

/// A round over a million rows is one dispatch of every kernel.
#[test]
fn dispatches_of_a_round() {
    let layout = layout();
    let kernels = [Kernel::CountEdges, Kernel::GiveRoom, Kernel::PutEdges, Kernel::Neighborhoods, Kernel::LocalJoin];
    let groups = kernels.map(|kernel| 1_000_000_u32.div_ceil(kernel.rows_per_group(layout.group)));
    assert_eq!(groups.iter().map(|&groups| layout.dispatches(groups).count()).sum::<usize>(), 5);
}

/// The modules that a card would run for a million rows of 128 floats, as values and as codes, are written where
/// `NNDESCENT_SPIRV` names a folder: benches/gpu/statistics.py asks drivers what becomes of them.
#[test]
fn modules_of_a_card() {
    let Some(folder) = std::env::var_os("NNDESCENT_SPIRV") else { return };
    let mut known = HashSet::new();
    let codes = Layout { sizes: Sizes { quads: 8, row_bytes: 144, width: 40, ..layout().sizes }, ..layout() };
    for (name, encoding, layout) in [("f32", Encoding::F32, layout()), ("u8", Encoding::U8Dots, codes)] {
        for (by, ranking) in [("loops", Ranking::Loops), ("votes", Ranking::Votes)] {
            let layout = Layout { ranking, ..layout };
            for info in KERNELS.iter().filter(|info| info.kernel != Kernel::BlockProducts) {
                let text = source(info.kernel, MetricSource::Form(Form::L2), encoding, &layout).0;
                if !known.insert((info.entry, text.clone())) {
                    continue;
                }
                let modules = to_spirv(&parsed(&text), info.kernel);
                let (environment, words) = modules.last().expect("the newest target is the last");
                let file = format!("card-{:?}-{name}-{by}.{environment}.spv", info.kernel);
                std::fs::write(Path::new(&folder).join(file), bytemuck::cast_slice::<u32, u8>(words)).unwrap();
            }
        }
    }
    assert!(known.len() > KERNELS.len(), "{}", known.len());
}
