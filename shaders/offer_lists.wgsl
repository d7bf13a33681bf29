// Every place of a list owns a row of the graph and offers it the others of its list: the leaves of a tree (where this is
// all-pairs, each leaf owning its rows), or neighbours known beforehand.
// Twin: src/executor/cpu/fill.rs (`fill_known`)
@group(0) @binding(4) var<storage, read> ids: array<u32>;
// For every place: the row it owns, and from where to where in `ids` its list goes. A list names nobody twice.
@group(0) @binding(5) var<storage, read> owners: array<u32>;
@group(0) @binding(6) var<storage, read> spans: array<vec2<u32>>;

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let place = params.first + group.x;
    let row = owners[place];
    let span = spans[place];
    keep_row(row, lane);
    for (var at = span.x; at < span.y; at += SETTLED) {
        for (var mine = at + lane; mine < min(at + SETTLED, span.y); mine += GROUP) {
            let other = ids[mine];
            if other != row {
                offer(distance_between(row, other), other << 1u | 1u);
            }
        }
        settle(lane, true);
    }
    write_row(row, lane);
    if lane == 0u {
        count_work(0u, span.y - span.x - 1u);
        if farthest.id == NOBODY {
            atomicAdd(&counters[3], 1u);
        }
    }
}
