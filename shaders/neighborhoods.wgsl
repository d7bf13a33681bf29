// The neighbourhood of every row at the start of a round: its `forward` nearest neighbours and its `reverse` nearest
// reverse neighbours, new ones first. Those taken are marked as joined. Here WIDTH is `reverse`, and ROW the length of
// rows.
// Twin: src/executor/cpu/neighborhoods.rs
@group(0) @binding(4) var<storage, read> counts: array<u32>;
// Where a row's edges end.
@group(0) @binding(5) var<storage, read> cursors: array<u32>;
@group(0) @binding(6) var<storage, read> edge_distances: array<f32>;
@group(0) @binding(7) var<storage, read> edge_ids: array<u32>;
// For every row: how many neighbours there are and how many of them, from the front, are new (16 bits each); then their
// ids.
@group(0) @binding(8) var<storage, read_write> near: array<u32>;

// Places of a neighbourhood that an invocation looks after at a time.
const RANKED: u32 = min(HELD, (FORWARD + WIDTH + GROUP - 1u) / GROUP);

var<workgroup> held: array<u32, FORWARD>;

// The neighbour at a place. Forward neighbours come first, then reverse ones.
fn at(place: u32) -> u32 {
    if place < FORWARD {
        return held[place];
    }
    return kept[place - FORWARD].y;
}

// Offers the edges to rows that are not held already, HELD to an invocation.
fn offer_edges(first: u32, count: u32, lane: u32) {
    var ids: array<u32, HELD>;
    var is_held: array<bool, HELD>;
    for (var h = 0u; h < HELD; h++) {
        ids[h] = edge_ids[first + min(lane + h * GROUP, count - 1u)];
        is_held[h] = lane + h * GROUP >= count;
    }
    for (var r = 0u; r < FORWARD; r++) {
        let other = held[r] >> 1u;
        for (var h = 0u; h < HELD; h++) {
            is_held[h] = is_held[h] || ids[h] >> 1u == other;
        }
    }
    for (var h = 0u; h < HELD; h++) {
        if !is_held[h] {
            offer(edge_distances[first + lane + h * GROUP], ids[h]);
        }
    }
}

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = number_of(group);
    if row >= params.groups {
        return;
    }
    for (var r = lane; r < FORWARD; r += GROUP) {
        let id = row_ids[row * ROW + r];
        held[r] = id;
        if id != NO_NEIGHBOR {
            row_ids[row * ROW + r] = id & ~1u;
        }
    }
    keep_none(lane);
    let count = counts[row];
    let first = cursors[row] - count;
    for (var e = 0u; e < count; e += HELD * GROUP) {
        offer_edges(first + e, min(count - e, HELD * GROUP), lane);
        settle(lane, false);
    }
    let base = row * (1u + FORWARD + WIDTH);
    var all = 0u;
    var fresh = 0u;
    for (var p = 0u; p < FORWARD + WIDTH; p++) {
        let id = at(p);
        all += u32(id != NO_NEIGHBOR);
        fresh += u32(id != NO_NEIGHBOR && (id & 1u) == 1u);
    }
    if lane == 0u {
        near[base] = all | fresh << 16u;
    }
    // A neighbour's place is the number of neighbours of its kind before it.
    for (var mine = lane; mine < FORWARD + WIDTH; mine += RANKED * GROUP) {
        var ids: array<u32, RANKED>;
        var places: array<u32, RANKED>;
        for (var h = 0u; h < RANKED; h++) {
            ids[h] = at(min(mine + h * GROUP, FORWARD + WIDTH - 1u));
            places[h] = select(fresh, 0u, (ids[h] & 1u) == 1u);
        }
        for (var q = 0u; q < FORWARD + WIDTH; q++) {
            let other = at(q);
            for (var h = 0u; h < RANKED; h++) {
                places[h] += u32(q < mine + h * GROUP && other != NO_NEIGHBOR && (other & 1u) == (ids[h] & 1u));
            }
        }
        for (var h = 0u; h < RANKED; h++) {
            if mine + h * GROUP < FORWARD + WIDTH && ids[h] != NO_NEIGHBOR {
                near[base + 1u + places[h]] = ids[h] >> 1u;
            }
        }
    }
}
