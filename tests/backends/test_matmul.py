"""Matrix multiplication of the C++ room, form by form, and of the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_cv import _core
from tinygrad_cv.backends.cpp.matmul import matmul
from tinygrad_cv.backends.reference.matmul import matmul as reference_matmul

FORMS = ["dot", "direct", "pack_b", "pack_ab"]
FORMS += [f"swapped_{form}" for form in FORMS]
DTYPES = [np.float32, np.float64]
# Around the tiles of every instruction set (4, 6, 8 and 12 rows; 4 to 32 columns), and primes.
SIZES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 15, 16, 17, 23, 31, 32, 33, 47, 64, 65]
# Around blocks of 256 in the sum.
DEPTHS = [*SIZES, 127, 255, 256, 257, 300, 521]

dtypes = st.sampled_from(DTYPES)
layouts = st.sampled_from(["dense", "transposed", "strided", "reversed", "misaligned"])
rooms = pytest.mark.parametrize("multiply", [matmul, reference_matmul], ids=["cpp", "reference"])


def laid_out(values, layout):
    """An array of the same values that lies otherwise in memory."""
    *lead, rows, cols = values.shape
    if layout == "transposed":
        out = np.empty((*lead, cols, rows), values.dtype).swapaxes(-1, -2)
    elif layout == "strided":
        out = np.full((*lead, 2 * rows, 3 * cols), np.nan, values.dtype)[..., ::2, ::3]
    elif layout == "reversed":
        out = np.full((*lead, rows, cols + 3), np.nan, values.dtype)[..., ::-1, 2 : 2 + cols]
    elif layout == "misaligned":
        room = np.empty(values.nbytes + 1, np.uint8)[1:]
        out = np.ndarray(values.shape, values.dtype, room.data)
    else:
        return values.copy()
    out[...] = values
    return out


def integers(rng, shape, dtype):
    """Values whose products and sums are exact, so that every order of summing gives the same."""
    return rng.integers(-4, 5, shape).astype(dtype)


def within_bound(got, a, b, bias=0.0, relu=False):
    """Each element is within (K + 2) eps |a| |b| of the exact one."""
    wide_a, wide_b = a.astype(np.longdouble), b.astype(np.longdouble)
    want = wide_a @ wide_b + bias
    if relu:
        want = np.maximum(want, 0)
    bound = (a.shape[-1] + 2) * np.finfo(a.dtype).eps * (abs(wide_a) @ abs(wide_b) + abs(bias))
    return (
        got.dtype == a.dtype and got.shape == want.shape and bool((abs(got - want) <= bound).all())
    )


@pytest.fixture
def threads():
    """Sets the number of threads, and puts it back."""
    before = _core.get_num_threads()
    yield _core.set_num_threads
    _core.set_num_threads(before)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_exact_on_integers(form, dtype):
    rng = np.random.default_rng(1)
    # Operands as the form wants them: lanes over k need dense k, direct tiles dense rows of b.
    layout_a = "transposed" if form == "swapped_direct" else "dense"
    layout_b = "transposed" if form == "swapped_dot" else "dense"
    for m, n in [(1, 1), (1, 33), (5, 10), (13, 7), (25, 65), (65, 31), (250, 12)]:
        for k in (0, 1, 9, 40, 257, 600):
            a, b = integers(rng, (m, k), dtype), integers(rng, (k, n), dtype)
            bias = integers(rng, n, dtype)
            got = _core.matmul(laid_out(a, layout_a), laid_out(b, layout_b), bias, True, form)
            np.testing.assert_array_equal(got, np.maximum(a @ b + bias, 0), err_msg=f"{m} {n} {k}")


@pytest.mark.parametrize("dtype", DTYPES)
def test_long_sums_and_blocks_are_exact_on_integers(dtype):
    rng = np.random.default_rng(2)
    for m, n, k in [
        (300, 2000, 9),
        (1000, 37, 70),
        (37, 1000, 70),
        (31, 10, 3072),
        (500, 500, 520),
        (1, 2100, 301),  # bands of whole rows: of 8, of 16, and as few rows as get them
        (1, 700, 1003),
        (6, 2100, 301),
        (8, 1024, 700),  # rows of b 4 KB apart
        (33, 1024, 700),
        (1100, 100, 100),  # more rows than a block of a, in strips of uneven heights
    ]:
        a, b = integers(rng, (m, k), dtype), integers(rng, (k, n), dtype)
        for layout in ("dense", "transposed"):
            got = matmul(laid_out(a, layout), laid_out(b, layout))
            np.testing.assert_array_equal(got, a @ b)


@settings(deadline=None)
@given(
    m=st.sampled_from(SIZES), n=st.sampled_from(SIZES), k=st.sampled_from(DEPTHS), dtype=dtypes,
    layout_a=layouts, layout_b=layouts, with_bias=st.booleans(), relu=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_matmul_is_within_its_bound(m, n, k, dtype, layout_a, layout_b, with_bias, relu, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
    bias = rng.standard_normal(n).astype(dtype) if with_bias else None
    got = matmul(laid_out(a, layout_a), laid_out(b, layout_b), bias, relu)
    assert got.flags.c_contiguous
    assert within_bound(got, a, b, 0.0 if bias is None else bias, relu)


@settings(deadline=None)
@given(
    lead=st.lists(st.integers(0, 3), max_size=3), m=st.integers(0, 14), n=st.integers(0, 35),
    k=st.integers(0, 70), dtype=dtypes, data=st.data(), layout_a=layouts, layout_b=layouts,
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_leading_dimensions_broadcast(lead, m, n, k, dtype, data, layout_a, layout_b, seed):
    def some_of(shape):
        kept = shape[data.draw(st.integers(0, len(shape)), label="dimensions left out") :]
        return [1 if data.draw(st.booleans(), label="broadcast") else size for size in kept]

    rng = np.random.default_rng(seed)
    a, b = (
        integers(rng, (*some_of(lead), m, k), dtype),
        integers(rng, (*some_of(lead), k, n), dtype),
    )
    bias = integers(rng, n, dtype)
    got = matmul(laid_out(a, layout_a), laid_out(b, layout_b), bias)
    np.testing.assert_array_equal(got, np.matmul(a, b) + bias)
    assert got.dtype == dtype


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("a_shape", "b_shape"),
    [
        ((160, 300), (300, 70)),
        ((700, 520), (520, 10)),
        ((10, 3000), (3000, 90)),
        ((1, 400), (400, 2500)),
        ((5, 400), (400, 2500)),
        ((9, 64, 64), (64, 64)),
    ],
)
@pytest.mark.parametrize("layout", ["dense", "transposed"])
def test_bits_do_not_depend_on_threads(a_shape, b_shape, layout, dtype, threads):
    rng = np.random.default_rng(3)
    a = laid_out(rng.standard_normal(a_shape).astype(dtype), layout)
    b = laid_out(rng.standard_normal(b_shape).astype(dtype), layout)
    threads(1)
    one = matmul(a, b)
    for count in (2, 3, 7):
        threads(count)
        np.testing.assert_array_equal(matmul(a, b), one)


def test_batches_of_any_size_on_any_number_of_threads(threads):
    rng = np.random.default_rng(4)
    for batch in (1, 2, 3, 5, 13):
        a, b = (
            integers(rng, (batch, 70, 90), np.float32),
            integers(rng, (batch, 90, 65), np.float32),
        )
        for count in (1, 2, 3, 7):
            threads(count)
            np.testing.assert_array_equal(matmul(a, b), np.matmul(a, b))


def test_expanded_operands_are_read_in_place():
    rng = np.random.default_rng(5)
    row, b = integers(rng, (1, 40), np.float32), integers(rng, (40, 33), np.float32)
    a = np.broadcast_to(row, (17, 40))
    np.testing.assert_array_equal(matmul(a, b), a @ b)
    column = np.broadcast_to(integers(rng, (40, 1), np.float32), (40, 33))
    np.testing.assert_array_equal(matmul(a, column), a @ column)


@rooms
def test_values_worked_by_hand(multiply):
    a = np.array([[1, 2], [3, 4], [-5, 6]], np.float64)
    b = np.array([[1, 0, -1], [2, 1, 0]], np.float64)
    want = [[5, 2, -1], [11, 4, -3], [7, 6, 5]]
    np.testing.assert_array_equal(multiply(a, b), want)
    bias = np.array([10.0, 20, -4])
    np.testing.assert_array_equal(multiply(a, b, bias), [[15, 22, -5], [21, 24, -7], [17, 26, 1]])
    clipped = [[15, 22, 0], [21, 24, 0], [17, 26, 1]]
    np.testing.assert_array_equal(multiply(a, b, bias, relu=True), clipped)


@rooms
def test_an_empty_sum_is_the_bias(multiply):
    a, b, bias = np.zeros((2, 3, 0)), np.zeros((0, 4)), np.arange(4.0)
    np.testing.assert_array_equal(multiply(a, b, bias), np.broadcast_to(bias, (2, 3, 4)))
    np.testing.assert_array_equal(multiply(a, b), np.zeros((2, 3, 4)))


@rooms
def test_nan_and_infinity_go_through(multiply):
    a = np.array([[np.nan, 1], [np.inf, 1], [-np.inf, 1], [2, 3]], np.float32)
    b = np.ones((2, 5), np.float32)
    want = np.broadcast_to(np.array([[np.nan], [np.inf], [0], [5]], np.float32), (4, 5))
    np.testing.assert_array_equal(multiply(a, b, relu=True), want)


def test_the_plan_follows_the_shape():
    def form(m, n, k, transposed_a=False, transposed_b=False):
        a, b = np.zeros((m, k), np.float32), np.zeros((k, n), np.float32)
        if transposed_a:
            a = np.asfortranarray(a)
        if transposed_b:
            b = np.asfortranarray(b)
        return _core.matmul_plan(a, b)["form"]

    assert form(10000, 10, 3072) == "dot"
    assert form(84, 10, 250, transposed_a=True) == "swapped_direct"
    assert form(1, 1000, 512, transposed_b=True) == "dot"
    assert form(8, 1000, 512, transposed_b=True) == "swapped_dot"
    assert form(32, 32, 32) == "direct"
    assert form(6, 2048, 2048) == "direct"
    assert form(8, 2048, 2048) == "pack_ab"  # b's rows lie 8 KB apart
    assert form(8, 2000, 2000) == "direct"
    assert form(1000, 1000, 1000) == "pack_ab"
    # a's rows lie 12 KB apart: they share sets of L1, which tiles of 6 rows (AVX2) bear, and b has few
    # panels of the widest vectors.
    narrow = _core.isa() in ("sse2", "neon")
    assert form(128, 100, 3072, transposed_b=True) == ("pack_ab" if narrow else "pack_b")


def test_short_sums_take_more_rows_at_once(threads):
    threads(1)
    a, b = np.zeros((2000, 32), np.float32), np.zeros((32, 100), np.float32)
    assert _core.matmul_plan(a, b)["blocks"][0] > 500
    a, b = np.zeros((2000, 600), np.float32), np.zeros((600, 600), np.float32)
    assert _core.matmul_plan(a, b)["blocks"][0] < 200


def test_the_plan_divides_the_work_only_where_it_pays(threads):
    threads(2)
    assert _core.matmul_plan(np.zeros((16, 16)), np.zeros((16, 16)))["jobs"] == (1, 1, 1)
    jobs_batch, jobs_m, jobs_n = _core.matmul_plan(np.zeros((512, 512)), np.zeros((512, 512)))[
        "jobs"
    ]
    assert jobs_batch * jobs_m * jobs_n == 2
    assert _core.matmul_plan(np.zeros((8, 99, 99)), np.zeros((8, 99, 99)))["jobs"] == (2, 1, 1)


F32 = np.zeros((2, 3), np.float32)


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (ValueError, r"a \(2, 3\) has 3 columns but b \(4, 5\) has 4 rows", (F32, np.zeros((4, 5), np.float32))),
        (ValueError, r"a \(2, 3\) and b \(3,\) must have 2 dimensions", (F32, np.zeros(3, np.float32))),
        (
            ValueError,
            r"leading dimensions of a \(2, 1, 3\) and b \(3, 3, 1\) do not broadcast",
            (np.zeros((2, 1, 3), np.float32), np.zeros((3, 3, 1), np.float32)),
        ),
        (ValueError, "bias has 3 elements but b has 2 columns", (F32, F32.T, np.zeros(3, np.float32))),
        (TypeError, "b must be a float32 array, got ndarray of float64", (F32, np.zeros((3, 2)))),
        (TypeError, "bias must be a float32 array, got ndarray of float64", (F32, F32.T, np.zeros(2))),
        (TypeError, "a must be a float32 array, got ndarray of int64", (np.zeros((2, 3), np.int64), F32)),
        (TypeError, "b must be a float32 array, got ndarray of >f4", (F32, F32.T.astype(">f4"))),
    ],
)  # fmt: skip
def test_matmul_refuses(error, message, arguments):
    with pytest.raises(error, match=message):
        matmul(*arguments)


def test_forms_refuse_what_they_cannot_read():
    with pytest.raises(ValueError, match="form direct needs dense rows of b"):
        _core.matmul(F32, np.asfortranarray(np.ones((3, 4), np.float32)), form="direct")
    with pytest.raises(ValueError, match="form dot needs dense rows of a"):
        _core.matmul(np.asfortranarray(np.ones((4, 3), np.float32)), F32.T, form="dot")
    with pytest.raises(
        ValueError, match=r"form must be dot, direct, pack_b or pack_ab.*got 'fast'"
    ):
        _core.matmul(F32, F32.T, form="fast")
