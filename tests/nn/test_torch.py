"""Every layer takes PyTorch's arguments and state_dict, prints as it does, and gives its numbers."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import nn

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def layer(name, *args, x, **kwargs):
    """A layer by name and arguments, and the shapes of its inputs."""
    shapes = x if isinstance(x, list) else [x]
    text = ", ".join([*map(str, args), *(f"{k}={v}" for k, v in kwargs.items())])
    return pytest.param(name, args, kwargs, shapes, id=f"{name}({text}) of {x}")


LAYERS = [
    layer("Linear", 5, 3, x=(4, 5)),
    layer("Linear", 5, 3, False, x=(2, 4, 5)),
    layer("Identity", x=(2, 3)),
    layer("Conv2d", 2, 4, 3, x=(2, 2, 7, 6)),
    layer("Conv2d", 4, 6, (2, 3), (2, 1), (1, 0), (1, 2), 2, False, x=(1, 4, 8, 9)),
    layer("Conv2d", 2, 3, 3, padding="same", dilation=2, x=(2, 2, 6, 6)),
    layer("Conv2d", 2, 3, 3, padding="valid", x=(2, 6, 6)),
    layer("MaxPool2d", 2, x=(2, 3, 6, 8)),
    layer("MaxPool2d", (3, 2), (2, 1), (1, 0), (1, 2), ceil_mode=True, x=(2, 2, 8, 7)),
    layer("AvgPool2d", 3, 2, 1, True, False, x=(2, 2, 7, 8)),
    layer("AvgPool2d", (2, 3), divisor_override=5, x=(2, 6, 7)),
    layer("Conv2d", 2, 3, 3, padding=(2, 1), padding_mode="reflect", x=(2, 2, 5, 6)),
    layer("Conv2d", 2, 3, (3, 4), padding="same", padding_mode="circular", x=(1, 2, 5, 6)),
    layer("Conv2d", 2, 3, 3, padding=1, padding_mode="replicate", stride=2, x=(2, 2, 5, 6)),
    *[
        layer(name, x=(3, 4))
        for name in (
            "ReLU",
            "ReLU6",
            "SELU",
            "SiLU",
            "Mish",
            "Hardswish",
            "Hardsigmoid",
            "Sigmoid",
            "LogSigmoid",
            "Tanh",
            "Softsign",
            "LeakyReLU",
            "ELU",
            "CELU",
            "Hardtanh",
            "GELU",
            "Softplus",
            "PReLU",
            "GLU",
        )
    ],
    layer("LeakyReLU", 0.3, x=(3, 4)),
    layer("ELU", 0.7, x=(3, 4)),
    layer("CELU", 0.5, x=(3, 4)),
    layer("Hardtanh", -0.5, 2.0, x=(3, 4)),
    layer("Threshold", 0.1, 20.0, x=(3, 4)),
    layer("GELU", "tanh", x=(3, 4)),
    layer("Softplus", 2.0, 1.0, x=(3, 4)),
    layer("PReLU", 3, 0.1, x=(2, 3, 4)),
    layer("GLU", 1, x=(2, 4, 3)),
    layer("Softmax", 1, x=(3, 4)),
    layer("LogSoftmax", -1, x=(3, 4)),
    layer("Flatten", x=(2, 3, 4)),
    layer("Flatten", 0, 1, x=(2, 3, 4)),
    layer("Dropout", 0.3, x=(3, 4)),
    layer("Dropout1d", 0.3, x=(2, 3, 4)),
    layer("Dropout2d", 0.3, x=(2, 3, 4, 4)),
    layer("AlphaDropout", 0.3, x=(3, 4)),
    layer("Conv1d", 2, 4, 3, x=(2, 2, 7)),
    layer("Conv1d", 4, 6, 3, 2, 1, 2, 2, False, x=(4, 9)),
    layer("Conv1d", 2, 3, 3, padding="same", padding_mode="reflect", x=(2, 2, 9)),
    layer("ConvTranspose2d", 2, 3, 3, x=(2, 2, 4, 5)),
    layer("ConvTranspose2d", 4, 6, (2, 3), (2, 1), (1, 0), (1, 0), 2, False, x=(1, 4, 4, 5)),
    layer("ConvTranspose2d", 2, 3, 3, 2, dilation=2, x=(2, 4, 5)),
    layer("ConvTranspose1d", 2, 3, 3, 2, 1, 1, x=(2, 2, 5)),
    layer("MaxPool1d", 2, x=(2, 3, 7)),
    layer("MaxPool1d", 3, 2, 1, ceil_mode=True, x=(3, 8)),
    layer("AvgPool1d", 2, x=(2, 3, 7)),
    layer("AvgPool1d", 3, 2, 1, True, False, x=(3, 8)),
    layer("LPPool1d", 2, 3, x=(2, 3, 7)),
    layer("LPPool2d", 2, 2, x=(2, 3, 6, 6)),
    layer("LPPool2d", 3.0, (2, 3), 2, True, x=(2, 3, 7, 7)),
    layer("AdaptiveAvgPool1d", 3, x=(2, 3, 7)),
    layer("AdaptiveAvgPool2d", 1, x=(2, 3, 6, 7)),
    layer("AdaptiveAvgPool2d", (3, None), x=(2, 3, 7, 5)),
    layer("AdaptiveMaxPool1d", 3, x=(2, 3, 7)),
    layer("AdaptiveMaxPool2d", (2, 3), x=(2, 3, 7, 5)),
    layer("Unflatten", 1, (2, 3), x=(2, 6)),
    layer("PixelShuffle", 2, x=(2, 8, 3, 4)),
    layer("PixelUnshuffle", 2, x=(2, 2, 4, 6)),
    layer("Unfold", (2, 3), 1, 1, 2, x=(2, 3, 6, 7)),
    layer("Fold", (5, 6), 2, padding=1, stride=1, x=(2, 12, 42)),
    layer("Upsample", scale_factor=2, x=(2, 3, 4, 5)),
    layer("Upsample", scale_factor=1.5, mode="linear", x=(2, 3, 5)),
    layer("Upsample", size=(7, 6), mode="bilinear", align_corners=True, x=(2, 3, 4, 5)),
    layer("Upsample", scale_factor=(2.0, 1.5), mode="bicubic", x=(2, 3, 4, 5)),
    layer("BatchNorm1d", 3, x=(4, 3)),
    layer("BatchNorm1d", 3, 1e-3, 0.2, x=(4, 3, 5)),
    layer("BatchNorm2d", 3, x=(2, 3, 4, 5)),
    layer("BatchNorm2d", 3, bias=False, x=(2, 3, 4, 5)),
    layer("GroupNorm", 2, 4, bias=False, x=(2, 4, 3)),
    layer("BatchNorm2d", 3, affine=False, x=(2, 3, 4, 5)),
    layer("BatchNorm2d", 3, momentum=None, x=(2, 3, 4, 5)),
    layer("BatchNorm2d", 3, track_running_stats=False, x=(2, 3, 4, 5)),
    layer("InstanceNorm1d", 3, x=(2, 3, 5)),
    layer("InstanceNorm2d", 3, x=(2, 3, 4, 5)),
    layer("InstanceNorm2d", 3, affine=True, track_running_stats=True, x=(3, 4, 5)),
    layer("LayerNorm", 5, x=(2, 3, 5)),
    layer("LayerNorm", (3, 5), 1e-3, x=(2, 3, 5)),
    layer("LayerNorm", [5], elementwise_affine=False, x=(2, 5)),
    layer("LayerNorm", 5, bias=False, x=(2, 5)),
    layer("RMSNorm", 5, x=(2, 3, 5)),
    layer("RMSNorm", (3, 5), 1e-3, False, x=(2, 3, 5)),
    layer("GroupNorm", 2, 4, x=(2, 4, 3, 3)),
    layer("GroupNorm", 4, 4, 1e-3, False, x=(2, 4, 3)),
    layer("CosineSimilarity", x=[(3, 4), (3, 4)]),
    layer("CosineSimilarity", 0, 1e-3, x=[(3, 4), (3, 4)]),
    layer("PairwiseDistance", x=[(3, 4), (3, 4)]),
    layer("PairwiseDistance", 3.0, 1e-3, True, x=[(3, 4), (3, 4)]),
    layer("LocalResponseNorm", 3, 1e-2, 0.6, 2.0, x=(2, 5, 3, 3)),
]


def pair_of(name, args, kwargs, seed=0):
    """The layer here and in PyTorch, with the same values."""
    torch.manual_seed(seed)
    theirs = getattr(torch.nn, name)(*args, **kwargs).double()
    ours = getattr(nn, name)(*args, **kwargs).double()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def drawn(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes]


# PyTorch divides by 6 as a multiplication with the float32 nearest to 1/6, in float64 too.
RTOL = {"Hardsigmoid": 1e-7}


def assert_same(ours, theirs, rtol=1e-9):
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=rtol, atol=1e-11)


def assert_agree(ours, theirs, shapes):
    """The same outputs, and the same gradients of inputs and parameters."""
    rtol = RTOL.get(type(ours).__name__, 1e-9)
    values = drawn(shapes)
    mine = [tg.tensor(v, requires_grad=True) for v in values]
    others = [torch.tensor(v, requires_grad=True) for v in values]
    out, reference = ours(*mine), theirs(*others)
    assert_same(out, reference, rtol)
    (upstream,) = drawn([out.shape], seed=1)
    out.backward(tg.tensor(upstream))
    reference.backward(torch.tensor(upstream))
    for x, y in zip(mine, others, strict=True):
        assert_same(x.grad, y.grad, rtol)
    for (name, param), (their_name, other) in zip(
        ours.named_parameters(), theirs.named_parameters(), strict=True
    ):
        assert name == their_name
        assert_same(param.grad, other.grad, rtol)


@pytest.mark.parametrize(("name", "args", "kwargs", "shapes"), LAYERS)
def test_values_and_gradients(name, args, kwargs, shapes):
    ours, theirs = pair_of(name, args, kwargs)
    if "Dropout" in name:  # while training the two draw different numbers
        ours.eval()
        theirs.eval()
    assert_agree(ours, theirs, shapes)


@pytest.mark.parametrize(("name", "args", "kwargs", "shapes"), LAYERS)
def test_names_shapes_and_print(name, args, kwargs, shapes):
    ours, theirs = pair_of(name, args, kwargs)
    assert repr(ours) == repr(theirs)
    mine, others = ours.state_dict(), theirs.state_dict()
    assert list(mine) == list(others)
    assert [v.shape for v in mine.values()] == [tuple(v.shape) for v in others.values()]


@pytest.mark.parametrize(
    "options", [{}, {"padding_idx": 2}, {"max_norm": 1.0, "norm_type": 1.5}], ids=str
)
def test_embeddings(options):
    ours, theirs = pair_of("Embedding", (5, 3), options)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    index = np.array([[0, 2], [2, 4]])
    out, reference = ours(tg.tensor(index)), theirs(torch.tensor(index))
    assert_same(out, reference)
    (upstream,) = drawn([out.shape], seed=1)
    out.backward(tg.tensor(upstream))
    reference.backward(torch.tensor(upstream))
    assert_same(ours.weight.grad, theirs.weight.grad)
    assert_same(ours.weight, theirs.weight)


@pytest.mark.parametrize(
    ("name", "args"),
    [("MaxPool2d", (3, 2, 1)), ("AdaptiveMaxPool2d", ((3, 2),))],
)
def test_pools_say_where_their_values_were(name, args):
    ours, theirs = pair_of(name, args, {"return_indices": True})
    (x,) = drawn([(2, 3, 7, 8)])
    (values, places), (other, their_places) = ours(tg.tensor(x)), theirs(torch.tensor(x))
    assert_same(values, other)
    np.testing.assert_array_equal(places.numpy(), their_places.numpy())


def test_rows_say_where_their_values_were():
    for name, args in (("MaxPool1d", (3, 2)), ("AdaptiveMaxPool1d", (4,))):
        ours, theirs = pair_of(name, args, {"return_indices": True})
        (x,) = drawn([(2, 3, 9)])
        np.testing.assert_array_equal(
            ours(tg.tensor(x))[1].numpy(), theirs(torch.tensor(x))[1].numpy()
        )


def test_unpooling_puts_values_back():
    (x,) = drawn([(2, 3, 7, 8)])
    values, places = nn.MaxPool2d(2, return_indices=True)(tg.tensor(x, requires_grad=True))
    other, their_places = torch.nn.MaxPool2d(2, return_indices=True)(torch.tensor(x))
    ours, theirs = pair_of("MaxUnpool2d", (2,), {})
    assert repr(ours) == repr(theirs)
    assert_same(ours(values, places, (7, 8)), theirs(other, their_places, (7, 8)))
    assert_same(ours(values, places), theirs(other, their_places))


@pytest.mark.parametrize(
    ("name", "shape", "size"),
    [("ConvTranspose2d", (1, 2, 4, 5), (8, 9)), ("ConvTranspose1d", (2, 2, 4), [2, 3, 8])],
)
def test_transposed_convolutions_give_the_size_that_is_asked_for(name, shape, size):
    ours, theirs = pair_of(name, (2, 3, 3, 2, 1), {})
    (x,) = drawn([shape])
    assert_same(ours(tg.tensor(x), size), theirs(torch.tensor(x), size))


def nested(lib):
    """A network of several levels, written once for both libraries."""
    net = lib.Sequential(
        lib.Conv2d(1, 4, 3),
        lib.Sequential(lib.ReLU(), lib.Flatten()),
        lib.ModuleList([lib.Linear(16, 3)])[0],
    )
    net.register_buffer("mean", torch.zeros(1) if lib is torch.nn else tg.zeros(1))
    net.register_parameter("unused", None)
    net.add_module("last", lib.ModuleDict({"a": lib.Linear(3, 2), "b": lib.Identity()})["a"])
    return net


def test_a_nested_network_has_pytorchs_names_in_pytorchs_order():
    ours, theirs = nested(nn), nested(torch.nn)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for walk in ("named_parameters", "named_buffers", "named_modules", "named_children"):
        assert [n for n, _ in getattr(ours, walk)()] == [n for n, _ in getattr(theirs, walk)()]


def test_a_nested_network_agrees():
    ours, theirs = nested(nn).double(), nested(torch.nn).double()
    ours.load_state_dict(theirs.state_dict())
    assert_agree(ours, theirs, [(5, 1, 4, 4)])


@pytest.mark.parametrize("name", ["uniform_", "normal_", "xavier_uniform_", "xavier_normal_",
                                  "kaiming_uniform_", "kaiming_normal_", "trunc_normal_",
                                  "orthogonal_"])  # fmt: skip
def test_initialisations_have_pytorchs_spread(name):
    ours = getattr(nn.init, name)(tg.empty(64, 32, 5, 5), generator=tg.Generator(0)).numpy()
    torch.manual_seed(0)
    theirs = getattr(torch.nn.init, name)(torch.empty(64, 32, 5, 5)).numpy()
    assert ours.std() == pytest.approx(theirs.std(), rel=0.03)
    assert abs(ours.mean() - theirs.mean()) < 0.03 * theirs.std()
    assert ours.max() == pytest.approx(theirs.max(), rel=0.25)


@pytest.mark.parametrize("name", ["linear", "conv2d", "conv_transpose2d", "sigmoid", "tanh",
                                  "relu", "leaky_relu", "selu"])  # fmt: skip
def test_gains_are_pytorchs(name):
    assert nn.init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))


def test_dirac_and_eye_are_pytorchs():
    for shape, groups in [((4, 3, 3, 3), 1), ((6, 2, 4, 4), 2), ((4, 2, 5), 1)]:
        ours = nn.init.dirac_(tg.empty(shape), groups)
        theirs = torch.nn.init.dirac_(torch.empty(shape), groups)
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    np.testing.assert_array_equal(
        nn.init.eye_(tg.empty(2, 5)).numpy(), torch.nn.init.eye_(torch.empty(2, 5)).numpy()
    )
