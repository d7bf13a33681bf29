//! The texts of kernels: valid WGSL with the bindings that the table names, and translated to SPIR-V, MSL and HLSL as
//! wgpu does.

use std::collections::HashMap;
use std::path::Path;

use naga::back::{hlsl, msl, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};
use rayon::prelude::*;

use crate::executor::gpu::blocks::Block;
use crate::executor::gpu::encoding::Encoding;
use crate::executor::gpu::kernels::{KERNELS, Kernel, binding_of_piece};
use crate::executor::gpu::layout::{Layout, Params, Ranking, Team};
use crate::executor::gpu::limits::DeviceLimits;
use crate::executor::gpu::sizes::Sizes;
use crate::executor::gpu::sizes::tests::WEB_GPU;
use crate::executor::gpu::source::{MetricSource, Trust, source};
use crate::metric::{Form, SetMetric};

/// Rows of 100 quads, so many and so long, in workgroups of `group`.
fn layout_of(encoding: Encoding, (n, group, width, team): (usize, u32, usize, Team)) -> Layout {
    let limits = DeviceLimits { subgroup: group, bindings: 1000, ..WEB_GPU };
    let sizes = Sizes { n, quads: 100, row_bytes: encoding.row_bytes(100), width, forward: 15, reverse: 8 };
    let ranking = if team == Team::Shuffles && group == 32 { Ranking::Votes } else { Ranking::Loops };
    Layout { team, ranking, ..Layout::new(sizes, limits).unwrap() }
}

fn layout(encoding: Encoding, n: usize) -> Layout {
    layout_of(encoding, (n, 32, 20, Team::None))
}

/// Numbers of rows in one binding, in two, and with tables of neighbours in two or three; groups of software and of
/// hardware; rows shorter and longer than these; and teams.
const LAYOUTS: [(usize, u32, usize, Team); 8] = [
    (1000, 64, 40, Team::Shuffles),
    (2_500_000, 32, 30, Team::Shuffles),
    (1000, 32, 20, Team::Shuffles),
    (120_000, 32, 20, Team::Shuffles),
    (1000, 8, 20, Team::None),
    (1000, 64, 20, Team::Memory),
    (120_000, 32, 64, Team::None),
    (1000, 32, 20, Team::Memory),
];

/// Every metric with every encoding that it may be stored in.
fn metrics() -> Vec<(MetricSource, Encoding)> {
    let values = [Encoding::F32, Encoding::F16, Encoding::NativeF16, Encoding::U8, Encoding::I8];
    let products = [Form::L2, Form::Angular { centered: false }, Form::Inner];
    let of_values = Form::all().into_iter().flat_map(|form| values.map(|e| (MetricSource::Form(form), e)));
    let of_dots = products.map(MetricSource::Form).into_iter();
    let of_dots = of_dots.flat_map(|metric| [Encoding::U8Dots, Encoding::I8Dots].map(|e| (metric, e)));
    let of_sets = SetMetric::ALL.map(|metric| (MetricSource::Sets(metric, 2000), Encoding::Bits));
    of_values.chain(of_sets).chain(of_dots).collect()
}

/// The texts of all kernels for all metrics and layouts, each once, in a fixed order.
fn texts() -> Vec<(Kernel, String, Layout)> {
    let mut known = HashMap::new();
    let mut texts = Vec::new();
    for (metric, encoding) in metrics() {
        for shape in LAYOUTS {
            let layout = layout_of(encoding, shape);
            for kernel in KERNELS.map(|info| info.kernel).into_iter().filter(|k| *k != Kernel::BlockProducts) {
                let (text, _) = source(kernel, metric, encoding, &layout);
                if known.insert((kernel.info().entry, text.clone()), ()).is_none() {
                    texts.push((kernel, text, layout));
                }
            }
        }
    }
    texts
}

/// Nothing beyond WebGPU, of which `unpack2x16float` is a part, and features of it: `f16` and subgroups.
fn capabilities() -> Capabilities {
    Capabilities::SHADER_FLOAT16_IN_FLOAT32 | Capabilities::SHADER_FLOAT16 | Capabilities::SUBGROUP
}

fn validate(module: &naga::Module, capabilities: Capabilities) -> Result<ModuleInfo, String> {
    let mut validator = Validator::new(ValidationFlags::all(), capabilities);
    validator
        .subgroup_stages(ShaderStages::COMPUTE)
        .subgroup_operations(SubgroupOperationSet::all())
        .validate(module)
        .map_err(|e| format!("{e:?}"))
}

