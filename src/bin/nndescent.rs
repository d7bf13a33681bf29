//! The `nndescent` command.

fn main() {}
