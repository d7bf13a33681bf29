// Rows of the graph being built, ascending: distances, and `id << 1 | new`; unused places are (FAR, NO_NEIGHBOR).
@group(0) @binding(2) var<storage, read_write> row_distances: array<f32>;
@group(0) @binding(3) var<storage, read_write> row_ids: array<u32>;
