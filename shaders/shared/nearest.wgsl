// The WIDTH nearest neighbours that a workgroup was offered, ascending by (distance, id), whatever the order of offers.
// HELD * GROUP is at most CHUNK.
const FAR: f32 = 3.4028234e38;
const NO_NEIGHBOR: u32 = 0xffffffffu;

// Told by the bits, as drivers may take it that no value is NaN.
fn is_finite(d: f32) -> bool {
    return (bitcast<u32>(d) & 0x7f800000u) != 0x7f800000u;
}

// NaN and infinity become the largest distance: they never come before others, but can fill a row.
fn finite(d: f32) -> f32 {
    return select(FAR, d, is_finite(d));
}

struct Neighbor { d: f32, id: u32 }

// Packed, so that one load reads both.
var<workgroup> kept: array<vec2<u32>, WIDTH>;
var<workgroup> offered: array<vec2<u32>, CHUNK>;
var<workgroup> offers: atomic<u32>;
var<workgroup> offers_made: u32;
// Offers of this invocation that were kept.
var<private> entered: u32;
// The farthest neighbour kept, and the places from which on all are empty: the same in every invocation.
var<private> farthest: Neighbor;
var<private> filled: u32;

fn nearer(d: f32, id: u32, e: f32, other: u32) -> bool {
    return d < e || (d == e && id < other);
}

fn is_nearer(a: Neighbor, b: Neighbor) -> bool {
    return nearer(a.d, a.id, b.d, b.id);
}

fn packed(n: Neighbor) -> vec2<u32> {
    return vec2<u32>(bitcast<u32>(n.d), n.id);
}

fn unpacked(words: vec2<u32>) -> Neighbor {
    return Neighbor(bitcast<f32>(words.x), words.y);
}

// Offers a neighbour. At most CHUNK, all distinct, may be offered before the next `settle`.
fn offer(distance: f32, id: u32) {
    let it = Neighbor(finite(distance), id);
    if is_nearer(it, farthest) {
        offered[atomicAdd(&offers, 1u)] = packed(it);
    }
}

// Number of offers since the last `settle`. For uniform control flow only.
fn count_offers(lane: u32) -> u32 {
    workgroupBarrier();
    if lane == 0u {
        offers_made = atomicLoad(&offers);
    }
    return workgroupUniformLoad(&offers_made);
}

// Keeps the nearest of the kept and the offered. With `may_be_kept`, offers that are kept already are dropped. For
// uniform control flow only; begins and ends with a barrier.
fn settle(lane: u32, may_be_kept: bool) {
    let count = count_offers(lane);
    if count <= GROUP {
        if count > 0u {
            merge_one(lane, 0u, count, may_be_kept);
        }
    } else if HELD > 2u && count <= 2u * GROUP {
        merge_two(lane, 0u, count, may_be_kept);
    } else {
        for (var first = 0u; first < count; first += HELD * GROUP) {
            merge(lane, first, min(count, first + HELD * GROUP), may_be_kept);
        }
    }
    if lane == 0u {
        atomicStore(&offers, 0u);
    }
    filled = min(WIDTH, filled + count);
    look_at_farthest();
}

// Kept neighbours per invocation.
const KEPT: u32 = (WIDTH + GROUP - 1u) / GROUP;

fn put_at(rank: u32, neighbor: Neighbor) {
    if rank < WIDTH {
        kept[rank] = packed(neighbor);
    }
}

// For uniform control flow only; begins with a barrier.
fn look_at_farthest() {
    workgroupBarrier();
    farthest = unpacked(kept[WIDTH - 1u]);
}

fn keep_none(lane: u32) {
    for (var r = lane; r < WIDTH; r += GROUP) {
        kept[r] = vec2<u32>(bitcast<u32>(FAR), NO_NEIGHBOR);
    }
    filled = 0u;
    look_at_farthest();
}
