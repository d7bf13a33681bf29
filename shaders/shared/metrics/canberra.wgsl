// Σ |x-y| / (|x|+|y|); nothing where both are zero.
struct Acc { sum: vec4<f32> }
fn start() -> Acc { return Acc(vec4<f32>()); }
fn step(acc: Acc, x: vec4<f32>, y: vec4<f32>) -> Acc {
    let size = max(abs(x) + abs(y), vec4<f32>(1.17549435e-38));
    return Acc(acc.sum + abs(x - y) / size);
}
alias Sums = f32;
fn folded(acc: Acc) -> Sums { return dot(acc.sum, vec4<f32>(1.0)); }
fn joined(a: Sums, b: Sums) -> Sums { return a + b; }
fn finish(sums: Sums) -> f32 { return sums; }
