"""The strategies keep their promises, and reach what tests need to see."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

import tinygrad_cv as tg
from tinygrad_cv.testing import arrays, broadcastable_shapes, conv2d_settings, pool2d_settings


def reaches(strategy, condition):
    quick = settings(
        max_examples=5000,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    find(strategy, condition, settings=quick)  # raises NoSuchExample


@given(x=arrays(min_dims=1, max_dims=2, min_side=1, max_side=5, low=-2, high=3))
def test_arrays_keep_their_limits(x):
    assert x.dtype == np.float64
    assert 1 <= x.ndim <= 2
    assert all(1 <= n <= 5 for n in x.shape)
    assert ((x >= -2) & (x <= 3)).all()


@given(x=arrays(away_from=(0.0, 2.0), margin=0.5, low=-1, high=3, max_side=6))
def test_arrays_stay_away_from_kinks(x):
    assert ((np.abs(x) >= 0.5) & (np.abs(x - 2) >= 0.5)).all()


@given(x=arrays(distinct=True, low=0, high=6, max_side=5))
def test_distinct_arrays_have_no_ties(x):
    gaps = np.diff(np.sort(x, axis=None))
    assert (gaps >= 0.999 * 6 / (2 * max(x.size, 1))).all()
    assert ((x >= 0) & (x <= 6)).all()


@given(data=st.data(), dtype=st.sampled_from(["uint8", "int64", "float32"]))
def test_arrays_of_other_types(data, dtype):
    x = data.draw(arrays(dtype=dtype, low=-3, high=300, max_side=5))
    assert x.dtype == dtype
    assert ((x >= -3) & (x <= 300)).all()


def test_arrays_take_a_shape():
    assert find(arrays(3), lambda x: True).shape == (3,)
    assert find(arrays((2, 0)), lambda x: True).shape == (2, 0)
    assert find(arrays(st.just((1, 2))), lambda x: True).shape == (1, 2)


def test_arrays_reach_scalars_empty_large_and_negative():
    reaches(arrays(), lambda x: x.ndim == 0)
    reaches(arrays(), lambda x: x.size == 0)
    reaches(arrays(), lambda x: x.size > 20 and (x < 0).any() and (x > 0).any())
    reaches(arrays(away_from=0.0), lambda x: 0 < x.size < 5 and (x < 0).all())


def test_small_arrays_shrink_value_by_value():
    assert find(arrays((3,)), lambda x: x.max() >= 5).tolist() in ([5, 0, 0], [0, 5, 0], [0, 0, 5])


def test_arrays_refuse_what_cannot_be():
    with pytest.raises(ValueError, match=r"no number from 0 to 1 is 2 away from \[0.5\]"):
        arrays(low=0, high=1, away_from=0.5, margin=2)
    with pytest.raises(ValueError, match="distinct=True and away_from exclude each other"):
        arrays(distinct=True, away_from=0.0)


@given(shapes=broadcastable_shapes(3, max_dims=2, min_side=1))
def test_shapes_broadcast(shapes):
    assert len(shapes) == 3
    assert all(len(s) <= 2 and 0 not in s for s in shapes)
    np.broadcast_shapes(*shapes)


def test_shapes_reach_every_kind_of_broadcast():
    reaches(broadcastable_shapes(), lambda s: len(s[0]) < len(s[1]) and s[0] != ())
    reaches(broadcastable_shapes(), lambda s: s[0] == () and 0 in s[1])
    reaches(broadcastable_shapes(), lambda s: s[0][:1] == (1,) and s[1][:1] == (3,))
    reaches(broadcastable_shapes(), lambda s: s[0] == s[1] and len(s[0]) == 2)


@given(case=conv2d_settings())
def test_conv2d_settings_fit(case):
    out = tg.conv2d(tg.tensor(case.input), tg.tensor(case.weight), **case.settings)
    assert out.shape[:2] == (len(case.input), len(case.weight))
    for i in (0, 1):
        assert 1 <= out.shape[2 + i] <= 3 + 4 // case.settings["stride"][i]


@pytest.mark.parametrize(
    "condition",
    [
        lambda c: len(c.input) == 0,
        lambda c: c.settings["groups"] == 2 and c.weight.shape[1] == 2,
        lambda c: c.settings["stride"] == (3, 1) and c.settings["dilation"] == (1, 2),
        lambda c: c.settings["padding"] == (2, 0),
        lambda c: c.input.shape[2] < c.weight.shape[2],  # it fits thanks to the padding
        lambda c: c.weight.shape[2:] == (1, 3),
    ],
    ids=["empty", "groups", "mixed", "padding", "padded", "kernel"],
)
def test_conv2d_settings_reach_all_kinds(condition):
    reaches(conv2d_settings(), condition)


@given(case=pool2d_settings())
def test_max_pool2d_settings_fit(case):
    out = tg.functional.max_pool2d(tg.tensor(case.input), **case.settings)
    assert out.shape[:2] == case.input.shape[:2]
    assert len(np.unique(case.input)) == case.input.size


@given(case=pool2d_settings(kind="avg"))
def test_avg_pool2d_settings_fit(case):
    out = tg.functional.avg_pool2d(tg.tensor(case.input), **case.settings)
    assert out.shape[:2] == case.input.shape[:2]
    assert 0 not in out.shape[2:]


@pytest.mark.parametrize(
    "condition",
    [
        lambda c: len(c.input) == 0,
        lambda c: c.settings["kernel_size"] == (3, 1) and c.settings["padding"] == (1, 0),
        lambda c: c.settings["dilation"] == (2, 1) and c.settings["ceil_mode"],
        lambda c: c.settings["stride"] == (3, 1) and c.settings["kernel_size"][0] == 2,
    ],
    ids=["empty", "padding", "dilation", "gaps"],
)
def test_pool2d_settings_reach_all_kinds(condition):
    reaches(pool2d_settings(), condition)


def test_pool2d_settings_refuse_an_unknown_kind():
    with pytest.raises(ValueError, match="kind must be 'max' or 'avg', got 'lp'"):
        find(pool2d_settings(kind="lp"), lambda case: True)
