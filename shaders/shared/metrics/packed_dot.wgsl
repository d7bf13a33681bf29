// x·y of bytes, four to a word, exact; PRODUCT is dot4U8Packed or dot4I8Packed. What is put after this text makes a distance of
// the sum and the words of both rows.
struct Acc { dot: i32 }
fn start() -> Acc { return Acc(0); }
fn step(acc: Acc, x: u32, y: u32) -> Acc { return Acc(acc.dot + i32(PRODUCT(x, y))); }
