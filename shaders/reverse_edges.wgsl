// Reverse edges: for every row, the rows that hold it among their first `forward` neighbours. They are counted, given
// room, and put there in any order; the reader sorts them.
// Twin: src/executor/cpu/neighborhoods.rs (`ReverseEdges`)
@group(0) @binding(4) var<storage, read_write> counts: array<atomic<u32>>;
// Where the edges of a row begin, and then where the next one goes.
@group(0) @binding(5) var<storage, read_write> cursors: array<atomic<u32>>;
@group(0) @binding(6) var<storage, read_write> edge_distances: array<f32>;
@group(0) @binding(7) var<storage, read_write> edge_ids: array<u32>;
@group(0) @binding(8) var<storage, read_write> total: atomic<u32>;

@compute @workgroup_size(GROUP)
fn count(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = number_of(group) * GROUP + lane;
    if row >= params.rows {
        return;
    }
    for (var r = 0u; r < params.forward; r++) {
        let id = row_ids[row * WIDTH + r];
        if id != NO_NEIGHBOR {
            atomicAdd(&counts[id >> 1u], 1u);
        }
    }
}

@compute @workgroup_size(GROUP)
fn give_room(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = number_of(group) * GROUP + lane;
    if row < params.rows {
        atomicStore(&cursors[row], atomicAdd(&total, atomicLoad(&counts[row])));
    }
}

@compute @workgroup_size(GROUP)
fn put(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = number_of(group) * GROUP + lane;
    if row >= params.rows {
        return;
    }
    for (var r = 0u; r < params.forward; r++) {
        let id = row_ids[row * WIDTH + r];
        if id != NO_NEIGHBOR {
            let place = atomicAdd(&cursors[id >> 1u], 1u);
            edge_distances[place] = row_distances[row * WIDTH + r];
            edge_ids[place] = row << 1u | (id & 1u);
        }
    }
}
