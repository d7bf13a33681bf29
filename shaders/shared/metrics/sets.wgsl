// Members of both sets and of each; `of_counts` and the number of columns DIM are put before this text.
struct Acc { both: vec4<u32>, x: vec4<u32>, y: vec4<u32> }
fn start() -> Acc { return Acc(vec4<u32>(), vec4<u32>(), vec4<u32>()); }
fn step(acc: Acc, x: Quad, y: Quad) -> Acc {
    return Acc(acc.both + countOneBits(x & y), acc.x + countOneBits(x), acc.y + countOneBits(y));
}
fn total(counts: vec4<u32>) -> u32 { return counts.x + counts.y + counts.z + counts.w; }
fn finish(acc: Acc) -> f32 {
    let both = total(acc.both);
    let x_only = total(acc.x) - both;
    let y_only = total(acc.y) - both;
    if x_only + y_only == 0u {
        return 0.0;
    }
    return of_counts(f32(both), f32(x_only), f32(y_only));
}
