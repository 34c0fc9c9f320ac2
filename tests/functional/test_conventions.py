"""The rows of docs/conventions.md: one test each, named after its row, on every backend.

A row whose last column says "the same" runs on PyTorch too.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv.testing import gradcheck

INF, NAN = math.inf, math.nan
PAGE = Path(__file__).parents[2] / "docs" / "conventions.md"
ROW = re.compile(r"^\| (?P<case>[^|]+) \| [^|]+ \| (?P<torch>[^|]+) \|$", re.M)


def rows() -> dict[str, str]:
    """What the page says of PyTorch, by the name of the row's test."""
    found = [m for m in ROW.finditer(PAGE.read_text(encoding="utf-8")) if m["case"] != "case"]
    return {"test_" + "_".join(re.findall(r"\w+", m["case"].lower())): m["torch"] for m in found}


def pytest_generate_tests(metafunc):
    if "lib" in metafunc.fixturenames:
        libs = ["cpp", "reference"]
        if rows().get(metafunc.function.__name__) == "the same":
            libs.append(pytest.param("torch", marks=pytest.mark.torch))
        metafunc.parametrize("lib", libs, indirect=True)


@pytest.fixture
def lib(request):
    """Our package on one of its backends, or PyTorch."""
    if request.param == "torch":
        yield pytest.importorskip("torch")
        return
    with tg.use_backend(request.param):
        yield tg


@pytest.fixture
def F(lib):
    return lib.nn.functional


def test_every_row_of_the_page_has_its_test():
    tests = [name for name, thing in globals().items() if "lib" in _arguments(thing)]
    assert sorted(rows()) == sorted(name for name in tests if name.startswith("test_"))


def _arguments(thing):
    code = getattr(thing, "__code__", None)
    return code.co_varnames[: code.co_argcount] if code else ()


def gradient(lib, function, *inputs):
    """The gradients of the sum of what `function` gives, for float64 inputs."""
    leaves = [lib.tensor(x, dtype=lib.float64, requires_grad=True) for x in inputs]
    function(*leaves).sum().backward()
    grads = [leaf.grad.tolist() for leaf in leaves]
    return grads if len(grads) > 1 else grads[0]


# Ties and kinks


def test_largest_or_smallest_of_everything_among_equals(lib):
    assert gradient(lib, lambda x: x.max(), [1, 2, 2]) == [0, 0.5, 0.5]
    assert gradient(lib, lambda x: x.min(), [1, 1, 2]) == [0.5, 0.5, 0]
    assert gradient(lib, lambda x: x.amax(1), [[3, 1, 3], [0, 0, 0]]) == [
        [0.5, 0, 0.5],
        [1 / 3, 1 / 3, 1 / 3],
    ]


def test_largest_or_smallest_along_a_dimension_among_equals(lib):
    x = [[1, 2, 2], [3, 3, 0]]
    assert lib.tensor(x).max(1).indices.tolist() == [1, 0]
    assert lib.tensor(x).argmax(1).tolist() == [1, 0]
    assert gradient(lib, lambda x: x.max(1).values, x) == [[0, 1, 0], [1, 0, 0]]


def test_max_pooling_among_equals(lib, F):
    assert gradient(lib, lambda x: F.max_pool2d(x, 2), [[[[1, 2], [2, 2]]]]) == [[[[0, 1], [0, 0]]]]


def test_maximum_or_minimum_of_two_equals(lib):
    assert gradient(lib, lib.maximum, [0], [0]) == [[0.5], [0.5]]
    assert gradient(lib, lib.minimum, [2, 1], [2, 5]) == [[0.5, 1], [0.5, 0]]
    assert gradient(lib, lambda x: lib.maximum(x, x), [0, 1]) == [1, 1]


def test_relu_at_0(lib, F):
    assert gradient(lib, F.relu, [-1, 0, 1]) == [0, 0, 1]


def test_clamp_at_its_ends(lib):
    assert gradient(lib, lambda x: x.clamp(0, 1), [-0.5, 0, 1, 1.5]) == [0, 1, 1, 0]


def test_hardtanh_and_relu6_at_their_ends(lib, F):
    assert gradient(lib, F.hardtanh, [-1, 0, 1]) == [0, 1, 0]
    assert gradient(lib, F.relu6, [0, 3, 6]) == [0, 1, 0]


def test_leaky_relu_and_elu_at_0(lib, F):
    assert gradient(lib, lambda x: F.leaky_relu(x, 0.25), [0]) == [0.25]
    assert gradient(lib, lambda x: F.elu(x, 2.0), [0]) == [2]


