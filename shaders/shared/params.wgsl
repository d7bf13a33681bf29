// Parameters of every kernel: the same fields, in the same order, as `Params` in src/executor/gpu/layout.rs.
struct Params {
    // Number of points.
    n: u32,
    // The first workgroup of this dispatch, as counted over all dispatches of a step, and the workgroups of the step.
    first: u32,
    groups: u32,
    // Workgroups of the dispatch along x.
    across: u32,
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

// The number of a workgroup, counted over all dispatches of a step. The last of a dispatch may be beyond the step's.
fn number_of(group: vec3<u32>) -> u32 {
    return params.first + group.y * params.across + group.x;
}
