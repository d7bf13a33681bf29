// The distances of a block's pairs as a matrix.
@group(0) @binding(6) var<storage, read_write> pairs: array<f32>;

fn put(block: Block, row: u32, column: u32, distance: f32) {
    if row >= block.x_count || column >= block.y_count {
        return;
    }
    // Of a symmetric block, each pair is written by one tile.
    if block.pairing != SYMMETRIC || row < column {
        pairs[block.pairs + row * block.y_count + column] = distance;
    }
    if block.pairing == SYMMETRIC && row < column {
        pairs[block.pairs + column * block.y_count + row] = distance;
    }
    if block.pairing == MIRRORED {
        pairs[block.pairs + block.x_count * block.y_count + column * block.x_count + row] = distance;
    }
}
