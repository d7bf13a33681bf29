//! The WGSL of a build: kernels from shaders/, preceded by the snippets and constants that they need.

use std::fmt::Write;

use super::encoding::Encoding;
use super::kernels::{Kernel, Part};
use super::layout::{CHUNK, HELD, Layout, SETTLED};
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
const OWNED_ROW: &str = include_str!("../../../shaders/shared/owned_row.wgsl");
const BLOCKS: &str = include_str!("../../../shaders/shared/blocks.wgsl");
const TILES: &str = include_str!("../../../shaders/shared/tiles.wgsl");
const DISTANCE: &str = include_str!("../../../shaders/shared/distance.wgsl");
const DISTANCES: &str = include_str!("../../../shaders/shared/distances.wgsl");

/// The WGSL of `kernel` for a metric, an encoding and a layout, and whether it can be trusted.
pub(super) fn source(kernel: Kernel, metric: MetricSource, encoding: Encoding, layout: &Layout) -> (String, Trust) {
    let mut text = String::new();
    for part in kernel.info().parts {
        match part {
            Part::Params => text.push_str(PARAMS),
            Part::Counters => text.push_str(COUNTERS),
            Part::Rows => text.push_str(ROWS),
            Part::Nearest => {
                let few = MERGE.replace("fn merge(", "fn merge_few(").replace("HELD", "1u");
                text.extend([NEAREST, MERGE, &few]);
            }
            Part::OwnedRow => text.push_str(OWNED_ROW),
            Part::Blocks => text.push_str(BLOCKS),
            Part::Tiles => text.push_str(TILES),
            Part::Data => text.push_str(&(data(encoding, layout.shards) + &distances(metric, encoding) + DISTANCE)),
            Part::Distances => text.push_str(DISTANCES),
            Part::Matrices => text.push_str(&matrices(encoding, layout.matrix_side)),
        }
    }
    text.push_str(kernel.info().text);
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

fn constants(kernel: Kernel, layout: &Layout) -> [(&'static str, u32); 13] {
    let sizes = layout.sizes;
    // `neighborhoods` keeps the reverse neighbours.
    let kept = if kernel == Kernel::Neighborhoods { sizes.reverse } else { sizes.width };
    [
        ("GROUP", layout.group),
        ("TILE_GROUP", layout.tile.group),
        ("TILE_X", layout.tile.x),
        ("TILE_Y", layout.tile.y),
        ("CHUNK", CHUNK),
        ("HELD", HELD.min(CHUNK / layout.group)),
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
        + &matrix("Sums", "f32", "C")
        + &format!("fn widened(four: u32) -> vec4<f16> {{ return vec4<f16>({unpack}(four)); }}\n")
}

macro_rules! body {
    ($name:literal) => {
        include_str!(concat!("../../../shaders/shared/metrics/", $name, ".wgsl")).to_owned()
    };
}

/// `start`, `step`, `of_row` (the word of a row) and `distance_of` of a metric.
fn distances(body: MetricSource, encoding: Encoding) -> String {
    match body {
        MetricSource::Form(form) if encoding.is_dots() => of_dots(form, encoding),
        _ => of_sums(body) + &body!("whole"),
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

/// `start`, `step` and `finish` of a metric.
fn of_sums(metric: MetricSource) -> String {
    match metric {
        MetricSource::Form(form) => form.wgsl(),
        MetricSource::Own(wgsl) => format!("{wgsl}\n"),
        MetricSource::Sets(metric, dim) => of_counts(metric, dim) + &body!("sets"),
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

    use crate::executor::gpu::blocks::Block;
    use crate::executor::gpu::kernels::KERNELS;
    use crate::executor::gpu::layout::{Params, Sizes};
    use crate::executor::gpu::limits::DeviceLimits;

    fn layout(encoding: Encoding, n: usize) -> Layout {
        let limits = DeviceLimits {
            binding: 1 << 27,
            buffer: 1 << 28,
            bindings: 8,
            workgroup: 16_384,
            groups: 65_535,
            subgroup: 32,
            native_f16: false,
            timestamps: false,
            matrices: None,
        };
        let sizes = Sizes { n, quads: 100, row_bytes: encoding.row_bytes(100), width: 20, forward: 15, reverse: 8 };
        Layout::new(sizes, limits).unwrap()
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
        let values = [Encoding::F32, Encoding::F16, Encoding::NativeF16, Encoding::U8, Encoding::I8];
        let dots = [Encoding::U8Dots, Encoding::I8Dots];
        let of_dots = products.iter().flat_map(|&form| dots.map(|encoding| (MetricSource::Form(form), encoding)));
        let of_values = forms.iter().flat_map(|&form| values.map(|encoding| (MetricSource::Form(form), encoding)));
        let of_sets = SetMetric::ALL.map(|metric| (MetricSource::Sets(metric, 2000), Encoding::Bits));
        for (metric, encoding) in of_values.chain(of_sets).chain(of_dots) {
            for n in [1000, 120_000] {
                let layout = layout(encoding, n);
                for kernel in KERNELS.map(|info| info.kernel).into_iter().filter(|k| *k != Kernel::BlockProducts) {
                    let module = parsed(&source(kernel, metric, encoding, &layout).0);
                    check_bindings(&module, kernel);
                    texts += 1;
                }
            }
        }
        assert_eq!(texts, (forms.len() * 5 + SetMetric::ALL.len() + 3 * 2) * 2 * 11);
    }

    /// Whatever holds a user's text is checked when it runs, and nothing else is.
    #[test]
    fn texts_of_users_are_not_trusted() {
        let wgsl = "// A user's.\n";
        let layout = layout(Encoding::F32, 1000);
        for info in &KERNELS {
            let (text, trust) = source(info.kernel, MetricSource::Own(wgsl), Encoding::F32, &layout);
            assert_eq!(trust == Trust::Checked, text.contains(wgsl), "{}", info.name);
            let ours = source(info.kernel, MetricSource::Form(Form::L2), Encoding::F32, &layout).1;
            assert_eq!(ours, Trust::Trusted, "{}", info.name);
        }
    }

    /// The kernel of matrices, with what only it needs.
    #[test]
    fn every_variant_by_matrices_is_valid() {
        let needed = capabilities() | Capabilities::COOPERATIVE_MATRIX | Capabilities::SUBGROUP;
        for side in [8, 16] {
            for form in [Form::L2, Form::Angular { centered: false }, Form::Inner] {
                for encoding in [Encoding::U8Dots, Encoding::I8Dots] {
                    let layout = layout(encoding, 120_000).with_matrices(side);
                    let text = source(Kernel::BlockProducts, MetricSource::Form(form), encoding, &layout).0;
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
        let entry = module.entry_points.iter().position(|e| e.name == kernel.info().entry).expect("the entry point");
        let mut used: Vec<u32> = module
            .global_variables
            .iter()
            .filter(|(handle, _)| !info.get_entry_point(entry)[*handle].is_empty())
            .filter_map(|(_, global)| global.binding.filter(|b| b.group == 0))
            .map(|b| b.binding)
            .collect();
        used.sort_unstable();
        let named: Vec<u32> = kernel.info().bindings.iter().map(|b| b.0).collect();
        assert_eq!(used, named, "{}", kernel.name());
    }

    /// The host's `Params` and the shaders' agree on every offset.
    #[test]
    fn params_have_the_same_offsets() {
        let module = parsed(
            &source(Kernel::LocalJoin, MetricSource::Form(Form::L2), Encoding::F32, &layout(Encoding::F32, 100)).0,
        );
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
        let block = parsed(
            &source(Kernel::BlockPairs, MetricSource::Form(Form::L2), Encoding::F32, &layout(Encoding::F32, 100)).0,
        );
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
            std::mem::offset_of!(Block, pairing),
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
