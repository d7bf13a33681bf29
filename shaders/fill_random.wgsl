// Completes rows with consecutive points from a random one on, which are distinct.
// Twin: src/executor/cpu/fill.rs (completeness; it draws differently)

// So many points include enough that are neither the row itself nor kept already.
const ENOUGH: u32 = 2u * WIDTH + 1u;
var<workgroup> is_full: u32;

// PCG (O'Neill 2014, 32-bit output permutation), as a hash.
fn hash(x: u32) -> u32 {
    let state = x * 747796405u + 2891336453u;
    let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    return (word >> 22u) ^ word;
}

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = number_of(group);
    if row >= params.groups {
        return;
    }
    keep_row(row, lane);
    let start = hash(params.seed ^ hash(row)) % params.n;
    var looked_at = 0u;
    loop {
        if lane == 0u {
            is_full = u32(farthest.id != NO_NEIGHBOR || looked_at >= min(params.n, ENOUGH));
        }
        if workgroupUniformLoad(&is_full) != 0u {
            break;
        }
        let step = looked_at + lane;
        // Without overflow: both are below n, and n below 2^31.
        let other = (start + step) % params.n;
        if step < params.n && other != row {
            offer_to(row, distance_between(row, other), other << 1u | 1u);
        }
        settle(lane, true);
        looked_at += GROUP;
    }
    write_row(row, lane);
    if lane == 0u {
        count_work(0u, looked_at);
    }
}
