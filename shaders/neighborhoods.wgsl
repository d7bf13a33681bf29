// Who is next to whom at the start of a round: the nearest `forward` of a row and the nearest `reverse` of those that hold it,
// new ones first; those taken are marked as joined. Twin: neighborhoods.rs. Here WIDTH is `reverse`, ROW the length of rows.
@group(0) @binding(4) var<storage, read> counts: array<u32>;
// Where a row's edges end.
@group(0) @binding(5) var<storage, read> cursors: array<u32>;
@group(0) @binding(6) var<storage, read> edge_distances: array<f32>;
@group(0) @binding(7) var<storage, read> edge_ids: array<u32>;
// For every row: how many, and how many of them, from the front, are new (16 bits each); then the points.
@group(0) @binding(8) var<storage, read_write> near: array<u32>;

var<workgroup> held: array<u32, FORWARD>;

fn is_held(id: u32) -> bool {
    for (var r = 0u; r < FORWARD; r++) {
        if held[r] >> 1u == id >> 1u {
            return true;
        }
    }
    return false;
}

// The neighbour at a place: forward ones, then reverse ones.
fn at(place: u32) -> u32 {
    if place < FORWARD {
        return held[place];
    }
    return kept_ids[place - FORWARD];
}

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = params.first + group.x;
    for (var r = lane; r < FORWARD; r += GROUP) {
        let id = row_ids[row * ROW + r];
        held[r] = id;
        if id != NOBODY {
            row_ids[row * ROW + r] = id & ~1u;
        }
    }
    keep_nobody(lane);
    let count = counts[row];
    let first = cursors[row] - count;
    for (var e = 0u; e < count; e += CHUNK) {
        for (var mine = e + lane; mine < min(e + CHUNK, count); mine += GROUP) {
            let id = edge_ids[first + mine];
            if !is_held(id) {
                offer(edge_distances[first + mine], id);
            }
        }
        settle(lane);
    }
    let base = row * (1u + FORWARD + WIDTH);
    var all = 0u;
    var fresh = 0u;
    for (var p = 0u; p < FORWARD + WIDTH; p++) {
        let id = at(p);
        all += u32(id != NOBODY);
        fresh += u32(id != NOBODY && (id & 1u) == 1u);
    }
    if lane == 0u {
        near[base] = all | fresh << 16u;
    }
    for (var p = lane; p < FORWARD + WIDTH; p += GROUP) {
        let id = at(p);
        if id == NOBODY {
            continue;
        }
        var place = select(fresh, 0u, (id & 1u) == 1u);
        for (var q = 0u; q < p; q++) {
            let other = at(q);
            place += u32(other != NOBODY && (other & 1u) == (id & 1u));
        }
        near[base + 1u + place] = id >> 1u;
    }
}
