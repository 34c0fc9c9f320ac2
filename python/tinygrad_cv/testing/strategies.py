"""hypothesis strategies for arrays, shapes and the settings of convolutions and pools.

Cases are built forwards (kernel, stride, size of the result, then size of the input), so that no draw
is thrown away. Small arrays are drawn value by value and shrink; large ones come from a drawn seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_cv.optional import require

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypothesis import strategies as st
    from hypothesis.extra import numpy as st_numpy
else:
    st = require("hypothesis.strategies", extra="test")
    st_numpy = require("hypothesis.extra.numpy", extra="test")

__all__ = [
    "Conv2dCase",
    "Pool2dCase",
    "arrays",
    "broadcastable_shapes",
    "conv2d_settings",
    "pool2d_settings",
]

_VALUE_BY_VALUE = 12  # elements up to which an array is drawn so


class Conv2dCase(NamedTuple):
    """Arguments of a convolution: ``F.conv2d(case.input, case.weight, **case.settings)``."""

    input: Any  # (N, C, H, W)
    weight: Any  # (O, C / groups, KH, KW)
    settings: dict[str, Any]  # stride, padding, dilation, groups


class Pool2dCase(NamedTuple):
    """Arguments of a pooling: ``F.max_pool2d(case.input, **case.settings)``."""

    input: Any  # (N, C, H, W)
    settings: dict[str, Any]  # kernel_size, stride, padding, ceil_mode and what else the kind has


def arrays(
    shape: Any = None,
    *,
    dtype: Any = "float64",
    min_dims: int = 0,
    max_dims: int = 3,
    min_side: int = 0,
    max_side: int = 4,
    low: float = -10.0,
    high: float = 10.0,
    away_from: float | Sequence[float] = (),
    margin: float = 0.05,
    distinct: bool = False,
) -> st.SearchStrategy[np.ndarray[Any, Any]]:
    """NumPy arrays of finite numbers.

    Parameters
    ----------
    shape : int, tuple or strategy, optional
        Default: drawn within the four limits that follow.
    dtype : dtype
        A float or integer type; its range limits `low` and `high` too.
    min_dims, max_dims, min_side, max_side : int
        Limits of the number of dimensions and of each length. Zero-size arrays are drawn unless
        `min_side` forbids them.
    low, high : float
        Limits of the values.
    away_from : float or sequence of float
        Kinks: no value lies within `margin` of one of them.
    margin : float
        See `away_from`.
    distinct : bool
        All values differ clearly (by (high - low) / 2n for n of them), so that no maximum, sort or
        median is near a tie. Not together with `away_from`.

    Raises
    ------
    ValueError
        No number lies between the limits and away from the kinks, or options that exclude each
        other.

    Examples
    --------
    >>> from hypothesis import given
    >>> import tinygrad_cv as tg
    >>> @given(x=arrays(max_dims=2, away_from=0.0))
    ... def test_relu_gradient(x):
    ...     tg.testing.gradcheck(tg.relu, x)
    >>> test_relu_gradient()
    """
    if shape is None:
        shape = st_numpy.array_shapes(
            min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side
        )
    elif not isinstance(shape, st.SearchStrategy):
        shape = st.just((shape,) if isinstance(shape, int) else tuple(shape))
    kind = np.dtype(dtype)
    if kind.kind in "iu":
        low, high = max(low, np.iinfo(kind).min), min(high, np.iinfo(kind).max)
    kinks = sorted((away_from,) if isinstance(away_from, (int, float)) else away_from)
    if distinct and kinks:
        raise ValueError("arrays: distinct=True and away_from exclude each other")
    pieces = _pieces(low, high, kinks, margin)
    return _arrays(shape, kind, low, high, pieces, distinct)


def _pieces(
    low: float, high: float, kinks: Sequence[float], margin: float
) -> list[tuple[float, float]]:
    """The intervals between the kinks."""
    ends = [low, *(end for kink in kinks for end in (kink - margin, kink + margin)), high]
    pieces = [(a, b) for a, b in zip(ends[::2], ends[1::2], strict=True) if a <= b]
    if not pieces:
        raise ValueError(
            f"arrays: no number from {low} to {high} is {margin} away from {list(kinks)}"
        )
    return pieces


@st.composite
def _arrays(
    draw: Callable[[Any], Any],
    shapes: Any,
    dtype: np.dtype[Any],
    low: float,
    high: float,
    pieces: list[tuple[float, float]],
    distinct: bool,
) -> np.ndarray[Any, Any]:
    shape = draw(shapes)
    size = int(np.prod(shape))
    if distinct:
        return _distinct(draw, size, low, high).reshape(shape).astype(dtype)
    if size > _VALUE_BY_VALUE:
        return _seeded(draw, size, pieces, dtype).reshape(shape)
    if dtype.kind == "f":
        kinds = [st.floats(a, b, allow_subnormal=False) for a, b in pieces]
    else:
        kinds = [st.integers(int(np.ceil(a)), int(np.floor(b))) for a, b in pieces]
    values = draw(st.lists(st.one_of(kinds), min_size=size, max_size=size))
    return np.array(values, dtype=dtype).reshape(shape)


def _seeded(
    draw: Callable[[Any], Any], size: int, pieces: list[tuple[float, float]], dtype: np.dtype[Any]
) -> np.ndarray[Any, Any]:
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    chosen = random.integers(0, len(pieces), size)
    lows, highs = np.array(pieces, dtype=np.float64).T
    if dtype.kind == "f":
        return random.uniform(lows[chosen], highs[chosen]).astype(dtype)
    return random.integers(np.ceil(lows)[chosen], np.floor(highs)[chosen] + 1).astype(dtype)


def _distinct(
    draw: Callable[[Any], Any], size: int, low: float, high: float
) -> np.ndarray[Any, Any]:
    """Values in as many equal cells, each in the middle half of its own."""
    if size <= _VALUE_BY_VALUE:
        ranks = np.array(draw(st.permutations(range(size))), dtype=np.float64)
        inside = np.array(draw(st.lists(st.floats(0, 1), min_size=size, max_size=size)))
    else:
        random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        ranks, inside = random.permutation(size).astype(np.float64), random.random(size)
    return low + (ranks + 0.25 + 0.5 * inside) * ((high - low) / max(size, 1))


def broadcastable_shapes(
    count: int = 2,
    *,
    min_dims: int = 0,
    max_dims: int = 3,
    min_side: int = 0,
    max_side: int = 4,
) -> st.SearchStrategy[tuple[tuple[int, ...], ...]]:
    """Tuples of `count` shapes that broadcast against each other.

    Parameters
    ----------
    count : int
        How many shapes.
    min_dims, max_dims, min_side, max_side : int
        Limits of the number of dimensions and of each length.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(shapes=broadcastable_shapes())
    ... def test_shapes_broadcast(shapes):
    ...     a, b = shapes
    ...     assert len(np.broadcast_shapes(a, b)) == max(len(a), len(b))
    >>> test_shapes_broadcast()
    """
    drawn = st_numpy.mutually_broadcastable_shapes(
        num_shapes=count, min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side
    )
    return drawn.map(lambda shapes: shapes.input_shapes)


@st.composite
def conv2d_settings(
    draw: Callable[[Any], Any],
    *,
    dtype: Any = "float64",
    max_batch: int = 2,
    max_channels: int = 2,
    max_kernel: int = 3,
    max_stride: int = 3,
    max_dilation: int = 2,
    max_groups: int = 2,
    max_output: int = 3,
) -> Conv2dCase:
    """Arguments of `conv2d`: every stride, padding, dilation and groups, also an empty batch.

    Parameters
    ----------
    dtype : dtype
        Of input and weight.
    max_batch : int
        Images, from 0.
    max_channels : int
        Channels of a group, in and out, from 1.
    max_kernel, max_stride, max_dilation, max_groups : int
        From 1; rows and columns are drawn apart.
    max_output : int
        Rows and columns of the result, from 1. The input is as large as that asks for, or has a
        rest that no window reaches.

    Returns
    -------
    strategy of Conv2dCase
        With ``input``, ``weight`` and ``settings``, a dict of keyword arguments.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> import tinygrad_cv as tg
    >>> @settings(max_examples=5, deadline=None)
    ... @given(case=conv2d_settings(max_output=2))
    ... def test_conv2d_gradients(case):
    ...     conv = lambda x, w: tg.conv2d(x, w, **case.settings)
    ...     tg.testing.gradcheck(conv, (case.input, case.weight))
    >>> test_conv2d_gradients()
    """
    groups = draw(st.integers(1, max_groups))
    c, o = (draw(st.integers(1, max_channels)) for _ in range(2))
    sides = [
        draw(_side(max_kernel, max_stride, max_dilation, max_output, most_padding=2))
        for _ in range(2)
    ]
    kernel, stride, padding, dilation, size = zip(*sides, strict=True)
    batch = draw(st.integers(0, max_batch))
    x = draw(arrays((batch, c * groups, *size), dtype=dtype))
    w = draw(arrays((o * groups, c, *kernel), dtype=dtype))
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return Conv2dCase(x, w, settings)


@st.composite
def pool2d_settings(
    draw: Callable[[Any], Any],
    *,
    kind: str = "max",
    dtype: Any = "float64",
    max_batch: int = 2,
    max_channels: int = 2,
    max_kernel: int = 3,
    max_stride: int = 3,
    max_dilation: int = 2,
    max_output: int = 3,
) -> Pool2dCase:
    """Arguments of `max_pool2d` or `avg_pool2d`, windows that hang over the edge included.

    Parameters
    ----------
    kind : {"max", "avg"}
        "max" draws `dilation` and values without ties; "avg" `count_include_pad` and
        `divisor_override`.
    dtype : dtype
        Of the input.
    max_batch : int
        Images, from 0.
    max_channels, max_kernel, max_stride, max_dilation, max_output : int
        From 1, as `conv2d_settings`.

    Returns
    -------
    strategy of Pool2dCase
        With ``input`` and ``settings``, a dict of keyword arguments.

    Raises
    ------
    ValueError
        Another kind.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> import tinygrad_cv as tg
    >>> @settings(max_examples=5, deadline=None)
    ... @given(case=pool2d_settings(kind="avg", max_output=2))
    ... def test_avg_pool2d_gradient(case):
    ...     pool = lambda x: tg.functional.avg_pool2d(x, **case.settings)
    ...     tg.testing.gradcheck(pool, case.input)
    >>> test_avg_pool2d_gradient()
    """
    if kind not in ("max", "avg"):
        raise ValueError(f"pool2d_settings: kind must be 'max' or 'avg', got {kind!r}")
    largest = max_dilation if kind == "max" else 1
    sides = [
        draw(_side(max_kernel, max_stride, largest, max_output, most_padding=None))
        for _ in range(2)
    ]
    kernel, stride, padding, dilation, size = zip(*sides, strict=True)
    shape = (draw(st.integers(0, max_batch)), draw(st.integers(1, max_channels)), *size)
    settings: dict[str, Any] = {
        "kernel_size": kernel,
        "stride": stride,
        "padding": padding,
        "ceil_mode": draw(st.booleans()),
    }
    if kind == "max":
        settings["dilation"] = dilation
    else:
        settings["count_include_pad"] = draw(st.booleans())
        settings["divisor_override"] = draw(st.sampled_from([None, 1, 3]))
    return Pool2dCase(draw(arrays(shape, dtype=dtype, distinct=kind == "max")), settings)


@st.composite
def _side(
    draw: Callable[[Any], Any],
    max_kernel: int,
    max_stride: int,
    max_dilation: int,
    max_output: int,
    most_padding: int | None,
) -> tuple[int, int, int, int, int]:
    """Kernel, stride, padding, dilation and input length of one side of an image.

    Without `most_padding` it is half the kernel, as for pools, and less where a dilated window would
    see nothing but padding.
    """
    kernel = draw(st.integers(1, max_kernel))
    stride = draw(st.integers(1, max_stride))
    dilation = draw(st.integers(1, max_dilation))
    rest = draw(st.integers(0, stride - 1))  # columns that no window reaches
    padded = (draw(st.integers(1, max_output)) - 1) * stride + dilation * (kernel - 1) + 1 + rest
    if most_padding is None:
        most = min(kernel // 2, max((padded - dilation) // 2, 0))
    else:
        most = min(most_padding, (padded - 1) // 2)
    padding = draw(st.integers(0, most))
    return kernel, stride, padding, dilation, padded - 2 * padding
