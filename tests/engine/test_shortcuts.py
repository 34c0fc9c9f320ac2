"""Shortcuts: the same bits as plain Python, whatever the circuit; and what the object promises."""

from __future__ import annotations

import gc
import inspect
import operator
import sys
import warnings
import weakref

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

import tinygrad_cv as tg
from tinygrad_cv import _core
from tinygrad_cv.backends import backend_for
from tinygrad_cv.backends.cpp.arrays import dense
from tinygrad_cv.engine.gate import BinaryGate, UnaryGate
from tinygrad_cv.engine.masking import below_mask
from tinygrad_cv.engine.shortcuts import plain_python, shortcut
from tinygrad_cv.gates.activation import tanh_backward
from tinygrad_cv.gates.broadcast import shapes_of, unbroadcast
from tinygrad_cv.gates.chain import chain
from tinygrad_cv.gates.matmul import Linear
from tinygrad_cv.gates.operators import add, multiply, subtract

SHAPES = [(), (1,), (4,), (3, 4), (3, 1), (2, 3, 4), (0, 4), (20, 20), (40, 30)]  # above bounds
NUMBERS = [2, -3, 0.5, 1e-3, 0, True, 1 << 30]


class Own(tg.Gate):
    """A user's gate among the others."""

    saved_from = (0,)

    def forward(self, x):
        self.saved = (x,)
        return x * x

    def backward(self, grad):
        return (grad * 2 * self.saved[0],)


UNARY = [
    tg.tanh, tg.neg, tg.relu, tg.sigmoid, lambda x: Own()(x), lambda x: x.t() if x.ndim == 2 else x,
    lambda x: tg.cat([x, x * x]) if x.ndim else x, lambda x: tg.cat([x] * 9)[: len(x)] if x.ndim else x,
    lambda x: x.sum(), lambda x: x.detach(), lambda x: tg.where(x > 0, x, x * x),
]  # fmt: skip
BINARY = [operator.add, operator.sub, operator.mul, operator.mul, operator.truediv]

steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(UNARY), st.integers(0, 99)),
        st.tuples(st.sampled_from(BINARY), st.integers(0, 99), st.integers(0, 99)),
        st.tuples(st.sampled_from(BINARY), st.integers(0, 99), st.sampled_from(NUMBERS), st.booleans()),
    ),
    min_size=1,
    max_size=12,
)  # fmt: skip
leaves = st.lists(
    st.tuples(
        st.sampled_from(SHAPES),
        st.sampled_from(["float32", "float64", "float32", "int64"]),
        st.booleans(),  # transposed in memory
    ),
    min_size=1,
    max_size=3,
)


def run(leaves, steps, seed, retain):
    """Every value and gradient of the circuit, and what NumPy warned of."""
    rng = np.random.default_rng(seed)
    tensors = []
    for shape, dtype, transposed in leaves:
        x = (rng.standard_normal(shape) * 3).astype(dtype)
        x = tg.from_numpy(np.asarray(x, order="F")) if transposed else tg.tensor(x)
        tensors.append(x.requires_grad_() if dtype != "int64" else x)
    inputs = list(tensors)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for function, i, *rest in steps:
            x = tensors[i % len(tensors)]
            try:
                if not rest:
                    tensors.append(function(x))
                elif len(rest) == 1:
                    tensors.append(function(x, tensors[rest[0] % len(tensors)]))
                else:
                    tensors.append(function(rest[0], x) if rest[1] else function(x, rest[0]))
            except (ValueError, TypeError):  # shapes that do not broadcast, tanh of an integer, ...
                tensors.append(x)
        for root in tensors[-2:]:
            if root.requires_grad:
                upstream = tg.tensor(rng.standard_normal(root.shape), dtype=root.dtype)
                root.backward(upstream, retain_graph=True)
                if not retain:
                    root.backward(upstream)
                    break
    values = [x.array for x in tensors]
    grads = [None if x.grad is None else x.grad.array for x in inputs]
    return values, grads, sorted({str(w.message) for w in warned})


def assert_same_bits(ours, theirs):
    assert (ours is None) == (theirs is None)
    if ours is not None:
        assert type(ours) is type(theirs)
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        if ours.dtype.kind == "f":
            kept = ~np.isnan(theirs)  # which sign a NaN has is nobody's promise
            assert np.array_equal(np.signbit(ours)[kept], np.signbit(theirs)[kept])
        np.testing.assert_array_equal(ours, theirs)


