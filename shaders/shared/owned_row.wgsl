// Reads a workgroup's own row of the graph to workgroup memory, and writes it back.

// Offers a neighbour to the row. A distance that is not finite is noted.
fn offer_to(row: u32, distance: f32, id: u32) {
    if !is_finite(distance) {
        note_not_finite(row);
    }
    offer(distance, id);
}

fn keep_row(row: u32, lane: u32) {
    for (var r = lane; r < WIDTH; r += GROUP) {
        kept[r] = vec2<u32>(bitcast<u32>(row_distances[row * WIDTH + r]), row_ids[row * WIDTH + r]);
    }
    look_at_farthest();
    // Rows that are neither empty nor full are few.
    filled = select(WIDTH, 0u, kept[0].y == NO_NEIGHBOR);
}

fn write_row(row: u32, lane: u32) {
    for (var r = lane; r < WIDTH; r += GROUP) {
        let neighbor = unpacked(kept[r]);
        row_distances[row * WIDTH + r] = neighbor.d;
        row_ids[row * WIDTH + r] = neighbor.id;
    }
}
