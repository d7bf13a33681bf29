// Σ |x-y| / Σ |x+y|.
struct Acc { apart: vec4<f32>, size: vec4<f32> }
fn start() -> Acc { return Acc(vec4<f32>(), vec4<f32>()); }
fn step(acc: Acc, x: vec4<f32>, y: vec4<f32>) -> Acc { return Acc(acc.apart + abs(x - y), acc.size + abs(x + y)); }
// Both sums.
alias Sums = vec2<f32>;
fn folded(acc: Acc) -> Sums { return Sums(dot(acc.apart, vec4<f32>(1.0)), dot(acc.size, vec4<f32>(1.0))); }
fn joined(a: Sums, b: Sums) -> Sums { return a + b; }
fn finish(sums: Sums) -> f32 {
    if sums.x == 0.0 {
        return 0.0;
    }
    return sums.x / sums.y;
}