def test_absolute_value_at_0(lib, F):
    assert gradient(lib, lib.abs, [-2, 0, 2]) == [-1, 0, 1]
    assert gradient(lib, F.l1_loss, [3.0], [3.0]) == [[0], [0]]


def test_hinge_exactly_at_its_margin(lib, F):
    target = lib.tensor([0])
    assert gradient(lib, lambda s: F.multi_margin_loss(s, target), [[1, 0, 0]]) == [[0, 0, 0]]


def test_nan_among_the_values(lib, F):
    x = lib.tensor([NAN, -1.0])
    for function in (F.relu, lambda x: x.clamp(-2, 2), lib.sigmoid, lambda x: lib.maximum(x, -x)):
        assert np.isnan(function(x).tolist()).tolist() == [True, False]
    assert math.isnan(x.max().item())
    assert math.isnan(x.min().item())


def test_nan_in_sort_and_argmax(lib):
    x = lib.tensor([NAN, 1.0, 0.0])
    np.testing.assert_equal(x.sort().values.tolist(), [0, 1, NAN])
    assert x.argmax().item() == x.argmin().item() == 0


# Zeros and poles


def test_square_root_at_0(lib):
    assert gradient(lib, lib.sqrt, [0, 4]) == [INF, 0.25]


@pytest.mark.parametrize(
    "pole", ["x.sqrt()", "x.log()", "x ** 0.5", "1 / x", "x ** -1", "x.rsqrt()"]
)
def test_no_gradient_arriving_at_a_pole(lib, pole):
    assert gradient(lib, lambda x: eval(pole, {"x": x}) * 0, [0]) == [0]


@pytest.mark.parametrize("p", [0.5, 1, 2, 3, INF])
def test_norm_of_zeros(lib, p):
    assert gradient(lib, lambda x: lib.norm(x, p=p), [0, 0]) == [0, 0]


@pytest.mark.parametrize("p", [1, 2, 3, INF])
def test_distance_of_equal_rows(lib, F, p):
    row = [[1, 0]]
    assert gradient(lib, lambda x, y: lib.cdist(x, y, p=p), row, row) == [[[0, 0]], [[0, 0]]]
    apart = gradient(lib, lambda x, y: F.pairwise_distance(x, y, p=p, eps=0), row, row)
    assert apart == [[[0, 0]], [[0, 0]]]


def test_hypotenuse_of_zeros(lib):
    assert gradient(lib, lib.hypot, [0], [0]) == [[0], [0]]


def test_standard_deviation_of_equals(lib):
    assert gradient(lib, lambda x: x.std(), [3, 3, 3]) == [0, 0, 0]


def test_product_with_zeros(lib):
    assert gradient(lib, lambda x: x.prod(), [0, 2, 3]) == [6, 0, 0]
    assert gradient(lib, lambda x: x.prod(), [0, 0, 3]) == [0, 0, 0]
    assert gradient(lib, lambda x: x.cumprod(0), [0, 2, 3]) == [9, 0, 0]


def test_0_to_the_power_0(lib):
    zero = lib.tensor([0.0])
    assert (zero**zero).item() == 1
    assert gradient(lib, lib.pow, [0], [0]) == [[0], [0]]


def test_log_softmax_of_large_scores(lib, F):
    for x in ([1e4, 0], [0, -1e4]):
        assert F.log_softmax(lib.tensor(x), 0).tolist() == [0, -1e4]
    weighted = gradient(lib, lambda x: F.log_softmax(x, 0)[1], [1e4, 0])
    assert weighted == [-1, 1]


def test_softmax_of_minus_infinities_alone(lib, F):
    x = lib.tensor([[-INF, -INF], [-INF, 0.0]])
    np.testing.assert_equal(F.log_softmax(x, 1).tolist(), [[NAN, NAN], [-INF, 0]])
    np.testing.assert_equal(F.softmax(x, 1).tolist(), [[NAN, NAN], [0, 1]])


def test_logsumexp_of_minus_infinities_alone(lib):
    assert lib.logsumexp(lib.tensor([-INF, -INF]), 0).item() == -INF
    assert gradient(lib, lambda x: lib.logsumexp(x, 0), [-INF, -INF]) == [0, 0]


# What was not chosen


