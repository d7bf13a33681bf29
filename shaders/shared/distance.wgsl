// The reduced distance of two rows; `load` and the metric's `start`, `step` and `finish` are put before this text.
fn distance_between(x: u32, y: u32) -> f32 {
    var acc = start();
    for (var q = 0u; q < params.quads; q++) {
        acc = step(acc, load(x, q), load(y, q));
    }
    return finish(acc);
}
