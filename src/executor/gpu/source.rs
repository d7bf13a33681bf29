//! The WGSL of a build: kernels from shaders/, preceded by the snippets and constants that they need.

use std::fmt::Write;

use super::encoding::Encoding;
use super::kernels::{Kernel, Part};
use super::layout::{FOUND, HELD, Layout, Ranking, SETTLED, Team};
use super::pieces::in_pieces;
use crate::metric::{Form, SetMetric};

/// The metric's part of kernels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum MetricSource {
    Form(Form),
    /// Sets, and the number of columns.
    Sets(SetMetric, u32),
    /// A user's WGSL.
    Own(&'static str),
}

/// Whether a module may be compiled without checks of bounds and loops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// The text is this crate's alone.
    Trusted,
    /// Part of the text is a user's. Whatever it does must stay within its buffers, and end.
    Checked,
}

impl MetricSource {
    fn trust(self) -> Trust {
        match self {
            Self::Form(_) | Self::Sets(..) => Trust::Trusted,
            Self::Own(_) => Trust::Checked,
        }
    }
}

const PARAMS: &str = include_str!("../../../shaders/shared/params.wgsl");
const COUNTERS: &str = include_str!("../../../shaders/shared/counters.wgsl");
const ROWS: &str = include_str!("../../../shaders/shared/rows.wgsl");
const NEAREST: &str = include_str!("../../../shaders/shared/nearest.wgsl");
const MERGE: &str = include_str!("../../../shaders/shared/merge.wgsl");
const MERGE_FEW: &str = include_str!("../../../shaders/shared/merge_few.wgsl");
const OWNED_ROW: &str = include_str!("../../../shaders/shared/owned_row.wgsl");
const BLOCKS: &str = include_str!("../../../shaders/shared/blocks.wgsl");
const PUT_ALL: &str = include_str!("../../../shaders/shared/put_all.wgsl");
const PUT_NEAR: &str = include_str!("../../../shaders/shared/put_near.wgsl");
const TILES: &str = include_str!("../../../shaders/shared/tiles.wgsl");
const DISTANCE: &str = include_str!("../../../shaders/shared/distance.wgsl");
const DISTANCES: &str = include_str!("../../../shaders/shared/distances.wgsl");
const TEAM_DISTANCES: &str = include_str!("../../../shaders/shared/team_distances.wgsl");
const TEAM_BY_SHUFFLES: &str = include_str!("../../../shaders/shared/team_by_shuffles.wgsl");
const TEAM_BY_MEMORY: &str = include_str!("../../../shaders/shared/team_by_memory.wgsl");

/// The WGSL of `kernel` for a metric, an encoding and a layout, and whether it can be trusted.
pub(super) fn source(kernel: Kernel, metric: MetricSource, encoding: Encoding, layout: &Layout) -> (String, Trust) {
    let mut text = String::new();
    // A user's sums cannot be joined.
    let team = if matches!(metric, MetricSource::Own(_)) { Team::None } else { layout.team };
    for part in kernel.info().parts {
        match part {
            Part::Params => text.push_str(PARAMS),
            Part::Counters => text.push_str(COUNTERS),
            Part::Rows => text.push_str(ROWS),
            Part::Nearest => {
                let of = |name: &str, held| MERGE.replace("fn merge(", name).replace("HELD", held);
                text.extend([NEAREST, MERGE]);
                match layout.ranking {
                    Ranking::Loops => text.push_str(&of("fn merge_one(", "1u")),
                    Ranking::Votes => text.extend([&of("fn merge_group(", "1u"), MERGE_FEW]),
                }
                text.push_str(&of("fn merge_two(", "2u"));
            }
            Part::OwnedRow => text.push_str(OWNED_ROW),
            Part::Blocks => text.push_str(BLOCKS),
            Part::Tiles => text.push_str(TILES),
            Part::PutAll => text.push_str(PUT_ALL),
            Part::PutNear => text.push_str(PUT_NEAR),
            Part::Data => {
                text.push_str(&(data(encoding, layout.bindings.shards) + &distances(metric, encoding) + DISTANCE))
            }
            Part::Distances => match team {
                Team::None => text.push_str(DISTANCES),
                Team::Shuffles => text.extend([TEAM_BY_SHUFFLES, TEAM_DISTANCES]),
                Team::Memory => text.extend([TEAM_BY_MEMORY, TEAM_DISTANCES]),
            },
            Part::Matrices => text.push_str(&matrices(encoding, layout.matrix_side)),
        }
    }
    text.push_str(kernel.info().text);
    let text = in_pieces(text, layout);
    let mut head = String::from(match kernel {
        Kernel::BlockProducts => "enable f16;\nenable wgpu_cooperative_matrix;\n",
        _ if encoding == Encoding::NativeF16 => "enable f16;\n",
        _ => "",
    });
    // Only those that the text uses, so that plans that differ in others share its pipeline.
    for (name, value) in constants(kernel, layout).into_iter().filter(|(name, _)| text.contains(name)) {
        writeln!(head, "const {name}: u32 = {value}u;").expect("writing to a string");
    }
    (head + &text, if kernel.reads_data() { metric.trust() } else { Trust::Trusted })
}

