// Tiles of blocks, for block_pairs.wgsl and block_products.wgsl.
// The block of a tile, and its first row and column: row << 16 | column.
@group(0) @binding(7) var<storage, read> tiles: array<vec2<u32>>;

// A quad of a row, or zeros beyond its end, which change no distance.
fn quad_or_zeros(row: u32, q: u32) -> Quad {
    if q >= params.quads {
        return Quad();
    }
    return load(row, q);
}
