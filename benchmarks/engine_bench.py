"""What the graph itself costs: time and memory a gate, and how deep it may go.

A chain of gates on 4 floats (multiply, add, tanh), forward alone and forward plus backward, beside
PyTorch's eager mode; bytes a gate; and a graph of 1,000,000 gates, built and differentiated. With
--peak, the peak memory of one training step of a VGG-like network, ours and PyTorch's, each in a
process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tracemalloc
from typing import Any

import _harness as harness
import numpy as np

import tinygrad_cv as tg

GATES = 100


def chain(x: Any, w: Any, gates: int = GATES) -> Any:
    """x passed through `gates` gates in turn: times w, plus x, tanh."""
    z = x
    for i in range(gates):
        kind = i % 3
        if kind == 0:
            z = z * w
        elif kind == 1:
            z = z + x
        else:
            z = z.tanh()
    return z


def calls(module: Any) -> tuple[Any, Any]:
    """Forward, and forward plus backward, in one of the two libraries."""
    rng = np.random.default_rng(0)
    x, w = (module.tensor(rng.random(4, dtype=np.float32), requires_grad=True) for _ in range(2))
    upstream = module.ones(4)

    def both() -> None:
        x.grad = w.grad = None
        chain(x, w).backward(upstream)

    return (lambda: chain(x, w)), both


def time_gates(torch: Any, rounds: int) -> list[dict[str, Any]]:
    contestants = {"ours": calls(tg)}
    if torch is not None:
        contestants["torch"] = calls(torch)
    rows = []
    for position, name in enumerate(("forward", "forward + backward")):
        times = harness.interleave({who: c[position] for who, c in contestants.items()}, rounds)
        row: dict[str, Any] = {"name": name, "gates": GATES}
        for who, seconds in times.items():
            row[f"{who}_us"] = [round(1e6 * t / GATES, 4) for t in seconds]
        rows.append(row)
    return rows


def bytes_a_gate() -> float:
    """Python and NumPy memory of a recorded gate with its value of 4 floats."""
    x, w = (tg.tensor(np.ones(4, np.float32), requires_grad=True) for _ in range(2))
    chain(x, w)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = chain(x, w, 30_000)
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert kept.gate is not None
    return used / 30_000


def deep(gates: int) -> tuple[float, float]:
    """Seconds to build and to differentiate a chain of so many gates."""
    x = tg.tensor(np.ones(4, np.float32), requires_grad=True)
    t0 = time.perf_counter()
    z = x
    for _ in range(gates):
        z = z + x
    t1 = time.perf_counter()
    z.backward(tg.ones(4))
    t2 = time.perf_counter()
    assert x.grad is not None
    assert x.grad.tolist() == [gates + 1.0] * 4
    return t1 - t0, t2 - t1


STEP = """
import json, sys
import numpy as np

def peak_kb():
    # Not getrusage: its maximum begins with what the parent had when it started this process.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

module, batch = sys.argv[1], int(sys.argv[2])
if module == "torch":
    import torch as lib
    from torch import nn, optim
    from torch.nn import functional as F
else:
    import tinygrad_cv as lib
    from tinygrad_cv import nn, optim
    from tinygrad_cv import functional as F
layers, c = [], 3
for width in (64, 128, 256):
    for _ in range(2):
        layers += [nn.Conv2d(c, width, 3, padding=1), nn.ReLU()]
        c = width
    layers.append(nn.MaxPool2d(2))
net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(256 * 16, 10))
sgd = optim.SGD(net.parameters(), lr=0.01)
rng = np.random.default_rng(0)
x = lib.from_numpy(rng.standard_normal((batch, 3, 32, 32), dtype=np.float32))
y = lib.from_numpy(rng.integers(0, 10, batch))
before = peak_kb()
for _ in range(3):
    loss = F.cross_entropy(net(x), y)
    sgd.zero_grad()
    loss.backward()
    sgd.step()
print(json.dumps({"before": before, "peak": peak_kb()}))
"""


def peak_memory(module: str, batch: int = 64) -> float:
    """MB that training steps of a VGG-like network add to the process's peak. Linux."""
    command = [sys.executable, "-c", STEP, module, str(batch)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    return (found["peak"] - found["before"]) / 1024


def main() -> None:
    arguments = harness.parser(__doc__ or "")
    arguments.add_argument("--peak", action="store_true", help="peak memory of a training step too")
    options = arguments.parse_args()
    torch = harness.start(options)
    rows = time_gates(torch, min(options.rounds, 5) if options.quick else options.rounds)
    for row in rows:
        line = f"{row['name']:20s} ours {1e3 * harness.median(row['ours_us']):7.0f} ns a gate"
        if "torch_us" in row:
            theirs = harness.median(row["torch_us"])
            line += f"   PyTorch {1e3 * theirs:7.0f}   ours / PyTorch "
            line += f"{harness.median(row['ours_us']) / theirs:.2f}"
        print(line, flush=True)
    used = bytes_a_gate()
    print(f"memory               {used:.0f} bytes a gate, its 4 floats included")
    gates = 100_000 if options.quick else 1_000_000
    build, back = deep(gates)
    print(f"{gates:,} gates      built in {build:.2f} s, differentiated in {back:.2f} s")
    rows.append({"name": "deep", "gates": gates, "build_s": build, "backward_s": back})
    rows.append({"name": "memory", "bytes_a_gate": used})
    if options.peak:
        row = {"name": "peak memory, VGG-like step", "ours_mb": peak_memory("tinygrad_cv")}
        if torch is not None:
            row["torch_mb"] = peak_memory("torch")
        rows.append(row)
        print(f"{row['name']}: " + ", ".join(f"{k} {v:.0f}" for k, v in row.items() if k != "name"))
    if options.json:
        harness.write_json(options, "engine", rows, torch)


if __name__ == "__main__":
    main()
