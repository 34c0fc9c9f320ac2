"""How arguments to check an operation's derivatives at are drawn; `operations` says which has which.

A sampler is a function of hypothesis' `draw` and the operation; it gives a `Sample`. Values keep
away from kinks, whose subgradients have tests of their own, and come in several memory layouts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_cv import functional
from tinygrad_cv.engine import Generator, tensor
from tinygrad_cv.optional import require
from tinygrad_cv.testing.strategies import (
    arrays,
    broadcastable_shapes,
    conv2d_settings,
    pool2d_settings,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis import strategies as st

    Draw = Callable[[Any], Any]
    Fn = Callable[..., Any]
    Sampler = Callable[[Draw, Fn], "Sample"]
else:
    st = require("hypothesis.strategies", extra="test")


class Sample(NamedTuple):
    """A function of tensors, and a point to differentiate it at."""

    call: Any
    inputs: tuple[Any, ...]


def beside(x: Any, constant: Any) -> Any:
    """A sample's constant with tensors on the device of x in the place of its arrays."""
    if isinstance(constant, tuple):
        return tuple([beside(x, part) for part in constant])
    return tensor(constant, device=x.device) if isinstance(constant, np.ndarray) else constant


SMALL: dict[str, Any] = {"max_dims": 2, "max_side": 3}  # a check costs the square of the size


# Layouts: the same values, otherwise placed in memory.


def _backwards(x: Any) -> Any:
    return functional.flip(x, 0)[::-1] if x.ndim else x  # a negative stride


def _columns_first(x: Any) -> Any:
    return x.T.contiguous().T


def _with_gaps(x: Any) -> Any:
    return functional.stack([x, x], -1)[..., 0]


def layouts() -> Any:
    """Functions that leave a tensor's values as they are and change where they lie."""
    return st.sampled_from([lambda x: x, _backwards, _columns_first, _with_gaps])


# Builders


def unary(settings: Any = None, **limits: Any) -> Sampler:
    """One array of any shape; `settings` maps names of further arguments to strategies."""

    def sample(draw: Draw, fn: Fn) -> Sample:
        x = draw(arrays(**{**SMALL, **limits}))
        layout, options = draw(layouts()), _options(draw, settings)
        return Sample(lambda x: fn(layout(x), **options), (x,))

    return sample


def _options(draw: Draw, settings: Any) -> dict[str, Any]:
    return {name: draw(values) for name, values in (settings or {}).items()}


def broadcast(*limits: dict[str, Any], settings: Any = None, distinct: bool = False) -> Sampler:
    """As many arrays as `limits`, which broadcast; with `distinct` no two values are near."""

    def sample(draw: Draw, fn: Fn) -> Sample:
        shapes = draw(broadcastable_shapes(len(limits), **SMALL))
        if distinct:
            inputs = _apart(draw, shapes)
        else:
            inputs = tuple(
                draw(arrays(shape, **limit)) for shape, limit in zip(shapes, limits, strict=True)
            )
        layout, options = draw(layouts()), _options(draw, settings)
        return Sample(lambda first, *others: fn(layout(first), *others, **options), inputs)

    return sample


def _apart(draw: Draw, shapes: Any) -> tuple[Any, ...]:
    """Arrays of these shapes among whose values no two are near."""
    sizes = [int(np.prod(shape)) for shape in shapes]
    values = draw(arrays(sum(sizes), distinct=True))
    parts = np.split(values, np.cumsum(sizes)[:-1])
    return tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))


def along(
    settings: Any = None, *, several: bool = False, keepdim: bool = True, **limits: Any
) -> Sampler:
    """One array and a dimension of it, or several, or none where that is allowed."""

    def sample(draw: Draw, fn: Fn) -> Sample:
        x = draw(arrays(**{"min_dims": 1, "min_side": 1, **SMALL, **limits}))
        options = _options(draw, settings)
        dims = st.integers(-x.ndim, x.ndim - 1)
        options["dim"] = draw(dims | st.none() | st.just(tuple(range(x.ndim))) if several else dims)
        if keepdim:
            options["keepdim"] = draw(st.booleans())
        layout = draw(layouts())
        return Sample(lambda x: fn(layout(x), **options), (x,))

    return sample


