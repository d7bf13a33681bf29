// Offers the pairs that near_pairs found to the rows that they belong to, and empties the lists. Lists that were too short
// are counted.
// Twin: src/executor/cpu/scan.rs
@group(0) @binding(6) var<storage, read> found: array<vec2<u32>>;
// The block of a row, and its place among the rows of the block: one for every list.
@group(0) @binding(7) var<storage, read> places: array<vec2<u32>>;
@group(0) @binding(8) var<storage, read_write> found_counts: array<u32>;

var<workgroup> all_found: u32;

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let list = number_of(group);
    if list >= params.groups {
        return;
    }
    if lane == 0u {
        all_found = found_counts[list];
        found_counts[list] = 0u;
    }
    let count = workgroupUniformLoad(&all_found);
    if count == 0u {
        return;
    }
    let place = places[list];
    let block = blocks[place.x];
    let row = ids[block.x_start + place.y];
    keep_row(row, lane);
    let end = min(count, FOUND);
    for (var first = 0u; first < end; first += HELD * GROUP) {
        for (var at = first + lane; at < min(end, first + HELD * GROUP); at += GROUP) {
            let it = found[list * FOUND + at];
            offer_to(row + block.x_id, bitcast<f32>(it.x), it.y);
        }
        settle(lane, true);
    }
    write_row(row, lane);
    if lane == 0u && count > FOUND {
        atomicAdd(&counters[3], 1u);
    }
}
