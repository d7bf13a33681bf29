"""What a machine can move at best, by PyTorch: copies on the device, to it and from it, and rows gathered at random."""

import time

import torch


def seconds(run, repeats=5):
    """The median of some runs, after one that is not counted."""
    run()
    torch.cuda.synchronize()
    all_seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        all_seconds.append(time.perf_counter() - start)
    return sorted(all_seconds)[repeats // 2]


def copies():
    a = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    b = torch.empty_like(a)
    print(f"copy on the device, read and written: {2 * a.numel() / seconds(lambda: b.copy_(a)) / 1e9:.0f} GB/s")
    del b
    pageable, device = torch.ones(1 << 29, dtype=torch.uint8), a[: 1 << 29]
    for name, host in (("pinned", pageable.pin_memory()), ("pageable", pageable)):
        to, back = seconds(lambda: device.copy_(host), 3), seconds(lambda: host.copy_(device), 3)
        print(f"{name} memory, to the device and back: {host.numel() / to / 1e9:.1f} and {host.numel() / back / 1e9:.1f} GB/s")


def gathers():
    count = 8_000_000
    rows = torch.randint(0, 1_000_000, (count,), device="cuda")
    for columns in (128, 64, 32):
        table = torch.empty(1_000_000, columns, device="cuda")
        out = torch.empty(count, columns, device="cuda")
        took = seconds(lambda: torch.index_select(table, 0, rows, out=out), 3)
        print(f"rows of {4 * columns} bytes gathered from a million: {4 * count * columns / took / 1e9:.0f} GB/s read")
        del table, out


copies()
gathers()
