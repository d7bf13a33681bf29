// Rows to be compared with columns: a leaf with itself, or a stretch of all rows with another.
@group(0) @binding(4) var<storage, read> ids: array<u32>;
struct Block {
    // Places in `ids` of the rows and of the columns.
    x_start: u32,
    x_count: u32,
    y_start: u32,
    y_count: u32,
    // Where the matrix of distances begins in `pairs`, or the number of the first list of near pairs.
    pairs: u32,
    // ALL: all pairs. SYMMETRIC: columns are the rows, and every distance is computed once and written twice. MIRRORED:
    // all pairs, written a second time with columns as rows, to the matrix of the next block, which has no tiles.
    pairing: u32,
    // Offsets from places in the data to ids, where the device holds part of the points.
    x_id: u32,
    y_id: u32,
}
const ALL: u32 = 0u;
const SYMMETRIC: u32 = 1u;
const MIRRORED: u32 = 2u;
@group(0) @binding(5) var<storage, read> blocks: array<Block>;
