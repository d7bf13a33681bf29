// Σ |x-y|^POWER; POWER is a constant put before this text.
struct Acc { sum: vec4<f32> }
fn start() -> Acc { return Acc(vec4<f32>()); }
fn step(acc: Acc, x: vec4<f32>, y: vec4<f32>) -> Acc {
    let d = abs(x - y);
    // pow(0, p) is log(0) on the way.
    return Acc(acc.sum + select(pow(d, vec4<f32>(POWER)), vec4<f32>(), d == vec4<f32>()));
}
alias Sums = f32;
fn folded(acc: Acc) -> Sums { return dot(acc.sum, vec4<f32>(1.0)); }
fn joined(a: Sums, b: Sums) -> Sums { return a + b; }
fn finish(sums: Sums) -> f32 { return sums; }
