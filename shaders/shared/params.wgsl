// What every kernel is told. The same fields, in the same order, as `Params` in src/executor/gpu/layout.rs.
struct Params {
    // Number of points.
    n: u32,
    // The first workgroup of this dispatch, as counted over all dispatches of a step.
    first: u32,
    // Neighbours that a neighbourhood takes.
    forward: u32,
    // Neighbours of a row of the finished graph, itself not counted.
    others: u32,
    // Groups of four values in a row.
    quads: u32,
    // Rows in one binding of the data.
    shard_rows: u32,
    // Changes where random neighbours begin.
    seed: u32,
    // Rows in the whole of this step (leaves: places of the tree).
    rows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
