// Reduced distances between the rows and the columns of a block: a tile of TILE_X x TILE_Y pairs to a workgroup and
// 4 x 4 pairs to an invocation, with rows staged in workgroup memory a few quads at a time.
// Twin: src/executor/cpu/leaf_join.rs (all pairs of a leaf), src/executor/cpu/scan.rs (exact search)

// Quads of a row that are staged at a time. Rows lie one quad further apart, so that they begin in different banks.
const DEPTH: u32 = 4u;
const PITCH: u32 = DEPTH + 1u;
var<workgroup> x_quads: array<Quad, TILE_X * PITCH>;
var<workgroup> y_quads: array<Quad, TILE_Y * PITCH>;
// Distance between the rows, and between the columns, of an invocation. Neighbouring invocations have neighbouring
// ones.
const X_STEP: u32 = TILE_X / 4u;
const Y_STEP: u32 = TILE_Y / 4u;
// Quads that an invocation stages at a time.
const X_QUADS: u32 = TILE_X * DEPTH / TILE_GROUP;
const Y_QUADS: u32 = TILE_Y * DEPTH / TILE_GROUP;

@compute @workgroup_size(TILE_GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let tile = tiles[params.first + group.x];
    let block = blocks[tile.x];
    let x0 = tile.y >> 16u;
    let y0 = tile.y & 0xffffu;
    let x = lane / Y_STEP;
    let y = lane % Y_STEP;
    var acc: array<Acc, 16>;
    for (var i = 0u; i < 16u; i++) {
        acc[i] = start();
    }
    // The quads of the next step are read while those of this one are multiplied.
    var x_rows: array<u32, X_QUADS>;
    var y_rows: array<u32, Y_QUADS>;
    var x_next: array<Quad, X_QUADS>;
    var y_next: array<Quad, Y_QUADS>;
    for (var n = 0u; n < X_QUADS; n++) {
        let i = lane + n * TILE_GROUP;
        x_rows[n] = ids[block.x_start + min(x0 + i / DEPTH, block.x_count - 1u)];
        x_next[n] = quad_or_zeros(x_rows[n], i % DEPTH);
    }
    for (var n = 0u; n < Y_QUADS; n++) {
        let i = lane + n * TILE_GROUP;
        y_rows[n] = ids[block.y_start + min(y0 + i / DEPTH, block.y_count - 1u)];
        y_next[n] = quad_or_zeros(y_rows[n], i % DEPTH);
    }
    for (var first = 0u; first < params.quads; first += DEPTH) {
        for (var n = 0u; n < X_QUADS; n++) {
            let i = lane + n * TILE_GROUP;
            x_quads[i / DEPTH * PITCH + i % DEPTH] = x_next[n];
            x_next[n] = quad_or_zeros(x_rows[n], first + DEPTH + i % DEPTH);
        }
        for (var n = 0u; n < Y_QUADS; n++) {
            let i = lane + n * TILE_GROUP;
            y_quads[i / DEPTH * PITCH + i % DEPTH] = y_next[n];
            y_next[n] = quad_or_zeros(y_rows[n], first + DEPTH + i % DEPTH);
        }
        workgroupBarrier();
        for (var q = 0u; q < DEPTH; q++) {
            for (var i = 0u; i < 4u; i++) {
                let quad = x_quads[(x + i * X_STEP) * PITCH + q];
                for (var j = 0u; j < 4u; j++) {
                    acc[4u * i + j] = step(acc[4u * i + j], quad, y_quads[(y + j * Y_STEP) * PITCH + q]);
                }
            }
        }
        workgroupBarrier();
    }
    var of_columns: array<u32, 4>;
    for (var j = 0u; j < 4u; j++) {
        of_columns[j] = of_row(ids[block.y_start + min(y0 + y + j * Y_STEP, block.y_count - 1u)]);
    }
    for (var i = 0u; i < 4u; i++) {
        let of_this = of_row(ids[block.x_start + min(x0 + x + i * X_STEP, block.x_count - 1u)]);
        for (var j = 0u; j < 4u; j++) {
            put(block, x0 + x + i * X_STEP, y0 + y + j * Y_STEP, distance_of(acc[4u * i + j], of_this, of_columns[j]));
        }
    }
}
