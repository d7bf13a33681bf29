// The end of a build: recomputes the distances of neighbours from the points, and ranks each row by (distance, point),
// with points as they were given. Distances are reduced; the CPU takes their roots.
// Twin: src/distances/direct.rs, src/executor/finish.rs (ranking)

// The point at each place.
@group(0) @binding(4) var<storage, read> order: array<u32>;
@group(0) @binding(5) var<storage, read_write> final_distances: array<f32>;
@group(0) @binding(6) var<storage, read_write> final_points: array<u32>;

var<workgroup> distances: array<f32, WIDTH>;
var<workgroup> points: array<u32, WIDTH>;

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = number_of(group);
    if row >= params.groups {
        return;
    }
    for (var first = 0u; first < WIDTH; first += GROUP) {
        let r = first + lane;
        let id = row_ids[row * WIDTH + min(r, WIDTH - 1u)];
        let distance = distance_in_team(row, select(id >> 1u, row, id == NO_NEIGHBOR), lane);
        if r < WIDTH {
            distances[r] = FAR;
            points[r] = NO_NEIGHBOR;
            if id != NO_NEIGHBOR {
                distances[r] = finite(distance);
                points[r] = order[id >> 1u];
            }
        }
    }
    workgroupBarrier();
    let final_row = order[row] * params.others;
    for (var r = lane; r < WIDTH; r += GROUP) {
        var rank = 0u;
        for (var o = 0u; o < WIDTH; o++) {
            rank += u32(nearer(distances[o], points[o], distances[r], points[r]));
        }
        if rank < params.others {
            final_distances[final_row + rank] = distances[r];
            final_points[final_row + rank] = points[r];
        }
    }
}
