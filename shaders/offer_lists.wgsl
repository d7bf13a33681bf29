// Offers neighbours that are known beforehand to their rows, one row to a workgroup.
// Twin: src/executor/cpu/fill.rs (`fill_known`)
@group(0) @binding(4) var<storage, read> ids: array<u32>;
// For every list its row, and its span in `ids`, which are distinct.
@group(0) @binding(5) var<storage, read> owners: array<u32>;
@group(0) @binding(6) var<storage, read> spans: array<vec2<u32>>;

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let place = number_of(group);
    if place >= params.groups {
        return;
    }
    let row = owners[place];
    let span = spans[place];
    keep_row(row, lane);
    for (var at = span.x; at < span.y; at += SETTLED) {
        for (var mine = at + lane; mine < min(at + SETTLED, span.y); mine += GROUP) {
            let other = ids[mine];
            if other != row {
                offer_to(row, distance_between(row, other), other << 1u | 1u);
            }
        }
        settle(lane, true);
    }
    write_row(row, lane);
    if lane == 0u {
        count_work(0u, span.y - span.x - 1u);
        if farthest.id == NO_NEIGHBOR {
            atomicAdd(&counters[3], 1u);
        }
    }
}
