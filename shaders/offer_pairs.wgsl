// Offers the columns of a block to its rows, at the distances that block_pairs.wgsl computed.
// Twin: src/executor/cpu/leaf_join.rs, src/executor/cpu/scan.rs
@group(0) @binding(6) var<storage, read> pairs: array<f32>;
// The block of a row, and its place among the rows of the block.
@group(0) @binding(7) var<storage, read> places: array<vec2<u32>>;

// Offers that are settled at once.
const ROOM: u32 = HELD * GROUP;
// Columns from which on a block is wide, as in exact search: a row is soon full, and most columns are too far.
const WIDE: u32 = 4u * ROOM;

fn offer_column(block: Block, row: u32, column: u32, distance: f32) {
    if !is_finite(distance) || distance <= farthest.d {
        let other = ids[block.y_start + column] + block.y_id;
        if other != row + block.x_id {
            offer_to(row + block.x_id, distance, other << 1u | 1u);
        }
    }
}

// Offers as many columns as fit, from `settled` on, even if all of them are near enough; and settles them. Returns where
// the next ones begin.
fn offer_some(block: Block, row: u32, distances: u32, settled: u32, lane: u32) -> u32 {
    var end = settled;
    var made = 0u;
    while end < block.y_count && made <= ROOM - GROUP {
        if end + lane < block.y_count {
            offer_column(block, row, end + lane, pairs[distances + end + lane]);
        }
        end += GROUP;
        made = count_offers(lane);
    }
    settle(lane, true);
    return end;
}

// Offers ROOM columns, HELD to an invocation, so that reads overlap and barriers are few; and settles them.
fn offer_many(block: Block, row: u32, distances: u32, settled: u32, lane: u32) {
    var found: array<f32, HELD>;
    for (var h = 0u; h < HELD; h++) {
        found[h] = pairs[distances + settled + lane + h * GROUP];
    }
    for (var h = 0u; h < HELD; h++) {
        offer_column(block, row, settled + lane + h * GROUP, found[h]);
    }
    settle(lane, true);
}

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
    var settled = 0u;
    if block.y_count >= WIDE {
        while settled < WIDE && workgroupUniformLoad(&kept[WIDTH - 1u]).y == NO_NEIGHBOR {
            settled = offer_some(block, row, distances, settled, lane);
        }
        for (; settled + ROOM <= block.y_count; settled += ROOM) {
            offer_many(block, row, distances, settled, lane);
        }
    }
    while settled < block.y_count {
        settled = offer_some(block, row, distances, settled, lane);
    }
    write_row(row, lane);
    if lane == 0u && farthest.id == NO_NEIGHBOR {
        atomicAdd(&counters[3], 1u);
    }
}
