// Σ |x-y| / Σ |x+y|.
struct Acc { apart: vec4<f32>, size: vec4<f32> }
fn start() -> Acc { return Acc(vec4<f32>(), vec4<f32>()); }
fn step(acc: Acc, x: vec4<f32>, y: vec4<f32>) -> Acc { return Acc(acc.apart + abs(x - y), acc.size + abs(x + y)); }
fn finish(acc: Acc) -> f32 {
    let apart = dot(acc.apart, vec4<f32>(1.0));
    if apart == 0.0 {
        return 0.0;
    }
    return apart / dot(acc.size, vec4<f32>(1.0));
}
