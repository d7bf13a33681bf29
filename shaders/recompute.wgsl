// The end of a build: distances of kept neighbours computed anew from the points, each row's ranked by (distance, point), as the
// points were given. Reduced distances: the CPU takes their roots. Twin: recompute.rs, and the ranking of finish.rs.
// The point that stands at each place.
@group(0) @binding(4) var<storage, read> order: array<u32>;
@group(0) @binding(5) var<storage, read_write> final_distances: array<f32>;
@group(0) @binding(6) var<storage, read_write> final_points: array<u32>;

var<workgroup> distances: array<f32, WIDTH>;
var<workgroup> points: array<u32, WIDTH>;

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = params.first + group.x;
    for (var r = lane; r < WIDTH; r += GROUP) {
        let id = row_ids[row * WIDTH + r];
        distances[r] = FAR;
        points[r] = NOBODY;
        if id != NOBODY {
            distances[r] = min(distance_between(row, id >> 1u), FAR);
            points[r] = order[id >> 1u];
        }
    }
    workgroupBarrier();
    let first = order[row] * params.others;
    for (var r = lane; r < WIDTH; r += GROUP) {
        var rank = 0u;
        for (var o = 0u; o < WIDTH; o++) {
            rank += u32(nearer(distances[o], points[o], distances[r], points[r]));
        }
        if rank < params.others {
            final_distances[first + rank] = distances[r];
            final_points[first + rank] = points[r];
        }
    }
}
