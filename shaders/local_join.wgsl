// The local join, row by row: a workgroup collects the neighbours of its row's neighbours, each once, and owns what follows.
// A pair is looked at if one of the two steps that lead to it is new. Nothing is proposed to other rows, so there is no buffer
// that could overflow and no order of arrival. STRIDE is the room of a neighbourhood, TABLE (a power of two) that of the set of
// those seen.
// Twin: src/executor/cpu/local_join.rs
@group(0) @binding(4) var<storage, read> near: array<u32>;

var<workgroup> seen: array<atomic<u32>, TABLE>;
var<workgroup> waiting: array<u32, WAITING>;
var<workgroup> waiting_count: atomic<u32>;
var<workgroup> waiting_now: u32;
var<workgroup> steps_now: u32;
var<workgroup> updates: atomic<u32>;
// Candidates visited between two looks at how many wait.
const VISITED: u32 = 2u * CHUNK;
const WAITING: u32 = VISITED + CHUNK;
// Candidates that an invocation reads before it looks any of them up: the reads wait for memory together.
const AHEAD: u32 = min(8u, VISITED / GROUP);

// Places of the set that this row uses, a power of two, and 32 less its logarithm.
var<private> slots: u32;
var<private> unused_bits: u32;

// Whether `id` was not in the set; it is now. Open addressing; the set is never more than three quarters full. Most are
// there already, which a load tells without an exchange.
fn see(id: u32) -> bool {
    var slot = (id * 2654435769u) >> unused_bits;
    loop {
        var there = atomicLoad(&seen[slot]);
        if there == NOBODY {
            let found = atomicCompareExchangeWeak(&seen[slot], NOBODY, id);
            if found.exchanged {
                return true;
            }
            there = found.old_value;
        }
        if there == id {
            return false;
        }
        if there != NOBODY {
            slot = (slot + 1u) & (slots - 1u);
        }
    }
    return false;
}

// Empties the set but for the row itself and those it has.
fn forget(row: u32, lane: u32) {
    for (var s = lane; s < slots; s += GROUP) {
        atomicStore(&seen[s], NOBODY);
    }
    workgroupBarrier();
    for (var r = lane; r <= WIDTH; r += GROUP) {
        var id = row << 1u;
        if r < WIDTH {
            id = kept[r].y;
        }
        if id != NOBODY {
            see(id >> 1u);
        }
    }
    workgroupBarrier();
}

// Evaluates the last CHUNK (or, at the end, fewer) of those waiting.
fn evaluate(row: u32, lane: u32, count: u32) {
    for (var first = count - min(count, CHUNK); first < count; first += HELD * GROUP) {
        let mine = first + lane;
        var ids: array<u32, HELD>;
        for (var h = 0u; h < HELD; h++) {
            ids[h] = waiting[min(mine + h * GROUP, count - 1u)];
        }
        var distances = distances_between(row, ids);
        for (var h = 0u; h < HELD; h++) {
            if mine + h * GROUP < count {
                offer(distances[h], ids[h] << 1u | 1u);
            }
        }
    }
    settle(lane, false);
}

// Before which step the candidates through each neighbour end. Those before the first are the row's own new neighbours.
var<workgroup> ends: array<u32, STRIDE>;

// Fills `ends`; the number of steps.
fn plan_steps(row: u32, all: u32, fresh: u32, lane: u32) -> u32 {
    for (var m = lane; m < all; m += GROUP) {
        let header = near[near[row * STRIDE + 1u + m] * STRIDE];
        ends[m + 1u] = select(header >> 16u, header & 0xffffu, m < fresh);
    }
    workgroupBarrier();
    if lane == 0u {
        var end = fresh;
        ends[0] = end;
        for (var m = 1u; m <= all; m++) {
            end += ends[m];
            ends[m] = end;
        }
        steps_now = end;
    }
    return workgroupUniformLoad(&steps_now);
}

// The candidate at step `t`, and through which neighbour: no earlier one than `through`, that of an earlier step.
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
    let row = params.first + group.x;
    let header = near[row * STRIDE];
    let fresh = header >> 16u;
    let all = header & 0xffffu;
    let steps = plan_steps(row, all, fresh, lane);
    if steps == 0u {
        return;
    }
    // At most half full, or all there are.
    unused_bits = max(countLeadingZeros(2u * (WIDTH + steps)), 32u - TABLE_BITS);
    slots = 1u << (32u - unused_bits);
    keep_row(row, lane);
    var distances = 0u;
    var t = 0u;
    var left = 0u;
    var through = 0u;
    // How many are in the set.
    var known = slots;
    loop {
        if known + min(VISITED, steps - t) > slots / 4u * 3u {
            forget(row, lane);
            known = WIDTH + 1u;
        }
        for (var first = t; first < min(t + VISITED, steps); first += AHEAD * GROUP) {
            var ids: array<u32, AHEAD>;
            for (var a = 0u; a < AHEAD; a++) {
                let mine = first + a * GROUP + lane;
                ids[a] = NOBODY;
                if mine < steps {
                    ids[a] = candidate(row, mine, &through);
                }
            }
            for (var a = 0u; a < AHEAD; a++) {
                if ids[a] != NOBODY && see(ids[a]) {
                    waiting[atomicAdd(&waiting_count, 1u)] = ids[a];
                }
            }
        }
        t += VISITED;
        workgroupBarrier();
        if lane == 0u {
            waiting_now = atomicLoad(&waiting_count);
        }
        let seen_here = workgroupUniformLoad(&waiting_now);
        known += seen_here - left;
        left = seen_here;
        // Those waiting must be offered before they can be forgotten, and while there is room.
        let is_last = t >= steps;
        let must_all = is_last || known + min(VISITED, steps - t) > slots / 4u * 3u;
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
