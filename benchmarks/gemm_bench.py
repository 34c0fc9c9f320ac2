"""Time matrix products beside PyTorch (MKL): squares, the shapes of layers, transposed operands.

Per row: our median time, GFLOP/s and share of the machine's measured peak, and PyTorch's time
divided by ours. A row named "+ relu" adds a bias and applies ReLU in our last write; PyTorch's side
is relu(linear(x, w, b)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import _harness as harness
import numpy as np

from tinygrad_cv.backends import backend_for

if TYPE_CHECKING:
    from collections.abc import Callable


class Product(NamedTuple):
    """C (m x n) = A (m x k) B (k x n); `form` says which operand is stored transposed."""

    m: int
    n: int
    k: int
    form: str = "A B"
    dtype: str = "float32"
    relu: bool = False

    @property
    def label(self) -> str:
        words = [f"{self.m} x {self.n} x {self.k}", self.form]
        words += ["+ relu"] if self.relu else []
        return " ".join([*words, self.dtype] if self.dtype != "float32" else words)


SQUARES = [Product(s, s, s) for s in (16, 32, 64, 128, 256, 512, 1000, 2000)]
LAYERS = [  # LeNet's and an MLP's: forward, gradient of the input, gradient of the weight
    *(Product(250, n, k, "A B^T") for n, k in ((120, 400), (84, 120), (10, 84))),
    *(Product(250, k, n, "A B") for n, k in ((120, 400), (84, 120), (10, 84))),
    *(Product(n, k, 250, "A^T B") for n, k in ((120, 400), (84, 120), (10, 84))),
    Product(250, 120, 400, "A B^T", relu=True),
    Product(128, 100, 3072, "A B^T"),
    Product(100, 3072, 128, "A^T B"),
    Product(100, 10, 3072, "A B^T"),
    Product(10_000, 10, 3072, "A B^T"),
    Product(64, 10, 4096, "A B^T"),
]
TRANSPOSED = [Product(512, 512, 512, form) for form in ("A B^T", "A^T B")]
DOUBLES = [Product(s, s, s, dtype="float64") for s in (64, 256, 512)]
QUICK = [*SQUARES[2:6], LAYERS[0], LAYERS[-2]]


def operands(product: Product) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    m, n, k = product.m, product.n, product.k
    a, b = rng.standard_normal((m, k)), rng.standard_normal((k, n))
    if product.form == "A^T B":
        a = np.ascontiguousarray(a.T).T
    if product.form == "A B^T":
        b = np.ascontiguousarray(b.T).T
    bias = rng.standard_normal(n)
    return a.astype(product.dtype, order="K"), b.astype(product.dtype, order="K"), bias.astype(
        product.dtype
    )  # fmt: skip


def contestants(product: Product, torch: Any) -> dict[str, Callable[[], Any]]:
    a, b, bias = operands(product)
    room = backend_for(a)
    relu = product.relu
    ours = (lambda: room.matmul(a, b, bias, True)) if relu else (lambda: room.matmul(a, b))
    found: dict[str, Callable[[], Any]] = {"ours": ours}
    if torch is not None:
        ta, tb, tbias = (torch.from_numpy(v) for v in (a, b, bias))
        weight = tb.T
        found["torch"] = (
            (lambda: torch.relu(torch.nn.functional.linear(ta, weight, tbias)))
            if relu
            else (lambda: ta @ tb)
        )
    return found


def main() -> None:
    options = harness.parser(__doc__ or "").parse_args()
    products = [*SQUARES, *LAYERS, *TRANSPOSED, *DOUBLES]
    if options.quick:
        options.rounds, products = min(options.rounds, 5), QUICK
    torch = harness.start(options)
    harness.headline(options.rounds)
    peak = harness.machine()["peak_gflops_f32"]
    rows = []
    for product in products:
        sides = contestants(product, torch)
        if torch is not None:
            error = harness.relative_error(sides["ours"](), sides["torch"]().numpy())
            if not error < 1e-4:
                raise SystemExit(f"{product.label}: results differ by {error:.1e}")
        flop = 2.0 * product.m * product.n * product.k
        row = harness.timed_row(
            sides, options.rounds, name=product.label, flop=flop, **product._asdict()
        )
        gflops = flop / harness.median(row["ours_us"]) / 1e3
        of = peak / 2 if product.dtype == "float64" else peak
        harness.show(row, f"{product.label:28s} {gflops:6.1f} GF/s {100 * gflops / of:3.0f} %")
        rows.append(row)
    harness.show_means(rows, "products")
    if options.json:
        harness.write_json(options, "gemm", rows, torch)


if __name__ == "__main__":
    main()
