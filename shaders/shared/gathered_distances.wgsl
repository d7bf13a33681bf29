// Distances of one row to those that the invocations name, which lie anywhere: the workgroup reads GATHERED quads of GROUP rows together,
// as many invocations to a row as it has quads, so that a load touches a few whole cache lines and not a piece of as many lines as there
// are invocations. Every invocation then sums its own row, in the order of own_distances.wgsl. Uniform control flow only.
const PITCH: u32 = GATHERED + 1u;
var<workgroup> gathered_rows: array<u32, GROUP>;
// A quad more from row to row: invocations that read their own rows then do so from different banks.
var<workgroup> gathered: array<Quad, GROUP * PITCH>;

// To the one that this invocation names.
fn distance_to(x: u32, y: u32, lane: u32) -> f32 {
    gathered_rows[lane] = y;
    var acc = start();
    workgroupBarrier();
    for (var first = 0u; first < params.quads; first += GATHERED) {
        for (var i = lane; i < GROUP * GATHERED; i += GROUP) {
            let q = first + i % GATHERED;
            if q < params.quads {
                gathered[i / GATHERED * PITCH + i % GATHERED] = load(gathered_rows[i / GATHERED], q);
            }
        }
        workgroupBarrier();
        if first + GATHERED <= params.quads {
            for (var q = 0u; q < GATHERED; q++) {
                acc = step(acc, load(x, first + q), gathered[lane * PITCH + q]);
            }
        } else {
            for (var q = 0u; first + q < params.quads; q++) {
                acc = step(acc, load(x, first + q), gathered[lane * PITCH + q]);
            }
        }
        workgroupBarrier();
    }
    return distance_of(acc, of_row(x), of_row(y));
}

// To HELD of them. Those of all invocations are `count` rows, HELD * GROUP at most.
fn distances_to(x: u32, ys: array<u32, HELD>, count: u32, lane: u32) -> array<f32, HELD> {
    var others = ys;
    var distances: array<f32, HELD>;
    for (var h = 0u; h < HELD; h++) {
        if h * GROUP < count {
            distances[h] = distance_to(x, others[h], lane);
        }
    }
    return distances;
}
