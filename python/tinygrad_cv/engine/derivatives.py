"""Derivatives of functions: gradients with the value, Jacobians, products with vectors."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine.backprop import grad
from tinygrad_cv.engine.grad_mode import enable_grad
from tinygrad_cv.engine.tensor import Tensor, wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Tensors = Tensor | tuple[Tensor, ...]


def value_and_grad(
    fn: Callable[..., Any], argnums: int | Sequence[int] = 0, *, create_graph: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """A function that gives ``fn(*args)`` and its gradient.

    Parameters
    ----------
    fn : callable
        Returns a tensor of one element.
    argnums : int or sequence of int
        Which arguments to differentiate by.
    create_graph : bool
        Record the gradient too, so that it can be differentiated again.

    Returns
    -------
    callable
        Gives (value, gradient), the gradient a tuple if `argnums` is a sequence.

    Raises
    ------
    TypeError
        An argument to differentiate by that is no float tensor.
    ValueError
        A value of more than one element.

    Examples
    --------
    >>> from tinygrad_cv.engine import tensor
    >>> value, dx = value_and_grad(lambda x: (x * x).sum())(tensor([1.0, 3.0]))
    >>> value.item(), dx.tolist()
    (10.0, [2.0, 6.0])
    """
    single = isinstance(argnums, int)
    chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    @functools.wraps(fn)
    def compute(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        for n in chosen:
            if not -len(args) <= n < len(args):
                raise IndexError(f"value_and_grad: argnums {n} but {len(args)} arguments")
        given = list(args)
        leaves = _leaves("value_and_grad", [given[n] for n in chosen], create_graph)
        for n, leaf in zip(chosen, leaves, strict=True):
            given[n] = leaf
        with enable_grad():
            value = fn(*given, **kwargs)
            if not isinstance(value, Tensor) or value.array.size != 1:
                shown = f"shape {value.shape}" if isinstance(value, Tensor) else repr(value)
                raise ValueError(f"value_and_grad: fn must give one number, got {shown}")
            grads = _gradients((value,), leaves, (None,), create_graph)
        return (value if create_graph else value.detach()), (grads[0] if single else tuple(grads))

    return compute


def vjp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The outputs, and v^T J: one backward pass.

    Parameters
    ----------
    func : callable
        Takes the inputs, gives a tensor or a tuple of them.
    inputs : Tensor or tuple of Tensor
    v : Tensor or tuple of Tensor, shapes of the outputs, optional
        May be left out for one output of one element.
    create_graph : bool
        Record the result too.
    strict : bool
        An error, not zeros, for an input that no output depends on.

    Returns
    -------
    outputs, and one tensor per input (a tuple if `inputs` is one)

    Raises
    ------
    ValueError
        A `v` of other shapes than the outputs.
    RuntimeError
        With `strict`, an input without influence.

    Examples
    --------
    >>> from tinygrad_cv.engine import tensor
    >>> vjp(lambda x: x * x, tensor([1.0, 3.0]), tensor([1.0, 10.0]))[1].tolist()
    [2.0, 60.0]
    """
    leaves = _leaves("vjp", _tuple(inputs), create_graph)
    with enable_grad():
        outputs = func(*leaves)
        outs = _outputs("vjp", outputs)
        grads = _gradients(outs, leaves, _vectors("vjp", v, outs), create_graph, strict)
    return _detached(outputs, create_graph), _like(inputs, grads)


def jvp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The outputs, and J v: how the outputs change when the inputs move along v.

    Computed with two backward passes: u^T J is linear in u, and its derivative by u along v is J v.
    Parameters and errors are those of `vjp`, but `v` has the shapes of the inputs.

    Examples
    --------
    >>> from tinygrad_cv.engine import tensor
    >>> jvp(lambda x: x * x, tensor([1.0, 3.0]), tensor([1.0, 10.0]))[1].tolist()
    [2.0, 60.0]
    """
    leaves = _leaves("jvp", _tuple(inputs), create_graph)
    with enable_grad():
        outputs = func(*leaves)
        outs = _outputs("jvp", outputs)
        vectors = _vectors("jvp", v, leaves)
        dual = [wrap(np.zeros_like(out.array)).requires_grad_() for out in outs]
        grads = _gradients(outs, leaves, dual, True, strict)
        moved = _gradients(grads, dual, vectors, create_graph)
    return _detached(outputs, create_graph), _like(outputs, moved)


def hvp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The value, and H v: the Hessian of a function that gives one number, times a vector.

    Parameters and errors are those of `vjp`, but `v` has the shapes of the inputs.

    Examples
    --------
    >>> from tinygrad_cv.engine import tensor
    >>> hvp(lambda x: (x * x * x).sum(), tensor([1.0, 2.0]), tensor([1.0, 10.0]))[1].tolist()
    [6.0, 120.0]
    """
    leaves = _leaves("hvp", _tuple(inputs), create_graph)
    with enable_grad():
        value = _one_number("hvp", func(*leaves))
        vectors = _vectors("hvp", v, leaves)
        slopes = _gradients((value,), leaves, (None,), True, strict)
        product = _gradients(slopes, leaves, vectors, create_graph, strict)
    return _detached(value, create_graph), _like(inputs, product)


vhp = hvp  # PyTorch's name for v^T H, which is H v: a Hessian is symmetric


