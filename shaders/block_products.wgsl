// Same as block_pairs.wgsl, for bytes, by cooperative matrices. Bytes are widened to f16, which holds them exactly;
// products are summed in f32 over COLUMNS columns, which is exact; and these sums are added as integers. So the
// distances are the same to the bit. Subgroups of any size share the matrices of a tile. SIDE, the types Left, Right
// and Sums, and `widened` are put before this text.
// Twin: src/executor/cpu/leaf_join.rs, src/executor/cpu/scan.rs

// Quads and columns of a row that are staged at a time. Rows lie 16 bytes further apart, so that they begin in
// different banks.
const DEPTH: u32 = 4u;
const COLUMNS: u32 = 16u * DEPTH;
const PITCH: u32 = COLUMNS + 8u;
// The rows of the tile, then its columns.
var<workgroup> staged: array<f16, (TILE_X + TILE_Y) * PITCH>;
var<workgroup> products: array<f32, TILE_X * TILE_Y>;

// Matrices of a tile, and pairs of an invocation, which are in one column, as TILE_GROUP is a multiple of TILE_Y.
const MATRICES: u32 = TILE_X / SIDE * (TILE_Y / SIDE);
const PAIRS: u32 = TILE_X * TILE_Y / TILE_GROUP;

@compute @workgroup_size(TILE_GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
) {
    let number = number_of(group);
    if number >= params.groups {
        return;
    }
    let tile = tiles[number];
    let block = blocks[tile.x];
    let x0 = tile.y >> 16u;
    let y0 = tile.y & 0xffffu;
    var sums: array<i32, PAIRS>;
    for (var first = 0u; first < params.quads; first += DEPTH) {
        for (var i = lane; i < (TILE_X + TILE_Y) * DEPTH; i += TILE_GROUP) {
            stage(i / DEPTH, i % DEPTH, quad_or_zeros(ids[place_of(block, x0, y0, i / DEPTH)], first + i % DEPTH));
        }
        workgroupBarrier();
        for (var m = subgroup; m < MATRICES; m += subgroups) {
            multiply(m / (TILE_Y / SIDE) * SIDE, m % (TILE_Y / SIDE) * SIDE);
        }
        workgroupBarrier();
        for (var p = 0u; p < PAIRS; p++) {
            sums[p] += i32(products[p * TILE_GROUP + lane]);
        }
    }
    let y = y0 + lane % TILE_Y;
    let of_column = of_row(ids[block.y_start + min(y, block.y_count - 1u)]);
    for (var p = 0u; p < PAIRS; p++) {
        let x = x0 + (p * TILE_GROUP + lane) / TILE_Y;
        let of_this = of_row(ids[block.x_start + min(x, block.x_count - 1u)]);
        put(block, x, y, distance_of(sums[p], of_this, of_column));
    }
}

// The place in `ids` of the tile's row, or column, that is staged as number `r`.
fn place_of(block: Block, x0: u32, y0: u32, r: u32) -> u32 {
    if r < TILE_X {
        return block.x_start + min(x0 + r, block.x_count - 1u);
    }
    return block.y_start + min(y0 + r - TILE_X, block.y_count - 1u);
}

fn stage(r: u32, q: u32, quad: Quad) {
    for (var w = 0u; w < 4u; w++) {
        let values = widened(quad[w]);
        for (var v = 0u; v < 4u; v++) {
            staged[r * PITCH + 16u * q + 4u * w + v] = values[v];
        }
    }
}

// The products of SIDE rows from `x` on with SIDE columns from `y` on, by a whole subgroup.
fn multiply(x: u32, y: u32) {
    var sums = Products();
    for (var k = 0u; k < COLUMNS; k += SIDE) {
        let left = coopLoadT<Left>(&staged[x * PITCH + k], PITCH);
        let right = coopLoad<Right>(&staged[(TILE_X + y) * PITCH + k], PITCH);
        sums = coopMultiplyAdd(left, right, sums);
    }
    coopStoreT(sums, &products[x * TILE_Y + y], TILE_Y);
}