@pytest.mark.parametrize("inactive", ["x.sqrt()", "x.log()", "1 / x", "x * x.log()", "x ** 0.5"])
def test_branch_that_where_did_not_choose(lib, inactive):
    def f(x):
        return lib.where(x > 0, eval(inactive, {"x": x}), 0.0)

    slope = gradient(lib, f, [4])
    assert gradient(lib, f, [-1, 0, 4]) == [0, 0, *slope]


def test_elements_that_masked_fill_replaced(lib):
    assert gradient(lib, lambda x: x.sqrt().masked_fill(x <= 0, 0.0), [-1, 0, 4]) == [0, 0, 0.25]


def test_elements_that_a_mask_left_out(lib):
    assert gradient(lib, lambda x: x.sqrt()[x > 0], [-1, 0, 4]) == [0, 0, 0.25]


# Labels and losses


@pytest.mark.parametrize("label", [3, -1])
@pytest.mark.parametrize(
    "loss", ["cross_entropy", "nll_loss", "multi_margin_loss", "multiclass_svm_loss"]
)
def test_label_that_is_no_class(lib, F, loss, label):
    says = rf"{loss}: target\[1\] is {label} but input \(2, 3\) has classes 0 to 2"
    with pytest.raises(IndexError, match=says):
        getattr(F, loss)(lib.zeros(2, 3), lib.tensor([0, label]))


def test_label_100(lib, F):
    def loss(x):
        return F.cross_entropy(x, lib.tensor([1, -100]))

    got = gradient(lib, loss, [[0, 0], [1, 2]])
    assert got == [[0.5, -0.5], [0, 0]]  # the mean is over one row


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_ignored_label_beside_infinite_scores(lib, F, label_smoothing):
    def loss(x):
        target = lib.tensor([0, -100, 1])[: len(x)]
        return F.cross_entropy(x, target, label_smoothing=label_smoothing)

    alone, row = loss(lib.tensor([[1.0, 2.0]])), [[1.0, 2.0], [-INF, 3.0]]
    assert loss(lib.tensor(row)).item() == pytest.approx(alone.item())
    assert gradient(lib, loss, row)[1] == [0, 0]


def test_no_label_but_ignored_ones(lib, F):
    x = lib.zeros(2, 3, requires_grad=True)
    loss = F.cross_entropy(x, lib.tensor([-100, -100]))
    assert math.isnan(loss.item())
    loss.backward()
    assert x.grad.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_loss_of_an_empty_batch(lib, F):
    x, labels = lib.zeros(0, 3), lib.zeros(0, dtype=lib.int64)
    assert math.isnan(F.cross_entropy(x, labels).item())
    assert math.isnan(F.mse_loss(x, x).item())
    assert F.cross_entropy(x, labels, reduction="sum").item() == 0


def test_mse_loss_of_two_shapes(lib, F):
    with pytest.warns(UserWarning, match=r"broadcast"):
        loss = F.mse_loss(lib.zeros(3, 1), lib.tensor([1.0, 2.0, 3.0]))
    assert loss.item() == pytest.approx(14 / 3)


# Windows over images


def test_padding_of_max_pooling(lib, F):
    assert F.max_pool2d(-lib.ones(1, 1, 2, 2), 3, padding=1).tolist() == [[[[-1]]]]


def test_padding_of_more_than_half_a_window(lib, F):
    with pytest.raises(ValueError, match=r"padding 2 is more than half of the window's 3 rows"):
        F.max_pool2d(lib.ones(1, 1, 2, 2), 3, padding=2)


def test_max_pooling_of_nan(lib, F):
    pooled = F.max_pool2d(lib.tensor([[[[1.0, NAN, 2.0, 3.0]]]]), (1, 2))
    np.testing.assert_equal(pooled.tolist(), [[[[NAN, 3]]]])


