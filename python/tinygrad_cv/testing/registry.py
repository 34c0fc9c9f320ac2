"""The built-in operations and the check of their derivatives, as ``tinygrad-cv gradcheck`` runs it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_cv import functional, linalg
from tinygrad_cv.engine.tensor import Tensor
from tinygrad_cv.optional import require
from tinygrad_cv.testing.gradients import GradcheckError, GradcheckReport, gradcheck, gradgradcheck
from tinygrad_cv.testing.operations import NOT_DIFFERENTIABLE, SAMPLERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import hypothesis
    from hypothesis import strategies as st

    from tinygrad_cv.testing.samples import Sample
else:
    hypothesis = require("hypothesis", extra="test")
    st = require("hypothesis.strategies", extra="test")

__all__ = ["NOT_DIFFERENTIABLE", "OPS", "Row", "run", "samples"]

# Names of the operations that `run` knows: functions, and methods that are no functions.
OPS = tuple(sorted(SAMPLERS))


class Row(NamedTuple):
    """What `run` found out about one operation."""

    op: str
    samples: int  # drawn inputs
    elements: int  # derivatives that were compared, of first and second order
    kinks: int  # elements left out, see GradcheckReport.kinks
    first: float  # the worst relative error to first order
    second: float  # to second order
    error: str | None  # what went wrong; None: all is well


def implementation(op: str) -> Any:
    """The function of a name: of `functional`, of `linalg`, or a method or property of `Tensor`."""
    place, _, name = op.rpartition(".")
    if place == "linalg":
        return getattr(linalg, name)
    found = getattr(functional, op, None) or getattr(Tensor, name)
    return found.fget if isinstance(found, property) else found


def samples(op: str) -> st.SearchStrategy[Sample]:
    """Functions and points at which to check an operation's derivatives."""
    function = implementation(op)

    def draw_sample(draw: Any) -> Sample:
        return SAMPLERS[op](draw, function)

    return st.composite(draw_sample)()


def run(names: Sequence[str] = (), *, examples: int = 20, seed: int = 0) -> Iterator[Row]:
    """Check first and second derivatives of built-in operations on drawn inputs.

    An operation that fails, be it with an error of its own, is a row that says so; the others go on.

    Parameters
    ----------
    names : sequence of str
        Names from `OPS`; default: all.
    examples : int
        Inputs drawn for each.
    seed : int
        Of the draws: the same seed gives the same.

    Returns
    -------
    iterator of Row
        A row for each operation, as soon as it is checked.

    Raises
    ------
    ValueError
        A name that is not in `OPS`.

    Examples
    --------
    >>> [row] = run(["exp"], examples=5)
    >>> row.op, row.error
    ('exp', None)
    """
    for name in names:
        if name not in SAMPLERS:
            near = difflib.get_close_matches(name, OPS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"gradcheck: no differentiable operation is called {name!r}{hint}")
    return (_checked(name, examples, seed) for name in names or OPS)


def _checked(name: str, examples: int, seed: int) -> Row:
    first: list[GradcheckReport] = []
    second: list[GradcheckReport] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        report_multiple_bugs=False,
    )
    @hypothesis.given(sample=samples(name))
    def check(sample: Sample) -> None:
        first.append(gradcheck(sample.call, sample.inputs))
        second.append(gradgradcheck(sample.call, sample.inputs))

    error = None
    try:
        check()
    except GradcheckError as found:
        error = str(found)
    except Exception as found:  # whatever it is, it is what was to be found out
        error = f"{type(found).__name__}: {found}"
    else:
        for order, of_order in (("first", first), ("second", second)):
            if not any(report.checked for report in of_order):
                error = f"nothing was compared to {order} order: every element lies at a kink"
                break
    reports = first + second
    return Row(
        name,
        len(first),
        sum(r.checked for r in reports),
        sum(len(r.kinks) for r in reports),
        max((r.worst for r in first), default=0.0),
        max((r.worst for r in second), default=0.0),
        error,
    )
