"""Networks from patterns: what they consist of, what does not fit, what is warned of."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cv as tg
from tinygrad_cv import models, nn

CLASSIC = "INPUT -> [[CONV -> RELU]*2 -> POOL]*3 -> [FC -> RELU]*1 -> FC"
LENET = "INPUT => CONV => RELU => POOL => CONV => RELU => POOL => FC => RELU => FC => RELU => FC"


def words(net):
    """The layers' kinds, in order."""
    names = {nn.Conv2d: "CONV", nn.ReLU: "RELU", nn.MaxPool2d: "POOL", nn.Linear: "FC",
             nn.Dropout: "DROPOUT", nn.Tanh: "TANH"}  # fmt: skip
    return [names[type(layer)] for layer in net if type(layer) is not nn.Flatten]


def test_the_classical_pattern():
    net = models.convnet(CLASSIC, input_shape=(3, 32, 32), classes=7, filters=(8, 16, 24))
    block = ["CONV", "RELU", "CONV", "RELU", "POOL"]
    assert words(net) == [*block * 3, "FC", "RELU", "FC"]
    assert net.pattern() == CLASSIC
    assert [net.get_submodule(f"conv{i}").out_channels for i in range(1, 7)] == [
        8, 8, 16, 16, 24, 24,
    ]  # fmt: skip
    assert net.fc1.in_features == 24 * 4 * 4
    assert net(tg.zeros(2, 3, 32, 32)).shape == (2, 7)


@given(
    n=st.integers(0, 3), m=st.integers(0, 3), k=st.integers(0, 2),
    pooled=st.lists(st.booleans(), min_size=3, max_size=3),
)  # fmt: skip
def test_letters_stand_for_repetitions_and_may_be_zero(n, m, k, pooled):
    blocks = m if n else 0  # without a CONV in it, a bracket is no block
    pool = pooled[:blocks] if blocks else pooled[0]
    net = models.convnet(
        "INPUT -> [[CONV -> RELU]*N -> POOL?]*M -> [FC -> RELU]*K -> FC",
        (1, 8, 8), 3, filters=2, hidden=5, N=n, M=m, K=k, pool=pool,
    )  # fmt: skip
    want = []
    for block in range(m):
        want += ["CONV", "RELU"] * n
        want += ["POOL"] * (pool[block] if blocks else pool)
    assert words(net) == [*want, *["FC", "RELU"] * k, "FC"]
    assert net(tg.zeros(1, 1, 8, 8)).shape == (1, 3)


def test_lenet_as_a_pattern_is_lenet():
    with pytest.warns(UserWarning, match="CONV 5x5 with padding 0 changes the size"):
        net = models.convnet(
            LENET, (1, 28, 28), 10, filters=(6, 16), kernel_size=5, padding=(2, 0),
            hidden=(120, 84), generator=tg.Generator(3),
        )  # fmt: skip
    twin = models.LeNet5(generator=tg.Generator(3))
    assert [repr(a) for a in net] == [repr(b) for b in twin]
    for a, b in zip(net.parameters(), twin.parameters(), strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes()
    assert net.pattern() == LENET


def test_filters_double_by_default_and_repeated_layers_need_no_brackets():
    net = models.convnet("INPUT -> [CONV -> RELU -> POOL]*3 -> dropout -> FC*2 -> TANH -> fc")
    assert [net.get_submodule(f"conv{i}").out_channels for i in (1, 2, 3)] == [32, 64, 128]
    assert words(net)[-5:] == ["DROPOUT", "FC", "FC", "TANH", "FC"]


def test_starts_from_he_with_zero_biases_by_seed():
    net = models.convnet(CLASSIC, generator=tg.Generator(0))
    assert net.conv6.weight.numpy().std() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)
    assert all((p.numpy() == 0).all() for n, p in net.named_parameters() if "bias" in n)
    twin = models.convnet(CLASSIC, generator=tg.Generator(0))
    for a, b in zip(net.parameters(), twin.parameters(), strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes()


def test_what_does_not_fit_is_named_with_the_formula():
    pattern = "INPUT -> CONV -> RELU -> POOL -> CONV -> RELU -> POOL -> FC"
    message = (
        "convnet: pool2 (POOL 2x2, stride 2, padding 0) does not fit its input 64 x 15 x 15: "
        "(15 - 2 + 2*0)/2 + 1 = 7.5 is not whole".replace(" is", ": that is")
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        models.convnet(pattern, (3, 30, 30))
    with pytest.warns(UserWarning, match="side of 30 can be halved 1 times but is pooled 2 times"):
        net = models.convnet(pattern, (3, 30, 30), fit="floor")
    assert net.fc1.in_features == 64 * 7 * 7
    assert net(tg.zeros(1, 3, 30, 30)).shape == (1, 10)


def test_a_strided_convolution_that_does_not_fit():
    with pytest.raises(ValueError, match=r"conv1 \(CONV 3x3, stride 3, padding 0\) .* = 10\.67"):
        models.convnet("INPUT -> CONV -> FC", (3, 32, 32), stride=3, padding=0)


def test_a_window_larger_than_its_input_never_fits():
    message = (
        "pool4 (POOL 2x2, stride 2, padding 0) does not fit its input 256 x 1 x 1: "
        "(1 - 2 + 2*0)/2 + 1 = 0.5: its 2 x 2 window is larger than the padded input"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        models.convnet("INPUT -> [CONV -> POOL]*4 -> FC", (1, 8, 8), fit="floor")


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"kernel_size": 7}, "CONV 7x7: filters of 3x3 to 5x5"),
        ({"kernel_size": 1}, "CONV 1x1: filters of 3x3 to 5x5"),
        ({"stride": 2, "fit": "floor"}, "CONV with stride 2: stride 1 leaves the shrinking to POO"),
        ({"kernel_size": 5, "padding": 0}, "CONV 5x5 with padding 0 changes .* padding 2 keeps it"),
        ({"kernel_size": 4, "fit": "floor"}, "CONV 4x4 with padding 1 changes the size"),
        ({"pool_size": 4}, "POOL 4x4 with stride 4: 2x2 with stride 2 loses less"),
        ({"pool_size": 3, "pool_stride": 2, "fit": "floor"}, "POOL 3x3 with stride 2"),
        ({"input_shape": (3, 30, 32)}, "side of 30 can be halved 1 times but is pooled 2 times"),
    ],
    ids=str,
)
def test_departures_from_the_rules_of_thumb_are_warned_of(kwargs, message):
    pattern = "INPUT -> [CONV -> RELU -> POOL]*2 -> FC"
    with pytest.warns(UserWarning, match=message):
        models.convnet(pattern, **{"fit": "floor", **kwargs})


