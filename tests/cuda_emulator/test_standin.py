"""The stand-in for CuPy refuses what CuPy refuses, and offers nothing that CuPy has not."""

from __future__ import annotations

import subprocess
import sys

import emulator
import numpy as np
import pytest
import signatures
import standin

REAL = """
import sys
try:
    import cupy
except ImportError:
    sys.exit(3)
import signatures
signatures.main()
print(*[n for n in ("c_contiguous", "f_contiguous", "forc", "fnc", "owndata", "writeable", "aligned")
        if hasattr(cupy._core.flags.Flags, n)])
print(*[f for f in "asarray array ascontiguousarray asnumpy empty full zeros ones empty_like RawModule ndarray".split()
        if not hasattr(cupy, f)])
print(*[m for m in sys.argv[1:] if not hasattr(cupy.ndarray, m)])
"""


def test_every_name_is_cupys_and_is_called_alike():
    own = [f"__{name}__" for name in standin.OPERATORS + standin.IN_PLACE]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", REAL, "get", "set", "item", "tolist", *own],
        capture_output=True, text=True, cwd=signatures.FILE.parent,
    )  # fmt: skip
    if done.returncode == 3:
        pytest.skip('CuPy is not installed: pip install "tinygrad-cv[test-cuda]"')
    *found, flags, functions, methods = done.stdout.splitlines()
    assert found == signatures.lines()
    assert functions == methods == ""
    assert flags == "c_contiguous f_contiguous forc fnc owndata"


@pytest.mark.parametrize(
    ("error", "use"),
    [
        (TypeError, lambda x: x.max(axis=0, initial=0)),
        (TypeError, lambda x: np.max(x, axis=0, initial=0)),
        (TypeError, lambda x: np.sum(x, where=x > 0)),
        (TypeError, lambda x: np.add(x, x, where=x > 0)),
        (TypeError, lambda x: x.astype(np.int64, "C", None, None, True, 1)),
        (NotImplementedError, lambda x: np.maximum.reduce(x)),
        (NotImplementedError, lambda x: np.add.reduce(x, initial=1)),
        (NotImplementedError, lambda x: np.divide.at(x, np.zeros_like(x, np.int64), x)),
        (TypeError, lambda x: np.add.at(x.astype(np.int64), x.astype(np.int64), 1)),
        (ValueError, lambda x: x.reshape(2, 2)[x[:2] > 0, x[2:] > 0]),
    ],
    ids=range(10),
)
def test_what_cupy_does_not_take_is_refused(cupy, error, use):
    with pytest.raises(error):
        use(cupy.ones(4))


@pytest.mark.parametrize(
    "use",
    [
        lambda x, i: x[i + 3],
        lambda x, i: x.__setitem__(i + 3, 1),
        lambda x, i: x.__setitem__(i * 0, i),
    ],
    ids=range(3),
)
def test_what_cupy_leaves_undefined_is_an_error(cupy, use):
    with pytest.raises(emulator.EmulatorError):
        use(cupy.zeros(4), cupy.arange(2))


def test_values_and_views(cupy):
    x = cupy.asarray(np.arange(12.0).reshape(3, 4))
    row = x[1]
    row += 10
    np.testing.assert_array_equal(x.get()[1], [14, 15, 16, 17])
    assert row.base is x
    assert x.T.base is x
    assert (2 * x + x @ x.T.copy()[:, :1] - 1).base is None
    assert float(x.sum()) == 106
    np.testing.assert_array_equal(np.maximum(x, 5).get(), np.maximum(x.get(), 5))
    np.testing.assert_array_equal(np.where(x > 5, x, 0).get(), np.where(x.get() > 5, x.get(), 0))


def test_fresh_memory_is_nan(cupy):
    assert np.isnan(cupy.empty((2, 3), np.float32).get()).all()


@pytest.mark.parametrize(
    "use",
    [
        lambda x, h: x + h,
        lambda x, h: h + x,
        lambda x, h: x.dot(h),
        lambda x, h: np.add(x, h),
        lambda x, h: np.where(x > 0, h, x),
        lambda x, h: np.concatenate([x, h]),
        lambda x, h: x.__iadd__(h),
        lambda x, h: h.__iadd__(x),
        lambda x, h: np.asarray(x),
        lambda x, h: np.array([x]),
        lambda x, h: np.linalg.det(x),
        lambda x, h: np.cbrt(x),
    ],
    ids=range(12),
)
def test_the_host_and_the_device_do_not_mix(cupy, use):
    x, host = cupy.ones((2, 2)), np.ones((2, 2))
    with pytest.raises(TypeError):
        use(x, host)


def test_arrays_of_the_host_are_no_values_to_assign(cupy):
    x = cupy.zeros((2, 2))
    with pytest.raises(ValueError, match="non-scalar"):
        x[...] = np.ones((2, 2))
    x[0] = 3
    x[np.array([1])] = 4
    np.testing.assert_array_equal(x.get(), [[3, 3], [4, 4]])


def test_waiting_for_the_device_is_counted(cupy):
    x, before = cupy.ones(3), standin.Cuda.synchronizations
    y = (x * 2).sum()
    assert standin.Cuda.synchronizations == before
    for use in (float, int, bool, lambda v: v.item(), lambda v: v.get(), lambda v: v.tolist()):
        use(y)
        before += 1
        assert standin.Cuda.synchronizations == before


def test_a_host_array_is_no_argument_of_a_kernel(cupy):
    from tinygrad_cv.backends.cuda import sources

    kernel = cupy.RawModule(code=sources.source("matmul")).get_function("sum_splits_f32")
    with pytest.raises(TypeError, match=r"Unsupported type <class 'numpy\.ndarray'>"):
        kernel((1,), (1,), (np.ones(3), None))


def test_arrays_that_are_made_for_an_index_live_as_long_as_it_is_used(cupy):
    x = cupy.asarray(np.arange(300.0))
    for _ in range(50):  # from some call on Python hands the index over to the method
        found = x[cupy.asarray(np.arange(299, -1, -1))]
        x[cupy.asarray(np.arange(300))] = cupy.asarray(np.arange(300.0))
        np.testing.assert_array_equal(found.get(), np.arange(299.0, -1, -1))


def test_basic_indices_give_views(cupy):
    x = cupy.zeros((2, 3))
    for view in (x[0, 1], x[1:, 0:0], x[..., ::2], x[None]):
        assert view.base is x
    x[0, 1][...] = 5
    assert x.get()[0, 1] == 5
    assert x[cupy.asarray([0, 1])].base is None
