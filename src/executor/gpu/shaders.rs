//! The WGSL of a build: kernels from shaders/ with the snippets and constants that they need put before them.

use std::fmt::Write;

use super::layout::{CHUNK, HELD, Layout, SETTLED};
use super::stored::Stored;
use crate::metric::{Form, SetMetric};

/// The metric's part of kernels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Body {
    Form(Form),
    /// Rows as sets of so many columns at most.
    Sets(SetMetric, u32),
    /// A user's.
    Own(&'static str),
}

/// What a binding holds. The discriminants mean nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Slot {
    Params,
    Counters,
    RowDistances,
    RowIds,
    ListIds,
    Owners,
    Spans,
    Blocks,
    Tiles,
    Places,
    Pairs,
    Counts,
    Cursors,
    EdgeDistances,
    EdgeIds,
    Total,
    Near,
    Order,
    FinalDistances,
    FinalPoints,
}

/// A kernel: one entry point of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kernel {
    BlockPairs,
    /// `BlockPairs` by cooperative matrices.
    BlockProducts,
    OfferPairs,
    OfferLists,
    FillRandom,
    CountEdges,
    GiveRoom,
    PutEdges,
    Neighborhoods,
    LocalJoin,
    Recompute,
}

impl Kernel {
    /// All that every device runs.
    #[cfg(test)]
    pub(super) const ALL: [Self; 10] = [
        Self::BlockPairs,
        Self::OfferPairs,
        Self::OfferLists,
        Self::FillRandom,
        Self::CountEdges,
        Self::GiveRoom,
        Self::PutEdges,
        Self::Neighborhoods,
        Self::LocalJoin,
        Self::Recompute,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BlockPairs => "block_pairs",
            Self::BlockProducts => "block_products",
            Self::OfferPairs => "offer_pairs",
            Self::OfferLists => "offer_lists",
            Self::FillRandom => "fill_random",
            Self::CountEdges => "reverse_edges (count)",
            Self::GiveRoom => "reverse_edges (give_room)",
            Self::PutEdges => "reverse_edges (put)",
            Self::Neighborhoods => "neighborhoods",
            Self::LocalJoin => "local_join",
            Self::Recompute => "recompute",
        }
    }

    pub(super) fn entry(self) -> &'static str {
        match self {
            Self::CountEdges => "count",
            Self::GiveRoom => "give_room",
            Self::PutEdges => "put",
            _ => "main",
        }
    }

    /// Bindings of group 0 that the entry point uses.
    pub(super) fn bindings(self) -> &'static [(u32, Slot)] {
        use Slot::*;
        match self {
            Self::OfferLists => {
                &[(0, Params), (1, Counters), (2, RowDistances), (3, RowIds), (4, ListIds), (5, Owners), (6, Spans)]
            }
            Self::BlockPairs | Self::BlockProducts => &[(0, Params), (4, ListIds), (5, Blocks), (6, Pairs), (7, Tiles)],
            Self::OfferPairs => &[
                (0, Params),
                (1, Counters),
                (2, RowDistances),
                (3, RowIds),
                (4, ListIds),
                (5, Blocks),
                (6, Pairs),
                (7, Places),
            ],
            Self::FillRandom => &[(0, Params), (1, Counters), (2, RowDistances), (3, RowIds)],
            Self::CountEdges => &[(0, Params), (3, RowIds), (4, Counts)],
            Self::GiveRoom => &[(0, Params), (4, Counts), (5, Cursors), (8, Total)],
            Self::PutEdges => {
                &[(0, Params), (2, RowDistances), (3, RowIds), (5, Cursors), (6, EdgeDistances), (7, EdgeIds)]
            }
            Self::Neighborhoods => {
                &[(0, Params), (3, RowIds), (4, Counts), (5, Cursors), (6, EdgeDistances), (7, EdgeIds), (8, Near)]
            }
            Self::LocalJoin => &[(0, Params), (1, Counters), (2, RowDistances), (3, RowIds), (4, Near)],
            Self::Recompute => &[(0, Params), (3, RowIds), (4, Order), (5, FinalDistances), (6, FinalPoints)],
        }
    }

    /// Whether the data is bound, as group 1.
    pub(super) fn reads_data(self) -> bool {
        use Kernel::*;
        matches!(self, BlockPairs | BlockProducts | OfferLists | FillRandom | LocalJoin | Recompute)
    }

    /// Rows that a workgroup of `group` invocations works on.
    pub(super) fn rows_per_group(self, group: u32) -> u32 {
        match self {
            Self::CountEdges | Self::GiveRoom | Self::PutEdges => group,
            _ => 1,
        }
    }
}

