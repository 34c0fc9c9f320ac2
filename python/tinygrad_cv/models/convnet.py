"""Convolutional networks from a pattern, checked against the rules of the art."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_cv import nn
from tinygrad_cv.models import pattern as patterns
from tinygrad_cv.models.start import start_as_he

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tinygrad_cv.engine.random import Generator
    from tinygrad_cv.models.pattern import Step

    PerBlock = int | Sequence[int]

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "RELU": nn.ReLU,
    "LEAKYRELU": nn.LeakyReLU,
    "ELU": nn.ELU,
    "SIGMOID": nn.Sigmoid,
    "TANH": nn.Tanh,
}


class ConvNet(nn.Sequential):
    """A network that was made from a pattern by `convnet`; its layers are conv1, relu1, pool1, …"""

    def __init__(self, layers: dict[str, nn.Module], pattern: str) -> None:
        super().__init__(layers)
        self._pattern = pattern

    def pattern(self) -> str:
        """The pattern that the network was made from."""
        return self._pattern


def convnet(
    pattern: str,
    input_shape: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    filters: PerBlock | None = None,
    *,
    kernel_size: PerBlock = 3,
    stride: PerBlock = 1,
    padding: PerBlock | None = None,
    pool: bool | Sequence[bool] = True,
    pool_size: int = 2,
    pool_stride: int | None = None,
    hidden: PerBlock = 128,
    dropout: float = 0.5,
    fit: str = "strict",
    N: int | None = None,
    M: int | None = None,
    K: int | None = None,
    generator: Generator | None = None,
) -> ConvNet:
    """A ConvNet as the texts write it: ``INPUT -> [[CONV -> RELU]*N -> POOL?]*M -> [FC -> RELU]*K -> FC``.

    Arguments that may have one value per block take an int for all of them, or a sequence. A block
    is one repetition of an outermost bracket with a CONV in it, or a CONV outside of brackets with
    what follows it.

    Parameters
    ----------
    pattern : str
        INPUT, CONV, BN (batch normalisation), RELU (or LEAKYRELU, ELU, SIGMOID, TANH), POOL,
        DROPOUT and FC, with ``->`` or ``=>`` between them; brackets with ``*3`` or ``*N`` repeat,
        ``*0`` leaves out.
    input_shape : (channels, rows, columns)
    classes : int
        Outputs of the last FC.
    filters : int or sequence, optional
        Output channels of the CONVs, per block; default 32, and twice as many in each further.
    kernel_size, stride : int or sequence
        Of the CONVs, per block.
    padding : int or sequence, optional
        Of the CONVs, per block; default (kernel_size - 1) / 2, which keeps the size.
    pool : bool or sequence
        Whether ``POOL?`` is there, per block.
    pool_size, pool_stride : int
        Of the POOLs, which take the maximum; the stride is the size by default.
    hidden : int or sequence
        Outputs of the FCs before the last, for each.
    dropout : float
        Probability to drop of the DROPOUTs.
    fit : {"strict", "floor"}
        "strict": every (W - F + 2P)/S + 1 must be whole. "floor": it is rounded down, as PyTorch
        does; the last rows and columns are then not seen.
    N, M, K : int, optional
        What the letters in the pattern stand for; may be 0.
    generator : Generator, optional
        Draws the starting values: He's normal distribution for weights; biases are zero.

    Returns
    -------
    ConvNet
        A `Sequential` whose ``pattern()`` gives the pattern back.

    Raises
    ------
    ValueError
        A mistake in the pattern (the message says where), a layer that does not fit (it says which,
        with the formula filled in), or a sequence of the wrong length.

    Warns
    -----
    UserWarning
        For each departure from the rules of thumb: an input that can be halved as often as it is
        pooled, CONVs of 3x3 to 5x5 with stride 1 that keep the size, POOLs of 2x2 with stride 2.

    References
    ----------
    CS231n notes, "Convolutional networks", sections on layer patterns and layer sizing patterns.

    Examples
    --------
    >>> net = convnet("INPUT -> [CONV -> RELU -> POOL]*2 -> FC", (1, 28, 28), filters=(8, 16))
    >>> net
    ConvNet(
      (conv1): Conv2d(1, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
      (relu1): ReLU()
      (pool1): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
      (conv2): Conv2d(8, 16, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
      (relu2): ReLU()
      (pool2): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
      (flatten): Flatten(start_dim=1, end_dim=-1)
      (fc1): Linear(in_features=784, out_features=10, bias=True)
    )
    """
    if fit not in ("strict", "floor"):
        raise ValueError(f"convnet: fit must be 'strict' or 'floor', got {fit!r}")
    steps = patterns.parse(pattern, {"N": N, "M": M, "K": K})
    _check_order(pattern, steps)
    blocks = 1 + max((step.block for step in steps if step.layer.word == "CONV"), default=-1)
    kernels = _per("kernel_size", kernel_size, blocks, "block")
    frames = (
        [(k - 1) // 2 for k in kernels]
        if padding is None
        else _per("padding", padding, blocks, "block")
    )
    conv_sizes = zip(kernels, _per("stride", stride, blocks, "block"), frames, strict=True)
    pooled = _per("pool", pool, max(blocks, 1), "block")
    steps = [step for step in steps if not step.layer.optional or pooled[step.block]]
    builder = _Builder(
        pattern,
        input_shape,
        _filters(filters, blocks),
        [_Window(*sizes) for sizes in conv_sizes],
        _Window(pool_size, pool_size if pool_stride is None else pool_stride, 0),
        [*_per("hidden", hidden, _count(steps, "FC") - 1, "hidden FC"), classes],
        dropout,
        fit == "floor",
        generator,
    )
    for step in steps:
        builder.add(step)
    _warn_of_departures(builder, input_shape, _count(steps, "POOL"))
    net = ConvNet(builder.layers, pattern)
    start_as_he(net, generator)
    return net


class _Window(NamedTuple):
    """How a kernel slides."""

    size: int
    stride: int
    padding: int


def _count(steps: list[Step], word: str) -> int:
    return sum(step.layer.word == word for step in steps)


def _filters(filters: PerBlock | None, blocks: int) -> list[int]:
    if filters is None:
        return [32 * 2**i for i in range(blocks)]
    return _per("filters", filters, blocks, "block")


def _per(name: str, value: Any, count: int, what: str) -> list[Any]:
    """One value for each of `count`, from one for all or from a sequence."""
    if isinstance(value, (int, bool)):
        return [value] * count
    values = list(value)
    if len(values) != count:
        raise ValueError(
            f"convnet: {name} has {len(values)} values but the pattern has {count} "
            f"{what}{'' if count == 1 else 's'}"
        )
    return values


def _check_order(pattern: str, steps: list[Step]) -> None:
    """INPUT comes first and only there; no CONV or POOL after an FC; an FC gives the scores."""
    layers = [step.layer for step in steps]
    if not layers or layers[0].word != "INPUT":
        column = layers[0].column if layers else 1
        raise patterns.mistake(pattern, column, "a pattern begins with INPUT")
    flat = False
    for layer in layers[1:]:
        if layer.word == "INPUT":
            raise patterns.mistake(pattern, layer.column, "INPUT may stand only at the beginning")
        if flat and layer.word in ("CONV", "POOL"):
            raise patterns.mistake(
                pattern, layer.column, f"{layer.word} cannot follow FC, whose output is no image"
            )
        flat = flat or layer.word == "FC"
    if layers[-1].word != "FC":
        raise patterns.mistake(
            pattern, layers[-1].column, f"a pattern ends with FC, not {layers[-1].word}"
        )


class _Builder:
    """Makes layer after layer and keeps track of the volume between them."""

    def __init__(
        self,
        pattern: str,
        input_shape: tuple[int, int, int],
        filters: list[int],
        windows: list[_Window],
        pool: _Window,
        outputs: list[int],
        dropout: float,
        floor: bool,
        generator: Generator | None,
    ) -> None:
        self.pattern = pattern
        self.volume = tuple(input_shape)
        if len(self.volume) != 3 or min(self.volume) < 1:
            raise ValueError(
                f"convnet: input_shape must be (channels, rows, columns), got {input_shape}"
            )
        self.filters, self.windows, self.pool = filters, windows, pool
        self.outputs = iter(outputs)
        self.dropout, self.floor, self.generator = dropout, floor, generator
        self.layers: dict[str, nn.Module] = {}
        self.counts: dict[str, int] = {}

    def add(self, step: Step) -> None:
        """Make the layer of a step."""
        word = step.layer.word
        if word == "CONV":
            self._conv(step)
        elif word == "POOL":
            name = self._name("pool")
            self.volume = (self.volume[0], *self._slid(name, "POOL", self.pool))
            self.layers[name] = nn.MaxPool2d(self.pool.size, self.pool.stride)
        elif word == "FC":
            self._fc()
        elif word == "BN":
            norm = nn.BatchNorm2d if len(self.volume) == 3 else nn.BatchNorm1d
            self.layers[self._name("bn")] = norm(self.volume[0])
        elif word == "DROPOUT":
            self.layers[self._name("dropout")] = nn.Dropout(self.dropout, generator=self.generator)
        elif word in _ACTIVATIONS:
            self.layers[self._name(word.lower())] = _ACTIVATIONS[word]()

    def _name(self, kind: str) -> str:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return f"{kind}{self.counts[kind]}"

    def _conv(self, step: Step) -> None:
        name, window = self._name("conv"), self.windows[step.block]
        outputs = self.filters[step.block]
        size = self._slid(name, "CONV", window)
        self.layers[name] = nn.Conv2d(
            self.volume[0],
            outputs,
            window.size,
            window.stride,
            window.padding,
            generator=self.generator,
        )
        self.volume = (outputs, *size)

    def _fc(self) -> None:
        if len(self.volume) == 3:
            self.layers["flatten"] = nn.Flatten()
            self.volume = (self.volume[0] * self.volume[1] * self.volume[2],)
        outputs = next(self.outputs)
        self.layers[self._name("fc")] = nn.Linear(self.volume[0], outputs, generator=self.generator)
        self.volume = (outputs,)

    def _slid(self, name: str, word: str, window: _Window) -> tuple[int, int]:
        """Rows and columns after a layer, or the error that it does not fit."""
        rows, columns = (self._positions(name, word, window, side) for side in self.volume[1:])
        return rows, columns

    def _positions(self, name: str, word: str, window: _Window, side: int) -> int:
        f, s, p = window
        reach = side - f + 2 * p
        if reach >= 0 and (self.floor or reach % s == 0):
            return reach // s + 1
        volume = " x ".join(map(str, self.volume))
        formula = f"({side} - {f} + 2*{p})/{s} + 1 = {reach / s + 1:.4g}"
        if reach < 0:
            cure = f"its {f} x {f} window is larger than the padded input"
        else:
            cure = f"that is not whole; fit='floor' takes {reach // s + 1} and leaves out an edge"
        raise ValueError(
            f"convnet: {name} ({word} {f}x{f}, stride {s}, padding {p}) does not fit its input "
            f"{volume}: {formula}: {cure}"
        )


def _warn_of_departures(builder: _Builder, input_shape: tuple[int, int, int], pools: int) -> None:
    """Say where the network departs from what usually works."""
    departures = []
    for side in dict.fromkeys(input_shape[1:]):
        halvings = (side & -side).bit_length() - 1
        if halvings < pools:
            departures.append(
                f"the input's side of {side} can be halved {halvings} times but is pooled "
                f"{pools} times; 32, 64, 96, 224 can be halved 5 times"
            )
    for window in dict.fromkeys(builder.windows):
        f, s, p = window
        if not 3 <= f <= 5:
            departures.append(f"CONV {f}x{f}: filters of 3x3 to 5x5, and more of them, do better")
        if s != 1:
            departures.append(f"CONV with stride {s}: stride 1 leaves the shrinking to POOL")
        elif f - 1 != 2 * p:
            departures.append(
                f"CONV {f}x{f} with padding {p} changes the size; padding {(f - 1) / 2:g} keeps it"
            )
    if pools and builder.pool[:2] != (2, 2):
        f, s, _ = builder.pool
        departures.append(f"POOL {f}x{f} with stride {s}: 2x2 with stride 2 loses less")
    for departure in departures:
        warnings.warn(f"convnet: {departure}", stacklevel=3)