@given(leaves, steps, st.integers(0, 99), st.booleans())
def test_circuits_give_the_same_bits_both_ways(leaves, steps, seed, retain):
    ours = run(leaves, steps, seed, retain)
    with plain_python():
        theirs = run(leaves, steps, seed, retain)
    for mine, plain in zip(ours[0] + ours[1], theirs[0] + theirs[1], strict=True):
        assert_same_bits(mine, plain)
    assert ours[2] == theirs[2]


operands = st.one_of(
    st.sampled_from(NUMBERS),
    st.builds(
        lambda shape, dtype, order, special, seed: _array(shape, dtype, order, special, seed),
        st.sampled_from(SHAPES),
        st.sampled_from(["float32", "float64", "float32", ">f4", "float16", "int64"]),
        st.sampled_from(["C", "F", "strided", "offset", "scalar"]),
        st.sampled_from([0.0, -0.0, 1e-45, 3e38, np.inf, np.nan, 1.0]),
        st.integers(0, 9),
    ),
)


def _array(shape, dtype, order, special, seed):
    x = (np.random.default_rng(seed).standard_normal(shape) * 3).astype(dtype)
    if x.size and dtype != "int64":
        x.reshape(-1)[0] = special if dtype != "float16" else 1
    if order == "F":
        return np.asfortranarray(x)
    if order == "strided":
        return np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x
    if order == "offset":  # not aligned
        raw = np.empty(x.nbytes + 1, np.uint8)[1:]
        return np.copyto(raw.view(x.dtype).reshape(x.shape), x) or raw.view(x.dtype).reshape(
            x.shape
        )
    return x[()] if order == "scalar" else x


@given(leaves, steps, st.integers(0, 99), st.integers(0, 2))
def test_circuits_that_share_memory_with_numpy_are_guarded_alike_both_ways(
    leaves, steps, seed, taken
):
    """Other arrays are shared meanwhile, as a batch is, and leaves show theirs to the user."""
    bystander = tg.from_numpy(np.ones(3))

    def flags():
        x = tg.from_numpy(np.ones((2, 2))).requires_grad_()
        y = tg.tensor(np.ones((2, 2)), requires_grad=True)
        arrays = [x.numpy(), y.numpy()][:taken]
        z = (x * y).tanh() + x
        z = z * (y + 1.0)
        held = [a.flags.writeable for a in arrays]
        z.sum().backward()
        return held, [a.flags.writeable for a in arrays], x.grad.tolist(), y.grad.tolist()

    ours = run(leaves, steps, seed, True), flags()
    with plain_python():
        theirs = run(leaves, steps, seed, True), flags()
    for mine, plain in zip(ours[0][0] + ours[0][1], theirs[0][0] + theirs[0][1], strict=True):
        assert_same_bits(mine, plain)
    assert ours[1] == theirs[1]
    assert bystander.tolist() == [1, 1, 1]


@pytest.mark.parametrize("function", [add, subtract, multiply, chain, tanh_backward])
@given(a=operands, b=operands, mask=st.booleans())
@example(a=np.full(4, 3e38, np.float32), b=np.full(4, -3e38, np.float32), mask=False)
@example(a=np.full(4, np.inf), b=np.zeros(4), mask=False)
@example(a=np.full(4, -3e38, np.float32), b=np.full(4, -3e38, np.float32), mask=True)
def test_arithmetic_gives_the_same_bits_both_ways(function, a, b, mask):
    assume(hasattr(a, "dtype") or hasattr(b, "dtype"))

    def outcome():
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            quiet = function in (chain, tanh_backward)  # called in backward passes alone
            try:
                with np.errstate(all="ignore" if quiet else "warn", under="ignore"):
                    value = function(a, b)
            except (ValueError, TypeError, OverflowError) as error:
                return str(error), []
        return np.asarray(value), [str(w.message) for w in warned]

    token = below_mask.set(mask)
    try:
        value, warned = outcome()
        with plain_python():
            plain, plain_warned = outcome()
    finally:
        below_mask.reset(token)
    assert warned == plain_warned
    if isinstance(plain, str):
        assert value == plain
    else:
        assert_same_bits(value, plain)