fn parsed_with(text: &str, capabilities: Capabilities) -> (naga::Module, ModuleInfo) {
    let options = naga::front::wgsl::Options { capabilities, ..naga::front::wgsl::Options::new() };
    let parsed = naga::front::wgsl::Frontend::new_with_options(options).parse(text);
    let module = parsed.unwrap_or_else(|e| panic!("{}\n{text}", e.emit_to_string(text)));
    let info = validate(&module, capabilities).unwrap_or_else(|e| panic!("{e}\n{text}"));
    (module, info)
}

pub(super) fn parsed(text: &str) -> (naga::Module, ModuleInfo) {
    parsed_with(text, capabilities())
}

/// The entry point is there, and uses the bindings that the table names.
fn check_bindings((module, info): &(naga::Module, ModuleInfo), kernel: Kernel, layout: &Layout) {
    let entry = module.entry_points.iter().position(|e| e.name == kernel.info().entry).expect("the entry point");
    let mut used: Vec<u32> = module
        .global_variables
        .iter()
        .filter(|(handle, _)| !info.get_entry_point(entry)[*handle].is_empty())
        .filter_map(|(_, global)| global.binding.filter(|b| b.group == 0))
        .map(|b| b.binding)
        .collect();
    used.sort_unstable();
    let pieces = |&(first, slot)| (0..layout.pieces(slot)).map(move |piece| binding_of_piece(first, piece));
    let mut named: Vec<u32> = kernel.info().bindings.iter().flat_map(pieces).collect();
    named.sort_unstable();
    assert_eq!(used, named, "{}", kernel.name());
}

fn policies(policy: BoundsCheckPolicy) -> BoundsCheckPolicies {
    BoundsCheckPolicies { index: policy, buffer: policy, image_load: policy, binding_array: policy }
}