def shapes(*choices: Any, settings: Any = None, distinct: bool = False, **limits: Any) -> Sampler:
    """Arrays of one of the given lists of shapes."""

    def sample(draw: Draw, fn: Fn) -> Sample:
        chosen = draw(st.sampled_from(choices))
        if distinct:
            inputs = _apart(draw, chosen)
        else:
            inputs = tuple(draw(arrays(s, **{"low": -3, "high": 3, **limits})) for s in chosen)
        layout, options = draw(layouts()), _options(draw, settings)
        return Sample(lambda first, *others: fn(layout(first), *others, **options), inputs)

    return sample


def listed() -> Sampler:
    """Two or three arrays of one shape, which the operation takes as a list."""

    def sample(draw: Draw, fn: Fn) -> Sample:
        shape = draw(st.sampled_from([(2,), (2, 1), (0, 2), (2, 3)]))
        inputs = tuple(draw(arrays(shape)) for _ in range(draw(st.integers(1, 3))))
        dim = draw(st.integers(-len(shape), len(shape) - 1))
        return Sample(lambda *tensors: fn(tensors, dim=dim), inputs)

    return sample


def stacked(draw: Draw, fn: Fn) -> Sample:
    """Two or three arrays of one shape as a list, and nothing else."""
    shape = draw(st.sampled_from([(), (2,), (2, 3), (0, 2)]))
    inputs = tuple(draw(arrays(shape)) for _ in range(draw(st.integers(1, 3))))
    return Sample(lambda *tensors: fn(tensors), inputs)


def limited(draw: Draw, fn: Fn) -> Sample:
    """An array, and limits that are numbers or arrays themselves."""
    if draw(st.booleans()):
        return Sample(lambda x, low, high: fn(x, low, high), _apart(draw, [(2, 3), (3,), (2, 1)]))
    low, high = draw(st.sampled_from([(-2.0, None), (None, 3.0), (-2.0, 3.0)]))
    return Sample(lambda x: fn(x, low, high), (draw(arrays(**SMALL, away_from=(-2, 3))),))


def calls(shape: Any, *choices: Any, **limits: Any) -> Sampler:
    """One array of a shape, and one of the given tuples of positional arguments."""

    def sample(draw: Draw, fn: Fn) -> Sample:
        args, layout = draw(st.sampled_from(choices)), draw(layouts())
        return Sample(lambda x: fn(layout(x), *args), (draw(arrays(shape, **limits)),))

    return sample


# What needs more than that


def _indices(draw: Draw, shape: Any, high: int) -> Any:
    return draw(arrays(shape, dtype="int64", low=0, high=high - 1))


def gathered(draw: Draw, fn: Fn) -> Sample:
    """x (3, 2) and indices that may name an element several times."""
    x, dim = draw(arrays((3, 2))), draw(st.integers(0, 1))
    index = _indices(draw, (2, 2), x.shape[dim])
    return Sample(lambda x: fn(x, dim, beside(x, index)), (x,))


def taken_along(draw: Draw, fn: Fn) -> Sample:
    """As `gathered`, in the order of take_along_dim."""
    index = _indices(draw, (4, 2), 3)
    return Sample(lambda x: fn(x, beside(x, index), 0), (draw(arrays((3, 2))),))


def taken(draw: Draw, fn: Fn) -> Sample:
    """x (3, 2) and places in row order."""
    index = _indices(draw, (2, 3), 6)
    return Sample(lambda x: fn(x, beside(x, index)), (draw(arrays((3, 2))),))


def selected(draw: Draw, fn: Fn) -> Sample:
    """x (3, 2) and slices that may be named several times."""
    dim = draw(st.integers(0, 1))
    index = _indices(draw, (4,), 3 - dim)
    return Sample(lambda x: fn(x, dim, beside(x, index)), (draw(arrays((3, 2))),))


