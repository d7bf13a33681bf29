// Parameters of every kernel: the same fields, in the same order, as `Params` in src/executor/gpu/layout.rs.
struct Params {
    // Number of points.
    n: u32,
    // The first workgroup of this dispatch, as counted over all dispatches of a step.
    first: u32,
    // Forward neighbours in a neighbourhood.
    forward: u32,
    // Neighbours in a row of the finished graph, without the row itself.
    others: u32,
    // Quads in a row.
    quads: u32,
    // Rows in one binding of the data.
    shard_rows: u32,
    // Seed of the random neighbours.
    seed: u32,
    // Rows of this step.
    rows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
