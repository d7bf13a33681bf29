// The local join, row by row: a workgroup collects the neighbours of its row's neighbours, each once, and updates its
// own row. A pair is considered if one of the two steps that lead to it is new. Nothing is proposed to other rows, so
// no buffer can overflow and the order of arrival does not matter. STRIDE is the size of a neighbourhood, TABLE (a
// power of two) that of the set of candidates seen.
// Twin: src/executor/cpu/local_join.rs
@group(0) @binding(4) var<storage, read> near: array<u32>;

var<workgroup> seen: array<atomic<u32>, TABLE>;
var<workgroup> waiting: array<u32, WAITING>;
var<workgroup> waiting_count: atomic<u32>;
var<workgroup> waiting_now: u32;
var<workgroup> updates: atomic<u32>;
// Steps between two checks of how many candidates wait.
const VISITED: u32 = 2u * CHUNK;
const WAITING: u32 = VISITED + CHUNK;
// Candidates that an invocation reads before it looks them up, so that the reads overlap.
const AHEAD: u32 = min(8u, VISITED / GROUP);

// Slots of the set that this row uses, a power of two, and 32 minus its logarithm.
var<private> slots: u32;
var<private> unused_bits: u32;

// Adds `id` to the set; whether it is new there. Open addressing; the set is at most three quarters full. Most
// candidates are in it already, which a load finds out without an exchange.
fn see(id: u32) -> bool {
    var slot = (id * 2654435769u) >> unused_bits;
    loop {
        var there = atomicLoad(&seen[slot]);
        if there == NO_NEIGHBOR {
            let found = atomicCompareExchangeWeak(&seen[slot], NO_NEIGHBOR, id);
            if found.exchanged {
                return true;
            }
            there = found.old_value;
        }
        if there == id {
            return false;
        }
        if there != NO_NEIGHBOR {
            slot = (slot + 1u) & (slots - 1u);
        }
    }
    return false;
}

// Empties the set, except for the row itself and its neighbours.
fn forget(row: u32, lane: u32) {
    for (var s = lane; s < slots; s += GROUP) {
        atomicStore(&seen[s], NO_NEIGHBOR);
    }
    workgroupBarrier();
    for (var r = lane; r <= WIDTH; r += GROUP) {
        var id = row << 1u;
        if r < WIDTH {
            id = kept[r].y;
        }
        if id != NO_NEIGHBOR {
            see(id >> 1u);
        }
    }
    workgroupBarrier();
}

// Candidates that the set has room for, at three quarters full.
fn room_for(known: u32) -> u32 {
    let most = slots / 4u * 3u;
    return select(0u, most - known, known < most);
}

// Whether the set has no room for a step of every invocation, or for those that are left.
fn is_full(known: u32, left: u32) -> bool {
    return room_for(known) < min(GROUP, left);
}

// Steps to go before it is looked again how many candidates wait: no more than the set has room for.
fn visited(known: u32, left: u32) -> u32 {
    let room = room_for(known);
    return select(room / GROUP * GROUP, VISITED, room >= min(VISITED, left));
}

// Evaluates the last CHUNK candidates that wait, or all if there are fewer.
fn evaluate(row: u32, lane: u32, count: u32) {
    for (var first = count - min(count, CHUNK); first < count; first += HELD * GROUP) {
        let mine = first + lane;
        var ids: array<u32, HELD>;
        for (var h = 0u; h < HELD; h++) {
            ids[h] = waiting[min(mine + h * GROUP, count - 1u)];
        }
        var distances = distances_between(row, ids, count - first, lane);
        for (var h = 0u; h < HELD; h++) {
            if mine + h * GROUP < count {
                offer_to(row, distances[h], ids[h] << 1u | 1u);
            }
        }
    }
    settle(lane, false);
}

// The step at which the candidates through each neighbour end. The row's own new neighbours come first.
var<workgroup> ends: array<u32, STRIDE>;
// Places of `ends` for an invocation.
const PLANNED: u32 = (STRIDE + GROUP - 1u) / GROUP;

