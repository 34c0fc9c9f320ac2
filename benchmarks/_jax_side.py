"""The benchmarks' convolutions and training steps in JAX: jitted, NCHW as PyTorch's default."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from _networks import NETS, OPTIMIZERS
from jax import lax

if TYPE_CHECKING:
    from collections.abc import Callable

LAYOUT = ("NCHW", "OIHW", "NCHW")
Values = dict[str, Any]


def conv2d(x: Any, w: Any, b: Any, stride: int, padding: int, groups: int = 1) -> Any:
    """The convolution; b (O,) or None."""
    y = lax.conv_general_dilated(
        x, w, (stride, stride), [(padding, padding)] * 2,
        dimension_numbers=LAYOUT, feature_group_count=groups,
    )  # fmt: skip
    return y if b is None else y + b[:, None, None]


def convolution(arrays: Values, op: str, shape: dict[str, Any]) -> Callable[[], Any]:
    """A call of it, forward or both ways; both ways gives the weight's gradient."""
    x, w, b, grad = (jnp.asarray(arrays[name]) for name in ("x", "w", "b", "grad"))

    def forward(x: Any, w: Any, b: Any) -> Any:
        return conv2d(x, w, b, shape["stride"], shape["padding"], shape["groups"])

    def both_ways(x: Any, w: Any, b: Any, grad: Any) -> Any:
        y, pull_back = jax.vjp(forward, x, w, b)
        return y, *pull_back(grad)  # y too: else the forward pass would be left out

    if op == "forward":
        compiled = jax.jit(forward)
        return lambda: jax.block_until_ready(compiled(x, w, b))
    compiled = jax.jit(both_ways)
    return lambda: jax.block_until_ready(compiled(x, w, b, grad))[2]


class Layer:
    """Called with its own values and the input: the output, and what it keeps of the batch."""

    def __call__(self, own: Values, x: Any) -> tuple[Any, Values]:
        return self.output(own, x), {}

    def output(self, own: Values, x: Any) -> Any:
        raise NotImplementedError


class Conv2d(Layer):
    def __init__(
        self, inputs: int, outputs: int, side: int, padding: int = 0, bias: bool = True
    ) -> None:
        self.padding = padding

    def output(self, own: Values, x: Any) -> Any:
        return conv2d(x, own["weight"], own.get("bias"), 1, self.padding)


class Linear(Layer):
    def __init__(self, inputs: int, outputs: int) -> None:
        pass  # the sizes are those of the weights

    def output(self, own: Values, x: Any) -> Any:
        return x @ own["weight"].T + own["bias"]


class BatchNorm2d(Layer):
    def __init__(self, channels: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        self.eps, self.momentum = eps, momentum

    def __call__(self, own: Values, x: Any) -> tuple[Any, Values]:
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
        scale = own["weight"] * lax.rsqrt(var + self.eps)
        shift = own["bias"] - mean * scale
        count = x.size // x.shape[1]
        batch = {"running_mean": mean, "running_var": var * (count / (count - 1))}
        kept = {
            name: own[name] + self.momentum * (value - own[name]) for name, value in batch.items()
        }
        return x * scale[:, None, None] + shift[:, None, None], kept


class ReLU(Layer):
    def output(self, own: Values, x: Any) -> Any:
        return jax.nn.relu(x)


class MaxPool2d(Layer):
    def __init__(self, side: int) -> None:
        self.window = (1, 1, side, side)

    def output(self, own: Values, x: Any) -> Any:
        return lax.reduce_window(x, -jnp.inf, lax.max, self.window, self.window, "VALID")


class Flatten(Layer):
    def output(self, own: Values, x: Any) -> Any:
        return x.reshape(len(x), -1)


class Sequential:
    def __init__(self, *layers: Layer) -> None:
        self.layers = layers

    def __call__(self, values: Values, x: Any) -> tuple[Any, Values]:
        kept = {}
        for i, layer in enumerate(self.layers):
            own = {
                name.partition(".")[2]: value
                for name, value in values.items()
                if name.startswith(f"{i}.")
            }
            x, of_batch = layer(own, x)
            kept.update({f"{i}.{name}": value for name, value in of_batch.items()})
        return x, kept


class _Library:
    """What a network is built from; with the optimizers below."""

    Conv2d, Linear, BatchNorm2d, ReLU = Conv2d, Linear, BatchNorm2d, ReLU
    MaxPool2d, Flatten, Sequential = MaxPool2d, Flatten, Sequential


class SGD:
    """v ← μ v + g;  w ← w - η v."""

    def __init__(self, parameters: Values, lr: float, momentum: float) -> None:
        self.lr, self.momentum = lr, momentum
        self.start = jax.tree.map(jnp.zeros_like, parameters), jnp.zeros(())

    def update(self, w: Values, g: Values, state: Any) -> tuple[Values, Any]:
        v = jax.tree.map(lambda v, g: self.momentum * v + g, state[0], g)
        return jax.tree.map(lambda w, v: w - self.lr * v, w, v), (v, state[1])


class Adam:
    """Kingma & Ba 2015, algorithm 1."""

    def __init__(self, parameters: Values, lr: float) -> None:
        self.lr, self.betas, self.eps = lr, (0.9, 0.999), 1e-8
        m, v = (jax.tree.map(jnp.zeros_like, parameters) for _ in range(2))
        self.start = (m, v), jnp.zeros(())

    def update(self, w: Values, g: Values, state: Any) -> tuple[Values, Any]:
        (m, v), step = state[0], state[1] + 1
        b1, b2 = self.betas
        m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, m, g)
        v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, v, g)
        rate, root = self.lr / (1 - b1**step), jnp.sqrt(1 - b2**step)

        def down(w: Any, m: Any, v: Any) -> Any:
            return w - rate * m / (jnp.sqrt(v) / root + self.eps)

        return jax.tree.map(down, w, m, v), ((m, v), step)


class _Optimizers:
    SGD, Adam = SGD, Adam


def training(arrays: Values, net: int, optimizer: str) -> Callable[[], Any]:
    """A call takes one step on the next batch and gives its loss."""
    state = {
        name.removeprefix("state."): jnp.asarray(value)
        for name, value in arrays.items()
        if name.startswith("state.")
    }
    learned = {n: v for n, v in state.items() if n.endswith((".weight", ".bias"))}
    kept = {n: v for n, v in state.items() if ".running_" in n}
    count = sum(name.startswith("x") for name in arrays)
    batches = itertools.cycle(
        [(jnp.asarray(arrays[f"x{i}"]), jnp.asarray(arrays[f"y{i}"])) for i in range(count)]
    )
    model = NETS[net].build(_Library)
    rule = OPTIMIZERS[optimizer](_Optimizers, learned)

    def loss_of(learned: Values, kept: Values, x: Any, y: Any) -> tuple[Any, Values]:
        scores, now = model({**learned, **kept}, x)
        right = jnp.take_along_axis(jax.nn.log_softmax(scores), y[:, None], axis=1)
        return -right.mean(), now

    @partial(jax.jit, donate_argnums=(0, 1, 2))  # so that they are updated where they lie
    def step(learned: Values, kept: Values, state: Any, x: Any, y: Any) -> Any:
        (loss, kept), grads = jax.value_and_grad(loss_of, has_aux=True)(learned, kept, x, y)
        learned, state = rule.update(learned, grads, state)
        return loss, learned, kept, state

    values = [learned, kept, rule.start]

    def run() -> float:
        loss, *values[:] = step(*values, *next(batches))
        return float(loss)

    return run