const PARAMS: &str = include_str!("../../../shaders/shared/params.wgsl");
const COUNTERS: &str = include_str!("../../../shaders/shared/counters.wgsl");
const ROWS: &str = include_str!("../../../shaders/shared/rows.wgsl");
const NEAREST: &str = include_str!("../../../shaders/shared/nearest.wgsl");
const OWNED_ROW: &str = include_str!("../../../shaders/shared/owned_row.wgsl");
const BLOCKS: &str = include_str!("../../../shaders/shared/blocks.wgsl");
const TILES: &str = include_str!("../../../shaders/shared/tiles.wgsl");
const DISTANCE: &str = include_str!("../../../shaders/shared/distance.wgsl");

/// The WGSL of `kernel`, for values stored and laid out so, under a metric.
pub(super) fn source(kernel: Kernel, body: Body, stored: Stored, layout: &Layout) -> String {
    let wanted = layout.wanted;
    // In `neighborhoods` what is kept are the reverse neighbours.
    let kept = if kernel == Kernel::Neighborhoods { wanted.reverse } else { wanted.width };
    let constants = [
        ("GROUP", layout.group),
        ("TILE_GROUP", layout.tile.group),
        ("TILE_X", layout.tile.x),
        ("TILE_Y", layout.tile.y),
        ("CHUNK", CHUNK),
        ("HELD", HELD.min(CHUNK / layout.group)),
        ("SETTLED", SETTLED.max(layout.group)),
        ("WIDTH", kept as u32),
        ("ROW", wanted.width as u32),
        ("FORWARD", wanted.forward as u32),
        ("STRIDE", layout.stride() as u32),
        ("TABLE", layout.table),
        ("TABLE_BITS", layout.table.trailing_zeros()),
    ];
    let mut text = String::from(match kernel {
        Kernel::BlockProducts => "enable f16;\nenable wgpu_cooperative_matrix;\n",
        _ if stored == Stored::NativeF16 => "enable f16;\n",
        _ => "",
    });
    for (name, value) in constants {
        writeln!(text, "const {name}: u32 = {value}u;").expect("writing to a string");
    }
    let data = data(stored, layout.shards) + &metric(body, stored) + DISTANCE;
    let matrices = matrices(stored, layout.matrix_side);
    let parts: &[&str] = match kernel {
        Kernel::BlockPairs => &[PARAMS, BLOCKS, &data, TILES, include_str!("../../../shaders/block_pairs.wgsl")],
        Kernel::BlockProducts => {
            &[PARAMS, BLOCKS, &data, TILES, &matrices, include_str!("../../../shaders/block_products.wgsl")]
        }
        Kernel::OfferPairs => {
            &[PARAMS, COUNTERS, ROWS, NEAREST, OWNED_ROW, BLOCKS, include_str!("../../../shaders/offer_pairs.wgsl")]
        }
        Kernel::OfferLists => {
            &[PARAMS, COUNTERS, ROWS, NEAREST, OWNED_ROW, &data, include_str!("../../../shaders/offer_lists.wgsl")]
        }
        Kernel::FillRandom => {
            &[PARAMS, COUNTERS, ROWS, NEAREST, OWNED_ROW, &data, include_str!("../../../shaders/fill_random.wgsl")]
        }
        Kernel::CountEdges | Kernel::GiveRoom | Kernel::PutEdges => {
            &[PARAMS, ROWS, NEAREST, include_str!("../../../shaders/reverse_edges.wgsl")]
        }
        Kernel::Neighborhoods => &[PARAMS, ROWS, NEAREST, include_str!("../../../shaders/neighborhoods.wgsl")],
        Kernel::LocalJoin => {
            &[PARAMS, COUNTERS, ROWS, NEAREST, OWNED_ROW, &data, include_str!("../../../shaders/local_join.wgsl")]
        }
        Kernel::Recompute => &[PARAMS, ROWS, NEAREST, &data, include_str!("../../../shaders/recompute.wgsl")],
    };
    parts.iter().for_each(|part| text.push_str(part));
    #[cfg(test)]
    let text = super::faults::plant(text);
    text
}

