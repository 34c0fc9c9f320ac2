"""gradcheck finds wrong gradients, says where, and tells them from kinks."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv.engine import Gate
from tinygrad_cv.gates.broadcast import unbroadcast
from tinygrad_cv.testing import GradcheckError, gradcheck, gradgradcheck

POINTS = np.array([[0.5, -1.5, 2.0], [1.0, 3.0, -0.25]])


class Sigmoid(Gate):
    """Right, with hooks for what may be wrong."""

    factor = 1.0
    saved_from = (-1,)

    def forward(self, x):
        y = 1 / (1 + np.exp(-x))
        self.saved = (y,)
        return y

    def backward(self, grad):
        (y,) = self.saved
        return (grad * y * (1 - y) * self.factor,)


class WrongSign(Sigmoid):
    factor = -1.0


class SlightlyWrong(Sigmoid):
    factor = 1.001


class NoGradient(Sigmoid):
    factor = 0.0


class PlainSlot(Sigmoid):
    """The saved value is a constant for create_graph: only second derivatives are wrong."""

    saved_from = ()

    def forward(self, x):
        self.y = 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, grad):
        return (grad * self.y * (1 - self.y),)


class WrongSource(Sigmoid):
    """The output is taken for the input: only second derivatives are wrong."""

    saved_from = (0,)


class SwappedOperands(Gate):
    saved_from = (0, 1)

    def forward(self, a, b):
        self.saved = (a, b)
        return a * b

    def backward(self, grad):
        a, b = self.saved
        return unbroadcast(grad * a, a.shape), unbroadcast(grad * b, b.shape)


class SwappedStrides(Gate):
    """y = x[::rows, ::columns], whose gradient swaps the two."""

    def __init__(self, rows, columns):
        self.rows, self.columns = rows, columns

    def forward(self, x):
        self.shape = x.shape
        return x[:: self.rows, :: self.columns]

    def backward(self, grad):
        gx = np.zeros_like(grad, shape=self.shape)
        gx[:: self.columns, :: self.rows][: grad.shape[0], : grad.shape[1]] = grad
        return (gx,)


class OneElementWrong(Sigmoid):
    def backward(self, grad):
        (y,) = self.saved
        gx = grad * y * (1 - y)
        gx[1, 2] *= 2
        return (gx,)


class SumOnly(Sigmoid):
    """Right for an upstream gradient of ones alone, as in (softmax).sum()."""

    def backward(self, grad):
        (y,) = self.saved
        return (y * (1 - y),)


DEFECTS = [WrongSign, SlightlyWrong, NoGradient, OneElementWrong, SumOnly]


def test_right_gates_pass_both_orders():
    for check in (gradcheck, gradgradcheck):
        report = check(lambda x: Sigmoid()(x), POINTS)
        assert report
        assert (report.kinks, report.failures) == ([], [])
        assert report.worst < 1e-6
    assert gradcheck(lambda x: Sigmoid()(x), POINTS).checked == 6
    assert gradgradcheck(lambda x: Sigmoid()(x), POINTS).checked == 12


@pytest.mark.parametrize("gate", DEFECTS, ids=lambda gate: gate.__name__)
def test_defective_gates_are_found(gate):
    with pytest.raises(GradcheckError, match="are wrong"):
        gradcheck(lambda x: gate()(x), POINTS)


@pytest.mark.parametrize("gate", [PlainSlot, WrongSource], ids=lambda gate: gate.__name__)
def test_what_only_second_derivatives_show(gate):
    assert gradcheck(lambda x: gate()(x), POINTS)
    with pytest.raises(GradcheckError, match=r"gradgradcheck: .* are wrong"):
        gradgradcheck(lambda x: gate()(x), POINTS)


def test_swapped_operands_are_found():
    with pytest.raises(GradcheckError, match="are wrong"):
        gradcheck(lambda a, b: SwappedOperands()(a, b), (POINTS, POINTS + 0.5))


def test_swapped_strides_are_found():
    x = np.arange(24.0).reshape(4, 6)
    assert gradcheck(lambda x: SwappedStrides(2, 2)(x), x)
    with pytest.raises(GradcheckError, match="are wrong"):
        gradcheck(lambda x: SwappedStrides(2, 3)(x), x)


def test_a_result_cut_from_the_graph_is_found():
    with pytest.raises(GradcheckError, match="analytic 0, numeric"):
        gradcheck(lambda x: x.detach() * 2, POINTS)
    with pytest.raises(GradcheckError, match="analytic"):
        gradcheck(lambda x: x * x.detach(), POINTS)


def test_the_message_names_input_element_both_values_and_the_worst_error():
    scale = np.ones_like(POINTS)
    with pytest.raises(GradcheckError) as caught:
        gradcheck(lambda s, x: s.detach() * 0 + OneElementWrong()(x), (scale, POINTS))
    text = str(caught.value)
    assert text.startswith("gradcheck: 1 of 12 elements compared, 0 at kinks are wrong, worst")
    found = re.search(r"input 1, element \(1, 2\): analytic (\S+), numeric (\S+), relative", text)
    assert float(found[1]) == pytest.approx(2 * float(found[2]), rel=1e-5)
    assert "relative error 0.5" in text


def test_many_mismatches_are_counted_and_the_worst_shown():
    report = gradcheck(lambda x: WrongSign()(x), np.zeros(9), raise_exception=False)
    assert not report
    assert len(report.failures) == 9
    assert str(report).count("analytic") == 5
    assert "and 4 more" in str(report)


def test_a_gradient_of_another_shape_is_named():
    class Summed(Gate):
        def forward(self, x):
            self.saved = ()
            return x * 2

        def backward(self, grad):
            return (grad.sum() * 2,)

    with pytest.raises(RuntimeError, match=r"Summed\.backward returned a gradient of shape \(\)"):
        gradcheck(lambda x: Summed()(x), POINTS)  # the engine itself looks at users' gates,
    Summed.trusted = True  # but not at the package's own
    with pytest.raises(GradcheckError, match=r"of input 0 has shape \(\), the input \(2, 3\)"):
        gradcheck(lambda x: Summed()(x), POINTS)


def test_a_gate_that_writes_into_its_arguments_is_found():
    class WritesGrad(Gate):
        def forward(self, x):
            return x * 1.0

        def backward(self, grad):
            out = grad.copy()
            grad *= 0
            return (out,)

    class WritesSaved(Sigmoid):
        def backward(self, grad):
            (y,) = self.saved
            y *= 1 - y
            return (grad * y,)

    with pytest.raises(GradcheckError, match="writes into the gradient"):
        gradcheck(lambda x: WritesGrad()(x), POINTS)
    with pytest.raises(GradcheckError, match="writes into what it saved"):
        gradcheck(lambda x: WritesSaved()(x), POINTS)


# Kinks


@pytest.mark.parametrize(
    ("fn", "point"),
    [
        (tg.relu, [0.0, 1.0, -1.0]),
        (lambda x: tg.amax(x), [2.0, 2.0, 1.0]),
        (lambda x: x.max(0).values, [2.0, 2.0, 1.0]),
        (lambda x: tg.relu(x) + tg.relu(-x), [0.0, 1.0]),
    ],
    ids=["relu", "amax", "max", "abs"],
)
def test_kinks_are_reported_and_do_not_fail(fn, point):
    for check in (gradcheck, gradgradcheck):
        assert check(fn, np.array(point))
    report = gradcheck(fn, np.array(point))
    assert {m.input for m in report.kinks} <= {0}
    assert report.checked + len(report.kinks) == len(point)
    assert "at kinks, worst" in str(report)


def test_only_the_kink_is_excused():
    report = gradcheck(tg.relu, np.array([0.0, 1.0, -1.0]))
    assert [m.element for m in report.kinks] == [(0,)]
    with pytest.raises(GradcheckError, match=r"element \(1,\)"):
        gradcheck(lambda x: tg.relu(x) + WrongSign()(x - 0.0), np.array([0.0, 1.0]))


def test_a_kink_excuses_no_gradient_outside_its_slopes():
    class Steep(Gate):
        def forward(self, x):
            self.mask = x > 0
            return np.maximum(x, 0)

        def backward(self, grad):
            return (grad * (3 * self.mask + 2 * (1 - self.mask)) + 0,)

    with pytest.raises(GradcheckError, match="analytic"):
        gradcheck(lambda x: Steep()(x), np.array([0.0]))


def test_a_kink_beside_the_point_is_no_excuse():
    near = np.array([3e-7, -3e-7])  # nearer than the step
    assert gradcheck(tg.relu, near).checked == 2
    with pytest.raises(GradcheckError, match="analytic"):
        gradcheck(lambda x: 1.5 * tg.relu(x) - 0.5 * tg.relu(x).detach(), near)


def test_jumps_and_the_end_of_the_domain_are_kinks():
    class Step(Gate):
        def forward(self, x):
            return np.floor(x)

        def backward(self, grad):
            return (grad * 0,)

    assert gradcheck(lambda x: Step()(x), np.array([1.0, 1.5])).checked == 1
    with np.errstate(invalid="ignore"):
        assert len(gradcheck(tg.sqrt, np.array([0.0, 1.0])).kinks) == 1
        assert len(gradcheck(tg.log, np.array([0.0, 1.0])).kinks) == 1


# What it takes


def test_float32_is_checked_in_float64_on_copies():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    seen = []

    def cube(t):
        seen.append(t.dtype)
        return t**3

    assert gradcheck(cube, x)
    assert set(seen) == {np.dtype("float64")}
    assert x.dtype == np.float32
    assert x.grad is None


def test_a_module_is_checked_in_float64_on_a_copy():
    layer = tg.nn.Linear(3, 2)
    assert gradcheck(layer, POINTS)
    assert gradgradcheck(layer, POINTS)
    assert layer.weight.dtype == np.float32


def test_tensors_that_require_a_gradient_are_the_ones_differentiated():
    a = tg.tensor([1.0, 2.0], requires_grad=True)
    b = tg.tensor([3.0, 4.0])
    report = gradcheck(lambda a, b: a * b.detach(), (a, b))
    assert report.checked == 2


def test_ints_and_options_are_handed_on():
    labels = np.array([1, 0])
    assert gradcheck(
        lambda x, t, how: tg.cross_entropy(x, t, reduction=how), (POINTS, labels, "sum")
    )


def test_several_results():
    def both(x):
        return x * x, x.argmax() if hasattr(x, "argmax") else None, x.exp()

    assert gradcheck(both, POINTS)
    assert gradgradcheck(both, POINTS)

    def one_wrong(x):
        return x * x, SlightlyWrong()(x)

    with pytest.raises(GradcheckError, match="are wrong"):
        gradcheck(one_wrong, POINTS)


def test_empty_inputs_and_0d_inputs():
    assert gradcheck(lambda x: x * x, np.zeros((0, 3))).checked == 0
    assert gradcheck(lambda x: x * x, 3.0 * np.ones(())).checked == 1


def test_large_values_are_within_tolerance():
    for scale in (1e-8, 1.0, 1e8):
        assert gradcheck(lambda x: x * x, POINTS * scale)
        with pytest.raises(GradcheckError, match="are wrong"):
            gradcheck(lambda x: 1.001 * x * x - 0.001 * (x * x).detach(), POINTS * scale + 1)


def test_random_functions_are_refused():
    random = np.random.default_rng(0)
    with pytest.raises(ValueError, match="gradcheck: the function gives two results"):
        gradcheck(lambda x: x * random.random(), POINTS)
    with pytest.raises(ValueError, match="gradgradcheck: the function gives two results"):
        gradgradcheck(lambda x: x * random.random(), POINTS)


def test_nothing_to_differentiate_is_refused():
    with pytest.raises(ValueError, match="none of the inputs is a tensor or array of floats"):
        gradcheck(lambda x: x, np.arange(3))
    with pytest.raises(ValueError, match="must return a tensor of floats, got 3"):
        gradcheck(lambda x: 3, POINTS)


def test_the_upstream_gradient_is_seeded():
    reports = [gradcheck(lambda x: x.exp(), POINTS, seed=s).worst for s in (1, 1, 2)]
    assert reports[0] == reports[1] != reports[2]


def test_gradcheck_needs_no_hypothesis_and_the_strategies_name_the_extra():
    code = """
import sys
sys.modules["hypothesis"] = None  # as if it were not installed
import tinygrad_cv as tg
assert tg.testing.gradcheck(tg.exp, tg.tensor([1.0]))
try:
    tg.testing.arrays()
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == 'hypothesis is not installed: pip install "tinygrad-cv[test]"\n'


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        tg.testing.nothing  # noqa: B018
