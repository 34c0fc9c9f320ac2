"""Sums of products by index letters. Pairs of operands are contracted by matrix products.

A tensor together with one label for each of its dimensions is a term. Labels are letters; those of an
ellipsis are numbers counted from the right, so that they broadcast.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_cv.functional.methods import require_float
from tinygrad_cv.functional.operands import same_dtype
from tinygrad_cv.gates.arithmetic import Mul
from tinygrad_cv.gates.broadcast import Expand
from tinygrad_cv.gates.diagonal import Diagonal
from tinygrad_cv.gates.matmul import Matmul
from tinygrad_cv.gates.reduction import Sum
from tinygrad_cv.gates.shape import Permute, Reshape

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor

Label = Any  # a letter, or an int for a dimension of an ellipsis


class Term(NamedTuple):
    """A tensor and the label of each of its dimensions."""

    x: Tensor
    labels: tuple[Label, ...]


def einsum(equation: str, *operands: Any) -> Tensor:
    """The sum over all labels that the output does not name of the products of the operands.

    Parameters
    ----------
    equation : str
        One letter per dimension, operands divided by commas, then "->" and the output's letters:
        ``"bik,bkj->bij"``. An ellipsis stands for any further dimensions, which broadcast. A letter
        twice in one operand takes its diagonal. Without "->" the output has the ellipsis and then
        the letters that occur once, in alphabetical order.
    operands : Tensor
        Floats; lengths of 1 broadcast.

    Raises
    ------
    ValueError
        An equation that cannot be read, or that does not fit the operands.
    TypeError
        Integers: use ``.float()``.

    Notes
    -----
    Of three and more operands the pair whose product saves most memory is contracted first.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> tg.einsum("ij,j->i", tg.tensor([[1.0, 2.0], [3.0, 4.0]]), tg.tensor([1.0, 10.0]))
    tensor([21., 43.])
    """
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    require_float("einsum", *operands)
    tensors = same_dtype("einsum", *operands)
    terms, output = _read(equation, tensors)
    _check_lengths(equation, terms)
    terms = [_without_repeats(term) for term in terms]
    while len(terms) > 1:
        first, second = _best_pair(terms, output)
        rest = [term for term in terms if term is not first and term is not second]
        kept = set(output).union(*(term.labels for term in rest))
        terms = [*rest, _contract(first, second, kept)]
    return _ordered(_summed(terms[0], set(output)), output).x


def _read(equation: str, tensors: list[Tensor]) -> tuple[list[Term], tuple[Label, ...]]:
    """The terms of an equation and the labels of its output."""
    text = equation.replace(" ", "")
    inputs, arrow, output = text.partition("->")
    parts = inputs.split(",")
    if not tensors or len(parts) != len(tensors):
        raise ValueError(f"einsum: {equation!r} names {len(parts)} operands, got {len(tensors)}")
    terms = [Term(x, _labels(equation, part, x)) for part, x in zip(parts, tensors, strict=True)]
    counts = Counter(label for term in terms for label in term.labels)
    dots = sorted(label for label in counts if isinstance(label, int))
    if not arrow:
        once = sorted(k for k, n in counts.items() if n == 1 and not isinstance(k, int))
        return terms, (*dots, *once)
    before, ellipsis, after = output.partition("...")
    wanted = (*before, *(dots if ellipsis else ()), *after)
    for label, count in Counter(wanted).items():
        if label not in counts:
            raise ValueError(f"einsum: {equation!r}: output letter {label!r} is in no operand")
        if count > 1:
            raise ValueError(f"einsum: {equation!r}: output letter {label!r} occurs twice")
    return terms, wanted


def _labels(equation: str, part: str, x: Tensor) -> tuple[Label, ...]:
    before, ellipsis, after = part.partition("...")
    letters = before + after
    if not all(c.isascii() and c.isalpha() for c in letters):
        raise ValueError(f"einsum: {equation!r}: {part!r} must be letters and at most one '...'")
    extra = x.ndim - len(letters)
    if extra < 0 or (extra and not ellipsis):
        raise ValueError(
            f"einsum: {equation!r}: {part!r} names {len(letters)} dimensions but the operand has "
            f"shape {x.shape}"
        )
    return (*before, *range(-extra, 0), *after)


def _check_lengths(equation: str, terms: list[Term]) -> None:
    seen: dict[Label, int] = {}
    for x, labels in terms:
        for label, length in zip(labels, x.shape, strict=True):
            other = seen.get(label, 1)
            if 1 not in (other, length) and other != length:
                name = "an ellipsis" if isinstance(label, int) else repr(label)
                raise ValueError(
                    f"einsum: {equation!r}: {name} has length {length} in {x.shape} but {other} "
                    "before"
                )
            seen[label] = length if other == 1 else other


def _without_repeats(term: Term) -> Term:
    """A letter twice in one operand: its diagonal."""
    x, labels = term
    while len(set(labels)) < len(labels):
        label = next(k for k, n in Counter(labels).items() if n > 1)
        i = labels.index(label)
        j = labels.index(label, i + 1)
        x = Diagonal(0, (i, j))(x)
        labels = (*labels[:i], *labels[i + 1 : j], *labels[j + 1 :], label)
    return Term(x, labels)


def _sizes(*terms: Term) -> dict[Label, int]:
    sizes: dict[Label, int] = {}
    for x, labels in terms:
        for label, length in zip(labels, x.shape, strict=True):
            sizes[label] = length if sizes.get(label, 1) == 1 else sizes[label]
    return sizes


def _best_pair(terms: list[Term], output: tuple[Label, ...]) -> tuple[Term, Term]:
    """The pair whose product is smallest, compared with the two that it replaces."""

    def growth(pair: tuple[Term, Term]) -> int:
        others = [t for t in terms if t is not pair[0] and t is not pair[1]]
        kept = set(output).union(*(t.labels for t in others))
        result = math.prod([n for label, n in _sizes(*pair).items() if label in kept])
        return result - sum(math.prod(t.x.shape) for t in pair)

    return min(itertools.combinations(terms, 2), key=growth)


def _summed(term: Term, kept: set[Label]) -> Term:
    """Summed over the labels that are not kept."""
    axes = tuple([i for i, label in enumerate(term.labels) if label not in kept])
    if not axes:
        return term
    return Term(Sum(axes)(term.x), tuple([label for label in term.labels if label in kept]))


def _ordered(term: Term, labels: tuple[Label, ...]) -> Term:
    if term.labels == labels:
        return term
    return Term(Permute(tuple([term.labels.index(label) for label in labels]))(term.x), labels)


def _contract(a: Term, b: Term, kept: set[Label]) -> Term:
    """The product of two terms, summed over what both have and nobody needs afterwards."""
    a = _summed(a, kept | set(b.labels))
    b = _summed(b, kept | set(a.labels))
    shared = [label for label in a.labels if label in b.labels]
    batch = tuple([label for label in shared if label in kept])
    inner = tuple([label for label in shared if label not in kept])
    rows = tuple([label for label in a.labels if label not in shared])
    columns = tuple([label for label in b.labels if label not in shared])
    a, b = _ordered(a, batch + rows + inner), _ordered(b, batch + inner + columns)
    sizes = _sizes(a, b)
    x = _grouped(a, batch, rows, inner, sizes)
    y = _grouped(b, batch, inner, columns, sizes)
    out = Matmul()(x, y) if inner else Mul()(x, y)
    labels = batch + rows + columns
    return Term(Reshape(tuple([sizes[label] for label in labels]))(out), labels)


def _grouped(
    term: Term,
    batch: tuple[Label, ...],
    rows: tuple[Label, ...],
    columns: tuple[Label, ...],
    sizes: dict[Label, int],
) -> Tensor:
    """The tensor as a batch of matrices, lengths of 1 expanded where the other operand has more."""
    x = term.x
    full = (*x.shape[: len(batch)], *(sizes[label] for label in rows + columns))
    if x.shape != full:
        x = Expand(full)(x)
    matrix = [math.prod([sizes[label] for label in group]) for group in (rows, columns)]
    return Reshape((*full[: len(batch)], *matrix))(x)
