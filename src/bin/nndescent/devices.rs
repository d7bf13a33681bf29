//! `nndescent devices`: the GPUs of this machine and what they allow.

use nndescent::gpu::{AdapterKind, adapters};
use serde_json::json;

use super::failure::Failure;

#[derive(clap::Args)]
pub struct Arguments {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let found = adapters();
    if arguments.json {
        let adapters: Vec<_> = found
            .iter()
            .map(|a| {
                json!({
                    "index": a.index, "name": a.name, "backend": a.backend, "kind": a.kind.to_string(),
                    "driver": a.driver,
                    "max_binding_bytes": a.max_binding_bytes, "max_buffer_bytes": a.max_buffer_bytes,
                    "workgroup_bytes": a.workgroup_bytes, "subgroups": [a.subgroups.0, a.subgroups.1],
                    "timestamps": a.timestamps, "left_out": a.left_out, "variants": a.variants,
                })
            })
            .collect();
        say!("{}", json!({ "adapters": adapters }));
        return Ok(());
    }
    if found.is_empty() {
        say!("no GPU adapter: graphs are built on the CPU");
    }
    for a in &found {
        say!("{a}");
        say!("   driver     {}", a.driver);
        say!("   binding    {} MiB, buffer {} MiB", a.max_binding_bytes >> 20, a.max_buffer_bytes >> 20);
        say!("   workgroup  {} KiB, subgroups {} to {}", a.workgroup_bytes >> 10, a.subgroups.0, a.subgroups.1);
        say!("   kernels    {}", a.variants.join(", "));
        if !a.timestamps {
            say!("   no timestamps: `nndescent bench` does not time kernels");
        }
        if a.kind == AdapterKind::Software {
            say!(
                "   software: not taken by `--device auto` or `gpu`; name it (`--device {}`) to use it",
                first_word(&a.name)
            );
        }
    }
    Ok(())
}

fn first_word(name: &str) -> &str {
    name.split_whitespace().next().unwrap_or(name)
}
