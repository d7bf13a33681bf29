// A user's metric, whose sums are not told apart from the rest of its `Acc`.
alias Sums = Acc;
fn folded(acc: Acc) -> Sums { return acc; }
