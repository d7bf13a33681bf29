// Every row of a leaf is offered the others, at the distances that leaf_pairs.wgsl found. Twin: leaf_join.rs.
@group(0) @binding(4) var<storage, read> ids: array<u32>;
struct Place {
    // The leaf's places in `ids`.
    start: u32,
    end: u32,
    // Where the row's distances begin in `pairs`.
    pairs: u32,
    // The row's place in its leaf.
    own: u32,
}
@group(0) @binding(5) var<storage, read> places: array<Place>;
@group(0) @binding(6) var<storage, read> pairs: array<f32>;

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let place = places[params.first + group.x];
    let m = place.end - place.start;
    let row = ids[place.start + place.own];
    keep_row(row, lane);
    for (var at = 0u; at < m; at += CHUNK) {
        for (var other = at + lane; other < min(at + CHUNK, m); other += GROUP) {
            if other != place.own {
                offer(pairs[place.pairs + other], ids[place.start + other] << 1u | 1u);
            }
        }
        settle(lane);
    }
    write_row(row, lane);
    if lane == 0u {
        count_work(0u, m - 1u - place.own);
        if kept_ids[WIDTH - 1u] == NOBODY {
            atomicAdd(&counters[3], 1u);
        }
    }
}
