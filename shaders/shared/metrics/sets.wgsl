// Members of both sets and of each; `of_counts` and the number of columns DIM are put before this text.
struct Acc { both: vec4<u32>, x: vec4<u32>, y: vec4<u32> }
fn start() -> Acc { return Acc(vec4<u32>(), vec4<u32>(), vec4<u32>()); }
fn step(acc: Acc, x: Quad, y: Quad) -> Acc {
    return Acc(acc.both + countOneBits(x & y), acc.x + countOneBits(x), acc.y + countOneBits(y));
}
fn total(counts: vec4<u32>) -> u32 { return counts.x + counts.y + counts.z + counts.w; }
alias Sums = vec3<u32>;
fn folded(acc: Acc) -> Sums { return Sums(total(acc.both), total(acc.x), total(acc.y)); }
fn joined(a: Sums, b: Sums) -> Sums { return a + b; }
fn finish(sums: Sums) -> f32 {
    let both = sums.x;
    let x_only = sums.y - both;
    let y_only = sums.z - both;
    if x_only + y_only == 0u {
        return 0.0;
    }
    return of_counts(f32(both), f32(x_only), f32(y_only));
}
