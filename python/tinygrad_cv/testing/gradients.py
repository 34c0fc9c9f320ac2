"""Analytic gradients against central differences in float64, to first and second order."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_cv.engine.backprop import grad
from tinygrad_cv.engine.device import get_default_device, to_host
from tinygrad_cv.engine.tensor import Tensor, tensor, wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SHOWN = 5  # mismatches that an error message lists
_ROUNDOFF = 16 * float(np.finfo(np.float64).eps)  # of a function's value; larger than most


class GradcheckError(RuntimeError):
    """An analytic gradient that is not the function's."""


class Mismatch(NamedTuple):
    """One element of one input, and what both sides say about it."""

    input: int
    element: tuple[int, ...]
    analytic: float
    numeric: float
    error: float  # relative

    def __str__(self) -> str:
        where = f"element {self.element}" if self.element else "its element"
        return (
            f"input {self.input}, {where}: analytic {self.analytic:.10g}, numeric "
            f"{self.numeric:.10g}, relative error {self.error:.2g}"
        )


@dataclass
class GradcheckReport:
    """What a check found; true if nothing was wrong.

    Attributes
    ----------
    checked : int
        Elements that were compared, those in `kinks` not among them.
    worst : float
        The largest relative error among them.
    kinks : list of Mismatch
        Elements where the function has no single derivative (a kink, a tie, a jump, the end of its
        domain), and the analytic gradient is not refuted by what the differences say.
    failures : list of Mismatch
        Elements where the analytic gradient is wrong.
    """

    checked: int = 0
    worst: float = 0.0
    kinks: list[Mismatch] = field(default_factory=list)
    failures: list[Mismatch] = field(default_factory=list)

    def __bool__(self) -> bool:
        return not self.failures

    def __str__(self) -> str:
        counts = (
            f"{self.checked + len(self.failures)} elements compared, {len(self.kinks)} at kinks"
        )
        if not self.failures:
            return f"{counts}, worst relative error {self.worst:.2g}"
        ranked = sorted(self.failures, key=lambda m: -m.error)
        lines = [
            f"{len(ranked)} of {counts} are wrong, worst relative error {ranked[0].error:.2g}",
            *(f"  {mismatch}" for mismatch in ranked[:_SHOWN]),
        ]
        if len(ranked) > _SHOWN:
            lines.append(f"  and {len(ranked) - _SHOWN} more")
        return "\n".join(lines)


def gradcheck(
    fn: Callable[..., Any],
    inputs: Any,
    eps: float = 1e-6,
    atol: float = 1e-7,
    rtol: float = 1e-5,
    raise_exception: bool = True,
    *,
    seed: int = 0,
) -> GradcheckReport:
    """Check that backward passes through `fn` give its derivatives.

    Everything is computed in float64 on copies, whatever the dtype of `inputs`; a module is copied
    and checked in float64 too. The outputs are weighted with a random upstream gradient, so that a
    gradient that is wrong in one place only, or only for gradients that are not ones, is seen.

    Parameters
    ----------
    fn : callable
        Takes the inputs as tensors, returns a tensor or a tuple with tensors in it. The same input
        must give the same output: seed what is random.
    inputs : Tensor, array or tuple of them
        Points to check at. Tensors that require a gradient are differentiated; if none does, all
        floats are. The rest is handed to `fn` as it is, arrays as tensors.
    eps : float
        Step of the central differences, times max(1, abs(x)).
    atol, rtol : float
        Analytic and numeric may differ by atol + rtol times the larger of them, and by the roundoff
        of the difference.
    raise_exception : bool
        Otherwise a report that is false is returned.
    seed : int
        Of the upstream gradient.

    Returns
    -------
    GradcheckReport
        True if all is well; ``str(report)`` says how well.

    Raises
    ------
    GradcheckError
        A gradient that is wrong, of another shape, or changes from call to call; the message has
        the input, the element, both values and the worst relative error.
    ValueError
        Nothing to differentiate, or a function that gives two results for one input.

    Notes
    -----
    Numeric: Σ_j u_j (f_j(x + h) - f_j(x - h)) / 2h. Where the analytic value differs from that, but
    by no more than the one-sided differences differ from each other, or central differences change
    with the step, `fn` has a kink, a tie or a jump there: the element is listed in the report's
    `kinks` and no failure. At a kink any subgradient passes; which one it is must be a test of its
    own.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> report = gradcheck(tg.exp, tg.tensor([0.5, 1.0]))
    >>> bool(report), report.checked
    (True, 2)
    """
    return _Check(fn, inputs, seed).run(eps, atol, rtol, raise_exception, "gradcheck")


