// The reduced distance of two rows; `load` and the metric's `start`, `step`, `of_row` and `distance_of` precede this
// text.
fn distance_between(x: u32, y: u32) -> f32 {
    var acc = start();
    var q = 0u;
    // Four quads at a time, so that loads overlap.
    for (; q + 4u <= params.quads; q += 4u) {
        acc = step(acc, load(x, q), load(y, q));
        acc = step(acc, load(x, q + 1u), load(y, q + 1u));
        acc = step(acc, load(x, q + 2u), load(y, q + 2u));
        acc = step(acc, load(x, q + 3u), load(y, q + 3u));
    }
    for (; q < params.quads; q++) {
        acc = step(acc, load(x, q), load(y, q));
    }
    return distance_of(folded(acc), of_row(x), of_row(y));
}