def test_a_network_by_the_rules_gives_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        models.convnet(CLASSIC, (3, 96, 64), kernel_size=(3, 5, 3))


@pytest.mark.parametrize(
    ("pattern", "column", "message"),
    [
        ("INPUT -> CNOV -> FC", 10, "unknown layer 'CNOV'; did you mean CONV?"),
        ("INPUT -> XYZ -> FC", 10, "unknown layer 'XYZ'; the layers are INPUT, CONV, BN, RELU"),
        ("INPUT -> [CONV -> RELU -> FC", 10, "this bracket is never closed"),
        ("INPUT -> CONV] -> FC", 14, "expected an arrow -> or the end, found ']'"),
        ("INPUT -> [CONV RELU] -> FC", 16, "expected an arrow -> or a closing bracket ], found"),
        ("INPUT -> -> FC", 10, "expected a layer or an opening bracket [, found '->'"),
        ("INPUT -> FC ->", 15, "expected a layer or an opening bracket [, found the end"),
        ("INPUT -> CONV > FC", 15, "unexpected '>'"),
        ("INPUT -> CONV*N -> FC", 14, "how often is *N? pass N="),
        ("INPUT -> CONV? -> FC", 10, "only POOL may have a '?', not CONV"),
        ("CONV -> FC", 1, "a pattern begins with INPUT"),
        ("", 1, "expected a layer"),
        ("[INPUT]*0", 1, "a pattern begins with INPUT"),
        ("INPUT -> [INPUT -> CONV]*2 -> FC", 11, "INPUT may stand only at the beginning"),
        ("INPUT -> FC -> CONV -> FC", 16, "CONV cannot follow FC"),
        ("INPUT -> FC -> RELU", 16, "a pattern ends with FC, not RELU"),
        ("INPUT -> CONV -> [FC]*0", 10, "a pattern ends with FC, not CONV"),
    ],
    ids=str,
)
def test_a_mistake_in_the_pattern_is_pointed_at(pattern, column, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        models.convnet(pattern)
    assert str(caught.value).endswith(f", in column {column} of {pattern!r}")


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"filters": (8, 16)}, "filters has 2 values but the pattern has 3 blocks"),
        ({"kernel_size": [3]}, "kernel_size has 1 values but the pattern has 3 blocks"),
        ({"hidden": (8, 16)}, "hidden has 2 values but the pattern has 1 hidden FC"),
        ({"pool": (True,)}, "pool has 1 values but the pattern has 3 blocks"),
        ({"fit": "round"}, "fit must be 'strict' or 'floor', got 'round'"),
        ({"input_shape": (32, 32)}, r"input_shape must be \(channels, rows, columns\)"),
        ({"kernel_size": 0}, "kernel_size must be at least 1"),
    ],
    ids=str,
)
def test_arguments_that_do_not_fit_the_pattern(kwargs, message):
    with pytest.raises(ValueError, match=message):
        models.convnet(CLASSIC, **kwargs)


def test_it_learns():
    generator = tg.Generator(0)
    net = models.convnet(
        "INPUT -> [CONV -> RELU -> POOL]*2 -> FC", (1, 8, 8), 2, (4, 8), generator=generator
    )
    labels = np.arange(40) % 2
    images = generator.numpy.standard_normal((40, 1, 8, 8), np.float32)
    images[labels == 1, :, :, 4:] += 1.0
    optimizer = tg.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(30):
        optimizer.zero_grad()
        loss = tg.functional.cross_entropy(net(tg.tensor(images)), tg.tensor(labels))
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2


def test_batch_normalisation_follows_images_and_rows():
    net = models.convnet("INPUT -> [CONV -> BN -> RELU -> POOL]*2 -> FC -> BN -> RELU -> FC")
    kinds = [type(layer).__name__ for layer in net if "BatchNorm" in type(layer).__name__]
    assert kinds == ["BatchNorm2d", "BatchNorm2d", "BatchNorm1d"]
    assert [net.get_submodule(f"bn{i}").num_features for i in (1, 2, 3)] == [32, 64, 128]
    assert net(tg.zeros(2, 3, 32, 32)).shape == (2, 10)