def jacobian(
    func: Callable[..., Any], inputs: Tensors, create_graph: bool = False, strict: bool = False
) -> Any:
    """The derivative of every output element by every input element.

    Parameters
    ----------
    func, inputs, create_graph, strict
        As in `vjp`.

    Returns
    -------
    Tensor, shape (*output, *input)
        A tuple over inputs if `inputs` is one, of those a tuple over outputs if `func` gives one.

    Notes
    -----
    One backward pass per output element.

    Examples
    --------
    >>> from tinygrad_cv.engine import tensor
    >>> jacobian(lambda x: x * x, tensor([1.0, 3.0])).tolist()
    [[2.0, 0.0], [0.0, 6.0]]
    """
    leaves = _leaves("jacobian", _tuple(inputs), create_graph)
    with enable_grad():
        outputs = func(*leaves)
        outs = _outputs("jacobian", outputs)
        blocks = [_like(inputs, _rows(out, leaves, create_graph, strict)) for out in outs]
    return tuple(blocks) if isinstance(outputs, (tuple, list)) else blocks[0]


def hessian(
    func: Callable[..., Any], inputs: Tensors, create_graph: bool = False, strict: bool = False
) -> Any:
    """The second derivatives of a function that gives one number.

    Returns
    -------
    Tensor, shape (*input, *input)
        A tuple of tuples if `inputs` is a tuple.

    Examples
    --------
    >>> from tinygrad_cv.engine import tensor
    >>> hessian(lambda x: (x * x * x).sum(), tensor([1.0, 2.0])).tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    many = isinstance(inputs, tuple)

    def slopes(*xs: Tensor) -> Any:
        value = _one_number("hessian", func(*xs))
        grads = _gradients((value,), xs, (None,), True, strict)
        return tuple(grads) if many else grads[0]

    return jacobian(slopes, inputs, create_graph, strict)


def _rows(out: Tensor, leaves: Sequence[Tensor], create_graph: bool, strict: bool) -> list[Tensor]:
    """The Jacobian blocks of one output, one per input."""
    rows: list[list[Tensor]] = [[] for _ in leaves]
    for position in range(out.array.size):
        unit = np.zeros_like(out.array, order="C")
        unit.reshape(-1)[position] = 1
        grads = _gradients((out,), leaves, (wrap(unit),), create_graph, strict, retain=True)
        for row, part in zip(rows, grads, strict=True):
            row.append(part)
    return [
        _stacked(row, out.shape + leaf.shape, leaf) for row, leaf in zip(rows, leaves, strict=True)
    ]


def _stacked(rows: list[Tensor], shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Rows as one tensor, recorded if one of them is."""
    whole = wrap(np.zeros(shape, like.dtype, like=like.array))
    flat = whole.reshape(len(rows), like.array.size) if rows else whole
    if all(row.node is None for row in rows):
        for position, row in enumerate(rows):
            flat.array[position] = row.array.reshape(-1)
    else:
        for position, row in enumerate(rows):
            flat[position] = row.reshape(-1)
    return whole


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _like(model: Any, parts: Sequence[Tensor]) -> Any:
    return tuple(parts) if isinstance(model, (tuple, list)) else parts[0]


def _leaves(where: str, inputs: Sequence[Any], keep_graph: bool) -> list[Tensor]:
    """The inputs as tensors to differentiate by; their own graph goes on only where it is kept."""
    leaves = []
    for position, x in enumerate(inputs):
        if not isinstance(x, Tensor) or x.array.dtype.kind != "f":
            kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
            raise TypeError(f"{where}: input {position} must be a float tensor, got {kind}")
        kept = keep_graph and x.requires_grad
        leaves.append(x if kept else x.detach().requires_grad_())
    return leaves


def _outputs(where: str, outputs: Any) -> tuple[Tensor, ...]:
    outs = _tuple(outputs)
    for out in outs:
        if not isinstance(out, Tensor):
            raise TypeError(f"{where}: func must give tensors, got {type(out).__name__}")
    return outs


def _one_number(where: str, value: Any) -> Tensor:
    outs = _outputs(where, value)
    if len(outs) != 1 or outs[0].array.size != 1:
        raise ValueError(
            f"{where}: func must give one number, got shapes {[out.shape for out in outs]}"
        )
    return outs[0]


def _vectors(where: str, v: Any, like: Sequence[Tensor]) -> Sequence[Tensor | None]:
    if v is None:
        if len(like) != 1 or like[0].array.size != 1:
            raise ValueError(
                f"{where}: v may be left out for one tensor of one element, here it needs shapes "
                f"{[x.shape for x in like]}"
            )
        return [wrap(np.ones_like(like[0].array))]
    vectors = _tuple(v)
    for x in vectors:
        if not isinstance(x, Tensor):
            raise TypeError(f"{where}: v must be a Tensor or tensors, got {type(x).__name__}")
    if [x.shape for x in vectors] != [x.shape for x in like]:
        raise ValueError(
            f"{where}: v has shapes {[x.shape for x in vectors]} but {[x.shape for x in like]} are "
            "needed"
        )
    return vectors


def _gradients(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    upstream: Sequence[Tensor | None],
    create_graph: bool,
    strict: bool = False,
    retain: bool | None = None,
) -> list[Tensor]:
    """As `grad`, with zeros for what has no influence; an error with `strict`."""
    used = [i for i, out in enumerate(outputs) if out.node is not None]
    parts: Sequence[Tensor | None] = [None] * len(inputs)
    if used:
        parts = grad(
            [outputs[i] for i in used],
            inputs,
            [upstream[i] for i in used],
            retain_graph=retain,
            create_graph=create_graph,
            allow_unused=True,
        )
    found = []
    for position, (part, x) in enumerate(zip(parts, inputs, strict=True)):
        if part is None and strict:
            raise RuntimeError(
                f"the outputs do not depend on input {position}, of shape {x.shape}; "
                "strict=False gives zeros for it"
            )
        found.append(wrap(np.zeros_like(x.array)) if part is None else part)
    return found


def _detached(outputs: Any, keep_graph: bool) -> Any:
    if keep_graph:
        return outputs
    if isinstance(outputs, (tuple, list)):
        return tuple([x.detach() for x in outputs])
    return outputs.detach()
