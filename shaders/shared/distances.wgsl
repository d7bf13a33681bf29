// Distances of one row to HELD others, which share what is loaded of it. Each invocation reads its own rows: for
// software, short rows and users' metrics, whose sums cannot be joined.
fn distances_between(x: u32, ys: array<u32, HELD>, count: u32, lane: u32) -> array<f32, HELD> {
    var others = ys;
    var accs: array<Acc, HELD>;
    for (var h = 0u; h < HELD; h++) {
        accs[h] = start();
    }
    var q = 0u;
    // Four quads at a time, as in distance.wgsl.
    for (; q + 4u <= params.quads; q += 4u) {
        let first = load(x, q);
        let second = load(x, q + 1u);
        let third = load(x, q + 2u);
        let fourth = load(x, q + 3u);
        for (var h = 0u; h < HELD; h++) {
            let y = others[h];
            let acc = step(step(accs[h], first, load(y, q)), second, load(y, q + 1u));
            accs[h] = step(step(acc, third, load(y, q + 2u)), fourth, load(y, q + 3u));
        }
    }
    for (; q < params.quads; q++) {
        let quad = load(x, q);
        for (var h = 0u; h < HELD; h++) {
            accs[h] = step(accs[h], quad, load(others[h], q));
        }
    }
    let of_x = of_row(x);
    var distances: array<f32, HELD>;
    for (var h = 0u; h < HELD; h++) {
        distances[h] = distance_of(folded(accs[h]), of_x, of_row(others[h]));
    }
    return distances;
}

fn distance_in_team(x: u32, y: u32, lane: u32) -> f32 {
    return distance_between(x, y);
}