def gradgradcheck(
    fn: Callable[..., Any],
    inputs: Any,
    eps: float = 1e-6,
    atol: float = 1e-7,
    rtol: float = 1e-5,
    raise_exception: bool = True,
    *,
    seed: int = 0,
) -> GradcheckReport:
    """Check the second derivatives of `fn`: `gradcheck` of its gradient.

    The gradient is differentiated with respect to the inputs and to the upstream gradient. A gate
    that keeps what depends on its inputs in a plain attribute instead of `saved` passes `gradcheck`
    and fails here.

    Parameters, returns and raises as `gradcheck`; in messages the upstream gradients are inputs
    that follow those of `fn`.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> bool(gradgradcheck(tg.exp, tg.tensor([0.5, 1.0])))
    True
    """
    check = _Check(fn, inputs, seed)
    count = len(check.points)
    outputs = check.outputs(check.leaves())
    random = np.random.default_rng(seed + 1)
    upstream = [random.uniform(-1, 1, out.shape) for out in outputs]
    positions = check.positions

    def gradient(*args: Any) -> tuple[Tensor, ...]:
        given, up = args[:count], args[count:]
        wanted = [given[i] for i in positions]
        outs = check.outputs(given)
        pairs = [(o, u) for o, u in zip(outs, up, strict=True) if o.requires_grad]
        if not pairs:
            return tuple([_zeros_like(x) for x in wanted])
        parts: tuple[Tensor | None, ...] = grad(
            [o for o, _ in pairs],
            wanted,
            [u for _, u in pairs],
            create_graph=True,
            allow_unused=True,
        )
        return tuple(
            [
                _zeros_like(x) if part is None else part
                for x, part in zip(wanted, parts, strict=True)
            ]
        )

    arguments = [*check.leaves(), *(check.leaf(u, True) for u in upstream)]
    return _Check(gradient, tuple(arguments), seed).run(
        eps, atol, rtol, raise_exception, "gradgradcheck"
    )


