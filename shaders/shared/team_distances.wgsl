// Distances of one row to HELD others of every invocation, for uniform control flow only. The four invocations of a team
// read one row at a time together, each every fourth quad: a load of the workgroup touches GROUP / LANES rows, of each
// 64 bytes side by side, rather than GROUP rows. `members` and `joined_by_team`, which exchange values within a team,
// precede this text.
const LANES: u32 = 4u;

// The distance from `x` to the `y` of this invocation.
fn distance_in_team(x: u32, y: u32, lane: u32) -> f32 {
    let ys = members(y, lane);
    var a = start();
    var b = start();
    var c = start();
    var d = start();
    var q = lane % LANES;
    // Two quads at a time, so that loads overlap.
    for (; q + LANES < params.quads; q += 2u * LANES) {
        let quad = load(x, q);
        let next = load(x, q + LANES);
        a = step(step(a, quad, load(ys.x, q)), next, load(ys.x, q + LANES));
        b = step(step(b, quad, load(ys.y, q)), next, load(ys.y, q + LANES));
        c = step(step(c, quad, load(ys.z, q)), next, load(ys.z, q + LANES));
        d = step(step(d, quad, load(ys.w, q)), next, load(ys.w, q + LANES));
    }
    if q < params.quads {
        let quad = load(x, q);
        a = step(a, quad, load(ys.x, q));
        b = step(b, quad, load(ys.y, q));
        c = step(c, quad, load(ys.z, q));
        d = step(d, quad, load(ys.w, q));
    }
    let sums = joined_by_team(lane, folded(a), folded(b), folded(c), folded(d));
    return distance_of(sums, of_row(x), of_row(y));
}

// Of `count` places in all, from that of this invocation on, GROUP apart.
fn distances_between(x: u32, ys: array<u32, HELD>, count: u32, lane: u32) -> array<f32, HELD> {
    var others = ys;
    var distances: array<f32, HELD>;
    for (var h = 0u; h < HELD && h * GROUP < count; h++) {
        distances[h] = distance_in_team(x, others[h], lane);
    }
    return distances;
}