def scattered(distinct: bool) -> Sampler:
    """x (3, 2), a source, and where it goes: each place at most once if `distinct`."""

    def sample(draw: Draw, fn: Fn) -> Sample:
        if distinct:
            index = np.stack([draw(st.permutations(range(3)))[:2] for _ in range(2)], axis=1)
        else:
            index = _indices(draw, (2, 2), 3)
        inputs = draw(arrays((3, 2))), draw(arrays((2, 2)))
        return Sample(lambda x, source: fn(x, 0, beside(x, index), source), inputs)

    return sample


def slices_put(distinct: bool) -> Sampler:
    """x (3, 2) and slices of a source that go to it along dimension 0."""

    def sample(draw: Draw, fn: Fn) -> Sample:
        if distinct:
            index = np.array(draw(st.permutations(range(3)))[:2])
        else:
            index = _indices(draw, (2,), 3)
        inputs = draw(arrays((3, 2))), draw(arrays((2, 2)))
        return Sample(lambda x, source: fn(x, 0, beside(x, index), source), inputs)

    return sample


def filled(draw: Draw, fn: Fn) -> Sample:
    """x (3, 2) and slices that get one number."""
    index = _indices(draw, (2,), 3)
    return Sample(lambda x: fn(x, 0, beside(x, index), 2.5), (draw(arrays((3, 2))),))


def _mask(draw: Draw, shape: Any) -> Any:
    return draw(arrays(shape, dtype="int64", low=0, high=1)).astype(bool)


def masked(*args: Any) -> Sampler:
    """One array, a mask that broadcasts, and what follows it."""

    def sample(draw: Draw, fn: Fn) -> Sample:
        x_shape, mask_shape = draw(st.sampled_from([((2, 3), (2, 3)), ((2, 3), (3,)), ((), ())]))
        mask = _mask(draw, mask_shape)
        return Sample(lambda x: fn(x, beside(x, mask), *args), (draw(arrays(x_shape)),))

    return sample


def chosen(draw: Draw, fn: Fn) -> Sample:
    """Two arrays that broadcast with a condition."""
    shape, a, b = draw(broadcastable_shapes(3, **SMALL))
    mask = _mask(draw, shape)
    return Sample(lambda x, y: fn(beside(x, mask), x, y), (draw(arrays(a)), draw(arrays(b))))


def indexed(draw: Draw, fn: Fn) -> Sample:
    """Basic and advanced indices, elements named several times among them."""
    ints, mask = _indices(draw, (4,), 3), _mask(draw, (3,))
    key = draw(
        st.sampled_from(
            [
                1,
                (slice(None, None, -2),),
                (Ellipsis, None, 0),
                (slice(1, None), slice(0, 1)),
                (ints,),
                (mask,),
                (ints, ints % 2),
                (slice(None), [0, 0, 1]),
                (None, ints, slice(None, None, -1)),
            ]
        )
    )
    return Sample(lambda x: fn(x, beside(x, key)), (draw(arrays((3, 2))),))


def assigned(draw: Draw, fn: Fn) -> Sample:
    """Values written over elements of a copy, each at most once."""
    key, shape = draw(
        st.sampled_from(
            [
                (1, (2,)),
                (slice(None, None, 2), (2, 2)),
                ((Ellipsis, 0), ()),
                (np.array([2, 0]), (2, 2)),
                ((slice(1, None), slice(0, 1)), (2, 1)),
            ]
        )
    )

    def call(x: Any, value: Any) -> Any:
        y = x.clone()
        fn(y, beside(y, key), value)
        return y

    return Sample(call, (draw(arrays((3, 2))), draw(arrays(shape))))


def viewed(draw: Draw, fn: Fn) -> Sample:
    """Another shape, in the memory's order."""
    size = draw(st.sampled_from([(6,), (-1, 2), (1, 3, 2)]))
    return Sample(lambda x: fn(x, *size), (draw(arrays((2, 3))),))


