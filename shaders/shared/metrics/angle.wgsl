// 1 - cos of rows of length 1, as half their squared distance: exact near zero, where 1 - x·y cancels.
struct Acc { sum: vec4<f32> }
fn start() -> Acc { return Acc(vec4<f32>()); }
fn step(acc: Acc, x: vec4<f32>, y: vec4<f32>) -> Acc { let d = x - y; return Acc(fma(d, d, acc.sum)); }
alias Sums = f32;
fn folded(acc: Acc) -> Sums { return dot(acc.sum, vec4<f32>(1.0)); }
fn joined(a: Sums, b: Sums) -> Sums { return a + b; }
fn finish(sums: Sums) -> f32 { return 0.5 * sums; }