/// `load(row, q)`: a quad of a row, from as many bindings as the data takes.
fn data(stored: Stored, shards: usize) -> String {
    let [quad, loaded, made] = stored.quad();
    let stride = if stored.is_dots() { "(params.quads + 1u)" } else { "params.quads" };
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

/// The matrices of `block_products.wgsl`, and four bytes as their values.
fn matrices(stored: Stored, side: u32) -> String {
    let unpack = if stored == Stored::U8Dots { "unpack4xU8" } else { "unpack4xI8" };
    let matrix =
        |name: &str, value: &str, role: &str| format!("alias {name} = coop_mat{side}x{side}<{value}, {role}>;\n");
    format!("const SIDE: u32 = {side}u;\n")
        + &matrix("Left", "f16", "A")
        + &matrix("Right", "f16", "B")
        + &matrix("Sums", "f32", "C")
        + &format!("fn widened(four: u32) -> vec4<f16> {{ return vec4<f16>({unpack}(four)); }}\n")
}

macro_rules! body {
    ($name:literal) => {
        include_str!(concat!("../../../shaders/shared/metrics/", $name, ".wgsl")).to_owned()
    };
}

/// `start` and `step` of a metric, the word that a row brings (`of_row`), and `distance_of`.
fn metric(body: Body, stored: Stored) -> String {
    match body {
        Body::Form(form) if stored.is_dots() => of_dots(form, stored),
        _ => of_sums(body) + &body!("whole"),
    }
}

/// A metric of integer dot products.
fn of_dots(form: Form, stored: Stored) -> String {
    let product = if stored == Stored::U8Dots { "dot4U8Packed" } else { "dot4I8Packed" };
    let of_row = "fn of_row(row: u32) -> u32 { return fetch(row, params.quads).x; }\n";
    let distance = match form {
        Form::L2 => body!("packed_squared_differences"),
        Form::Angular { .. } => body!("packed_angle"),
        _ => body!("packed_negative_dot"),
    };
    body!("packed_dot").replace("PRODUCT(", &format!("{product}(")) + of_row + &distance
}

/// `start`, `step` and `finish` of a metric.
fn of_sums(body: Body) -> String {
    match body {
        Body::Form(form) => form.wgsl(),
        Body::Own(wgsl) => format!("{wgsl}\n"),
        Body::Sets(metric, dim) => of_counts(metric, dim) + &body!("sets"),
    }
}

/// [`SetMetric::distance`] of sets that differ.
fn of_counts(metric: SetMetric, dim: u32) -> String {
    let distance = metric.wgsl();
    format!(
        "const DIM: f32 = {dim}.0;\nfn of_counts(both: f32, x_only: f32, y_only: f32) -> f32 {{\n    let one = x_only + \
         y_only;\n    let half = x_only * y_only;\n    return {distance};\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgpu::naga;
    use wgpu::naga::valid::{Capabilities, ModuleInfo, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};

    use crate::executor::gpu::layout::{Allowed, Block, Params, Wanted};

    fn layout(stored: Stored, n: usize) -> Layout {
        let allowed = Allowed {
            binding: 1 << 27,
            buffer: 1 << 28,
            bindings: 8,
            workgroup: 16_384,
            groups: 65_535,
            subgroup: 32,
            native_f16: false,
            matrices: Err(""),
        };
        let wanted = Wanted { n, quads: 100, row_bytes: stored.row_bytes(100), width: 20, forward: 15, reverse: 8 };
        Layout::new(wanted, allowed).unwrap()
    }

    /// Nothing beyond WebGPU, of which `unpack2x16float` is a part, and `f16`, a feature of it.
    fn capabilities() -> Capabilities {
        Capabilities::SHADER_FLOAT16_IN_FLOAT32 | Capabilities::SHADER_FLOAT16
    }

    fn validate(module: &naga::Module, capabilities: Capabilities) -> Result<ModuleInfo, String> {
        let mut validator = Validator::new(ValidationFlags::all(), capabilities);
        validator
            .subgroup_stages(ShaderStages::COMPUTE)
            .subgroup_operations(SubgroupOperationSet::all())
            .validate(module)
            .map_err(|e| format!("{e:?}"))
    }

    fn parsed_with(text: &str, capabilities: Capabilities) -> naga::Module {
        let options = naga::front::wgsl::Options { capabilities, ..naga::front::wgsl::Options::new() };
        let parsed = naga::front::wgsl::Frontend::new_with_options(options).parse(text);
        let module = parsed.unwrap_or_else(|e| panic!("{}\n{text}", e.emit_to_string(text)));
        validate(&module, capabilities).unwrap_or_else(|e| panic!("{e}\n{text}"));
        module
    }

    fn parsed(text: &str) -> naga::Module {
        parsed_with(text, capabilities())
    }

    /// Every text that could be compiled is valid WGSL with the entry point and the bindings that its kernel names.
    #[test]
    fn every_variant_is_valid() {
        let forms = Form::all();
        let products = [Form::L2, Form::Angular { centered: false }, Form::Inner];
        let mut texts = 0;
        let values = [Stored::F32, Stored::F16, Stored::NativeF16, Stored::U8, Stored::I8];
        let dots = [Stored::U8Dots, Stored::I8Dots];
        let of_dots = products.iter().flat_map(|&form| dots.map(|stored| (Body::Form(form), stored)));
        let of_values = forms.iter().flat_map(|&form| values.map(|stored| (Body::Form(form), stored)));
        let of_sets = SetMetric::ALL.map(|metric| (Body::Sets(metric, 2000), Stored::Bits));
        for (body, stored) in of_values.chain(of_sets).chain(of_dots) {
            for n in [1000, 120_000] {
                let layout = layout(stored, n);
                for kernel in Kernel::ALL {
                    let module = parsed(&source(kernel, body, stored, &layout));
                    check_bindings(&module, kernel);
                    texts += 1;
                }
            }
        }
        assert_eq!(texts, (forms.len() * 5 + SetMetric::ALL.len() + 3 * 2) * 2 * 10);
    }

    /// The kernel of matrices, with what only it needs.
    #[test]
    fn every_variant_by_matrices_is_valid() {
        let needed = capabilities() | Capabilities::COOPERATIVE_MATRIX | Capabilities::SUBGROUP;
        for side in [8, 16] {
            for form in [Form::L2, Form::Angular { centered: false }, Form::Inner] {
                for stored in [Stored::U8Dots, Stored::I8Dots] {
                    let layout = layout(stored, 120_000).with_matrices(side);
                    let text = source(Kernel::BlockProducts, Body::Form(form), stored, &layout);
                    check_bindings_with(&parsed_with(&text, needed), Kernel::BlockProducts, needed);
                }
            }
        }
    }

    fn check_bindings(module: &naga::Module, kernel: Kernel) {
        check_bindings_with(module, kernel, capabilities());
    }

    fn check_bindings_with(module: &naga::Module, kernel: Kernel, capabilities: Capabilities) {
        let info = validate(module, capabilities).unwrap();
        let entry = module.entry_points.iter().position(|e| e.name == kernel.entry()).expect("the entry point");
        let mut used: Vec<u32> = module
            .global_variables
            .iter()
            .filter(|(handle, _)| !info.get_entry_point(entry)[*handle].is_empty())
            .filter_map(|(_, global)| global.binding.filter(|b| b.group == 0))
            .map(|b| b.binding)
            .collect();
        used.sort_unstable();
        let named: Vec<u32> = kernel.bindings().iter().map(|b| b.0).collect();
        assert_eq!(used, named, "{}", kernel.name());
    }

    /// The host's `Params` and the shaders' agree on every offset.
    #[test]
    fn params_have_the_same_offsets() {
        let module = parsed(&source(Kernel::LocalJoin, Body::Form(Form::L2), Stored::F32, &layout(Stored::F32, 100)));
        let (members, span) = module
            .types
            .iter()
            .find_map(|(_, ty)| match &ty.inner {
                naga::TypeInner::Struct { members, span } if ty.name.as_deref() == Some("Params") => {
                    Some((members, *span))
                }
                _ => None,
            })
            .expect("the shaders have Params");
        let host = [
            ("n", std::mem::offset_of!(Params, n)),
            ("first", std::mem::offset_of!(Params, first)),
            ("forward", std::mem::offset_of!(Params, forward)),
            ("others", std::mem::offset_of!(Params, others)),
            ("quads", std::mem::offset_of!(Params, quads)),
            ("shard_rows", std::mem::offset_of!(Params, shard_rows)),
            ("seed", std::mem::offset_of!(Params, seed)),
            ("rows", std::mem::offset_of!(Params, rows)),
        ];
        let block = parsed(&source(Kernel::BlockPairs, Body::Form(Form::L2), Stored::F32, &layout(Stored::F32, 100)));
        let block =
            block.types.iter().find(|(_, ty)| ty.name.as_deref() == Some("Block")).expect("the shaders have Block").1;
        let naga::TypeInner::Struct { members: fields, span: block_span } = &block.inner else { panic!("a struct") };
        let offsets: Vec<usize> = fields.iter().map(|m| m.offset as usize).collect();
        let host_block = [
            std::mem::offset_of!(Block, x_start),
            std::mem::offset_of!(Block, x_count),
            std::mem::offset_of!(Block, y_start),
            std::mem::offset_of!(Block, y_count),
            std::mem::offset_of!(Block, pairs),
            std::mem::offset_of!(Block, symmetric),
            std::mem::offset_of!(Block, x_id),
            std::mem::offset_of!(Block, y_id),
        ];
        assert_eq!((offsets.as_slice(), *block_span as usize), (&host_block[..], size_of::<Block>()));
        let shader: Vec<(&str, usize)> =
            members.iter().map(|m| (m.name.as_deref().unwrap_or_default(), m.offset as usize)).collect();
        assert_eq!(shader, host);
        assert_eq!(span as usize, size_of::<Params>());
    }
}
