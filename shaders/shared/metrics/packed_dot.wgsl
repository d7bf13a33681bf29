// x·y of bytes, sixteen to a quad, exact; PRODUCT is dot4U8Packed or dot4I8Packed. What is put after this text makes a distance of
// the sum and the words of both rows.
struct Acc { dot: i32 }
fn start() -> Acc { return Acc(0); }
fn step(acc: Acc, x: Quad, y: Quad) -> Acc {
    return Acc(acc.dot + i32(PRODUCT(x.x, y.x)) + i32(PRODUCT(x.y, y.y)) + i32(PRODUCT(x.z, y.z)) + i32(PRODUCT(x.w, y.w)));
}
alias Sums = i32;
fn folded(acc: Acc) -> Sums { return acc.dot; }
fn joined(a: Sums, b: Sums) -> Sums { return a + b; }
