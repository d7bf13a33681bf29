// max |x-y|.
struct Acc { most: vec4<f32> }
fn start() -> Acc { return Acc(vec4<f32>()); }
fn step(acc: Acc, x: vec4<f32>, y: vec4<f32>) -> Acc { return Acc(max(acc.most, abs(x - y))); }
fn finish(acc: Acc) -> f32 { return max(max(acc.most.x, acc.most.y), max(acc.most.z, acc.most.w)); }
