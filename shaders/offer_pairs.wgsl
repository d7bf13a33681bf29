// Offers the columns of a block to its rows, at the distances that block_pairs.wgsl computed.
// Twin: src/executor/cpu/leaf_join.rs, src/executor/cpu/scan.rs
@group(0) @binding(6) var<storage, read> pairs: array<f32>;
// The block of a row, and its place among the rows of the block.
@group(0) @binding(7) var<storage, read> places: array<vec2<u32>>;

// Offers that are settled at once.
const ROOM: u32 = HELD * GROUP;

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let number = number_of(group);
    if number >= params.groups {
        return;
    }
    let place = places[number];
    let block = blocks[place.x];
    let row = ids[block.x_start + place.y];
    let distances = block.pairs + place.y * block.y_count;
    keep_row(row, lane);
    var at = lane;
    var settled = 0u;
    while settled < block.y_count {
        // As many columns as fit, even if all of them are near enough.
        var made = 0u;
        while settled < block.y_count && made <= ROOM - GROUP {
            if at < block.y_count {
                let distance = pairs[distances + at];
                if !is_finite(distance) || distance <= farthest.d {
                    let other = ids[block.y_start + at] + block.y_id;
                    if other != row + block.x_id {
                        offer_to(row + block.x_id, distance, other << 1u | 1u);
                    }
                }
            }
            at += GROUP;
            settled += GROUP;
            made = count_offers(lane);
        }
        settle(lane, true);
    }
    write_row(row, lane);
    if lane == 0u && farthest.id == NO_NEIGHBOR {
        atomicAdd(&counters[3], 1u);
    }
}