class _Check:
    """A function and a point at which to differentiate it."""

    def __init__(self, fn: Callable[..., Any], inputs: Any, seed: int) -> None:
        self.fn = _in_float64(fn)
        given = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
        self.points = [_point(x) for x in given]
        asked = [i for i, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]
        floats = [
            i
            for i, x in enumerate(self.points)
            if isinstance(x, np.ndarray) and x.dtype.kind == "f"
        ]
        self.positions = asked or floats
        if not self.positions:
            raise ValueError("gradcheck: none of the inputs is a tensor or array of floats")
        self.seed = seed
        places = [x.device for x in given if isinstance(x, Tensor)]
        self.device = places[0] if places else get_default_device()

    def leaf(self, values: Any, requires_grad: bool) -> Tensor:
        """A tensor where the check is done: beside the first tensor that was given."""
        return tensor(values, device=self.device, requires_grad=requires_grad)

    def leaves(self, moved: int = -1, values: Any = None) -> list[Any]:
        """Fresh arguments for the function; input `moved` with other values."""
        args: list[Any] = []
        for i, point in enumerate(self.points):
            if i == moved:
                args.append(self.leaf(values, True))
            elif isinstance(point, np.ndarray):
                args.append(self.leaf(point, i in self.positions))
            else:
                args.append(point)
        return args

    def outputs(self, args: Sequence[Any]) -> list[Tensor]:
        """The function's float results."""
        result = self.fn(*args)
        parts = result if isinstance(result, (tuple, list)) else (result,)
        floats = [x for x in parts if isinstance(x, Tensor) and x.dtype.kind == "f"]
        if not floats:
            raise ValueError(
                f"gradcheck: the function must return a tensor of floats, got {result!r}"
            )
        return floats

    def values(self, moved: int = -1, values: Any = None) -> list[Any]:
        """The function's float results as arrays."""
        return [to_host(out.array).copy() for out in self.outputs(self.leaves(moved, values))]

    def run(
        self, eps: float, atol: float, rtol: float, raise_exception: bool, where: str
    ) -> GradcheckReport:
        base = self.values()
        again = self.values()
        if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(base, again, strict=True)):
            raise ValueError(
                f"{where}: the function gives two results for one input; seed what is random in it"
            )
        random = np.random.default_rng(self.seed)
        # Away from 0, where a wrong gradient would not show.
        self.upstream = [random.uniform(0.5, 1.5, a.shape) * _signs(random, a.shape) for a in base]
        self.base = base
        analytic = self.analytic(where)
        report = GradcheckReport()
        for position, gradient in zip(self.positions, analytic, strict=True):
            for index in np.ndindex(gradient.shape):
                self.compare(report, position, index, float(gradient[index]), eps, atol, rtol)
        if raise_exception and not report:
            raise GradcheckError(f"{where}: {report}")
        return report

    def analytic(self, where: str) -> list[Any]:
        """What backward passes give, as arrays; two passes must give the same."""
        args = self.leaves()
        wanted = [args[i] for i in self.positions]
        outs = self.outputs(args)
        upstream = [self.leaf(u, False) for u in self.upstream]
        pairs = [(out, u) for out, u in zip(outs, upstream, strict=True) if out.requires_grad]
        if not pairs:
            return [np.zeros(x.shape) for x in wanted]
        results = []
        for retain in (True, False):
            parts: tuple[Tensor | None, ...] = grad(
                [out for out, _ in pairs],
                wanted,
                [u for _, u in pairs],
                retain_graph=retain,
                allow_unused=True,
            )
            results.append([None if p is None else to_host(p.array) for p in parts])
        first, second = results
        after = [to_host(u.array) for u in upstream]
        if not all(np.array_equal(u, v) for u, v in zip(after, self.upstream, strict=True)):
            raise GradcheckError(f"{where}: a gate writes into the gradient that it is given")
        for position, x, a, b in zip(self.positions, wanted, first, second, strict=True):
            if a is not None and a.shape != x.shape:
                raise GradcheckError(
                    f"{where}: the gradient of input {position} has shape {a.shape}, the input "
                    f"{x.shape}"
                )
            if a is not None and b is not None and not np.array_equal(a, b, equal_nan=True):
                raise GradcheckError(
                    f"{where}: two backward passes give two gradients of input {position}; a gate "
                    "writes into what it saved"
                )
            if not np.array_equal(to_host(x.array), self.points[position], equal_nan=True):
                raise GradcheckError(f"{where}: input {position} was written to")
        return [np.zeros(x.shape) if a is None else a for x, a in zip(wanted, first, strict=True)]

    def compare(
        self,
        report: GradcheckReport,
        position: int,
        index: tuple[int, ...],
        analytic: float,
        eps: float,
        atol: float,
        rtol: float,
    ) -> None:
        """Put one element where it belongs in the report."""
        differences = self.differences(position, index, eps)
        numeric = differences.central
        distance = abs(analytic - numeric)
        size = max(abs(analytic), abs(numeric))
        error = distance / max(size, atol / rtol) if math.isfinite(distance) else math.inf
        mismatch = Mismatch(position, index, analytic, numeric, error)
        if distance <= atol + rtol * size + differences.roundoff:
            report.checked += 1
            report.worst = max(report.worst, error)
            return
        closer = self.differences(position, index, eps / 10)
        if not (math.isfinite(numeric) and math.isfinite(closer.central)):
            report.kinks.append(mismatch)  # the end of the domain: no difference can be taken
        elif abs(analytic - closer.central) <= atol + rtol * size + closer.roundoff:
            report.checked += 1  # a kink is within reach of the longer step alone
        elif distance <= 1.001 * max(
            differences.bend, abs(numeric - closer.central) - closer.roundoff
        ):
            report.kinks.append(mismatch)
        else:
            report.failures.append(mismatch)

    def differences(self, position: int, index: tuple[int, ...], eps: float) -> _Differences:
        """Differences of the weighted outputs along one element of one input."""
        point = self.points[position]
        step = eps * max(1.0, abs(float(point[index])))
        above, below = point.copy(), point.copy()
        above[index] += step
        below[index] -= step
        # What was really added: x + h has fewer digits than h.
        up, down = float(above[index] - point[index]), float(point[index] - below[index])
        after, before = self.values(position, above), self.values(position, below)
        central = bend = roundoff = 0.0
        with np.errstate(invalid="ignore", over="ignore"):
            for u, a, f, b in zip(self.upstream, after, self.base, before, strict=True):
                moved = (a != f) | (b != f)
                if not moved.any():
                    continue
                weight, a, f, b = u[moved], a[moved], f[moved], b[moved]
                right, left = (a - f) / up, (f - b) / down
                central += float((weight * (a - b) / (up + down)).sum())
                bend += float(np.abs(weight * (right - left)).sum()) / 2
                roundoff += float(np.abs(weight * (np.abs(a) + np.abs(b))).sum())
        return _Differences(central, bend, _ROUNDOFF * roundoff / (up + down))


class _Differences(NamedTuple):
    central: float
    bend: float  # how far the one-sided differences lie from it
    roundoff: float  # of the central one


def _zeros_like(x: Tensor) -> Tensor:
    return wrap(np.zeros_like(x.array))


def _point(x: Any) -> Any:
    """An input as a float64 array of its own; ints and bools keep their dtype."""
    array = to_host(x.array) if isinstance(x, Tensor) else x
    if not isinstance(array, (np.ndarray, np.generic)):
        return float(array) if isinstance(array, float) else array
    return np.array(array, dtype=np.float64 if array.dtype.kind == "f" else array.dtype)


def _in_float64(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function; a module as a copy of it in float64."""
    if hasattr(fn, "named_parameters") and hasattr(fn, "double"):
        module: Callable[..., Any] = copy.deepcopy(fn).double()
        return module
    return fn


def _signs(random: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return random.integers(0, 2, shape) * 2.0 - 1.0