// Fills `ends`, and returns the number of steps.
fn plan_steps(row: u32, all: u32, fresh: u32, lane: u32) -> u32 {
    if lane == 0u {
        ends[0] = fresh;
    }
    for (var m = lane; m < all; m += GROUP) {
        let header = near[near[row * STRIDE + 1u + m] * STRIDE];
        ends[m + 1u] = select(header >> 16u, header & 0xffffu, m < fresh);
    }
    workgroupBarrier();
    // Every invocation adds up what comes before its places: more additions than one after the other, but at once.
    var sums: array<u32, PLANNED>;
    for (var m = 0u; m <= all; m++) {
        let count = ends[m];
        for (var p = 0u; p < PLANNED; p++) {
            sums[p] += select(0u, count, m <= lane + p * GROUP);
        }
    }
    workgroupBarrier();
    for (var p = 0u; p < PLANNED; p++) {
        if lane + p * GROUP <= all {
            ends[lane + p * GROUP] = sums[p];
        }
    }
    return workgroupUniformLoad(&ends[all]);
}

// The candidate at step `t`. `through` is its neighbour, and on entry that of an earlier step.
fn candidate(row: u32, t: u32, through: ptr<function, u32>) -> u32 {
    let base = row * STRIDE + 1u;
    var m = *through;
    while ends[m] <= t {
        m++;
    }
    *through = m;
    if m == 0u {
        return near[base + t];
    }
    return near[near[base + m - 1u] * STRIDE + 1u + t - ends[m - 1u]];
}

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = number_of(group);
    if row >= params.groups {
        return;
    }
    let header = near[row * STRIDE];
    let fresh = header >> 16u;
    let all = header & 0xffffu;
    let steps = plan_steps(row, all, fresh, lane);
    if steps == 0u {
        return;
    }
    // So large that the set stays at most half full, or all slots.
    unused_bits = max(countLeadingZeros(2u * (WIDTH + steps)), 32u - TABLE_BITS);
    slots = 1u << (32u - unused_bits);
    keep_row(row, lane);
    var distances = 0u;
    var t = 0u;
    var left = 0u;
    var through = 0u;
    // Size of the set.
    var known = slots;
    loop {
        if is_full(known, steps - t) {
            forget(row, lane);
            known = WIDTH + 1u;
        }
        let end = min(t + visited(known, steps - t), steps);
        for (var first = t; first < end; first += AHEAD * GROUP) {
            var ids: array<u32, AHEAD>;
            for (var a = 0u; a < AHEAD; a++) {
                let mine = first + a * GROUP + lane;
                ids[a] = NO_NEIGHBOR;
                if mine < end {
                    ids[a] = candidate(row, mine, &through);
                }
            }
            for (var a = 0u; a < AHEAD; a++) {
                if ids[a] != NO_NEIGHBOR && see(ids[a]) {
                    waiting[atomicAdd(&waiting_count, 1u)] = ids[a];
                }
            }
        }
        t = end;
        workgroupBarrier();
        if lane == 0u {
            waiting_now = atomicLoad(&waiting_count);
        }
        let seen_here = workgroupUniformLoad(&waiting_now);
        known += seen_here - left;
        left = seen_here;
        // Candidates that wait are offered before the set forgets them.
        let is_last = t >= steps;
        let must_all = is_last || is_full(known, steps - t);
        while left >= CHUNK || (left > 0u && must_all) {
            evaluate(row, lane, left);
            distances += min(left, CHUNK);
            left -= min(left, CHUNK);
        }
        if is_last {
            break;
        }
        if lane == 0u {
            atomicStore(&waiting_count, left);
        }
        workgroupBarrier();
    }
    write_row(row, lane);
    atomicAdd(&updates, entered);
    workgroupBarrier();
    if lane == 0u {
        count_work(atomicLoad(&updates), distances);
    }
}
