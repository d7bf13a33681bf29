// Reduced distances between the rows and the columns of a block: a tile of TILE_X x TILE_Y pairs to a workgroup and
// 4 x 4 pairs to an invocation, with rows staged in workgroup memory a few quads at a time.
// Twin: src/executor/cpu/leaf_join.rs (all pairs of a leaf), src/executor/cpu/scan.rs (exact search)

// Quads of a row that are staged at a time. The first quads of all rows lie side by side, then the second ones, with
// room for two rows between them, so that invocations next to each other read and write different banks.
const DEPTH: u32 = 4u;
const X_PITCH: u32 = TILE_X + 2u;
const Y_PITCH: u32 = TILE_Y + 2u;
var<workgroup> x_quads: array<Quad, DEPTH * X_PITCH>;
var<workgroup> y_quads: array<Quad, DEPTH * Y_PITCH>;
// Distance between the rows, and between the columns, of an invocation. Neighbouring invocations have neighbouring
// ones.
const X_STEP: u32 = TILE_X / 4u;
const Y_STEP: u32 = TILE_Y / 4u;
// Quads that an invocation stages at a time.
const X_QUADS: u32 = TILE_X * DEPTH / TILE_GROUP;
const Y_QUADS: u32 = TILE_Y * DEPTH / TILE_GROUP;

// The id of a row or column of the tile; beyond the end of the block, of its last one.
fn x_id(block: Block, place: u32) -> u32 {
    return ids[block.x_start + min(place, block.x_count - 1u)];
}

fn y_id(block: Block, place: u32) -> u32 {
    return ids[block.y_start + min(place, block.y_count - 1u)];
}

fn put_four(block: Block, row: u32, column: u32, of_columns: vec4<u32>, a: Acc, b: Acc, c: Acc, d: Acc) {
    let of_this = of_row(x_id(block, row));
    put(block, row, column, distance_of(folded(a), of_this, of_columns.x));
    put(block, row, column + Y_STEP, distance_of(folded(b), of_this, of_columns.y));
    put(block, row, column + 2u * Y_STEP, distance_of(folded(c), of_this, of_columns.z));
    put(block, row, column + 3u * Y_STEP, distance_of(folded(d), of_this, of_columns.w));
}

@compute @workgroup_size(TILE_GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let number = number_of(group);
    if number >= params.groups {
        return;
    }
    let tile = tiles[number];
    let block = blocks[tile.x];
    let x0 = tile.y >> 16u;
    let y0 = tile.y & 0xffffu;
    let x = lane / Y_STEP;
    let y = lane % Y_STEP;
    // Written out: an array that is indexed in a loop may end up in memory.
    var a0 = start();
    var a1 = start();
    var a2 = start();
    var a3 = start();
    var b0 = start();
    var b1 = start();
    var b2 = start();
    var b3 = start();
    var c0 = start();
    var c1 = start();
    var c2 = start();
    var c3 = start();
    var d0 = start();
    var d1 = start();
    var d2 = start();
    var d3 = start();
    // The quads of the next step are read while those of this one are multiplied.
    var x_rows: array<u32, X_QUADS>;
    var y_rows: array<u32, Y_QUADS>;
    var x_next: array<Quad, X_QUADS>;
    var y_next: array<Quad, Y_QUADS>;
    for (var n = 0u; n < X_QUADS; n++) {
        let i = lane + n * TILE_GROUP;
        x_rows[n] = x_id(block, x0 + i / DEPTH);
        x_next[n] = quad_or_zeros(x_rows[n], i % DEPTH);
    }
    for (var n = 0u; n < Y_QUADS; n++) {
        let i = lane + n * TILE_GROUP;
        y_rows[n] = y_id(block, y0 + i / DEPTH);
        y_next[n] = quad_or_zeros(y_rows[n], i % DEPTH);
    }
    for (var first = 0u; first < params.quads; first += DEPTH) {
        for (var n = 0u; n < X_QUADS; n++) {
            let i = lane + n * TILE_GROUP;
            x_quads[i % DEPTH * X_PITCH + i / DEPTH] = x_next[n];
            x_next[n] = quad_or_zeros(x_rows[n], first + DEPTH + i % DEPTH);
        }
        for (var n = 0u; n < Y_QUADS; n++) {
            let i = lane + n * TILE_GROUP;
            y_quads[i % DEPTH * Y_PITCH + i / DEPTH] = y_next[n];
            y_next[n] = quad_or_zeros(y_rows[n], first + DEPTH + i % DEPTH);
        }
        workgroupBarrier();
        for (var q = 0u; q < DEPTH; q++) {
            let x_at = q * X_PITCH + x;
            let y_at = q * Y_PITCH + y;
            let y_0 = y_quads[y_at];
            let y_1 = y_quads[y_at + Y_STEP];
            let y_2 = y_quads[y_at + 2u * Y_STEP];
            let y_3 = y_quads[y_at + 3u * Y_STEP];
            let a = x_quads[x_at];
            a0 = step(a0, a, y_0);
            a1 = step(a1, a, y_1);
            a2 = step(a2, a, y_2);
            a3 = step(a3, a, y_3);
            let b = x_quads[x_at + X_STEP];
            b0 = step(b0, b, y_0);
            b1 = step(b1, b, y_1);
            b2 = step(b2, b, y_2);
            b3 = step(b3, b, y_3);
            let c = x_quads[x_at + 2u * X_STEP];
            c0 = step(c0, c, y_0);
            c1 = step(c1, c, y_1);
            c2 = step(c2, c, y_2);
            c3 = step(c3, c, y_3);
            let d = x_quads[x_at + 3u * X_STEP];
            d0 = step(d0, d, y_0);
            d1 = step(d1, d, y_1);
            d2 = step(d2, d, y_2);
            d3 = step(d3, d, y_3);
        }
        workgroupBarrier();
    }
    let row = x0 + x;
    let column = y0 + y;
    let of_columns = vec4<u32>(
        of_row(y_id(block, column)),
        of_row(y_id(block, column + Y_STEP)),
        of_row(y_id(block, column + 2u * Y_STEP)),
        of_row(y_id(block, column + 3u * Y_STEP)),
    );
    put_four(block, row, column, of_columns, a0, a1, a2, a3);
    put_four(block, row + X_STEP, column, of_columns, b0, b1, b2, b3);
    put_four(block, row + 2u * X_STEP, column, of_columns, c0, c1, c2, c3);
    put_four(block, row + 3u * X_STEP, column, of_columns, d0, d1, d2, d3);
}
