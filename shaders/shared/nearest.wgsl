// The WIDTH nearest neighbours that a workgroup was offered, ascending by (distance, id), whatever the order of offers.
// HELD * GROUP is at most CHUNK.
const FAR: f32 = 3.4028234e38;
const NO_NEIGHBOR: u32 = 0xffffffffu;

// NaN and infinity become the largest distance: they never come before others, but can fill a row.
fn finite(d: f32) -> f32 {
    return select(FAR, d, d < FAR);
}

struct Neighbor { d: f32, id: u32 }

// Packed, so that one load reads both.
var<workgroup> kept: array<vec2<u32>, WIDTH>;
var<workgroup> offered: array<vec2<u32>, CHUNK>;
var<workgroup> offers: atomic<u32>;
var<workgroup> offers_made: u32;
// Offers of this invocation that were kept.
var<private> entered: u32;
// The farthest neighbour kept, the same in every invocation.
var<private> farthest: Neighbor;

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
    for (var first = 0u; first < count; first += HELD * GROUP) {
        merge(lane, first, min(count, first + HELD * GROUP), may_be_kept);
    }
    if lane == 0u {
        atomicStore(&offers, 0u);
    }
    look_at_farthest();
}

// Kept neighbours per invocation.
const KEPT: u32 = (WIDTH + GROUP - 1u) / GROUP;

// Puts every neighbour at its rank among the kept and the offers from `first` to `end`, at most HELD * GROUP. An
// invocation holds HELD offers and KEPT kept neighbours in registers, so that what they are compared with is loaded
// once.
fn merge(lane: u32, first: u32, end: u32, may_be_kept: bool) {
    var mine: array<Neighbor, HELD>;
    var ranks: array<u32, HELD>;
    for (var h = 0u; h < HELD; h++) {
        let o = first + lane + h * GROUP;
        mine[h] = unpacked(offered[min(o, CHUNK - 1u)]);
        ranks[h] = select(WIDTH, 0u, o < end);
    }
    for (var r = 0u; r < WIDTH; r++) {
        let other = unpacked(kept[r]);
        for (var h = 0u; h < HELD; h++) {
            let is_kept = may_be_kept && mine[h].id >> 1u == other.id >> 1u;
            ranks[h] += select(u32(is_nearer(other, mine[h])), WIDTH, is_kept);
        }
    }
    if may_be_kept {
        for (var h = 0u; h < HELD; h++) {
            let o = first + lane + h * GROUP;
            if o < end && ranks[h] >= WIDTH {
                offered[o] = vec2<u32>(bitcast<u32>(FAR), NO_NEIGHBOR);
            }
        }
        workgroupBarrier();
    }
    var own: array<Neighbor, KEPT>;
    var own_ranks: array<u32, KEPT>;
    for (var k = 0u; k < KEPT; k++) {
        let r = lane + k * GROUP;
        own[k] = unpacked(kept[min(r, WIDTH - 1u)]);
        own_ranks[k] = r;
    }
    for (var o = first; o < end; o++) {
        let other = unpacked(offered[o]);
        for (var h = 0u; h < HELD; h++) {
            ranks[h] += u32(is_nearer(other, mine[h]));
        }
        for (var k = 0u; k < KEPT; k++) {
            own_ranks[k] += u32(is_nearer(other, own[k]));
        }
    }
    workgroupBarrier();
    for (var k = 0u; k < KEPT; k++) {
        put_at(own_ranks[k], own[k]);
    }
    for (var h = 0u; h < HELD; h++) {
        put_at(ranks[h], mine[h]);
        entered += u32(ranks[h] < WIDTH);
    }
    workgroupBarrier();
}

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
    look_at_farthest();
}
