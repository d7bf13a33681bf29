// Reduced distances between the rows of a leaf, a tile of TILE_X x TILE_Y pairs to a workgroup and 4 x 4 to an invocation. Of
// every two rows the distance is computed once and written to both. Twin: leaf_join.rs (all pairs of a leaf).
@group(0) @binding(4) var<storage, read> ids: array<u32>;
struct Tile {
    // The leaf's places in `ids`.
    start: u32,
    end: u32,
    // Where its matrix begins in `pairs`.
    pairs: u32,
    // The first row and column of the tile: row << 16 | column.
    corner: u32,
}
@group(0) @binding(5) var<storage, read> tiles: array<Tile>;
@group(0) @binding(6) var<storage, read_write> pairs: array<f32>;

// Quads of a row in workgroup memory at a time.
const DEPTH: u32 = 4u;
var<workgroup> x_quads: array<vec4<f32>, TILE_X * DEPTH>;
var<workgroup> y_quads: array<vec4<f32>, TILE_Y * DEPTH>;

@compute @workgroup_size(TILE_GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let tile = tiles[params.first + group.x];
    let m = tile.end - tile.start;
    let x0 = tile.corner >> 16u;
    let y0 = tile.corner & 0xffffu;
    let x = lane / (TILE_Y / 4u) * 4u;
    let y = lane % (TILE_Y / 4u) * 4u;
    var acc: array<Acc, 16>;
    for (var i = 0u; i < 16u; i++) {
        acc[i] = start();
    }
    for (var first = 0u; first < params.quads; first += DEPTH) {
        for (var i = lane; i < TILE_X * DEPTH; i += TILE_GROUP) {
            x_quads[i] = quad_of(tile.start + min(x0 + i / DEPTH, m - 1u), first + i % DEPTH);
        }
        for (var i = lane; i < TILE_Y * DEPTH; i += TILE_GROUP) {
            y_quads[i] = quad_of(tile.start + min(y0 + i / DEPTH, m - 1u), first + i % DEPTH);
        }
        workgroupBarrier();
        for (var q = 0u; q < DEPTH; q++) {
            for (var i = 0u; i < 4u; i++) {
                let quad = x_quads[(x + i) * DEPTH + q];
                for (var j = 0u; j < 4u; j++) {
                    acc[4u * i + j] = step(acc[4u * i + j], quad, y_quads[(y + j) * DEPTH + q]);
                }
            }
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < 4u; i++) {
        for (var j = 0u; j < 4u; j++) {
            let row = x0 + x + i;
            let column = y0 + y + j;
            // Each pair from one tile.
            if row < column && column < m {
                let distance = finish(acc[4u * i + j]);
                pairs[tile.pairs + row * m + column] = distance;
                pairs[tile.pairs + column * m + row] = distance;
            }
        }
    }
}

// Zeros beyond the end of a row, which change no distance.
fn quad_of(place: u32, q: u32) -> vec4<f32> {
    if q >= params.quads {
        return vec4<f32>();
    }
    return load(ids[place], q);
}