def test_average_pooling_over_the_edge(lib, F):
    def pool(x):
        return F.avg_pool2d(x.reshape(1, 1, 1, 5), (1, 2), ceil_mode=True)

    assert pool(lib.tensor([1.0, 2.0, 3.0, 4.0, 5.0])).tolist() == [[[[1.5, 3.5, 5]]]]
    assert gradient(lib, pool, [1, 2, 3, 4, 5]) == [0.5, 0.5, 0.5, 0.5, 1]


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("dilation", "read"), [(1, [0, 1, 2]), (2, [0, 2, 4])])
def test_pixels_that_no_kernel_reads(lib, F, dilation, read, groups):
    x, w = lib.ones(1, 2, 6, 6, requires_grad=True), lib.ones(2, 2 // groups, 3, 3)
    F.conv2d(x, w, stride=4, dilation=dilation, groups=groups).sum().backward()
    want = np.zeros((6, 6))
    want[np.ix_(read, read)] = 2 // groups
    np.testing.assert_array_equal(x.grad[0, 0].numpy(), want)


def test_convolution_of_an_empty_batch(lib, F):
    x = lib.zeros(0, 2, 5, 5, requires_grad=True)
    w, b = lib.ones(3, 2, 3, 3, requires_grad=True), lib.ones(3, requires_grad=True)
    y = F.conv2d(x, w, b)
    y.sum().backward()
    assert tuple(y.shape) == (0, 3, 3, 3)
    assert tuple(x.grad.shape) == (0, 2, 5, 5)
    assert w.grad.count_nonzero().item() == b.grad.count_nonzero().item() == 0


def test_batch_norm_of_one_value_a_channel(lib, F):
    with pytest.raises(ValueError, match=r"more than (1|one) value"):
        F.batch_norm(lib.ones(1, 3), None, None, training=True)


def test_channels_that_come_last(lib, F):
    with pytest.raises(ValueError, match=r"channels seem to come last, use permute\(0, 3, 1, 2\)"):
        F.conv2d(lib.zeros(1, 8, 8, 3), lib.zeros(4, 3, 3, 3))


# The graph


def test_numpy_array_changed_before_backward(lib):
    a = np.ones(2)
    x, w = lib.from_numpy(a), lib.ones(2, dtype=lib.float64, requires_grad=True)
    y = (x * w).sum()
    with pytest.raises(ValueError, match="read-only"):
        a[0] = 100
    y.backward()
    assert w.grad.tolist() == [1, 1]
    del y
    a[0] = 100  # the graph has let go


def test_numpy_of_a_tensor_that_requires_a_gradient(lib):
    x = lib.ones(2, requires_grad=True)
    y = (x * x).sum()
    values = x.numpy()
    assert values.tolist() == [1, 1]
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 3
    y.backward()
    assert x.grad.tolist() == [2, 2]


def test_value_changed_in_place_before_backward(lib):
    x = lib.ones(2, requires_grad=True)
    y = x * 2
    z = (y * y).sum()
    y += 1
    with pytest.raises(RuntimeError, match=r"in ?place"):
        z.backward()


def test_write_in_place_to_a_leaf(lib):
    x = lib.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        x += 1
    with lib.no_grad():
        x += 1
    assert x.tolist() == [2, 2]


def test_write_in_place_through_a_view(lib):
    x = lib.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 1
    y[1:] *= 10
    assert y.tolist() == [1, 20, 30]
    y.sum().backward()
    assert x.grad.tolist() == [1, 10, 10]


def test_second_backward_through_a_graph(lib):
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="backward"):
        y.backward()


def test_backward_passes_without_zero_grad(lib):
    x = lib.ones(1, requires_grad=True)
    for _ in range(2):
        (2 * x).backward()
    assert x.grad.item() == 4


def test_backward_from_several_elements(lib):
    with pytest.raises(RuntimeError, match="grad"):
        lib.ones(2, requires_grad=True).exp().backward()


def test_gradient_of_integers(lib):
    with pytest.raises(TypeError, match="only float tensors have gradients, got int64"):
        lib.tensor([1], requires_grad=True)


def test_step_of_parameters_without_gradient(lib):
    w = lib.ones(2, requires_grad=True)
    lib.optim.SGD([w], lr=0.1, weight_decay=0.5).step()
    assert w.tolist() == [1, 1]


