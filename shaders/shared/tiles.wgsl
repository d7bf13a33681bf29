// Tiles of blocks and the distances of their pairs, for block_pairs.wgsl and block_products.wgsl.
@group(0) @binding(6) var<storage, read_write> pairs: array<f32>;
// The block of a tile, and its first row and column: row << 16 | column.
@group(0) @binding(7) var<storage, read> tiles: array<vec2<u32>>;

// A quad of a row, or zeros beyond its end, which change no distance.
fn quad_or_zeros(row: u32, q: u32) -> Quad {
    if q >= params.quads {
        return Quad();
    }
    return load(row, q);
}

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