def einsum(draw: Draw, fn: Fn) -> Sample:
    """Sums of products in the forms that are used."""
    equation, *sizes = draw(
        st.sampled_from(
            [
                ("ij,jk->ik", (2, 3), (3, 2)),
                ("ij,ij", (2, 2), (2, 2)),
                ("bij,bjk->bik", (2, 1, 2), (2, 2, 3)),
                ("ii->i", (3, 3)),
                ("i,j,k->kji", (2,), (1,), (2,)),
                ("...i,...i->...", (2, 2), (2,)),
            ]
        )
    )
    inputs = tuple(draw(arrays(size, low=-3, high=3)) for size in sizes)
    return Sample(lambda *tensors: fn(equation, *tensors), inputs)


def convolution(draw: Draw, fn: Fn) -> Sample:
    """Images and kernels, with or without a bias."""
    case = draw(conv2d_settings(max_output=2, max_kernel=2, max_batch=1))
    inputs = [case.input, case.weight]
    if draw(st.booleans()):
        inputs.append(draw(arrays(len(case.weight))))
    return Sample(lambda *tensors: fn(*tensors, **case.settings), tuple(inputs))


def pool(kind: str) -> Sampler:
    """Images and the settings of a pooling."""

    def sample(draw: Draw, fn: Fn) -> Sample:
        case = draw(pool2d_settings(kind=kind, max_output=2, max_channels=1, max_batch=1))
        return Sample(lambda x: fn(x, **case.settings), (case.input,))

    return sample


def labelled(draw: Draw, fn: Fn) -> Sample:
    """Scores, labels (one ignored) or probabilities, and the options of cross_entropy."""
    rows = draw(st.integers(1, 3))
    scores = draw(arrays((rows, 3)))
    labels = _indices(draw, (rows,), 3)
    labels[0] = draw(st.sampled_from([labels[0], -100])) if rows > 1 else labels[0]
    options = {
        "reduction": draw(st.sampled_from(["mean", "sum", "none"])),
        "label_smoothing": draw(st.sampled_from([0.0, 0.2])),
    }
    weight = draw(st.sampled_from([None, np.array([0.5, 1.0, 2.0])]))
    if draw(st.booleans()):
        probabilities = draw(arrays((rows, 3), low=0.05, high=0.95))
        inputs = scores, probabilities
        return Sample(lambda x, t: fn(x, t, beside(x, weight), **options), inputs)
    return Sample(lambda x: fn(x, beside(x, labels), beside(x, weight), **options), (scores,))


def dropped(draw: Draw, fn: Fn) -> Sample:
    """Dropout with a seed."""
    seed, p = draw(st.integers(0, 9)), draw(st.sampled_from([0.0, 0.3, 1.0]))
    x = draw(arrays(**SMALL))
    return Sample(lambda x: fn(x, p, generator=Generator(seed)), (x,))


def distances(draw: Draw, fn: Fn) -> Sample:
    """Rows in general position: no two differences of numbers are equal either."""
    drawn = _apart(draw, draw(st.sampled_from([((2, 3), (1, 3)), ((2, 2, 1), (2, 3, 1))])))
    inputs = tuple(
        x + 0.01 * np.sin((np.arange(x.size) + 10 * i) ** 2).reshape(x.shape)
        for i, x in enumerate(drawn)
    )
    p = draw(st.sampled_from([1.0, 1.5, 2.0, 3.0, float("inf")]))
    return Sample(lambda x, y: fn(x, y, p=p), inputs)


def padded(draw: Draw, fn: Fn) -> Sample:
    """Frames of every mode; negative ones crop."""
    mode, pad = draw(
        st.sampled_from(
            [
                ("constant", (1, 2)),
                ("constant", (0, -1, 2, 1)),
                ("reflect", (1, 2, 0, 1)),
                ("replicate", (2, 1, 0, 1)),
                ("circular", (1, 1, 2, 0)),
            ]
        )
    )
    return Sample(lambda x: fn(x, pad, mode), (draw(arrays((1, 2, 2, 3))),))