def test_plain_list_of_modules(lib):
    class Net(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [lib.nn.Linear(2, 2)]

    with pytest.warns(UserWarning, match=r"Net\.layers .* use nn\.ModuleList") as said:
        net = Net()
    assert len(said) == 1
    assert list(net.parameters()) == []


@pytest.mark.parametrize(
    "read",
    [
        "x[5]",
        "x[i]",
        "x.gather(0, i)",
        "x.index_select(0, i)",
        "x.take(i)",
        "x.scatter(0, i, x)",
        "lib.nn.functional.one_hot(i, 3)",
    ],
)
def test_index_out_of_bounds(lib, read):
    with pytest.raises(IndexError, match="5"):
        eval(read, {"lib": lib, "x": lib.ones(3), "i": lib.tensor([0, 5, 1])})


# dtypes, NumPy, broadcasting


def test_python_number_beside_a_tensor(lib):
    assert (lib.ones(2, dtype=lib.float32) * 1.5).dtype == lib.float32
    assert (lib.ones(2, dtype=lib.int64) * 1.5).dtype == lib.float32
    assert (lib.ones(2, dtype=lib.uint8) + 1).dtype == lib.uint8
    assert (lib.tensor([True]) + 1).dtype == lib.int64


def test_integers_beside_floats(lib):
    ints, floats = lib.ones(2, dtype=lib.int64), lib.ones(2, dtype=lib.float32)
    assert (ints * floats).dtype == lib.float32
    assert lib.where(lib.tensor([True, False]), ints, floats).dtype == lib.float32


def test_tensor_of_one_number_beside_a_tensor(lib):
    one = lib.tensor(1.0, dtype=lib.float64)
    assert (lib.ones(2, dtype=lib.float32) * one).dtype == lib.float32
    assert (lib.ones(2, dtype=lib.int64) * one).dtype == lib.float64


def test_division_of_integers(lib):
    a, b = lib.tensor([-7]), lib.tensor([2])
    assert (a / b).dtype == lib.float32
    assert [(a / b).item(), (a // b).item(), (a % b).item()] == [-3.5, -4, 1]


def test_sum_of_integers(lib):
    assert lib.ones(300, dtype=lib.uint8).sum().item() == 300
    assert lib.tensor([True, True]).sum().dtype == lib.int64


def test_mean_of_integers(lib):
    with pytest.raises(TypeError, match="mean: expected floats, got int64"):
        lib.tensor([1, 2]).mean()


def test_function_of_integers(lib):
    assert lib.tensor([0, 1]).exp().dtype == lib.float32
    assert lib.tensor([4]).sqrt().dtype == lib.float32


def test_write_in_place_of_another_dtype(lib):
    x = lib.ones(2, dtype=lib.float32)
    x += lib.ones(2, dtype=lib.float64)
    assert x.dtype == lib.float32
    x[0] = lib.tensor(7)
    assert x.tolist() == [7, 2]


def test_floats_written_in_place_over_integers(lib):
    with pytest.raises(TypeError, match="float32, which does not fit the tensor's int64"):
        lib.tensor([1, 2]).add_(0.5)


def test_numbers_made_a_tensor(lib):
    assert lib.tensor([1.0]).dtype == lib.float32
    assert lib.tensor([1]).dtype == lib.int64
    assert lib.tensor(np.ones(2)).dtype == lib.float64


def test_numpy_number_beside_a_tensor(lib):
    assert (lib.ones(2, dtype=lib.float32) * np.float64(2)).dtype == lib.float32


def test_numpy_array_times_tensor(lib):
    x = lib.ones(2, requires_grad=True)
    a = np.array([1, 2], np.float32)
    (a * x).sum().backward()
    (x * a).sum().backward()
    assert x.grad.tolist() == [2, 4]


def test_numpy_function_of_a_tensor(lib):
    x = lib.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = np.sum(np.where(np.array([True, False]), np.square(x), 0.0), axis=1)
    assert y.tolist() == [1, 9]
    np.mean(y).backward()
    assert x.grad.tolist() == [[1, 0], [3, 0]]


def test_axis_and_keepdims_as_keywords(lib):
    x = lib.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert x.sum(axis=0, keepdims=True).tolist() == [[4, 6]]
    assert x.max(axis=1).indices.tolist() == [1, 1]


def test_numpy_function_that_cannot_be_recorded(lib):
    x = lib.ones(2, requires_grad=True)
    with pytest.raises(TypeError, match=r"np\.arcsinh is not recorded"):
        np.arcsinh(x)
    with pytest.raises(TypeError, match="NumPy cannot record"):
        np.cov(x)


def test_gradient_of_what_was_broadcast(lib):
    g = lib.tensor([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]])
    assert gradient(lib, lambda x, y: x * y * g, [[1], [2]], [1, 1, 1]) == [
        [[7], [56]],
        [17, 34, 68],
    ]
    assert gradient(lib, lambda x: (x + g).sum(), 5) == 6


def test_rounding_of_halves(lib):
    assert lib.tensor([0.5, 1.5, 2.5]).round().tolist() == [0, 2, 2]


def test_median_of_an_even_number(lib):
    assert lib.tensor([4.0, 1.0, 3.0, 2.0]).median().item() == 2


def test_gradcheck_of_float32(lib):
    x = lib.tensor([0.3, 4.0], requires_grad=True)
    assert gradcheck(lambda x: x.exp() * x, (x,), rtol=1e-6)
    assert x.dtype == lib.float32


# Textbook and PyTorch


def test_adam_first_step(lib):
    w = lib.tensor([1.0], requires_grad=True)
    for settings, length in (({}, 1.0), ({"bias_correction": False}, 0.1 / math.sqrt(0.001))):
        with lib.no_grad():
            w.fill_(1.0)
        w.grad = lib.tensor([3.0])
        lib.optim.Adam([w], lr=0.01, **settings).step()
        assert w.item() == pytest.approx(1 - 0.01 * length, rel=1e-6)


@pytest.mark.parametrize(("name", "grads"), [("Adam", 1), ("RMSprop", 1), ("Adagrad", 1)])
def test_eps_of_adaptive_steps(lib, name, grads):
    w = lib.zeros(1, dtype=lib.float64, requires_grad=True)
    w.grad = lib.tensor([1e-8], dtype=lib.float64)
    settings = {"alpha": 0.0} if name == "RMSprop" else {}
    getattr(lib.optim, name)([w], lr=1.0, eps=1e-8, **settings).step()
    assert w.item() == pytest.approx(-0.5)  # g / (|g| + eps)


def test_momentum_while_the_step_size_falls(lib):
    ends = {}
    for formulation in ("pytorch", "textbook"):
        w = lib.zeros(1, requires_grad=True)
        sgd = lib.optim.SGD([w], lr=1.0, momentum=0.5, formulation=formulation)
        for lr in (1.0, 0.1):
            sgd.param_groups[0]["lr"] = lr
            w.grad = lib.ones(1)
            sgd.step()
        ends[formulation] = w.item()
    assert ends["pytorch"] == pytest.approx(-1 - 0.1 * (1 + 0.5))
    assert ends["textbook"] == pytest.approx(-1 - (0.1 + 0.5 * 1))


def test_l2_penalty(lib):
    w = lib.tensor([[3.0, 4.0]], requires_grad=True)
    lib.nn.regularizers.L2(0.1)(w).backward()
    np.testing.assert_allclose(w.grad.numpy(), [[0.3, 0.4]], rtol=1e-6)
    assert lib.nn.regularizers.L2(0.1, half=False)(w).item() == pytest.approx(2.5)


def test_elastic_net_penalty(lib):
    w = lib.tensor([[3.0, -4.0]])
    assert lib.nn.regularizers.ElasticNet(0.1, 0.01)(w).item() == pytest.approx(0.7 + 0.25)


def test_multiclass_svm_loss_beside_multi_margin_loss(lib, F):
    scores = lib.tensor([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0]])  # cat and car of the textbook
    labels = lib.tensor([0, 1])
    assert F.multiclass_svm_loss(scores, labels).item() == pytest.approx((2.9 + 0) / 2)
    assert F.multi_margin_loss(scores, labels).item() == pytest.approx((2.9 + 0) / 2 / 3)


def test_dropout_probability(lib, F):
    lib.manual_seed(0)
    kept = F.dropout(lib.ones(10_000), 0.2)
    assert sorted(set(kept.tolist())) == [0, 1.25]
    assert kept.count_nonzero().item() == pytest.approx(8000, rel=0.02)


@pytest.mark.parametrize(("fan", "std"), [("average", math.sqrt(2 / 400)), ("in", 0.1)])
def test_xavier_fan(lib, fan, std):
    lib.manual_seed(0)
    weight = lib.nn.init.xavier_normal_(lib.empty(300, 100), fan=fan)
    assert weight.std().item() == pytest.approx(std, rel=0.02)


def test_image_that_strides_do_not_tile(lib, F):
    assert tuple(F.conv2d(lib.zeros(1, 1, 6, 6), lib.zeros(1, 1, 3, 3), stride=2).shape[2:]) == (
        2,
        2,
    )
    pattern = {"kernel_size": 3, "stride": 2, "padding": 0}
    with pytest.raises(ValueError, match=r"\(6 - 3 .*\)/2 \+ 1"):
        lib.models.convnet("INPUT -> CONV -> FC", (1, 6, 6), filters=1, **pattern)


def test_training_on_a_loss_that_is_nan(lib):
    batches = lib.data.DataLoader([(np.float32([NAN, 1]), 0), (np.float32([0, 1]), 1)], 2)
    net = lib.nn.Linear(2, 2)
    trainer = lib.training.Trainer(net, lib.optim.SGD(net.parameters(), lr=0.1))
    with pytest.raises(FloatingPointError, match="nan at step 0"):
        trainer.fit(batches, batches, epochs=1)