/// Targets of SPIR-V: its version, that of Vulkan, and the capabilities that a driver has beside those of f16.
fn spirv_targets() -> [((u8, u8), &'static str, bool); 2] {
    [((1, 3), "vulkan1.1", false), ((1, 6), "vulkan1.3", true)]
}

/// The text as SPIR-V, for an old driver with checks and for a new one without.
pub(super) fn to_spirv((module, info): &(naga::Module, ModuleInfo), kernel: Kernel) -> Vec<(&'static str, Vec<u32>)> {
    use spv::Capability as C;
    let targets = spirv_targets().into_iter().map(|(lang_version, environment, is_new)| {
        let old = [
            C::Shader,
            C::Matrix,
            C::Float16,
            C::StorageBuffer16BitAccess,
            C::UniformAndStorageBuffer16BitAccess,
            C::GroupNonUniform,
            C::GroupNonUniformQuad,
            C::GroupNonUniformBallot,
            C::GroupNonUniformVote,
        ];
        let options = spv::Options {
            lang_version,
            capabilities: (!is_new).then(|| old.into_iter().collect()),
            bounds_check_policies: policies(if is_new {
                BoundsCheckPolicy::Unchecked
            } else {
                BoundsCheckPolicy::Restrict
            }),
            force_loop_bounding: !is_new,
            ..spv::Options::default()
        };
        let entry = spv::PipelineOptions {
            shader_stage: naga::ShaderStage::Compute,
            entry_point: kernel.info().entry.to_owned(),
        };
        let words = spv::write_vec(module, info, &options, Some(&entry));
        (environment, words.unwrap_or_else(|e| panic!("{} to SPIR-V: {e}", kernel.name())))
    });
    targets.collect()
}

fn to_msl((module, info): &(naga::Module, ModuleInfo), kernel: Kernel) {
    let entry_point = Some((naga::ShaderStage::Compute, kernel.info().entry.to_owned()));
    for (lang_version, policy) in [((2, 3), BoundsCheckPolicy::Restrict), ((3, 1), BoundsCheckPolicy::Unchecked)] {
        let options = msl::Options { lang_version, bounds_check_policies: policies(policy), ..msl::Options::default() };
        let pipeline = msl::PipelineOptions { entry_point: entry_point.clone(), ..msl::PipelineOptions::default() };
        let written = msl::write_string(module, info, &options, &pipeline);
        let (_, written) = written.unwrap_or_else(|e| panic!("{} to MSL: {e}", kernel.name()));
        assert!(written.entry_point_names.iter().all(Result::is_ok), "{}: {written:?}", kernel.name());
    }
}

fn to_hlsl((module, info): &(naga::Module, ModuleInfo), kernel: Kernel, models: &[hlsl::ShaderModel]) {
    let entry_point = Some((naga::ShaderStage::Compute, kernel.info().entry.to_owned()));
    for &shader_model in models {
        let options = hlsl::Options { shader_model, ..hlsl::Options::default() };
        let pipeline = hlsl::PipelineOptions { entry_point: entry_point.clone() };
        let mut text = String::new();
        let written = hlsl::Writer::new(&mut text, &options, &pipeline).write(module, info, None);
        let written = written.unwrap_or_else(|e| panic!("{} to HLSL: {e}", kernel.name()));
        assert!(written.entry_point_names.iter().all(Result::is_ok), "{}", kernel.name());
    }
}

/// Of so many modules one is kept for `spirv-val`.
const SAMPLED: usize = 12;

/// Writes a module where the folder that `NNDESCENT_SPIRV` names keeps those that the gate gives to `spirv-val`.
fn keep_for_validation(number: usize, kernel: Kernel, modules: &[(&str, Vec<u32>)]) {
    let Some(folder) = std::env::var_os("NNDESCENT_SPIRV").filter(|_| number.is_multiple_of(SAMPLED)) else { return };
    for (environment, words) in modules {
        let name = format!("{number}-{:?}.{environment}.spv", kernel);
        std::fs::write(Path::new(&folder).join(name), bytemuck::cast_slice::<u32, u8>(words)).expect("it is writable");
    }
}

/// Every text that could be compiled is valid WGSL with the entry point and the bindings that its kernel names, and
/// becomes SPIR-V, MSL and HLSL, with checks and without.
#[test]
fn every_variant_is_translated() {
    use hlsl::ShaderModel as Model;
    let texts = texts();
    texts.par_iter().enumerate().for_each(|(number, (kernel, text, layout))| {
        let module = parsed(text);
        check_bindings(&module, *kernel, layout);
        keep_for_validation(number, *kernel, &to_spirv(&module, *kernel));
        to_msl(&module, *kernel);
        // Shaders with f16 need 6.2, packed dot products are polyfilled below 6.4.
        to_hlsl(
            &module,
            *kernel,
            if text.contains("enable f16") { &[Model::V6_2] } else { &[Model::V6_0, Model::V6_4] },
        );
    });
    eprintln!("{} texts", texts.len());
    assert!(texts.len() > 1500, "{}", texts.len());
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

/// The kernel of matrices, with what only it needs. HLSL has none.
#[test]
fn every_variant_by_matrices_is_translated() {
    let needed = capabilities() | Capabilities::COOPERATIVE_MATRIX;
    for side in [8, 16] {
        for form in [Form::L2, Form::Angular { centered: false }, Form::Inner] {
            for encoding in [Encoding::U8Dots, Encoding::I8Dots] {
                let layout = layout(encoding, 120_000).with_matrices(side);
                let text = source(Kernel::BlockProducts, MetricSource::Form(form), encoding, &layout).0;
                let module = parsed_with(&text, needed);
                check_bindings(&module, Kernel::BlockProducts, &layout);
                to_msl(&module, Kernel::BlockProducts);
            }
        }
    }
}

/// Names and offsets of the members of a struct, and its size.
fn members_of<'m>(module: &'m naga::Module, name: &str) -> (Vec<(&'m str, usize)>, usize) {
    let ty = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some(name)).expect("it is there").1;
    let naga::TypeInner::Struct { members, span } = &ty.inner else { panic!("{name} is a struct") };
    let member = |m: &'m naga::StructMember| (m.name.as_deref().unwrap_or_default(), m.offset as usize);
    (members.iter().map(member).collect(), *span as usize)
}

/// The host's structs and the shaders' agree on every offset.
#[test]
fn structs_have_the_same_offsets() {
    use std::mem::offset_of;
    let layout = layout(Encoding::F32, 100);
    let of = |kernel| parsed(&source(kernel, MetricSource::Form(Form::L2), Encoding::F32, &layout).0).0;
    let host = vec![
        ("n", offset_of!(Params, n)),
        ("first", offset_of!(Params, first)),
        ("groups", offset_of!(Params, groups)),
        ("across", offset_of!(Params, across)),
        ("forward", offset_of!(Params, forward)),
        ("others", offset_of!(Params, others)),
        ("quads", offset_of!(Params, quads)),
        ("shard_rows", offset_of!(Params, shard_rows)),
        ("seed", offset_of!(Params, seed)),
        ("rows", offset_of!(Params, rows)),
    ];
    assert_eq!(members_of(&of(Kernel::LocalJoin), "Params"), (host, size_of::<Params>()));
    let host = vec![
        ("x_start", offset_of!(Block, x_start)),
        ("x_count", offset_of!(Block, x_count)),
        ("y_start", offset_of!(Block, y_start)),
        ("y_count", offset_of!(Block, y_count)),
        ("pairs", offset_of!(Block, pairs)),
        ("pairing", offset_of!(Block, pairing)),
        ("x_id", offset_of!(Block, x_id)),
        ("y_id", offset_of!(Block, y_id)),
    ];
    assert_eq!(members_of(&of(Kernel::BlockPairs), "Block"), (host, size_of::<Block>()));
}