@given(st.sampled_from(SHAPES), st.sampled_from(SHAPES))
def test_unbroadcast_gives_the_same_bits_both_ways(shape, target):
    try:
        full = np.broadcast_shapes(shape, target)
    except ValueError:
        return
    grad = np.random.default_rng(0).standard_normal(full)
    ours = unbroadcast(grad, target)
    with plain_python():
        assert_same_bits(ours, unbroadcast(grad, target))
    assert (ours is grad) == (full == target)


@given(st.lists(st.tuples(operands, operands), max_size=5))
def test_shapes_are_told_alike_both_ways(pairs):
    for a, b in pairs:
        ours = shapes_of(a, b)
        with plain_python():
            assert ours == shapes_of(a, b)


@given(operands)
def test_rooms_and_dense_arrays_are_told_alike_both_ways(a):
    assume(isinstance(a, np.ndarray))
    with tg.use_backend("reference"):
        assert backend_for(a).name == "reference"
    assert backend_for(a).name == "cpp"
    ours = dense(a)
    assert ours.flags.c_contiguous
    assert ours.flags.aligned
    with plain_python():
        assert (dense(a) is a) == (ours is a)
    np.testing.assert_array_equal(ours, a)


def test_a_gate_of_several_inputs_takes_tensors_arrays_and_none():
    x, w, b = (np.random.default_rng(0).standard_normal(s) for s in ((2, 3), (4, 3), (4,)))

    def outcome():
        tw = tg.tensor(w, requires_grad=True)
        recorded, unrecorded = Linear(), Linear()
        y = recorded(x, tw, b)
        assert [p is None for p in recorded.parents] == [True, False, True]
        assert y.gate is recorded
        assert unrecorded(tg.tensor(x), w, None).gate is None
        plain = Linear()
        value = plain(x, w, b)
        assert type(value) is np.ndarray
        assert plain.parents == (None, None, None)
        y.backward(tg.ones(2, 4, dtype="float64"))
        with pytest.raises(ValueError, match="matmul"):
            Linear()(x, tg.tensor(w.T), b)
        with pytest.raises(TypeError):
            Linear()(x)
        return y.array, value, tw.grad.array

    ours = outcome()
    with plain_python():
        theirs = outcome()
    for mine, plain in zip(ours, theirs, strict=True):
        assert_same_bits(mine, plain)