fn constants(kernel: Kernel, layout: &Layout) -> [(&'static str, u32); 15] {
    let sizes = layout.sizes;
    // `neighborhoods` keeps the reverse neighbours.
    let kept = if kernel == Kernel::Neighborhoods { sizes.reverse } else { sizes.width };
    [
        ("GROUP", layout.group),
        ("TILE_GROUP", layout.tile.group),
        ("TILE_X", layout.tile.x),
        ("TILE_Y", layout.tile.y),
        ("PIECE", layout.bindings.piece),
        ("CHUNK", layout.chunk),
        ("FOUND", FOUND),
        ("HELD", HELD.min(layout.chunk / layout.group)),
        ("SETTLED", SETTLED.max(layout.group)),
        ("WIDTH", kept as u32),
        ("ROW", sizes.width as u32),
        ("FORWARD", sizes.forward as u32),
        ("STRIDE", layout.stride() as u32),
        ("TABLE", layout.table),
        ("TABLE_BITS", layout.table.trailing_zeros()),
    ]
}

/// `load(row, q)`, which reads a quad of a row from one or more bindings.
fn data(encoding: Encoding, shards: usize) -> String {
    let [quad, loaded, made] = encoding.quad();
    let stride = if encoding.is_dots() { "(params.quads + 1u)" } else { "params.quads" };
    let mut text = format!("alias Quad = {loaded};\n");
    for s in 0..shards {
        writeln!(text, "@group(1) @binding({s}) var<storage, read> data{s}: array<{quad}>;").expect("a string");
    }
    writeln!(text, "fn fetch(row: u32, q: u32) -> {quad} {{").expect("a string");
    if shards == 1 {
        writeln!(text, "    return data0[row * {stride} + q];\n}}").expect("a string");
    } else {
        writeln!(text, "    let at = row % params.shard_rows * {stride} + q;").expect("a string");
        text.push_str("    switch row / params.shard_rows {\n");
        for s in 1..shards {
            writeln!(text, "        case {s}u: {{ return data{s}[at]; }}").expect("a string");
        }
        text.push_str("        default: { return data0[at]; }\n    }\n}\n");
    }
    writeln!(text, "fn load(row: u32, q: u32) -> Quad {{ let quad = fetch(row, q); return {made}; }}")
        .expect("a string");
    text
}

/// The matrix types of `block_products.wgsl`, and the conversion of four bytes to f16.
fn matrices(encoding: Encoding, side: u32) -> String {
    let unpack = if encoding == Encoding::U8Dots { "unpack4xU8" } else { "unpack4xI8" };
    let matrix =
        |name: &str, value: &str, role: &str| format!("alias {name} = coop_mat{side}x{side}<{value}, {role}>;\n");
    format!("const SIDE: u32 = {side}u;\n")
        + &matrix("Left", "f16", "A")
        + &matrix("Right", "f16", "B")
        + &matrix("Products", "f32", "C")
        + &format!("fn widened(four: u32) -> vec4<f16> {{ return vec4<f16>({unpack}(four)); }}\n")
}

macro_rules! body {
    ($name:literal) => {
        include_str!(concat!("../../../shaders/shared/metrics/", $name, ".wgsl")).to_owned()
    };
}

/// `start`, `step`, `folded`, `joined`, `of_row` (the word of a row) and `distance_of` of a metric.
fn distances(body: MetricSource, encoding: Encoding) -> String {
    match body {
        MetricSource::Form(form) if encoding.is_dots() => of_dots(form, encoding),
        MetricSource::Own(wgsl) => format!("{wgsl}\n") + &body!("own") + &body!("whole"),
        MetricSource::Form(form) => form.wgsl() + &body!("whole"),
        MetricSource::Sets(metric, dim) => of_counts(metric, dim) + &body!("sets") + &body!("whole"),
    }
}

/// A metric of integer dot products.
fn of_dots(form: Form, encoding: Encoding) -> String {
    let product = if encoding == Encoding::U8Dots { "dot4U8Packed" } else { "dot4I8Packed" };
    let of_row = "fn of_row(row: u32) -> u32 { return fetch(row, params.quads).x; }\n";
    let distance = match form {
        Form::L2 => body!("packed_squared_differences"),
        Form::Angular { .. } => body!("packed_angle"),
        _ => body!("packed_negative_dot"),
    };
    body!("packed_dot").replace("PRODUCT(", &format!("{product}(")) + of_row + &distance
}

/// [`SetMetric::distance`] of sets that differ.
fn of_counts(metric: SetMetric, dim: u32) -> String {
    let distance = metric.wgsl();
    format!(
        "const DIM: f32 = {dim}.0;\nfn of_counts(both: f32, x_only: f32, y_only: f32) -> f32 {{\n    let one = x_only + \
         y_only;\n    let half = x_only * y_only;\n    return {distance};\n}}\n"
    )
}
