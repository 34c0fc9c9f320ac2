"""A model lent for a trial: whatever is done to it, it comes back as it was."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tinygrad_cv.engine.random import default_generator
from tinygrad_cv.training.state import generators

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tinygrad_cv.nn import Module


@contextmanager
def kept(model: Module) -> Iterator[None]:
    """Give back parameters, buffers, gradients, modes and generators after the block.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> layer = tg.nn.Linear(1, 1)
    >>> before = layer.weight.item()
    >>> with kept(layer):
    ...     _ = tg.nn.init.constant_(layer.weight, 7.0)
    >>> layer.weight.item() == before
    True
    """
    tensors = [*model.parameters(), *model.buffers()]
    values = [(t, t.array, t.array.copy(), t.grad) for t in tensors]
    modes = [(module, module.training) for module in model.modules()]
    sources = [default_generator, *(generator for _, generator in generators(model))]
    states = [(source, source.get_state()) for source in sources]
    try:
        yield
    finally:
        for tensor, array, copy, grad in values:
            array[...] = copy
            tensor.array, tensor.grad = array, grad
        for module, training in modes:
            module.training = training
        for source, state in states:
            source.set_state(state)
