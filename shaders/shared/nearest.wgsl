// The WIDTH nearest that a workgroup has been offered, ascending by (distance, id). What is kept does not depend on the order
// of offers. WIDTH, GROUP and CHUNK are constants put before this text.
const FAR: f32 = 3.4028234e38;
const NOBODY: u32 = 0xffffffffu;

var<workgroup> kept_distances: array<f32, WIDTH>;
var<workgroup> kept_ids: array<u32, WIDTH>;
var<workgroup> next_distances: array<f32, WIDTH>;
var<workgroup> next_ids: array<u32, WIDTH>;
var<workgroup> offered_distances: array<f32, CHUNK>;
var<workgroup> offered_ids: array<u32, CHUNK>;
var<workgroup> offers: atomic<u32>;
var<workgroup> offers_made: u32;
var<workgroup> entered: atomic<u32>;

fn nearer(d: f32, id: u32, e: f32, other: u32) -> bool {
    return d < e || (d == e && id < other);
}

fn is_kept(id: u32) -> bool {
    for (var r = 0u; r < WIDTH; r++) {
        if kept_ids[r] >> 1u == id >> 1u {
            return true;
        }
    }
    return false;
}

// Offers a neighbour that is not kept, or is dropped before the next `settle`. Those offered until then are distinct, and at most
// CHUNK.
fn offer(distance: f32, id: u32) {
    let d = min(distance, FAR);
    if nearer(d, id, kept_distances[WIDTH - 1u], kept_ids[WIDTH - 1u]) {
        let place = atomicAdd(&offers, 1u);
        offered_distances[place] = d;
        offered_ids[place] = id;
    }
}

// Drops offers of those that are kept. Uniform control flow only.
fn drop_kept(lane: u32) {
    workgroupBarrier();
    let count = atomicLoad(&offers);
    for (var o = lane; o < count; o += GROUP) {
        if is_kept(offered_ids[o]) {
            offered_distances[o] = FAR;
            offered_ids[o] = NOBODY;
        }
    }
}

// Keeps the nearest of those kept and those offered. Uniform control flow only; begins and ends with a barrier.
fn settle(lane: u32) {
    workgroupBarrier();
    if lane == 0u {
        offers_made = atomicLoad(&offers);
        atomicStore(&offers, 0u);
    }
    let count = workgroupUniformLoad(&offers_made);
    if count > 0u {
        merge(lane, count);
    }
}

// How many of those kept are nearer.
fn place_among_kept(d: f32, id: u32) -> u32 {
    var low = 0u;
    var high = WIDTH;
    while low < high {
        let middle = (low + high) / 2u;
        if nearer(kept_distances[middle], kept_ids[middle], d, id) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return low;
}

// Everyone's rank among kept and offered is its place.
fn merge(lane: u32, count: u32) {
    for (var m = lane; m < WIDTH + count; m += GROUP) {
        var d: f32;
        var id: u32;
        var rank = 0u;
        if m < WIDTH {
            d = kept_distances[m];
            id = kept_ids[m];
            rank = m;
        } else {
            d = offered_distances[m - WIDTH];
            id = offered_ids[m - WIDTH];
            rank = place_among_kept(d, id);
        }
        for (var o = 0u; o < count && rank < WIDTH; o++) {
            rank += u32(nearer(offered_distances[o], offered_ids[o], d, id));
        }
        if rank < WIDTH {
            next_distances[rank] = d;
            next_ids[rank] = id;
            if m >= WIDTH && id != NOBODY {
                atomicAdd(&entered, 1u);
            }
        }
    }
    workgroupBarrier();
    for (var r = lane; r < WIDTH; r += GROUP) {
        kept_distances[r] = next_distances[r];
        kept_ids[r] = next_ids[r];
    }
    workgroupBarrier();
}

fn keep_nobody(lane: u32) {
    for (var r = lane; r < WIDTH; r += GROUP) {
        kept_distances[r] = FAR;
        kept_ids[r] = NOBODY;
    }
    workgroupBarrier();
}