@pytest.mark.parametrize("size", [3, 1500, 200_000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_that_meet_are_added_alike_both_ways(size, dtype):
    """Fresh ones, ones that another path has as well, and those of kernels, which are the pool's."""
    rng = np.random.default_rng(size)
    start, upstream = (rng.standard_normal(size).astype(dtype) for _ in range(2))

    def gradients():
        x = tg.tensor(start, requires_grad=True)
        y = x.relu() + x.relu().relu() + x * 3.0
        seen = []
        y.register_hook(lambda grad: seen.append(grad.array))
        given = tg.tensor(upstream)
        (y + y.sigmoid() + x).backward(given)
        np.testing.assert_array_equal(given.array, upstream)
        return seen[0], x.grad.array

    ours = gradients()
    with plain_python():
        theirs = gradients()
    for mine, plain in zip(ours, theirs, strict=True):
        assert_same_bits(mine, plain)


def test_a_leaf_gets_an_array_of_its_own():
    def memory(build):
        a, b = (tg.tensor(np.ones((2, 3)), requires_grad=True) for _ in range(2))
        upstream = tg.tensor(np.ones((2, 3)))
        build(a, b).backward(upstream)
        found = [t.grad.array for t in (a, b)]
        assert all(array.flags.c_contiguous for array in found)
        assert not np.shares_memory(*found)
        assert not any(np.shares_memory(array, upstream.array) for array in found)
        a.grad.array[...] = 5  # as zero_grad and the optimizers do
        assert a.grad.node is None
        return [t.grad.tolist() for t in (a, b)]

    for build in (lambda a, b: a + b, lambda a, b: a.t().t() + b * 2.0, lambda a, b: a * b):
        ours = memory(build)
        with plain_python():
            assert memory(build) == ours


# The object


def test_a_shortcut_shows_the_function_behind_it():
    plain = chain.__wrapped__
    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        assert getattr(chain, name) == getattr(plain, name)
    assert inspect.signature(chain) == inspect.signature(plain)
    assert repr(chain) == f"<shortcut of {plain!r}>"
    assert chain(grad=np.ones(2), local=np.full(2, 3.0)).tolist() == [3, 3]  # by name: plain Python
    with pytest.raises(TypeError, match=r"chain\(\) missing 1 required positional argument"):
        chain(np.ones(2))


def test_a_shortcut_in_a_class_is_a_method():
    gate = type(tg.tensor([1.0], requires_grad=True).tanh().gate)()
    bound = gate.__call__
    assert bound.__self__ is gate
    assert bound(tg.tensor([0.0])).tolist() == [0]
    assert UnaryGate.__call__ is not BinaryGate.__call__


def test_a_function_without_a_shortcut_is_refused():
    with pytest.raises(ValueError, match=r"shortcut: there is none for '.*unheard_of'"):

        @shortcut
        def unheard_of(a):
            return a


def test_plain_python_is_left_again():
    with plain_python(), plain_python():
        pass
    assert _core.use_shortcuts(True) is True


def test_an_empty_tensor_is_an_error_and_no_crash():
    empty = tg.Tensor.__new__(tg.Tensor)
    with pytest.raises(AttributeError, match="array"):
        empty.neg()
    with pytest.raises(AttributeError, match="array"):
        tg.tensor([1.0]) * empty


def test_a_gate_that_forgot_to_save_is_an_error_and_no_crash():
    class Forgetful(UnaryGate):
        __slots__ = ()
        forward = lambda self, x: x * 2  # noqa: E731
        backward = lambda self, grad: (grad,)  # noqa: E731

    Forgetful.trusted = True
    with pytest.raises(
        AttributeError, match="saved"
    ):  # where memory is shared, by the call already
        Forgetful()(tg.tensor([1.0], requires_grad=True)).backward()


# Memory


def test_calls_and_passes_leak_no_reference():
    x, w = (tg.tensor(np.ones(4, np.float32), requires_grad=True) for _ in range(2))

    def work():
        y = ((x * w + 2.0) * w - x).tanh()
        y.backward(tg.ones(4))
        (x * w).register_hook(lambda grad: grad)
        with tg.no_grad():
            x * w + 1
        with pytest.raises(ValueError, match="broadcast"):
            x * tg.ones(3)

    objects = (
        x,
        w,
        x.array,
        w.array,
        x.node,
        None,
        tg.Tensor,
        type((x * w).gate),
        UnaryGate.__call__,
    )
    work()
    gc.collect()
    before, blocks = [sys.getrefcount(o) for o in objects], sys.getallocatedblocks()
    for _ in range(50):
        work()
    gc.collect()
    after, grown = [sys.getrefcount(o) for o in objects], sys.getallocatedblocks() - blocks
    assert max(abs(a - b) for a, b in zip(after, before, strict=True)) < 25
    assert grown < 100


def test_a_cycle_through_a_gate_is_collected():
    x = tg.tensor([1.0], requires_grad=True)
    y = x.tanh()
    y.register_hook(lambda grad, y=y: grad)  # the gate's hook holds its tensor
    dead = weakref.ref(y)
    del y
    gc.collect()
    assert dead() is None


def test_an_error_in_the_middle_of_a_pass_leaves_the_graph_usable():
    class Once(tg.Gate):
        def forward(self, x):
            return x * 2.0

        def backward(self, grad):
            raise KeyError("once")

    x = tg.tensor([1.0, 2.0], requires_grad=True)
    inner = x * x
    outer = Once()(inner) * inner
    with pytest.raises(KeyError, match="once"):
        outer.sum().backward()
    assert x.grad is None
    inner.sum().backward()
    assert x.grad.tolist() == [2, 4]


def test_a_gradient_is_added_to_in_place_only_if_nobody_else_has_it():
    kept = []
    x = tg.ones(3, dtype="float64").requires_grad_()
    a = x * 2.0
    a.register_hook(lambda grad: kept.append(grad.array))
    b = x * 3.0
    c = x * 4.0
    d = a + b + c
    e = d + a
    e.register_hook(lambda grad: kept.append(grad.array))
    upstream = tg.ones(3, dtype="float64")  # owns its memory
    (e + a).backward(upstream)
    assert x.grad.tolist() == [13] * 3
    assert [k.tolist() for k in kept] == [[1] * 3, [3] * 3]
    assert upstream.tolist() == [1] * 3
