// Of a block's pairs those that are near enough for the rows they belong to, as far as these are filled: a list of at most
// FOUND for every row, and for every column if the block is MIRRORED, in any order. Other pairs leave no trace.
@group(0) @binding(2) var<storage, read> row_distances: array<f32>;
@group(0) @binding(3) var<storage, read_write> found_counts: array<atomic<u32>>;
@group(0) @binding(6) var<storage, read_write> found: array<vec2<u32>>;

fn put_near(list: u32, row: u32, other: u32, distance: f32) {
    // What is not finite is noted when it is offered.
    let is_finite = (bitcast<u32>(distance) & 0x7f800000u) != 0x7f800000u;
    if !is_finite || distance <= row_distances[row * WIDTH + WIDTH - 1u] {
        let place = atomicAdd(&found_counts[list], 1u);
        if place < FOUND {
            found[list * FOUND + place] = vec2<u32>(bitcast<u32>(distance), other << 1u | 1u);
        }
    }
}

fn put(block: Block, row: u32, column: u32, distance: f32) {
    if row >= block.x_count || column >= block.y_count {
        return;
    }
    let x = ids[block.x_start + row];
    let y = ids[block.y_start + column];
    put_near(block.pairs + row, x, y + block.y_id, distance);
    if block.pairing == MIRRORED {
        put_near(block.pairs + block.x_count + column, y, x + block.x_id, distance);
    }
}
