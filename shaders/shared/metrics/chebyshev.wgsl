// max |x-y|.
struct Acc { most: vec4<f32> }
fn start() -> Acc { return Acc(vec4<f32>()); }
fn step(acc: Acc, x: vec4<f32>, y: vec4<f32>) -> Acc { return Acc(max(acc.most, abs(x - y))); }
alias Sums = f32;
fn folded(acc: Acc) -> Sums { return max(max(acc.most.x, acc.most.y), max(acc.most.z, acc.most.w)); }
fn joined(a: Sums, b: Sums) -> Sums { return max(a, b); }
fn finish(sums: Sums) -> f32 { return sums; }
