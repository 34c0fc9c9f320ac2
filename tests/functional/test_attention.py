"""Attention, tables of vectors, dropout of channels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from on_device import check_refused

import tinygrad_cv as tg
import tinygrad_cv.functional as F
from tinygrad_cv.testing import gradcheck, gradgradcheck

RNG = np.random.default_rng(13)
Q, K, V = (RNG.standard_normal((2, 4, n, 3)) for n in (3, 5, 5))
MASK = RNG.random((3, 5)) > 0.4
MASK[1] = False  # a query that sees nothing


@pytest.mark.torch
@pytest.mark.parametrize(
    "options",
    [
        "",
        "scale=0.3",
        "is_causal=True",
        "attn_mask=m",
        "attn_mask=a",
        "attn_mask=a[0]",
    ],
)
def test_attention_agrees_with_torch(agree, options):
    agree(  # PyTorch differentiates it once
        f"F.scaled_dot_product_attention(q, k, v, {options})",
        order=1,
        q=Q, k=K, v=V, m=MASK, a=RNG.standard_normal((4, 3, 5)),
    )  # fmt: skip


@pytest.mark.torch
def test_shared_heads_agree_with_torch(agree):
    code = "F.scaled_dot_product_attention(q, k, v, enable_gqa=True)"
    agree(code, order=1, q=Q, k=K[:, :2], v=V[:, :2])


def test_a_query_that_sees_nothing_gets_nothing():
    q, k, v = (tg.tensor(x, requires_grad=True) for x in (Q, K, V))
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=tg.tensor(MASK))
    assert (y.detach().numpy()[:, :, 1] == 0).all()
    y.sum().backward()
    assert all(np.isfinite(x.grad.numpy()).all() for x in (q, k, v))


def test_attention_passes_gradient_checks():
    inputs = Q[:1, :1], K[:1, :1], V[:1, :1]
    for call in (
        F.scaled_dot_product_attention,
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
    ):
        gradcheck(call, inputs)
        gradgradcheck(call, inputs)


def test_dropped_weights_follow_the_seed():
    q, k, v = map(tg.tensor, (Q, K, V))
    outs = []
    for _ in range(2):
        tg.manual_seed(4)
        outs.append(F.scaled_dot_product_attention(q, k, v, dropout_p=0.5).tolist())
    assert outs[0] == outs[1] != F.scaled_dot_product_attention(q, k, v).tolist()


@pytest.mark.torch
@given(
    rows=st.lists(st.integers(0, 4), min_size=1, max_size=6), padding=st.sampled_from([None, 1, -2])
)
def test_embedding_agrees_with_torch(agree, rows, padding):
    table = RNG.standard_normal((5, 2))
    agree(f"F.embedding(i, w, {padding})", i=np.array(rows), w=table)
    agree(f"F.embedding(i, w, {padding})", i=np.array([rows]), w=table)
    agree(
        f"F.embedding(i, w, {padding}, scale_grad_by_freq=True)",
        order=1,  # torch has no second derivative of it
        i=np.array(rows),
        w=table,
    )


def test_the_gradient_of_rows_named_often_can_be_divided_by_how_often():
    w = tg.ones(3, 1, requires_grad=True)
    y = F.embedding(tg.tensor([0, 0, 0, 2]), w, scale_grad_by_freq=True)
    (y * y).sum().backward()
    assert w.grad.tolist() == [[2], [0], [2]]


def test_long_rows_of_a_table_are_shortened_where_they_are_named():
    w = tg.tensor([[3.0, 4.0], [6.0, 8.0], [0.3, 0.4]], requires_grad=True)
    y = F.embedding(tg.tensor([0, 2]), w, max_norm=1.0)
    np.testing.assert_allclose(y.detach().numpy(), [[0.6, 0.8], [0.3, 0.4]], rtol=1e-6)
    np.testing.assert_allclose(w.detach().numpy()[1], [6.0, 8.0])


@settings(max_examples=min(20, settings.default.max_examples))
@given(p=st.sampled_from([0.1, 0.5, 0.9]), seed=st.integers(0, 2**32 - 1))
def test_channels_are_dropped_whole(p, seed):
    x = tg.ones(8, 50, 3, 2)
    y = F.dropout2d(x, p, generator=tg.Generator(seed)).numpy()
    flat = y.reshape(8, 50, 6)
    assert (flat == flat[..., :1]).all()
    np.testing.assert_allclose(np.unique(flat), [0, 1 / (1 - p)], rtol=1e-6)
    assert abs((flat[..., 0] == 0).mean() - p) < 0.12
    row = F.dropout1d(x[0, :, :, 0], p, generator=tg.Generator(seed))
    assert row.shape == (50, 3)
    assert F.dropout2d(x, p, training=False) is x
    assert F.dropout2d(x, p, inplace=True, generator=tg.Generator(seed)) is x
    np.testing.assert_array_equal(x.numpy(), y)


def test_alpha_dropout_keeps_mean_and_variance():
    x = tg.tensor(np.random.default_rng(14).standard_normal(200_000), requires_grad=True)
    y = F.alpha_dropout(x, 0.3, training=True, generator=tg.Generator(5))
    assert abs(y.mean().item()) < 0.02
    assert abs(y.var().item() - 1) < 0.02
    y.sum().backward()
    assert len(np.unique(x.grad.numpy())) == 2
    assert F.alpha_dropout(x, 0.3) is x


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x: F.scaled_dot_product_attention(x, x[:, :2], x), ValueError, "must have shapes"),
        (lambda x: F.scaled_dot_product_attention(x[0], x, x), ValueError, "at least 2 dimensions"),
        (
            lambda x: F.scaled_dot_product_attention(x, x, x, attn_mask=x, is_causal=True),
            ValueError,
            "give either attn_mask or is_causal",
        ),
        (lambda x: F.embedding(tg.tensor([3]), x), IndexError, "index 3 is outside .* rows 0 to 2"),
        (lambda x: F.embedding(tg.tensor([-1]), x), IndexError, "index -1 is outside"),
        (lambda x: F.embedding(x, x), TypeError, "must hold ints, got float32"),
        (lambda x: F.embedding(tg.tensor([1]), x, 3), ValueError, "padding_idx 3 but the table"),
        (lambda x: F.embedding(tg.tensor([1]), x[0]), ValueError, r"shape \(rows, D\), got \(3,\)"),
        (lambda x: F.dropout2d(x), ValueError, r"dropout2d: input must have shape"),
        (lambda x: F.dropout1d(x, 2), ValueError, r"in \[0, 1\], got 2"),
        (lambda x: F.alpha_dropout(x, -1), ValueError, r"in \[0, 1\], got -1"),
    ],
)
def test_attention_and_tables_refuse_what_does_not_fit(call, error, match):
    check_refused(lambda: call(tg.zeros(3, 3)), error, match)
