// Every row of a block is offered the columns, at the distances that block_pairs.wgsl found, and keeps the nearest. Twins:
// leaf_join.rs, scan.rs.
@group(0) @binding(6) var<storage, read> pairs: array<f32>;
// The block of a row, and its place among the rows of the block.
@group(0) @binding(7) var<storage, read> places: array<vec2<u32>>;

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let place = places[params.first + group.x];
    let block = blocks[place.x];
    let row = ids[block.x_start + place.y];
    let distances = block.pairs + place.y * block.y_count;
    keep_row(row, lane);
    for (var at = 0u; at < block.y_count; at += SETTLED) {
        for (var column = at + lane; column < min(at + SETTLED, block.y_count); column += GROUP) {
            let other = ids[block.y_start + column] + block.y_id;
            if other != row + block.x_id {
                offer(pairs[distances + column], other << 1u | 1u);
            }
        }
        drop_kept(lane);
        settle(lane);
    }
    write_row(row, lane);
    if lane == 0u && kept_ids[WIDTH - 1u] == NOBODY {
        atomicAdd(&counters[3], 1u);
    }
}
